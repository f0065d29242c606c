"""Exact evaluation of a tabulated policy on the training grid: one sweep backward in time, compiled.

With W_t(y) = e^{−k dt} E[V_{t+1}(c') | y] at the cash nodes, the policy's value is

    V_t(c) = W_t(c) + π_pay(c) Δ_pay(c) + π_issue(c) Δ_issue(c),

where Δ_m is the advantage of mode m over holding, its level integrated out. With F the distribution function of the level
(lognormal, the same at every c) integration by parts gives

    Δ_pay(c)   = ∫_0^c  (1 − W'(b)) F(b) db
    Δ_issue(c) = ∫_c^c̄ (W'(i) − p) (1 − F(i)) di − p φ (1 − F(c)),

running integrals over the grid: O(M) a step. Each cell is integrated by Simpson's rule, exact where F is constant; W' is
the derivative of the C¹ cubic through W. Derivatives with respect to the level's mean μ and standard deviation σ (of its
logarithm) replace F by ∂F/∂μ = −φ(z)/σ and ∂F/∂σ = −z φ(z)/σ, z = (ln b − μ)/σ.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ghm.model import Array
from ghm.simulation.random import FAST, fast_exp

EXACT: dict[str, Any] = {"error_model": "numpy", "cache": True}
_f32 = np.float32


@njit(**FAST)
def level_distribution(log_points, mean, std, cdf, by_mean, by_std) -> None:  # type: ignore[no-untyped-def]
    """F, ∂F/∂μ and ∂F/∂σ of a lognormal level at points with logarithms ``log_points``; fills three arrays alike.

    The normal distribution function is Abramowitz and Stegun 26.2.17, error below 7.5e-8.
    """
    inverse = _f32(1) / std
    for i in range(log_points.size):
        z = (log_points[i] - mean) * inverse
        z = min(max(z, _f32(-9)), _f32(9))  # beyond, single precision has nothing left
        density = _f32(0.3989422804) * fast_exp(_f32(-0.5) * z * z)
        u = _f32(1) / (_f32(1) + _f32(0.2316419) * abs(z))
        p = _f32(1.330274429)
        p = ((p * u - _f32(1.821255978)) * u + _f32(1.781477937)) * u - _f32(0.356563782)
        tail = density * u * (p * u + _f32(0.319381530))
        cdf[i] = tail if z < _f32(0) else _f32(1) - tail
        by_mean[i] = -density * inverse
        by_std[i] = -z * density * inverse


@njit(**EXACT)
def marginal_values(nodes: Array, held: Array, slopes: Array) -> None:
    """W' at nodes and midpoints of cells, interleaved, of the C¹ cubic through ``held``; fills ``slopes`` (2M − 1,).

    The slope at a node is that of the parabola through it and its neighbours.
    """
    last = nodes.size - 1
    secant = (held[1] - held[0]) / (nodes[1] - nodes[0])
    for j in range(1, last):
        left, right = nodes[j] - nodes[j - 1], nodes[j + 1] - nodes[j]
        following = (held[j + 1] - held[j]) / right
        slopes[2 * j] = (secant * right + following * left) / (left + right)
        secant = following
    slopes[0] = 2 * (held[1] - held[0]) / (nodes[1] - nodes[0]) - slopes[2]
    slopes[2 * last] = 2 * secant - slopes[2 * last - 2]
    for j in range(last):
        secant = (held[j + 1] - held[j]) / (nodes[j + 1] - nodes[j])
        slopes[2 * j + 1] = 1.5 * secant - 0.25 * (slopes[2 * j] + slopes[2 * j + 2])


@njit(**EXACT)
def integrate_payout(nodes: Array, slopes: Array, cdf, out: Array) -> None:  # type: ignore[no-untyped-def]
    """∫_0^c (1 − W') F db at each node c, F at nodes and midpoints; fills ``out`` (M,)."""
    out[0] = 0.0
    for j in range(nodes.size - 1):
        i = 2 * j
        ends = (1 - slopes[i]) * cdf[i] + (1 - slopes[i + 2]) * cdf[i + 2]
        out[j + 1] = out[j] + (nodes[j + 1] - nodes[j]) / 6 * (ends + 4 * (1 - slopes[i + 1]) * cdf[i + 1])


@njit(**EXACT)
def integrate_issue(nodes: Array, slopes: Array, survival, cost: float, fixed_cost: float, out: Array) -> None:  # type: ignore[no-untyped-def]
    """∫_c^c̄ (W' − p) G di − p φ G(c) at each node c, G = 1 − F at nodes and midpoints; fills ``out`` (M,)."""
    last = nodes.size - 1
    total = 0.0
    out[last] = -cost * fixed_cost * survival[2 * last]
    for j in range(last - 1, -1, -1):
        i = 2 * j
        ends = (slopes[i] - cost) * survival[i] + (slopes[i + 2] - cost) * survival[i + 2]
        total += (nodes[j + 1] - nodes[j]) / 6 * (ends + 4 * (slopes[i + 1] - cost) * survival[i + 1])
        out[j] = total - cost * fixed_cost * survival[i]


@njit(**FAST)
def continuation(following: Array, start, coefficients: Array, constant: Array, out: Array) -> None:  # type: ignore[no-untyped-def]
    """W at the nodes from V one step later: the banded operator of :mod:`ghm.reference.transition`."""
    width = coefficients.shape[1]
    for j in range(constant.size):
        total, first = constant[j], start[j]
        for i in range(width):
            total += coefficients[j, i] * following[first + i]
        out[j] = total


@njit(**EXACT)
def sweep(  # type: ignore[no-untyped-def]
    modes, levels, time_cell, time_weight, steps_to_go, nodes, log_points, start, coefficients, constant,
    terminal_values, cost, fixed_cost, following, continuations, values, advantages,
):  # fmt: skip
    """Evaluate a policy by backward induction, or take one step of it from any other value function.

    Args:
        modes: probabilities of paying and issuing, (2, K, M).
        levels: μ and σ of the payout level, the same of the issue target, (4, K).
        time_cell, time_weight, steps_to_go, nodes: of the grid.
        log_points: logarithms of the nodes and of the cells' midpoints, interleaved, (2M − 1,) single precision.
        start, coefficients, constant: the transition operator, discounted.
        terminal_values: payoff at the horizon, (M,).
        cost, fixed_cost: p and φ.
        following: V that each step continues with, (n + 1, M): pass ``values`` itself to evaluate the policy.
        continuations: filled with W, (n, M).
        values: filled with V, (n + 1, M).
        advantages: filled at the time nodes with Δ, ∂Δ/∂μ, ∂Δ/∂σ of paying and of issuing, (K, 6, M).
    """
    n_steps, n_nodes = time_cell.size, nodes.size
    pay, issue = np.empty(n_nodes), np.empty(n_nodes)
    slopes = np.empty(2 * n_nodes - 1)
    payout, target = np.empty((3, 2 * n_nodes - 1), _f32), np.empty((3, 2 * n_nodes - 1), _f32)
    values[n_steps] = terminal_values
    for t in range(n_steps - 1, -1, -1):
        k, w = time_cell[t], time_weight[t]
        v = 1 - w
        held = continuations[t]
        continuation(following[t + 1], start, coefficients, constant, held)
        marginal_values(nodes, held, slopes)
        level = v * levels[:, k] + w * levels[:, k + 1]
        level_distribution(log_points, _f32(level[0]), _f32(level[1]), payout[0], payout[1], payout[2])
        level_distribution(log_points, _f32(level[2]), _f32(level[3]), target[0], target[1], target[2])
        target[0] = _f32(1) - target[0]
        integrate_payout(nodes, slopes, payout[0], pay)
        integrate_issue(nodes, slopes, target[0], cost, fixed_cost, issue)
        for j in range(n_nodes):
            pays = v * modes[0, k, j] + w * modes[0, k + 1, j]
            issues = v * modes[1, k, j] + w * modes[1, k + 1, j]
            values[t, j] = held[j] + pays * pay[j] + issues * issue[j]
        for node in (k, k + 1):
            if steps_to_go[node] == n_steps - t:
                advantages[node, 0], advantages[node, 3] = pay, issue
                for derivative in (1, 2):
                    integrate_payout(nodes, slopes, payout[derivative], advantages[node, derivative])
                    integrate_issue(nodes, slopes, -target[derivative], cost, fixed_cost, advantages[node, 3 + derivative])


def log_points(cash: Array) -> NDArray[np.float32]:
    """Logarithms of the cash nodes and of the midpoints between them, interleaved, (2M − 1,); of 0: very low."""
    points = np.empty(2 * cash.size - 1)
    points[::2], points[1::2] = cash, (cash[1:] + cash[:-1]) / 2
    return np.log(np.maximum(points, 1e-30)).astype(np.float32)
