"""A tabulated policy as a function of the state, in the language of :mod:`ghm.economics.actions`."""

from dataclasses import dataclass

import numpy as np

from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, repeated
from ghm.economics.grid import StateGrid
from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables


@dataclass(frozen=True)
class TabulatedPolicy:
    """The policy that is simulated: the tables, interpolated linearly in time to horizon (in steps) and in cash."""

    grid: StateGrid
    tables: PolicyTables

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,) with ``time_to_horizon`` years left; outside the grid, those at its edge."""
        steps = self.grid.steps_to_go
        to_go = min(max(time_to_horizon / self.grid.dt, float(steps[0])), float(steps[-1]))
        k = min(max(int(np.searchsorted(steps, to_go, side="right")) - 1, 0), steps.size - 2)
        w = (to_go - steps[k]) / (steps[k + 1] - steps[k])
        modes = (1 - w) * self.tables.modes[:, k] + w * self.tables.modes[:, k + 1]
        levels = (1 - w) * self.tables.levels[:, k] + w * self.tables.levels[:, k + 1]
        # As one complex number, so that each cash is looked for once: that is most of the work.
        both = np.interp(cash, self.grid.cash, modes[0] + 1j * modes[1])
        mode_probabilities = np.empty((cash.size, 3))
        mode_probabilities[:, PAY], mode_probabilities[:, ISSUE] = both.real, both.imag
        mode_probabilities[:, HOLD] = 1 - both.real - both.imag
        payout_mean, payout_std, issue_mean, issue_std = repeated(levels, cash.size)
        return Actions(mode_probabilities, payout_mean, payout_std, issue_mean, issue_std, self.grid.level_shift)
