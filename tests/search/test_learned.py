"""Proposals that learn: pure functions of the history, inside the space, better than chance where there is something to learn."""

import dataclasses
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from scipy.optimize import check_grad

from ghm.search import FloatRange, SearchSpace
from ghm.search.methods import gaussian_process, learned
from ghm.search.methods.gaussian_process import Noise, noise_of_means, propose
from ghm.search.methods.learned import N_STARTUP, LearnedProposal, gp_proposal, objectives
from ghm.search.methods.proposals import Known, RandomProposal
from ghm.search.methods.registry import make_proposal
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.distributions import Values
from ghm.search.settings.inactive import effective_choices, inactive_hyperparameters, size
from ghm.training.settings import Hyperparameters

CHOICES = SearchSpace().choices()
METHODS = ("tpe", "gp")
ROOT = Path(__file__).parents[2]


def value(one: Hyperparameters) -> float:
    """A captured value with known good settings, and no noise."""
    gap = {1e-4: 1.0, 3e-4: 0.3, 1e-3: 0.03}[one.lr_policy] * {0.01: 0.1, 0.05: 0.4, 0.1: 1.0}[one.entropy_weight]
    return 1 - 0.1 * gap


def searched(method: Any, n: int, seed: int, lag: int = 4, choices: Any = CHOICES) -> list[Hyperparameters]:
    propose_one = make_proposal(method, choices, seed)
    found: list[Hyperparameters] = []
    for number in range(1, n + 1):
        history = [
            Known(one, value(one) if k <= number - lag else None, pending=k > number - lag)
            for k, one in enumerate(found, 1)
        ]
        found.append(propose_one(number, history))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_it_starts_as_random_search_and_stays_in_the_space(method: str) -> None:
    found = searched(method, 30, seed=7)
    random = RandomProposal(CHOICES, 7)
    assert found[:N_STARTUP] == [random(k) for k in range(1, N_STARTUP + 1)]
    assert all(getattr(one, name) in CHOICES[name] for one in found for name in NAMES)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_in_another_process_and_after_others_were_asked(method: str) -> None:
    code = (
        "import json; from tests.search.test_learned import *;"
        f"print(json.dumps([vars(one) for one in searched({method!r}, 20, 5)]))"
    )
    there = json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT))
    searched(method, 13, seed=6)
    assert json.loads(json.dumps([vars(one) for one in searched(method, 20, 5)])) == there


@pytest.mark.parametrize("method", METHODS)
def test_what_is_pending_has_no_say_and_is_not_proposed_again(method: str) -> None:
    found = searched(method, 20, seed=1)
    propose_one = make_proposal(method, CHOICES, 1)
    known = [Known(one, value(one)) for one in found[:16]]
    pending = [Known(one, pending=True) for one in found[16:]]
    finished = [Known(one, value(one), pending=True) for one in found[16:]]  # done meanwhile, and still pending
    assert propose_one(21, known + pending) == propose_one(21, known + finished)
    assert propose_one(21, known + pending) not in found


def moved_by_pending(method: str, seed: int) -> bool:
    """Whether a proposal is another one when all its neighbours are pending, of which it is none itself."""
    known = [Known(one, value(one)) for one in searched(method, 20, seed)]
    propose_one = make_proposal(method, CHOICES, seed)
    alone = propose_one(21, known)
    neighbours = [
        dataclasses.replace(alone, **{name: other})
        for name in NAMES
        for other in CHOICES[name]
        if other != getattr(alone, name)
    ]
    return propose_one(21, known + [Known(one, pending=True) for one in neighbours]) != alone


@pytest.mark.parametrize("method", METHODS)
def test_nobody_is_sent_near_what_is_pending(method: str) -> None:
    # As a rule: where outcomes say much, the place may still be the best. A method that looks away is never moved.
    assert sum(moved_by_pending(method, seed) for seed in (1, 2, 3)) >= 2
    assert not moved_by_pending("random", 1)


class Stubborn(LearnedProposal):
    """A method that always asks for the first cell of the grid."""

    def ask(self, *_: Any) -> Sequence[int]:
        return [0.0] * len(self.axes)


def test_each_configuration_is_redrawn_by_its_own_number() -> None:
    """Asked for again, a configuration gives way to a random one: for each number another, and for each seed."""
    random = RandomProposal(CHOICES, 4)
    drawn = [Known(random(number), 0.1) for number in range(1, N_STARTUP + 1)]
    first = Stubborn("gp", CHOICES, 4)(11, drawn)
    assert first == Hyperparameters(**{name: CHOICES[name][0] for name in NAMES})
    history = [*drawn, Known(first, 0.1)]
    redrawn = [Stubborn("gp", CHOICES, seed)(number, history) for seed in (4, 5) for number in range(12, 18)]
    # Twelve draws of 11,664 configurations: two alike by chance with a probability of 0.006.
    assert len(set(redrawn)) == 12
    assert first not in redrawn
    assert redrawn[:6] == [Stubborn("gp", CHOICES, 4)(number, history) for number in range(12, 18)]


