"""What is recorded of the code and the machine."""

import json
import subprocess
from pathlib import Path

import pytest

from ghm.search.records import environment

SETTINGS = ("configurations", "distributions", "inactive", "methods", "space", "trial_numbering")
"""Of a search's settings: what is drawn from them, from which values, with which seeds."""

DECISIVE = ["economics/model.py", "training/trainer.py", *(f"search/settings/{name}.py" for name in SETTINGS)]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*DECISIVE, "search/display/summary.py", "search/settings/command.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    for name in ("search/methods", "search/decisions", "policies", "solvers", "simulation"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(environment, "_PACKAGE", tmp_path)
    return tmp_path


def version() -> str:
    return environment.code_version.__wrapped__()["ghm"]


@pytest.mark.parametrize("name", DECISIVE)
def test_code_that_decides_results_has_a_version_of_its_own(package: Path, name: str) -> None:
    before = version()
    assert version() == before
    (package / name).write_text("x = 2\n")
    assert version() != before


def test_a_moved_line_between_files_is_another_version(package: Path) -> None:
    before = version()
    (package / "economics/model.py").rename(package / "training/model.py")
    (package / "economics/model.py").write_text("")
    assert version() != before


@pytest.mark.parametrize("name", ["search/display/summary.py", "search/settings/command.py"])
def test_code_around_them_has_not(package: Path, name: str) -> None:
    before = version()
    (package / name).write_text("x = 2\n")
    assert version() == before


def test_the_real_package_has_a_version() -> None:
    code = environment.code_version()
    assert set(code) == {"ghm", "python", "torch", "numpy", "numba", "scipy"}
    assert "not installed" not in code.values()


def test_environment_is_json_and_names_the_machine() -> None:
    recorded = json.loads(json.dumps(environment.environment()))
    assert recorded["cpu_count"] >= 1
    assert recorded["versions"]["numpy"].count(".") == 2


def test_git_revision_of_a_checkout_and_outside_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src/ghm").mkdir(parents=True)
    monkeypatch.setattr(environment, "_PACKAGE", tmp_path / "src/ghm")
    assert environment.git_revision.__wrapped__() is None
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    revision = environment.git_revision.__wrapped__()
    assert revision is not None
    assert len(revision) == 40
