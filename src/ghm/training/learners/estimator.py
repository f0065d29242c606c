"""Policy-gradient estimators with the transition law: from simulated paths and a value function to gradients of the return.

With δ_t(c, a) = x + W_t(y) − V_t(c), its expectation over actions δ̄_t(c), and sums discounted by e^{−k dt} a step, each
action's score is multiplied by

===============  =====================================================  ================================================
name             advantage                                              source
===============  =====================================================  ================================================
monte_carlo      reward-to-go − V_t(c_t)                                Williams 1992, with a baseline
martingale       Σ_{j ≥ t} δ_j                                          Henderson and Glynn 2002; Dai and Gluzman 2022
conditional      exact gradient Σ_a ∇π(a) δ_t(c, a) at the nodes,       the same, actions integrated out
                 weighted by visits; score × Σ_{j > t} δ̄_j(c_j)
bootstrap        the exact gradient of ``conditional`` alone            n-step returns, Sutton and Barto 2018, chapter 7
===============  =====================================================  ================================================

The first three are unbiased for any V (``conditional`` up to the interpolation of advantages between nodes). ``bootstrap``
leaves out the tail: it has next to no variance, and a bias where V is not the policy's value.

V comes from the sweep backward (:mod:`ghm.training.learners.sweep`). With ``baseline = "exact"`` it is the policy's own value, δ̄
vanishes, and ``conditional`` and ``bootstrap`` are one. With ``baseline = "network"`` the sweep starts anew from the value
network's function at the bootstrap steps, and δ̄ vanishes at all other steps.
"""

from dataclasses import dataclass, field

import numpy as np

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Paths, Simulator
from ghm.training.learners import scores
from ghm.training.learners.sweep import ADVANTAGE_ROWS, BY_MEAN, BY_STD, GAIN, SweptValues, sweep
from ghm.training.problem import GriddedProblem
from ghm.training.settings import Estimator


@dataclass(frozen=True)
class GradientEstimate:
    """Gradients of the return with respect to the policy's tables, and what the value network should fit."""

    modes: Array
    """With respect to the probabilities of hold, pay and issue, (3, K, M)."""
    levels: Array
    """With respect to mean and standard deviation of B and of I, (4, K)."""
    visits: Array
    """Expected discounted visits of each node a path, (K, M)."""
    value_target: Array
    """What the value network should be where :meth:`Learner.given_values` gives it, (R, M)."""
    simulated_return: float
    """Mean return of the paths."""
    sampled: bool = False
    """Whether scores of sampled actions are part of it, and with them their noise."""
    value_weight: Array | None = None
    """How much each of the value network's errors counts, (R, M); None: all alike."""

    def is_finite(self) -> bool:
        """Whether every figure is a finite number."""
        arrays = (self.modes, self.levels, self.visits, self.value_target)
        return bool(np.isfinite(self.simulated_return)) and all(bool(np.isfinite(array).all()) for array in arrays)


