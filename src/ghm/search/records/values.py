"""What a search's state says of it as a whole: counts, its best configuration, what trials are measured against."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ghm.search.decisions.confirmation import Confirmed
from ghm.search.decisions.ranking import ConfigurationScore, best_first
from ghm.search.settings.config import RankBy
from ghm.search.trials.outcome import TrialRecord

Basis = Literal["confirmed", "ranked", "trial"]

FIGURES: tuple[RankBy, ...] = ("mean", "iqm", "worst")
"""Figures of a configuration's trials, each of which may rank it."""


@dataclass(frozen=True)
class ReferenceReturns:
    """What any policy can be measured against."""

    optimal_return: float
    """J*, the optimal firm value."""
    wind_up_return: float
    """J₀, the value of immediate liquidation."""


@dataclass(frozen=True)
class Counts:
    """How many trials a search has, by how they stand."""

    asked: int
    """Trials of the search in total, those of a confirmation among them."""
    completed: int
    """Trained to their last iteration."""
    stopped: int
    """Came to a rung, and were not chosen to go on."""
    failed: int
    paused: int
    """Wait at a rung."""
    interrupted: int
    """Were started, and neither ended nor run."""
    running: int

    @property
    def unfinished(self) -> int:
        """Trials that are still to be run, or to be run on."""
        return self.asked - self.completed - self.stopped - self.failed

    @property
    def waiting(self) -> int:
        """Trials that were not started yet."""
        return self.unfinished - self.paused - self.interrupted - self.running


@dataclass(frozen=True)
class BestConfiguration:
    """The best configuration, by what decided that it is the best."""

    configuration: int
    basis: Basis
    """A confirmation on fresh seeds; what its trials are ranked by; or the one trial that it has."""
    trial: TrialRecord
    """The best of the trials that decided."""
    figure: float
    """Its captured value over these trials; its return where that is undefined."""
    trials: tuple[TrialRecord, ...]
    """The trials that decided, by number."""
    interval: tuple[float, float] | None
    """95% interval of the figure of a confirmation; None with fewer than five seeds."""
    by: RankBy
    """Which figure of the trials it is."""
    shown: TrialRecord
    """The trial that words and verdict are about: where the worst counts, the worst one; else the best."""

    @property
    def shown_words(self) -> str:
        """What stands before words about the trial that is shown; nothing where it is all that the configuration has."""
        if self.basis == "trial":
            return ""
        on = "" if self.shown.calibration is None else f" on {self.shown.calibration}"
        return f"Its {'best' if self.shown is self.trial else 'worst'} trial, {self.shown.trial_num}{on}: "

    @property
    def n_trials(self) -> int:
        """Of how many trials the figure is one: those that did not fail."""
        return sum(one.status.has_result for one in self.trials)

    @property
    def captured_value(self) -> float | None:
        """Its captured value over the trials that decided; None where that is undefined."""
        return None if self.trial.captured_value is None else self.figure


def best_of(
    basis: Basis,
    one: ConfigurationScore | Confirmed,
    figure: float,
    by: RankBy,
    interval: tuple[float, float] | None = None,
) -> BestConfiguration:
    """A configuration as the best by ``basis``, with the ``figure`` of its trials that decided."""
    order = best_first(one.trials)
    # The last of them is the worst by return, which is not comparable between calibrations.
    known = [trial for trial in order if trial.captured_value is not None]
    worst = min(known, key=lambda trial: trial.captured_value or 0.0, default=order[-1])
    shown = worst if by == "worst" and basis != "trial" else order[0]
    return BestConfiguration(one.configuration, basis, order[0], figure, one.trials, interval, by, shown)


def trials_in_words(best: BestConfiguration, trials: Iterable[TrialRecord]) -> tuple[str, str]:
    """The trials of a confirmed configuration, of all ``trials``: those of the search, and those that its figure is of."""
    tuned = [one for one in trials if one.configuration == best.configuration and one.stage == "explore"]
    first, then = (
        f"trial{'' if len(those) == 1 else 's'} {in_words([one.trial_num for one in those])}"
        for those in (tuned, best.trials)
    )
    return first, then


def in_words(numbers: Iterable[int]) -> str:
    """Numbers in order, three and more that follow on one another as a range: 2, 5 to 8."""
    found = []
    for _, run in itertools.groupby(enumerate(sorted(numbers)), lambda one: one[1] - one[0]):
        first, *rest = [number for _, number in run]
        found += [f"{first} to {rest[-1]}"] if len(rest) > 1 else [str(one) for one in (first, *rest)]
    return ", ".join(found)
