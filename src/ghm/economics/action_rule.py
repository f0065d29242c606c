"""Two action rules of a policy that draws its actions: as it acts, and by the most likely action in each state.

The ``randomised`` one is the policy itself. The ``greedy`` one takes the most likely mode and the median levels. Either
can be the better one: chance costs value where the right action is known, but a mode of probability 0.4 a step is never the most
likely and yet happens within days.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, Policy
from ghm.economics.model import Array
from ghm.io.compiled import compiled

ActionRule = Literal["randomised", "greedy"]


@dataclass(frozen=True)
class Greedy:
    """The greedy policy of a policy that draws, as a policy that leaves nothing to chance."""

    policy: Policy

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,)."""
        return certain_actions(*greedy(cash, self.policy(cash, time_to_horizon)))


class Returns(NamedTuple):
    """Exact returns J of a policy under its two action rules."""

    randomised: float
    greedy: float

    @property
    def action_rule(self) -> ActionRule:
        """The better of the two; the greedy one, which leaves nothing to chance, where they are equal."""
        return "randomised" if self.randomised > self.greedy else "greedy"

    def of(self, action_rule: ActionRule) -> float:
        """The return under one action rule."""
        return self.randomised if action_rule == "randomised" else self.greedy

    @property
    def best(self) -> float:
        """The return under the better action rule."""
        return max(self)


def apply_rule(policy: Policy, action_rule: ActionRule) -> Policy:
    """The policy under one of its action rules."""
    return policy if action_rule == "randomised" else Greedy(policy)


def greedy(cash: Array, actions: Actions) -> tuple[Array, Array, Array]:
    """The most likely action at ``cash`` (N,): mode, payout level and issue target, (N,) each.

    Paying down to more than there is, or issuing up to less, is holding by another name: where a mode would change nothing
    at its median level, its probability is holding's. Ties go to the lower mode.
    """
    # Contiguous, for which alone the kernels are compiled.
    payout, target = (
        np.ascontiguousarray(level) for level in (actions.median_payout_level, actions.median_issue_target)
    )
    mode: Array = np.empty(cash.shape, np.int64)
    probabilities = np.ascontiguousarray(actions.mode_probabilities, dtype=float)
    _most_likely(np.ascontiguousarray(cash, dtype=float), probabilities, payout, target, mode)
    return mode, payout, target


@compiled()
def _most_likely(cash: Array, probabilities: Array, payout: Array, target: Array, mode: Array) -> None:
    """Fill ``mode`` (N,) of :func:`greedy`."""
    for i in range(cash.size):
        hold, pay, issue = probabilities[i, HOLD], probabilities[i, PAY], probabilities[i, ISSUE]
        # Comparisons with a missing level are false: it changes something, so that using it is seen.
        if payout[i] >= cash[i]:
            hold, pay = hold + pay, 0.0
        if target[i] <= cash[i]:
            hold, issue = hold + issue, 0.0
        mode[i] = ISSUE if issue > hold and issue > pay else (PAY if pay > hold else HOLD)


def certain_actions(mode: Array, payout: Array, target: Array) -> Actions:
    """Actions without chance: ``mode``, payout level and issue target at N values of cash, each (N,)."""
    none = np.zeros(mode.shape)
    return Actions(np.eye(3)[mode], _log(payout), none, _log(target), none)


def _log(level: Array) -> Array:
    """The logarithm: −∞ of a level of 0, where everything is paid out; of a missing level 0, which no mode then uses."""
    with np.errstate(divide="ignore"):
        return np.where(np.isnan(level), 0.0, np.log(level))
