"""The contract of a search method, which every one of them passes, and what each promises beside it."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ghm.search import SearchSpace
from ghm.search.methods.proposals import GridProposal, OutsideGridError, Proposal, RandomProposal
from ghm.search.methods.registry import make_proposal
from ghm.search.settings import methods as registry
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.inactive import effective_choices, size
from ghm.search.settings.space import Choices
from tests.search import test_learned, test_methods_on_ranges

Maker = Callable[[Choices, int], Proposal]
METHODS: dict[str, Maker] = {
    "random": RandomProposal,
    "grid": lambda choices, _seed_base: GridProposal(choices),
}
TRIALS = range(1, 201)


class Biased:
    """A wrong variant: it remembers how often it was asked, and leaves the space."""

    n_trials = None

    def __init__(self, choices: Choices, seed_base: int) -> None:
        self._method = RandomProposal(choices, seed_base)
        self._asked = 0

    def __call__(self, trial: int) -> Any:
        self._asked += 1
        return self._method(trial + self._asked // 100)


def choices() -> Choices:
    return SearchSpace().choices()


@pytest.fixture(params=METHODS.values(), ids=METHODS.keys())
def make(request: pytest.FixtureRequest) -> Maker:
    return request.param


def check_pure(make: Maker) -> None:
    """Trial k is the same whatever was asked before it."""
    forward, backward = make(choices(), 5), make(choices(), 5)
    asked = {trial: forward(trial) for trial in TRIALS}
    assert {trial: backward(trial) for trial in reversed(TRIALS)} == asked


def test_trials_are_pure_functions_of_their_number(make: Maker) -> None:
    check_pure(make)


def test_the_contract_would_catch_a_method_with_a_memory() -> None:
    with pytest.raises(AssertionError):
        check_pure(Biased)


def test_proposals_lie_in_the_space(make: Maker) -> None:
    space = choices()
    for trial in TRIALS:
        proposed = make(space, 1)(trial)
        assert all(getattr(proposed, name) in space[name] for name in NAMES)


def test_a_space_of_one_configuration(make: Maker) -> None:
    single = effective_choices(choices(), NAMES)
    assert {name: (getattr(make(single, 3)(1), name),) for name in NAMES} == single


def test_the_same_in_another_process(make: Maker) -> None:
    name = next(name for name, method in METHODS.items() if method is make)
    code = (
        "import sys, json; from ghm.search import SearchSpace; from ghm.search.methods.registry import make_proposal;"
        f"p = make_proposal({name!r}, SearchSpace().choices(), 5); print(json.dumps([vars(p(k)) for k in range(1,30)]))"
    )
    there = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    here = [vars(make(choices(), 5)(trial)) for trial in range(1, 30)]
    assert there == json.loads(json.dumps(here))


def test_the_default_grid_has_11664_configurations_each_once() -> None:
    grid = GridProposal(choices())
    assert grid.n_trials == size(choices()) == 3**6 * 4**2 == 11_664
    seen = {grid(trial) for trial in range(1, grid.n_trials + 1)}
    assert len(seen) == 11_664


def test_the_grids_order_is_that_of_nested_loops_over_the_lists() -> None:
    grid = GridProposal(choices())
    expected = itertools.product(*choices().values())
    for trial, values in enumerate(itertools.islice(expected, 500), 1):
        assert tuple(getattr(grid(trial), name) for name in NAMES) == values


@pytest.mark.parametrize("trial", [0, -1, 11_665])
def test_the_grid_has_no_trial_beyond_its_ends(trial: int) -> None:
    with pytest.raises(OutsideGridError, match="outside the grid of 11664"):
        GridProposal(choices())(trial)


def p_values(make: Maker, n_trials: int = 2000) -> list[float]:
    """Chi-squared p-values: each list uniform, and each pair of neighbouring lists independent."""
    space = choices()
    method = make(space, 7)
    proposed = [method(trial) for trial in range(1, n_trials + 1)]
    columns = [[space[name].index(getattr(one, name)) for one in proposed] for name in NAMES]
    uniform = [stats.chisquare(np.bincount(column, minlength=3)).pvalue for column in columns]
    pairs = itertools.pairwise(columns)
    return uniform + [
        stats.contingency.chi2_contingency(stats.contingency.crosstab(a, b).count).pvalue for a, b in pairs
    ]


def test_random_draws_are_uniform_and_independent() -> None:
    # 15 tests at a level of 0.001 altogether (Bonferroni); the seed is fixed.
    assert min(p_values(RandomProposal)) > 0.001 / 15


def test_the_statistics_would_catch_a_skewed_method() -> None:
    class Skewed(RandomProposal):
        def __call__(self, trial: int) -> Any:
            return super().__call__(trial if trial % 8 else 1)

    assert min(p_values(Skewed)) < 0.001 / 15


def test_neighbouring_seeds_share_no_trials() -> None:
    """Seed 1 trial 2 is not seed 2 trial 1, as it would be with seed_base + k as the generator's seed."""
    one, two = RandomProposal(choices(), 1), RandomProposal(choices(), 2)
    same = sum(one(trial + 1) == two(trial) for trial in TRIALS)
    assert same <= 2  # 200 pairs, each equal with probability 1/11,664


def test_names() -> None:
    assert isinstance(make_proposal("grid", choices(), 1), GridProposal)
    assert isinstance(make_proposal("random", choices(), 1), RandomProposal)


def test_every_method_is_tested_and_documented() -> None:
    """The suites of this file, of those that learn, and on ranges name every registered method, as does the page on methods."""
    registered = set(registry.METHODS)
    learn = {name for name, method in registry.METHODS.items() if method.learns}
    page = (Path(__file__).parents[2] / "docs/search_methods.md").read_text()
    assert {*METHODS, *test_learned.METHODS} == registered
    assert set(test_learned.METHODS) == learn
    assert {*test_methods_on_ranges.METHODS, "grid"} == registered  # a grid of ranges has tests of its own
    assert set(re.findall(r"^\| `(\w+)`", page.partition("## Which")[0], re.M)) == registered
