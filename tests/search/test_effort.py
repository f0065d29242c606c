"""What a search may cost: a budget of training iterations decides how many configurations there are; a time limit stops it."""

import math
from pathlib import Path
from typing import Any

import pytest

from ghm.search import HyperparameterSearch, SearchConfig
from tests.search.instant import INSTANT
from tests.search.support import comparable, read, run_search

FLAGS = ("--eval_freq", 2, "--progress", "none")


def cost(n: int, iterations: int, rungs: tuple[int, ...], keep: float, instances: int, confirm: int) -> int:
    """Training iterations of n configurations, counted one by one."""
    total, still, before = 0, n, 0
    for rung in (*rungs, iterations):
        total += still * (rung - before) * instances
        still, before = math.ceil(keep * still - 1e-9), rung
    return total + min(confirm, n) * 5 * iterations


@pytest.mark.parametrize("rungs", [(), (100,), (100, 300)])
@pytest.mark.parametrize("n_seeds", [1, 3])
@pytest.mark.parametrize("confirm", [0, 2])
@pytest.mark.parametrize("budget", [30_000, 41_234, 100_000])
def test_as_many_configurations_as_the_budget_trains(
    rungs: tuple[int, ...], n_seeds: int, confirm: int, budget: int
) -> None:
    config = SearchConfig(n_iterations=1000, rungs=rungs, n_seeds=n_seeds, confirm=confirm, budget=budget)
    resolved = HyperparameterSearch(None, config, observers=()).resolved()
    count = resolved.numbering.n_configurations
    assert resolved.config.n_trials == count
    known = (1000, rungs, config.keep, n_seeds, confirm)
    assert cost(count, *known) <= budget < cost(count + 1, *known)
    assert any(f"--budget {budget:,}: {count} configurations" in note for note in resolved.plan().notes)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--budget", 999, "--n_iterations", 1000),
            "--budget 999 is less than one configuration takes, 1000 training",
        ),
        (("--budget", 0), "--budget must be a whole number >= 1; received 0"),
        (("--budget", 9000, "--search_type", "grid"), "--budget is not for a grid"),
        (("--time_limit", 0), "--time_limit must be a finite number > 0"),
        (("--time_limit", "nan"), "--time_limit must be a finite number > 0"),
    ],
)
def test_refused(flags: tuple[Any, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = run_search(*flags, "--results_dir", tmp_path / "r", *FLAGS)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "r").exists()


def test_a_budget_makes_the_same_search_as_its_number_of_trials(tmp_path: Path) -> None:
    assert run_search("--budget", 47, "--n_iterations", 6, *FLAGS, "--results_dir", tmp_path / "a", **INSTANT) == 0
    assert run_search("--n_trials", 7, "--n_iterations", 6, *FLAGS, "--results_dir", tmp_path / "b", **INSTANT) == 0
    assert comparable(read(tmp_path / "a")) == comparable(read(tmp_path / "b"))
    assert run_search("--resume", tmp_path / "a", "--budget", 60, *FLAGS[2:], **INSTANT) == 0
    assert len(read(tmp_path / "a")["results"]) == 10, "a larger budget goes on"


def test_a_search_that_came_to_its_time_limit_is_in_order_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--n_trials", 4, "--n_iterations", 6, *FLAGS)
    assert run_search(*flags, "--time_limit", 1e-9, "--results_dir", tmp_path / "r", **INSTANT) == 4
    assert "Continue with:" in capsys.readouterr().out
    assert len(read(tmp_path / "r")["results"]) < 4
    assert run_search("--resume", tmp_path / "r", *FLAGS[2:], **INSTANT) == 0, "the limit is that of one call"
    assert run_search(*flags, "--time_limit", 24, "--results_dir", tmp_path / "whole", **INSTANT) == 0
    assert comparable(read(tmp_path / "r")) == comparable(read(tmp_path / "whole"))


def test_trials_that_run_at_the_time_limit_write_their_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the stub, whose trial would take ten minutes: it is stopped, and what it has done is kept."""
    monkeypatch.setenv("STUB_STEP_S", "0.02")
    flags = ("--n_trials", 1, "--n_iterations", 30_000, "--eval_freq", 2, "--progress", "none")
    assert run_search(*flags, "--time_limit", 4 / 3600, "--results_dir", tmp_path / "r") == 4
    (trial,) = read(tmp_path / "r")["results"]
    assert trial["metrics"]["status"] == "interrupted"
    assert (tmp_path / "r/trial_001/checkpoints/latest.pt").exists()
