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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghm.economics.cubic import node_slopes
from ghm.economics.model import Array
from ghm.economics.transition import BandedOperator, apply_banded
from ghm.io.compiled import compiled, inlined
from ghm.policies.tables import PolicyTables
from ghm.simulation.draws import fast_exp

ADVANTAGE_ROWS = 3
GAIN, BY_MEAN, BY_STD = range(ADVANTAGE_ROWS)
"""Rows of a mode's advantages: Δ, ∂Δ/∂μ and ∂Δ/∂σ."""

_f32 = np.float32
_DENSITY_0 = np.float32(0.3989422804)  # φ(0)

Z_MAX = np.float32(5.5)
"""Standard deviations at which a level's distribution is cut off: beyond, single precision says 0 or 1."""


@inlined(fast=True)
def _normal_cdf(log_points, mean, inverse, cdf) -> None:
    """Abramowitz and Stegun 26.2.17 of (log_points − mean) · inverse, error below 7.5e-8."""
    for i in range(log_points.size):
        z = (log_points[i] - mean) * inverse
        u = _f32(1) / (_f32(1) + _f32(0.2316419) * abs(z))
        p = _f32(1.330274429)
        p = ((p * u - _f32(1.821255978)) * u + _f32(1.781477937)) * u - _f32(0.356563782)
        tail = _DENSITY_0 * fast_exp(_f32(-0.5) * z * z) * u * (p * u + _f32(0.319381530))
        cdf[i] = tail if z < _f32(0) else _f32(1) - tail


@inlined()
def level_cdf(log_points, n_nodes: int, mean, std, cdf) -> None:
    """F of a lognormal level at points with logarithms ``log_points``, nodes and then midpoints; fills ``cdf`` alike.

    A level that is nearly certain has few points within `Z_MAX` of it: the rest are 0 or 1 without computing.
    """
    reach = Z_MAX * std
    for first, last in ((0, n_nodes), (n_nodes, log_points.size)):
        points = log_points[first:last]
        low, high = first + np.searchsorted(points, mean - reach), first + np.searchsorted(points, mean + reach)
        cdf[first:low] = _f32(0)
        _normal_cdf(log_points[low:high], mean, _f32(1) / std, cdf[low:high])
        cdf[high:last] = _f32(1)


@inlined(fast=True)
def level_cdf_derivatives(log_points, mean, std, by_mean, by_std) -> None:
    """∂F/∂μ and ∂F/∂σ of a lognormal level at points with logarithms ``log_points``; fills two arrays alike."""
    inverse = _f32(1) / std
    for i in range(log_points.size):
        z = (log_points[i] - mean) * inverse
        z = min(max(z, -Z_MAX), Z_MAX)
        density = _DENSITY_0 * fast_exp(_f32(-0.5) * z * z) if abs(z) < Z_MAX else _f32(0)
        by_mean[i] = -density * inverse
        by_std[i] = -z * density * inverse


@inlined(fast=True)
def _cell_integrals(gap: Array, secants: Array, slopes: Array, weight, offset: float, cells: Array) -> None:
    """Simpson's rule for ∫ (W' − offset) · weight over each cell; fills ``cells`` (M − 1,).

    ``weight`` is given at the M nodes and then at the M − 1 midpoints; W' at a midpoint is that of the cubic.
    """
    n = slopes.size
    for j in range(n - 1):
        middle = 1.5 * secants[j] - 0.25 * (slopes[j] + slopes[j + 1]) - offset
        ends = (slopes[j] - offset) * weight[j] + (slopes[j + 1] - offset) * weight[j + 1]
        cells[j] = gap[j] * (ends + 4 * middle * weight[n + j]) * (1 / 6)


@inlined()
def integrate_payout(gap, secants, slopes, cdf, cells, out) -> None:
    """∫_0^c (1 − W') F db at each node c; fills ``out`` (M,); ``cells`` (M − 1,) is room to work in."""
    _cell_integrals(gap, secants, slopes, cdf, 1.0, cells)
    total = 0.0
    out[0] = 0.0
    for j in range(cells.size):
        total -= cells[j]
        out[j + 1] = total


@inlined()
def integrate_issue(gap, secants, slopes, survival, cost, fixed_cost, cells, out) -> None:
    """∫_c^c̄ (W' − p) G di − p φ G(c) at each node c, G = 1 − F; fills ``out`` (M,); ``cells`` as above.

    At c̄ itself, where overflow leaves a firm, there is nothing to raise, and nothing is charged.
    """
    _cell_integrals(gap, secants, slopes, survival, cost, cells)
    charge, total = cost * fixed_cost, 0.0
    out[cells.size] = 0.0
    for j in range(cells.size - 1, -1, -1):
        total += cells[j]
        out[j] = total - charge * survival[j]


@inlined(fast=True)
def _complement(share) -> None:
    """1 − ``share``, in place."""
    for i in range(share.size):
        share[i] = _f32(1) - share[i]


@inlined(fast=True)
def _add_share(v: float, w: float, lower, upper, advantage: Array, out: Array) -> None:
    """Add π Δ of a mode to ``out`` (M,), with its probability between those at two time nodes, (M,) each."""
    for j in range(out.size):
        out[j] += (v * lower[j] + w * upper[j]) * advantage[j]


