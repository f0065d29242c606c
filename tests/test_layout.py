"""The order of the package that no import contract holds: folders stay small enough to be seen at a glance."""

from pathlib import Path

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
