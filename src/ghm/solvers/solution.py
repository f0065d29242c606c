"""The optimum of a problem, and what else policies are judged by."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from ghm.economics.evaluation_grid import chosen_cash, chosen_steps, write_states
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.policies.thresholds import Levels, ThresholdPolicy
from ghm.solvers.firm_statistics import Outcomes
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.infinite_horizon import InfiniteHorizon, infinite_horizon
from ghm.solvers.levels import PolicyLevels


@dataclass(frozen=True)
class Solution:
    """The optimum of one problem over cash c and time to horizon τ.

    Example:
        >>> import ghm
        >>> solution = ghm.solve(dt=0.05, T=1.0, cash=[0.0, 0.1, 0.2], times=[0.5, 1.0])
        >>> solution.values.shape
        (2, 3)
    """

    problem: Problem
    optimal_return: float
    """J*, mean of V(c, T) over cash uniform on [0, c̄]."""
    cash: Array
    """Cash, increasing, (M,)."""
    time_to_horizon: Array
    """Times to horizon in years, increasing, multiples of dt, (S,)."""
    values: Array
    """V(c, τ), (S, M)."""
    levels: Levels
    """The optimum's levels by steps to go 1 to n."""
    slopes: Array | None = None
    """V_c(c, τ) where cash is not the solver's own nodes, (S, M)."""
    outcomes: Outcomes | None = None
    """What becomes of a firm under the optimum; None: not worked out."""

    @property
    def wind_up_return(self) -> float:
        """J₀: pay everything out at once and be liquidated."""
        return self.problem.wind_up_return

    @property
    def marginal_values(self) -> Array:
        """V_c(c, τ), (S, M): what shareholders gain from one more unit of cash in the firm."""
        if self.slopes is not None:
            return self.slopes
        slopes: Array = PchipInterpolator(self.cash, self.values, axis=1).derivative()(self.cash)
        return slopes

    @property
    def payout_level(self) -> Array:
        """The firm pays what exceeds it, (S,); NaN at τ = 0 and where it never pays."""
        return self._at_times(self.levels.payout_level)

    @property
    def issue_below(self) -> Array:
        """The firm issues below it, (S,); NaN at τ = 0 and where it never issues."""
        return self._at_times(self.levels.issue_below)

    @property
    def issue_target(self) -> Array:
        """Cash that an issue raises to, (S,); NaN likewise."""
        return self._at_times(self.levels.issue_target)

    @property
    def abandon_below(self) -> Array:
        """The firm pays everything out below it though it holds or issues above, (S,); NaN: nowhere."""
        return self._at_times(self.levels.abandon_below)

    @property
    def initial_levels(self) -> PolicyLevels:
        """The levels at τ = T."""
        return PolicyLevels(*(None if np.isnan(level[-1]) else float(level[-1]) for level in self.levels[:3]))

    @property
    def policy(self) -> ThresholdPolicy:
        """The optimal policy."""
        dt, n_steps = self.problem.dt, self.problem.n_steps
        return ThresholdPolicy(np.asarray(dt * np.arange(1, n_steps + 1), dtype=np.float64), self.levels)

    @cached_property
    def free_boundary(self) -> FreeBoundary | None:
        """The infinite-horizon solution in continuous time; None where there is none."""
        try:
            return free_boundary(self.problem.model)
        except UserError:
            return None

    @cached_property
    def infinite_horizon(self) -> InfiniteHorizon | None:
        """The objects of the infinite-horizon problem: F, F', F'', firms in the long run; None where there is no solution."""
        return None if self.free_boundary is None else infinite_horizon(self.problem.model)

    def loss(self, expected_return: float) -> float | None:
        """(J* − J)/J*, the share of firm value that a policy loses; None where the optimum is worth nothing."""
        return (self.optimal_return - expected_return) / self.optimal_return if self.optimal_return > 0 else None

    def captured_value(self, expected_return: float) -> float | None:
        """(J − J₀)/(J* − J₀): 0 no better than immediate liquidation, 1 optimal; None where that is optimal.

        Even where it is, a firm that pays everything out and waits for its first bad shock earns what a step or two bring
        until then. Gains no longer than a step are of that kind, and a ratio to them would say nothing.
        """
        gain = self.optimal_return - self.wind_up_return
        least = self.problem.model.step_from_zero(self.problem.dt)
        return (expected_return - self.wind_up_return) / gain if gain > least else None

    def on(self, cash: ArrayLike | None = None, times: ArrayLike | None = None) -> Self:
        """The same on a grid of one's own, of times for which it was solved.

        Args:
            cash: Cash at which V is wanted, from 0 to c̄; None: the solver's own nodes.
            times: Times to horizon at which it is wanted, from 0 to T, each taken to the nearest step; None: all that are known.

        Raises:
            UserError: when a grid leaves its range.
        """
        known, values, nodes, slopes = self.time_to_horizon, self.values, self.cash, None
        if times is not None:
            rows = np.searchsorted(self._steps, chosen_steps(times, self.problem))
            known, values = known[rows], values[rows]
        if cash is not None:
            nodes = chosen_cash(cash, self.problem.model.c_max)
            curve = PchipInterpolator(self.cash, values, axis=1)
            values, slopes = curve(nodes), curve.derivative()(nodes)
        return dataclasses.replace(self, cash=nodes, time_to_horizon=known, values=values, slopes=slopes)

    def save(self, path: str | Path) -> None:
        """Write everything into a .npz or .csv file; ``ghm evaluate`` reads the .npz file as a policy.

        What depends on cash alone is of shape (1, M) in the .npz file; impulse responses and the probability of having run out of
        cash by date are in the .npz file only.

        Raises:
            UserError: when the ending is neither, or the file cannot be written.
        """
        columns = {
            "value": self.values,
            "marginal_value": self.marginal_values,
            **({} if self.infinite_horizon is None else self.infinite_horizon.columns(self.cash)),
            **{name: self._at_times(level) for name, level in self.levels._asdict().items()},
        }
        series = {} if self.infinite_horizon is None else self.infinite_horizon.series()
        write_states(Path(path), self.cash, self.time_to_horizon, columns, self.problem, series=series)

    @property
    def _steps(self) -> NDArray[np.int64]:
        return np.round(self.time_to_horizon / self.problem.dt).astype(np.int64)

    def _at_times(self, level: Array) -> Array:
        at: Array = np.concatenate([[np.nan], level])[self._steps]
        return at
