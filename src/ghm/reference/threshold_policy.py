"""Policies of the optimum's form: pay what exceeds one level of cash, issue below another."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ghm.actions import HOLD, ISSUE, PAY, Actions
from ghm.model import Array
from ghm.reference.dynamic_program import Optimum
from ghm.reference.store import Reference


@dataclass(frozen=True)
class ThresholdPolicy:
    """Pays down to b(τ) above it and issues up to i(τ) below h(τ); NaN where it never does."""

    dt: float
    payout_level: Array
    """b by steps to go 1 to n, (n,)."""
    issue_below: Array
    """h by steps to go, (n,)."""
    issue_target: Array
    """i by steps to go, (n,)."""

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
        return cls(dt, optimum.payout_level, optimum.issue_below, optimum.issue_target)

    @classmethod
    def from_reference(cls, reference: Reference, dt: float, T: float) -> Self:
        """The optimum, its levels interpolated between the times to horizon that the reference keeps."""
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
        return certain_actions(mode, np.full(cash.shape, payout), np.full(cash.shape, target))


def certain_actions(mode: Array, payout: Array, target: Array) -> Actions:
    """Actions without chance: ``mode``, payout level and issue target at N values of cash, each (N,)."""
    with np.errstate(divide="ignore"):  # paying everything out is a level of 0, its logarithm −∞
        log_payout, log_target = np.log(payout), np.log(target)
    none = np.zeros(mode.shape)
    return Actions(np.eye(3)[mode], log_payout, none, log_target, none)


def _interpolate(times: Array, kept: Array, level: Array) -> Array:
    """Levels (S,) known at ``kept`` times, at ``times``; never where the nearest known time has never."""
    known = np.isfinite(level)
    if not known.any():
        return np.full(times.shape, np.nan)
    nearest = np.abs(np.log(times[:, None] / kept)).argmin(axis=1)
    return np.where(known[nearest], np.interp(times, kept[known], level[known]), np.nan)
