"""Every method on lists, on ranges and on both: with one worker, with two, and killed, the same search in every bit.

On stand-in trials; one search on real trainings is at the end. What a method proposes is in test_methods_on_ranges.py, and the
wrong variants that these comparisons find out are in test_decisions.py.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from ghm.search import SearchSpace
from tests.search.support import read, run_search
from tests.search.test_decisions import COMMON, MIXED, RANGES, everything, kill_until_done
from tests.search.test_real_training import finish, launch, wait_until, without_paths

LISTS = {"lr_policy": [1e-4, 1e-3, 1e-2], "entropy_weight": [0.01, 0.1], "n_trajectories": [100, 200, 500]}


def with_points(space: dict[str, Any]) -> dict[str, Any]:
    """The space with two points on each range of real numbers, as a grid needs them."""
    return {
        name: values | {"points": 2} if isinstance(values, dict) and "layers" not in values else values
        for name, values in space.items()
    }


SPACES = {"lists": LISTS, "ranges": RANGES, "mixed": MIXED}

# A grid tries all there is, so its settings are few, and the others have one value each.
ONE = {name: [values.to_json()[0]] for name, values in SearchSpace().choices().items()}  # type: ignore[index]
GRIDS = {
    "lists": {"lr_policy": [1e-4, 1e-3], "entropy_weight": [0.01, 0.1], "n_trajectories": [100, 200]},
    "ranges": with_points({name: RANGES[name] for name in ("lr_policy", "max_grad_norm")}),
    "mixed": with_points({name: MIXED[name] for name in ("lr_policy", "gae_lambda", "estimator")}),
}
METHODS: dict[str, tuple[object, ...]] = {
    "random": ("--n_trials", 8),
    "grid": ("--search_type", "grid"),
    # Ten outcomes are needed, and the last is not seen: three proposals are learned.
    "tpe": ("--search_type", "tpe", "--n_trials", 14, "--proposal_lag", 1),
    "gp": ("--search_type", "gp", "--n_trials", 14, "--proposal_lag", 1),
    "rungs": ("--n_trials", 8, "--rungs", 2, 4, "--keep", 0.5),
}
CELLS = [(method, space) for method in METHODS for space in SPACES]


def flags(method: str, space: str, results_dir: Path, home: Path) -> list[object]:
    """A search of a cell; settings of the critic need the model-free learner."""
    path = home / "space.json"
    path.write_text(json.dumps(ONE | GRIDS[space] if method == "grid" else SPACES[space]))
    learner = ("--learner", "model_free") if space == "mixed" else ()
    return [*METHODS[method], *learner, "--space", path, *COMMON, "--results_dir", results_dir]


def undisturbed_and_killed(method: str, space: str, wanted: int, home: Path) -> None:
    expected = []
    for workers in (1, 2):
        path = home / f"with-{workers}"
        assert run_search(*flags(method, space, path, home), "--n_workers", workers) == 0
        expected.append(everything(path))
    assert expected[0] == expected[1]
    proposed = {json.dumps(one["hyperparameters"]) for one in expected[0][0]["configurations"]}
    assert len(proposed) == len(expected[0][0]["configurations"]) >= 4, "each is another"
    rng, kills, rounds = random.Random(f"{method} {space}"), 0, 0
    while kills < wanted:
        rounds += 1
        path = home / f"killed-{rounds}"
        kills += kill_until_done([*flags(method, space, path, home), "--n_workers", 2], path, rng, wanted - kills)
        assert everything(path) == expected[0]


@pytest.mark.parametrize(("method", "space"), CELLS)
def test_with_two_workers_and_killed_it_is_the_same_search(method: str, space: str, tmp_path: Path) -> None:
    undisturbed_and_killed(method, space, 2, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`")
@pytest.mark.parametrize(("method", "space"), CELLS)
def test_killed_twenty_times_it_is_the_same_search(method: str, space: str, tmp_path: Path) -> None:
    undisturbed_and_killed(method, space, 20, tmp_path)


REAL_SPACE = {
    "lr_policy": {"low": 1e-4, "high": 1e-1, "log": True},
    "estimator": ["gae", "after_state"],
    "gae_lambda": {"low": 0.8, "high": 1.0},
    "critic_memory": {"low": 0.05, "high": 1.0, "log": True},
    "max_grad_norm": {"low": 0.1, "high": 10.0, "log": True},
    "n_trajectories": {"low": 20, "high": 60, "step": 10},
    "policy_hidden": {"layers": {"low": 1, "high": 2}, "width": {"low": 8, "high": 16, "log": True}},
    "value_hidden": [[8], [16]],
}
REAL = (
    *("--search_type", "gp", "--proposal_lag", 1, "--n_trials", 13, "--learner", "model_free", "--max_retries", 100),
    *(
        "--rungs",
        10,
        "--keep",
        0.3,
        "--n_iterations",
        20,
        "--eval_freq",
        10,
        "--T",
        2,
        "--dt",
        0.1,
        "--progress",
        "none",
    ),
)


@pytest.mark.journey
def test_real_trainings_of_other_settings_in_ranges_are_the_same_however_they_are_run(tmp_path: Path) -> None:
    """Killed when a seeded number of trials has reached its rung, again and again; two proposals are learned."""
    (tmp_path / "space.json").write_text(json.dumps(REAL_SPACE))
    common = (*REAL, "--space", tmp_path / "space.json")
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    finish(launch(*common, "--results_dir", alone))
    expected = without_paths(read(alone)), (alone / "journal.jsonl").read_bytes()
    rng, reached = random.Random(22), 0
    while reached < 13:
        begun = (killed / "search.json").exists()
        words = ("--resume", killed, "--progress", "none") if begun else (*common, "--results_dir", killed)
        search = launch(*words, "--n_workers", 2)
        reached += rng.randint(2, 4)
        if reached < 13:
            wait_until(lambda: len([*killed.glob("trial_*/outcome.json")]) >= reached, search)  # noqa: B023
            search.kill()
            search.communicate()
    finish(search)
    assert (without_paths(read(killed)), (killed / "journal.jsonl").read_bytes()) == expected
    # The first ten are drawn; one that is learned may change other settings than this of a good one.
    drawn = [one["hyperparameters"]["lr_policy"] for one in read(alone)["results"] if one["configuration"] <= 10]
    assert len({*drawn}) == 10, "drawn in full precision"