class SweepConstants(NamedTuple):
    """What a sweep needs of the problem and its grid; see the table of :mod:`ghm.economics.grid`."""

    time_cell: NDArray[np.int64]
    time_weight: Array
    steps_to_go: NDArray[np.int64]
    gap: Array
    """Widths of the cash cells, (M − 1,)."""
    log_points: NDArray[np.float32]
    """Logarithms of the M nodes, then of the M − 1 midpoints of cells."""
    transition: BandedOperator
    """Discounted."""
    terminal_values: Array
    """Payoff at the horizon, (M,)."""
    cost: float
    """p."""
    fixed_cost: float
    """φ."""


class SweptValues(NamedTuple):
    """A value function V at all steps, W = e^{−k dt} E[V], and what follows from them; arrays that the next sweep reuses.

    Where steps are not recorded, there is room for two steps' V and one step's W, used in turn.
    """

    values: Array
    """V, (n + 1, M): at the bootstrap steps the given function, elsewhere what the sweep finds; (2, M) unrecorded."""
    continuations: Array
    """W, (n, M); (1, M) unrecorded."""
    swept: Array
    """What the sweep found at the bootstrap steps: multi-step returns to the next one or the horizon, (R, M)."""
    residuals: Array
    """δ̄ at the bootstrap steps, (R, M); it vanishes at all others."""
    advantages: Array
    """Of paying and of issuing over holding at the time nodes, (2, 3, K, M); rows `GAIN`, `BY_MEAN`, `BY_STD`."""


@compiled()
def sweep(
    constants: SweepConstants, tables: PolicyTables, bootstrap_of_step, bootstrap_values: Array, out: SweptValues
) -> None:
    """Evaluate a policy by backward induction, starting anew from a given function at R bootstrap steps.

    Without bootstrap steps that is the policy's value. With them it is multi-step expected returns bootstrapped from the
    given function: what came before a bootstrap step continues with the function, not with what the sweep found there.

    Args:
        constants: of the problem.
        tables: the policy.
        bootstrap_of_step: row of ``bootstrap_values`` that is V at each step, −1 where the sweep goes on, (n,).
        bootstrap_values: the given function at the bootstrap steps, (R, M).
        out: filled, but for the residuals; its advantages at the time nodes that there is a step for.
    """
    modes, levels = tables
    time_cell, time_weight, steps_to_go, gap, log_points, transition, terminal_values, cost, fixed_cost = constants
    values, continuations, swept, _, advantages = out
    n_steps, n_nodes = time_cell.size, gap.size + 1
    pay, issue, cells = np.empty(n_nodes), np.empty(n_nodes), np.empty(n_nodes - 1)
    secants, slopes, inverse_gap = np.empty(n_nodes - 1), np.empty(n_nodes), 1 / gap
    weight, by_mean, by_std = (
        np.empty(log_points.size, _f32),
        np.empty(log_points.size, _f32),
        np.empty(log_points.size, _f32),
    )
    level, rows = np.empty(4, _f32), len(values)
    values[n_steps % rows] = terminal_values
    for t in range(n_steps - 1, -1, -1):
        k, w = time_cell[t], time_weight[t]
        held, value = continuations[t % len(continuations)], values[t % rows]
        apply_banded(values[(t + 1) % rows], transition.start, transition.coefficients, transition.constant, held)
        node_slopes(inverse_gap, held, secants, slopes)
        for m in range(4):
            level[m] = (1 - w) * levels[m, k] + w * levels[m, k + 1]
        level_cdf(log_points, n_nodes, level[0], level[1], weight)
        integrate_payout(gap, secants, slopes, weight, cells, pay)
        level_cdf(log_points, n_nodes, level[2], level[3], weight)
        _complement(weight)
        integrate_issue(gap, secants, slopes, weight, cost, fixed_cost, cells, issue)
        value[:] = held
        for mode, advantage in enumerate((pay, issue)):
            _add_share(1 - w, w, modes[mode, k], modes[mode, k + 1], advantage, value)
        row = bootstrap_of_step[t]
        if row >= 0:
            swept[row] = value
            value[:] = bootstrap_values[row]
        for node in (k, k + 1):
            if steps_to_go[node] == n_steps - t:
                paying, issuing = advantages[0, :, node], advantages[1, :, node]
                paying[GAIN], issuing[GAIN] = pay, issue
                level_cdf_derivatives(log_points, level[0], level[1], by_mean, by_std)
                integrate_payout(gap, secants, slopes, by_mean, cells, paying[BY_MEAN])
                integrate_payout(gap, secants, slopes, by_std, cells, paying[BY_STD])
                level_cdf_derivatives(log_points, level[2], level[3], by_mean, by_std)
                integrate_issue(gap, secants, slopes, -by_mean, cost, fixed_cost, cells, issuing[BY_MEAN])
                integrate_issue(gap, secants, slopes, -by_std, cost, fixed_cost, cells, issuing[BY_STD])


def log_points(cash: Array, shift: float) -> NDArray[np.float32]:
    """ln(x + a) of the cash nodes, then of the midpoints between them, (2M − 1,), with the shift a > 0 of levels."""
    points = np.concatenate([cash, (cash[1:] + cash[:-1]) / 2])
    logarithms: NDArray[np.float32] = np.log(points + shift).astype(np.float32)
    return logarithms
