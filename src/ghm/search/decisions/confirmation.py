"""Who is confirmed, and how they did on fresh seeds: functions of what was recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghm.search.decisions.ranking import ConfigurationScore, by_calibration, by_seed, ranked
from ghm.search.decisions.selection import Decision, digest, facts
from ghm.search.decisions.statistics import Strata, aggregate, interquartile_interval, probability_of_improvement
from ghm.search.settings.config import RankBy
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.trial_numbering import Stretch
from ghm.search.trials.outcome import NO_RETURN, TrialRecord
from ghm.training.settings import Hyperparameters


def choose(
    count: int,
    scores: Sequence[ConfigurationScore],
    seeds: Sequence[int],
    iterations: int,
    settings: str,
    distinct: Callable[[Hyperparameters], Hyperparameters] = lambda hyperparameters: hyperparameters,
    races: Callable[[int], int] = lambda _count: 0,
) -> Decision:
    """The ``count`` best configurations, in order, are trained again on ``seeds`` for ``iterations``.

    Of those that are the same by ``distinct`` only the best: on the same seeds they would be the same trainings. Where they
    race, as so many do by ``races``, they are trained on so many of the seeds before the first look.
    """
    best: dict[Hyperparameters, ConfigurationScore] = {}
    for one in ranked(scores):
        if one.value is not None:
            best.setdefault(distinct(one.hyperparameters), one)
    order = list(best.values())
    first = races(len(order[:count]))
    content = {
        "of": len(scores),
        "chosen": [[one.configuration, one.value] for one in order[:count]],
        "seeds": list(seeds[: first or None]),
        "iterations": iterations,
    } | ({"race": len(seeds)} if first else {})
    basis = digest(settings, count, list(seeds), iterations, facts(scores))
    return Decision("confirmation", {"count": count}, content, basis)


@dataclass(frozen=True)
class Confirmed:
    """A configuration on seeds that it was not tuned on, in captured value."""

    configuration: int
    hyperparameters: Hyperparameters
    trials: tuple[TrialRecord, ...]
    """The trials of the confirmation that its figures are of, so far; of a race's winner those that decided nothing."""
    tuned: float | None
    """Figure of the trials that it was chosen by."""
    confirmed: float | None
    """Figure of the confirmation's trials; None while there is none."""
    interval: tuple[float, float] | None
    """95% interval of an interquartile mean; None with fewer than five seeds, and of the worst."""
    race: str | None = None
    """How it did in the race, in a few words; None without one."""

    @property
    def seeds(self) -> int:
        """Seeds that its figures are of."""
        return len({one.seed for one in self.trials})

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
            "seeds": self.seeds,
            "race": self.race,
        }


@dataclass(frozen=True)
class Confirmation:
    """How the chosen configurations did on fresh seeds."""

    configurations: tuple[Confirmed, ...]
    """The best confirmed one first."""
    seeds: tuple[int, ...]
    """All of them; of a race so far."""
    iterations: int
    complete: bool
    """Whether all its trials are over."""
    first_beats_second: float | None
    """Probability that a training of the first configuration ends above one of the second."""
    chosen: tuple[int, ...] = ()
    """Numbers of the configurations, in the order in which they were chosen and their trials are numbered."""
    figure: RankBy = "iqm"
    """What is compared: the interquartile mean; the worst, where the search ranks by it."""
    rounds: tuple[Decision, ...] = ()
    """Of a race, what was decided at each look."""

    @property
    def n_seeds(self) -> int:
        """Seeds that the figures of the first configuration are of."""
        return self.configurations[0].seeds if self.rounds and self.complete else len(self.seeds)

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
            "race": [one.content for one in self.rounds],
        }


def confirmed(
    choice: Decision,
    tuned: Mapping[int, ConfigurationScore],
    trials: Sequence[TrialRecord],
    n_calibrations: int,
    rank_by: RankBy = "mean",
    rounds: Sequence[Decision] = (),
) -> Confirmation:
    """How the chosen configurations, ``tuned``, did by the confirmation's trials so far (by number) and a race's ``rounds``."""
    stretches = stretches_of(choice, rounds)
    seeds = tuple(dict.fromkeys(seed for _, those in stretches for seed in those))
    figure: RankBy = "worst" if rank_by == "worst" else "iqm"
    won = rounds[-1].content if rounds and rounds[-1].content["final"] else None
    ours = {number: [t for t in trials if t.configuration == number] for number in tuned}
    if won is not None and won["leader"] in ours:
        ours[won["leader"]] = [t for t in ours[won["leader"]] if t.seed in won["next"]]
    found = [
        _confirmed(one, tuple(ours[number]), figure, _raced(number, choice, rounds)) for number, one in tuned.items()
    ]
    lasted = {number: sum(number in those for those, _ in stretches) for number in tuned}
    order = sorted(
        found,
        key=lambda one: (
            won is None or one.configuration != won["leader"],
            -lasted[one.configuration],
            one.failures,
            -(one.confirmed if one.confirmed is not None else NO_RETURN),
        ),
    )
    over = [one for one in trials if one.final]
    wanted = sum(len(those) for configurations, those in stretches for one in configurations if one in tuned)
    complete = is_decided(choice, rounds) and len(over) >= wanted * n_calibrations
    beats = None
    if len(order) > 1:
        first, second = (_compared(one.trials, figure) for one in order[:2])
        beats = probability_of_improvement(first, second) if len(first) == len(second) else None
    iterations = int(choice.content["iterations"])
    return Confirmation(tuple(order), seeds, iterations, complete, beats, chosen_by(choice), figure, tuple(rounds))


def _raced(number: int, choice: Decision, rounds: Sequence[Decision]) -> str | None:
    """How a configuration has done in the race, in a few words; None without one."""
    if "race" not in choice.content:
        return None
    for one in rounds:
        if one.content["final"] and one.content["leader"] == number:
            return f"ahead at {one.subject['seeds']} seeds"
        if number not in one.content["go_on"]:
            how = "beaten" if number in one.content["beaten"] else "behind"
            return f"{how} at {one.subject['seeds']} seeds"
    return "in the race"


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


def stretches_of(choice: Decision, rounds: Sequence[Decision] = ()) -> list[Stretch]:
    """What a confirmation trains as far as it is decided: configurations, each on the seeds, one pair after the other."""
    later = [(one.content["go_on"], one.content["next"]) for one in rounds]
    return [(chosen_by(choice), choice.content["seeds"]), *later]


def n_trainings(choice: Decision, rounds: Sequence[Decision] = ()) -> int:
    """Trainings of a confirmation on each calibration; of a race that is not decided, at most."""
    if not is_decided(choice, rounds):
        return len(chosen_by(choice)) * int(choice.content["race"])
    return sum(len(configurations) * len(seeds) for configurations, seeds in stretches_of(choice, rounds))


def is_decided(choice: Decision, rounds: Sequence[Decision]) -> bool:
    """Whether all that a confirmation trains is decided."""
    return "race" not in choice.content or bool(rounds and rounds[-1].content["final"])


def _confirmed(
    tuned: ConfigurationScore, trials: tuple[TrialRecord, ...], figure: RankBy, race: str | None
) -> Confirmed:
    values = [value for stratum in by_calibration(trials) for value in stratum]
    return Confirmed(
        tuned.configuration,
        tuned.hyperparameters,
        trials,
        tuned.figure(figure),
        aggregate(values, figure) if values else None,
        None if figure == "worst" else interquartile_interval(by_seed(trials)),
        race,
    )