def better(method: str, seeds: Sequence[int]) -> int:
    """Searches of which the last ten proposals are better on average than ten random draws."""
    wins = 0
    for seed in seeds:
        chosen = [value(one) for one in searched(method, 30, seed)[20:]]
        drawn = [value(RandomProposal(CHOICES, seed)(number)) for number in range(21, 31)]
        wins += np.mean(chosen) > np.mean(drawn)
    return wins


@pytest.mark.parametrize("method", METHODS)
def test_it_learns(method: str) -> None:
    # Of 8 searches at least 7 are better than random; by chance that has a probability of 0.035 (two-sided 0.07).
    assert better(method, range(8)) >= 7
    assert better("random", range(8)) == 0, "a search that draws at random is not better than itself"


@pytest.mark.parametrize("method", METHODS)
def test_one_value_lists_failures_and_a_space_that_is_used_up(method: str) -> None:
    single = effective_choices(CHOICES, NAMES)
    assert len(set(searched(method, 12, 3, choices=single))) == 1
    propose_one = make_proposal(method, CHOICES, 2)
    random = RandomProposal(CHOICES, 2)
    failed = [Known(random(k), None) for k in range(1, 15)]
    assert propose_one(15, failed) == random(15), "nothing is learned from failures alone"
    assert propose_one(15, [*failed[:-1], Known(random(14), 0.9)]) not in [one.hyperparameters for one in failed]
    small = {**single, "lr_policy": CHOICES["lr_policy"]}
    assert len(searched(method, 16, 3, choices=small)) == 16


def test_the_objective_is_log10_of_the_gap_and_failures_are_the_worst() -> None:
    assert objectives([0.9, None, 0.99, 1.5]).tolist() == pytest.approx([-1.0, 0.0, -2.0, -6.0])
    assert objectives([-99.0, None]).tolist() == pytest.approx([2.0, 2.0])


def test_the_gradient_of_the_marginal_likelihood() -> None:
    generator = np.random.default_rng(0)
    axes = [Values((1, 2, 3)), Values((0.1, 0.5)), Values(((8,), (16,), (32,)))]
    seen = np.array([[float(generator.integers(len(axis))) for axis in axes] for _ in range(25)])
    outcomes = generator.standard_normal(25)
    distances = [gaussian_process.distances(axis, column, column) for axis, column in zip(axes, seen.T, strict=True)]
    priors = np.array([(0.0, 1.0)] * 4 + [(-3.0, 1.5)])
    point = generator.normal(0, 0.3, 5)
    arguments = (distances, outcomes, priors, generator.uniform(0.5, 3.0, 25))
    error = check_grad(
        lambda logs: gaussian_process._loss(logs, *arguments)[0],
        lambda logs: gaussian_process._loss(logs, *arguments)[1],
        point,
    )
    assert error < 1e-4
    wrong = check_grad(
        lambda logs: gaussian_process._loss(logs, *arguments)[0],
        lambda logs: 1.1 * gaussian_process._loss(logs, *arguments)[1],
        point,
    )
    assert wrong > 1e-2


