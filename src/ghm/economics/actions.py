"""What a policy says in a state: the language between policies, the simulator and the reference solutions.

In each state (c, τ) the firm draws one of three modes, and, where it acts, a target level of cash:

====  =====  ==========================================================================================
mode  name   cash after the transaction y, shareholders' cash flow x
====  =====  ==========================================================================================
0     hold   y = c, x = 0
1     pay    y = min(b, c), x = c − y, with b = max(e^B − a, 0), B normally distributed
2     issue  y = max(i, c), x = −p (y − c + φ) if i > c, else nothing happens, with i = max(e^I − a, 0) likewise
====  =====  ==========================================================================================

The shift a ≥ 0 lets a level be 0 with a probability, as paying everything out before the horizon asks for; with a = 0
levels are lognormal. The *greedy* policy takes the most likely mode and the median levels.
"""

from typing import NamedTuple, Protocol

import numpy as np

from ghm.economics.model import Array

HOLD, PAY, ISSUE = 0, 1, 2


class Actions(NamedTuple):
    """Distributions of a policy's action at N values of cash."""

    mode_probabilities: Array
    """Probabilities of hold, pay and issue, (N, 3)."""
    payout_log_mean: Array
    """Mean of B = ln(b + a), b the payout level in cash, (N,)."""
    payout_log_std: Array
    """Standard deviation of B, (N,)."""
    issue_log_mean: Array
    """Mean of I = ln(i + a), i the issue target in cash, (N,)."""
    issue_log_std: Array
    """Standard deviation of I, (N,)."""
    level_shift: float = 0.0
    """The shift a, in cash."""

    @property
    def median_payout_level(self) -> Array:
        """Median payout level in cash, (N,)."""
        return level_from_log(self.payout_log_mean, self.level_shift)

    @property
    def median_issue_target(self) -> Array:
        """Median issue target in cash, (N,)."""
        return level_from_log(self.issue_log_mean, self.level_shift)


def level_from_log(logarithm: Array, shift: float) -> Array:
    """The level max(e^x − a, 0) in cash, of logarithms of any shape."""
    if logarithm.ndim == 1 and logarithm.size and logarithm.strides[0] == 0:  # of one number, :func:`repeated`
        number = max(np.exp(logarithm[0]) - shift, 0.0)
        return repeated(np.array([number]), logarithm.size)[0]  # type: ignore[no-any-return]
    level: Array = np.maximum(np.exp(logarithm) - shift, 0.0)
    return level


def repeated(numbers: Array, count: int) -> Array:
    """Each of ``numbers`` (L,) for ``count`` states, (L, count), as views: `numpy.broadcast_to` in a tenth of its time."""
    return np.ndarray(
        (numbers.size, count), numbers.dtype, np.ascontiguousarray(numbers), strides=(numbers.itemsize, 0)
    )


def cash_flow(before: Array, after: Array, proportional_cost: float, fixed_cost: float) -> Array:
    """Shareholders' cash flow x of moving cash from ``before`` to ``after``, both in cash and of any one shape."""
    paid = before - after
    return np.where(paid >= 0, paid, proportional_cost * (paid - fixed_cost))


class Policy(Protocol):
    """A policy: a function of the state."""

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,) with ``time_to_horizon`` τ years left, dt ≤ τ ≤ T."""
        ...
