"""The estimators agree in expectation with the exact gradient, for both baselines and, but for `bootstrap`, any value function.

A gradient is compared along directions: random smooth ones, so that every node counts, and one for each kind of table entry.
Estimates of independent batches give the standard error. α = 1e-3 for a whole comparison, shared out among its directions by
Bonferroni; seeds are fixed. The oracle's own error, from its grid, is allowed for on top: 2% of the gradient along a direction
(the test of the oracle by finite differences shows as much).
"""

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from fine_quadrature import fine_quadrature
from scipy.stats import t as student
from small_problems import random_tables, small_problem, waves
from training.exact_gradient import Gradient, exact_gradient

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.simulation.kernel import Simulator
from ghm.solvers.policy_value import policy_value
from ghm.training.learners import scores
from ghm.training.learners.estimator import GradientEstimate, GradientEstimator, sweep_tables
from ghm.training.problem import GriddedProblem
from ghm.training.settings import Estimator

ALPHA = 1e-3
ORACLE_ERROR = 0.02
BATCHES, N_PATHS = 50, 16_000
N_RANDOM = 4

Direction = tuple[Array, Array]


@pytest.fixture(scope="module")
def problem() -> GriddedProblem:
    """Discounted so heavily that eight steps without it are told apart; returns of two steps, so bootstrapped thrice."""
    with patch("ghm.training.problem.SHORTEST_RETURN", 2):
        built = small_problem(dt=0.05, n_steps=8, r=0.51, recovery=2.0)
        assert built.bootstrap_nodes.size  # found once, with the shorter returns
    return built


@pytest.fixture(scope="module")
def tables(problem: GriddedProblem) -> PolicyTables:
    return random_tables(problem.grid, seed=3)


@pytest.fixture(scope="module")
def exact(problem: GriddedProblem, tables: PolicyTables) -> Gradient:
    return exact_gradient(problem, tables)


@pytest.fixture(scope="module")
def directions(problem: GriddedProblem, tables: PolicyTables) -> list[Direction]:
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
    problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
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


def value_of(problem: GriddedProblem, tables: PolicyTables, horizon: float) -> float:
    policy = TabulatedPolicy(problem.grid, tables)
    with fine_quadrature():
        return policy_value(policy, problem.problem, randomised=True)


def estimates(
    problem: GriddedProblem,
    tables: PolicyTables,
    estimator: Estimator,
    bootstrap_values: Array | None,
    kind: type[GradientEstimator] = GradientEstimator,
) -> list[GradientEstimate]:
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=5)
    estimate = kind(problem, simulator, estimator, N_PATHS)
    return [estimate(tables, bootstrap_values, iteration) for iteration in range(1, BATCHES + 1)]


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


def own_values(problem: GriddedProblem, tables: PolicyTables) -> Array:
    """The policy's own value at the bootstrap steps, (R, M)."""
    return sweep_tables(problem, tables, None).values[problem.bootstrap_steps].copy()


def some_function(problem: GriddedProblem, tables: PolicyTables, offset: float = 0.0) -> Array:
    """Bootstrap values near the truth (offset 0), or deliberately wrong, (R, M)."""
    own = own_values(problem, tables)
    return np.asarray(own + offset + 0.1 * waves(own.shape, np.random.default_rng(8)))


def test_returns_are_bootstrapped_several_times(problem: GriddedProblem) -> None:
    """Else nothing below would see what bootstrapping does."""
    assert problem.bootstrap_steps.tolist() == [6, 4, 2]
    assert problem.grid.n_steps == 8


UNBIASED: tuple[Estimator, ...] = ("monte_carlo", "martingale", "conditional")
METHODS: list[tuple[Estimator, float | None]] = [(e, offset) for e in UNBIASED for offset in (None, 0.0, 0.1)]


