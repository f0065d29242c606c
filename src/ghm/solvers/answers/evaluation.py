"""A policy judged: exact returns beside the optimum's, what it does, a simulated check, and a verdict in words.

Trained policies and those from elsewhere are judged by the same figures; a training brings its own, faster way to the returns.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ghm.economics.action_rule import ActionRule, Returns
from ghm.economics.actions import Actions, Policy
from ghm.economics.induction import cash_grid
from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.policies.adapters import RememberedPolicy, as_policy
from ghm.policies.table_files import load_table
from ghm.solvers.answers.comparison import Comparison, compare
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.levels import PolicyLevels, policy_levels
from ghm.solvers.policy_value import policy_value
from ghm.solvers.solution import Solution
from ghm.solvers.validation.simulation import SimulatedReturn, simulate
from ghm.solvers.verdict import Verdict, judge

FIRMS, SLOW_FIRMS = 4_000, 400
"""Firms of the simulated check: standard errors of 3e-4 and 1e-3 of the default optimum's return; fewer for a function of one
state at a time, which is asked a thousand times for each."""

AGREE = 4.0
"""Standard errors between exact and simulated return beyond which something is wrong: one evaluation in 16,000 by chance."""

CERTAIN = 1e-9
"""Spread of a mode's probability or of a level below which a policy leaves nothing to chance."""


@dataclass(frozen=True)
class ExactEvaluation:
    """The exact figures of a policy, cheap enough for every line of a training's log."""

    policy: Policy
    solution: Solution
    """The optimum."""
    returns: Returns
    """J under both action rules; the same where the policy leaves nothing to chance."""
    chosen: ActionRule | None = dataclasses.field(default=None, kw_only=True)
    """The action rule that is judged, where others than exact returns chose it."""

    @property
    def problem(self) -> Problem:
        """What the policy is judged on."""
        return self.solution.problem

    @cached_property
    def levels(self) -> PolicyLevels:
        """What the policy does with the whole horizon ahead."""
        return policy_levels(self.policy, self.problem.model, self.problem.T)

    @property
    def action_rule(self) -> ActionRule:
        """The better of the policy's two action rules, which is what is judged."""
        return self.chosen or self.returns.action_rule

    @property
    def exact_return(self) -> float:
        """J under the better action rule."""
        return self.returns.of(self.action_rule)

    @property
    def randomised_return(self) -> float:
        """J of the policy that draws modes and levels."""
        return self.returns.randomised

    @property
    def greedy_return(self) -> float:
        """J of the policy that takes the most likely mode and the median levels."""
        return self.returns.greedy

    @property
    def captured_value(self) -> float | None:
        """(J − J₀)/(J* − J₀): 0 no better than immediate liquidation, 1 optimal; None where that is optimal."""
        return self.solution.captured_value(self.exact_return)

    @property
    def loss(self) -> float | None:
        """(J* − J)/J*, the share of firm value that is lost; None where the optimum is worth nothing."""
        return self.solution.loss(self.exact_return)

    def figures(self) -> dict[str, Any]:
        """The figures as in docs/design/records.md."""
        return {
            "exact_return": self.exact_return,
            **{f"{rule}_return": value for rule, value in self.returns._asdict().items()},
            "action_rule": self.action_rule,
            "captured_value": self.captured_value,
            "loss": self.loss,
            **dataclasses.asdict(self.levels),
        }


