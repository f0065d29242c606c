"""Policies of the optimum's form: pay what exceeds one level of cash, issue below another, liquidate below a third."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from ghm.economics.action_rule import certain_actions
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions
from ghm.economics.model import Array


class Levels(NamedTuple):
    """Levels of cash at N times to horizon, (N,) each; NaN where the firm never does the thing."""

    payout_level: Array
    """b: it pays what exceeds it."""
    issue_below: Array
    """h: it issues below it."""
    issue_target: Array
    """i: the cash that an issue raises to."""
    abandon_below: Array
    """a: it pays everything out below it though it holds or issues above.

    Near the horizon a firm about to be liquidated does better to pay out what little it has than to wait.
    """


@dataclass(frozen=True)
class ThresholdPolicy:
    """Pays down to b(τ) above it, issues up to i(τ) below h(τ), pays out everything below a(τ)."""

    dt: float
    levels: Levels
    """By steps to go 1 to n."""

    @classmethod
    def constant(
        cls,
        dt: float,
        T: float,
        payout_level: float | None = None,
        issue_below: float | None = None,
        issue_target: float | None = None,
    ) -> Self:
        """The policy with the same levels at every time to horizon, which liquidates nowhere; None: never."""
        levels = (np.nan if level is None else level for level in (payout_level, issue_below, issue_target, None))
        return cls(dt, Levels(*(np.full(round(T / dt), level) for level in levels)))

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,); as a policy that draws it leaves nothing to chance."""
        return certain_actions(*self.rule(cash, time_to_horizon))

    def rule(self, cash: Array, time_to_horizon: float) -> tuple[Array, Array, Array]:
        """Mode, payout level and issue target at ``cash`` (N,), (N,) each."""
        step = int(np.clip(round(time_to_horizon / self.dt), 1, self.levels.payout_level.size)) - 1
        payout, below, target, abandon = (float(level[step]) for level in self.levels)
        return _rule(cash, payout, below, target, abandon)


def threshold_actions(cash: Array, payout: float, below: float, target: float, abandon: float) -> Actions:
    """Actions at ``cash`` (N,) of a policy of the optimum's form; NaN: never."""
    return certain_actions(*_rule(cash, payout, below, target, abandon))


def _rule(cash: Array, payout: float, below: float, target: float, abandon: float) -> tuple[Array, Array, Array]:
    # Comparisons with NaN are false: where there is no level, there is no action.
    mode = np.where(cash > payout, PAY, np.where(cash < below, ISSUE, HOLD))
    abandons = cash < abandon
    mode, level = np.where(abandons, PAY, mode), np.where(abandons, 0.0, np.full(cash.shape, payout))
    return mode, level, np.full(cash.shape, target)