@pytest.mark.parametrize(("estimator", "offset"), [*METHODS, ("bootstrap", None)])
def test_expectation_is_the_exact_gradient(
    estimator: Estimator,
    offset: float | None,
    problem: GriddedProblem,
    tables: PolicyTables,
    exact: Gradient,
    directions: list[Direction],
) -> None:
    """For the policy's own value (the sweep), for a function near it, and for one that is a tenth off."""
    given = None if offset is None else some_function(problem, tables, offset)
    assert deviations(estimates(problem, tables, estimator, given), exact, directions).max() < 1


class _WithoutTail(GradientEstimator):
    """A wrong variant: the sampled scores times later residuals are dropped."""

    def _sampled_advantages(self, *_: object) -> None:
        return None


class _WrongSign(GradientEstimator):
    """A wrong variant: what comes later counts negatively."""

    def _sampled_advantages(self, *arguments: object) -> Array | None:
        advantages = super()._sampled_advantages(*arguments)  # type: ignore[arg-type]
        return None if advantages is None else -advantages


class _Unweighted(GradientEstimator):
    """A wrong variant: the exact part is not weighted by visits."""

    def __call__(self, tables: PolicyTables, bootstrap_values: Array | None, iteration: int) -> GradientEstimate:
        run = Simulator.run

        def forgetful(simulator: Simulator, *arguments: Any) -> None:
            run(simulator, *arguments)
            arguments[-1][:] = arguments[-1].sum() / arguments[-1].size

        with patch.object(Simulator, "run", forgetful):
            return super().__call__(tables, bootstrap_values, iteration)


def _undiscounted(rewards: Array, last: Array, _discount: float, *rest: object) -> None:
    """A wrong variant of the sums: later rewards count in full (of `martingale` the error nearly telescopes away)."""
    SUM_BACKWARD(rewards, last, 1.0, *rest)


def _exclusive(rewards: Array, last: Array, discount: float, _exclusive: bool, out: Array) -> None:
    """A wrong variant of the sums: the step's own part is dropped."""
    SUM_BACKWARD(rewards, last, discount, True, out)


SUM_BACKWARD = scores.sum_backward
WRONG_CLASSES: list[tuple[type[GradientEstimator], Estimator]] = [
    (_WithoutTail, "conditional"),
    (_WithoutTail, "martingale"),
    (_WrongSign, "conditional"),
    (_WrongSign, "martingale"),
    (_WrongSign, "monte_carlo"),
    (_Unweighted, "conditional"),
]
WRONG_SUMS: list[tuple[Any, Estimator]] = [
    (_undiscounted, "monte_carlo"),
    (_exclusive, "martingale"),
    (_exclusive, "monte_carlo"),
]


@pytest.mark.parametrize(("wrong", "estimator"), WRONG_CLASSES)
def test_comparison_tells_wrong_estimators_apart(
    wrong: type[GradientEstimator],
    estimator: Estimator,
    problem: GriddedProblem,
    tables: PolicyTables,
    exact: Gradient,
    directions: list[Direction],
) -> None:
    sample = estimates(problem, tables, estimator, some_function(problem, tables, 0.1), wrong)
    assert deviations(sample, exact, directions).max() > 1


@pytest.mark.parametrize(("wrong", "estimator"), WRONG_SUMS)
def test_comparison_tells_wrong_sums_apart(
    wrong: Any,
    estimator: Estimator,
    problem: GriddedProblem,
    tables: PolicyTables,
    exact: Gradient,
    directions: list[Direction],
) -> None:
    with patch("ghm.training.learners.scores.sum_backward", wrong):
        sample = estimates(problem, tables, estimator, some_function(problem, tables, 0.1))
    assert deviations(sample, exact, directions).max() > 1


