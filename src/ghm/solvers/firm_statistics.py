"""What becomes of a firm under a policy: exact expectations of counts, by the backward induction that values use.

For a quantity that accrues g(c) in a step (an issue, a payout, a step alive) and is worth e_τ at liquidation,

    f_τ(c) = g_τ(c) + E[ f_{τ−dt}(c') 1{c' > 0} + e_τ 1{c' ≤ 0} ],   f_0 = 0,

without discounting, under the firm's own law: every firm counts alike, whatever its productivity has become. (The pricing law,
which values are computed with, would weight a firm by its productivity.) The operator is
:meth:`ghm.economics.transition.Transition.expectation_operator`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ghm.economics.action_rule import greedy
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, Policy
from ghm.economics.induction import cash_grid, mean_over_starts
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.economics.transition import BandedOperator, apply_banded, transition_on
from ghm.io.compiled import compiled
from ghm.solvers.policy_value import cash_after, certain_cash, chance_of_effect

QUADRATURE = 7
"""Gauss-Hermite points for a random level: counts are read to two digits."""


@dataclass(frozen=True)
class Outcomes:
    """Expectations under a policy, from cash uniform on [0, c̄] to the horizon."""

    issues: float
    """Equity issues a firm."""
    payouts: float
    """Steps a firm in which it pays a dividend."""
    years: float
    """Years that a firm lives, at most T."""
    early_liquidation: float
    """Probability of being liquidated in the first half of the horizon.

    Later ones say little: as the horizon nears the optimum pays everything out and lets most firms be liquidated.
    """


def outcomes(policy: Policy, problem: Problem, randomised: bool = False) -> Outcomes:
    """Expected issues, payouts, life and liquidation of a firm under a policy: its greedy policy, or as it acts.

    Raises:
        UserError: when the grid would be too fine to be had.
    """
    model, dt, n_steps = problem.model, problem.dt, problem.n_steps
    cash = cash_grid(model, dt)
    transition = transition_on(model, dt, cash, "firm")
    onward, ended = (transition.expectation_operator(at_liquidation) for at_liquidation in (0.0, 1.0))
    expected = np.zeros((4, cash.size))
    for to_go in range(1, n_steps + 1):
        actions = policy(cash, to_go * dt)
        taken = _drawn(cash, actions) if randomised else _certain(cash, actions)
        liquidated = ended if n_steps - to_go < problem.first_half else onward
        # Everything accrues in the step itself, but for liquidation.
        _accrue(expected, cash, taken.modes, taken.after, taken.weights, onward, liquidated.constant)
        expected[:3] += np.stack(
            [taken.modes[ISSUE] * taken.issued, taken.modes[PAY] * taken.paid, np.full(cash.size, dt)]
        )
    return Outcomes(*(mean_over_starts(cash, row) for row in expected))


class _Taken(NamedTuple):
    """What a policy does in one step at N values of cash."""

    modes: Array
    """Probabilities of the three modes, (3, N)."""
    after: Array
    """Cash after paying and after issuing, at Q points of the level, (2, N, Q)."""
    weights: Array
    """Of the points, (Q,)."""
    paid: Array
    """Probability that paying changes something, (N,)."""
    issued: Array
    """Probability that issuing does, (N,)."""


def _drawn(cash: Array, actions: Actions) -> _Taken:
    after, weights = cash_after(cash, actions, QUADRATURE)
    paid, issued = chance_of_effect(cash, actions, cash[-1])
    return _Taken(np.ascontiguousarray(actions.mode_probabilities.T), after, weights, paid, issued)


def _certain(cash: Array, actions: Actions) -> _Taken:
    """The same under the greedy policy, where nothing is left to chance."""
    mode, payout, target = greedy(cash, actions)
    after = certain_cash(cash, mode, payout, target, cash[-1])
    changed = (after != cash).astype(np.float64)
    modes = np.ascontiguousarray(np.eye(3)[:, mode])
    return _Taken(modes, np.stack([after, after])[:, :, None], np.ones(1), changed, changed)


@compiled()
def _accrue(
    expected: Array, cash: Array, modes: Array, after: Array, weights: Array, onward: BandedOperator, liquidated: Array
) -> None:
    """One step backward, in place: ``expected`` (4, N) becomes what it is before the step, without what accrues in it.

    Linear interpolation: counts jump where the policy changes its mode, and a cubic would overshoot.
    """
    size = cash.size
    held = np.empty((4, size))
    for row in range(4):
        constant = liquidated if row == 3 else onward.constant
        apply_banded(expected[row], onward.start, onward.coefficients, constant, held[row])
    for i in range(size):
        for row in range(4):
            expected[row, i] = modes[HOLD, i] * held[row, i]
        for action in range(2):
            probability = modes[PAY + action, i]
            if probability == 0.0:
                continue
            for q in range(weights.size):
                to = after[action, i, q]
                cell = min(max(np.searchsorted(cash, to, side="right") - 1, 0), size - 2)
                share = min(max((to - cash[cell]) / (cash[cell + 1] - cash[cell]), 0.0), 1.0)
                weight = probability * weights[q]
                for row in range(4):
                    expected[row, i] += weight * (held[row, cell] + share * (held[row, cell + 1] - held[row, cell]))
