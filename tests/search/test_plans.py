"""What a plan says before anything runs."""

import json
import re
from pathlib import Path

import pytest

from ghm.search.main import parse
from ghm.search.records.journal import read_journal
from ghm.training.settings import Hyperparameters
from tests.search.instant import INSTANT
from tests.search.support import read, run_search

FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "plain")


def plan(capsys: pytest.CaptureFixture[str], *flags: object) -> str:
    capsys.readouterr()
    assert run_search(*flags, "--dry_run") == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("method", ["tpe", "gp"])
def test_a_method_that_learns_says_from_which_configuration_on(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--search_type", method, *FLAGS, "--results_dir", tmp_path / "r")
    few = plan(capsys, *flags, "--n_trials", 12)
    assert f"Warning: {method} learns from configuration 14 on" in few
    assert "all 12 are drawn at random" in few
    enough = plan(capsys, *flags, "--n_trials", 16, "--proposal_lag", 3)
    assert f"{method} learns from configuration 13 on (10 outcomes, and --proposal_lag 3)" in enough
    assert "Warning" not in enough


@pytest.mark.parametrize("how", [(), ("--rungs", 2)])
def test_where_it_says_that_it_learns_it_does(how: tuple[object, ...], tmp_path: Path) -> None:
    """From configuration 13 on: 10 + 3."""
    flags = ("--search_type", "gp", "--n_trials", 15, "--proposal_lag", 3, *how, "--n_iterations", 6, "--eval_freq", 2)
    assert parse([str(one) for one in flags]).learns_from() == 13
    assert run_search(*flags, "--progress", "none", "--results_dir", tmp_path / "r", **INSTANT) == 0
    journal = (tmp_path / "r/journal.jsonl").read_text().splitlines()
    seen = [int(found[1]) for line in journal if (found := re.search(r'"seen": (\d+)', line))]
    assert next(number for number, count in enumerate(seen, 1) if count >= 10) == 13


def test_a_grid_says_that_n_trials_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--search_type", "grid", *FLAGS, "--results_dir", tmp_path / "r")
    assert "--n_trials 3 is not used: a grid runs all of them." in plan(capsys, *flags, "--n_trials", 3)
    assert "is not used" not in plan(capsys, *flags)


def test_a_plan_says_how_long_it_takes_once_that_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--n_trials", 2, *FLAGS, "--results_dir", tmp_path / "r")
    assert "Time left: known after the first trials." in plan(capsys, *flags)
    assert run_search(*flags, **INSTANT) == 0
    told = [(e["metrics"]["seconds"], e["metrics"]["iterations"]) for e in read(tmp_path / "r")["results"]]
    assert told == [(1.0, 6), (1.0, 6)]
    assert "It will take about 4.0 s, at the pace of the 2 trials recorded." in plan(
        capsys, "--resume", tmp_path / "r", "--n_trials", 6
    )
    assert "It will take" not in plan(capsys, "--resume", tmp_path / "r"), "nothing is left"


def test_a_plan_shows_its_first_trials_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One column per trial, one row per hyperparameter, as the closing summary has them; a terminal of 80 columns has room."""
    (tmp_path / "firms.json").write_text('[{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}]')
    shown = plan(
        capsys, "--n_trials", 3, "--calibrations", tmp_path / "firms.json", *FLAGS, "--results_dir", tmp_path / "r"
    )
    assert "The first 5 of 6 trials:\n" in shown
    table = shown.partition("trials:\n")[2].partition("Dry run")[0].splitlines()
    rows = {cells[0]: cells[1:] for cells in (re.split(r"  +", row.strip()) for row in table)}
    assert rows["trial"] == ["1", "2", "3", "4", "5"]
    assert rows["seed"] == ["124", "124", "125", "125", "126"]
    assert rows["calibration"] == ["calm", "wild", "calm", "wild", "calm"]
    assert rows["policy_hidden"][0] == "64x64x64"
    assert set(rows) == {"trial", "seed", "calibration", *vars(Hyperparameters())}
    assert max(map(len, table)) <= 80
    assert "The trials:\n" in plan(capsys, "--n_trials", 2, *FLAGS, "--results_dir", tmp_path / "r")


def columns_of(shown: str) -> tuple[str, list[str], list[str]]:
    """Above the table, its trials, and their learning rates."""
    head, _, table = shown.partition("  trial ")
    rows = dict(re.findall(r"^ *(\S+)  +(\S.*)$", "  trial " + table, re.MULTILINE))
    return head.splitlines()[-1], rows["trial"].split(), rows["lr_policy"].split()


def test_a_resumed_search_shows_the_trials_that_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results_dir = tmp_path / "r"
    everything = columns_of(plan(capsys, "--n_trials", 8, *FLAGS, "--results_dir", tmp_path / "new"))
    assert everything[:2] == ("The first 5 of 8 trials:", ["1", "2", "3", "4", "5"])
    monkeypatch.setenv("STUB_MODES", '{"125": "crash"}')
    assert run_search("--n_trials", 2, *FLAGS, "--results_dir", results_dir) == 0
    resumed = ("--resume", results_dir, "--n_trials")
    head, numbers, rates = columns_of(plan(capsys, *resumed, 8))
    assert (head, numbers) == ("The first 5 of 6 trials to run:", ["3", "4", "5", "6", "7"])
    assert rates[:3] == everything[2][2:]
    assert columns_of(plan(capsys, *resumed, 4))[:2] == ("The trials to run:", ["3", "4"])
    # A failed one is asked for again; where it ran, it is as it was.
    head, numbers, rates = columns_of(plan(capsys, *resumed, 3, "--retry_failed"))
    assert (head, numbers, rates) == ("The trials to run:", ["2", "3"], everything[2][1:3])


def test_a_resumed_search_shows_whom_a_larger_share_promotes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--n_trials", 4, "--rungs", 2, "--keep", 0.25, "--results_dir", tmp_path / "r")
    assert run_search(*flags, *FLAGS) == 0
    (ranking,) = (one.content["ranking"] for one in read_journal(tmp_path / "r") if one.kind == "cut")
    head, numbers, _ = columns_of(plan(capsys, "--resume", tmp_path / "r", "--keep", 0.5))
    assert (head, numbers) == ("The trials to run:", [str(ranking[1][0])])
    assert "Nothing left to run." in plan(capsys, "--resume", tmp_path / "r")


@pytest.mark.parametrize("space", [{}, {"learner": ["model_free"], "estimator": ["gae", "after_state"]}])
def test_the_table_of_a_plan_fits_a_terminal(
    space: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of numbers drawn from ranges, which have six digits; where five trials do not fit, fewer are shown and said."""
    ranges = {name: {"low": 1e-5, "high": 0.1, "log": True} for name in ("lr_policy", "lr_baseline", "entropy_weight")}
    (tmp_path / "space.json").write_text(json.dumps(ranges | space))
    said = plan(capsys, "--space", tmp_path / "space.json", *FLAGS, "--results_dir", tmp_path / "r")
    table = [line for line in said.splitlines() if line.startswith("  ")]
    assert len(table) == 10 + len(space)
    assert max(map(len, table)) <= 80
    shown = table[0].split()[1:]
    assert len(shown) >= 4
    assert f"The first {len(shown)} of 20 trials:" in said
