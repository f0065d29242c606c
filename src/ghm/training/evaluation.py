"""Judging a policy: its exact return beside the optimum's, a simulated check, what it does, and a verdict in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ghm.actions import ISSUE, PAY, Policy
from ghm.policy.distribution import PolicyTables
from ghm.policy.tabulated import TabulatedPolicy
from ghm.reference.levels import PolicyLevels, policy_levels
from ghm.reference.policy_value import most_likely, policy_value
from ghm.reference.store import Reference
from ghm.reference.verdict import judge
from ghm.simulation.kernel import Paths, Simulator
from ghm.simulation.random import HELD_OUT, HELD_OUT_STARTS
from ghm.training.config import TrainConfig
from ghm.training.problem import DecisionProblem

HELD_OUT_PATHS = 20_000
"""Paths of the simulated check: a standard error of about 0.005, a tenth of a second."""

WARNING_ERRORS = 4.0
"""Standard errors between exact and simulated return beyond which something is wrong: one run in 16,000 by chance."""


@dataclass(frozen=True)
class Evaluation:
    """The exact figures of a deterministic policy, cheap enough for every evaluation of a run."""

    exact_return: float
    captured_value: float | None
    levels: PolicyLevels


@dataclass(frozen=True)
class SimulatedReturn:
    """Mean return over held-out paths and its standard error."""

    mean: float
    standard_error: float


def evaluate(policy: Policy, config: TrainConfig, reference: Reference) -> Evaluation:
    """Exact return, captured value and levels of the deterministic policy."""
    value = policy_value(policy, config.model, config.dt, config.T, config.terminal)
    levels = policy_levels(policy, config.model, config.T)
    return Evaluation(value, reference.captured_value(value), levels)


def simulate_deterministic(problem: DecisionProblem, policy: TabulatedPolicy, seed: int) -> SimulatedReturn:
    """Return of the deterministic policy over `HELD_OUT_PATHS` paths whose draws no training uses."""
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, seed)
    batch = simulator.batch_size(HELD_OUT_PATHS)
    paths = Paths.allocate(problem.grid.n_steps, batch)
    tables = deterministic(policy)
    returns = []
    for first in range(0, HELD_OUT_PATHS, batch):
        part = paths.first(min(batch, HELD_OUT_PATHS - first))
        simulator.run(tables, 0, first, part, streams=(HELD_OUT, HELD_OUT_STARTS))
        returns.append(part.returns.copy())
    sample = np.concatenate(returns)
    return SimulatedReturn(float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(sample.size)))


def deterministic(policy: TabulatedPolicy) -> PolicyTables:
    """Tables of the policy that takes the most likely mode at each node and the median levels."""
    grid = policy.grid
    chosen = [most_likely(grid.cash, policy(grid.cash, float(time)))[0] for time in grid.time_to_horizon]
    modes = np.stack([np.stack(chosen) == mode for mode in (PAY, ISSUE)]).astype(np.float32)
    levels = policy.tables.levels.copy()
    levels[1::2] = 1e-6  # a spread too small to matter; zero would divide by it
    return PolicyTables(modes, levels)


def full_metrics(
    problem: DecisionProblem, tables: PolicyTables, config: TrainConfig, reference: Reference
) -> dict[str, Any]:
    """Metrics of a policy as in docs/design/records.md: return, check, levels, verdict, and the optimum beside them."""
    policy = TabulatedPolicy(problem.grid, tables)
    evaluation = evaluate(policy, config, reference)
    simulated = simulate_deterministic(problem, policy, config.seed)
    verdict = judge(policy, config.model, config.dt, config.T, config.terminal, reference)
    return {
        "captured_value": evaluation.captured_value,
        "optimal_return": reference.optimal_return,
        "wind_up_return": reference.wind_up_return,
        "monte_carlo_return": simulated.mean,
        "monte_carlo_standard_error": simulated.standard_error,
        "monte_carlo_agrees": abs(simulated.mean - evaluation.exact_return)
        <= WARNING_ERRORS * simulated.standard_error,
        "verdict": verdict.name,
        "verdict_text": verdict.text,
        "payout_level": evaluation.levels.payout_level,
        "issue_below": evaluation.levels.issue_below,
        "issue_target": evaluation.levels.issue_target,
        "optimal_payout_level": reference.payout_level,
        "optimal_issue_below": reference.issue_below,
        "optimal_issue_target": reference.issue_target,
    }
