"""How a configuration did over its instances, and which configuration and which of its trials is the better one."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ghm.search.decisions.statistics import Seeds, Strata, aggregate, interquartile_interval, rank_correlation
from ghm.search.settings.config import RankBy
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.outcome import NO_RETURN, TrialRecord, TrialState
from ghm.search.trials.trial import RungResult
from ghm.training.settings import Hyperparameters

TOP = 5
"""Configurations that are shown as the first of a ranking."""

Measure = Callable[[RungResult], float | None]
"""What of a trial counts."""


def captured_or_return(result: RungResult) -> float | None:
    """Captured value, which is comparable between calibrations; the return where that is undefined."""
    return best_return(result) if result.captured_value is None else result.captured_value


def best_return(result: RungResult) -> float | None:
    """The exact return, which ranks trials of one model as captured value does."""
    return None if result.best_return == NO_RETURN else result.best_return


@dataclass(frozen=True)
class ConfigurationScore:
    """How one configuration stands."""

    configuration: int
    hyperparameters: Hyperparameters
    trials: tuple[TrialRecord, ...]
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

    @cached_property
    def strata(self) -> Strata:
        """Captured values of the trials that did not fail, by calibration."""
        return by_calibration(self.trials)

    @cached_property
    def captured(self) -> list[float]:
        """Captured values of the trials that did not fail; returns where they are undefined."""
        return list(itertools.chain.from_iterable(self.strata))

    def figure(self, rank_by: RankBy) -> float | None:
        """The mean, interquartile mean or worst of :attr:`captured`; None where all trials failed."""
        return aggregate(self.captured, rank_by) if self.captured else None

    def figure_on(self, calibration: str, rank_by: RankBy) -> float | None:
        """The same over its trials on one calibration; None where all of them failed."""
        values = [
            t.captured_value for t in self.trials if t.calibration == calibration and t.captured_value is not None
        ]
        return aggregate(values, rank_by) if values else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the interquartile mean of :attr:`captured`; None with fewer than five seeds."""
        return interquartile_interval(by_seed(self.trials))


def score(
    trials: Sequence[TrialRecord], rank_by: RankBy, measure: Measure, rung: int | None = None
) -> ConfigurationScore:
    """How the configuration of ``trials`` (n ≥ 1, by number) stands at a rung, or by now (None)."""
    results = tuple(outcome.reached(rung) for outcome in trials)
    values = tuple(value for result in results if result is not None and (value := measure(result)) is not None)
    value = aggregate(values, rank_by) if values else None
    first = trials[0]
    return ConfigurationScore(first.configuration, first.hyperparameters, tuple(trials), results, values, value)


def ranked(scores: Iterable[ConfigurationScore]) -> list[ConfigurationScore]:
    """The scores, the best first."""
    return sorted(scores, key=lambda one: one.key)


