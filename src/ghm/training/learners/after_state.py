"""A critic of the cash that a transaction leaves, fitted to sampled returns; and what it says of actions.

W(y, τ) is what shareholders can expect from the next shock on when a transaction has left cash y. An action's worth is what it
pays, which the agent knows, plus W of what it leaves, so all actions can be compared, and integrated out, through W alone; and
only its slope counts, the marginal value of cash.

Slopes are what sampled returns say least about, so W is fitted to differences. A path and its partner
(:mod:`ghm.simulation.pairs`) differ from a step on by D, summed backward with U their difference before a transaction, R the
path's return:

    D_t = (e' − e)_t + γ U_{t+1},    R_t = x_t + e_t + γ R_{t+1},
    U_t = (x' − x)_t + D_t while the partner goes on, (x' − x)_t where it met its path, −R_t where it was liquidated.

E[D | y, y'] = W(y') − W(y) and E[e_t + γ R_{t+1} | y] = W(y), without bias and without a bootstrap. Both are linear in the
values of W at the cash nodes, between which it is linear, so that W is a weighted least-squares fit. Its normal equations are
kept, one set for each time node, and fade as the policy moves on:

    weight of a pair = 1 / (h v + `SMALLEST_ERROR`² h²),  h = |y' − y|,  v the variance of its residual per unit of h.

v is estimated by time and by the lower of y and y': firms with cash meet again for certain, those near zero may be liquidated
first, and a plain fit would let the noise of these into the slopes of those. Shrunk toward a marginal value of 1 where little
is known.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ghm.economics.cubic import node_slopes
from ghm.economics.grid import bin_cells
from ghm.economics.model import Array
from ghm.io.compiled import compiled, inlined
from ghm.policies.tables import PolicyTables
from ghm.simulation.pairs import LIQUIDATED, MET, PairedPaths
from ghm.training.learners.sweep import (
    ADVANTAGE_ROWS,
    BY_MEAN,
    BY_STD,
    GAIN,
    integrate_issue,
    integrate_payout,
    level_cdf,
    level_cdf_derivatives,
)
from ghm.training.problem import POLICY_STRIDE, GriddedProblem, every

STEPS_BETWEEN_NODES = 8
"""Steps looked at between a time node's two neighbours: pairs of neighbouring steps are nearly the same pair."""

MOST_NODES = 120
"""Cash nodes of the critic at most: what it costs grows with their third power, and W needs no more, however fine the steps."""

SMALLEST_ERROR = 3e-3
"""Error of a slope that every pair is suspected of: W is not linear between nodes, and the policy moves."""

GUESSES = 5.0
"""Pairs that the first guess of their noise counts for."""

PRIOR_WEIGHT = 1.0
"""One over the variance, about 1, of the marginal value of cash between two nodes before anything is seen."""

SHORTEST_MEMORY = 10
"""Iterations that are remembered at least."""


