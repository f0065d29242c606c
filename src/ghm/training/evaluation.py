"""Judging a policy: its exact return beside the optimum's, a simulated check, what it does, and a verdict in words."""

from dataclasses import asdict, dataclass
from typing import Any

from ghm.economics.action_rule import ActionRule, better_rule
from ghm.economics.grid import StateGrid
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.solvers.levels import PolicyLevels, policy_levels
from ghm.solvers.store import Reference
from ghm.solvers.validation.simulation import SimulatedReturn, simulate
from ghm.solvers.verdict import judge
from ghm.training.exact import ExactReturns, Returns
from ghm.training.settings import TrainConfig

CHECK_PATHS = 4000
"""Paths of the simulated check: a standard error of 3e-4 with the defaults, 0.05% of captured value, in a second."""

WARNING_ERRORS = 4.0
"""Standard errors between exact and simulated return beyond which something is wrong: one run in 16,000 by chance."""


@dataclass(frozen=True)
class Evaluation:
    """The exact figures of a policy, cheap enough for every line of a run's log."""

    returns: Returns
    captured_value: float | None
    """Of the better reading."""
    levels: PolicyLevels

    def record(self) -> dict[str, Any]:
        """The figures as in docs/design/records.md."""
        return {
            "exact_return": self.returns.best,
            "stochastic_return": self.returns.stochastic,
            "greedy_return": self.returns.greedy,
            "reading": self.returns.reading,
            "captured_value": self.captured_value,
            "payout_level": self.levels.payout_level,
            "issue_below": self.levels.issue_below,
            "issue_target": self.levels.issue_target,
        }


@dataclass(frozen=True)
class Evaluator:
    """Evaluates the policies of one training.

    Args:
        grid: the grid that policies are tabulated on.
        config: settings of the training.
        reference: the optimum.
        returns: computes exact returns.
    """

    grid: StateGrid
    config: TrainConfig
    reference: Reference
    returns: ExactReturns

    def __call__(self, tables: PolicyTables) -> Evaluation:
        """Exact returns of both readings, captured value and levels."""
        returns = self.returns(tables)
        levels = policy_levels(TabulatedPolicy(self.grid, tables), self.config.model, self.config.T)
        return Evaluation(returns, self.reference.captured_value(returns.best), levels)

    def choose(self, tables: PolicyTables, returns: Returns) -> tuple[ActionRule, float]:
        """The better reading of a policy, and the return that policies are compared by: as `select` says, exact or simulated."""
        if self.config.select == "exact":
            return returns.reading, returns.best
        # Draws of their own, the same for all policies of a run: the check after it would else repeat the luck of the choice.
        seed = self.config.seed + 1
        stochastic, greedy = (self._simulate(tables, rule, seed).mean for rule in ("stochastic", "greedy"))
        return better_rule(stochastic, greedy), max(stochastic, greedy)

    def _simulate(self, tables: PolicyTables, reading: str, seed: int) -> SimulatedReturn:
        config, policy = self.config, TabulatedPolicy(self.grid, tables)
        problem = (config.model, config.dt, config.T, config.terminal)
        # The most likely action is taken in each state of a path, so this is no simulation of tables: an independent check.
        return simulate(policy, *problem, CHECK_PATHS, seed, reading == "stochastic")

    def full_metrics(self, tables: PolicyTables) -> dict[str, Any]:
        """Metrics of a policy as in docs/design/records.md: returns, check, levels, verdict, and the optimum beside them."""
        config, reference = self.config, self.reference
        evaluation = self(tables)
        reading, _ = self.choose(tables, evaluation.returns)
        achieved = evaluation.returns.of(reading)
        simulated = self._simulate(tables, reading, config.seed)
        problem = (config.model, config.dt, config.T, config.terminal)
        verdict = judge(TabulatedPolicy(self.grid, tables), *problem, reference, reading, achieved=achieved)
        return {
            **evaluation.record(),
            "exact_return": achieved,
            "reading": reading,
            "captured_value": reference.captured_value(achieved),
            "optimal_return": reference.optimal_return,
            "wind_up_return": reference.wind_up_return,
            "monte_carlo_return": simulated.mean,
            "monte_carlo_standard_error": simulated.standard_error,
            "monte_carlo_agrees": abs(simulated.mean - achieved) <= WARNING_ERRORS * simulated.standard_error,
            "verdict": verdict.name,
            "verdict_text": verdict.text,
            **asdict(verdict.learned),
            "optimal_payout_level": reference.payout_level,
            "optimal_issue_below": reference.issue_below,
            "optimal_issue_target": reference.issue_target,
            **{f"optimal_{name}": value for name, value in asdict(verdict.optimal).items()},
        }
