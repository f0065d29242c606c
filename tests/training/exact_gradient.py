"""The exact policy gradient on the grid, written plainly: forward distribution, backward values, no simulation.

With the start uniform, d_t the discounted distribution of paths over the cash nodes before step t, and V_{t+1} the policy's
value, the policy-gradient theorem (Sutton et al. 2000) says

    ∂J/∂π_m(node k, j) = Σ_t  share of node (k, j) in step t · d_t(j) · Δ_{t,m}(j),

Δ being the advantage of mode m over holding; ∂J/∂μ and ∂J/∂σ of a level likewise, with π_m ∂Δ_m. Levels are integrated by a sum
over quantiles, transitions are sums over quantiles of the shock, and derivatives by a level are central differences: nothing here
is shared with the estimators but the grid. Everything is accurate to the grid's spacing, a hundredth of the gradient.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.training.problem import GriddedProblem

Z = np.linspace(-5, 5, 602)[:-1] + 1 / 120.2
WEIGHTS = norm.pdf(Z) / norm.pdf(Z).sum()
STEP = 1e-2
"""Step of the central differences by a level's mean and standard deviation."""


class Gradient(NamedTuple):
    """Exact return, and its gradient."""

    expected_return: float
    modes: Array
    """By the probabilities of paying and of issuing, holding taking what is left, (2, K, M)."""
    levels: Array
    """By mean and standard deviation of ln(b + a) and ln(i + a), a the shift of levels, (4, K)."""


def hat_weights(cash: Array, points: Array) -> Array:
    """Linear interpolation as a matrix: points (...) to weights of the nodes (..., M)."""
    cell = np.clip(np.searchsorted(cash, points, side="right") - 1, 0, cash.size - 2)
    share = (points - cash[cell]) / (cash[cell + 1] - cash[cell])
    eye = np.eye(cash.size)
    weights: Array = (1 - share)[..., None] * eye[cell] + share[..., None] * eye[cell + 1]
    return weights


def transition(problem: GriddedProblem) -> tuple[Array, Array]:
    """Undiscounted probabilities (M, M) from cash after the transaction to the next alive, and what the step's end pays, (M,)."""
    model, dt, cash = problem.model, problem.grid.dt, problem.grid.cash
    drift, spread = model.drift(cash) * dt, model.volatility(cash) * np.sqrt(dt)
    matrix, paid = np.zeros((cash.size, cash.size)), np.zeros(cash.size)
    for z, weight in zip(Z, WEIGHTS, strict=True):
        following = cash + drift + spread * z
        alive = following > 0
        matrix += weight * alive[:, None] * hat_weights(cash, np.clip(following, 0, model.c_max))
        paid += weight * np.where(alive, np.maximum(following - model.c_max, 0), model.liquidation_value)
    return matrix, paid


def outcomes(problem: GriddedProblem, mode: int, mean: float, std: float) -> tuple[Array, Array]:
    """Distribution of cash after paying (1) or issuing (2), (M, M), and the expected cash flow now, (M,)."""
    model, cash, shift = problem.model, problem.grid.cash, problem.grid.level_shift
    matrix, flow = np.zeros((cash.size, cash.size)), np.zeros(cash.size)
    for z, weight in zip(Z, WEIGHTS, strict=True):
        level = min(max(float(np.exp(mean + std * z)) - shift, 0.0), model.c_max)
        after = np.minimum(cash, level) if mode == 1 else np.maximum(cash, level)
        matrix += weight * hat_weights(cash, after)
        flow += weight * (cash - after) * (1.0 if mode == 1 else model.proportional_cost)
    if mode == 2:  # the fixed cost is charged where the level exceeds cash: a probability known in closed form
        charged = norm.sf(np.log(cash + shift), mean, std)
        charged[-1] = 0.0
        flow -= model.proportional_cost * model.fixed_cost * charged
    return matrix, flow


def exact_gradient(problem: GriddedProblem, tables: PolicyTables) -> Gradient:
    """The gradient of the return with respect to the policy's tables."""
    grid, n = problem.grid, problem.grid.n_steps
    moved, paid = transition(problem)
    modes, levels = tables.modes.astype(float), tables.levels.astype(float)
    following, arriving = problem.terminal_values.copy(), []
    advantages: list[tuple[Array, Array, Array]] = []
    for t in range(n - 1, -1, -1):
        k, w = grid.time_cell[t], grid.time_weight[t]
        chance = (1 - w) * modes[:, k] + w * modes[:, k + 1]
        level = (1 - w) * levels[:, k] + w * levels[:, k + 1]
        held = problem.discount * (moved @ following + paid)
        gain, slopes, after = np.empty((2, grid.cash.size)), np.empty((4, grid.cash.size)), np.diag(1 - chance.sum(0))
        for m in range(2):
            mean, std = level[2 * m], level[2 * m + 1]

            def worth(mean: float, std: float, m: int = m, held: Array = held) -> Array:
                matrix, flow = outcomes(problem, m + 1, mean, std)
                return flow + matrix @ held

            gain[m] = worth(mean, std) - held
            slopes[2 * m] = (worth(mean + STEP, std) - worth(mean - STEP, std)) / (2 * STEP)
            slopes[2 * m + 1] = (worth(mean, std + STEP) - worth(mean, std - STEP)) / (2 * STEP)
            after = after + chance[m][:, None] * outcomes(problem, m + 1, mean, std)[0]
        following = held + (chance * gain).sum(0)
        advantages.append((chance, gain, slopes))
        arriving.append(after @ moved)
    start = np.zeros(grid.cash.size)  # integrals of the hat functions: the uniform start, exactly
    start[:-1] += np.diff(grid.cash) / 2 / grid.cash[-1]
    start[1:] += np.diff(grid.cash) / 2 / grid.cash[-1]
    expected_return = float(start @ following)
    by_mode, by_level = np.zeros(modes.shape), np.zeros(levels.shape)
    for t, (chance, gain, slopes), step in zip(range(n), advantages[::-1], arriving[::-1], strict=True):
        k, w = grid.time_cell[t], grid.time_weight[t]
        for node, share in ((k, 1 - w), (k + 1, w)):
            by_mode[:, node] += share * start * gain
            by_level[:, node] += share * (np.repeat(chance, 2, axis=0) * slopes) @ start
        start = problem.discount * (start @ step)
    return Gradient(expected_return, by_mode, by_level)
