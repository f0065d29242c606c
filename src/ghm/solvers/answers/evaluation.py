"""Any policy judged by the standard that trained ones are judged by: ``ghm.evaluate``."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ghm.economics.action_rule import ActionRule, better_rule
from ghm.economics.actions import Actions, Policy
from ghm.economics.evaluation_grid import require_problem
from ghm.economics.induction import cash_grid
from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.policies.adapters import RememberedPolicy, as_policy
from ghm.policies.table_files import load_table
from ghm.solvers.answers.comparison import Comparison, compare
from ghm.solvers.levels import PolicyLevels, policy_levels
from ghm.solvers.policy_value import policy_value
from ghm.solvers.store import Reference, solve
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
class PolicyEvaluation:
    """What a policy is worth, what it does, and what is wrong with it, beside the optimum."""

    policy: Policy
    model: GHMModel
    dt: float
    T: float
    terminal: Terminal
    reference: Reference
    """The optimum."""
    greedy_return: float
    """J of the policy that takes the most likely mode and the median levels."""
    stochastic_return: float
    """J of the policy that draws modes and levels; the same where it leaves nothing to chance."""
    draws: bool
    """Whether it leaves anything to chance."""
    levels: PolicyLevels
    """What it does with the whole horizon ahead."""
    verdict: Verdict
    simulated: SimulatedReturn
    """The better reading, simulated: the check of the exact return."""

    @property
    def reading(self) -> ActionRule:
        """The better of the policy's two readings, which is what is judged."""
        return better_rule(self.stochastic_return, self.greedy_return)

    @property
    def exact_return(self) -> float:
        """J of the better reading."""
        return max(self.stochastic_return, self.greedy_return)

    @property
    def captured_value(self) -> float | None:
        """(J − J₀)/(J* − J₀): 0 no better than closing the firm, 1 optimal; None where closing it is optimal."""
        return self.reference.captured_value(self.exact_return)

    @property
    def agrees(self) -> bool:
        """Whether simulation confirms the exact return."""
        return abs(self.simulated.mean - self.exact_return) <= AGREE * self.simulated.standard_error

    def compare(self, cash: ArrayLike | None = None, times: ArrayLike | None = None) -> Comparison:
        """The policy beside the optimum on a grid, state by state; arguments as :func:`ghm.solve`.

        Raises:
            UserError: when the grid leaves its range.
        """
        return compare(self.policy, self.model, self.dt, self.T, self.terminal, cash, times, self.reading)

    def to_dict(self) -> dict[str, Any]:
        """The figures in JSON types, named as in docs/design/records.md."""
        reference = self.reference
        return {
            "exact_return": self.exact_return,
            "stochastic_return": self.stochastic_return,
            "greedy_return": self.greedy_return,
            "reading": self.reading,
            "draws": self.draws,
            "captured_value": self.captured_value,
            "optimal_return": reference.optimal_return,
            "wind_up_return": reference.wind_up_return,
            "monte_carlo_return": self.simulated.mean,
            "monte_carlo_standard_error": self.simulated.standard_error,
            "monte_carlo_agrees": self.agrees,
            "verdict": self.verdict.name,
            "verdict_text": self.verdict.text,
            **dataclasses.asdict(self.verdict.learned),
            **{f"optimal_{name}": value for name, value in dataclasses.asdict(self.verdict.optimal).items()},
            "payout_level": self.levels.payout_level,
            "issue_below": self.levels.issue_below,
            "issue_target": self.levels.issue_target,
            "optimal_payout_level": reference.payout_level,
            "optimal_issue_below": reference.issue_below,
            "optimal_issue_target": reference.issue_target,
            "dt": self.dt,
            "T": self.T,
            "terminal": self.terminal,
            "model": dataclasses.asdict(self.model),
        }


def evaluate(
    policy: Policy | Callable[..., Any] | str | Path,
    model: GHMModel | None = None,
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
        model: The model; None: what the file says, or the default one.
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
    problem: dict[str, Any] = {}
    if isinstance(policy, str | Path):
        table = load_table(policy)
        policy, problem, name = table.policy, table.problem, name or str(policy)
    if not callable(policy):
        raise UserError(
            f"policy must be a function of (cash, time_to_horizon), or the path of a .npz file; received {type(policy).__name__}"
        )
    if model is None:
        model = problem.get("model", GHMModel())
    if not isinstance(model, GHMModel):
        raise UserError(f"model must be a ghm.GHMModel; received {type(model).__name__}; write dt=… and T=… by name")
    dt = problem.get("dt", 0.01) if dt is None else dt
    T = problem.get("T", 10.0) if T is None else T
    terminal = problem.get("terminal", "liquidation") if terminal is None else terminal
    require_problem(dt, T, terminal)
    n_steps = round(T / dt)
    foreign = as_policy(policy, name)
    asked = RememberedPolicy(foreign, cash_grid(model, dt, n_steps), n_steps)
    reference = solve(model, dt, T, terminal)
    exact = policy_value(asked, model, dt, T, terminal)
    draws = _draws(asked, reference)
    drawn = policy_value(asked, model, dt, T, terminal, stochastic=True) if draws else exact
    reading, firms = better_rule(drawn, exact), firms or (SLOW_FIRMS if foreign.one_by_one else FIRMS)
    return PolicyEvaluation(
        asked, model, dt, T, terminal, reference,
        greedy_return=exact,
        stochastic_return=drawn,
        draws=draws,
        levels=policy_levels(asked, model, T),
        verdict=judge(asked, model, dt, T, terminal, reference, reading, achieved=max(drawn, exact)),
        simulated=simulate(asked, model, dt, T, terminal, firms, stochastic=reading == "stochastic"),
    )  # fmt: skip


def _draws(policy: Policy, reference: Reference) -> bool:
    return any(_uncertain(policy(reference.cash, time)) for time in reference.time_to_horizon[1:].tolist())


def _uncertain(actions: Actions) -> bool:
    modes = actions.mode_probabilities
    if np.any((modes > CERTAIN) & (modes < 1 - CERTAIN)):
        return True
    pays, issues = modes[:, 1] > CERTAIN, modes[:, 2] > CERTAIN
    return bool(np.any(actions.payout_log_std[pays] > CERTAIN) or np.any(actions.issue_log_std[issues] > CERTAIN))
