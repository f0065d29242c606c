"""The exact return of a given policy: backward induction on a fine grid, no simulation.

The deterministic policy takes the most likely mode (see :func:`greedy`) and the median levels; the randomised one is
averaged over modes and, by Gauss-Hermite quadrature, over levels.

A deterministic policy that switches mode at some cash makes V jump or kink there. The grid knows the place of a jump to half
a spacing, an error in proportion to the jump: 2e-5 of return for policies near the optimum, which switch where they
are nearly indifferent; up to 2e-4 for smooth random ones; 0.02 for one that burns its value by issuing from just below the
level that it pays down to. docs/design/model.md has the figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ghm.economics.action_rule import ActionRule, greedy
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, Policy, cash_flow, level_from_log
from ghm.economics.cubic import Cubic, at_points, node_slopes
from ghm.economics.induction import cash_grid, kept_steps, mean_over_starts
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.economics.transition import transition_on
from ghm.io.compiled import compiled
from ghm.solvers.terminal import terminal_values

QUADRATURE = 31
"""Gauss-Hermite points for a random level: its effect has a kink at cash, which fewer points would blur."""

WIDEST, MANY_LEVELS = 8.0, 4000
"""Standard deviations and number of a level's values where levels do not depend on cash."""


@dataclass(frozen=True)
class PolicyValues:
    """The value function of a policy."""

    expected_return: float
    """J, mean value over starts with cash uniform on [0, c̄]."""
    cash: Array
    """Cash nodes, (M,)."""
    time_to_horizon: Array
    """Times to horizon at which values are kept, increasing from 0 to T, (S,)."""
    values: Array
    """V(c, τ), (S, M)."""


def policy_value(policy: Policy, problem: Problem, randomised: bool = False) -> float:
    """The exact return J of a policy.

    Raises:
        UserError: when the grid would be too fine to be had, or the terminal condition has no solution.
    """
    return policy_values(policy, problem, randomised).expected_return


def policy_values(
    policy: Policy,
    problem: Problem,
    randomised: bool = False,
    refinement: float = 1.0,
    kept: NDArray[np.int64] | None = None,
) -> PolicyValues:
    """The value function of a policy; ``refinement`` divides the grid's spacing; ``kept`` are further steps to keep it at.

    Raises:
        UserError: as :func:`policy_value`.
    """
    model, dt, n_steps = problem.model, problem.dt, problem.n_steps
    cash = cash_grid(model, dt, refinement)
    operator = transition_on(model, dt, cash).value_operator(model, dt)
    kept = kept_steps(n_steps, kept)
    values = np.empty((kept.size, cash.size))
    values[0] = value = terminal_values(problem, cash)
    for to_go in range(1, n_steps + 1):
        actions = policy(cash, to_go * dt)
        held = operator.apply(value)
        step = _average if randomised else _follow
        value = step(cash, held, actions, model.proportional_cost, model.fixed_cost)
        values[kept == to_go] = value
    return PolicyValues(mean_over_starts(cash, value), cash, np.asarray(kept * dt), values)


def returns_of_rules(cash_after: Callable[[Array, float], Sequence[Array]], problem: Problem) -> list[float]:
    """The exact return J of each of several rules that leave nothing to chance, in one induction.

    Args:
        cash_after: cash after the transaction at ``cash`` (N,) with so many years left, under each rule, (N,) each.
        problem: the discrete-time problem.

    Raises:
        UserError: as :func:`policy_value`.
    """
    model, dt = problem.model, problem.dt
    cash = cash_grid(model, dt)
    operator = transition_on(model, dt, cash).value_operator(model, dt)
    values: list[Array] = []
    for to_go in range(1, problem.n_steps + 1):
        moved = cash_after(cash, to_go * dt)
        values = values or [terminal_values(problem, cash)] * len(moved)
        values = [
            _moved(cash, operator.apply(value), after, model.proportional_cost, model.fixed_cost)
            for value, after in zip(values, moved, strict=True)
        ]
    return [mean_over_starts(cash, value) for value in values]


def deterministic_cash(cash: Array, actions: Actions, c_max: float) -> Array:
    """Cash after the deterministic policy's transaction y, (N,); issues go no further than ``c_max``."""
    return certain_cash(cash, *greedy(cash, actions), c_max)


