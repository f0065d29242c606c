"""The estimators agree in expectation with the exact gradient, for both baselines and for any value function.

A gradient is compared along directions: random smooth ones, so that every node counts, and one for each kind of table entry.
Estimates of independent batches give the standard error. α = 1e-3 for a whole comparison, shared out among its directions by
Bonferroni; seeds are fixed. The oracle's own error, from its grid, is allowed for on top: 2% of the gradient along a direction
(the test of the oracle by finite differences shows as much).
"""

import numpy as np
import pytest
from scipy.stats import t as student
from small_problems import random_tables, small_problem, waves
from training.exact_gradient import Gradient, exact_gradient

from ghm.model import Array
from ghm.policy.distribution import PolicyTables
from ghm.policy.tabulated import TabulatedPolicy
from ghm.reference.policy_value import policy_value
from ghm.simulation.kernel import Simulator
from ghm.training import scores
from ghm.training.config import Baseline, Estimator
from ghm.training.estimator import GradientEstimate, GradientEstimator
from ghm.training.problem import DecisionProblem

ALPHA = 1e-3
ORACLE_ERROR = 0.02
BATCHES, N_PATHS = 50, 16_000
N_RANDOM = 4

Direction = tuple[Array, Array]


@pytest.fixture(scope="module")
def problem() -> DecisionProblem:
    """Discounted so heavily that eight steps without it are told apart."""
    return small_problem(dt=0.05, n_steps=8, r=0.51, recovery=2.0)


@pytest.fixture(scope="module")
def tables(problem: DecisionProblem) -> PolicyTables:
    return random_tables(problem.grid, seed=3)


@pytest.fixture(scope="module")
def exact(problem: DecisionProblem, tables: PolicyTables) -> Gradient:
    return exact_gradient(problem, tables)


@pytest.fixture(scope="module")
def directions(problem: DecisionProblem, tables: PolicyTables) -> list[Direction]:
    """Changes of the mode probabilities (2, K, M) and of the levels (4, K): one for each kind of entry, then random ones.

    Those of probabilities are proportional to them: the score of an improbable mode is the less precise the rarer it is drawn.
    """
    generator = np.random.default_rng(0)
    shape = (problem.grid.steps_to_go.size, problem.grid.cash.size)
    result = []
    for row in range(6):
        modes, levels = np.zeros((2, *shape)), np.zeros((4, shape[0]))
        (modes if row < 2 else levels)[row if row < 2 else row - 2] = 1.0
        result.append((modes * tables.modes, levels))
    for _ in range(N_RANDOM):
        modes = tables.modes * np.stack([waves(shape, generator) for _ in range(2)])
        result.append((modes, np.stack([waves(shape[:1], generator) for _ in range(4)])))
    return result


def along(direction: Direction, modes: Array, levels: Array) -> float:
    return float((direction[0] * modes).sum() + (direction[1] * levels).sum())


def test_oracle_equals_finite_differences_of_the_exact_return(
    problem: DecisionProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    """The return by the reference's own method, on its own grid, of the policy a little to both sides."""
    horizon, step = problem.grid.dt * problem.grid.n_steps, 0.02
    assert exact.expected_return == pytest.approx(value_of(problem, tables, horizon), abs=3e-4)
    for direction in directions:
        moved = [
            PolicyTables(
                (tables.modes + sign * step * direction[0]).astype(np.float32),
                (tables.levels + sign * step * direction[1]).astype(np.float32),
            )
            for sign in (1, -1)
        ]
        difference = (value_of(problem, moved[0], horizon) - value_of(problem, moved[1], horizon)) / (2 * step)
        computed = along(direction, exact.modes, exact.levels)
        assert computed == pytest.approx(difference, rel=ORACLE_ERROR, abs=1e-4)


def value_of(problem: DecisionProblem, tables: PolicyTables, horizon: float) -> float:
    return policy_value(
        TabulatedPolicy(problem.grid, tables), problem.model, problem.grid.dt, horizon, "liquidation", stochastic=True
    )


def estimates(
    problem: DecisionProblem, tables: PolicyTables, estimator: Estimator, baseline: Baseline, network: Array
) -> list[GradientEstimate]:
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=5)
    estimate = GradientEstimator(problem, simulator, estimator, baseline, N_PATHS)
    return [estimate(tables, network, iteration) for iteration in range(1, BATCHES + 1)]


