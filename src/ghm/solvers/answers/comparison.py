"""A policy beside the optimum, state by state: maps of both, their differences, and how large these are."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from ghm.economics.action_rule import ActionRule, greedy
from ghm.economics.actions import Policy
from ghm.economics.evaluation_grid import write_states
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.solvers.dynamic_program import solve
from ghm.solvers.levels import policy_levels
from ghm.solvers.policy_value import deterministic_cash, expected_cash, policy_values
from ghm.solvers.solution import Solution


@dataclass(frozen=True)
class MapError:
    """How far the policy is from the optimum in one respect, over the grid, each state counting the same."""

    mean_absolute: float | None
    """None where there is nothing to compare: one of the two never does it at any time."""
    root_mean_square: float | None

    @classmethod
    def of(cls, difference: Array) -> "MapError":
        """Of a map or curve of differences, missing where either lacks the quantity."""
        known = difference[np.isfinite(difference)]
        if known.size == 0:
            return cls(None, None)
        return cls(float(np.abs(known).mean()), float(np.sqrt((known**2).mean())))


@dataclass(frozen=True)
class Comparison:
    """What a policy does and is worth over (c, τ), beside the optimum; every array is of the same grid."""

    solution: Solution
    cash: Array
    """(M,)."""
    time_to_horizon: Array
    """Without 0, where nothing is done, (S,)."""
    columns: Mapping[str, Array]
    """Arrays (S, M), (S, M, 3) or (S,) by name, as they are written."""
    action_rule: ActionRule
    """Of the policy, whose value and cash after the transaction they are."""

    def errors(self) -> dict[str, MapError]:
        """Mean absolute and root mean square difference, learned − optimum, by quantity."""
        suffix = "_difference"
        return {
            name.removesuffix(suffix): MapError.of(values)
            for name, values in self.columns.items()
            if name.endswith(suffix)
        }

    def save(self, path: str | Path) -> None:
        """Write everything into a .npz or .csv file; ``ghm evaluate`` reads the .npz file as a policy.

        Raises:
            UserError: when the ending is neither, or the file cannot be written.
        """
        write_states(Path(path), self.cash, self.time_to_horizon, self.columns, self.solution.problem, self.action_rule)

    def error_figures(self) -> dict[str, dict[str, float | None]]:
        """:meth:`errors` in JSON types."""
        return {name: dataclasses.asdict(error) for name, error in self.errors().items()}


def compare(
    policy: Policy,
    problem: Problem,
    cash: ArrayLike | None = None,
    times: ArrayLike | None = None,
    action_rule: ActionRule = "greedy",
) -> Comparison:
    """Lay a policy beside the optimum on a grid; arguments as :func:`ghm.solve`, and the action rule whose value it is.

    Cash after the transaction is the mean over what is drawn where the policy is read as it acts; levels are those of its most
    likely actions in any case.

    Raises:
        UserError: when the grid leaves its range, or the problem cannot be solved at these settings.
    """
    model, best = problem.model, solve(problem, cash=cash, times=times)
    rows = best.time_to_horizon > 0
    nodes, taus = best.cash, best.time_to_horizon[rows]
    steps: NDArray[np.int64] = np.round(best.time_to_horizon / problem.dt).astype(np.int64)
    exact = policy_values(policy, problem, action_rule == "randomised", kept=steps)
    kept = np.searchsorted(np.round(exact.time_to_horizon / problem.dt).astype(np.int64), steps[rows])
    value = PchipInterpolator(exact.cash, exact.values[kept], axis=1)(nodes)
    columns: dict[str, Array] = {"mode_probabilities": np.empty((taus.size, nodes.size, 3))}
    for name in ("payout_level", "issue_target", "payout_log_std", "issue_log_std"):
        columns[name] = np.empty((taus.size, nodes.size))
    columns["level_shift"] = np.empty(taus.size)
    after, optimal_after = np.empty((2, taus.size, nodes.size))
    for row, tau in enumerate(taus.tolist()):
        actions = policy(nodes, tau)
        columns["mode_probabilities"][row] = actions.mode_probabilities
        _, columns["payout_level"][row], columns["issue_target"][row] = greedy(nodes, actions)
        columns["payout_log_std"][row], columns["issue_log_std"][row] = actions.payout_log_std, actions.issue_log_std
        columns["level_shift"][row] = actions.level_shift
        after[row] = expected_cash(nodes, actions, model.c_max, action_rule)
        optimal_after[row] = deterministic_cash(nodes, best.policy(nodes, tau), model.c_max)
    columns |= _beside("value", value, best.values[rows])
    columns |= _beside("cash_after", after, optimal_after)
    # Both are read off in the same way: the lowest cash that is paid from, the highest that is issued from.
    levels = [[policy_levels(one, model, tau) for tau in taus.tolist()] for one in (policy, best.policy)]
    for name, level in (
        ("pays_above", "payout_level"),
        ("issues_below", "issue_below"),
        ("issues_up_to", "issue_target"),
    ):
        columns |= _beside(name, *(np.array([getattr(at, level) for at in rows], dtype=float) for rows in levels))
    return Comparison(best, nodes, taus, columns, action_rule)


def _beside(name: str, learned: Array, optimal: Array) -> dict[str, Any]:
    """A quantity of the policy, of the optimum, and learned − optimum."""
    return {name: learned, f"optimal_{name}": optimal, f"{name}_difference": learned - optimal}
