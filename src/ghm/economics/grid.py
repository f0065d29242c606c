"""The tensor grid of states (cash, time to horizon) at which networks are called and between which tables are interpolated.

Cash nodes are spaced by a fixed fraction of one step's shock, s(c) √dt, everywhere: where nodes are wider than that,
interpolating a value function adds false volatility (h² V''/12 a step) that outweighs the advantage of paying now
(λ dt of the amount), and the payout level drifts off. Nodes in time to horizon are spaced geometrically in steps, since
what the firm does changes fastest near the horizon.

======  ====================  ==========  ===============================================================
symbol  name                  shape       meaning
======  ====================  ==========  ===============================================================
g       ``cash``              (M,)        cash nodes, 0 to c̄
        ``steps_to_go``       (K,)        time-to-horizon nodes in steps, 1 to n, increasing
        ``cell_of_bin``       (B + 1,)    cell in which each of B equal bins of [0, c̄] starts: finds a cell fast
        ``time_cell``         (n,)        for step t: index k of the node at or below its steps to go, n − t
        ``time_weight``       (n,)        for step t: weight of node k + 1
======  ====================  ==========  ===============================================================
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghm.economics.induction import graded_nodes
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError

SPACING = 1 / 3
"""Distance of cash nodes in units of s(c) √dt; see docs/design/estimators.md for what coarser ones cost."""

TIME_NODES = 24
"""Nodes in time to horizon: neighbours differ by a factor of 1.35 at 1,000 steps."""

LEVEL_SHIFT = 4.0
"""The shift of levels in step lengths at zero cash. In the last steps before the horizon the optimum pays everything out: a
level of zero must be within reach, and its logarithm's derivative must not vanish on the way."""

MAX_CASH_NODES = 4000
"""More nodes than this cost more than they are worth; the time step is then too fine for the cash range."""

MAX_BINS = 1 << 24
"""Most bins in which a cell is found, 64 MB of them: the widest cash range over its narrowest cell."""


@dataclass(frozen=True)
class StateGrid:
    """Nodes and what the kernels need to find a state's place among them; see the module's table."""

    cash: Array
    steps_to_go: NDArray[np.int64]
    cell_of_bin: NDArray[np.uint32]
    time_cell: NDArray[np.int64]
    time_weight: Array
    dt: float
    n_steps: int
    level_shift: float
    """a of :mod:`ghm.economics.actions`, in cash."""

    @classmethod
    def build(cls, problem: Problem, cash: Array | None = None) -> "StateGrid":
        """The grid for a problem; ``cash`` (M,) takes the place of the usual cash nodes.

        Raises:
            UserError: when the cash range needs more than ``MAX_CASH_NODES`` nodes.
        """
        model, dt, n_steps = problem.model, problem.dt, problem.n_steps
        cash = cash_nodes(model, dt) if cash is None else cash
        count = max(min(TIME_NODES, n_steps), 2)  # two even for a single step: tables are read in pairs of nodes
        # Distinct whole numbers from 1 to n: geometric where that leaves room, each at least one more than the last.
        steps = np.maximum(np.round(np.geomspace(1, n_steps, count)).astype(np.int64), np.arange(1, count + 1))
        to_go = n_steps - np.arange(n_steps)
        lower = np.clip(np.searchsorted(steps, to_go, side="right") - 1, 0, count - 2)
        weight = (to_go - steps[lower]) / (steps[lower + 1] - steps[lower])
        return cls(cash, steps, bin_cells(cash), lower, weight, dt, n_steps, LEVEL_SHIFT * model.step_from_zero(dt))

    @property
    def time_to_horizon(self) -> Array:
        """The time-to-horizon nodes in years, (K,)."""
        return np.asarray(self.steps_to_go * self.dt, dtype=np.float64)


def cash_nodes(model: GHMModel, dt: float) -> Array:
    """Cash nodes from 0 to c̄, ``SPACING`` · s(c) √dt apart, (M,).

    Raises:
        UserError: when there would be more than ``MAX_CASH_NODES``.
    """
    return graded_nodes(model, dt, SPACING, np.inf, 8, MAX_CASH_NODES)


def bin_cells(cash: Array) -> NDArray[np.uint32]:
    """The cell in which each of B equal bins starts, (B + 1,); bins are narrower than the narrowest cell.

    So the cell of c is ``cell_of_bin[⌊c B / c̄⌋]`` or the next one.

    Raises:
        UserError: when there would be more than ``MAX_BINS``.
    """
    narrowest = np.diff(cash).min()
    if not cash[-1] < MAX_BINS * narrowest:
        raise UserError(
            f"the cash range [0, {cash[-1]:g}] is more than {MAX_BINS:,} times as wide as its narrowest cell, {narrowest:g}; "
            "lower model.c_max"
        )
    bins = int(np.ceil(cash[-1] / narrowest)) + 1
    starts = np.linspace(0.0, cash[-1], bins + 1)
    return np.clip(np.searchsorted(cash, starts, side="right") - 1, 0, cash.size - 2).astype(np.uint32)
