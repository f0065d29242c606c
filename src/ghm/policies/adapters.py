"""Policies from elsewhere, made into the language of :mod:`ghm.economics.actions`.

Two kinds of callable are understood, told apart by what they return for ``(cash, time_to_horizon)``:

==========================  ============================================================================================
returns                     meaning
==========================  ============================================================================================
``ghm.Actions``     distributions of the action at N values of cash
a pair ``(payout, issue)``  amounts of cash paid out and raised, one of them 0; arrays (N,), or numbers if it is a
                            function of one state
==========================  ============================================================================================
"""

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from ghm.economics.action_rule import certain_actions
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, Policy
from ghm.economics.model import Array
from ghm.errors import UserError

ROUNDING = 1e-9
"""Share of the cash by which a payout may exceed it, and a probability 1: networks compute in single precision."""

REMEMBERED = 5_000_000
"""States at which answers are kept, at most: seven numbers each, 280 MB."""


class ForeignPolicy:
    """A callable from elsewhere as a policy; what it answers is checked.

    Args:
        function: The callable; see the module's table.
        name: How messages call it.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function, self._name = function, name
        self.one_by_one = False  # whether it turned out to be a function of one state at a time

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,).

        Raises:
            UserError: when the callable fails, or answers what no firm can do.
        """
        answer = self._ask(cash, time_to_horizon)
        if isinstance(answer, Actions):
            return self._checked(answer, cash, time_to_horizon)
        payout, issue = self._amounts(answer, cash)
        return self._transaction(cash, payout, issue, time_to_horizon)

    def _ask(self, cash: Array, time_to_horizon: float) -> Any:
        """The answer at all values of cash at once, or, from a function of one state, one after the other."""
        if not self.one_by_one:
            try:
                answer = self._function(cash, time_to_horizon)
            except (TypeError, ValueError) as error:
                if cash.size == 0:
                    raise
                problem: Exception = error
            except Exception as error:
                raise self._failure(error, cash, time_to_horizon) from error
            else:
                if isinstance(answer, Actions) or self._fits(answer, cash):
                    return answer
                raise self._misunderstood(answer)
            # Numbers instead of arrays, as in `if cash > 0.2`, are what such errors usually come from.
            try:
                self._function(float(cash[0]), time_to_horizon)
            except Exception:
                raise self._failure(problem, cash, time_to_horizon) from problem
            self.one_by_one = True
        rows = []
        for value in cash.tolist():
            try:
                answer = self._function(value, time_to_horizon)
            except Exception as error:
                raise self._failure(error, np.array([value]), time_to_horizon) from error
            if not self._fits(answer, np.empty(1)):
                raise self._misunderstood(answer)
            rows.append([float(np.asarray(part).reshape(())) for part in answer])
        return np.array(rows, dtype=float).reshape(-1, 2).T

    def _fits(self, answer: Any, cash: Array) -> bool:
        try:
            parts = [np.asarray(part, dtype=float) for part in answer]
        except (TypeError, ValueError):
            return False
        return len(parts) == 2 and all(part.shape in ((), (1,), cash.shape) for part in parts)

    def _amounts(self, answer: Any, cash: Array) -> tuple[Array, Array]:
        payout, issue = (np.broadcast_to(np.asarray(part, dtype=float), cash.shape) for part in answer)
        return payout, issue

    def _transaction(self, cash: Array, payout: Array, issue: Array, time_to_horizon: float) -> Actions:
        for what, amount in (("payout", payout), ("issue", issue)):
            self._require(
                np.isfinite(amount) & (amount >= 0), f"{what} must be finite and >= 0", amount, cash, time_to_horizon
            )
        self._require(
            payout <= cash * (1 + ROUNDING), "payout must be at most the cash there is", payout, cash, time_to_horizon
        )
        both = (payout > 0) & (issue > 0)
        self._require(~both, "payout must be 0 where the firm issues", payout, cash, time_to_horizon)
        mode = np.where(payout > 0, PAY, np.where(issue > 0, ISSUE, HOLD))
        return certain_actions(mode, np.maximum(cash - payout, 0.0), cash + issue)

    def _checked(self, actions: Actions, cash: Array, time_to_horizon: float) -> Actions:
        modes = np.asarray(actions.mode_probabilities, dtype=float)
        if modes.shape != (cash.size, 3):
            raise UserError(
                f"{self._name}: mode_probabilities must have shape ({cash.size}, 3), a row for each value of cash; "
                f"received {modes.shape}"
            )
        fields = [np.broadcast_to(np.asarray(field, dtype=float), cash.shape) for field in actions[1:5]]
        sums = modes.sum(axis=1)
        whole = np.all((modes >= -1e-6) & np.isfinite(modes), axis=1) & (np.abs(sums - 1) <= 1e-4)
        self._require(whole, "mode_probabilities must be >= 0 and sum to 1", sums, cash, time_to_horizon)
        for name, field in zip(actions._fields[1:5], fields, strict=True):
            fine = field >= 0 if name.endswith("std") else field < np.inf
            self._require(
                fine, f"{name} must be {'>= 0' if name.endswith('std') else 'a number'}", field, cash, time_to_horizon
            )
        shares = np.clip(modes, 0.0, 1.0)
        payout_mean, payout_std, issue_mean, issue_std = fields
        return Actions(
            shares / shares.sum(axis=1, keepdims=True),
            payout_mean, payout_std, issue_mean, issue_std, actions.level_shift,
        )  # fmt: skip

    def _require(self, holds: Any, bound: str, values: Array, cash: Array, time_to_horizon: float) -> None:
        if not np.all(holds):
            at = int(np.argmin(holds))
            raise UserError(
                f"{self._name}: {bound}; received {values[at]:g} at cash {cash[at]:g}, time to horizon {time_to_horizon:g}"
            )

    def _misunderstood(self, answer: Any) -> UserError:
        shapes = [np.shape(part) for part in answer] if isinstance(answer, tuple | list) else ""
        return UserError(
            f"{self._name} must return ghm.Actions, or a pair (payout, issue) of amounts of cash for the cash given; "
            f"received {type(answer).__name__}" + (f" of shapes {shapes}" if shapes else "")
        )

    def _failure(self, error: Exception, cash: Array, time_to_horizon: float) -> UserError:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        return UserError(
            f"{self._name} failed at cash {cash[0]:g}{' and more' if cash.size > 1 else ''}, "
            f"time to horizon {time_to_horizon:g}: {type(error).__name__}: {error}{place}; mend it there"
        )


class RememberedPolicy:
    """A policy that is asked once in each state of a grid, and remembers: judging asks the same states several times."""

    def __init__(self, policy: Policy, nodes: Array, n_steps: int) -> None:
        self._policy, self._nodes = policy, nodes
        self._room = nodes.size * n_steps <= REMEMBERED
        self._answers: dict[float, Actions] = {}

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,)."""
        if not self._room or cash.size != self._nodes.size or not np.array_equal(cash, self._nodes):
            return self._policy(cash, time_to_horizon)
        key = round(time_to_horizon, 9)
        if key not in self._answers:
            self._answers[key] = self._policy(cash, time_to_horizon)
        return self._answers[key]


def as_policy(function: Callable[..., Any], name: str = "") -> ForeignPolicy:
    """A callable from elsewhere as a policy; see the module's table.

    Args:
        function: The callable.
        name: How messages call it; by default its own name.
    """
    return ForeignPolicy(function, name or getattr(function, "__name__", type(function).__name__))
