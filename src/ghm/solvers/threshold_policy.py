"""Policies of the optimum's form: pay what exceeds one level of cash, issue below another, give up below a third."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ghm.economics.action_rule import certain_actions
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions
from ghm.economics.model import Array
from ghm.solvers.dynamic_program import Optimum
from ghm.solvers.store import Reference


@dataclass(frozen=True)
class ThresholdPolicy:
    """Pays down to b(τ) above it, issues up to i(τ) below h(τ), pays out everything below a(τ); NaN where it never does."""

    dt: float
    payout_level: Array
    """b by steps to go 1 to n, (n,)."""
    issue_below: Array
    """h by steps to go, (n,)."""
    issue_target: Array
    """i by steps to go, (n,)."""
    abandon_below: Array | None = None
    """a by steps to go, (n,); None: never."""

    @classmethod
    def constant(
        cls,
        dt: float,
        T: float,
        payout_level: float | None = None,
        issue_below: float | None = None,
        issue_target: float | None = None,
    ) -> Self:
        """The policy with the same levels at every time to horizon; None: never."""
        levels = (np.nan if level is None else level for level in (payout_level, issue_below, issue_target))
        return cls(dt, *(np.full(round(T / dt), level) for level in levels))

    @classmethod
    def optimal(cls, optimum: Optimum, dt: float) -> Self:
        """The optimum itself."""
        return cls(dt, optimum.payout_level, optimum.issue_below, optimum.issue_target, optimum.abandon_below)

    @classmethod
    def from_reference(cls, reference: Reference, dt: float, T: float) -> Self:
        """The optimum, its levels interpolated between the times to horizon that the reference keeps.

        What it does in the last steps with next to no cash, which is worth 1e-5 of return, the reference does not keep.
        """
        times = dt * np.arange(1.0, round(T / dt) + 1)
        kept = reference.time_to_horizon[1:]
        levels = (reference.payout_levels[1:], reference.issue_thresholds[1:], reference.issue_targets[1:])
        return cls(dt, *(_interpolate(times, kept, level) for level in levels))

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,); as a policy that draws it leaves nothing to chance."""
        step = int(np.clip(round(time_to_horizon / self.dt), 1, self.payout_level.size)) - 1
        payout, below, target = self.payout_level[step], self.issue_below[step], self.issue_target[step]
        # Comparisons with NaN are false: where there is no level, there is no action.
        mode = np.where(cash > payout, PAY, np.where(cash < below, ISSUE, HOLD))
        level = np.full(cash.shape, payout)
        if self.abandon_below is not None:
            abandons = cash < self.abandon_below[step]
            mode, level = np.where(abandons, PAY, mode), np.where(abandons, 0.0, level)
        return certain_actions(mode, level, np.full(cash.shape, target))


def _interpolate(times: Array, kept: Array, level: Array) -> Array:
    """Levels (S,) known at ``kept`` times, at ``times``; never where the nearest known time has never."""
    known = np.isfinite(level)
    if not known.any():
        return np.full(times.shape, np.nan)
    nearest = np.abs(np.log(times[:, None] / kept)).argmin(axis=1)
    return np.where(known[nearest], np.interp(times, kept[known], level[known]), np.nan)
