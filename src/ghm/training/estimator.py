"""Policy-gradient estimators: from simulated paths and a value function to gradients of the return.

With δ_t(c, a) = x + W_t(y) − V_t(c), its expectation over actions δ̄_t(c), and sums discounted by e^{−k dt} a step, each
action's score is multiplied by

===============  =====================================================  ================================================
name             advantage                                              source
===============  =====================================================  ================================================
monte_carlo      reward-to-go − V_t(c_t)                                Williams 1992, with a baseline
martingale       Σ_{j ≥ t} δ_j                                          Henderson and Glynn 2002; Dai and Gluzman 2022
conditional      exact gradient Σ_a ∇π(a) δ_t(c, a) at the nodes,       the same, actions integrated out
                 weighted by visits; score × Σ_{j > t} δ̄_j(c_j)
===============  =====================================================  ================================================

Each is unbiased for any V (``conditional`` up to the interpolation of advantages between nodes). V is the value network's
table, or that table corrected by one exact sweep backward (``baseline = "sweep"``); corrected, δ̄ vanishes, and with it
the sampled part of ``conditional``: what remains random is only where the paths go.
"""

from dataclasses import dataclass, field

import numpy as np

from ghm.model import Array
from ghm.policy.distribution import PolicyTables
from ghm.simulation.kernel import Paths, Simulator
from ghm.training import scores
from ghm.training.config import Baseline, Estimator
from ghm.training.problem import DecisionProblem
from ghm.training.sweep import sweep

VALUE_STRIDE = 4
"""Where V is known everywhere, the value network is fitted at every fourth cash node: they are as dense as the step
needs them, four times denser than a smooth network does."""


@dataclass(frozen=True)
class GradientEstimate:
    """Gradients of the return with respect to the policy's tables, and what the value network should fit."""

    modes: Array
    """With respect to the probabilities of hold, pay and issue, (3, K, M)."""
    levels: Array
    """With respect to mean and standard deviation of ln b and of ln i, (4, K)."""
    visits: Array
    """Expected discounted visits of each node a path, (K, M)."""
    value_target: Array
    """What the value network should be at the nodes, (K, M)."""
    value_weight: Array
    """Weight of each node in that fit, sum 1, (K, M)."""
    simulated_return: float
    """Mean return of the paths."""

    def is_finite(self) -> bool:
        """Whether every figure is a finite number."""
        arrays = (self.modes, self.levels, self.visits, self.value_target)
        return bool(np.isfinite(self.simulated_return)) and all(bool(np.isfinite(array).all()) for array in arrays)


@dataclass(frozen=True)
class TabulatedValues:
    """A value function V at all steps, W = e^{−k dt} E[V], one step of the Bellman operator on V, and the advantages."""

    values: Array
    """V, (n + 1, M)."""
    continuations: Array
    """W, (n, M)."""
    residuals: Array | None
    """δ̄, (n, M); None where it vanishes."""
    advantages: Array
    """Δ, ∂Δ/∂μ, ∂Δ/∂σ of paying and of issuing over holding at the time nodes, (K, 6, M)."""