def test_a_mean_of_fewer_seeds_counts_less_by_the_exact_posterior() -> None:
    """Rasmussen and Williams 2006, equations 2.25 and 2.26, with a noise of its own for each outcome, by an inverse."""
    axis = FloatRange(0.0, 1.0)
    seen, asked = np.array([0.1, 0.4, 0.5, 0.9]), np.array([0.2, 0.7])
    outcomes, weights = np.array([0.3, -1.0, 0.8, 0.1]), np.array([1.0, 3.0, 1.0, 1.5])
    length, variance, noise = 0.3, 1.7, 0.2
    logs = np.log([length, variance, noise])

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        r = np.sqrt(5) * np.abs(first[:, None] - second[None, :]) / length
        return np.asarray(variance * (1 + r + r**2 / 3) * np.exp(-r))

    process = gaussian_process._Process([axis], logs, seen[:, None], outcomes, weights)
    mean, deviation = process.predict(asked[:, None])

    def exact(noises: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inverse = np.linalg.inv(kernel(seen, seen) + np.diag(noises))
        across = kernel(asked, seen)
        return across @ inverse @ outcomes, np.sqrt(np.diag(kernel(asked, asked) - across @ inverse @ across.T))

    np.testing.assert_allclose((mean, deviation), exact(noise * weights), rtol=1e-6)
    # Negative control: with the same noise for all the posterior is another.
    assert np.abs(mean - exact(np.full(4, noise))[0]).max() > 0.02


def test_the_noise_of_a_mean_is_what_its_seeds_say() -> None:
    """Of 400 configurations, two calibrations and four seeds with known variances; a standard error of 3% of the variance."""
    generator = np.random.default_rng(1)
    own = 0.3 * generator.standard_normal((400, 2, 4))
    values = own + generator.standard_normal((400, 2, 1)) + generator.standard_normal((1, 2, 4))
    values[7, 0, 2] = values[7, 1, 1] = values[7, 1, 2] = np.nan
    found = noise_of_means(values)
    assert found is not None
    assert found.freedom == 400 * 6 - 3 - 2 * 3
    assert found.variances[0] == pytest.approx(0.09 / 8, rel=4 * math.sqrt(2 / found.freedom))
    assert found.variances[7] == pytest.approx(found.variances[0] * 8 / 5)
    # Negative control: what a seed does to all alike is none, though it spreads each configuration's values.
    assert np.var(values[0, 0], ddof=1) / 8 > 3 * found.variances[0]
    assert noise_of_means(values[:, :, :1]) is None
    assert noise_of_means(np.zeros((3, 1, 2))) is None


def test_proposals_know_how_sure_the_means_of_several_seeds_are() -> None:
    """The prior of the noise is what was measured, and the fit follows it where the outcomes say little."""
    generator = np.random.default_rng(3)
    seen, outcomes = generator.random((12, 1)), generator.standard_normal(12)
    fitted = [
        gaussian_process._Process.fit([FloatRange(0.0, 1.0)], seen, outcomes, Noise(np.full(12, variance), 500))
        for variance in (0.001, 1.0)
    ]
    assert [math.exp(one.logs[-1]) for one in fitted] == pytest.approx([0.001, 1.0], rel=0.3)
    history = [
        Known(RandomProposal(CHOICES, 1)(k), 0.5 + 0.03 * k, by_seed=((0.5, 0.5 + 0.06 * k),)) for k in range(1, 13)
    ]
    plain = [dataclasses.replace(one, by_seed=()) for one in history]
    proposal = gp_proposal(CHOICES, 1)
    asked: list[Noise | None] = []
    with mock.patch.object(LearnedProposal, "ask", lambda _self, *given: asked.append(given[-1]) or [0.0] * 8):
        proposal(13, history)
        proposal(13, plain)
    assert asked[0] is not None
    assert asked[1] is None


def test_a_mean_of_fewer_seeds_is_less_sure() -> None:
    """Configurations of two, three and no known seeds: the third of a seed that one lacks is as if its training had failed."""
    several = [((0.5, 0.5 + 0.06 * k),) if k % 2 else ((0.5, 0.52, 0.5 + 0.06 * k),) for k in range(1, 9)]
    history = [Known(RandomProposal(CHOICES, 1)(k), 0.5, by_seed=seeds) for k, seeds in enumerate((*several, ()), 1)]
    noise = learned._noise(history)
    assert noise is not None
    assert list(noise.variances / noise.variances[0] * 3) == pytest.approx([3, 2] * 4 + [6])


def test_the_gaussian_process_finds_the_bottom_of_a_valley() -> None:
    axes = [Values(range(9)), Values(range(9))]
    grid = np.array(list(itertools.product(range(9), range(9))))
    valley = ((grid - [6, 2]) ** 2).sum(axis=1).astype(float)
    rows = list(np.random.default_rng(2).choice(81, 8, replace=False))
    for step in range(12):
        asked = propose(axes, grid[rows].astype(float), valley[rows], np.empty((0, 2)), np.random.SeedSequence(step))
        rows.append(int(9 * asked[0] + asked[1]))
    assert valley[rows].min() == 0, "12 of 73 places searched: by chance with a probability of 0.16"


def test_a_grid_of_more_cells_than_a_machine_word_counts() -> None:
    """300^8 is beyond 2^63: candidates are drawn, and what is known is still left out."""
    axes = [Values(float(value) for value in range(300))] * 8
    known = np.random.default_rng(0).integers(300, size=(12, 8)).astype(float)
    found = propose(axes, known, known[:, 0] / 300, known[:0], np.random.SeedSequence(1))
    assert len(found) == 8
    assert found not in known.tolist()
    assert found == propose(axes, known, known[:, 0] / 300, known[:0], np.random.SeedSequence(1))


def test_inert_hyperparameters_follow_from_the_settings() -> None:
    assert inactive_hyperparameters({"baseline": "exact"}) == ("lr_baseline", "value_hidden")
    assert inactive_hyperparameters({"baseline": "network"}) == ()
    inactive = inactive_hyperparameters({"baseline": "exact"})
    grid = make_proposal("grid", CHOICES, 1, inactive)
    assert grid.n_trials == size(effective_choices(CHOICES, inactive)) == 3**5 * 4
    seen = {
        tuple(getattr(grid(k), name) for name in NAMES if name not in inactive)
        for k in range(1, (grid.n_trials or 0) + 1)
    }
    assert len(seen) == grid.n_trials, "each distinct training once"
    assert make_proposal("grid", CHOICES, 1, ()).n_trials == 11_664
