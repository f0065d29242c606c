"""The discrete-time, finite-horizon problem as training sees it: on its grid, with everything that no iteration changes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ghm.economics.grid import StateGrid
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.economics.transition import BandedOperator, transition_on
from ghm.policies.networks import features
from ghm.solvers.terminal import terminal_values
from ghm.training.learners.sweep import SweepConstants, log_points

POLICY_STRIDE, VALUE_STRIDE = 3, 6
"""Networks are called at every third and every sixth cash node: those are as dense as the sweep needs them, and networks are
far smoother."""

SHORTEST_RETURN = 16
"""Steps of the shortest return that is bootstrapped. A policy that pays maps every state above its level to one, so a few
steps behind a bootstrap node slopes are right however wrong the value network's are; nearer the horizon than this, returns
are complete."""


@dataclass(frozen=True)
class GriddedProblem:
    """A problem on the training grid of M cash nodes and K times to horizon."""

    problem: Problem
    grid: StateGrid
    terminal_values: Array
    """Payoff at the horizon at the cash nodes, (M,)."""
    log_points: NDArray[np.float32]
    """Logarithms of the cash nodes, then of the midpoints between them, (2M − 1,)."""

    @classmethod
    def build(cls, problem: Problem, cash: Array | None = None) -> Self:
        """``problem`` on training's own grid of cash or on ``cash`` (M,).

        Raises:
            UserError: when the cash range needs too many nodes at this time step, or the terminal condition needs a
                solution of the infinite-horizon problem that does not exist.
        """
        grid = StateGrid.build(problem, cash)
        return cls(
            problem,
            grid,
            terminal_values(problem, grid.cash),
            log_points(grid.cash, grid.level_shift),
        )

    @property
    def model(self) -> GHMModel:
        """The problem's model."""
        return self.problem.model

    @property
    def discount(self) -> float:
        """Discount factor of one step, e^{−k dt}."""
        return self.problem.discount

    @cached_property
    def transition(self) -> BandedOperator:
        """W = e^{−k dt} E[V] at the cash nodes from V at the cash nodes: the transition law, which only some learners ask for."""
        return transition_on(self.model, self.grid.dt, self.grid.cash).value_operator(self.model, self.grid.dt)

    @cached_property
    def bootstrap_nodes(self) -> NDArray[np.int64]:
        """Time nodes at which multi-step returns are bootstrapped from the value network, (R,)."""
        chosen, last = [], 0
        for node, steps in enumerate(self.grid.steps_to_go[:-1]):
            if steps >= last + SHORTEST_RETURN:
                chosen.append(node)
                last = int(steps)
        return np.array(chosen, dtype=np.int64)

    @property
    def bootstrap_steps(self) -> NDArray[np.int64]:
        """The steps t at which that is, (R,)."""
        return self.grid.n_steps - self.grid.steps_to_go[self.bootstrap_nodes]

    @cached_property
    def sweep_constants(self) -> SweepConstants:
        """What a sweep needs of the problem."""
        grid, model = self.grid, self.model
        return SweepConstants(
            grid.time_cell, grid.time_weight, grid.steps_to_go, np.diff(grid.cash), self.log_points, self.transition,
            self.terminal_values, model.proportional_cost, model.fixed_cost,
        )  # fmt: skip

    @cached_property
    def policy_nodes(self) -> NDArray[np.int64]:
        """Cash nodes at which the policy network is called, (N,), both ends among them."""
        return every(POLICY_STRIDE, self.grid.cash.size)

    @cached_property
    def policy_spread(self) -> Array:
        """Linear interpolation from the policy nodes to the cash nodes, (N, M)."""
        cash = self.grid.cash
        return np.stack([np.interp(cash, cash[self.policy_nodes], row) for row in np.eye(self.policy_nodes.size)])

    @cached_property
    def value_nodes(self) -> NDArray[np.int64]:
        """Cash nodes at which the value network is called and fitted, (N,), both ends among them."""
        return every(VALUE_STRIDE, self.grid.cash.size)

    @cached_property
    def value_spread(self) -> Array:
        """Interpolation by a cubic spline from the value nodes to the cash nodes, (N, M): slopes of values decide."""
        nodes = self.grid.cash[self.value_nodes]
        interpolation_matrix: Array = CubicSpline(nodes, np.eye(nodes.size))(self.grid.cash).T
        return interpolation_matrix

    @cached_property
    def cash_unit(self) -> float:
        """What a month changes cash by from zero, in cash: the unit in which learning measures returns."""
        return self.model.step_from_zero(1 / 12)

    @cached_property
    def value_scale(self) -> float:
        """What the horizon changes cash by, in cash: drift as an annuity of T years, shocks as their root mean square."""
        k, horizon = self.model.discount_rate, self.problem.T
        annuity = -np.expm1(-k * horizon) / k
        at_zero, at_top = np.hypot(
            self.model.drift(ends := np.array([0.0, self.model.c_max])) * annuity,
            self.model.volatility(ends) * np.sqrt(horizon),
        )
        return float(at_zero or at_top)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Features of all nodes, (K, M, 4)."""
        grid = self.grid
        cash = np.tile(grid.cash, grid.steps_to_go.size)
        time_to_horizon = np.repeat(grid.time_to_horizon, grid.cash.size)
        every = features(self.problem, cash, time_to_horizon).astype(np.float32)
        return every.reshape(grid.steps_to_go.size, grid.cash.size, -1)


def every(stride: int, count: int) -> NDArray[np.int64]:
    """Every ``stride``-th of ``count`` nodes, and the last."""
    return np.unique(np.append(np.arange(0, count, stride), count - 1))
