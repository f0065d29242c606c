"""The order of the package that no import contract holds: folders small enough to be seen at a glance, no circle of imports."""

import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import ghm

MOST_FILES = 10
"""Modules in a folder at most."""

PACKAGE = Path(ghm.__file__).parent
FOLDERS = [PACKAGE, *(folder for folder in sorted(PACKAGE.rglob("*")) if (folder / "__init__.py").is_file())]


def modules(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_a_folder_has_at_most_ten_modules(folder: Path) -> None:
    assert len(modules(folder)) <= MOST_FILES, modules(folder)


def test_the_count_would_show_a_folder_that_is_too_full() -> None:
    """Negative control: the whole search would not pass for one folder."""
    assert len(list((PACKAGE / "search").rglob("*.py"))) > MOST_FILES
    assert len(FOLDERS) > 10, "folders were found"


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a ring, the first again at the end; empty if there is no ring."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each module imports, inside functions too; not what it imports for type checkers alone."""
    graph = grimp.build_graph("ghm", exclude_type_checking_imports=True, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_modules_import_one_another(imports: dict[str, set[str]]) -> None:
    assert circle(imports) == []


def test_a_circle_would_be_found(imports: dict[str, set[str]]) -> None:
    """Negative control: one import more, of what stands high by what stands low."""
    assert "ghm.training.settings" in imports["ghm.training.trainer"]
    assert len(imports) > 100, "modules were found"
    planted = imports | {"ghm.training.settings": {*imports["ghm.training.settings"], "ghm.training.trainer"}}
    assert set(circle(planted)) >= {"ghm.training.settings", "ghm.training.trainer"}


def test_every_file_that_is_no_module_is_installed_with_the_package() -> None:
    text = (PACKAGE.parents[1] / "pyproject.toml").read_text()
    patterns = tomllib.loads(text)["tool"]["setuptools"]["package-data"]["ghm"]
    installed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".py"]
    left_out = [path for path in files if path not in installed and "__pycache__" not in path.parts]
    assert not left_out
    assert PACKAGE / "py.typed" in installed, "files were found"