@dataclass(frozen=True)
class GradientEstimator:
    """Estimates the policy gradient of one problem.

    Args:
        problem: the problem.
        simulator: simulates its paths.
        estimator: name of the estimator.
        n_paths: paths an iteration.
    """

    problem: GriddedProblem
    simulator: Simulator
    estimator: Estimator
    n_paths: int
    _paths: Paths = field(init=False)
    _room: tuple[Array, Array] = field(init=False)

    def __post_init__(self) -> None:
        grid = self.problem.grid
        # Only sampled scores look at the paths and their values again.
        recorded = self.estimator != "bootstrap"
        object.__setattr__(self, "_paths", self.simulator.workspace(self.n_paths, recorded))
        # Made once: fresh pages would cost more than what is written into them.
        shape = (grid.n_steps if recorded else 1, grid.cash.size)
        object.__setattr__(self, "_room", (np.empty((shape[0] + 1, shape[1])), np.empty(shape)))

    def __call__(self, tables: PolicyTables, bootstrap_values: Array | None, iteration: int) -> GradientEstimate:
        """The gradient at a policy.

        Args:
            tables: the policy.
            bootstrap_values: the value network's function at the bootstrap nodes, (R, M); None: V is the policy's own.
            iteration: number of the iteration, which decides the draws.
        """
        grid = self.problem.grid
        values = self.sweep(tables, bootstrap_values)
        shape = (grid.steps_to_go.size, grid.cash.size)
        modes, levels, visits = np.zeros((3, *shape)), np.zeros((4, shape[0])), np.zeros(shape)
        total, sampled = 0.0, False
        for first in range(0, self.n_paths, self._paths.returns.size):
            paths = self._paths.first(min(self._paths.returns.size, self.n_paths - first))
            self.simulator.run(tables, iteration, first, paths, visits)
            total += float(paths.returns.sum())
            advantages = self._sampled_advantages(paths, values)
            if advantages is not None:
                sampled = True
                scores.add_scores(
                    paths, advantages, tables, grid.time_cell, grid.time_weight, self.problem.discount, modes, levels
                )
        for array in (modes, levels, visits):
            array /= self.n_paths
        if self.estimator in ("conditional", "bootstrap"):
            add_exact_part(tables, values.advantages, visits, modes, levels)
        return GradientEstimate(modes, levels, visits, values.swept, total / self.n_paths, sampled)

    def sweep(self, tables: PolicyTables, bootstrap_values: Array | None) -> SweptValues:
        """V at all steps and what follows from it: the policy's own value, or bootstrapped from ``bootstrap_values``."""
        return sweep_tables(self.problem, tables, bootstrap_values, self._room)

    def _sampled_advantages(self, paths: Paths, values: SweptValues) -> Array | None:
        """What each sampled action's score is multiplied by, (n, N); None if nothing is."""
        model, grid, discount = self.problem.model, self.problem.grid, self.problem.discount
        if self.estimator == "bootstrap" or (self.estimator == "conditional" and len(values.residuals) == 0):
            return None
        nothing = np.zeros(paths.returns.size)
        out = np.zeros(paths.cell.shape)
        if self.estimator == "conditional":
            for step, residual in zip(self.problem.bootstrap_steps, values.residuals, strict=True):
                scores.expected_residuals(paths.cell[step], paths.weight[step], residual, out[step])
            scores.sum_backward(_alive(paths, out), nothing, discount, True, out)
        elif self.estimator == "martingale":
            scores.one_step_advantages(
                paths, grid.cash, grid.cell_of_bin, values, model.proportional_cost, model.fixed_cost, out
            )
            scores.sum_backward(_alive(paths, out), nothing, discount, False, out)
        else:
            scores.baseline_values(paths.cell, paths.weight, grid.cash, values.values, out)
            payoff = np.interp(paths.cash[-1], grid.cash, self.problem.terminal_values)
            last = np.where(paths.cash[-1] >= 0, payoff, 0.0)
            to_go = np.empty_like(out)
            scores.sum_backward(paths.flow, last, discount, False, to_go)
            np.subtract(to_go, out, out=out)
        return out


def sweep_tables(
    problem: GriddedProblem,
    tables: PolicyTables,
    bootstrap_values: Array | None,
    workspace: tuple[Array, Array] | None = None,
) -> SweptValues:
    """One sweep backward under a policy; ``workspace`` for V and W, as `SweptValues` has them, spares making it anew."""
    grid = problem.grid
    n_steps, n_nodes = grid.n_steps, grid.cash.size
    values, continuations = workspace or (np.empty((n_steps + 1, n_nodes)), np.empty((n_steps, n_nodes)))
    given = np.empty((0, n_nodes)) if bootstrap_values is None else bootstrap_values
    bootstrap_of_step = np.full(n_steps, -1)
    if bootstrap_values is not None:
        bootstrap_of_step[problem.bootstrap_steps] = np.arange(len(given))
    # Zeros, since a single step fills one of its two time nodes only.
    advantages = np.zeros((2, ADVANTAGE_ROWS, grid.steps_to_go.size, n_nodes))
    out = SweptValues(values, continuations, np.empty_like(given), np.empty_like(given), advantages)
    sweep(problem.sweep_constants, tables, bootstrap_of_step, given, out)
    np.subtract(out.swept, given, out=out.residuals)
    return out


def _alive(paths: Paths, rewards: Array) -> Array:
    """Rewards of steps after liquidation are none."""
    rewards[paths.cash[:-1] < 0] = 0.0
    return rewards


def add_exact_part(tables: PolicyTables, advantages: Array, visits: Array, modes: Array, levels: Array) -> None:
    """Add Σ_a ∇π(a) δ(c, a) at each node times the node's visits; holding is the mode that others are measured against."""
    for mode, rows in enumerate(advantages):
        modes[mode + 1] += visits * rows[GAIN]
        weighted = visits * tables.modes[mode]
        levels[2 * mode] += (weighted * rows[BY_MEAN]).sum(axis=1)
        levels[2 * mode + 1] += (weighted * rows[BY_STD]).sum(axis=1)