def test_the_sweep_weights_by_visits_too(
    problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    sample = estimates(problem, tables, "bootstrap", None, _Unweighted)
    assert deviations(sample, exact, directions).max() > 1


def test_without_a_network_bootstrapping_leaves_nothing_out(problem: GriddedProblem, tables: PolicyTables) -> None:
    one, other = (estimates(problem, tables, name, None)[0] for name in ("bootstrap", "conditional"))
    # Paths are counted in batches of other sizes, so sums are rounded otherwise.
    assert one.modes == pytest.approx(other.modes, rel=1e-9, abs=1e-15)
    assert one.levels == pytest.approx(other.levels, rel=1e-9, abs=1e-15)
    assert one.value_target.shape == (0, problem.grid.cash.size)


# ---------------------------------------------------------------------------------------- the bias of bootstrapping

SLOPE_ERROR = 7e-3
"""Error of a trained network's slopes, per unit of cash, measured on the default problem."""


def biases(problem: GriddedProblem, tables: PolicyTables, given: Array, estimator: Estimator) -> tuple[Array, Array]:
    """Mean difference from the gradient with the policy's own value on the same draws, by modes and levels, and its error.

    The draws are the same, so what differs is what V differs by; the sampled tail has an error of its own.
    """
    batches = [estimates(problem, tables, estimator, values)[:10] for values in (given, None)]
    changes = [
        np.concatenate([(a.modes - b.modes).ravel(), (a.levels - b.levels).ravel()])
        for a, b in zip(*batches, strict=True)
    ]
    return np.mean(changes, axis=0), np.std(changes, axis=0, ddof=1) / np.sqrt(len(changes))


def visits_of(problem: GriddedProblem, tables: PolicyTables) -> Array:
    return estimates(problem, tables, "bootstrap", None)[0].visits


@pytest.fixture
def few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "BATCHES", 10)


@pytest.mark.usefixtures("few_batches")
def test_the_bias_vanishes_for_the_policys_own_value(problem: GriddedProblem, tables: PolicyTables) -> None:
    own = own_values(problem, tables)
    assert np.abs(biases(problem, tables, own, "bootstrap")[0]).max() < 1e-12
    assert np.abs(biases(problem, tables, own + 0.05 * problem.grid.cash, "bootstrap")[0]).max() > 1e-5


@pytest.mark.usefixtures("few_batches")
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_bias_is_bounded_by_the_error_of_slopes(
    scale: float, problem: GriddedProblem, tables: PolicyTables
) -> None:
    """An advantage compares two levels of cash y and c: it errs by no more than V's error between them.

    With slopes off by ε and V right at zero cash, where firms are liquidated, V errs by ε c, at most ε c̄, and so do its
    expectations over any number of steps. An advantage is the difference of two of them: it errs by at most ε c̄, and half as
    much is allowed on top. So the gradient at a node errs by at most 1.5 ε c̄ times its visits.
    """
    epsilon, c_max = scale * SLOPE_ERROR, problem.grid.cash[-1]
    given = own_values(problem, tables) + epsilon * problem.grid.cash
    visits = visits_of(problem, tables)
    bias = biases(problem, tables, given, "bootstrap")[0][: 3 * visits.size].reshape(3, *visits.shape)
    share = np.abs(bias).sum(axis=(1, 2)) / visits.sum()
    assert bias[0] == pytest.approx(0.0, abs=1e-15), "holding is what the others are measured against"
    assert np.all(np.abs(bias[1:]) <= 1.5 * epsilon * c_max * visits + 1e-12)
    assert np.all(share[1:] < epsilon * c_max / 2), "on average far less"
    assert np.all(share[1:] > epsilon * c_max / 1000), "and yet there is one"
    # In proportion to the error, as the sweep is linear in the function that it starts from.
    tenth = biases(problem, tables, own_values(problem, tables) + 0.1 * epsilon * problem.grid.cash, "bootstrap")[0]
    assert tenth[: 3 * visits.size].reshape(bias.shape) == pytest.approx(0.1 * bias, rel=1e-6, abs=1e-12)


