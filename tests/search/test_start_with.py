"""Configurations that the user knows are tried first, whatever the method; the rest of the search is what it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from ghm.search.explain import explain
from tests.search.instant import INSTANT
from tests.search.support import comparable, read, run_search

FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")
SPACE = {"lr_policy": {"low": 1e-5, "high": 1e-1, "log": True}, "policy_hidden": {"layers": [1, 2], "width": [32, 64]}}
GIVEN = [{"lr_policy": 0.05}, {"lr_policy": 2e-3, "policy_hidden": [32], "n_trajectories": 250}]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Any, ...]:
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    (tmp_path / "mine.json").write_text(json.dumps(GIVEN))
    return "--space", tmp_path / "space.json", "--start_with", tmp_path / "mine.json"


def proposed(results_dir: Path) -> list[dict[str, Any]]:
    return [one["hyperparameters"] for one in read(results_dir)["configurations"]]


@pytest.mark.parametrize(
    "flags", [("random",), ("random", "--n_seeds", 2), ("gp",), ("tpe",)], ids=["random", "two seeds", "gp", "tpe"]
)
def test_they_are_the_first_and_the_rest_is_as_without(
    flags: Any, files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ("--n_trials", 16, "--search_type", *map(str, flags), *FLAGS)
    assert run_search(*usual, *files, "--results_dir", tmp_path / "a", **INSTANT) == 0
    text = capsys.readouterr().out
    found = proposed(tmp_path / "a")
    assert [(one["lr_policy"], one["policy_hidden"], one["n_trajectories"]) for one in found[:2]] == [
        (0.05, [64, 64], 500),
        (2e-3, [32], 250),
    ]
    assert run_search(*usual, *files[:2], "--results_dir", tmp_path / "b", **INSTANT) == 0
    assert found[2:10] == proposed(tmp_path / "b")[2:10], "trial k stays trial k"
    # By the stub a larger learning rate is better; the space goes up to 0.1.
    better = sum(one["lr_policy"] > 0.05 for one in found)
    assert "configuration 1: captured value" in text
    assert f"rank {better + 1} of 16" in text
    assert "given with --start_with" in explain(tmp_path / "a", 1)
    assert run_search("--n_workers", 2, *usual, *files, "--results_dir", tmp_path / "two", **INSTANT) == 0
    assert comparable(read(tmp_path / "two")) == comparable(read(tmp_path / "a"))


def test_a_resumed_search_knows_them_and_refuses_others(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_search("--n_trials", 1, *files, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 0
    (tmp_path / "mine.json").unlink()
    assert run_search("--resume", tmp_path / "r", "--n_trials", 3, "--progress", "none", **INSTANT) == 0
    assert [one["lr_policy"] for one in proposed(tmp_path / "r")[:2]] == [0.05, 2e-3]
    (tmp_path / "others.json").write_text('[{"lr_policy": 0.01}]')
    assert run_search("--resume", tmp_path / "r", "--start_with", tmp_path / "others.json", "--progress", "none") == 2
    assert "start_with: recorded" in capsys.readouterr().err
    again = ("--config", tmp_path / "r/search.toml", "--results_dir", tmp_path / "again", "--progress", "none")
    assert run_search(*again, **INSTANT) == 0
    assert proposed(tmp_path / "again") == proposed(tmp_path / "r")


REFUSED = {
    "{}": "give a list of configurations",
    "[1]": "give a list of configurations",
    '[{"lr_polcy": 0.1}]': "configuration 1: the space has no 'lr_polcy'",
    '[{"gae_lambda": 0.9}]': "configuration 1: the space has no 'gae_lambda'",
    '[{"lr_policy": 0.1}, {"lr_policy": 0.5}]': "configuration 2: lr_policy 0.5 is not in the space (1e-05 to 0.1 (log))",
    '[{"policy_hidden": [64, 32]}]': "policy_hidden 64x32 is not in the space (1, 2 layers of width 32, 64)",
    '[{"n_trajectories": 300}]': "n_trajectories 300 is not in the space (250, 500, 1000)",
    '[{"lr_policy": -1}]': "lr_policy must be a finite number > 0; received -1",
    '[{"lr_policy": 0.01}, {"lr_policy": 1e-2}]': "configuration 2 is there twice",
    '[{"lr_policy": 0.01, "lr_policy": 0.02}]': "the key 'lr_policy' is there twice",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str, files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.json").write_text(text)
    assert run_search(*files, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 2
    assert REFUSED[text] in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


OTHERS = {
    "learner": ["model_free"],
    "estimator": ["gae", "after_state"],
    "entropy_weight": [0.5, 0.2],
    "n_trajectories": {"low": 100, "high": 2000, "step": 50},
}


def test_a_value_that_is_not_named_is_the_default_or_the_first_of_a_list_without_it(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.json").write_text(json.dumps(OTHERS))
    (tmp_path / "mine.json").write_text('[{"lr_policy": 0.0003}, {"estimator": "gae"}]')
    assert run_search(*files, *FLAGS, "--n_trials", 2, "--results_dir", tmp_path / "r", **INSTANT) == 0
    names = ("learner", "estimator", "entropy_weight", "n_trajectories", "lr_policy")
    assert [[one[name] for name in names] for one in proposed(tmp_path / "r")] == [
        ["model_free", "after_state", 0.5, 500, 0.0003],
        ["model_free", "gae", 0.5, 500, 0.001],
    ]
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        run_search(*files, *FLAGS, "--search_type", "grid", "--results_dir", tmp_path / "g", **INSTANT)
    assert "--start_with is not for a grid" in capsys.readouterr().err


def test_a_range_without_the_default_has_no_first_value_to_take(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.json").write_text('{"entropy_weight": {"low": 0.1, "high": 0.5}}')
    (tmp_path / "mine.json").write_text('[{"lr_policy": 0.001}]')
    assert run_search(*files, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 2
    assert "entropy_weight 0.01, the default of ghm train, is not in the space (0.1 to 0.5)" in capsys.readouterr().err
