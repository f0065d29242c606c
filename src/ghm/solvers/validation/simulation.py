"""A policy's return by plain simulation: what the exact solutions are held against.

Only the order of events in a step is shared with them: act, shock, liquidate at zero, pay out above c̄. Starts are stratified,
and a path's discounted sum of shocks, whose expectation is zero whatever the policy, is taken off: a unit of cash is worth about
one, so that sum is most of a path's luck.
"""

from dataclasses import dataclass

import numpy as np

from ghm.economics.actions import ISSUE, PAY, Actions, Policy, cash_flow, level_from_log
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.solvers.policy_value import deterministic_cash
from ghm.solvers.terminal import terminal_values

PATHS = 20_000
"""Simulated firms: with the defaults a standard error of 1.4e-4, a five-thousandth of what running the firm is worth."""


@dataclass(frozen=True)
class SimulatedReturn:
    """Mean return over simulated paths and its standard error."""

    mean: float
    standard_error: float
    """Of the sample, and of one event too rare to be in it."""


def simulate(
    policy: Policy, problem: Problem, paths: int = PATHS, seed: int = 0, randomised: bool = False
) -> SimulatedReturn:
    """Simulate a policy from cash uniform on [0, c̄]: its greedy policy, or as it acts.

    Raises:
        UserError: when the terminal condition has no solution of the infinite-horizon problem.
    """
    model, dt = problem.model, problem.dt
    generator = np.random.default_rng(seed)
    start = generator.permutation((np.arange(paths) + generator.uniform(size=paths)) / paths * model.c_max)
    cash, total = start, -start  # of the firms still alive
    ended: list[Array] = []  # totals of those that are not
    factor = 1.0
    for step in range(problem.n_steps):
        actions = policy(cash, problem.T - step * dt)
        after = (
            draw_cash_after(cash, actions, model.c_max, generator)
            if randomised
            else deterministic_cash(cash, actions, model.c_max)
        )
        total += factor * cash_flow(cash, after, model.proportional_cost, model.fixed_cost)
        factor *= problem.discount
        shock = model.volatility(after) * np.sqrt(dt) * generator.standard_normal(cash.size)
        cash = after + model.drift(after) * dt + shock
        at_end = np.where(cash <= 0, model.liquidation_value, np.maximum(cash - model.c_max, 0.0))
        total += factor * (at_end - shock)
        alive = cash > 0
        if not alive.all():
            ended.append(total[~alive])
            cash, total = cash[alive], total[alive]
        cash = np.minimum(cash, model.c_max)
        if cash.size == 0:
            break
    total += factor * terminal_values(problem, cash)
    total = np.concatenate([*ended, total])
    total += model.c_max / 2  # the mean of the starts that were taken off
    # A firm liquidated just before the horizon and one that just lives to see it differ by what is paid there at no cash less
    # ℓ. The optimum makes one of the two next to certain, and a sample without the other would understate its own error.
    at_no_cash = float(terminal_values(problem, np.zeros(1))[0])
    rare = abs(at_no_cash - model.liquidation_value) / paths
    return SimulatedReturn(float(total.mean()), float(np.hypot(total.std(ddof=1) / np.sqrt(paths), rare)))


def draw_cash_after(cash: Array, actions: Actions, c_max: float, generator: np.random.Generator) -> Array:
    """Cash after an action drawn at each of ``cash`` (N,), (N,); issues go no further than ``c_max``."""
    uniform, z = generator.uniform(size=cash.size), generator.standard_normal(cash.size)
    probabilities = actions.mode_probabilities
    payout = level_from_log(actions.payout_log_mean + actions.payout_log_std * z, actions.level_shift)
    target = level_from_log(actions.issue_log_mean + actions.issue_log_std * z, actions.level_shift)
    after = np.where(uniform < probabilities[:, PAY], np.minimum(payout, cash), cash)
    issues = uniform >= 1 - probabilities[:, ISSUE]
    return np.where(issues, np.maximum(np.minimum(target, c_max), cash), after)
