"""The exact one-step expectation of a value function on a grid: a banded linear operator.

From cash y after the transaction, c' = y + m(y) dt + s(y) √dt Z, where m is the drift under the pricing law or, to count firms,
under their own. For V given at the nodes 0 = g_0 < … < g_{M−1} = c̄ and interpolated by a C¹ piecewise cubic,

    W(y) = e^{−k dt} E[ V(c') 1{0 < c' ≤ c̄} + ℓ 1{c' ≤ 0} + (V(c̄) + c' − c̄) 1{c' > c̄} ]

is linear in the node values, W = e^{−k dt} (P V + ℓ q + o): P holds the weights of the nodes, q the probability of
liquidation, o the expected overflow. On each cell V is a cubic in c', and the Gaussian moments of order 0 to 3 over a
cell have closed forms, so that there is no quadrature error and the jump from V(0) to ℓ at zero is exact.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ghm.economics.model import Array, GHMModel, Law
from ghm.errors import UserError
from ghm.io.compiled import compiled, inlined

REACH = 7.5
"""Standard deviations on either side that the band covers; the probability beyond is 6e-14."""

LEAST_DEVIATION = 5e-10
"""Least standard deviation of a step, as a share of the cash there is: a share, since the unit of cash must not matter."""

VECTOR = 16
"""Bands are as wide as a multiple of this, where the grid has room: four vectors of four numbers, so that no product is left to
be taken by itself. 64 columns take two thirds of the time of 53."""

ROWS = 4
"""Rows whose bands start at one column: what they are multiplied by is read once, and their sums do not wait for each other."""

CHUNK = 256
"""Rows built at a time, so that memory stays linear in the grid."""


class BandedOperator(NamedTuple):
    """A linear map from M nodes to K points; row i starts at column ``start[i]``, as do the others of its `ROWS`."""

    start: NDArray[np.int64]
    """First column of each row's band, (K,)."""
    coefficients: Array
    """The bands, (K, B)."""
    constant: Array
    """What is added, (K,)."""

    def apply(self, values: Array) -> Array:
        """The map of ``values`` (M,), (K,)."""
        out = np.empty(self.constant.size)
        _apply(values, *self, out)
        return out


@inlined(fast=True)
def apply_banded(values: Array, start, coefficients: Array, constant: Array, out: Array) -> None:
    """Fill ``out`` (K,) with the banded operator's map of ``values`` (M,)."""
    n_rows, width = coefficients.shape
    whole = n_rows - n_rows % ROWS
    for i in range(0, whole, ROWS):
        first = np.uint64(start[i])  # unsigned: a sign would be tested, and keep the loop scalar
        a, b, c, d = constant[i], constant[i + 1], constant[i + 2], constant[i + 3]
        for j in range(width):
            value = values[first + np.uint64(j)]
            a += coefficients[i, j] * value
            b += coefficients[i + 1, j] * value
            c += coefficients[i + 2, j] * value
            d += coefficients[i + 3, j] * value
        out[i], out[i + 1], out[i + 2], out[i + 3] = a, b, c, d
    for i in range(whole, n_rows):
        total, first = constant[i], np.uint64(start[i])
        for j in range(width):
            total += coefficients[i, j] * values[first + np.uint64(j)]
        out[i] = total


@compiled()
def _apply(values: Array, start, coefficients: Array, constant: Array, out: Array) -> None:
    apply_banded(values, start, coefficients, constant, out)


