"""The sweep against three independent answers: the reference's policy value, brute force, and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.stats import norm
from small_problems import random_tables, small_problem, threshold_tables, waves

from ghm.actions import HOLD, ISSUE, PAY
from ghm.model import Array
from ghm.policy.distribution import PolicyTables
from ghm.policy.tabulated import TabulatedPolicy
from ghm.reference.policy_value import policy_values
from ghm.simulation.kernel import Simulator
from ghm.training.estimator import GradientEstimator, TabulatedValues
from ghm.training.problem import DecisionProblem
from ghm.training.sweep import level_cdf, level_cdf_derivatives


def tabulate(problem: DecisionProblem, tables: PolicyTables, network_values: Array | None = None) -> TabulatedValues:
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed=1)
    baseline = "sweep" if network_values is None else "network"
    return GradientEstimator(problem, simulator, "conditional", baseline, 1).tabulate(tables, network_values)


@pytest.fixture(scope="module")
def standard_levels() -> tuple[np.ndarray, np.float32, np.float32]:
    return np.log(np.linspace(1e-4, 2.0, 3001)).astype(np.float32), np.float32(-1.6), np.float32(0.25)


def test_level_distribution_function(standard_levels: tuple[np.ndarray, np.float32, np.float32]) -> None:
    """Abramowitz and Stegun state an error below 7.5e-8; single precision adds its own 1.2e-7."""
    points, mean, std = standard_levels
    cdf = np.empty_like(points)
    level_cdf(points, mean, std, cdf)
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


# Largest difference in V. Cells of a third of a shock, and the reference's 31 quadrature points for the levels, leave about
# 1e-4; the jump of V at zero is worth 4 there under the other two terminal conditions, and leaves 5e-4.
VALUE_PROBLEMS = {
    "default": (small_problem(), 2e-4),
    "default cash range": (small_problem(dt=0.01, n_steps=60, c_max=2.0), 2e-4),
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
    exact = policy_values(policy, problem.model, grid.dt, horizon, terminal, stochastic=True)  # type: ignore[arg-type]
    values = tabulate(problem, tables).values
    assert np.abs(values[0] - np.interp(grid.cash, exact.cash, exact.values[-1])).max() < tolerance
    average = np.trapezoid(values[0], grid.cash) / grid.cash[-1]
    assert average == pytest.approx(exact.expected_return, abs=tolerance / 2)


def brute_force_values(problem: DecisionProblem, tables: PolicyTables) -> tuple[Array, Array]:
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
        b = np.exp(actions.payout_log_mean[0] + actions.payout_log_std[0] * z)
        i = np.minimum(np.exp(actions.issue_log_mean[0] + actions.issue_log_std[0] * z), model.c_max)
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
    # Wrong twins that the same tolerance must tell apart.
    for wrong in (
        {"fixed_cost": 0.0},
        {"proportional_cost": 1.05},
        {"carry_cost": 0.0},
        {"sigma_x": 0.16},
        {"recovery": 0.551},
    ):
        other = replace(problem, model=replace(problem.model, **wrong))
        cash, exact = brute_force_values(other, tables)
        assert np.abs(values - np.interp(problem.grid.cash, cash, exact)).max() > 4e-4, wrong


def expected_gain(problem: DecisionProblem, held: Array, mode: int, mean: float, std: float) -> Array:
    """Δ at the cash nodes: what ``mode`` gains over holding, averaged over 8,001 levels, for W given at the nodes.

    An average over midpoints errs by the square of their distance where the gain has a kink.
    """
    model, cash = problem.model, problem.grid.cash
    z = np.linspace(-7, 7, 8_002)[:-1] + 0.000875
    weights = norm.pdf(z) / norm.pdf(z).sum()
    level = np.minimum(np.exp(mean + std * z), model.c_max)
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
        with np.errstate(divide="ignore"):
            gain -= model.proportional_cost * model.fixed_cost * norm.sf(np.log(cash), mean, std)
    return gain


def wrong_values(problem: DecisionProblem, seed: int) -> Array:
    """A smooth function of the state that is nobody's value, (K, M)."""
    grid = problem.grid
    shape = (grid.steps_to_go.size, grid.cash.size)
    return problem.model.liquidation_value + 0.9 * grid.cash + 0.05 * waves(shape, np.random.default_rng(seed))


ADVANTAGE_PROBLEMS = [small_problem(), small_problem(fixed_cost=0.02, proportional_cost=1.2, c_max=1.0)]


@pytest.mark.parametrize("problem", ADVANTAGE_PROBLEMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_six_advantage_rows(problem: DecisionProblem, seed: int) -> None:
    """Δ by quadrature and its derivatives by finite differences of that, for a V that is nobody's value.

    Simpson's rule on cells of 0.005 and levels with a spread of 0.03 and more leaves less than 1%.
    """
    grid = problem.grid
    tables = random_tables(grid, seed)
    values = tabulate(problem, tables, wrong_values(problem, seed))
    h = 1e-3
    for k in (0, 5, grid.steps_to_go.size - 1):
        held = values.continuations[grid.n_steps - grid.steps_to_go[k]]
        for mode, first in ((PAY, 0), (ISSUE, 3)):
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
            for offset, exact in enumerate(rows):
                computed = values.advantages[k, first + offset]
                scale = np.abs(exact).max()
                assert np.abs(computed - exact)[inside].max() < 0.01 * scale, (k, mode, offset)
                for other in {0, 1, 2} - {offset}:
                    wrong = values.advantages[k, first + other]
                    assert np.abs(wrong - exact)[inside].max() > 0.1 * scale, "rows must be told apart"


def test_one_step_of_another_function() -> None:
    """With a following V that is not the policy's, ``values`` is T_π V and the residual T_π V − V."""
    problem = small_problem()
    tables = random_tables(problem.grid, seed=4)
    own = tabulate(problem, tables).values
    at_nodes = own[problem.grid.n_steps - problem.grid.steps_to_go]
    again = tabulate(problem, tables, at_nodes)  # few steps lie between time nodes: 25 steps, 24 nodes
    assert again.residuals is not None
    at_node = np.isin(problem.grid.n_steps - np.arange(problem.grid.n_steps), problem.grid.steps_to_go)
    both = at_node[:-1] & at_node[1:]
    assert np.abs(again.residuals[:-1][both]).max() < 1e-9
    shifted = tabulate(problem, tables, at_nodes + 1.0)
    assert shifted.residuals is not None
    middle = shifted.residuals[10, 5:-5]  # a constant is discounted over a step, and lost with liquidation
    expected = again.residuals[10, 5:-5] + problem.discount - 1
    assert middle[-40:] == pytest.approx(expected[-40:], abs=1e-6)
    assert np.all(middle <= expected + 1e-6)


def test_paying_everything_above_the_level_is_worth_the_cash() -> None:
    """Certain levels: a firm with c above its payout level is worth c − b more than one at b."""
    problem = small_problem(n_steps=10)
    tables = threshold_tables(problem.grid, payout=0.15, below=-1.0, target=0.3)
    tables.levels[1] = 0.05
    values = tabulate(problem, tables).values[0]
    cash = problem.grid.cash
    high = cash > 0.25  # beyond the level's whole distribution
    assert np.allclose(np.diff(values[high]) / np.diff(cash[high]), 1.0, atol=1e-6)
