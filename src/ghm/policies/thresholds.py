"""Policies of the optimum's form: pay what exceeds one level of cash, issue below another, liquidate below a third."""

import math
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

    time_to_horizon: Array
    """Increasing, (S,): between them levels are interpolated, beyond them they are those at the edge."""
    levels: Levels
    """(S,) each."""

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
        times = np.asarray(dt * np.arange(1, round(T / dt) + 1), dtype=np.float64)
        return cls(times, Levels(*(np.full(times.size, level) for level in levels)))

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,); as a policy that draws it leaves nothing to chance."""
        return certain_actions(*self.rule(cash, time_to_horizon))

    def rule(self, cash: Array, time_to_horizon: float) -> tuple[Array, Array, Array]:
        """Mode, payout level and issue target at ``cash`` (N,), (N,) each."""
        payout, below, target, abandon = self._at(time_to_horizon)
        # Comparisons with NaN are false: where there is no level, there is no action.
        mode = np.where(cash > payout, PAY, np.where(cash < below, ISSUE, HOLD))
        abandons = cash < abandon
        mode, level = np.where(abandons, PAY, mode), np.where(abandons, 0.0, np.full(cash.shape, payout))
        return mode, level, np.full(cash.shape, target)

    def _at(self, time_to_horizon: float) -> list[float]:
        """The levels between the times that are known; never where the nearer one has never."""
        row, behind, weight = between(self.time_to_horizon, time_to_horizon)
        ends = [(float(levels[row]), float(levels[behind])) for levels in self.levels]
        return [
            (first if weight < 0.5 else second)
            if math.isnan(first + second)
            else (1 - weight) * first + weight * second
            for first, second in ends
        ]


def between(times: Array, time: float) -> tuple[int, int, float]:
    """The rows at or below ``time`` and behind it, and the weight of the latter; at the edges no further."""
    behind = min(int(np.searchsorted(times, time, side="right")), times.size - 1)
    row = max(behind - 1, 0)
    gap = times[behind] - times[row]
    return row, behind, min(max(float((time - times[row]) / gap), 0.0), 1.0) if gap > 0 else 0.0