@dataclass
class AfterStateCritic:
    """W at the nodes, and the statistics that it is fitted to.

    Args:
        problem: what is trained on; its transition law is not used.
        memory: how many iterations are remembered, as a share of those done.
    """

    problem: GriddedProblem
    memory: float
    table: Array = field(init=False)
    """W at the time nodes and the critic's cash nodes, (K, N)."""

    def __post_init__(self) -> None:
        grid = self.problem.grid
        self._nodes = np.ascontiguousarray(
            grid.cash[every(max(POLICY_STRIDE, -(-grid.cash.size // MOST_NODES)), grid.cash.size)]
        )
        self._spline: Array = CubicSpline(self._nodes, np.eye(self._nodes.size))(grid.cash).T
        self._cell_of_bin = bin_cells(self._nodes).astype(np.int64)
        count, shape = self._nodes.size, (grid.steps_to_go.size, self._nodes.size)
        self._offset = self._nodes + self.problem.model.liquidation_value
        secants = np.diff(np.eye(count), axis=0) / np.diff(self._nodes)[:, None]
        # The level of W is known from returns alone; without any, it is the liquidation value's.
        self._prior = PRIOR_WEIGHT * secants.T @ secants + np.eye(count) / self.problem.value_scale**2
        self._chosen = _chosen_steps(grid.steps_to_go, grid.n_steps)
        self.table = np.tile(self._offset, (shape[0], 1))
        self._iterations = 0
        self._normal, self._right = np.zeros((*shape, count)), np.zeros(shape)
        self._squares = np.zeros((2, *shape))

    def forget(self) -> None:
        """Begin an iteration: what is remembered counts for less."""
        self._iterations += 1
        keep = 1 - 1 / (SHORTEST_MEMORY + self.memory * self._iterations)
        self._noise = (self._squares[0] + GUESSES * self.problem.cash_unit) / (self._squares[1] + GUESSES)
        for array in (self._normal, self._right, self._squares):
            array *= keep

    def observe(self, pairs: PairedPaths) -> None:
        """Add what a batch of paired paths says; its ``later`` and ``ended`` are summed backward in place."""
        grid, problem = self.problem.grid, self.problem
        payoffs = np.where(pairs.last >= 0, np.interp(pairs.last, grid.cash, problem.terminal_values), 0.0)
        sum_pairs_backward(pairs.now, pairs.later, pairs.paid, pairs.ended, pairs.start, payoffs, problem.discount)
        _add_pairs(
            pairs.after, pairs.other, pairs.later, pairs.ended, self._chosen, grid.time_cell, grid.time_weight, self._nodes,
            self._cell_of_bin, self.table, self._noise, SMALLEST_ERROR**2, problem.value_scale**-2,
            self._normal, self._right, self._squares,
        )  # fmt: skip

    def fit(self) -> None:
        """Fit W to all that is remembered."""
        unexplained = self._right - self._normal @ self._offset
        self.table[:] = self._offset + np.linalg.solve(self._normal + self._prior, unexplained[..., None])[..., 0]

    def advantages(self, tables: PolicyTables) -> Array:
        """Advantages of paying and issuing over holding, (2, 3, K, M), as :func:`~ghm.training.learners.sweep.sweep` has them."""
        problem, model = self.problem, self.problem.model
        out = np.zeros((2, ADVANTAGE_ROWS, problem.grid.steps_to_go.size, problem.grid.cash.size))
        _advantages(
            tables.levels,
            self.table @ self._spline,
            np.diff(problem.grid.cash),
            problem.log_points,
            model.proportional_cost,
            model.fixed_cost,
            out,
        )
        return out

    def values(self, tables: PolicyTables) -> Array:
        """V before a transaction at the time and cash nodes, (K, M): that of holding, and what the other modes gain."""
        gains = self.advantages(tables)[:, GAIN]
        values: Array = self.table @ self._spline + (tables.modes * gains).sum(axis=0)
        return values

    def state(self) -> dict[str, Any]:
        """Everything that the next iteration needs, for a checkpoint."""
        return {"iterations": self._iterations} | {
            name: torch.from_numpy(array) for name, array in self._arrays().items()
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned.

        Raises:
            ValueError: when it is of another grid.
        """
        self._iterations = int(state["iterations"])
        for name, own in self._arrays().items():
            if own.shape != tuple(state[name].shape):
                raise ValueError(f"the critic's {name} has shape {own.shape}, not {tuple(state[name].shape)}")
            own[...] = state[name].numpy()

    def _arrays(self) -> dict[str, Array]:
        return {"table": self.table, "normal": self._normal, "right": self._right, "squares": self._squares}


def _chosen_steps(steps_to_go: NDArray[np.int64], n_steps: int) -> NDArray[np.int64]:
    """The steps whose pairs are looked at, in order: `STEPS_BETWEEN_NODES` of each time node's neighbourhood."""
    nearest, furthest = steps_to_go[np.maximum(np.arange(steps_to_go.size) - 1, 0)], np.append(steps_to_go[1:], n_steps)
    to_go = np.round(np.linspace(nearest, furthest, STEPS_BETWEEN_NODES)).astype(np.int64)
    return np.unique(np.maximum(n_steps - to_go, 0))


@inlined()
def _find(cash: float, nodes: Array, cell_of_bin) -> Any:
    """Cell of a level of cash among the nodes, and the weight of its upper node."""
    j = cell_of_bin[int(cash * (cell_of_bin.size - 1) / nodes[-1])]
    if cash >= nodes[j + 1] and j + 2 < nodes.size:
        j += 1
    return j, (cash - nodes[j]) / (nodes[j + 1] - nodes[j])


@inlined()
def _add_observation(places, loads, observed: float, weight: float, normal: Array, right: Array) -> None:
    """Add weight · φφᵀ and weight · φ observed, φ having these ``loads`` at these ``places``."""
    for p in range(places.size):
        i, load = places[p], weight * loads[p]
        right[i] += load * observed
        for q in range(places.size):
            normal[i, places[q]] += load * loads[q]


@compiled()
def sum_pairs_backward(now, later, paid, ended, start, payoffs, discount) -> None:
    """Turn ``later`` into e_t + γ R_{t+1}, what follows a transaction, and ``ended`` into D_t, the partner's excess.

    Args:
        now, later, paid, ended, start: of the paired paths, (n, N).
        payoffs: of paths and partners at the horizon, 0 where liquidated, (2, N).
        discount: γ.
    """
    n_steps, n_paths = now.shape
    to_go, more = payoffs[0].copy(), payoffs[1] - payoffs[0]  # R and U
    for t in range(n_steps - 1, -1, -1):
        for i in range(n_paths):
            follows, difference = later[t, i] + discount * to_go[i], ended[t, i] + discount * more[i]
            later[t, i], ended[t, i] = follows, difference
            to_go[i] = now[t, i] + follows
            more[i] = paid[t, i] if start[t, i] == MET else paid[t, i] + difference
            if start[t, i] == LIQUIDATED:
                more[i] = -to_go[i]


@compiled()
def _add_pairs(
    after, other, follows, difference, chosen, time_cell, time_weight, nodes, cell_of_bin, table, noise, least, level_weight,
    normal, right, squares,
):  # fmt: skip
    """Add the pairs of chosen steps to the normal equations.

    Args:
        after, other: cash of paths and partners after their transactions, (n, N).
        follows, difference: as :func:`sum_pairs_backward` leaves them, (n, N).
        chosen: the steps that are looked at.
        time_cell, time_weight: of the grid.
        nodes, cell_of_bin: the critic's cash nodes, and how a cell is found.
        table: W so far, which residuals are taken from, (K, N).
        noise: v of the module's text, (K, N).
        least: smallest variance of a slope.
        level_weight: weight of a return.
        normal, right: added to, (K, N, N) and (K, N).
        squares: added to: squared residuals per unit of h, and how many, (2, K, N).
    """
    places, loads, own_loads = np.empty(4, np.int64), np.empty(4), np.empty(2)
    own_places = places[:2]
    for t in chosen:
        k, upper = time_cell[t], time_weight[t]
        nearest = k + 1 if upper > 0.5 else k
        for i in range(after.shape[1]):
            y, z = np.float64(after[t, i]), np.float64(other[t, i])
            if y < 0 or z == y:
                continue
            j, a = _find(y, nodes, cell_of_bin)
            m, b = _find(z, nodes, cell_of_bin)
            places[0], places[1], places[2], places[3] = j, j + 1, m, m + 1
            loads[0], loads[1], loads[2], loads[3] = a - 1, -a, 1 - b, b
            own_loads[0], own_loads[1] = 1 - a, a
            h, low, residual = abs(z - y), min(j, m), np.float64(difference[t, i])
            for p in range(4):
                residual -= loads[p] * table[nearest, places[p]]
            squares[0, nearest, low] += residual * residual / h
            squares[1, nearest, low] += 1.0
            weight = 1 / (h * noise[nearest, low] + least * h * h)
            for node, share in ((k, 1 - upper), (k + 1, upper)):
                _add_observation(places, loads, difference[t, i], share * weight, normal[node], right[node])
                _add_observation(own_places, own_loads, follows[t, i], share * level_weight, normal[node], right[node])


@compiled()
def _advantages(levels, table, gap, log_points, cost, fixed_cost, out):
    """Advantages of paying and of issuing over holding at the time nodes, their levels integrated out, from W there.

    Args:
        levels: of the policy's tables, (4, K).
        table: W at the time and cash nodes, (K, M).
        gap, log_points: of the grid, as in :func:`ghm.training.learners.sweep.sweep`.
        cost, fixed_cost: p and φ.
        out: filled, (2, 3, K, M), rows `GAIN`, `BY_MEAN`, `BY_STD`.
    """
    n_nodes = gap.size + 1
    cells, secants, slopes, inverse_gap = np.empty(gap.size), np.empty(gap.size), np.empty(n_nodes), 1 / gap
    share, by_mean, by_std = (np.empty_like(log_points), np.empty_like(log_points), np.empty_like(log_points))
    for k in range(table.shape[0]):
        pay, issue, level = out[0, :, k], out[1, :, k], levels[:, k]
        node_slopes(inverse_gap, table[k], secants, slopes)
        level_cdf(log_points, n_nodes, level[0], level[1], share)
        integrate_payout(gap, secants, slopes, share, cells, pay[GAIN])
        level_cdf_derivatives(log_points, level[0], level[1], by_mean, by_std)
        integrate_payout(gap, secants, slopes, by_mean, cells, pay[BY_MEAN])
        integrate_payout(gap, secants, slopes, by_std, cells, pay[BY_STD])
        level_cdf(log_points, n_nodes, level[2], level[3], share)
        integrate_issue(gap, secants, slopes, 1 - share, cost, fixed_cost, cells, issue[GAIN])
        level_cdf_derivatives(log_points, level[2], level[3], by_mean, by_std)
        integrate_issue(gap, secants, slopes, -by_mean, cost, fixed_cost, cells, issue[BY_MEAN])
        integrate_issue(gap, secants, slopes, -by_std, cost, fixed_cost, cells, issue[BY_STD])
