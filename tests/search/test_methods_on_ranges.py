"""Search methods on ranges and on lists beside ranges: pure functions, inside the space, better than chance."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm.errors import UserError
from ghm.search import FloatRange, SearchSpace
from ghm.search.methods.gaussian_process import propose
from ghm.search.methods.proposals import Known, RandomProposal, unseen
from ghm.search.methods.registry import make_proposal
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.distributions import Layers, Range, Values
from ghm.search.settings.inactive import distinct, effective_choices, inactive_in, size, subspaces
from ghm.search.settings.space import Choices
from ghm.training.settings import Hyperparameters

RANGES = {
    "lr_policy": {"low": 1e-5, "high": 1e-1, "log": True},
    "entropy_weight": {"low": 0, "high": 0.2},
    "n_trajectories": {"low": 100, "high": 2000, "step": 50},
    "policy_hidden": {"layers": {"low": 1, "high": 3}, "width": {"low": 16, "high": 256, "log": True}},
}
MIXED = RANGES | {"estimator": ["gae", "after_state"], "gae_lambda": {"low": 0.8, "high": 1}}
SPACES = {"ranges": RANGES, "mixed": MIXED}
METHODS = ("random", "tpe", "gp")
ROOT = Path(__file__).parents[2]


def choices_of(space: str) -> Choices:
    return SearchSpace.from_dict(SPACES[space]).choices()


def value(one: Hyperparameters) -> float:
    """A captured value with its best at lr_policy 3e-3 and entropy_weight 0.05, and no noise."""
    return 1 - 0.01 * (np.log10(one.lr_policy / 3e-3) ** 2 + (20 * one.entropy_weight - 1) ** 2 + 0.01)


def searched(method: str, space: str, n: int, seed: int, lag: int = 4) -> list[Hyperparameters]:
    propose_one = make_proposal(method, choices_of(space), seed)
    found: list[Hyperparameters] = []
    for number in range(1, n + 1):
        history = [
            Known(one, value(one) if k <= number - lag else None, pending=k > number - lag)
            for k, one in enumerate(found, 1)
        ]
        found.append(propose_one(number, history))
    return found


def holds(values: Any, one: Any) -> bool:
    if isinstance(values, Layers):
        return (
            all(holds(part, of) for part, of in zip(values.parts, values.split(one), strict=True))
            and len(set(one)) == 1
        )
    if isinstance(values, Range):
        whole = isinstance(values.low, int)
        return values.low <= one <= values.high and (not whole or (one - values.low) % (values.step or 1) == 0)
    return one in values


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, Any]:
    """What each method proposes in each space in a process of its own."""
    code = (
        "import json; from tests.search.test_methods_on_ranges import *;"
        "print(json.dumps({f'{m} {s}': [vars(one) for one in searched(m, s, 18, 5)] for m in METHODS for s in SPACES}))"
    )
    return dict(json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)))


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("method", METHODS)
def test_in_the_space_never_twice_and_the_same_in_another_process(
    method: str, space: str, elsewhere: dict[str, Any]
) -> None:
    found = searched(method, space, 18, 5)
    choices = choices_of(space)
    assert all(holds(choices[name], got) for one in found for name, got in vars(one).items())
    assert all(set(vars(one)) == set(choices) for one in found)
    assert len({distinct(one, choices) for one in found}) == 18
    assert elsewhere[f"{method} {space}"] == json.loads(json.dumps([vars(one) for one in found]))


@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_effect_is_left_at_its_first_value_by_all_but_random_search(method: str) -> None:
    found = searched(method, "mixed", 20, 3)
    idle = [one.gae_lambda for one in found if "gae_lambda" in inactive_in(vars(one))]  # type: ignore[attr-defined]
    assert len(idle) > 2
    assert (set(idle) == {0.8}) is (method != "random")


def better(method: str, seeds: range) -> int:
    """Searches of which the last eight proposals are better on average than eight random draws."""
    wins = 0
    for seed in seeds:
        chosen = [value(one) for one in searched(method, "ranges", 24, seed)[16:]]
        drawn = [value(RandomProposal(choices_of("ranges"), seed)(number)) for number in range(17, 25)]
        wins += bool(np.mean(chosen) > np.mean(drawn))
    return wins


@pytest.mark.parametrize("method", ["tpe", "gp"])
def test_it_learns(method: str) -> None:
    # All of 6 searches are better than random; by chance that has a probability of 0.016.
    assert better(method, range(6)) == 6
    assert better("random", range(6)) == 0, "a twin that draws at random is not better than itself"


def test_the_gaussian_process_comes_close_to_the_bottom_of_a_valley_between_points() -> None:
    axes = [FloatRange(0.0, 1.0), FloatRange(0.0, 1.0)]
    places = np.random.default_rng(2).random((8, 2))
    for step in range(14):
        valley = ((places - [0.632, 0.271]) ** 2).sum(axis=1)
        asked = propose(axes, places, valley, np.empty((0, 2)), np.random.SeedSequence(step))
        places = np.vstack([places, asked])
    nearest = np.abs(places - [0.632, 0.271]).max(axis=1).min()
    assert nearest < 0.01, "22 random points come that near with a probability of 0.01"


def test_a_grid_of_ranges_takes_their_points_and_of_others_all_values() -> None:
    single = effective_choices(SearchSpace().choices(), NAMES)
    given = {
        "lr_policy": {"low": 1e-4, "high": 1e-2, "log": True, "points": 3},
        "n_trajectories": {"low": 1, "high": 2},
    }
    grid = make_proposal("grid", single | pick(given), 1)
    assert [(grid(k).lr_policy, grid(k).n_trajectories) for k in range(1, 7)] == [
        (lr, n) for lr in (1e-4, 1e-3, 1e-2) for n in (1, 2)
    ]
    with pytest.raises(UserError, match="a grid needs the number of points"):
        make_proposal("grid", single | pick({"lr_policy": {"low": 1e-4, "high": 1e-2}}), 1)


def pick(given: dict[str, Any]) -> Choices:
    return {name: values for name, values in SearchSpace.from_dict(given).choices().items() if name in given}


CONDITIONAL = {
    "estimator": ["gae", "monte_carlo", "after_state"],
    "gae_lambda": [0.9, 0.95],
    "lr_baseline": [1e-3, 3e-3, 1e-2],
}


def test_a_grid_has_each_distinct_training_once_also_where_one_setting_decides_on_another() -> None:
    """By hand: gae has 2 λ x 3 rates; monte_carlo 3 rates; after_state has neither."""
    choices = effective_choices(SearchSpace().choices(), NAMES) | pick(CONDITIONAL)
    grid = make_proposal("grid", choices, 1)
    assert grid.n_trials == size(choices) == 2 * 3 + 3 + 1
    found = {(g.estimator, g.gae_lambda, g.lr_baseline) for k in range(1, 11) for g in [grid(k)]}  # type: ignore[attr-defined]
    expected = {("gae", a, b) for a, b in itertools.product(CONDITIONAL["gae_lambda"], CONDITIONAL["lr_baseline"])}
    assert found == expected | {("monte_carlo", 0.9, b) for b in CONDITIONAL["lr_baseline"]} | {
        ("after_state", 0.9, 1e-3)
    }
    assert len(list(subspaces(choices))) == 3
    everything = {distinct(RandomProposal(choices, 1)(k), choices) for k in range(1, 400)}
    assert len(everything) == 10, "no draw is another training than these"


def test_another_learner_brings_its_own_estimator() -> None:
    assert inactive_in({"learner": "model_free"}) == ("lr_baseline", "value_hidden", "gae_lambda")  # after_state
    assert inactive_in({"learner": "model_based"}) == ("gae_lambda", "critic_memory")  # bootstrap, network
    assert inactive_in({"learner": "model_free", "estimator": "gae"}) == ("critic_memory",)


def test_of_a_small_range_none_comes_again_while_others_are_left() -> None:
    """Whole numbers, drawn anew until one is free; once all are taken, as it was."""
    choices = effective_choices(SearchSpace().choices(), NAMES) | pick(
        {"n_trajectories": {"low": 1, "high": 12, "log": True}}
    )
    assert size(choices) == 12
    taken: set[Hyperparameters] = set()
    for number in range(1, 13):
        taken.add(unseen(choices, RandomProposal(choices, 1)(number), taken, 1, number))
    assert {one.n_trajectories for one in taken} == set(range(1, 13))
    chosen = RandomProposal(choices, 1)(13)
    assert unseen(choices, chosen, taken, 1, 13) == chosen


def test_a_draw_depends_on_seed_and_number_alone() -> None:
    choices = choices_of("mixed")
    forward = [RandomProposal(choices, 5)(k) for k in range(1, 50)]
    assert forward == [RandomProposal(choices, 5)(k) for k in reversed(range(1, 50))][::-1]
    assert len(set(forward)) == 49
    assert not {*forward} & {RandomProposal(choices, 6)(k) for k in range(1, 50)}


def test_lists_are_drawn_as_they_were_before_there_were_ranges() -> None:
    """The draws of the default space, written down when a space was lists only."""
    first = RandomProposal(SearchSpace().choices(), 123)(1)
    assert first == Hyperparameters(1e-3, 1e-3, 0.01, 0.0, 1.0, 500, (64, 64, 64), (64, 64))
    third = RandomProposal(SearchSpace().choices(), 123)(3)
    assert third == Hyperparameters(3e-4, 3e-4, 0.05, 0.05, 2.0, 1000, (32, 32), (64, 64, 64))
    assert isinstance(SearchSpace().choices()["lr_policy"], Values)
