"""The package as users get it: wheel and sdist, a fresh environment, commands from another directory."""

import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import ghm

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.package

POLICY = """
import numpy as np

def act(cash, time_to_horizon):
    return np.maximum(cash - 0.2, 0.0), np.where(cash < 0.05, 0.1 - cash, 0.0)
"""


def ran(words, cwd):
    """Run a command; its output. What the environment says of this checkout is kept from it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Wheel and sdist, built from a copy: a build leaves files beside the source."""
    directory = tmp_path_factory.mktemp("build")
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=ignored)
        else:
            shutil.copy(source, directory / name)
    ran([sys.executable, "-m", "build", "--no-isolation", "--outdir", directory / "dist"], directory)
    return directory / "dist"


@pytest.fixture(scope="module")
def installed(distributions, tmp_path_factory):
    """A fresh environment with the wheel, and the tested versions of what it depends on lent by this one; its directory.

    Paths in a .pth file are appended to the search path without their own .pth files: the checkout's editable install
    stays out, and the wheel comes first.
    """
    directory = tmp_path_factory.mktemp("fresh")
    ran([sys.executable, "-m", "venv", directory / "venv"], directory)
    python = directory / "venv" / "bin" / "python"
    (wheel,) = distributions.glob("*.whl")
    ran([python, "-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel], directory)
    packages = ran([python, "-c", "import site; print(site.getsitepackages()[0])"], directory).strip()
    (Path(packages) / "lent.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    where = ran([python, "-c", "import ghm; print(ghm.__file__)"], directory).strip()
    assert where.startswith(packages)
    assert str(ROOT) not in where
    return directory


def test_distributions_pass_twine(distributions):
    assert {path.name for path in distributions.iterdir()} == {
        f"ghm-{ghm.__version__}-py3-none-any.whl",
        f"ghm-{ghm.__version__}.tar.gz",
    }
    output = ran([sys.executable, "-m", "twine", "check", "--strict", *distributions.iterdir()], distributions)
    assert output.count("PASSED") == 2


def test_distributions_have_everything_and_nothing_else(distributions):
    (wheel,), (sdist,) = distributions.glob("*.whl"), distributions.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "ghm").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith("ghm-")} == sources  # modules, py.typed, the page's assets
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{source}" for source in sources} <= inside
    assert {"pyproject.toml", "README.md", "LICENSE"} <= inside


def test_every_command_runs_from_another_directory(installed):
    program, here = installed / "venv" / "bin" / "ghm", installed
    assert ran([program, "--version"], here) == f"ghm {ghm.__version__}\n"
    problem = ("--dt", "0.05", "--T", "1")
    search = (
        "--n_trials",
        "2",
        "--n_iterations",
        "4",
        "--n_workers",
        "1",
        "--progress",
        "none",
        "--results_dir",
        "found",
    )
    (here / "space.json").write_text(
        json.dumps({"n_trajectories": [20], "policy_hidden": [[8]], "value_hidden": [[8]]})
    )
    summary = ran([program, "search", "--search_type", "random", *search, *problem, "--space", "space.json"], here)
    assert "2 of 2 trials completed" in summary
    ran([program, "report", "found", "--output", "page.html"], here)
    assert (here / "page.html").stat().st_size > 100_000
    assert json.loads(ran([program, "solve", *problem, "--json"], here))["optimal_return"] > 5.9
    assert "PASS: every claim checked holds." in ran([program, "solve", *problem, "--check"], here)
    (here / "my_policy.py").write_text(POLICY)
    found = json.loads(ran([program, "evaluate", "--policy", "my_policy:act", *problem, "--json"], here))
    assert 0 < found["captured_value"] < 1
    (best, *_) = sorted((here / "found").rglob("best_model.pt"))
    assert json.loads(ran([program, "evaluate", best, "--json"], here))["monte_carlo_agrees"] is not None
    train = ("--n_iterations", "2", "--n_trajectories", "20", "--progress", "none", "--policy_hidden", "8")
    assert "captured value" in ran([program, "train", *train, *problem], here)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_ones_that_the_shell_reads(installed, shell, tmp_path):
    script = tmp_path / "completion"
    script.write_text(ran([installed / "venv" / "bin" / "ghm", "completion", shell], installed))
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    ran([shell, "-n", script], tmp_path)