def deviations(sample: list[GradientEstimate], exact: Gradient, directions: list[Direction]) -> Array:
    """How far the mean estimate is from the exact gradient along each direction, in units of what is allowed."""
    found = []
    threshold = student.ppf(1 - ALPHA / len(directions) / 2, BATCHES - 1)
    for direction in directions:
        # Probabilities add up to 1: what paying gains, holding loses.
        values = np.array([along(direction, one.modes[1:] - one.modes[0], one.levels) for one in sample])
        error = values.std(ddof=1) / np.sqrt(BATCHES)
        truth = along(direction, exact.modes, exact.levels)
        found.append(abs(values.mean() - truth) / (threshold * error + ORACLE_ERROR * abs(truth) + 1e-4))
    return np.array(found)


def some_function(problem: DecisionProblem, offset: float = 0.0) -> Array:
    """A value table near the truth (offset 0), or deliberately wrong, (K, M)."""
    grid = problem.grid
    shape = (grid.steps_to_go.size, grid.cash.size)
    base = problem.model.liquidation_value + 0.9 * grid.cash
    return np.asarray(base + offset + 0.1 * waves(shape, np.random.default_rng(8)))


ESTIMATORS: tuple[Estimator, ...] = ("monte_carlo", "martingale", "conditional")
VALUE_FUNCTIONS: tuple[tuple[Baseline, float], ...] = (("sweep", 0.0), ("network", 0.0), ("network", 0.1))
METHODS = [(estimator, *values) for estimator in ESTIMATORS for values in VALUE_FUNCTIONS]


@pytest.mark.parametrize(("estimator", "baseline", "offset"), METHODS)
def test_expectation_is_the_exact_gradient(
    estimator: Estimator,
    baseline: Baseline,
    offset: float,
    problem: DecisionProblem,
    tables: PolicyTables,
    exact: Gradient,
    directions: list[Direction],
) -> None:
    """For the policy's own value, for a function near it, and for one that is a tenth off."""
    sample = estimates(problem, tables, estimator, baseline, some_function(problem, offset))
    assert deviations(sample, exact, directions).max() < 1


class _WithoutTail(GradientEstimator):
    """A wrong twin: the sampled scores times later residuals are dropped."""

    def _sampled_advantages(self, *_: object) -> None:
        return None


class _WrongSign(GradientEstimator):
    """A wrong twin: what comes later counts negatively."""

    def _sampled_advantages(self, *arguments: object) -> Array | None:
        advantages = super()._sampled_advantages(*arguments)  # type: ignore[arg-type]
        return None if advantages is None else -advantages


def _undiscounted(rewards: Array, last: Array, _discount: float, *rest: object) -> None:
    """A wrong twin of the sums: later rewards count in full (of `martingale` the error nearly telescopes away)."""
    SUM_BACKWARD(rewards, last, 1.0, *rest)


def _exclusive(rewards: Array, last: Array, discount: float, _exclusive: bool, out: Array) -> None:
    """A wrong twin of the sums: the step's own part is dropped."""
    SUM_BACKWARD(rewards, last, discount, True, out)


SUM_BACKWARD = scores.sum_backward
THIS = f"{__name__}.GradientEstimator"
SUMS = "ghm.training.scores.sum_backward"
WRONG: list[tuple[str, object, Estimator]] = [
    (THIS, _WithoutTail, "conditional"),
    (THIS, _WithoutTail, "martingale"),
    (THIS, _WrongSign, "conditional"),
    (THIS, _WrongSign, "martingale"),
    (THIS, _WrongSign, "monte_carlo"),
    (SUMS, _undiscounted, "monte_carlo"),
    (SUMS, _exclusive, "martingale"),
    (SUMS, _exclusive, "monte_carlo"),
]


@pytest.mark.parametrize(("target", "twin", "estimator"), WRONG)
def test_comparison_tells_wrong_twins_apart(
    target: str,
    twin: object,
    estimator: Estimator,
    problem: DecisionProblem,
    tables: PolicyTables,
    exact: Gradient,
    directions: list[Direction],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(target, twin)
    sample = estimates(problem, tables, estimator, "network", some_function(problem, 0.1))
    assert deviations(sample, exact, directions).max() > 1


def test_less_is_random_the_more_is_known(
    problem: DecisionProblem, tables: PolicyTables, directions: list[Direction]
) -> None:
    """The order of variances that the estimators are for, with the policy's own value as baseline."""
    variances = []
    for estimator in ESTIMATORS:
        sample = estimates(problem, tables, estimator, "sweep", some_function(problem))
        values = [[along(d, one.modes[1:] - one.modes[0], one.levels) for d in directions] for one in sample]
        variances.append(float(np.var(values, axis=0).sum()))
    assert variances[0] > 2 * variances[1]
    assert variances[1] > 10 * variances[2]
