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
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.model import GHMModel
from ghm.policies.tables import PolicyTables

RAW_OUTPUTS = 7
LOGIT_BOUND = 6.0
LOWEST_LOG_STD = -3.0


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
    """The action distribution at all nodes, differentiable."""

    log_modes: Tensor
    """Logarithms of the probabilities of hold, pay and issue, (3, K, M)."""
    levels: Tensor
    """Mean and standard deviation of B, then of I, (4, K)."""

    @classmethod
    def of(cls, raw: Tensor, bounds: LevelBounds) -> "Distribution":
        """The distribution from raw outputs on the grid, (K, M, 7), cash increasing from 0 to c̄."""
        log_modes = torch.log_softmax(LOGIT_BOUND * torch.tanh(raw[..., :3] / LOGIT_BOUND), dim=-1)
        rows = []
        for raw_levels, lower, upper in (
            (raw[:, -1, 3:5], bounds.payout_lower, bounds.payout_upper),
            (raw[:, 0, 5:7], bounds.issue_lower, bounds.issue_upper),
        ):
            share = torch.sigmoid(raw_levels)
            rows.append(float(np.log(lower)) + float(np.log(upper / lower)) * share[:, 0])
            rows.append(torch.exp(LOWEST_LOG_STD * (1 - share[:, 1])))
        return cls(log_modes.permute(2, 0, 1), torch.stack(rows))

    def tables(self) -> PolicyTables:
        """The same as arrays, for the simulator."""
        with torch.no_grad():
            modes = self.log_modes[1:].exp().cpu().numpy()
            return PolicyTables(np.ascontiguousarray(modes), np.ascontiguousarray(self.levels.cpu().numpy()))
