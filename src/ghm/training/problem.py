"""The decision problem as the training engine sees it: the model on its grid, everything that no iteration changes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ghm.model import Array, GHMModel, Terminal
from ghm.policy.grid import StateGrid
from ghm.policy.networks import features
from ghm.reference.terminal import terminal_values
from ghm.reference.transition import BandedOperator, Transition
from ghm.training.sweep import log_points


@dataclass(frozen=True)
class DecisionProblem:
    """A model, a time step and a horizon, on the training grid of M cash nodes and K times to horizon."""

    model: GHMModel
    grid: StateGrid
    transition: BandedOperator
    """W = e^{−k dt} E[V] at the cash nodes from V at the cash nodes."""
    terminal_values: Array
    """Payoff at the horizon at the cash nodes, (M,)."""
    log_points: NDArray[np.float32]
    """Logarithms of the cash nodes, then of the midpoints between them, (2M − 1,)."""

    @classmethod
    def build(cls, model: GHMModel, dt: float, n_steps: int, terminal: Terminal) -> Self:
        """The problem for these settings.

        Raises:
            UserError: when the cash range needs too many nodes at this time step, or ``terminal`` needs a solution of
                the infinite-horizon problem that does not exist.
        """
        grid = StateGrid.build(model, dt, n_steps)
        return cls(
            model,
            grid,
            Transition.build(model, dt, grid.cash).value_operator(model, dt),
            terminal_values(model, terminal, grid.cash),
            log_points(grid.cash),
        )

    @cached_property
    def gap(self) -> Array:
        """Widths of the cash cells, (M − 1,)."""
        return np.diff(self.grid.cash)

    @property
    def discount(self) -> float:
        """Discount factor of one step, e^{−k dt}."""
        return float(np.exp(-self.model.discount_rate * self.grid.dt))

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Features of all nodes, time to horizon first, (K · M, 4)."""
        grid = self.grid
        cash = np.tile(grid.cash, grid.steps_to_go.size)
        time_to_horizon = np.repeat(grid.time_to_horizon, grid.cash.size)
        horizon = grid.n_steps * grid.dt
        return features(self.model, grid.dt, horizon, cash, time_to_horizon).astype(np.float32)
