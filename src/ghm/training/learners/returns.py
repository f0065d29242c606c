"""Sampled returns: generalised advantages, and the targets of a critic that is fitted to them.

Schulman, Moritz, Levine, Jordan and Abbeel (2016), "High-Dimensional Continuous Control Using Generalized Advantage Estimation":
with V the critic, f_t what a path pays in step t, γ = e^{−k dt},

    δ_t = f_t + γ V_{t+1}(c_{t+1}) − V_t(c_t),    A_t = δ_t + γ λ A_{t+1},    target of V_t(c_t): A_t + V_t(c_t),

the payoff in place of V at the horizon, nothing after liquidation. λ = 1 is the return that followed, less V: REINFORCE with a
learned baseline (Williams 1992), unbiased whatever V is. λ < 1 has less variance, and a bias where V errs.

The critic is fitted by least squares, V linear between its nodes. The derivative of half the squared error by V at a node is
minus the sum of A_t around it, each weighted as V there is in V_t(c_t). So these sums and weights are all that is kept, and a
node's target is its V plus their ratio. (The mean of the targets themselves would be V smoothed over the cells around: too low
by the curvature, and at c = 0, where all are on one side, too high by the slope.)
"""

import numpy as np

from ghm.economics.model import Array
from ghm.io.compiled import compiled
from ghm.simulation.kernel import Paths


@compiled()
def generalised_advantages(
    paths: Paths, payoff: Array, values: Array, time_cell, time_weight, discount: float, trace: float,
    advantages: Array, sums: Array, counts: Array,
) -> None:  # fmt: skip
    """A_t of each action taken, and their sums around the nodes, which the critic learns from.

    Args:
        paths: recorded.
        payoff: of each path at the horizon, 0 where it was liquidated, (N,).
        values: V at the nodes, (K, M); linear in between.
        time_cell, time_weight: of the grid.
        discount: γ.
        trace: λ.
        advantages: filled, (n, N); 0 after liquidation.
        sums: added to: the sum of the advantages around each node, each shared out to the four nodes around it, (K, M).
        counts: added to: how many, (K, M).
    """
    cash, cell, weight, flow = paths.cash, paths.cell, paths.weight, paths.flow
    n_steps, n_paths = cell.shape
    following, later = payoff.copy(), np.zeros(n_paths)  # V_{t+1}(c_{t+1}) and A_{t+1}
    row, total, visits = np.empty(values.shape[1]), np.empty(values.shape[1]), np.empty(values.shape[1])
    for t in range(n_steps - 1, -1, -1):
        k, w = time_cell[t], time_weight[t]
        row[:] = (1 - w) * values[k] + w * values[k + 1]
        total[:], visits[:] = 0.0, 0.0
        for i in range(n_paths):
            if cash[t, i] < 0:
                following[i] = later[i] = advantages[t, i] = 0.0
                continue
            j, u = cell[t, i], weight[t, i]
            value = (1 - u) * row[j] + u * row[j + 1]
            later[i] = flow[t, i] + discount * following[i] - value + discount * trace * later[i]
            following[i], advantages[t, i] = value, later[i]
            total[j] += (1 - u) * later[i]
            total[j + 1] += u * later[i]
            visits[j] += 1 - u
            visits[j + 1] += u
        for node, share in ((k, 1 - w), (k + 1, w)):
            sums[node] += share * total
            counts[node] += share * visits
