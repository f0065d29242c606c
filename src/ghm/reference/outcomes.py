"""What becomes of a firm under a policy: exact expectations of counts, by the backward induction that values use.

For a quantity that accrues g(c) in a step (an issue, a payout, a step alive) and is worth e_τ at liquidation,

    f_τ(c) = g_τ(c) + E[ f_{τ−dt}(c') 1{c' > 0} + e_τ 1{c' ≤ 0} ],   f_0 = 0,

without discounting. The operator is :meth:`ghm.reference.transition.Transition.expectation_operator`.
"""

from dataclasses import dataclass

import numpy as np

from ghm.actions import Policy
from ghm.model import GHMModel
from ghm.reference.induction import cash_grid, mean_over_starts
from ghm.reference.policy_value import cash_after, chance_of_effect
from ghm.reference.reading import certain_actions, most_likely
from ghm.reference.transition import Transition

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


def outcomes(policy: Policy, model: GHMModel, dt: float, T: float, stochastic: bool = False) -> Outcomes:
    """Expected issues, payouts, life and liquidation of a firm under a policy: its most likely reading, or as it acts.

    Raises:
        UserError: when the grid would be too fine to be had.
    """
    n_steps = round(T / dt)
    cash = cash_grid(model, dt, n_steps)
    transition = Transition.build(model, dt, cash)
    onward, ended = (transition.expectation_operator(at_liquidation) for at_liquidation in (0.0, 1.0))
    expected = np.zeros((4, cash.size))
    for to_go in range(1, n_steps + 1):
        actions = policy(cash, to_go * dt)
        if not stochastic:
            actions = certain_actions(*most_likely(cash, actions))
        hold, pay, issue = actions.mode_probabilities.T
        after, weights = cash_after(cash, actions, QUADRATURE if stochastic else 1)
        paid, issued = chance_of_effect(cash, actions, cash[-1])
        accrued = (issue * issued, pay * paid, dt, 0.0)
        for i, operator in enumerate((onward, onward, onward, ended if 2 * to_go > n_steps else onward)):
            held = operator.apply(expected[i])
            # Linear interpolation: counts jump where the policy changes its mode, and a cubic would overshoot.
            acted = pay * (np.interp(after[0], cash, held) @ weights) + issue * (
                np.interp(after[1], cash, held) @ weights
            )
            expected[i] = accrued[i] + hold * held + acted
    return Outcomes(*(mean_over_starts(cash, row) for row in expected))
