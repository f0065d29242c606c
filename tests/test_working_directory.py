"""Nothing is imported from the working directory or from a results directory: anybody's files may lie there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ghm

GHM = Path(sys.executable).with_name("ghm")

TINY = ("--n_iterations", "4", "--eval_freq", "2", "--dt", "0.1", "--T", "1", "--n_trajectories", "20")
SEARCH = ("--n_trials", "1", "--space", "space.json", *TINY[:-2], "--progress", "plain")
SPACE = '{"n_trajectories": [20], "policy_hidden": [[8]], "value_hidden": [[8]]}'

NAMES = (
    "secrets", "platform", "random", "numpy", "ghm", "numba", "torch", "json", "logging", "pickle", "socket", "tempfile",
    "multiprocessing", "distributed", "dask", "scipy", "plotly", "pandas", "rich", "psutil", "sitecustomize", "usercustomize",
)  # fmt: skip
"""Of modules that processes of a search import, at their start or late."""


def planted(directory: Path, marker: Path) -> Path:
    """Files of these names that note that they were imported, and fail."""
    directory.mkdir(exist_ok=True)
    for name in NAMES:
        note = f"open({str(marker)!r}, 'a').write('{directory.name}/{name}\\n')\nraise ImportError('planted')\n"
        (directory / f"{name}.py").write_text(note)
    return directory


def ran(*words: object, cwd: Path) -> str:
    """What a command prints, on both streams; it succeeds."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}"
    return done.stdout


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Where planted files note that they were imported."""
    return tmp_path / "imported"


@pytest.fixture
def here(tmp_path: Path, marker: Path) -> Path:
    """A working directory with planted files."""
    directory = planted(tmp_path / "here", marker)
    (directory / "space.json").write_text(SPACE)
    return directory


@pytest.mark.journey
def test_no_process_of_a_training_imports_from_there(here: Path, marker: Path) -> None:
    assert "captured value" in ran(GHM, "train", *TINY, cwd=here)
    assert not marker.exists(), marker.read_text()


def test_no_process_of_a_search_imports_from_there(here: Path, marker: Path) -> None:
    """Those that trials are forked from and that write the page, too."""
    assert "could not be written" not in ran(GHM, "search", *SEARCH, "--results_dir", "r", cwd=here)
    assert (here / "r/report.html").exists()
    assert not marker.exists(), marker.read_text()


@pytest.mark.journey
def test_no_process_that_reads_a_search_imports_from_its_directory(here: Path, marker: Path) -> None:
    ran(GHM, "search", *SEARCH, "--results_dir", "r", cwd=here)
    results = planted(here / "r", marker)
    (results / "trial_001" / "outcome.json").unlink()  # so that there is something to resume
    assert "1 of 1 trials completed" in ran(GHM, "search", "--resume", ".", cwd=results)
    assert "reproduced bit for bit" in ran(GHM, "replay", ".", "--trial", "1", cwd=results)
    assert "It completed" in ran(GHM, "explain", ".", "--trial", "1", cwd=results)
    ran(GHM, "report", ".", cwd=results)
    assert not marker.exists(), marker.read_text()


@pytest.mark.journey
def test_no_worker_of_dask_imports_from_there(here: Path, marker: Path) -> None:
    pytest.importorskip("distributed")
    ran(GHM, "search", *SEARCH, "--executor", "dask", "--n_workers", "1", "--results_dir", "r", cwd=here)
    assert not marker.exists(), marker.read_text()


def test_a_policy_beside_such_files_is_judged(here: Path, marker: Path) -> None:
    """The one import from the working directory that is asked for, by name."""
    (here / "mine.py").write_text("def act(cash, time_to_horizon):\n    return cash * 0, cash * 0\n")
    assert "captured" in ran(GHM, "evaluate", "--policy", "mine:act", "--dt", "0.1", "--T", "1", cwd=here)
    assert not marker.exists(), marker.read_text()


def test_python_alone_would_have_imported_them(here: Path, marker: Path) -> None:
    """Negative control: the planted files are such as a process started without care runs."""
    done = subprocess.run([sys.executable, "-c", "import secrets"], cwd=here, capture_output=True)
    assert done.returncode == 1
    assert "here/secrets" in marker.read_text()


def test_settings_of_numba_in_the_working_directory_are_not_read(here: Path) -> None:
    """They say, among other things, from where compiled code is loaded."""
    pytest.importorskip("yaml")
    (here / ".numba_config.yaml").write_text("cache_dir: stolen\ndisable_jit: 1\n")
    code = "import ghm.io.compiled as c, numba; print(c.cache_directory(), numba.config.DISABLE_JIT, numba.config.CACHE_DIR)"
    elsewhere = ran(sys.executable, "-P", "-c", code, cwd=here.parent)
    assert ran(sys.executable, "-P", "-c", code, cwd=here) == elsewhere
    alone = "import numba; print(numba.config.CACHE_DIR)"
    assert ran(sys.executable, "-P", "-c", alone, cwd=here) == "stolen\n"  # negative control


def test_one_place_says_how_a_process_is_started() -> None:
    package = Path(ghm.__file__).parent
    naming = [path.name for path in package.rglob("*.py") if "sys.executable" in path.read_text()]
    assert naming == ["platforms.py"]
