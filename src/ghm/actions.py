"""What a policy says in a state: the language between policies, the simulator and the reference solutions.

In each state (c, τ) the firm draws one of three modes, and, where it acts, a target level of cash:

====  =====  ==========================================================================================
mode  name   cash after the transaction y, shareholders' cash flow x
====  =====  ==========================================================================================
0     hold   y = c, x = 0
1     pay    y = min(b, c), x = c − y, with ln b normally distributed
2     issue  y = max(i, c), x = −p (y − c + φ) if i > c, else nothing happens, with ln i normally distributed
====  =====  ==========================================================================================

The *deterministic* policy takes the most likely mode and the median levels, exp(mean of the log).
"""

from typing import NamedTuple, Protocol

from ghm.model import Array

HOLD, PAY, ISSUE = 0, 1, 2


class Actions(NamedTuple):
    """Distributions of a policy's action at N values of cash."""

    mode_probabilities: Array
    """Probabilities of hold, pay and issue, (N, 3)."""
    payout_log_mean: Array
    """Mean of ln b, b the payout level in cash, (N,)."""
    payout_log_std: Array
    """Standard deviation of ln b, (N,)."""
    issue_log_mean: Array
    """Mean of ln i, i the issue target in cash, (N,)."""
    issue_log_std: Array
    """Standard deviation of ln i, (N,)."""


class Policy(Protocol):
    """A policy: a function of the state."""

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,) with ``time_to_horizon`` τ years left, dt ≤ τ ≤ T."""
        ...