def certain_cash(cash: Array, mode: Array, payout: Array, target: Array, c_max: float) -> Array:
    """Cash after the transaction where nothing is left to chance, (N,): modes and levels as :func:`greedy` returns them."""
    after = np.empty(cash.shape)
    _move(np.ascontiguousarray(cash, dtype=float), mode, payout, target, c_max, after)
    return after


@compiled()
def _move(cash: Array, mode, payout: Array, target: Array, c_max: float, after: Array) -> None:
    for i in range(cash.size):
        after[i] = cash[i]
        # NumPy's functions, by which a missing level that is used is seen.
        if mode[i] == PAY:
            after[i] = np.minimum(payout[i], cash[i])
        elif mode[i] == ISSUE:
            after[i] = np.maximum(np.minimum(target[i], c_max), cash[i])


def _follow(cash: Array, held: Array, actions: Actions, cost: float, fixed_cost: float) -> Array:
    """V one step earlier under the deterministic policy, from W at the nodes."""
    return _moved(cash, held, deterministic_cash(cash, actions, cash[-1]), cost, fixed_cost)


def _moved(cash: Array, held: Array, after: Array, cost: float, fixed_cost: float) -> Array:
    """V one step earlier where cash is moved to ``after`` (N,) for certain."""
    value = np.empty(cash.size)
    _value_of_move(cash, held, after, cost, fixed_cost, value)
    return value


@compiled()
def _value_of_move(cash: Array, held: Array, after: Array, cost: float, fixed_cost: float, value: Array) -> None:
    secants, slopes = np.empty(cash.size - 1), np.empty(cash.size)
    node_slopes(1 / (cash[1:] - cash[:-1]), held, secants, slopes)
    at_points(cash, held, slopes, after, value)
    for i in range(cash.size):
        paid = cash[i] - after[i]
        value[i] += paid if paid >= 0 else cost * (paid - fixed_cost)


def _average(cash: Array, held: Array, actions: Actions, cost: float, fixed_cost: float) -> Array:
    """V one step earlier under the randomised policy, from W at the nodes."""
    if all(np.all(field == field[0]) for field in actions[1:5]):
        return _average_common(cash, held, actions, cost, fixed_cost)
    probabilities = actions.mode_probabilities
    issued = chance_of_effect(cash, actions, cash[-1])[1]
    value: Array = probabilities[:, HOLD] * held - probabilities[:, ISSUE] * cost * fixed_cost * issued
    after, weights = cash_after(cash, actions, QUADRATURE)
    before, continuation = np.broadcast_to(cash[:, None], after[0].shape), Cubic.through(cash, held)
    for mode in (PAY, ISSUE):
        # Quadrature sees what is continuous in the level; the fixed cost, a jump, is above.
        outcome = cash_flow(before, after[mode - 1], cost, 0.0) + continuation(after[mode - 1])
        value += probabilities[:, mode] * (outcome @ weights)
    return value


def _average_common(cash: Array, held: Array, actions: Actions, cost: float, fixed_cost: float) -> Array:
    """The same where levels do not depend on cash, which allows thousands of them: sums over levels below and above cash.

    Near zero cash W can be as steep as a step is short, and `QUADRATURE` points would be too far apart.
    """
    z = np.linspace(-WIDEST, WIDEST, MANY_LEVELS + 1)[1:] - WIDEST / MANY_LEVELS
    weights = np.exp(-0.5 * z * z)
    weights /= weights.sum()
    payout, target = (
        np.minimum(level_from_log(mean[0] + std[0] * z, actions.level_shift), cash[-1])
        for mean, std in (
            (actions.payout_log_mean, actions.payout_log_std),
            (actions.issue_log_mean, actions.issue_log_std),
        )
    )

    def below(level: Array, gain: Array) -> tuple[Array, Array]:
        """Sums of the weights, and of the weights times ``gain``, over the levels below each cash, (N,) each."""
        count = np.searchsorted(level, cash, side="left")
        return tuple(np.concatenate([[0.0], np.cumsum(part)])[count] for part in (weights, weights * gain))  # type: ignore[return-value]

    continuation = Cubic.through(cash, held)
    paid, paid_gain = below(payout, continuation(payout) - payout)
    pay = cash * paid + paid_gain + held * (1 - paid)
    raised_gain = continuation(target) - cost * target
    raised, raised_below = below(np.nextafter(target, -1.0), raised_gain)  # a target at cash raises nothing
    issued = 1 - raised
    issue = (weights @ raised_gain - raised_below) + cost * cash * issued + held * raised
    probabilities = actions.mode_probabilities
    issue -= cost * fixed_cost * chance_of_effect(cash, actions, cash[-1])[1]
    value: Array = probabilities[:, HOLD] * held + probabilities[:, PAY] * pay + probabilities[:, ISSUE] * issue
    return value