def best_first(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Those of a configuration's trials that have a result, the best first.

    Those that went further come first, then the better ones, by captured value between several models, then the lower number:
    no matter when they ended.
    """
    candidates = [one for one in trials if one.status.has_result]
    several = len({one.calibration for one in candidates}) > 1

    def key(one: TrialRecord) -> tuple[float, float, int]:
        value = one.captured_value if several else one.best_return
        return (
            -one.iterations if one.status.is_at_rung else -math.inf,
            math.inf if value is None else -value,
            one.trial_num,
        )

    return sorted(candidates, key=key)


def leading(ranking: Sequence[ConfigurationScore]) -> list[ConfigurationScore]:
    """The first of a ranking that were trained as far as the best; those stopped before are behind, whatever their seeds."""
    return [one for one in ranking[:TOP] if one.reached == ranking[0].reached]


def seeds_between(configurations: Sequence[ConfigurationScore]) -> tuple[int, int] | None:
    """The fewest and the most seeds of these configurations; None where all have as many."""
    counts = {len({trial.seed for trial in one.trials}) for one in configurations}
    return (min(counts), max(counts)) if len(counts) > 1 else None


def unequal_seeds_note(seeds: tuple[int, int], count: int) -> str:
    """What follows where the first ``count`` configurations have from so few to so many seeds."""
    return (
        "A figure of few seeds owes more to luck. Before you rely on their order, give each as many: "
        f"--resume with --n_seeds {seeds[1]} --top {count}."
    )


def by_calibration(trials: Sequence[TrialRecord]) -> Strata:
    """Captured values of the trials that did not fail, of those that wait at a rung so far, by calibration in order of number."""
    found: dict[str | None, list[float]] = {one.calibration: [] for one in trials}
    for one in trials:
        if (result := one.reached(None)) is not None and (value := captured_or_return(result)) is not None:
            found[one.calibration].append(value)
    return list(found.values())


def by_seed(trials: Sequence[TrialRecord]) -> Seeds:
    """The same by seed, without those seeds of which a trial failed."""
    return list(values_by_seed(trials).values())


def values_by_seed(trials: Sequence[TrialRecord]) -> dict[int, list[float]]:
    """The same with the seeds."""
    found: dict[int, list[float]] = {}
    for one in trials:
        if (result := one.reached(None)) is not None and (value := captured_or_return(result)) is not None:
            found.setdefault(one.seed, []).append(value)
    calibrations = len({one.calibration for one in trials})
    return {seed: values for seed, values in found.items() if len(values) == calibrations}


def measure_of(numbering: TrialNumbering) -> Measure:
    """What ranks trials: the exact return; between models, whose returns cannot be compared, captured value."""
    return captured_or_return if len(numbering.calibrations) > 1 else best_return


@dataclass(frozen=True)
class RungAgreement:
    """How far the rankings of configurations at a rung and at the next one, or at the end, agree."""

    rung: int
    following: int
    """The iteration of the next one, or of the end."""
    configurations: int
    """That went on, and did not fail on the way."""
    correlation: tuple[float, float, float] | None
    """Spearman's correlation with its 95% interval; None where too few went on."""


def rung_agreements(trials: Iterable[TrialRecord], numbering: TrialNumbering) -> list[RungAgreement]:
    """How far the rankings at each rung and at the next one agree, by configuration, as a cut chooses among these.

    A trial more or less of a configuration is no more evidence on the order of configurations. Where rungs were added, each
    configuration counts between the rungs that it passed.
    """
    config = numbering.config
    moved = [one for one in trials if one.stage == "explore" and one.status is not TrialState.PAUSED]
    passed = {
        at: [*itertools.pairwise([*extent.rungs, config.n_iterations])]
        for at, extent in enumerate(numbering.extents)
        if numbering.group(at)
    }
    found = []
    for rung, following in sorted({pair for between in passed.values() for pair in between}):
        pairs: dict[int, list[tuple[float, float]]] = {}
        for one in moved:
            if (rung, following) not in passed[numbering.group_of(one.configuration)]:
                continue
            at_end = following == config.n_iterations
            after = one.reached(None if at_end else following)
            if at_end and one.status is not TrialState.COMPLETED:
                continue
            values = [captured_or_return(result) for result in (one.reached(rung), after) if result is not None]
            if len(values) == 2 and values[0] is not None and values[1] is not None:
                pairs.setdefault(one.configuration, []).append((values[0], values[1]))
        found.append(rung_agreement(rung, following, pairs, config.rank_by))
    return found


def rung_agreement(
    rung: int, following: int, pairs: Mapping[int, Sequence[tuple[float, float]]], rank_by: RankBy
) -> RungAgreement:
    """The same of one rung, from what each configuration's trials had reached there and then at the next one."""
    figures = [[aggregate(values, rank_by) for values in zip(*ours, strict=True)] for ours in pairs.values()]
    correlation = rank_correlation([before for before, _ in figures], [after for _, after in figures])
    return RungAgreement(rung, following, len(figures), correlation)


def after_cut(outcome: TrialRecord, goes_on: bool) -> TrialRecord:
    """The record of a trial that stands at a rung once it is decided whether its configuration goes on."""
    return dataclasses.replace(outcome, status=TrialState.PAUSED if goes_on else TrialState.STOPPED_AT_RUNG)