@pytest.mark.usefixtures("few_batches")
def test_the_bias_fades_with_the_distance_to_the_bootstrap_node(tables: PolicyTables) -> None:
    """Firms that pay are mapped to one level, so slopes recover: longer returns have less bias."""
    problem = small_problem(dt=0.05, n_steps=80)
    tables = random_tables(problem.grid, 3)
    own = sweep_tables(problem, tables, None)
    given = own.values[problem.bootstrap_steps] + SLOPE_ERROR * problem.grid.cash
    off = sweep_tables(problem, tables, given)
    slopes = np.gradient(off.values - own.values, problem.grid.cash, axis=1)
    first = int(problem.bootstrap_steps[0])
    high = problem.grid.cash > 0.3
    after = [float(np.abs(slopes[first - steps][high]).max()) for steps in (1, 4, 12)]
    assert after[0] > after[1] > after[2]
    assert after[2] < 0.3 * SLOPE_ERROR


def test_the_sampled_tail_removes_the_bias(
    problem: GriddedProblem, tables: PolicyTables, exact: Gradient, directions: list[Direction]
) -> None:
    """With slopes off a hundredfold, so that it stands out: `bootstrap` misses the exact gradient, `conditional` does not."""
    given = own_values(problem, tables) + 100 * SLOPE_ERROR * problem.grid.cash
    assert deviations(estimates(problem, tables, "bootstrap", given), exact, directions).max() > 1
    assert deviations(estimates(problem, tables, "conditional", given), exact, directions).max() < 1


# ---------------------------------------------------------------------------------------------------- value targets


def test_the_networks_targets_are_the_swept_values(problem: GriddedProblem, tables: PolicyTables) -> None:
    """Multi-step expected returns, not the values given: those would teach the network what it says already."""
    given = some_function(problem, tables, 0.1)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=5)
    for estimator in (*UNBIASED, "bootstrap"):
        estimate = GradientEstimator(problem, simulator, estimator, 100)(tables, given, 1)
        swept = sweep_tables(problem, tables, given).swept
        assert np.array_equal(estimate.value_target, swept)
        assert np.abs(estimate.value_target - given).max() > 1e-2
    # The last return is complete: its target is the policy's own value whatever the network says.
    assert estimate.value_target[0] == pytest.approx(own_values(problem, tables)[0], abs=1e-12)


def test_paths_in_batches_are_the_same_paths(
    problem: GriddedProblem, tables: PolicyTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = some_function(problem, tables, 0.1)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=5)
    for estimator in (*UNBIASED, "bootstrap"):
        whole = GradientEstimator(problem, simulator, estimator, 100)(tables, given, 1)
        with monkeypatch.context() as patched:
            patched.setattr("ghm.simulation.kernel.BATCH_PATHS", 33)
            patched.setattr("ghm.simulation.kernel.BATCH_STEPS", 33 * problem.grid.n_steps)
            parts = GradientEstimator(problem, simulator, estimator, 100)(tables, given, 1)
        for name in ("modes", "levels", "visits"):
            assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-12), (estimator, name)
        assert parts.simulated_return == pytest.approx(whole.simulated_return, rel=1e-12)


def test_less_is_random_the_more_is_known(
    problem: GriddedProblem, tables: PolicyTables, directions: list[Direction]
) -> None:
    """The order of variances that the estimators are for, with the policy's own value as baseline."""
    variances = []
    for estimator in UNBIASED:
        sample = estimates(problem, tables, estimator, None)
        values = [[along(d, one.modes[1:] - one.modes[0], one.levels) for d in directions] for one in sample]
        variances.append(float(np.var(values, axis=0).sum()))
    assert variances[0] > 2 * variances[1]
    assert variances[1] > 10 * variances[2]


def test_bootstrapping_is_less_random_than_the_sampled_tail(
    problem: GriddedProblem, tables: PolicyTables, directions: list[Direction]
) -> None:
    """What the bias buys, with a value function that is a tenth off."""
    variances = []
    for estimator in ("conditional", "bootstrap"):
        sample = estimates(problem, tables, estimator, some_function(problem, tables, 0.1))
        values = [[along(d, one.modes[1:] - one.modes[0], one.levels) for d in directions] for one in sample]
        variances.append(float(np.var(values, axis=0).sum()))
    assert variances[0] > 5 * variances[1]
