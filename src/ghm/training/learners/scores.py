"""What simulated paths say about the policy: where they went, and the scores of their actions times advantages.

Compiled; time is taken backward where later rewards are summed. Gradients are those of the return J with respect to the
policy's tables, in closed form: a probability π_m(c) interpolated between nodes gives node j the score w_j / π_m(c); a
level with standardised noise z gives its mean the score z/σ and its standard deviation (z² − 1)/σ.
"""

import numpy as np

from ghm.economics.cubic import node_slopes, within_cell
from ghm.economics.model import Array
from ghm.io.compiled import compiled, inlined
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Paths
from ghm.simulation.steps import locate
from ghm.training.learners.sweep import SweptValues

_f32, _u32 = np.float32, np.uint32


@inlined(fast=True)
def interpolate(cell, weight, nodes: Array, values: Array, slopes: Array, out: Array) -> None:
    """The C¹ cubic with ``values`` at the nodes and ``slopes`` there, at each path's place."""
    for i in range(cell.size):
        j = cell[i]
        k = j + _u32(1)
        out[i] = within_cell(nodes[k] - nodes[j], weight[i], values[j], slopes[j], values[k], slopes[k])


@inlined(fast=True)
def _transaction(before, after, cost, fixed_cost, out: Array) -> None:
    """Shareholders' cash flow x of each transaction."""
    for i in range(before.size):
        paid = before[i] - after[i]
        out[i] = paid if paid >= _f32(0) else cost * (paid - fixed_cost)


@compiled()
def one_step_advantages(
    paths: Paths, nodes: Array, cell_of_bin, swept: SweptValues, cost, fixed_cost, out: Array
) -> None:
    """δ_t = x + W_t(y) − V_t(c) of each action taken; fills ``out`` (n, N)."""
    cash, cell, weight, after = paths.cash, paths.cell, paths.weight, paths.after
    values, continuations = swept.values, swept.continuations
    n_steps, n_paths = cell.shape
    slopes, secants, inverse_gap = np.empty(nodes.size), np.empty(nodes.size - 1), 1 / np.diff(nodes)
    nodes_32 = nodes.astype(_f32)
    bins_per_cash = _f32((cell_of_bin.size - 1) / nodes[-1])
    cell_after, weight_after = np.empty(n_paths, np.uint32), np.empty(n_paths, _f32)
    value, continuation, flow = np.empty(n_paths), np.empty(n_paths), np.empty(n_paths)
    for t in range(n_steps):
        locate(after[t], nodes_32, cell_of_bin, bins_per_cash, cell_after, weight_after)
        node_slopes(inverse_gap, continuations[t], secants, slopes)
        interpolate(cell_after, weight_after, nodes, continuations[t], slopes, continuation)
        node_slopes(inverse_gap, values[t], secants, slopes)
        interpolate(cell[t], weight[t], nodes, values[t], slopes, value)
        _transaction(cash[t], after[t], cost, fixed_cost, flow)
        out[t] = flow + continuation - value


@compiled()
def expected_residuals(cell, weight, residuals: Array, out: Array) -> None:
    """δ̄ of one step, given at the nodes (M,), at each path's place; fills ``out`` (N,)."""
    for i in range(cell.size):
        j, w = cell[i], weight[i]
        out[i] = (1 - w) * residuals[j] + w * residuals[j + 1]


@compiled()
def baseline_values(cell, weight, nodes: Array, values: Array, out: Array) -> None:
    """V_t(c) at each path's place; fills ``out`` (n, N)."""
    slopes, secants, inverse_gap = np.empty(nodes.size), np.empty(nodes.size - 1), 1 / np.diff(nodes)
    for t in range(cell.shape[0]):
        node_slopes(inverse_gap, values[t], secants, slopes)
        interpolate(cell[t], weight[t], nodes, values[t], slopes, out[t])


@compiled()
def sum_backward(rewards, last: Array, discount: float, exclusive: bool, out: Array) -> None:
    """Discounted sums over later steps, Σ_{j ≥ t} (j > t if ``exclusive``) e^{−k dt (j − t)} rewards_j; fills ``out``.

    ``last`` (N,) is what comes at the horizon. ``out`` (n, N) may be ``rewards`` itself.
    """
    n_steps, n_paths = rewards.shape
    total = last.copy()
    for t in range(n_steps - 1, -1, -1):
        for i in range(n_paths):
            later = discount * total[i]
            total[i] = rewards[t, i] + later
            out[t, i] = later if exclusive else total[i]


@compiled()
def add_scores(
    paths: Paths, advantages: Array, tables: PolicyTables, time_cell, time_weight, discount,
    mode_gradient: Array, level_gradient: Array,
) -> None:  # fmt: skip
    """Add the scores of all actions, times advantages discounted to the start.

    Args:
        paths: recorded.
        advantages: (n, N).
        tables: the policy.
        time_cell, time_weight: of the grid.
        discount: of one step.
        mode_gradient: added to, with respect to the probabilities of hold, pay and issue, (3, K, M).
        level_gradient: added to, (4, K).
    """
    modes, levels = tables
    cash, cell, weight, mode, noise = paths.cash, paths.cell, paths.weight, paths.mode, paths.noise
    n_steps, n_paths = cell.shape
    probabilities = np.empty((3, modes.shape[2]))
    row, level_row = np.empty((3, modes.shape[2])), np.empty(4)
    for t in range(n_steps):
        k, w, d = time_cell[t], time_weight[t], discount**t
        probabilities[1:] = (1 - w) * modes[:, k] + w * modes[:, k + 1]
        probabilities[0] = 1 - probabilities[1] - probabilities[2]
        std = (1 - w) * levels[:, k] + w * levels[:, k + 1]
        row[:], level_row[:] = 0.0, 0.0
        for i in range(n_paths):
            if cash[t, i] < 0:
                continue
            j, u, m, a = cell[t, i], weight[t, i], mode[t, i], advantages[t, i]
            score = a / ((1 - u) * probabilities[m, j] + u * probabilities[m, j + 1])
            row[m, j] += (1 - u) * score
            row[m, j + 1] += u * score
            if m > 0:
                z, sigma = noise[t, i], std[2 * m - 1]
                level_row[2 * m - 2] += a * z / sigma
                level_row[2 * m - 1] += a * (z * z - 1) / sigma
        for node, share in ((k, d * (1 - w)), (k + 1, d * w)):
            mode_gradient[:, node] += share * row
            level_gradient[:, node] += share * level_row
