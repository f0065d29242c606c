"""The optimum of the discrete-time, finite-horizon problem, by backward induction.

With W(y) the discounted continuation value after the transaction (exact expectations: :mod:`ghm.economics.transition`),

    V(c) = max{ W(c),  max_{b ≤ c} (c − b) + W(b),  max_{i > c} W(i) − p (i − c + φ) },

and both inner maxima are running maxima over the grid: O(M) a step beside the expectation. Between nodes the maximiser is
polished by the parabola through the best node and its neighbours.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghm.economics.evaluation_grid import chosen_cash, chosen_steps
from ghm.economics.induction import cash_grid, kept_steps, mean_over_starts
from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.economics.transition import apply_banded, transition_on
from ghm.io.compiled import compiled, inlined
from ghm.policies.thresholds import Levels
from ghm.solvers.solution import Solution
from ghm.solvers.terminal import terminal_values


def solve(
    model: GHMModel | Problem | None = None,
    dt: float = 0.01,
    T: float = 10.0,
    terminal: Terminal = "liquidation",
    cash: ArrayLike | None = None,
    times: ArrayLike | None = None,
) -> Solution:
    """Solve a problem.

    Args:
        model: The model, or the whole problem; None: the default model.
        dt: Length of a step (years).
        T: Horizon (years), a whole multiple of ``dt``.
        terminal: What shareholders get at the horizon.
        cash: Cash at which V is wanted, from 0 to c̄; None: the solver's own nodes.
        times: Times to horizon at which it is wanted, from 0 to T, taken to the nearest step; None: 65 of them,
            dense near the horizon.

    Raises:
        UserError: when a grid leaves its range, or the problem cannot be solved at these settings.
    """
    problem = model if isinstance(model, Problem) else Problem(GHMModel() if model is None else model, dt, T, terminal)
    if cash is not None:
        chosen_cash(cash, problem.model.c_max)  # refuse before solving
    kept = None if times is None else chosen_steps(times, problem)
    return dynamic_program(problem, kept=kept).on(cash, times)


def dynamic_program(problem: Problem, refinement: float = 1.0, kept: NDArray[np.int64] | None = None) -> Solution:
    """The optimum on the solver's own grid.

    Args:
        problem: what is solved.
        refinement: divides the grid's spacing.
        kept: steps to go at which V is wanted besides the usual ones.

    Raises:
        UserError: when the grid would be too fine to be had, or the terminal condition has no solution.
    """
    model, dt, n_steps = problem.model, problem.dt, problem.n_steps
    cash = cash_grid(model, dt, refinement)
    operator = transition_on(model, dt, cash).value_operator(model, dt)
    kept = kept_steps(n_steps, kept)
    values, levels = np.empty((kept.size, cash.size)), np.empty((4, n_steps))
    values[0] = terminal_values(problem, cash)
    _induce(cash, *operator, model.proportional_cost, model.fixed_cost, kept, values, levels)
    return Solution(problem, mean_over_starts(cash, values[-1]), cash, np.asarray(kept * dt), values, Levels(*levels))


@compiled()
def _induce(cash, start, coefficients, constant, cost, fixed_cost, kept, values, levels) -> None:
    """Fill ``values`` (S, M) from its first row, and ``levels`` (4, n) in the order of :class:`Levels`."""
    n_nodes = cash.size
    value, held = values[0].copy(), np.empty(n_nodes)
    pay, issue, gain = np.empty(n_nodes), np.empty(n_nodes), np.empty(n_nodes)
    slice_ = 1
    for to_go in range(1, levels.shape[1] + 1):
        apply_banded(value, start, coefficients, constant, held)
        payout, best_payout = _argmax(cash, held, 1.0)
        target, best_issue = _argmax(cash, held, cost)
        running = -np.inf
        for j in range(n_nodes):
            running = max(running, held[j] - cash[j])
            pay[j] = cash[j] + (best_payout if cash[j] >= payout else running)
        running = -np.inf
        for j in range(n_nodes - 1, -1, -1):
            running = max(running, held[j] - cost * cash[j])
            issue[j] = cost * (cash[j] - fixed_cost) + (best_issue if cash[j] <= target else running)
            value[j] = max(pay[j], issue[j])  # holding is paying nothing
            gain[j] = issue[j] - pay[j]
        threshold = min(_last_positive(cash, gain), target)  # NaN stays; beyond the target there is nothing to raise
        for j in range(n_nodes):
            gain[j] = held[0] + cash[j] - max(held[j], issue[j]) if cash[j] < payout else -1.0
        levels[0, to_go - 1] = payout if payout < cash[n_nodes - 1] else np.nan
        levels[1, to_go - 1] = threshold
        levels[2, to_go - 1] = target if not np.isnan(threshold) else np.nan
        levels[3, to_go - 1] = _last_positive(cash, gain)
        if kept[slice_] == to_go:
            values[slice_] = value
            slice_ += 1


@inlined()
def _last_positive(cash, gain):
    """The cash above which ``gain`` is never positive, linear between nodes; NaN where it nowhere is."""
    last = cash.size - 1
    while last >= 0 and not gain[last] > 0:
        last -= 1
    if last < 0:
        return np.nan
    if last == cash.size - 1 or not gain[last + 1] < 0:
        return cash[last]
    return cash[last] + gain[last] / (gain[last] - gain[last + 1]) * (cash[last + 1] - cash[last])


@inlined()
def _argmax(cash, held, slope):
    """Where W(y) − slope · y is largest, and that maximum, polished by a parabola through three nodes."""
    best = 0
    for j in range(1, cash.size):
        if held[j] - slope * cash[j] > held[best] - slope * cash[best]:
            best = j
    at, top = cash[best], held[best] - slope * cash[best]
    if 0 < best < cash.size - 1:
        left, right = cash[best] - cash[best - 1], cash[best + 1] - cash[best]
        before = (held[best] - held[best - 1]) / left - slope
        behind = (held[best + 1] - held[best]) / right - slope
        curvature = (behind - before) / (left + right)  # half the second derivative
        tangent = (before * right + behind * left) / (left + right)
        if curvature < 0:
            step = min(max(-tangent / (2 * curvature), -left), right)
            at += step
            top += tangent * step + curvature * step * step
    return at, top
