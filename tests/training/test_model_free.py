"""Learning from simulated paths alone: what it may not use, and its gradients against the exact one.

Gradients are compared as in `test_estimator`: along directions, in standard errors over independent batches, α = 1e-3 for a
whole comparison, seeds fixed, each with wrong variants that fail.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from small_problems import random_tables, small_problem, waves
from training import test_estimator as comparison
from training.exact_gradient import Gradient, exact_gradient
from training.test_estimator import Direction, deviations

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Simulator
from ghm.training.learners import returns
from ghm.training.learners.after_state import AfterStateCritic
from ghm.training.learners.choice import gradient_estimator
from ghm.training.learners.estimator import GradientEstimate, sweep_tables
from ghm.training.learners.learner import Learner
from ghm.training.learners.model_free import AfterStateEstimator, ReturnsEstimator
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

BATCHES = comparison.BATCHES
EXACT_KNOWLEDGE = (
    ("ghm.economics.transition", "transition_on"),
    ("ghm.training.problem", "transition_on"),
    ("ghm.training.learners.estimator", "sweep"),
    ("ghm.training.learners.estimator", "sweep_tables"),
    ("ghm.solvers.dynamic_program", "dynamic_program"),
    ("ghm.solvers.free_boundary", "free_boundary"),
    ("ghm.solvers.policy_value", "policy_value"),
    ("ghm.solvers.store", "load_or_solve"),
)
"""Transition law, sweep, dynamic program and reference, each where it is looked up."""


@contextmanager
def nothing_but_a_simulator() -> Iterator[None]:
    """Whoever asks for what only a solved model has is refused."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a learner asked for the transition law, or a solution")

    with ExitStack() as stack:
        for module, name in EXACT_KNOWLEDGE:
            stack.enter_context(patch.object(import_module(module), name, refuse))
        yield


def train(config: TrainConfig, iterations: int = 4) -> Learner:
    """A learner after some iterations, without evaluations, which are the referee's."""
    problem = GriddedProblem.build(config.problem)
    learner = Learner(problem, config)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, config.seed)
    estimate = gradient_estimator(config, problem, simulator, learner)
    for iteration in range(1, iterations + 1):
        tabulation = learner.tabulate()
        gradient = estimate(tabulation.tables, learner.given_values(), iteration)
        assert gradient.is_finite()
        learner.learn(tabulation, gradient, 0.0)
    return learner


SMALL: dict[str, Any] = {"dt": 0.05, "T": 1.0, "n_trajectories": 30, "policy_hidden": (8,), "value_hidden": (8,)}


@pytest.mark.parametrize(("estimator", "trace"), [("gae", 0.7), ("monte_carlo", 1.0)])
def test_returns_are_whole_for_monte_carlo_and_fade_by_gae_lambda_otherwise(estimator: Any, trace: float) -> None:
    given = TrainConfig(learner="model_free", estimator=estimator, gae_lambda=0.7, **SMALL)
    problem = GriddedProblem.build(given.problem)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, given.seed)
    chosen = gradient_estimator(given, problem, simulator, Learner(problem, given))
    assert isinstance(chosen, ReturnsEstimator)
    assert chosen.trace == trace


@pytest.mark.parametrize("estimator", ["after_state", "gae", "monte_carlo"])
def test_it_needs_a_simulator_and_a_transactions_accounting_alone(estimator: Any) -> None:
    with nothing_but_a_simulator():
        learner = train(TrainConfig(learner="model_free", estimator=estimator, **SMALL))
    assert learner.is_finite()
    assert np.isfinite(learner.values(learner.tabulate().tables)).all()


@pytest.mark.parametrize("baseline", ["network", "exact"])
def test_the_model_based_learner_asks_for_more(baseline: Any) -> None:
    with nothing_but_a_simulator(), pytest.raises(AssertionError, match="asked for the transition law"):
        train(TrainConfig(baseline=baseline, **SMALL))


# --------------------------------------------------------------------------------------------------- against the exact gradient


@pytest.fixture(scope="module")
def problem() -> GriddedProblem:
    return small_problem(dt=0.05, n_steps=8, r=0.51, recovery=2.0)


@pytest.fixture(scope="module")
def tables(problem: GriddedProblem) -> PolicyTables:
    return random_tables(problem.grid, seed=3)


@pytest.fixture(scope="module")
def exact(problem: GriddedProblem, tables: PolicyTables) -> Gradient:
    return exact_gradient(problem, tables)


directions = comparison.directions


def values_at_nodes(problem: GriddedProblem, tables: PolicyTables, error: float) -> Array:
    """V at the nodes, (K, M): the policy's own, plus a wavy function this large and as large a constant."""
    grid = problem.grid
    own = sweep_tables(problem, tables, None).values[grid.n_steps - grid.steps_to_go]
    return np.asarray(own + error * (1 + waves(own.shape, np.random.default_rng(8))))


