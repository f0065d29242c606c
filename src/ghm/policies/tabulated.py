"""A tabulated policy as a function of the state, in the language of :mod:`ghm.economics.actions`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, repeated
from ghm.economics.grid import StateGrid
from ghm.economics.model import Array
from ghm.io.compiled import compiled
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
        k = int(np.clip(np.searchsorted(steps, to_go, side="right") - 1, 0, steps.size - 2))
        w = (to_go - steps[k]) / (steps[k + 1] - steps[k])
        levels = (1 - w) * self.tables.levels[:, k] + w * self.tables.levels[:, k + 1]
        probabilities, points = np.empty((cash.size, 3)), np.ascontiguousarray(cash, dtype=float)
        _interpolate(points, self.grid.cash, self.grid.cell_of_bin, self.tables.modes, k, w, probabilities)
        payout_mean, payout_std, issue_mean, issue_std = repeated(levels, cash.size)
        return Actions(probabilities, payout_mean, payout_std, issue_mean, issue_std, self.grid.level_shift)


@compiled()
def _interpolate(cash: Array, nodes: Array, cell_of_bin: Any, tables: Any, k: int, w: float, out: Array) -> None:
    """Fill ``out`` (N, 3) at ``cash`` (N,) from rows ``k`` and ``k`` + 1 of ``tables`` (2, K, M), ``w`` of the latter."""
    last, top = nodes.size - 1, nodes[-1]
    modes = np.empty((2, nodes.size))
    for mode in range(2):
        for node in range(nodes.size):
            modes[mode, node] = (1 - w) * tables[mode, k, node] + w * tables[mode, k + 1, node]
    bins_per_cash = (cell_of_bin.size - 1) / top
    for i in range(cash.size):
        c = min(max(cash[i], 0.0), top)
        j = np.int64(cell_of_bin[np.int64(c * bins_per_cash if c > 0 else 0.0)])  # never beyond the last cell
        while j > 0 and c < nodes[j]:  # a bin's edge is rounded
            j -= 1
        while j < last - 1 and c >= nodes[j + 1]:
            j += 1
        share = (c - nodes[j]) / (nodes[j + 1] - nodes[j])
        pay = (1 - share) * modes[0, j] + share * modes[0, j + 1]
        issue = (1 - share) * modes[1, j] + share * modes[1, j + 1]
        out[i, HOLD], out[i, PAY], out[i, ISSUE] = 1 - pay - issue, pay, issue
