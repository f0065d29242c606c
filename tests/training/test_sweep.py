"""The sweep against three independent answers: the reference's policy value, brute force, and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from fine_quadrature import fine_quadrature
from scipy.interpolate import CubicHermiteSpline
from scipy.stats import norm
from small_problems import random_tables, small_problem, threshold_tables, waves

from ghm.economics.actions import HOLD, ISSUE, PAY
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.solvers.policy_value import policy_values
from ghm.training.learners.estimator import SweptValues, sweep_tables
from ghm.training.learners.sweep import BY_MEAN, BY_STD, GAIN, level_cdf, level_cdf_derivatives
from ghm.training.problem import GriddedProblem

WITH_ROOM = np.nan
"""What memory is filled with before a sweep: whatever of it is read before it is written becomes visible."""


def tabulate(problem: GriddedProblem, tables: PolicyTables, bootstrap_values: Array | None = None) -> SweptValues:
    n, m = problem.grid.n_steps, problem.grid.cash.size
    return sweep_tables(problem, tables, bootstrap_values, (np.full((n + 1, m), WITH_ROOM), np.full((n, m), WITH_ROOM)))


@pytest.fixture(scope="module")
def standard_levels() -> tuple[np.ndarray, np.float32, np.float32]:
    return np.log(np.linspace(1e-4, 2.0, 3001)).astype(np.float32), np.float32(-1.6), np.float32(0.25)


def test_level_distribution_function(standard_levels: tuple[np.ndarray, np.float32, np.float32]) -> None:
    """Abramowitz and Stegun state an error below 7.5e-8; single precision adds its own 1.2e-7."""
    points, mean, std = standard_levels
    # Nodes, and then midpoints, each in increasing order.
    points, cdf = np.concatenate([points, points[:-1] + np.float32(1e-5)]), np.empty(2 * points.size - 1, np.float32)
    level_cdf(points, points.size // 2 + 1, mean, std, cdf)
    assert np.abs(cdf - norm.cdf(points, mean, std)).max() < 3e-7


def test_level_distribution_function_derivatives(standard_levels: tuple[np.ndarray, np.float32, np.float32]) -> None:
    points, mean, std = (np.asarray(x, dtype=np.float64) for x in standard_levels)
    by_mean, by_std = (np.empty(points.size, np.float32) for _ in range(2))
    level_cdf_derivatives(*standard_levels, by_mean, by_std)
    h = 1e-5
    difference = (norm.cdf(points, mean + h, std) - norm.cdf(points, mean - h, std)) / (2 * h)
    assert np.abs(by_mean - difference).max() < 1e-5
    difference = (norm.cdf(points, mean, std + h) - norm.cdf(points, mean, std - h)) / (2 * h)
    assert np.abs(by_std - difference).max() < 1e-5
    far = np.abs(points - mean) > 6 * std
    assert far.any()
    assert not by_mean[far].any()
    assert not by_std[far].any()


# Largest difference in V. Cells of a third of a shock leave less than 1e-4; the jump of V at zero is worth 4 there under
# the other two terminal conditions, and leaves 5e-4.
VALUE_PROBLEMS = {
    "default": (small_problem(), 2e-4),
    "default cash range": (small_problem(dt=0.01, n_steps=30, c_max=2.0), 2e-4),
    "long step": (small_problem(dt=0.1, n_steps=40), 2e-4),
    "overflow at every other step": (small_problem(dt=0.05, n_steps=20, c_max=0.08), 1e-3),
    "nothing at the horizon": (small_problem(terminal="zero"), 1e-3),
    "goes on after the horizon": (small_problem(terminal="going_concern"), 1e-3),
    "no transitory shock": (small_problem(sigma_x=0.0), 2e-4),
    "one step": (small_problem(n_steps=1), 2e-4),
}


@pytest.mark.parametrize("name", VALUE_PROBLEMS)
def test_values_equal_the_reference(name: str) -> None:
    problem, tolerance = VALUE_PROBLEMS[name]
    grid = problem.grid
    terminal = {"nothing at the horizon": "zero", "goes on after the horizon": "going_concern"}.get(name, "liquidation")
    tables = random_tables(grid, seed=len(name))
    horizon = grid.dt * grid.n_steps
    policy = TabulatedPolicy(grid, tables)
    with fine_quadrature():
        exact = policy_values(policy, Problem(problem.model, grid.dt, horizon, terminal), randomised=True)  # type: ignore[arg-type]
    values = tabulate(problem, tables).values
    assert np.abs(values[0] - np.interp(grid.cash, exact.cash, exact.values[-1])).max() < tolerance
    average = np.trapezoid(values[0], grid.cash) / grid.cash[-1]
    assert average == pytest.approx(exact.expected_return, abs=tolerance / 2)


def brute_force_values(problem: GriddedProblem, tables: PolicyTables) -> tuple[Array, Array]:
    """V at the start by sums over thousands of shocks and levels: no moments, no integration by parts.

    Returns:
        Cash (M,) on a fine even grid, and V (M,).
    """
    model, dt, grid = problem.model, problem.grid.dt, problem.grid
    policy = TabulatedPolicy(grid, tables)
    z = np.linspace(-7, 7, 2802)[:-1] + 0.0025
    weights = norm.pdf(z) / norm.pdf(z).sum()
    cash = np.linspace(0, model.c_max, 601)
    value = np.interp(cash, grid.cash, problem.terminal_values)
    following = cash[:, None] + model.drift(cash)[:, None] * dt + model.volatility(cash)[:, None] * np.sqrt(dt) * z
    over = np.maximum(following - model.c_max, 0)
    for to_go in range(1, grid.n_steps + 1):
        ends = np.where(following > 0, np.interp(following, cash, value) + over, model.liquidation_value)
        held = np.exp(-model.discount_rate * dt) * ends @ weights
        actions = policy(cash, to_go * dt)
        shift = grid.level_shift
        b = np.maximum(np.exp(actions.payout_log_mean[0] + actions.payout_log_std[0] * z) - shift, 0)
        i = np.minimum(np.exp(actions.issue_log_mean[0] + actions.issue_log_std[0] * z) - shift, model.c_max)
        after = np.minimum(b, cash[:, None])
        paid = (cash[:, None] - after + np.interp(after, cash, held)) @ weights
        gross = model.proportional_cost * (i - cash[:, None] + model.fixed_cost)
        issued = np.where(i > cash[:, None], np.interp(i, cash, held) - gross, held[:, None]) @ weights
        probability = actions.mode_probabilities
        value = probability[:, HOLD] * held + probability[:, PAY] * paid + probability[:, ISSUE] * issued
    return cash, value


def test_values_equal_brute_force() -> None:
    problem = small_problem(dt=0.05, n_steps=4)
    tables = random_tables(problem.grid, seed=9)
    cash, exact = brute_force_values(problem, tables)
    values = tabulate(problem, tables).values[0]
    assert np.abs(values - np.interp(problem.grid.cash, cash, exact)).max() < 2e-4
    # Wrong variants that the same tolerance must tell apart.
    for wrong in (
        {"fixed_cost": 0.0},
        {"proportional_cost": 1.05},
        {"carry_cost": 0.0},
        {"sigma_x": 0.16},
        {"recovery": 0.551},
    ):
        other = replace(problem, problem=replace(problem.problem, model=replace(problem.model, **wrong)))
        cash, exact = brute_force_values(other, tables)
        assert np.abs(values - np.interp(problem.grid.cash, cash, exact)).max() > 4e-4, wrong


def expected_gain(problem: GriddedProblem, held: Array, mode: int, mean: float, std: float) -> Array:
    """Δ at the cash nodes: what ``mode`` gains over holding, averaged over 8,001 levels, for W given at the nodes.

    An average over midpoints errs by the square of their distance where the gain has a kink.
    """
    model, cash, shift = problem.model, problem.grid.cash, problem.grid.level_shift
    z = np.linspace(-7, 7, 8_002)[:-1] + 0.000875
    weights = norm.pdf(z) / norm.pdf(z).sum()
    level = np.clip(np.exp(mean + std * z) - shift, 0, model.c_max)
    continuation = CubicHermiteSpline(cash, held, np.gradient(held, cash, edge_order=2))
    gain = np.empty(cash.size)
    at_level = continuation(level)
    for j, c in enumerate(cash):
        if mode == PAY:
            each = np.where(level < c, c - level + at_level - held[j], 0.0)
        else:
            each = np.where(level > c, at_level - held[j] - model.proportional_cost * (level - c), 0.0)
        gain[j] = each @ weights
    if mode == ISSUE:  # the fixed cost makes a jump, which an average over points would blur
        gain -= model.proportional_cost * model.fixed_cost * norm.sf(np.log(cash + shift), mean, std)
    return gain


def wrong_values(problem: GriddedProblem, seed: int) -> Array:
    """A smooth function of cash at each bootstrap node that is nobody's value, (R, M)."""
    shape = (problem.bootstrap_nodes.size, problem.grid.cash.size)
    base = problem.model.liquidation_value + 0.9 * problem.grid.cash
    return np.asarray(base + 0.05 * waves(shape, np.random.default_rng(seed)))


