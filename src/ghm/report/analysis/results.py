"""A search's results in Python: trials as a DataFrame, the best policy as a function."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ghm.economics.actions import HOLD, ISSUE, PAY, Policy
from ghm.economics.model import Array
from ghm.errors import UserError
from ghm.report.analysis.frames import (
    CURVE_COLUMNS,
    columns,
    configuration_columns,
    configurations_frame,
    curves_frame,
    trials_frame,
)
from ghm.report.analysis.study import make_study
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.solvers.policy_value import effective_probabilities
from ghm.training.logging.progress import number

if TYPE_CHECKING:
    import optuna
    import pandas as pd


@dataclass(frozen=True)
class PolicyAction:
    """What a policy does in some states; each field has the states' shape."""

    hold: Array
    """Probability of doing nothing; paying down to more than there is, or issuing up to less, does nothing."""
    pay: Array
    """Probability of paying something out."""
    issue: Array
    """Probability of issuing some equity."""
    payout_level: Array
    """Median of the level of cash that payouts are drawn to, of which those below the cash there is have an effect."""
    issue_target: Array
    """Median of the level of cash that issues are drawn to, of which those above the cash there is have an effect."""


class BestPolicy:
    """A trained policy as a function of cash and time to horizon.

    Args:
        policy: The policy, one time to horizon a call.
        c_max: Largest cash c̄; issues go no further.
        T: Horizon that it was trained for (years).
    """

    def __init__(self, policy: Policy, c_max: float, T: float) -> None:
        self._policy, self._c_max, self._T = policy, c_max, T

    def __call__(self, cash: ArrayLike, time_to_horizon: ArrayLike) -> PolicyAction:
        """What the policy does.

        Args:
            cash: Cash c, 0 to c̄; any shape.
            time_to_horizon: Time to horizon τ in years, 0 to T; broadcast against ``cash``.

        Raises:
            UserError: when a value is negative or not finite, or a time is beyond the horizon.
        """
        states = np.broadcast_arrays(np.asarray(cash, float), np.asarray(time_to_horizon, float))
        for name, values in zip(("cash", "time_to_horizon"), states, strict=True):
            if not np.all(np.isfinite(values) & (values >= 0)):
                raise UserError(f"{name} must be finite and >= 0; received {values[~(values >= 0)][:3]}")
        if np.any(states[1] > self._T * (1 + 1e-12)):  # a hundred steps of 0.01 are a little more than 1
            raise UserError(
                f"time_to_horizon must be from 0 to the horizon T = {self._T:.12g}; received {states[1].max():.12g}"
            )
        flat_cash, flat_time = (values.ravel() for values in states)
        columns = np.empty((5, flat_cash.size))
        for time in np.unique(flat_time):
            chosen = flat_time == time
            actions = self._policy(flat_cash[chosen], float(time))
            probabilities = effective_probabilities(flat_cash[chosen], actions, self._c_max)
            columns[:3, chosen] = probabilities.T[[HOLD, PAY, ISSUE]]
            columns[3, chosen] = actions.median_payout_level
            columns[4, chosen] = actions.median_issue_target
        return PolicyAction(*columns.reshape(5, *states[0].shape))


@dataclass(frozen=True)
class Results:
    """A search, read from its files.

    Example:
        >>> results = ghm.load_results("results/hyperparam_search")  # doctest: +SKIP
        >>> results.trials.groupby("lr_policy")["captured_value"].median()  # doctest: +SKIP
        >>> results.best_policy(cash=0.05, time_to_horizon=10.0).hold  # doctest: +SKIP
    """

    search: SearchState
    """The state itself: settings, space, environment, trials, ranking, and each trial's files."""

    def __repr__(self) -> str:
        """A line: what it is, how many trials, and the best."""
        best, counts = self.search.best_trial, self.search.counts()
        reached = "" if best is None else f", best: trial {best.trial_num} with {number(best.best_return)}"
        done = f"{counts.completed} of {counts.asked} trials completed"
        return f"<Results of {self.search.path}: {done}{reached}>"

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """All trials, a row each; `column_descriptions` says what the columns are."""
        return trials_frame(self.search)

    @cached_property
    def configurations(self) -> "pd.DataFrame":
        """All configurations, a row each; `configuration_descriptions` says what the columns are."""
        return configurations_frame(self.search)

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """Learning curves of all trials, a row per evaluation; `curve_descriptions` says what the columns are."""
        return curves_frame(self.search)

    @property
    def curve_descriptions(self) -> dict[str, str]:
        """What each column of `curves` means."""
        return CURVE_COLUMNS

    def to_optuna(self, storage: str | None = None) -> "optuna.Study":
        """The search as an Optuna study, captured value to be maximised, with intermediate values.

        Args:
            storage: Where Optuna keeps it, such as ``sqlite:///study.db`` for `optuna-dashboard`; None: in memory.

        Raises:
            UserError: when Optuna is not installed, or ``storage`` has a study of this search already.
        """
        return make_study(self.search, storage)

    @property
    def configuration_descriptions(self) -> dict[str, str]:
        """What each column of `configurations` means."""
        return configuration_columns(self.search)

    @property
    def column_descriptions(self) -> dict[str, str]:
        """What each column of `trials` means."""
        return columns(self.search)

    @cached_property
    def best_policy(self) -> BestPolicy:
        """The best trial's best policy.

        Raises:
            UserError: when no trial has completed, or its checkpoint cannot be read.
        """
        best = self.search.best_trial
        if best is None:
            raise UserError(f"{self.search.path}: no trial has completed, so there is no best policy")
        from ghm.training.checkpoints.stored import load_stored

        stored = load_stored(self.search.checkpoint(best))
        return BestPolicy(stored.policy, stored.problem.model.c_max, stored.problem.T)


def load_results(path: str | Path) -> Results:
    """Read a search's results.

    Args:
        path: Its results JSON, or its directory (then the newest search in it).

    Raises:
        UserError: when there is none, or the file is no search's.
    """
    if not isinstance(path, str | Path):
        raise UserError(
            f"load_results takes the path of a results JSON or its directory; received {type(path).__name__}"
        )
    return Results(read_search(Path(path)))
