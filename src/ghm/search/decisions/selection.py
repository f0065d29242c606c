"""Who goes on at a rung, and who is confirmed: functions of what was recorded."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghm.search.decisions.ranking import ConfigurationScore, by_calibration, by_seed, ranked
from ghm.search.decisions.statistics import Strata, aggregate, interquartile_interval, probability_of_improvement
from ghm.search.settings.config import RankBy
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.trials.outcome import NO_RETURN, TrialRecord
from ghm.training.settings import Hyperparameters


@dataclass(frozen=True)
class Decision:
    """A decision: what it is about, what was decided, and a digest of what it was made from.

    ``subject`` names it: made again, a decision on the same subject must come out the same.
    """

    kind: str
    """``proposal``, ``cut`` or ``confirmation``."""
    subject: Mapping[str, Any]
    """What it is about, as JSON types."""
    content: Mapping[str, Any]
    """What was decided, as JSON types."""
    basis: str
    """Digest of all that it was made from."""

    @property
    def key(self) -> str:
        """The subject as text."""
        return json.dumps([self.kind, self.subject], sort_keys=True)


def digest(*parts: Any) -> str:
    """SHA-256 of JSON values; numbers count with all their bits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def facts(scores: Sequence[ConfigurationScore]) -> list[Any]:
    """What a decision sees of configurations, in the order of their numbers and free of anything about time."""
    return [
        [
            one.configuration,
            [None if r is None else [r.iteration, r.best_return, r.captured_value] for r in one.results],
        ]
        for one in sorted(scores, key=lambda one: one.configuration)
    ]


def places(keep: float, count: int) -> int:
    """How many of ``count`` configurations go on where the share ``keep`` does, rounded up."""
    return math.ceil(keep * count - 1e-9)  # 7% of 100 are 7, not 7.000000000000001 rounded up


def go_on(keep: float, scores: Sequence[ConfigurationScore]) -> list[int]:
    """Numbers of the configurations that go on where the best share ``keep`` does; those that failed do not."""
    order = ranked(scores)
    return sorted(one.configuration for one in order[: places(keep, len(order))] if one.value is not None)


def cut(rung: int, keep: float, scores: Sequence[ConfigurationScore], settings: str) -> Decision:
    """The best share ``keep`` of the configurations, rounded up, goes on from ``rung``; those that failed do not.

    Args:
        rung: the iteration at which they pause.
        keep: share that goes on.
        scores: how they stand there.
        settings: digest of the search's settings.
    """
    ranking = [[one.configuration, one.value] for one in ranked(scores)]
    content = {"of": len(ranking), "ranking": ranking, "go_on": go_on(keep, scores)}
    return Decision("cut", {"rung": rung, "keep": keep}, content, digest(settings, rung, keep, facts(scores)))


def choose(
    count: int,
    scores: Sequence[ConfigurationScore],
    seeds: Sequence[int],
    iterations: int,
    settings: str,
    distinct: Callable[[Hyperparameters], Hyperparameters] = lambda hyperparameters: hyperparameters,
) -> Decision:
    """The ``count`` best configurations, in order, are trained again on ``seeds`` for ``iterations``.

    Of those that are the same by ``distinct`` only the best: on the same seeds they would be the same trainings.
    """
    best: dict[Hyperparameters, ConfigurationScore] = {}
    for one in ranked(scores):
        if one.value is not None:
            best.setdefault(distinct(one.hyperparameters), one)
    order = list(best.values())
    content = {
        "of": len(scores),
        "chosen": [[one.configuration, one.value] for one in order[:count]],
        "seeds": list(seeds),
        "iterations": iterations,
    }
    basis = digest(settings, count, list(seeds), iterations, facts(scores))
    return Decision("confirmation", {"count": count}, content, basis)