ADVANTAGE_PROBLEMS = [small_problem(), small_problem(fixed_cost=0.02, proportional_cost=1.2, c_max=1.0)]


@pytest.mark.parametrize("problem", ADVANTAGE_PROBLEMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_advantages_and_their_derivatives(problem: GriddedProblem, seed: int) -> None:
    """Δ by quadrature and its derivatives by finite differences of that, for a V that is nobody's value.

    Simpson's rule on cells of 0.005 and levels with a spread of 0.03 and more leaves less than 1%.
    """
    grid = problem.grid
    tables = random_tables(grid, seed)
    values = tabulate(problem, tables, wrong_values(problem, seed))
    h = 1e-3
    for k in (0, 5, grid.steps_to_go.size - 1):
        held = values.continuations[grid.n_steps - grid.steps_to_go[k]]
        for mode in (PAY, ISSUE):
            mean, std = (float(x) for x in tables.levels[2 * mode - 2 : 2 * mode, k])
            rows = [
                expected_gain(problem, held, mode, mean, std),
                *(
                    (
                        expected_gain(problem, held, mode, mean + a, std + b)
                        - expected_gain(problem, held, mode, mean - a, std - b)
                    )
                    / (2 * h)
                    for a, b in ((h, 0.0), (0.0, h))
                ),
            ]
            # At c̄ no issue is possible; just below it, one is: the derivative has a jump there that neither resolves.
            inside = slice(0, -1)
            computed = values.advantages[mode - 1, :, k]
            for row, exact in zip((GAIN, BY_MEAN, BY_STD), rows, strict=True):
                scale = np.abs(exact).max()
                assert np.abs(computed[row] - exact)[inside].max() < 0.01 * scale, (k, mode, row)
                for other in {GAIN, BY_MEAN, BY_STD} - {row}:
                    assert np.abs(computed[other] - exact)[inside].max() > 0.1 * scale, "rows must be told apart"


def test_the_sweep_goes_on_from_the_given_function_at_bootstrap_steps() -> None:
    """What is found before a bootstrap step is the value of a problem that ends there, and pays the given function."""
    problem = small_problem(dt=0.05, n_steps=70)
    grid, tables = problem.grid, random_tables(problem.grid, seed=4)
    given = wrong_values(problem, 3)
    steps = problem.bootstrap_steps.tolist()
    assert len(steps) >= 2
    found = tabulate(problem, tables, given)
    for row, step in enumerate(steps):
        assert np.array_equal(found.values[step], given[row])
    # In the plain: one step at a time, the Bellman operator of the policy, restarted at the bootstrap steps.
    own = tabulate(problem, tables)
    value = problem.terminal_values
    for t in range(grid.n_steps - 1, -1, -1):
        value = one_step(problem, tables, t, value)
        if t in steps:
            row = steps.index(t)
            assert np.abs(found.swept[row] - value).max() < ROUNDING
            assert np.abs(found.residuals[row] - (value - given[row])).max() < ROUNDING
            value = given[row]
        assert np.abs(found.values[t] - value).max() < ROUNDING
        if t > max(steps):
            assert np.array_equal(found.values[t], own.values[t]), "complete returns do not know of the network"
    assert np.abs(found.values[0] - own.values[0]).max() > 1e-3, "another function, other values"


ROUNDING = 1e-6
"""Tables in single precision, interpolated once more."""


def one_step(problem: GriddedProblem, tables: PolicyTables, t: int, following: Array) -> Array:
    """The value at step ``t`` of a policy that goes on with ``following``: a problem of one step."""
    grid = problem.grid
    k, w = grid.time_cell[t], grid.time_weight[t]
    row = PolicyTables(*((1 - w) * table[:, k] + w * table[:, k + 1] for table in tables))
    single = replace(grid, n_steps=1, steps_to_go=np.array([1, 2]), time_cell=np.array([0]), time_weight=np.zeros(1))
    one = replace(problem, grid=single, terminal_values=following)
    at_both = PolicyTables(*(np.repeat(table[:, None], 2, axis=1).astype(np.float32) for table in row))
    return np.asarray(sweep_tables(one, at_both, None).values[0])


def test_given_the_policys_own_value_nothing_is_left_over() -> None:
    """A fixed point: residuals vanish, and advantages are the policy's own. A constant too much is discounted over a return."""
    problem = small_problem(dt=0.05, n_steps=70)
    tables, steps = random_tables(problem.grid, seed=4), problem.bootstrap_steps
    own = tabulate(problem, tables)
    again = tabulate(problem, tables, own.values[steps])
    assert np.abs(again.residuals).max() < 1e-12
    assert np.abs(again.values - own.values).max() < 1e-12
    assert np.abs(again.advantages - own.advantages).max() < 1e-12
    shifted = tabulate(problem, tables, own.values[steps] + 1.0)
    assert shifted.residuals[0] == pytest.approx(-1.0), "the return nearest the horizon is complete"
    between = int(steps[0] - steps[1])
    most = problem.discount**between - 1  # what is liquidated before loses the constant altogether
    assert np.all(shifted.residuals[1] <= most + 1e-9)
    assert np.all(shifted.residuals[1] > -1.0)
    assert shifted.residuals[1][-1] == pytest.approx(most, abs=0.2)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 16, 17, 24, 25])
