"""Exact returns of a tabulated policy, both action rules of it, fast enough for every line of a training's log.

The grid is that of the reference solutions, several times finer than training's. The policy as it acts is evaluated by the
training's own sweep on that grid; its greedy policy by the backward induction below, compiled. The reference's
:func:`ghm.solvers.policy_value` says the same of any policy, some fifty times slower; the tests hold both against it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ghm.economics.action_rule import Returns
from ghm.economics.cubic import at_points, node_slopes
from ghm.economics.grid import StateGrid
from ghm.economics.induction import cash_grid, mean_over_starts
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.economics.transition import apply_banded
from ghm.io.compiled import compiled
from ghm.policies.tables import ISSUE_MEAN, PAYOUT_MEAN, PolicyTables
from ghm.training.learners.estimator import sweep_tables
from ghm.training.learners.sweep import SweepConstants
from ghm.training.problem import GriddedProblem


@dataclass(frozen=True)
class ExactReturns:
    """Evaluates policies that are tabulated on a training grid."""

    fine: GriddedProblem
    """The same problem on the reference's grid of cash."""
    cell: NDArray[np.int64]
    """The training's cash node at or below each of the fine ones, (F,)."""
    weight: Array
    """Of the training's next cash node, (F,)."""

    @classmethod
    def build(cls, problem: Problem, grid: StateGrid) -> Self:
        """For policies on ``grid``.

        Raises:
            UserError: as :func:`ghm.solvers.policy_value`.
        """
        cash = cash_grid(problem.model, problem.dt)
        cell = np.clip(np.searchsorted(grid.cash, cash, side="right") - 1, 0, grid.cash.size - 2)
        weight = (cash - grid.cash[cell]) / np.diff(grid.cash)[cell]
        return cls(GriddedProblem.build(problem, cash), cell, weight)

    def __call__(self, tables: PolicyTables) -> Returns:
        """The returns of both action rules of a policy."""
        modes = (1 - self.weight) * tables.modes[..., self.cell] + self.weight * tables.modes[..., self.cell + 1]
        fine = PolicyTables(modes.astype(np.float32), tables.levels)
        problem = self.fine
        values = sweep_tables(problem, fine, None).values[0]
        grid, value = problem.grid, problem.terminal_values.copy()
        _follow(problem.sweep_constants, fine, grid.level_shift, grid.cash, value)
        return Returns(mean_over_starts(grid.cash, values), mean_over_starts(grid.cash, value))


@compiled()
def _follow(constants: SweepConstants, tables: PolicyTables, shift: float, cash: Array, value: Array) -> None:
    """Take ``value`` (M,), at the horizon, back to the start under the most likely mode and the median levels."""
    modes, levels = tables
    time_cell, time_weight, _, gap, _, transition, _, cost, fixed_cost = constants
    n_nodes = cash.size
    held, secants, slopes, inverse_gap = np.empty(n_nodes), np.empty(n_nodes - 1), np.empty(n_nodes), 1 / gap
    places, at_places = np.empty(2), np.empty(2)
    for t in range(time_cell.size - 1, -1, -1):
        k, w = time_cell[t], time_weight[t]
        apply_banded(value, transition.start, transition.coefficients, transition.constant, held)
        node_slopes(inverse_gap, held, secants, slopes)
        payout = max(np.exp((1 - w) * levels[PAYOUT_MEAN, k] + w * levels[PAYOUT_MEAN, k + 1]) - shift, 0.0)
        target = max(np.exp((1 - w) * levels[ISSUE_MEAN, k] + w * levels[ISSUE_MEAN, k + 1]) - shift, 0.0)
        places[0], places[1] = min(payout, cash[-1]), min(target, cash[-1])
        raised = places[1]
        at_points(cash, held, slopes, places, at_places)
        for j in range(n_nodes):
            pays = (1 - w) * modes[0, k, j] + w * modes[0, k + 1, j]
            issues = (1 - w) * modes[1, k, j] + w * modes[1, k + 1, j]
            holds = 1 - pays - issues
            # A mode that changes nothing is holding by another name.
            if payout >= cash[j]:
                holds, pays = holds + pays, 0.0
            if target <= cash[j]:
                holds, issues = holds + issues, 0.0
            if pays > holds and pays >= issues:
                value[j] = cash[j] - payout + at_places[0]
            elif issues > holds and issues > pays and raised > cash[j]:
                value[j] = at_places[1] - cost * (raised - cash[j] + fixed_cost)
            else:
                value[j] = held[j]