def expected_cash(cash: Array, actions: Actions, c_max: float, action_rule: ActionRule) -> Array:
    """Mean cash after the transaction under an action rule of the policy, (N,); issues go no further than ``c_max``."""
    if action_rule == "greedy":
        return deterministic_cash(cash, actions, c_max)
    shift = actions.level_shift
    paid = _mean_clipped(actions.payout_log_mean, actions.payout_log_std, shift * np.ones_like(cash), cash + shift)
    raised = _mean_clipped(
        actions.issue_log_mean, actions.issue_log_std, cash + shift, np.full_like(cash, c_max + shift)
    )
    mean: Array = np.sum(actions.mode_probabilities * np.stack([cash, paid - shift, raised - shift], axis=-1), axis=-1)
    return mean


def _mean_clipped(log_mean: Array, log_std: Array, lower: Array, upper: Array) -> Array:
    """E[min(max(e^X, lower), upper)] of a normal X, each (N,)."""
    with np.errstate(divide="ignore", invalid="ignore"):  # a spread of 0, or a bound of 0: the limits are right
        below, above = ((np.log(bound) - log_mean) / log_std for bound in (lower, upper))
        inside = np.exp(log_mean + log_std**2 / 2) * (ndtr(above - log_std) - ndtr(below - log_std))
    certain = np.clip(np.exp(log_mean), lower, upper)
    return np.where(log_std > 0, lower * ndtr(below) + inside + upper * ndtr(-above), certain)


def cash_after(cash: Array, actions: Actions, points: int) -> tuple[Array, Array]:
    """Cash after paying and after issuing at Q Gauss-Hermite points of the level, (2, N, Q), and their weights, (Q,).

    Issues go no further than c̄, the last of ``cash``.
    """
    z, weights = _quadrature(points)
    payout = level_from_log(actions.payout_log_mean[:, None] + actions.payout_log_std[:, None] * z, actions.level_shift)
    target = level_from_log(actions.issue_log_mean[:, None] + actions.issue_log_std[:, None] * z, actions.level_shift)
    before = cash[:, None]
    after = np.stack([np.minimum(payout, before), np.maximum(np.minimum(target, cash[-1]), before)])
    return after, weights


@cache
def _quadrature(points: int) -> tuple[Array, Array]:
    """Gauss-Hermite points of a standard normal variable and their weights; kept, since finding them takes longer than a step."""
    z, weights = np.polynomial.hermite_e.hermegauss(points)
    return z, weights / weights.sum()


def effective_probabilities(cash: Array, actions: Actions, c_max: float) -> Array:
    """Probabilities of holding, of paying with an effect and of issuing with one, at ``cash`` (N,), (N, 3).

    Paying down to more than there is, and issuing up to less, is holding by another name.
    """
    probabilities = np.array(actions.mode_probabilities, dtype=float)
    probabilities[:, [PAY, ISSUE]] *= chance_of_effect(cash, actions, c_max).T
    probabilities[:, HOLD] = 1.0 - probabilities[:, PAY] - probabilities[:, ISSUE]
    return probabilities


def chance_of_effect(cash: Array, actions: Actions, c_max: float) -> Array:
    """Probability that a drawn payout level is below ``cash`` (N,), and a drawn issue target above it, (2, N).

    At c̄ nothing is issued.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # no cash has the logarithm −∞; a spread of 0 decides
        logarithm = np.log(cash + actions.level_shift)
        paid = (logarithm - actions.payout_log_mean) / actions.payout_log_std
        issued = (actions.issue_log_mean - logarithm) / actions.issue_log_std
        distance = np.stack([paid, issued])
    chance: Array = ndtr(np.where(np.isnan(distance), -np.inf, distance))
    chance[1, cash >= c_max] = 0.0
    return chance