def test_nothing_is_read_before_it_is_written(n_steps: int) -> None:
    """With a single step one of the two time nodes is never met; its advantages are none, not what memory held."""
    problem = small_problem(n_steps=n_steps)
    given = wrong_values(problem, 1)
    for values in (tabulate(problem, random_tables(problem.grid, 2), g) for g in (None, given)):
        for name, array in values._asdict().items():
            assert np.isfinite(array).all(), name
        at_nodes = np.abs(values.advantages).max(axis=(0, 1, 3))
        assert (at_nodes[problem.grid.steps_to_go <= n_steps] > 0).all()
        assert (at_nodes[problem.grid.steps_to_go > n_steps] == 0).all()
    assert given.shape[0] == (problem.grid.steps_to_go[:-1] >= 16).any()


@pytest.mark.parametrize("n_steps", [1, 2, 25])
def test_a_sweep_that_records_no_steps_finds_the_same(n_steps: int) -> None:
    problem = small_problem(n_steps=n_steps)
    tables, nodes = random_tables(problem.grid, 2), problem.grid.cash.size
    for given in (None, wrong_values(problem, 1)):
        recorded = tabulate(problem, tables, given)
        room = np.full((2, nodes), WITH_ROOM), np.full((1, nodes), WITH_ROOM)
        kept = sweep_tables(problem, tables, given, room)
        for name in ("swept", "residuals", "advantages"):
            assert np.array_equal(getattr(kept, name), getattr(recorded, name)), name
        assert np.array_equal(kept.values[0], recorded.values[0])
        assert np.array_equal(kept.continuations[0], recorded.continuations[0])