@dataclass(frozen=True)
class GradientEstimator:
    """Estimates the policy gradient of one decision problem.

    Args:
        problem: the problem.
        simulator: simulates its paths.
        estimator: name of the estimator.
        baseline: where V comes from.
        n_paths: paths an iteration.
    """

    problem: DecisionProblem
    simulator: Simulator
    estimator: Estimator
    baseline: Baseline
    n_paths: int
    _paths: Paths = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_paths", Paths.allocate(self.problem.grid.n_steps, self.simulator.batch_size(self.n_paths))
        )

    def __call__(self, tables: PolicyTables, network_values: Array | None, iteration: int) -> GradientEstimate:
        """The gradient at a policy.

        Args:
            tables: the policy.
            network_values: the value network's table (K, M); None will do where ``baseline`` is ``sweep``.
            iteration: number of the iteration, which decides the draws.
        """
        grid = self.problem.grid
        values = self.tabulate(tables, network_values)
        shape = (grid.steps_to_go.size, grid.cash.size)
        modes, levels = np.zeros((3, *shape)), np.zeros((4, shape[0]))
        visits, residual_sum = np.zeros(shape), np.zeros(shape)
        total = 0.0
        for first in range(0, self.n_paths, self._paths.returns.size):
            paths = self._paths.first(min(self._paths.returns.size, self.n_paths - first))
            self.simulator.run(tables, iteration, first, paths)
            total += float(paths.returns.sum())
            scores.count_visits(
                paths.cash, paths.cell, paths.weight, grid.time_cell, grid.time_weight, self.problem.discount, visits
            )
            advantages = self._sampled_advantages(paths, values)
            if advantages is not None:
                scores.add_scores(
                    paths.cash, paths.cell, paths.weight, paths.mode, paths.noise, advantages, *tables,
                    grid.time_cell, grid.time_weight, self.problem.discount, modes, levels, residual_sum,
                )  # fmt: skip
        for array in (modes, levels, visits, residual_sum):
            array /= self.n_paths
        if self.estimator == "conditional":
            _add_exact_part(tables, values.advantages, visits, modes, levels)
        target, weight = self._value_fit(values, visits, residual_sum)
        return GradientEstimate(modes, levels, visits, target, weight, total / self.n_paths)

    def tabulate(self, tables: PolicyTables, network_values: Array | None) -> TabulatedValues:
        """V at all steps and what follows from it."""
        problem, grid = self.problem, self.problem.grid
        n_steps, n_nodes = grid.n_steps, grid.cash.size
        stepped, continuations = np.empty((n_steps + 1, n_nodes)), np.empty((n_steps, n_nodes))
        advantages = np.empty((grid.steps_to_go.size, 6, n_nodes))
        following = stepped
        if self.baseline == "network":
            assert network_values is not None
            k, w = grid.time_cell, grid.time_weight[:, None]
            interpolated = (1 - w) * network_values[k] + w * network_values[k + 1]
            following = np.concatenate([interpolated, problem.terminal_values[None]])
        sweep(
            *tables, grid.time_cell, grid.time_weight, grid.steps_to_go, problem.gap, problem.log_points,
            *problem.transition, problem.terminal_values, problem.model.proportional_cost,
            problem.model.fixed_cost, following, continuations, stepped, advantages,
        )  # fmt: skip
        residuals = None if following is stepped else stepped[:-1] - following[:-1]
        return TabulatedValues(following, continuations, residuals, advantages)

    def _sampled_advantages(self, paths: Paths, values: TabulatedValues) -> Array | None:
        """What each sampled action's score is multiplied by, (n, N); None if nothing is."""
        model, grid, discount = self.problem.model, self.problem.grid, self.problem.discount
        nothing = np.zeros(paths.returns.size)
        out = np.empty(paths.cell.shape)
        if self.estimator == "conditional":
            if values.residuals is None:
                return None
            scores.expected_residuals(paths.cell, paths.weight, values.residuals, out)
            scores.sum_backward(_alive(paths, out), nothing, discount, True, out)
        elif self.estimator == "martingale":
            scores.one_step_advantages(
                paths.cash, paths.cell, paths.weight, paths.after, grid.cash, grid.cell_of_bin,
                values.values, values.continuations, model.proportional_cost, model.fixed_cost, out,
            )  # fmt: skip
            scores.sum_backward(_alive(paths, out), nothing, discount, False, out)
        else:
            scores.baseline_values(paths.cell, paths.weight, grid.cash, values.values, out)
            payoff = np.interp(paths.cash[-1], grid.cash, self.problem.terminal_values)
            last = np.where(paths.cash[-1] >= 0, payoff, 0.0)
            to_go = np.empty_like(out)
            scores.sum_backward(paths.flow, last, discount, False, to_go)
            np.subtract(to_go, out, out=out)
        return out

    def _value_fit(self, values: TabulatedValues, visits: Array, residual_sum: Array) -> tuple[Array, Array]:
        """Targets of the value network at the nodes, and their weights: V + A on average over the paths' visits."""
        at_nodes = values.values[self.problem.grid.n_steps - self.problem.grid.steps_to_go]
        if self.baseline == "sweep":  # V is the policy's value already, everywhere
            weight = np.zeros(at_nodes.shape)
            weight[:, ::VALUE_STRIDE] = 1.0
            return at_nodes, weight / weight.sum()
        residual = np.divide(residual_sum, visits, out=np.zeros_like(visits), where=visits > 0)
        if self.estimator == "conditional" and values.residuals is not None:  # its sums leave out the step itself
            residual += values.residuals[self.problem.grid.n_steps - self.problem.grid.steps_to_go]
        return at_nodes + residual, visits / visits.sum()


def _alive(paths: Paths, rewards: Array) -> Array:
    """Rewards of steps after liquidation are none."""
    rewards[paths.cash[:-1] < 0] = 0.0
    return rewards


def _add_exact_part(tables: PolicyTables, advantages: Array, visits: Array, modes: Array, levels: Array) -> None:
    """Add Σ_a ∇π(a) δ(c, a) at each node times the node's visits; holding is the mode that others are measured against."""
    for mode, row in ((0, 0), (1, 3)):
        modes[mode + 1] += visits * advantages[:, row]
        weighted = visits * tables.modes[mode]
        levels[2 * mode] += (weighted * advantages[:, row + 1]).sum(axis=1)
        levels[2 * mode + 1] += (weighted * advantages[:, row + 2]).sum(axis=1)