@dataclass(frozen=True)
class Transition:
    """Where one step leads from each of K points: onto M nodes, into liquidation, over the top."""

    start: NDArray[np.int64]
    """First column of each row's band of P, (K,)."""
    coefficients: Array
    """The bands of P, (K, B)."""
    liquidation: Array
    """Probability of c' ≤ 0, (K,)."""
    overflow: Array
    """E[max(c' − c̄, 0)] in cash, (K,)."""

    @classmethod
    def build(cls, model: GHMModel, dt: float, nodes: Array, points: Array | None = None, law: Law = "pricing") -> Self:
        """The transition from ``points`` (K,), by default the nodes themselves, onto ``nodes`` (M,), under one of the two laws.

        Raises:
            UserError: when there are fewer than 4 nodes, or they do not increase from 0.
        """
        if nodes.size < 4 or nodes[0] != 0 or np.any(np.diff(nodes) <= 0):
            raise UserError(f"a cash grid needs at least 4 nodes increasing from 0; received {nodes.size} nodes")
        points = nodes if points is None else points
        mean = points + model.drift_under(law, points) * dt
        # A step without shocks is the limit of a tiny one; with a much smaller one rounding would decide.
        least = LEAST_DEVIATION * np.maximum(points, model.step_from_zero(dt))
        deviation = np.maximum(model.volatility(points) * np.sqrt(dt), least)
        groups = np.arange(0, points.size, ROWS)
        # Three more nodes on either side: a cell's end nodes, and the neighbours that a node's slope reaches to.
        first = np.minimum.reduceat(np.searchsorted(nodes, mean - REACH * deviation) - 3, groups)
        last = np.maximum.reduceat(np.searchsorted(nodes, mean + REACH * deviation) + 3, groups)
        needed = int((last - first).max()) + 1
        width = min(-(-needed // VECTOR) * VECTOR, nodes.size)
        start = np.repeat(np.clip(first, 0, nodes.size - width), ROWS)[: points.size].astype(np.int64)
        slopes = _slope_stencil(nodes)
        coefficients = np.concatenate(
            [
                _bands(mean[i : i + CHUNK], deviation[i : i + CHUNK], start[i : i + CHUNK], width, nodes, slopes)
                for i in range(0, points.size, CHUNK)
            ]
        )
        top = (nodes[-1] - mean) / deviation
        above = ndtr(-top)
        at_top = nodes.size - 1 - start
        reaches = at_top < width
        coefficients[reaches, at_top[reaches]] += above[reaches]
        overflow = deviation * (_density(top) - top * above)
        return cls(start, np.ascontiguousarray(coefficients), ndtr(-mean / deviation), overflow)

    def value_operator(self, model: GHMModel, dt: float) -> BandedOperator:
        """W as a function of V under the pricing law: discounted, with ℓ in liquidation and the overflow paid out."""
        discount = np.exp(-model.discount_rate * dt)
        constant = model.liquidation_value * self.liquidation + self.overflow
        return BandedOperator(self.start, discount * self.coefficients, discount * constant)

    def expectation_operator(self, at_liquidation: float) -> BandedOperator:
        """E[f(c')], not discounted, of an f that is ``at_liquidation`` below zero and f(c̄) above c̄."""
        return BandedOperator(self.start, self.coefficients, at_liquidation * self.liquidation)


def transition_on(model: GHMModel, dt: float, nodes: Array, law: Law = "pricing") -> Transition:
    """The transition from ``nodes`` (M,) onto themselves under one of the two laws; shared, so not to be written into.

    Remembered: the end of a training solves one problem seven times, on two grids, and counts its firms on one of them.

    Raises:
        UserError: as :meth:`Transition.build`.
    """
    return _remembered(model, dt, nodes.tobytes(), law)


@lru_cache(maxsize=3)
def _remembered(model: GHMModel, dt: float, nodes: bytes, law: Law) -> Transition:
    return Transition.build(model, dt, np.frombuffer(nodes), law=law)


def _density(z: Array) -> Array:
    density: Array = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return density


def _slope_stencil(nodes: Array) -> Array:
    """Weights (M, 3) of nodes j−1, j, j+1 in the slope at node j: the parabola through the three.

    At the ends the parabola is that of the nearest inner node; then the three nodes are the first or the last three.
    """
    gap = np.diff(nodes)
    left, right = gap[:-1], gap[1:]
    stencil = np.empty((nodes.size, 3))
    stencil[1:-1, 0] = -right / (left * (left + right))
    stencil[1:-1, 2] = left / (right * (left + right))
    stencil[1:-1, 1] = -stencil[1:-1, 0] - stencil[1:-1, 2]
    stencil[0] = -stencil[1] + np.array([-2, 2, 0]) / gap[0]
    stencil[-1] = -stencil[-2] + np.array([0, -2, 2]) / gap[-1]
    return stencil


def _bands(mean: Array, deviation: Array, start: NDArray[np.int64], width: int, nodes: Array, slopes: Array) -> Array:
    """Undiscounted coefficients of rows with these means and standard deviations, (rows, width)."""
    rows, size = mean.size, nodes.size
    cells = start[:, None] + np.arange(width - 1)
    lower, upper = nodes[cells], nodes[cells + 1]
    gap = upper - lower
    a, b = (lower - mean[:, None]) / deviation[:, None], (upper - mean[:, None]) / deviation[:, None]
    density_a, density_b = _density(a), _density(b)
    # Central moments of Z over the cell; the tail's form on the right keeps relative accuracy far out.
    i0 = np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    i1 = density_a - density_b
    i2 = i0 + a * density_a - b * density_b
    i3 = 2 * i1 + a * a * density_a - b * b * density_b
    # Powers of the cell's own coordinate w = (c' − g_j)/h = β (Z − a).
    beta = deviation[:, None] / gap
    m0 = i0
    m1 = beta * (i1 - a * i0)
    m2 = beta**2 * (i2 - 2 * a * i1 + a**2 * i0)
    m3 = beta**3 * (i3 - 3 * a * i2 + 3 * a**2 * i1 - a**3 * i0)
    out = np.zeros((rows, width))
    out[:, :-1] += m0 - 3 * m2 + 2 * m3
    out[:, 1:] += 3 * m2 - 2 * m3
    slope_weight = np.zeros((rows, width))
    slope_weight[:, :-1] += gap * (m1 - 2 * m2 + m3)
    slope_weight[:, 1:] += gap * (m3 - m2)
    node = start[:, None] + np.arange(width)
    centre = np.clip(node, 1, size - 2)
    row = np.arange(rows)[:, None]
    for offset in (-1, 0, 1):
        column = centre + offset - start[:, None]
        inside = (column >= 0) & (column < width)  # outside the band the weights are below 1e-16
        np.add.at(
            out,
            (np.broadcast_to(row, column.shape)[inside], column[inside]),
            (slope_weight * slopes[node, offset + 1])[inside],
        )
    return out