@dataclass(frozen=True)
class Confirmed:
    """A configuration on seeds that it was not tuned on, in captured value."""

    configuration: int
    hyperparameters: Hyperparameters
    trials: tuple[TrialRecord, ...]
    """Its trials of the confirmation so far."""
    tuned: float | None
    """Figure of the trials that it was chosen by."""
    confirmed: float | None
    """Figure of the confirmation's trials; None while there is none."""
    interval: tuple[float, float] | None
    """95% interval of an interquartile mean; None with fewer than five seeds, and of the worst."""

    @property
    def difference(self) -> float | None:
        """Confirmed less tuned: negative where it had won by luck (the winner's curse)."""
        return None if self.confirmed is None or self.tuned is None else self.confirmed - self.tuned

    @property
    def failures(self) -> int:
        """Trials of the confirmation that failed."""
        return sum(outcome.failed for outcome in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return {
            "configuration": self.configuration,
            "hyperparameters": plain_hyperparameters(self.hyperparameters),
            "trials": [outcome.trial_num for outcome in self.trials],
            "tuned": self.tuned,
            "confirmed": self.confirmed,
            "interval": None if self.interval is None else list(self.interval),
            "difference": self.difference,
            "failures": self.failures,
        }


@dataclass(frozen=True)
class Confirmation:
    """How the chosen configurations did on fresh seeds."""

    configurations: tuple[Confirmed, ...]
    """The best confirmed one first."""
    seeds: tuple[int, ...]
    iterations: int
    complete: bool
    """Whether all its trials are over."""
    first_beats_second: float | None
    """Probability that a training of the first configuration ends above one of the second."""
    chosen: tuple[int, ...] = ()
    """Numbers of the configurations, in the order in which they were chosen and their trials are numbered."""
    figure: RankBy = "iqm"
    """What is compared: the interquartile mean; the worst, where the search ranks by it."""

    @property
    def winner(self) -> Confirmed | None:
        """The best confirmed configuration; None where all trials failed, or some are still to be run."""
        return next((one for one in self.configurations if self.complete and one.confirmed is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return {
            "seeds": list(self.seeds),
            "iterations": self.iterations,
            "complete": self.complete,
            "first_beats_second": self.first_beats_second,
            "chosen": list(self.chosen),
            "figure": self.figure,
            "configurations": [one.to_dict() for one in self.configurations],
        }


def confirmed(
    choice: Decision,
    tuned: Mapping[int, ConfigurationScore],
    trials: Sequence[TrialRecord],
    n_calibrations: int,
    rank_by: RankBy = "mean",
) -> Confirmation:
    """How the chosen configurations, ``tuned``, did by the confirmation's trials so far (by number)."""
    seeds = tuple(choice.content["seeds"])
    figure: RankBy = "worst" if rank_by == "worst" else "iqm"
    found = [
        _confirmed(one, tuple(t for t in trials if t.configuration == one.configuration), figure)
        for one in tuned.values()
    ]
    order = sorted(found, key=lambda one: (one.failures, -(one.confirmed if one.confirmed is not None else NO_RETURN)))
    over = [one for one in trials if one.final]
    complete = len(over) >= len(found) * len(seeds) * n_calibrations
    beats = None
    if len(order) > 1:
        first, second = (_compared(one.trials, figure) for one in order[:2])
        beats = probability_of_improvement(first, second) if len(first) == len(second) else None
    iterations = int(choice.content["iterations"])
    return Confirmation(tuple(order), seeds, iterations, complete, beats, chosen_by(choice), figure)


def _compared(trials: Sequence[TrialRecord], figure: RankBy) -> Strata:
    """Values by calibration; where the worst counts, of each seed that of its worst firm."""
    return [[min(values) for values in by_seed(trials)]] if figure == "worst" else by_calibration(trials)


def beaten_pairs(confirmation: Confirmation) -> str:
    """In how many pairs of trainings on fresh seeds, one of each, the first configuration beats the second; ties count half."""
    share = confirmation.first_beats_second
    assert share is not None
    compared = [_compared(one.trials, confirmation.figure) for one in confirmation.configurations[:2]]
    pairs = sum(len(ours) * len(theirs) for ours, theirs in zip(*compared, strict=True))
    return f"all {pairs}" if share == 1 else f"none of {pairs}" if share == 0 else f"{100 * share:.0f}% of {pairs}"


def chosen_by(choice: Decision) -> tuple[int, ...]:
    """Numbers of the configurations that a confirmation is of, in the order in which their trials are numbered."""
    return tuple(number for number, _ in choice.content["chosen"])


def _confirmed(tuned: ConfigurationScore, trials: tuple[TrialRecord, ...], figure: RankBy) -> Confirmed:
    values = [value for stratum in by_calibration(trials) for value in stratum]
    return Confirmed(
        tuned.configuration,
        tuned.hyperparameters,
        trials,
        tuned.figure(figure),
        aggregate(values, figure) if values else None,
        None if figure == "worst" else interquartile_interval(by_seed(trials)),
    )
