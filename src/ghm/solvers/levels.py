"""What a policy does with the whole horizon before it, in three numbers."""

from dataclasses import dataclass

import numpy as np

from ghm.economics.action_rule import greedy
from ghm.economics.actions import ISSUE, PAY, Policy
from ghm.economics.model import GHMModel

NODES = 4001
"""Levels of cash at which the policy is asked."""


@dataclass(frozen=True)
class PolicyLevels:
    """Levels of the deterministic policy at τ = T, in cash; None where the greedy policy never does it."""

    payout_level: float | None
    """Cash above which it pays out, the lower of where paying starts and has an effect."""
    issue_below: float | None
    """Cash below which it issues."""
    issue_target: float | None
    """Cash that an issue at the lowest such cash raises to."""


def policy_levels(policy: Policy, model: GHMModel, T: float) -> PolicyLevels:
    """The levels of a policy; acting without effect (paying down to more than there is) is not acting."""
    cash = np.linspace(0.0, model.c_max, NODES)
    mode, payout, target = greedy(cash, policy(cash, T))
    pays = (mode == PAY) & (payout < cash)
    issues = (mode == ISSUE) & (target > cash)
    first_paying = int(np.argmax(pays))
    last_issuing = NODES - 1 - int(np.argmax(issues[::-1]))
    return PolicyLevels(
        # Just above its own level a policy may not pay yet: cash then drifts up to where it does.
        payout_level=float(cash[first_paying]) if pays.any() else None,
        issue_below=float(cash[last_issuing]) if issues.any() else None,
        issue_target=float(target[int(np.argmax(issues))]) if issues.any() else None,
    )
