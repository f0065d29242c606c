"""From a network's raw outputs to the distribution of an action, softly bounded everywhere.

Raw outputs z (7 a state) become, with S the logistic function:

=======  ==========================  =======================================================================
raw      quantity                    map
=======  ==========================  =======================================================================
z0..z2   logits of hold, pay, issue  6 tanh(z/6), so that no mode's probability falls below about e⁻¹²
z3, z5   means of B and I            ln(lower) + (ln(upper) − ln(lower)) S(z)
z4, z6   standard deviations         exp(−3 + 3 S(z)): from 0.05 to 1
=======  ==========================  =======================================================================

No map has a flat piece, so no level is ever out of the gradient's reach; levels are targets for cash, not gross amounts,
since an amount shrinks to nothing before issuing is learned.

The modes depend on cash and time to horizon, the levels on time to horizon alone: what the firm pays down to maximises
W(b) − b, and what it raises cash to maximises W(i) − p i, in which the cash it comes from does not appear. So the payout
level is read off the network at c = c̄ and the issue target at c = 0, the states where each is needed.

The gradient is the chain rule written out: through maps of a few thousand numbers, PyTorch's automatic gradient takes ten times
as long. The tests hold it against that one.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.model import GHMModel
from ghm.policies.tables import ISSUE_MEAN, PAYOUT_MEAN

Floats = NDArray[Any]

RAW_OUTPUTS = 7
LOGIT_BOUND = 6.0
LOWEST_LOG_STD = -3.0

MEANS = PAYOUT_MEAN, ISSUE_MEAN
LEVEL_PLACES = ((-1, 3), (-1, 4), (0, 5), (0, 6))
"""Cash node and raw output that each row of the levels is read off."""


@dataclass(frozen=True)
class LevelBounds:
    """Ranges of e^mean of B and I, that is of median levels plus the shift, in cash."""

    payout_lower: float
    payout_upper: float
    issue_lower: float
    issue_upper: float

    @classmethod
    def of(cls, model: GHMModel, dt: float) -> Self:
        """The useful range of levels.

        Two of the narrowest standard deviations below the shift, everything is paid out but for one draw in fifty; further
        down, the gradient would vanish. At c̄ a payout level means never paying. Issuing up to less than one step's length
        means liquidation at the next step with about even odds; cash raised beyond half the range would be paid out again by
        any policy whose payout level lies in it.
        """
        step = model.step_from_zero(dt)
        shift = LEVEL_SHIFT * step
        # A cash range hardly wider than a step leaves half of what is below its middle.
        lowest_target = min(step, 0.25 * model.c_max)
        return cls(0.9 * shift, model.c_max + shift, shift + lowest_target, shift + 0.5 * model.c_max)


class Distribution(NamedTuple):
    """The action distribution at all nodes, and how its gradient goes back to the raw outputs."""

    raw: Floats
    """Raw outputs, (K, M, 7)."""
    logits: Floats
    """Of hold, pay and issue, bounded, (3, K, M)."""
    log_modes: Floats
    """Logarithms of the probabilities of hold, pay and issue, (3, K, M)."""
    modes: Floats
    """The probabilities, (3, K, M)."""
    shares: Floats
    """S of the raw levels, (4, K)."""
    levels: Floats
    """Mean and standard deviation of B, then of I, (4, K)."""
    ranges: tuple[float, float]
    """Of the means of B and of I."""

    @classmethod
    def of(cls, raw: Floats, bounds: LevelBounds) -> "Distribution":
        """The distribution from raw outputs on the grid, (K, M, 7), cash increasing from 0 to c̄."""
        logits = LOGIT_BOUND * np.tanh(np.ascontiguousarray(raw[..., :3].transpose(2, 0, 1)) / LOGIT_BOUND)
        # Bounded as they are, none of their exponentials overflows.
        odds = np.exp(logits)
        total = odds.sum(axis=0)
        # S(z) as a hyperbolic tangent, which does not overflow.
        shares = 0.5 + 0.5 * np.tanh(0.5 * np.stack([raw[:, node, output] for node, output in LEVEL_PLACES]))
        levels = np.exp(LOWEST_LOG_STD * (1 - shares))
        lowest = np.log([bounds.payout_lower, bounds.issue_lower])
        ranges = np.log([bounds.payout_upper, bounds.issue_upper]) - lowest
        for row, low, width in zip(MEANS, lowest.tolist(), ranges.tolist(), strict=True):
            levels[row] = low + width * shares[row]
        return cls(raw, logits, logits - np.log(total), odds / total, shares, levels, tuple(ranges.tolist()))

    def by_raw(self, by_modes: Floats, by_levels: Floats) -> Floats:
        """The gradient with respect to the raw outputs, (K, M, 7).

        Args:
            by_modes: with respect to the probabilities, (3, K, M).
            by_levels: with respect to the levels, (4, K).
        """
        out = np.zeros_like(self.raw)
        by_logits = self.modes * (by_modes - (self.modes * by_modes).sum(axis=0))
        out[..., :3] = (by_logits * (1 - (self.logits / LOGIT_BOUND) ** 2)).transpose(1, 2, 0)
        slopes = -LOWEST_LOG_STD * self.levels
        for row, width in zip(MEANS, self.ranges, strict=True):
            slopes[row] = width
        by_shares = by_levels * slopes * self.shares * (1 - self.shares)
        for row, (node, output) in zip(by_shares, LEVEL_PLACES, strict=True):
            out[:, node, output] = row
        return out