def with_returns(problem: GriddedProblem, tables: PolicyTables, trace: float, error: float) -> list[GradientEstimate]:
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=5)
    estimate = ReturnsEstimator(problem, simulator, trace, comparison.N_PATHS)
    values = values_at_nodes(problem, tables, error)
    return [estimate(tables, values, iteration) for iteration in range(1, BATCHES + 1)]


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_returns_that_are_complete_are_unbiased_whatever_the_critic(
    error: float, problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    assert deviations(with_returns(problem, tables, 1.0, error), exact, directions).max() < 1


def test_generalised_advantages_are_unbiased_with_the_policys_own_values_alone(
    problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    assert deviations(with_returns(problem, tables, 0.5, 0.0), exact, directions).max() < 1
    assert deviations(with_returns(problem, tables, 0.5, 0.3), exact, directions).max() > 1


def test_the_bias_of_generalised_advantages_is_linear_in_the_critics_error_and_falls_with_the_trace(
    problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    """Measured as a share of the gradient: 2.5 and 7.4 at λ = 0.5; with the larger error 8.4 at λ = 0 and 2.6 at 0.9."""

    def bias(trace: float, error: float) -> float:
        return relative_bias(with_returns(problem, tables, trace, error), exact, directions)

    assert bias(0.5, 0.0) < 0.1
    assert bias(0.5, 0.1) > 1
    assert bias(0.5, 0.3) == pytest.approx(3 * bias(0.5, 0.1), rel=0.05)
    assert bias(0.0, 0.3) > bias(0.5, 0.3) > 2 * bias(0.9, 0.3)


def _undiscounted(*arguments: Any) -> None:
    """A wrong variant: what comes later counts in full."""
    GENERALISED(*arguments[:5], 1.0, *arguments[6:])


def _without_payoff(*arguments: Any) -> None:
    """A wrong variant: nothing at the horizon."""
    GENERALISED(arguments[0], np.zeros_like(arguments[1]), *arguments[2:])


GENERALISED = returns.generalised_advantages


@pytest.mark.parametrize("wrong", [_undiscounted, _without_payoff])
def test_wrong_returns_are_told_apart(
    wrong: Any, problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    with patch("ghm.training.learners.returns.generalised_advantages", wrong):
        sample = with_returns(problem, tables, 1.0, 0.1)
    assert deviations(sample, exact, directions).max() > 1


def test_generalised_advantages_equal_their_definition(problem: GriddedProblem, tables: PolicyTables) -> None:
    """Path by path, from the sum over later temporal differences; sums are shared out to the nodes."""
    grid, trace = problem.grid, 0.7
    simulator = Simulator(problem.model, grid, problem.terminal_values, seed=5)
    paths, values = simulator.workspace(200, recorded=True), values_at_nodes(problem, tables, 0.2)
    simulator.run(tables, 1, 0, paths, np.zeros(values.shape))
    found, sums, counts = np.empty(paths.cell.shape), np.zeros(values.shape), np.zeros(values.shape)
    payoff = np.where(paths.cash[-1] >= 0, np.interp(paths.cash[-1], grid.cash, problem.terminal_values), 0.0)
    returns.generalised_advantages(
        paths, payoff, values, grid.time_cell, grid.time_weight, problem.discount, trace, found, sums, counts
    )
    lives, n = paths.cash >= 0, grid.n_steps
    value = np.zeros((n + 1, 200))
    for t in range(n):
        k, w = grid.time_cell[t], grid.time_weight[t]
        value[t] = lives[t] * np.interp(paths.cash[t], grid.cash, (1 - w) * values[k] + w * values[k + 1])
    value[n] = payoff
    delta = np.where(lives[:-1], paths.flow + problem.discount * value[1:] - value[:-1], 0.0)
    factor = (problem.discount * trace) ** np.arange(n)
    expected = np.stack([(factor[: n - t, None] * delta[t:]).sum(axis=0) for t in range(n)])
    assert found == pytest.approx(expected, abs=1e-5)
    assert counts.sum() == pytest.approx(lives[:-1].sum())
    assert sums.sum() == pytest.approx(expected[lives[:-1]].sum(), rel=1e-5)


class _Smoothed(ReturnsEstimator):
    """A wrong variant: a node's target is the mean of the values that followed around it."""

    def _at_value_nodes(self, sums: Array, counts: Array, values: Array) -> tuple[Array, Array]:
        return super()._at_value_nodes(sums + counts * (self.around(values) - values), counts, values)

    def around(self, values: Array) -> Array:
        """V a third of a cell further inside, as around a node at an end of the range."""
        cash, nodes = self.problem.grid.cash, self.problem.value_nodes
        third = np.interp(cash, cash[nodes[:-1]], np.diff(cash[nodes]) / 3)
        return np.stack([np.interp(np.minimum(cash + third, cash[-1]), cash, row) for row in values])


@pytest.mark.parametrize("trace", [0.5, 1.0])
def test_a_critic_that_is_right_learns_nothing_else(
    trace: float, problem: GriddedProblem, tables: PolicyTables
) -> None:
    """Targets of the policy's own values are those, at every node, within five standard errors; a smoothed fit's are not."""
    nodes, simulator = problem.value_nodes, Simulator(problem.model, problem.grid, problem.terminal_values, seed=5)
    own = values_at_nodes(problem, tables, 0.0)

    def deviation(estimator: type[ReturnsEstimator]) -> float:
        estimate = estimator(problem, simulator, trace, comparison.N_PATHS)
        found = [estimate(tables, own, iteration) for iteration in range(1, 21)]
        errors = np.array([(one.value_target - own)[:, nodes] for one in found])
        visited = np.array([one.value_weight[:, nodes] for one in found]).min(axis=0) > 100
        z = errors.mean(axis=0) / (errors.std(axis=0, ddof=1) / np.sqrt(len(found)))
        return float(np.abs(z[visited]).max())

    assert deviation(ReturnsEstimator) < 5
    assert deviation(_Smoothed) > 10


def with_critic(
    problem: GriddedProblem, tables: PolicyTables, batches: int, critic: type[AfterStateCritic] = AfterStateCritic
) -> list[GradientEstimate]:
    """Estimates of independent critics, each of four iterations of one policy."""
    found = []
    for batch in range(batches):
        simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=100 + batch)
        estimate = AfterStateEstimator(problem, simulator, critic(problem, memory=1.0), 4000)
        found.append([estimate(tables, None, iteration) for iteration in range(1, 5)][-1])
    return found


class _Undiscounted(AfterStateCritic):
    """A wrong variant: later differences count in full."""

    def observe(self, pairs: Any) -> None:
        with patch.object(GriddedProblem, "discount", 1.0):
            super().observe(pairs)


class _WithoutLiquidation(AfterStateCritic):
    """A wrong variant: what a liquidated partner gives up is not charged."""

    def observe(self, pairs: Any) -> None:
        pairs.start[:] = np.minimum(pairs.start, 1)
        super().observe(pairs)


def relative_bias(sample: list[GradientEstimate], exact: Gradient, directions: list[Direction]) -> float:
    """Largest distance of the mean estimate from the exact gradient along a direction, as a share of the mean size of those."""
    along = comparison.along
    truth = np.array([along(direction, exact.modes, exact.levels) for direction in directions])
    means = np.array(
        [np.mean([along(d, one.modes[1:] - one.modes[0], one.levels) for one in sample]) for d in directions]
    )
    return float(np.abs(means - truth).max() / np.abs(truth).mean())


def test_the_after_state_critics_bias_is_small_and_wrong_ones_are_told_apart(
    problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    """Biased by what a line between nodes misses and by shrinking: 0.14 on this short, coarse problem; the wrong ones 4 and 5."""
    assert relative_bias(with_critic(problem, tables, 10), exact, directions) < 0.25
    for wrong in (_Undiscounted, _WithoutLiquidation):
        assert relative_bias(with_critic(problem, tables, 10, wrong), exact, directions) > 1, wrong


def test_the_critics_values_approach_the_policys_own() -> None:
    """Slopes and levels of V, where paths go, against the exact sweep; with half of the paths the error is larger."""
    problem = small_problem(n_steps=25)
    tables, grid = random_tables(problem.grid, seed=3), problem.grid
    own = sweep_tables(problem, tables, None).values[grid.n_steps - grid.steps_to_go]
    simulator = Simulator(problem.model, grid, problem.terminal_values, seed=7)
    critic = AfterStateCritic(problem, memory=1.0)
    errors, levels = [], []
    for iterations in (2, 40):
        for iteration in range(1, iterations + 1):
            estimate = AfterStateEstimator(problem, simulator, critic, 500)(tables, None, iteration)
        slopes = np.diff(critic.values(tables) - own, axis=1) / np.diff(grid.cash)
        weight = (estimate.visits[:, 1:] + estimate.visits[:, :-1]) / 2
        errors.append(float(np.sqrt((weight * slopes**2).sum() / weight.sum())))
        levels.append(float((estimate.visits * np.abs(critic.values(tables) - own)).sum() / estimate.visits.sum()))
    assert errors[1] < errors[0] / 2
    assert errors[1] < 0.2
    assert levels[1] < 0.05
