"""Exact returns of policies against the optimum, brute force and plain simulation."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm
from solvers import plain_bellman
from solvers.calibrations import CALIBRATIONS
from solvers.plain_simulation import simulate
from solvers.policies import constant, smooth, with_levels

from ghm.economics.action_rule import greedy
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Paths, Simulator
from ghm.solvers import dynamic_program, policy_value
from ghm.solvers.policy_value import deterministic_cash, effective_probabilities, policy_values
from ghm.solvers.validation.simulation import draw_cash_after
from ghm.training.problem import GriddedProblem

EVERY = pytest.mark.parametrize("model", CALIBRATIONS.values(), ids=CALIBRATIONS.keys())
NOTHING = np.zeros_like


def liquidated(model):
    return lambda cash: cash + model.recovery * model.alpha / (model.r - model.mu)


# ---------------------------------------------------------------------------------------------------- the optimum


@EVERY
@pytest.mark.parametrize("terminal", ["liquidation", "zero", "going_concern"])
def test_optimal_policy_has_the_optimal_return(model, terminal):
    dt, T = 0.02, 0.8
    optimum = dynamic_program(Problem(model, dt, T, terminal))
    policy = optimum.policy
    assert policy_value(policy, Problem(model, dt, T, terminal)) == pytest.approx(optimum.optimal_return, abs=2e-6)
    # A policy that leaves nothing to chance is worth the same when it draws.
    assert policy_value(policy, Problem(model, dt, T, terminal), randomised=True) == pytest.approx(
        optimum.optimal_return, abs=2e-6
    )


def test_near_the_horizon_a_firm_with_little_cash_gives_up():
    """It pays that little out rather than be liquidated with it; without doing so it is worth less, by as much as it has."""
    model, dt, T = CALIBRATIONS["volatile"], 0.02, 0.2
    optimum = dynamic_program(Problem(model, dt, T))
    best = optimum.policy
    assert np.isfinite(optimum.levels.abandon_below).any()
    never = policy_value(
        with_levels(best, abandon_below=np.full_like(best.levels.abandon_below, np.nan)), Problem(model, dt, T)
    )
    assert never < optimum.optimal_return - 2e-5
    assert policy_value(best, Problem(model, dt, T)) == pytest.approx(optimum.optimal_return, abs=1e-6)


@EVERY
def test_another_policy_has_a_lower_return(model):
    """Negative control: levels off by a half, or another model's, are told apart, and are never better."""
    dt, T = 0.02, 2.0
    optimum = dynamic_program(Problem(model, dt, T))
    best = optimum.policy
    wrong = (
        with_levels(best, payout_level=1.5 * best.levels.payout_level),
        with_levels(best, payout_level=0.5 * best.levels.payout_level),
        constant(dt, T),
        dynamic_program(Problem(dataclasses.replace(model, sigma_x=2 * model.sigma_x), dt, T)).policy,
    )
    for policy in wrong:
        assert policy_value(policy, Problem(model, dt, T)) < optimum.optimal_return - 1e-4


def test_no_random_policy_beats_the_optimum():
    model, dt, T = GHMModel(), 0.05, 1.0
    best = dynamic_program(Problem(model, dt, T)).values[-1]
    for seed in range(20):
        for randomised in (False, True):
            values = policy_values(smooth(seed), Problem(model, dt, T), randomised=randomised).values[-1]
            assert (values < best).all()


# ---------------------------------------------------------------------------------------------------- brute force


def drawn(policy, dt, quantiles=400):
    """Cash after the transaction, and its probability, of a policy that draws modes and levels."""
    points = norm.ppf((np.arange(quantiles) + 0.5) / quantiles)

    def outcomes(cash, to_go):
        actions = policy(cash, to_go * dt)
        payout = np.exp(actions.payout_log_mean[:, None] + actions.payout_log_std[:, None] * points)
        target = np.exp(actions.issue_log_mean[:, None] + actions.issue_log_std[:, None] * points)
        payout, target = (np.maximum(level - actions.level_shift, 0.0) for level in (payout, target))
        before = cash[:, None]
        after = np.hstack([before, np.minimum(payout, before), np.maximum(np.minimum(target, cash[-1]), before)])
        probability = actions.mode_probabilities
        spread = [probability[:, [mode]] * np.full(quantiles, 1 / quantiles) for mode in (PAY, ISSUE)]
        return after, np.hstack([probability[:, [HOLD]], *spread])

    return outcomes


