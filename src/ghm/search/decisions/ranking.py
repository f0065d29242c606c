"""How a configuration did over its instances, and which configuration is the better one."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ghm.search.decisions.statistics import Strata, aggregate, rank_correlation
from ghm.search.settings.config import RankBy
from ghm.search.trials.outcome import NO_RETURN, Outcome
from ghm.search.trials.trial import RungResult
from ghm.training.settings import Hyperparameters

Measure = Callable[[RungResult], float | None]
"""What of a trial counts."""


def captured_or_return(result: RungResult) -> float | None:
    """Captured value, which is comparable between calibrations; the return where that is undefined."""
    if result.captured_value is not None:
        return result.captured_value
    return None if result.best_return == NO_RETURN else result.best_return


def best_return(result: RungResult) -> float | None:
    """The exact return, which ranks trials of one model as captured value does."""
    return None if result.best_return == NO_RETURN else result.best_return


def result_of(outcome: Outcome) -> RungResult:
    """What the trial has reached by now."""
    return RungResult(outcome.iterations, outcome.best_return, outcome.captured_value)


def result_at(outcome: Outcome, rung: int | None) -> RungResult | None:
    """What the trial had reached at a rung, or at its end (None); None where it failed before."""
    if rung is None:
        return result_of(outcome) if outcome.success or outcome.status == "paused" else None
    return next((result for result in outcome.rungs if result.iteration == rung), None)


@dataclass(frozen=True)
class ConfigurationScore:
    """How one configuration stands."""

    configuration: int
    """Its number."""
    hyperparameters: Hyperparameters
    """What it is."""
    trials: tuple[Outcome, ...]
    """Its trials, by number."""
    results: tuple[RungResult | None, ...]
    """What each of them reached; None where it failed."""
    values: tuple[float, ...]
    """What counts of those that did not fail."""
    value: float | None
    """What ranks it; None where all of them failed."""

    @property
    def failures(self) -> int:
        """Trials that failed."""
        return sum(result is None for result in self.results)

    @property
    def reached(self) -> int:
        """The iteration that its trials reached."""
        return max((result.iteration for result in self.results if result is not None), default=0)

    @property
    def key(self) -> tuple[bool, int, int, float, int]:
        """Sorts the better configuration first.

        One with a failure comes after all without, however good the rest: it cannot be relied on. Those that went on
        from a rung come before those that were stopped there; ties go to the lower number.
        """
        value = NO_RETURN if self.value is None else self.value
        return self.failures > 0, self.failures, -self.reached, -value, self.configuration


def score(trials: Sequence[Outcome], rank_by: RankBy, measure: Measure, rung: int | None = None) -> ConfigurationScore:
    """How the configuration of ``trials`` (n ≥ 1, by number) stands at a rung, or at the end (None)."""
    results = tuple(result_at(outcome, rung) for outcome in trials)
    values = tuple(value for result in results if result is not None and (value := measure(result)) is not None)
    value = aggregate(values, rank_by) if values else None
    first = trials[0]
    return ConfigurationScore(first.configuration, first.hyperparameters, tuple(trials), results, values, value)


def ranked(scores: Sequence[ConfigurationScore]) -> list[ConfigurationScore]:
    """The scores, the best first."""
    return sorted(scores, key=lambda one: one.key)


def by_calibration(trials: Sequence[Outcome], measure: Measure) -> Strata:
    """What counts of the trials that did not fail, of those that wait at a rung so far, by calibration in order of number."""
    names = dict.fromkeys(outcome.calibration for outcome in trials)
    return [
        [
            value
            for outcome in trials
            if outcome.calibration == name
            and (result := result_at(outcome, None)) is not None
            and (value := measure(result)) is not None
        ]
        for name in names
    ]


@dataclass(frozen=True)
class RungAgreement:
    """How well the order of configurations at a rung foretold their order at the next one, or at the end."""

    configurations: int
    """That went on, and did not fail on the way."""
    correlation: tuple[float, float, float] | None
    """Spearman's correlation with its 95% interval; None where too few went on."""


def rung_agreement(pairs: Mapping[int, Sequence[tuple[float, float]]], rank_by: RankBy) -> RungAgreement:
    """How well a rung foretold the next one, by configuration, as a cut chooses among these.

    Args:
        pairs: of each configuration's trials that went on, what they had reached at the rung and then at the next; a trial
            more or less of a configuration is no more evidence on the order of configurations.
        rank_by: what of a configuration's trials ranks it.
    """
    found = [[aggregate(values, rank_by) for values in zip(*ours, strict=True)] for ours in pairs.values() if ours]
    before, after = [one for one, _ in found], [one for _, one in found]
    return RungAgreement(len(found), rank_correlation(before, after))


def stopped_at_rung(outcome: Outcome) -> Outcome:
    """The outcome of a trial that waits at a rung and was not chosen to go on."""
    return dataclasses.replace(outcome, status="stopped_at_rung")
