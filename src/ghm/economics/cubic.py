"""The C¹ piecewise cubic through values at nodes: the one function of cash between nodes that everything exact agrees on.

Its slope at a node is that of the parabola through the node and its two neighbours, at an end that of the nearest inner
parabola; :mod:`ghm.economics.transition` integrates the same cubic.
"""

from typing import Any, NamedTuple, Self

import numpy as np

from ghm.economics.model import Array
from ghm.io.compiled import compiled, inlined


@inlined(fast=True)
def node_slopes(inverse_gap: Array, values: Array, secants: Array, slopes: Array) -> None:
    """Fill the secants of the cells (M − 1,) and the slopes at the nodes (M,) from ``values`` (M,) there.

    ``inverse_gap`` (M − 1,) is one over the cells' widths.
    """
    last = inverse_gap.size
    for j in range(last):
        secants[j] = (values[j + 1] - values[j]) * inverse_gap[j]
    for j in range(1, last):
        left, right = inverse_gap[j - 1], inverse_gap[j]
        slopes[j] = (secants[j - 1] * left + secants[j] * right) / (left + right)
    slopes[0] = 2 * secants[0] - slopes[1]
    slopes[last] = 2 * secants[last - 1] - slopes[last - 1]


@inlined()
def within_cell(width: Any, weight: Any, value: Any, slope: Any, next_value: Any, next_slope: Any) -> Any:
    """The cubic within a cell, from values and slopes at both ends; ``weight`` is that of the upper end, 0 to 1."""
    rest = 1 - weight
    left = (1 + 2 * weight) * value + weight * width * slope
    right = (3 - 2 * weight) * next_value - rest * width * next_slope
    return rest * rest * left + weight * weight * right


@inlined()
def at_points(nodes: Array, values: Array, slopes: Array, points: Array, out: Array) -> None:
    """The cubic at points within the nodes' range, (N,); fills ``out`` (N,)."""
    j = 0
    for i in range(points.size):
        c = points[i]
        if not (nodes[j] <= c <= nodes[j + 1]):  # most points lie in the last one's cell or at a node
            j = min(max(np.searchsorted(nodes, c, side="right") - 1, 0), nodes.size - 2)
        h = nodes[j + 1] - nodes[j]
        out[i] = within_cell(h, (c - nodes[j]) / h, values[j], slopes[j], values[j + 1], slopes[j + 1])


@compiled()
def _node_slopes(inverse_gap: Array, values: Array, secants: Array, slopes: Array) -> None:
    node_slopes(inverse_gap, values, secants, slopes)


@compiled()
def _at_points(nodes: Array, values: Array, slopes: Array, points: Array, out: Array) -> None:
    at_points(nodes, values, slopes, points, out)


class Cubic(NamedTuple):
    """The cubic through values at nodes, as a function."""

    nodes: Array
    """Increasing, (M,)."""
    values: Array
    """At the nodes, (M,)."""
    slopes: Array
    """At the nodes, (M,)."""

    @classmethod
    def through(cls, nodes: Array, values: Array) -> Self:
        """The cubic through ``values`` (M,) at ``nodes`` (M,)."""
        secants, slopes = np.empty(nodes.size - 1), np.empty(nodes.size)
        _node_slopes(1 / np.diff(nodes), values, secants, slopes)
        return cls(nodes, values, slopes)

    def __call__(self, points: Array) -> Array:
        """Its values at points of any shape within the nodes' range."""
        out = np.empty(points.size)
        _at_points(*self, np.ascontiguousarray(points).ravel(), out)
        return out.reshape(points.shape)