def decided(policy, dt):
    """The same of the policy that takes the most likely mode that changes something, and median levels."""

    def outcomes(cash, to_go):
        actions = policy(cash, to_go * dt)
        payout, target = np.exp(actions.payout_log_mean), np.exp(actions.issue_log_mean)
        hold, pay, issue = actions.mode_probabilities.T
        after = cash.copy()
        for i, c in enumerate(cash):
            paid = payout[i] if payout[i] < c else c
            raised = min(target[i], cash[-1]) if target[i] > c else c
            # What changes nothing is holding by another name: the probabilities of equal outcomes add up.
            chances = {}
            for outcome, chance in ((c, hold[i]), (paid, pay[i]), (raised, issue[i])):
                chances[outcome] = chances.get(outcome, 0.0) + chance
            after[i] = max(chances, key=chances.get)
        return after[:, None], np.ones((cash.size, 1))

    return outcomes


@pytest.mark.parametrize("terminal", ["liquidation", "zero"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_brute_force_agrees_on_policies_that_draw(seed, terminal):
    model, dt, n_steps = GHMModel(), 0.25, 6
    payoff = liquidated(model) if terminal == "liquidation" else NOTHING
    cash, value = plain_bellman.policy_values(model, dt, n_steps, payoff, drawn(smooth(seed), dt))
    found = policy_values(smooth(seed), Problem(model, dt, n_steps * dt, terminal), randomised=True)
    np.testing.assert_allclose(np.interp(cash, found.cash, found.values[-1]), value, atol=1e-3)
    # Negative control: another policy, and deciding instead of drawing.
    for wrong in (drawn(smooth(seed + 1), dt), decided(smooth(seed), dt)):
        _, other = plain_bellman.policy_values(model, dt, n_steps, payoff, wrong)
        assert np.abs(other - value).max() > 5e-3  # five times what is allowed


def test_a_high_fixed_cost_is_charged_when_something_is_issued_and_only_then():
    """It is a jump in the level drawn, which quadrature would miss by 6% of it; brute force knows it to 1/2000."""
    model, dt, n_steps = GHMModel(fixed_cost=6.0), 0.25, 6
    outcomes = drawn(smooth(1), dt, quantiles=2000)
    cash, value = plain_bellman.policy_values(model, dt, n_steps, liquidated(model), outcomes, nodes=401)
    found = policy_values(smooth(1), Problem(model, dt, n_steps * dt), randomised=True)
    np.testing.assert_allclose(np.interp(cash, found.cash, found.values[-1]), value, atol=5e-3)
    assert found.expected_return == pytest.approx(np.trapezoid(value, cash) / model.c_max, abs=4e-4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_brute_force_agrees_on_policies_that_decide(seed):
    """Values jump where the mode changes, at a place that each grid knows to its own spacing: so the mean is compared."""
    model, dt, n_steps = GHMModel(), 0.25, 6
    cash, value = plain_bellman.policy_values(
        model, dt, n_steps, liquidated(model), decided(smooth(seed), dt), nodes=1201
    )
    exact = policy_value(smooth(seed), Problem(model, dt, n_steps * dt))
    assert exact == pytest.approx(np.trapezoid(value, cash) / model.c_max, abs=1e-3)


@pytest.mark.parametrize(
    ("policy", "randomised", "tolerance"),
    [
        (smooth(3), True, 1e-5),
        (smooth(4), True, 1e-5),
        # Values jump where the mode changes, at a place known to half the spacing of the nodes.
        (smooth(3), False, 5e-4),
        (smooth(4), False, 5e-4),
        (constant(0.02, 2.0, payout=0.19, below=0.035, target=0.1), False, 5e-5),
        (constant(0.02, 2.0, payout=0.5), False, 1e-6),
    ],
)
def test_refining_the_grid_changes_little(policy, randomised, tolerance):
    coarse, fine = (
        policy_values(policy, Problem(GHMModel(), 0.02, 2.0), randomised=randomised, refinement=r).expected_return
        for r in (1, 3)
    )
    assert coarse == pytest.approx(fine, abs=tolerance)


# ---------------------------------------------------------------------------------------------------- simulation

SIMULATED = pytest.mark.parametrize("name", ["defaults", "volatile", "impatient", "shrinking"])
PATHS, ERRORS = 20_000, 4.0
"""Four standard errors: α = 6e-5 for each comparison, seeds fixed."""


@SIMULATED
def test_plain_simulation_of_the_optimal_policy_agrees(name):
    model, dt, n_steps = CALIBRATIONS[name], 0.02, 200
    optimum = dynamic_program(Problem(model, dt, n_steps * dt))
    levels = optimum.levels[:3]
    estimate = simulate(model, dt, n_steps, *levels, n_paths=PATHS, seed=1)
    assert estimate.standard_error < 1e-3
    assert estimate.distance(optimum.optimal_return) < ERRORS
    # Negative controls: equity that is issued for nothing; a model with a little more carry cost; another horizon's end.
    free = simulate(model, dt, n_steps, *levels, n_paths=PATHS, seed=1, charge_issues=False)
    assert free.distance(optimum.optimal_return) > ERRORS
    other = dataclasses.replace(model, alpha=1.01 * model.alpha)
    assert simulate(other, dt, n_steps, *levels, n_paths=PATHS, seed=1).distance(optimum.optimal_return) > ERRORS
    nothing = simulate(model, dt, n_steps, *levels, n_paths=PATHS, seed=1, terminal=NOTHING)
    assert nothing.distance(optimum.optimal_return) > ERRORS


def test_kernel_simulation_of_the_optimal_policy_agrees():
    """Tabulated for the kernel, with next to no chance: modes switch between nodes, which costs less than a standard error."""
    model, dt, n_steps = GHMModel(), 0.02, 200
    problem = GriddedProblem.build(Problem(model, dt, n_steps * dt))
    optimum = dynamic_program(Problem(model, dt, n_steps * dt))
    never = with_levels(optimum, payout_level=np.full(n_steps, model.c_max))  # the wrong variant
    for solution, agrees in ((optimum, True), (never, False)):
        simulator = Simulator(model, problem.grid, problem.terminal_values, seed=1)
        paths = Paths.allocate(n_steps, PATHS, recorded=False)
        visits = np.zeros((problem.grid.steps_to_go.size, problem.grid.cash.size))
        simulator.run(tabulated(solution, problem.grid), 1, 0, paths, visits)
        error = paths.returns.std(ddof=1) / np.sqrt(PATHS)
        assert (abs(paths.returns.mean() - optimum.optimal_return) < ERRORS * error) == agrees


def tabulated(optimum, grid):
    steps = grid.steps_to_go - 1
    pays = grid.cash > optimum.levels.payout_level[steps, None]
    issues = grid.cash < optimum.levels.issue_below[steps, None]
    logs = [
        np.log(np.nan_to_num(x[steps], nan=0.1) + grid.level_shift)
        for x in (optimum.levels.payout_level, optimum.levels.issue_target)
    ]
    none = np.full(steps.size, 1e-6)
    levels = np.stack([logs[0], none, logs[1], none])
    return PolicyTables(np.stack([pays, issues]).astype(np.float32), levels.astype(np.float32))


# ---------------------------------------------------------------------------------------------------- closed forms


def test_paying_everything_at_once_is_worth_little_more_than_closing():
    """A firm without cash survives a step with probability Φ(m √dt/s), and then earns: a recursion over one number."""
    model, dt, n_steps = GHMModel(), 0.01, 1000
    discount, shock = np.exp(-0.02 * dt), 0.12 * np.sqrt(dt)
    survives = norm.cdf(0.18 * dt / shock)
    earned = 0.18 * dt * survives + shock * norm.pdf(0.18 * dt / shock)
    value = 4.95
    for _ in range(n_steps):
        value = discount * (earned + survives * value + (1 - survives) * 4.95)
    assert policy_value(constant(dt, n_steps * dt, payout=0.0), Problem(model, dt, n_steps * dt)) == pytest.approx(
        1.0 + value, abs=1e-6
    )


def test_without_shocks_at_zero_cash_a_firm_that_pays_everything_earns_a_perpetuity():
    model, dt, n_steps = GHMModel(sigma_x=0.0), 0.05, 100
    discount = np.exp(-model.discount_rate * dt * np.arange(1, n_steps + 1))
    earned = 0.18 * dt * discount.sum() + discount[-1] * 4.95
    value = policy_value(constant(dt, 5.0, payout=0.0), Problem(model, dt, 5.0))
    assert value == pytest.approx(1.0 + earned, abs=1e-7)


def test_a_firm_that_issues_from_everywhere_pays_for_it():
    """One step: raised to c̄, shocked, and worth c' + ℓ at the horizon, or ℓ."""
    model, dt = GHMModel(c_max=0.5), 0.5
    policy = constant(dt, dt, below=10.0, target=5.0)  # further than the range goes: c̄
    mean, shock = 0.5 + 0.18 * dt, np.sqrt((0.12**2 * 0.96 + (0.024 + 0.125) ** 2) * dt)
    end = np.exp(-0.02 * dt) * (4.95 + mean * norm.cdf(mean / shock) + shock * norm.pdf(mean / shock))
    flow = 1.06 * (0.25 + 0.002)  # from cash uniform on [0, c̄]; at c̄ itself nothing is raised, and nothing charged
    assert policy_value(policy, Problem(model, dt, dt)) == pytest.approx(end - flow, abs=1e-5)


# ---------------------------------------------------------------------------------------------------- what is decided


def actions(probabilities, payout, target):
    one = np.ones(1)
    return Actions(np.array([probabilities]), np.log(payout) * one, one, np.log(target) * one, one)


@pytest.mark.parametrize(
    ("probabilities", "payout", "target", "mode", "after"),
    [
        ([0.2, 0.5, 0.3], 0.1, 0.6, PAY, 0.1),
        ([0.2, 0.3, 0.5], 0.1, 0.6, ISSUE, 0.6),
        ([0.5, 0.3, 0.2], 0.1, 0.6, HOLD, 0.4),
        ([0.2, 0.5, 0.3], 0.5, 0.6, HOLD, 0.4),  # there is nothing to pay out, so paying is holding
        ([0.1, 0.3, 0.6], 0.5, 0.6, ISSUE, 0.6),
        ([0.2, 0.5, 0.3], 0.5, 0.3, HOLD, 0.4),  # neither does issuing
        ([0.2, 0.3, 0.5], 0.1, 9.0, ISSUE, 2.0),  # no further than c̄
        ([0.4, 0.4, 0.2], 0.1, 0.6, HOLD, 0.4),  # the lower of equals
    ],
)
def test_the_most_likely_mode_that_changes_something(probabilities, payout, target, mode, after):
    cash = np.array([0.4])
    chosen = actions(probabilities, payout, target)
    assert greedy(cash, chosen)[0] == mode
    assert deterministic_cash(cash, chosen, 2.0) == pytest.approx(after)


def test_grids_too_fine_are_refused():
    with pytest.raises(UserError, match="cash nodes"):
        policy_value(constant(1e-6, 1e-4), Problem(GHMModel(), 1e-6, 1e-4))


def test_probabilities_of_an_effect_are_how_often_drawn_actions_change_cash():
    """200,000 draws a state; 12 comparisons at four standard errors each: α = 8e-4. The modes alone must not pass."""
    cash, c_max, count = np.array([0.0, 0.05, 0.2, 2.0]), 2.0, 200_000
    modes = np.tile([0.2, 0.5, 0.3], (cash.size, 1))
    same = np.ones(cash.size)
    actions = Actions(modes, np.log(0.2) * same, 0.3 * same, np.log(0.06) * same, 0.5 * same, 0.01)
    generator = np.random.default_rng(7)
    change = np.zeros((cash.size, 3))
    for row, start in enumerate(cash):
        many = Actions(*(np.repeat(field[row : row + 1], count, axis=0) for field in actions[:5]), actions.level_shift)
        moved = draw_cash_after(np.full(count, start), many, c_max, generator) - start
        change[row] = np.mean(moved == 0), np.mean(moved < 0), np.mean(moved > 0)
    found = effective_probabilities(cash, actions, c_max)
    error = np.sqrt(found * (1 - found) / count)
    assert np.all(np.abs(change - found) <= 4 * error)
    assert not np.all(np.abs(change - modes) <= 4 * error)
