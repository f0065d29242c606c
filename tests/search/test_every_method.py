"""Every method on lists, on ranges and on both: with one worker, with two, and killed, the same search in every bit.

Races, growths and --learn_from are among them. On stand-in trials; one search on real trainings is at the end. What a method
proposes is in test_methods_on_ranges.py; the wrong variants that these comparisons find out are in test_decisions.py,
test_growth.py and test_learn_from.py.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from ghm.search import SearchSpace
from tests.search.instant import INSTANT
from tests.search.support import read, run_search
from tests.search.test_decisions import MIXED, RANGES
from tests.search.test_growth import COMMON, Words, all_of, kill_while_it_grows
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
EARLIER = Path("earlier")
METHODS: dict[str, tuple[Words, ...]] = {
    "random": (("--n_trials", 8),),
    "grid": (("--search_type", "grid"),),
    # Ten outcomes are needed, and the last is not seen: three proposals are learned.
    "tpe": (("--search_type", "tpe", "--n_trials", 14, "--proposal_lag", 1),),
    "gp": (("--search_type", "gp", "--n_trials", 14, "--proposal_lag", 1),),
    "rungs": (("--n_trials", 8, "--rungs", 2, 4, "--keep", 0.5),),
    "race": (("--n_trials", 6, "--confirm", 4, "--confirm_seeds", 6, "--race"),),
    "learned tpe": (("--search_type", "tpe", "--n_trials", 5, "--proposal_lag", 1, "--learn_from", EARLIER),),
    "learned gp": (("--search_type", "gp", "--n_trials", 5, "--proposal_lag", 1, "--learn_from", EARLIER),),
    "grown": (
        ("--search_type", "gp", "--n_trials", 12, "--proposal_lag", 1, "--rungs", 2, "--keep", 0.5),
        ("--n_trials", 14, "--rungs", 2, 4),
        ("--n_seeds", 3, "--top", 2),
        ("--confirm", 2, "--confirm_seeds", 2),
    ),
}
"""The words of a search and, where it grows, those of each growth."""

CELLS = [(method, space) for method in METHODS for space in SPACES]
QUICK = [(method, space) for method, space in CELLS if space == "mixed" or method in [*METHODS][:5]]
"""Those that are run every time: what the others add to a method is the same in every space."""


def calls(method: str, space: str, home: Path) -> list[Words]:
    """A search of a cell, and its growths; settings of the critic need the model-free learner."""
    path = home / "space.json"
    path.write_text(json.dumps(ONE | GRIDS[space] if method == "grid" else SPACES[space]))
    learner = ("--learner", "model_free") if space == "mixed" else ()
    start, *growths = METHODS[method]
    if EARLIER in start and not EARLIER.exists():
        assert (
            run_search("--n_trials", 12, *learner, "--space", path, *COMMON, "--results_dir", EARLIER, **INSTANT) == 0
        )
    return [[*start, *learner, "--space", path], *growths]


def undisturbed_and_killed(method: str, space: str, wanted: int, home: Path) -> None:
    start, *growths = every = calls(method, space, home)
    expected = []
    for workers in (1, 2):
        path, more = home / f"with-{workers}", ("--n_workers", workers)
        assert run_search(*start, *COMMON, *more, "--results_dir", path) == 0
        for growth in growths:
            assert run_search("--resume", path, *growth, *more, "--progress", "none") == 0
        expected.append(all_of(path))
    assert expected[0] == expected[1]
    proposed = {json.dumps(one["hyperparameters"]) for one in expected[0][0]["configurations"]}
    assert len(proposed) == len(expected[0][0]["configurations"]) >= 4, "each is another"
    rng, kills, rounds = random.Random(f"{method} {space}"), 0, 0
    while kills < wanted:
        rounds += 1
        kills += kill_while_it_grows(every, home / f"killed-{rounds}", rng, wanted - kills)
        assert all_of(home / f"killed-{rounds}") == expected[0]


@pytest.mark.parametrize(("method", "space"), QUICK)
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