@dataclass(frozen=True)
class PolicyEvaluation(ExactEvaluation):
    """What a policy is worth, what it does, and what is wrong with it, beside the optimum."""

    draws: bool
    """Whether it leaves anything to chance."""
    verdict: Verdict
    simulated: SimulatedReturn
    """The better action rule, simulated: the check of the exact return."""

    @classmethod
    def of(cls, exact: ExactEvaluation, draws: bool = True, firms: int = FIRMS, seed: int = 0) -> Self:
        """The whole evaluation from the exact one: a verdict, and a check that owes nothing to what computed the returns.

        Raises:
            UserError: as :func:`ghm.solvers.policy_value`.
        """
        rule = exact.action_rule
        verdict = judge(exact.policy, exact.solution, rule, achieved=exact.exact_return)
        simulated = simulate(exact.policy, exact.problem, firms, seed, randomised=rule == "randomised")
        return cls(exact.policy, exact.solution, exact.returns, draws, verdict, simulated, chosen=exact.chosen)

    @property
    def agrees(self) -> bool:
        """Whether simulation confirms the exact return."""
        return abs(self.simulated.mean - self.exact_return) <= AGREE * self.simulated.standard_error

    def compare(self, cash: ArrayLike | None = None, times: ArrayLike | None = None) -> Comparison:
        """The policy beside the optimum on a grid, state by state; arguments as :func:`ghm.solve`.

        Raises:
            UserError: when the grid leaves its range.
        """
        return compare(self.policy, self.problem, cash, times, self.action_rule)

    def metrics(self) -> dict[str, Any]:
        """All figures of the policy and, beside them, of the optimum, as in docs/design/records.md."""
        optimum = {**dataclasses.asdict(self.solution.initial_levels), **dataclasses.asdict(self.verdict.optimal)}
        return {
            **self.figures(),
            "optimal_return": self.solution.optimal_return,
            "wind_up_return": self.solution.wind_up_return,
            "monte_carlo_return": self.simulated.mean,
            "monte_carlo_standard_error": self.simulated.standard_error,
            "monte_carlo_agrees": self.agrees,
            "verdict": self.verdict.name,
            "verdict_text": self.verdict.text,
            **dataclasses.asdict(self.verdict.learned),
            **{f"optimal_{name}": value for name, value in optimum.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """The metrics, and what they were found on, in JSON types."""
        return {"draws": self.draws, **self.metrics(), **self.problem.to_dict()}


def evaluate(
    policy: Policy | Callable[..., Any] | str | Path,
    model: GHMModel | Problem | None = None,
    dt: float | None = None,
    T: float | None = None,
    terminal: Terminal | None = None,
    *,
    name: str = "",
    firms: int | None = None,
) -> PolicyEvaluation:
    """Judge a policy, wherever it comes from.

    Args:
        policy: A callable of cash (N,) and time to horizon that returns ``ghm.Actions``, or the pair ``(payout,
            issue)`` of amounts of cash; or the path of a .npz file (:func:`ghm.solvers.answers.load_table`).
        model: The model, or the whole problem; None: what the file says, or the default one.
        dt: Length of a step (years); None: what the file says, or 0.01.
        T: Horizon (years), a whole multiple of ``dt``; None: what the file says, or 10.
        terminal: What shareholders get at the horizon; None: what the file says, or ``liquidation``.
        name: How messages call the policy.
        firms: Simulated firms of the check; None: 4,000, or 400 if the policy is a function of one state at a time.

    Raises:
        UserError: when the policy fails or answers what no firm can do, or the problem cannot be solved.

    Example:
        >>> import numpy as np, ghm
        >>> def pay_above(cash, time_to_horizon):
        ...     return np.maximum(cash - 0.2, 0.0), 0.0 * cash
        >>> round(ghm.evaluate(pay_above, dt=0.05, T=1.0).captured_value, 2)
        0.88
    """
    given: dict[str, Any] = {}
    if isinstance(policy, str | Path):
        table = load_table(policy)
        policy, given, name = table.policy, table.problem, name or str(policy)
    if not callable(policy):
        raise UserError(
            f"policy must be a function of (cash, time_to_horizon), or the path of a .npz file; received {type(policy).__name__}"
        )
    asked = {"model": model, "dt": dt, "T": T, "terminal": terminal}
    given |= {key: value for key, value in asked.items() if value is not None}
    problem = model if isinstance(model, Problem) else Problem(**given)
    foreign = as_policy(policy, name)
    remembered = RememberedPolicy(foreign, cash_grid(problem.model, problem.dt), problem.n_steps)
    solution = dynamic_program(problem)
    greedy = policy_value(remembered, problem)
    times = solution.time_to_horizon[1:].tolist()
    draws = any(_uncertain(remembered(solution.cash, time)) for time in times)
    returns = Returns(policy_value(remembered, problem, randomised=True) if draws else greedy, greedy)
    firms = firms or (SLOW_FIRMS if foreign.one_by_one else FIRMS)
    return PolicyEvaluation.of(ExactEvaluation(remembered, solution, returns), draws, firms)


def _uncertain(actions: Actions) -> bool:
    modes = actions.mode_probabilities
    if np.any((modes > CERTAIN) & (modes < 1 - CERTAIN)):
        return True
    pays, issues = modes[:, 1] > CERTAIN, modes[:, 2] > CERTAIN
    return bool(np.any(actions.payout_log_std[pays] > CERTAIN) or np.any(actions.issue_log_std[issues] > CERTAIN))
