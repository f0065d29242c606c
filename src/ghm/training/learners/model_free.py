"""Gradients of the return from simulated paths and the accounting of a transaction alone: no transition law.

===============  ============================================================  ===========================================
name             gradient                                                      critic
===============  ============================================================  ===========================================
after_state      exact Σ_a ∇π(a) (x + W(y)) at the nodes, weighted by visits   W, of the cash that a transaction leaves:
                                                                               :mod:`ghm.training.learners.after_state`
gae              score × generalised advantage                                 V, the value network, fitted to λ-returns:
                                                                               :mod:`ghm.training.learners.returns`
monte_carlo      the same with λ = 1                                           the same with λ = 1
===============  ============================================================  ===========================================

``monte_carlo`` is unbiased. ``gae`` is biased where V errs, ``after_state`` where W does, whose errors are its noise, what
a straight line between nodes misses, and that it remembers earlier policies.
"""

from dataclasses import dataclass, field

import numpy as np

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Paths, Simulator
from ghm.simulation.pairs import BATCH_PATHS, PairedPaths, run_pairs
from ghm.training.learners import returns, scores
from ghm.training.learners.after_state import AfterStateCritic
from ghm.training.learners.estimator import GradientEstimate, add_exact_part
from ghm.training.problem import GriddedProblem


@dataclass(frozen=True)
class AfterStateEstimator:
    """Actions integrated out through a critic of the cash that they leave.

    Args:
        problem: the problem.
        simulator: simulates its paths.
        critic: fitted at each call to the paths of it.
        n_paths: paths an iteration.
    """

    problem: GriddedProblem
    simulator: Simulator
    critic: AfterStateCritic
    n_paths: int
    _pairs: PairedPaths = field(init=False)

    def __post_init__(self) -> None:
        room = PairedPaths.allocate(self.problem.grid.n_steps, min(self.n_paths, BATCH_PATHS))
        object.__setattr__(self, "_pairs", room)

    def __call__(self, tables: PolicyTables, _given_values: Array | None, iteration: int) -> GradientEstimate:
        """The gradient at a policy; ``iteration`` decides the draws."""
        modes, levels, visits = _room(self.problem)
        total = 0.0
        self.critic.forget()
        for first in range(0, self.n_paths, self._pairs.returns.size):
            pairs = self._pairs.first(min(self._pairs.returns.size, self.n_paths - first))
            run_pairs(self.simulator, tables, iteration, first, pairs, visits)
            self.critic.observe(pairs)
            total += float(pairs.returns.sum())
        visits /= self.n_paths
        self.critic.fit()
        add_exact_part(tables, self.critic.advantages(tables), visits, modes, levels)
        nothing = np.empty((0, self.problem.grid.cash.size))
        return GradientEstimate(modes, levels, visits, nothing, total / self.n_paths)


@dataclass(frozen=True)
class ReturnsEstimator:
    """Scores of sampled actions, multiplied by generalised advantages.

    Args:
        problem: the problem.
        simulator: simulates its paths.
        trace: λ.
        n_paths: paths an iteration.
    """

    problem: GriddedProblem
    simulator: Simulator
    trace: float
    n_paths: int
    _paths: Paths = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_paths", self.simulator.workspace(self.n_paths, recorded=True))

    def __call__(self, tables: PolicyTables, values: Array | None, iteration: int) -> GradientEstimate:
        """The gradient at a policy.

        Args:
            tables: the policy.
            values: the critic's function V at the nodes, (K, M).
            iteration: number of the iteration, which decides the draws.
        """
        assert values is not None
        grid, discount = self.problem.grid, self.problem.discount
        modes, levels, visits = _room(self.problem)
        sums, counts = np.zeros_like(visits), np.zeros_like(visits)
        total = 0.0
        for first in range(0, self.n_paths, self._paths.returns.size):
            paths = self._paths.first(min(self._paths.returns.size, self.n_paths - first))
            self.simulator.run(tables, iteration, first, paths, visits)
            total += float(paths.returns.sum())
            payoff = np.interp(paths.cash[-1], grid.cash, self.problem.terminal_values)
            advantages = np.empty(paths.cell.shape)
            returns.generalised_advantages(
                paths, np.where(paths.cash[-1] >= 0, payoff, 0.0), values, grid.time_cell, grid.time_weight, discount,
                self.trace, advantages, sums, counts,
            )  # fmt: skip
            scores.add_scores(paths, advantages, tables, grid.time_cell, grid.time_weight, discount, modes, levels)
        for array in (modes, levels, visits):
            array /= self.n_paths
        target, weight = self._at_value_nodes(sums, counts, values)
        return GradientEstimate(modes, levels, visits, target, total / self.n_paths, sampled=True, value_weight=weight)

    def _at_value_nodes(self, sums: Array, counts: Array, values: Array) -> tuple[Array, Array]:
        """Target and weight of each node at which the value network is called; elsewhere V, and none, (K, M)."""
        cash, nodes = self.problem.grid.cash, self.problem.value_nodes
        spread = np.stack([np.interp(cash, cash[nodes], row) for row in np.eye(nodes.size)]).T
        weight, target, around = np.zeros_like(counts), values.copy(), sums @ spread
        weight[:, nodes] = counts @ spread
        target[:, nodes] += np.divide(around, weight[:, nodes], out=np.zeros_like(around), where=weight[:, nodes] > 0)
        return target, weight


def _room(problem: GriddedProblem) -> tuple[Array, Array, Array]:
    """Nothing yet: gradients by modes (3, K, M) and levels (4, K), and visits (K, M)."""
    shape = (problem.grid.steps_to_go.size, problem.grid.cash.size)
    return np.zeros((3, *shape)), np.zeros((4, shape[0])), np.zeros(shape)
