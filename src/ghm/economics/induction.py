"""What backward inductions share: a cash grid fine enough for the time step, and the return from its values."""

import numpy as np
from numpy.typing import NDArray

from ghm.economics.model import Array, GHMModel
from ghm.errors import UserError

SPACING = 1 / 8
"""Distance of cash nodes in units of a step's length; docs/design/model.md shows what halving it changes."""

MIN_NODES, MAX_NODES = 400, 20_000
"""Fewest nodes, for a model whose shocks are as wide as the cash range; most, beyond which memory and time are wasted."""

SLICES = 64
"""Times to horizon at which values are kept, for figures; memory stays linear in the grid."""

NARROWEST = 0.5
"""Least width of the cash range in units of a step's shock: beyond, nearly every step leads out of the range, and moments
over cells thousands of times narrower than the shock drown in rounding."""


def cash_grid(model: GHMModel, dt: float, refinement: float = 1.0) -> Array:
    """Cash nodes from 0 to c̄, `SPACING` / ``refinement`` of a step's length apart, (M,).

    The length of a step is the root mean square of how far it leads, √(s² dt + m² dt²): its shock, and where shocks are
    next to nothing, its drift.

    Raises:
        UserError: when the time step asks for more nodes than can be had.
    """
    # The largest shock: variance is a convex parabola in cash.
    shock = model.volatility(np.array([0.0, model.c_max])).max() * np.sqrt(dt)
    if model.c_max < NARROWEST * shock:
        raise UserError(
            f"--model.c_max {model.c_max:g} is less than {NARROWEST:g} of one step's shock, {shock:g}; "
            "raise --model.c_max or lower --dt"
        )
    return graded_nodes(model, dt, SPACING / refinement, model.c_max / MIN_NODES / refinement, 0, MAX_NODES)


def graded_nodes(model: GHMModel, dt: float, spacing: float, widest: float, least: int, most: int) -> Array:
    """Cash nodes from 0 to c̄, ``spacing`` step lengths apart and no further than ``widest`` (cash), at ``least`` so many, (M,).

    Raises:
        UserError: when there would be more than ``most``.
    """
    fine = model.c_max * np.linspace(0.0, 1.0, 20_001) ** 2  # densest where levels are, however wide the range
    length = model.step_length(fine, dt)
    # Perfectly correlated shocks can cancel at one level of cash; a tenth of the length at zero keeps the grid finite.
    shortest = 0.1 * length[0] if length[0] > 0 else 0.001 * length.mean()
    density = 1.0 / np.minimum(spacing * np.maximum(length, shortest), widest)
    position = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(fine))])
    count = max(int(np.ceil(position[-1])) + 1, least)
    if count > most:
        raise UserError(
            f"--dt {dt:g} needs {count:,} cash nodes on [0, {model.c_max:g}], more than {most:,}; "
            "raise --dt, lower --model.c_max, or raise the volatilities"
        )
    nodes: Array = np.interp(np.linspace(0.0, position[-1], count), position, fine)
    nodes[0], nodes[-1] = 0.0, model.c_max
    return nodes


def mean_over_starts(nodes: Array, values: Array) -> float:
    """The mean of ``values`` (M,) over cash uniform on the grid's range: the return J."""
    return float(np.trapezoid(values, nodes) / nodes[-1])


def kept_steps(n_steps: int, asked: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Steps to go at which values are kept, increasing from 0 to n: geometric, so dense near the horizon, and those ``asked``."""
    own = np.round(np.geomspace(1, n_steps, SLICES))
    return np.unique(np.concatenate([[0], own, [] if asked is None else asked])).astype(np.int64)
