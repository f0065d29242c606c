"""The user's own document is the contract: its commands, defaults and snippets are read from it and tried."""

import ast
import contextlib
import dataclasses
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import tyro

from ghm.search import HyperparameterSearch, SearchConfig, SearchSpace
from ghm.search.trials import gpus as gpus_module
from ghm.training.settings import TrainConfig
from tests.search.support import STUB, no_solver, read, results_file, run_search

ROOT = Path(__file__).parents[2]
SPEC = ROOT.parent / "shared/spec/hyperparameter_search.txt"
pytestmark = pytest.mark.skipif(not SPEC.exists(), reason=f"the specification is not at {SPEC}")
TEXT = SPEC.read_text(encoding="utf-8") if SPEC.exists() else ""

TRAINING = "train_monte_carlo_ghm_time_augmented.py"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands(script: str) -> list[list[str]]:
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith(f"python scripts/{script}")]


def shrunk(flags: list[str]) -> list[str]:
    """The command with numbers that take seconds instead of hours: later flags win."""
    return [*flags, "--n_iterations", "3", *(["--n_trials", "3"] if "--n_trials" in flags else [])]


SEARCHES = commands("hyperparameter_search.py")


def test_the_spec_is_read() -> None:
    assert len(SEARCHES) == 7
    assert len(commands(TRAINING)) == 1
    assert len(blocks("python")) == 3


def test_flags_and_defaults() -> None:
    documented = re.findall(r"^- `--(\w+)`:.*Default: `(.*)`$", TEXT, re.MULTILINE)
    assert len(documented) == 12
    for name, default in documented:
        assert str(getattr(SearchConfig(), name)) == default
    assert "resume" in {field.name for field in dataclasses.fields(SearchConfig)}


def test_default_space() -> None:
    documented = re.findall(r"^- \*\*(\w+)\*\*: `(\[.*\])`$", TEXT, re.MULTILINE)
    assert {name: ast.literal_eval(values) for name, values in documented} == dataclasses.asdict(SearchSpace())


@pytest.mark.parametrize("flags", [f for f in SEARCHES if "--resume" not in f and "grid" not in f], ids=" ".join)
def test_random_searches_run(flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus_module, "visible_gpus", lambda: ["0"])
    assert run_search(*shrunk(flags)) == 0
    results_dir = tmp_path / "results/hyperparam_search"
    assert len(read(results_dir)["results"]) == 3
    check_structure(results_dir)


def check_structure(results_dir: Path, trials: int = 3) -> None:
    """The documented tree is there, with nothing missing from any trial."""
    tree = re.search(r"### Directory Structure.*?```\n(.*?)```", TEXT, re.DOTALL)
    assert tree is not None
    names = re.findall(r"[\w.]+(?:\.json|\.log|\.pt|/)", tree.group(1).split("trial_001/")[1].split("trial_002/")[0])
    assert set(names) >= {"hyperparameters.json", "stdout.log", "stderr.log", "logs/", "checkpoints/", "best_model.pt"}
    for number in range(1, trials + 1):
        for name in names:
            found = list((results_dir / f"trial_{number:03d}").rglob(name.rstrip("/")))
            assert found, f"trial {number} has no {name}"


def test_the_documented_grid_is_counted_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (flags,) = [flags for flags in SEARCHES if "grid" in flags]
    # The documented counts are those of a value network that matters; without effect, it would not be varied.
    assert run_search(*flags, "--baseline", "network", "--dry_run") == 0
    printed = capsys.readouterr().out
    assert "11,664" in printed
    assert "Warning" in printed
    assert not Path("results").exists()


def test_the_reduced_grid_of_the_spec_runs_four_trials(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("python") if "search_space = SearchSpace()" in block]
    names: dict[str, Any] = {"SearchSpace": SearchSpace}
    exec(block, names)
    config = SearchConfig(search_type="grid", n_iterations=3, baseline="network", results_dir=tmp_path / "grid")
    search = HyperparameterSearch(names["search_space"], config, command=STUB, solve=no_solver, observers=())
    assert search.run().exit_status == 0
    entries = read(tmp_path / "grid")["results"]
    rates = [(e["hyperparameters"]["lr_policy"], e["hyperparameters"]["lr_baseline"]) for e in entries]
    assert rates == [(3e-4, 1e-3), (3e-4, 3e-3), (1e-3, 1e-3), (1e-3, 3e-3)]


def test_post_init_can_be_edited_as_the_spec_shows(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("python") if "In SearchSpace.__post_init__()" in block]

    class Edited(SearchSpace):
        def __post_init__(self) -> None:
            super().__post_init__()
            exec(block, {"self": self})

    assert run_search("--n_trials", 2, "--n_iterations", 2, "--results_dir", tmp_path / "r", space=Edited()) == 0
    assert read(tmp_path / "r")["search_space"]["lr_policy"] == [1e-4, 3e-4, 5e-4, 1e-3, 3e-3]


def test_resuming_as_the_spec_shows(tmp_path: Path) -> None:
    (flags,) = [flags for flags in SEARCHES if "--resume" in flags]
    assert run_search("--n_trials", 2, "--n_iterations", 2) == 0
    path = results_file(tmp_path / "results/hyperparam_search")
    flags[flags.index("--resume") + 1] = str(path.relative_to(tmp_path))
    assert flags[-2:] == ["--n_trials", "30"]
    assert run_search(*flags[:-1], "4") == 0
    results = read(tmp_path / "results/hyperparam_search")
    assert [entry["trial_num"] for entry in results["results"]] == [1, 2, 3, 4]
    assert results_file(tmp_path / "results/hyperparam_search") == path


@pytest.mark.parametrize("modes", ["{}", '{"124": "crash"}', '{"124": "crash", "125": "diverge"}'])
def test_the_reading_snippet_runs_unchanged(modes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [block for block in blocks("python") if "import json" in block]
    monkeypatch.setenv("STUB_MODES", modes)
    run_search("--n_trials", 2, "--n_iterations", 3, "--progress", "none")
    path = results_file(tmp_path / "results/hyperparam_search")
    path.rename(path.with_name("search_results_TIMESTAMP.json"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block, {})
    assert "Best return: " in printed.getvalue()
    failed = re.findall(r"Trial \d: -1000000000.0000", printed.getvalue())
    assert len(failed) == ("crash" in modes)


def test_the_verification_command_is_one_that_the_search_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the checkout its script, elsewhere the installed command; with directories of its own, over no other run's."""
    (documented,) = commands(TRAINING)
    for place, front in ((tmp_path, ["ghm", "train"]), (ROOT, ["python", f"scripts/{TRAINING}"])):
        monkeypatch.chdir(place)
        run_search("--n_trials", 2, "--n_iterations", 2, "--results_dir", tmp_path / "found")
        *_, line = (line for line in capsys.readouterr().out.splitlines() if " --lr_policy " in line)
        words = shlex.split(line)
        assert words[:2] == front
        expected = [flag for flag in documented if flag.startswith("--")]
        assert [flag for flag in words if flag.startswith("--")] == [*expected, "--log_dir", "--ckpt_dir"]
        assert words[-1] == "runs/best-of-found/checkpoints"
        for flags in (documented, words[2:]):
            tyro.cli(TrainConfig, args=flags, use_underscores=True)