WIDE = [50.0, 100.0, 1000.0]


@pytest.mark.parametrize("c_max", WIDE)
def test_wide_cash_ranges_keep_their_first_cells_narrow(c_max: float) -> None:
    """All that a firm decides happens within a few shocks of zero, however far the range goes."""
    problem = GriddedProblem.build(Problem(GHMModel(c_max=c_max), 0.01, 0.08))
    grid, model = problem.grid, problem.model
    length = model.step_length(grid.cash, grid.dt)
    assert np.all(np.diff(grid.cash)[:100] < 1.01 / 3 * length[1:101])
    policy = TabulatedPolicy(grid, random_tables(grid, 3))
    with fine_quadrature():
        exact = policy_values(policy, Problem(model, grid.dt, 0.08), randomised=True)
    values = tabulate(problem, policy.tables).values[0]
    near = grid.cash < 2.0
    error = np.abs(values - np.interp(grid.cash, exact.cash, exact.values[-1]))
    assert error[near].max() < 1e-3
    # The wrong variant: nodes placed evenly, as many.
    even = GriddedProblem.build(Problem(model, grid.dt, 8 * grid.dt), np.linspace(0, c_max, grid.cash.size))
    tables = PolicyTables(
        np.stack([[np.interp(even.grid.cash, grid.cash, row) for row in mode] for mode in policy.tables.modes]).astype(
            np.float32
        ),
        policy.tables.levels,
    )
    coarse = np.interp(grid.cash, even.grid.cash, tabulate(even, tables).values[0])
    assert np.abs(coarse - np.interp(grid.cash, exact.cash, exact.values[-1]))[near].max() > 2e-3


def test_paying_everything_above_the_level_is_worth_the_cash() -> None:
    """Certain levels: a firm with c above its payout level is worth c − b more than one at b."""
    problem = small_problem(n_steps=10)
    tables = threshold_tables(problem.grid, payout=0.15, below=-1.0, target=0.3)
    tables.levels[1] = 0.05
    values = tabulate(problem, tables).values[0]
    cash = problem.grid.cash
    high = cash > 0.25  # beyond the level's whole distribution
    assert np.allclose(np.diff(values[high]) / np.diff(cash[high]), 1.0, atol=1e-6)
