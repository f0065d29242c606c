"""The simulator: whole paths under a tabulated policy, compiled.

Steps are taken one after another for all paths of a batch at once (:mod:`ghm.simulation.steps`). The tests' reference
implementation says the same in plain NumPy.

A policy is two tables (:class:`ghm.policies.distribution.PolicyTables`), interpolated linearly: the probabilities of paying
and of issuing at the nodes of (τ, c), and the mean and standard deviation of the log-levels at the nodes of τ.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghm.economics.grid import StateGrid
from ghm.economics.model import Array, GHMModel
from ghm.io.compiled import compiled
from ghm.policies.tables import PolicyTables
from ghm.simulation.draws import TRAINING, Floats, key_words, starting_cash
from ghm.simulation.steps import (
    DrawKey,
    Dynamics,
    StepConstants,
    add_payoff,
    bins_per_cash,
    make_room,
    side_by_side,
    take_step,
)

BATCH_STEPS = 1 << 20
"""Path-steps recorded at a time: 26 bytes each."""

BATCH_PATHS = 512
"""Paths simulated at a time where only the last step is kept: what a step works on then stays in the first-level cache."""


class Paths(NamedTuple):
    """What scoring needs of N simulated paths of n steps; time is the first axis.

    Where nothing is recorded, there is room for two steps' cash and for one step of the rest, used again and again.
    """

    cash: Floats
    """Cash at the start of each step, −1 once liquidated, (n + 1, N); (2, N) unrecorded."""
    cell: NDArray[np.uint32]
    """Index j of the cash node at or below, (n, N), like all that follow; (1, N) unrecorded."""
    weight: Floats
    """Weight of cash node j + 1, (n, N)."""
    mode: NDArray[np.int8]
    """Mode drawn: 0 hold, 1 pay, 2 issue, (n, N)."""
    noise: Floats
    """Standardised draw of the log-level, (n, N)."""
    after: Floats
    """Cash after the transaction, (n, N)."""
    flow: Floats
    """Shareholders' cash flow of the step, what comes at its end discounted to its start, (n, N)."""
    returns: Array
    """Discounted sum of the flows and the terminal payoff, (N,)."""

    @classmethod
    def allocate(cls, n_steps: int, n_paths: int, recorded: bool = True) -> "Paths":
        """Room for ``n_paths`` paths; unless ``recorded``, for what the current step needs alone."""
        shape = (n_steps if recorded else 1, n_paths)
        return cls(
            cash=np.empty((shape[0] + 1, n_paths), np.float32),
            cell=np.empty(shape, np.uint32),
            weight=np.empty(shape, np.float32),
            mode=np.empty(shape, np.int8),
            noise=np.empty(shape, np.float32),
            after=np.empty(shape, np.float32),
            flow=np.empty(shape, np.float32),
            returns=np.empty(n_paths),
        )

    def first(self, n_paths: int) -> "Paths":
        """The same room, for the first ``n_paths`` only."""
        return Paths(*(first_columns(array, n_paths) for array in self))


def first_columns(array: NDArray[Any], count: int) -> NDArray[Any]:
    """Contiguous room for ``count`` columns in an array of more."""
    rows = array.size // array.shape[-1]
    return array.reshape(-1)[: rows * count].reshape(*array.shape[:-1], count)


@dataclass(frozen=True)
class Simulator:
    """Simulates paths of one problem; holds what does not change between iterations.

    Args:
        model: the model.
        grid: the grid on which policies are tabulated.
        terminal_values: payoff at the horizon at the cash nodes, (M,), interpolated linearly.
        seed: seed of all draws.
    """

    model: GHMModel
    grid: StateGrid
    terminal_values: Array
    seed: int
    dynamics: Dynamics = field(init=False)

    def __post_init__(self) -> None:
        model, grid = self.model, self.grid
        nodes = grid.cash.astype(np.float32)
        dynamics = Dynamics(
            grid.time_cell, grid.time_weight, nodes, grid.cell_of_bin, bins_per_cash(nodes, grid.cell_of_bin),
            np.float32(grid.level_shift), self.terminal_values, StepConstants.of(model, grid.dt), -model.discount_rate * grid.dt,
        )  # fmt: skip
        object.__setattr__(self, "dynamics", dynamics)

    def workspace(self, n_paths: int, recorded: bool) -> Paths:
        """Room for a batch of paths out of ``n_paths``."""
        batch = max(BATCH_STEPS // self.grid.n_steps, 16) if recorded else BATCH_PATHS
        return Paths.allocate(self.grid.n_steps, min(n_paths, batch), recorded)

    def run(
        self,
        tables: PolicyTables,
        iteration: int,
        first_path: int,
        paths: Paths,
        visits: Array,
    ) -> None:
        """Simulate paths ``first_path`` onwards of an iteration into ``paths``, and count where they go.

        Args:
            tables: the policy.
            iteration: the iteration that the draws belong to.
            first_path: number of the first path.
            paths: filled; its arrays decide how many paths are simulated.
            visits: added to: each path-step, discounted to the start, shared out to the four nodes around it, (K, M).
        """
        n_paths = paths.returns.size
        paths.cash[0] = starting_cash(self.seed, iteration, n_paths, self.model.c_max, first_path)
        draw = DrawKey(*key_words(self.seed), TRAINING, iteration, first_path)
        _simulate(self.dynamics, tables, draw, paths, visits)


@compiled()
def _simulate(dynamics: Dynamics, tables: PolicyTables, draw: DrawKey, paths: Paths, visits: Array) -> None:
    """Fill ``paths`` but for the starts, and add to ``visits``."""
    cash, cell, weight, mode, noise, after, flow, returns = paths
    n_steps, modes = dynamics.time_cell.size, side_by_side(tables.modes)
    room = make_room(dynamics.nodes.size, returns.size)
    recorded = flow.shape[0] == n_steps
    returns[:] = 0.0
    for t in range(n_steps):
        s = t if recorded else 0
        here, there = (t, t + 1) if recorded else (t % 2, (t + 1) % 2)
        take_step(
            t, dynamics, modes, tables.levels, draw, room, cash[here], cell[s], weight[s], mode[s],
            after[s], flow[s], cash[there], returns, visits,
        )  # fmt: skip
        noise[s] = room.noise[t % 2]
    add_payoff(cash[n_steps] if recorded else cash[n_steps % 2], dynamics, returns)
