"""What a search does next: a function of its settings and of the outcomes recorded so far, in the order of the trials.

Never of time, workers, the order in which trials end, or interruptions. A step is taken only once everything that it depends
on is recorded, and what it depends on is fixed beforehand: a proposal on the configurations up to ``proposal_lag`` before it,
a cut on all configurations of its group that are still in the running, a confirmation on all there are. So however a search is
run, the steps are the same, in the same order.
"""

import dataclasses
import functools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ghm.search.decisions.confirmation import choose, is_decided, stretches_of
from ghm.search.decisions.growth import more_configurations, more_seeds
from ghm.search.decisions.racing import race_round
from ghm.search.decisions.ranking import ConfigurationScore, Measure, after_cut, captured_or_return, measure_of, score
from ghm.search.decisions.selection import Decision, cut, digest, settings_at
from ghm.search.decisions.workload import run_again
from ghm.search.methods.earlier import Earlier
from ghm.search.methods.proposals import Known, unseen
from ghm.search.methods.registry import make_proposal
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.inactive import distinct, effective_choices, inactive_hyperparameters
from ghm.search.settings.methods import first_look
from ghm.search.settings.space import Choices
from ghm.search.settings.trial_numbering import Instance, TrialNumbering
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial
from ghm.training.settings import Hyperparameters

Step = Trial | Decision | TrialRecord | None
"""A training to run; a decision to write down before anything that follows from it; the record of a trial at a rung once it is
decided whether it goes on; or None: what comes next depends on outcomes that are not there yet."""


class Scheduler:
    """The steps of one search.

    Args:
        numbering: instances and numbers of its trials.
        choices: its search space.
        make: makes a trial, as :func:`ghm.search.trials.trial.make_trial` with settings and directory given.
        outcomes: recorded outcomes by trial number; the steps look at it again whenever they are asked for.
        check: called with each recorded outcome and the trial that it should be of; raises where it is of another.
        retry_failed: trials that have failed already are to be run again.
        keep_recorded: a configuration of which a trial is recorded stays what it was, whatever would be proposed now.
        start_with: the first configurations, whatever the method.
        learn_from: outcomes of an earlier search, which proposals know from the first.
        retry_machine: so are those with an infrastructure failure, unless they had too many.
    """

    def __init__(
        self,
        numbering: TrialNumbering,
        choices: Choices,
        make: Callable[..., Trial],
        outcomes: Mapping[int, TrialRecord],
        check: Callable[[TrialRecord, Trial], None] = lambda _outcome, _trial: None,
        retry_failed: bool = False,
        retry_machine: bool = False,
        keep_recorded: bool = False,
        start_with: Sequence[Hyperparameters] = (),
        learn_from: Earlier | None = None,
    ) -> None:
        self._numbering, self._config = numbering, numbering.config
        self._make, self._outcomes, self._check = make, outcomes, check
        self._again = {number: outcomes[number] for number in run_again(outcomes, retry_failed, retry_machine)}
        inactive = inactive_hyperparameters(vars(self._config), choices)
        self._propose = make_proposal(self._config.search_type, choices, self._config.seed_base, inactive)
        self._distinct = functools.partial(distinct, choices=choices, inactive=inactive)
        self._effective = effective_choices(choices, inactive)
        self._taken: set[Hyperparameters] = set()
        self._given = dict(enumerate(start_with, 1))
        self._kept = {one.configuration: one.hyperparameters for one in outcomes.values()} if keep_recorded else {}
        self._learns = self._config.method.learns
        self._configurations: dict[int, Hyperparameters] = {}
        self._scores: list[ConfigurationScore] = []
        self._measure = measure_of(numbering)
        self._added: dict[int, tuple[int, Instance]] = {}
        self._chosen: dict[int, list[int]] = {}
        self._before = () if learn_from is None else learn_from.outcomes
        given: list[Any] = [[plain_hyperparameters(one) for one in start_with]] if start_with else []
        given += [] if learn_from is None else [learn_from.digest]
        calibrations = [calibration.to_dict() for calibration in numbering.calibrations]
        space = {name: values.to_json() for name, values in choices.items()}
        self._facts = (space, calibrations, *given)
        self._enter(0)

    def _enter(self, growth: int) -> None:
        """What follows is decided under the settings that hold since a growth, or since the start (0)."""
        self._growth, self._settings = growth, digest(settings_at(self._numbering, growth), *self._facts)

    def steps(self) -> Iterator[Step]:
        """All steps, each once; see :data:`Step`."""
        ending: list[int] = []
        for growth in range(len(self._numbering.extents)):
            self._enter(growth)
            if growth:
                yield from self._grow(ending)
            group = list(self._numbering.group(growth))
            yield from self._explore([*group, *self._surplus(growth)])
            if group:
                ending += yield from self._pass_rungs(group)
        if self._config.confirm:
            for configuration in ending:
                yield from self._wait(configuration, None)
            yield from self._confirm()

    def _surplus(self, growth: int) -> range:
        """After the last growth: configurations that are recorded though fewer are asked for; they are kept, and not run."""
        if growth < len(self._numbering.extents) - 1:
            return range(0)
        asked = self._numbering.n_configurations
        recorded = [one.configuration for one in self._outcomes.values() if one.stage == "explore"]
        return range(asked + 1, max([asked, *recorded]) + 1)

    def _grow(self, ending: Sequence[int]) -> Iterator[Step]:
        """Write down what a growth adds; in seeds, choose among the configurations that go to their ends, and train them."""
        numbering, growth = self._numbering, self._growth
        extent = numbering.extents[growth]
        if not numbering.adds_seeds(growth):
            yield more_configurations(growth, numbering.group(growth), extent.rungs, self._settings)
            return
        for configuration in ending:
            yield from self._wait(configuration, None)
        scores = [self._score(configuration, None, self._measure) for configuration in ending]
        decision = more_seeds(growth, extent, scores, self._settings, self._distinct)
        yield decision
        self._chosen[growth] = [configuration for configuration, _ in decision.content["chosen"]]
        before, self._added = self._added, numbering.added(self._chosen)
        for number in sorted({*self._added} - {*before}):
            configuration, instance = self._added[number]
            trial = self._make(number, self._configurations[configuration], instance, configuration)
            yield from self._run(self._at_rungs(trial), self._outcomes.get(number))

    def _pass_rungs(self, still: list[int]) -> Generator[Step, None, list[int]]:
        """Cut the configurations ``still`` at each rung; return those that are trained to their ends."""
        rungs = self._numbering.extents[self._growth].rungs
        for rung, until in zip(rungs, (*rungs[1:], None), strict=False):
            for configuration in still:
                yield from self._wait(configuration, rung)
            still = yield from self._cut(rung, still)
            for configuration in still:
                yield from self._train(configuration, until)
        return still

    def _explore(self, group: Sequence[int]) -> Iterator[Step]:
        """Each configuration of a group, to its end or to the first rung."""
        for configuration in group:
            if self._learns:
                for earlier in range(len(self._scores) + 1, configuration - self._config.proposal_lag + 1):
                    yield from self._learn(earlier)
            yield self._proposal(configuration)
            until = next(iter(self._numbering.rungs(configuration)), None)
            yield from self._train(configuration, until, run=configuration <= self._numbering.n_configurations)

    def _learn(self, configuration: int) -> Iterator[Step]:
        """Take in what a configuration reached at its first rung or, without rungs, at its end, on its first seeds."""
        until = next(iter(self._numbering.rungs(configuration)), None)
        yield from self._wait(configuration, until)
        self._scores.append(
            self._score(configuration, until, captured_or_return, self._numbering.numbers(configuration))
        )

    def _proposal(self, configuration: int) -> Decision:
        known = len(self._scores)
        history: list[Known] = []
        if self._learns:
            pending = [Known(one, pending=True) for number, one in self._configurations.items() if number > known]
            history = [*self._before, *(self._known(one) for one in self._scores), *pending]
        chosen = (
            self._kept.get(configuration) or self._given.get(configuration) or self._propose(configuration, history)
        )
        # On the same seeds it would be the same training; on another one, which --n_seeds 1 gives it, it is not.
        fresh = configuration not in self._kept
        if fresh and self._numbering.n_seeds(self._growth) > 1 and (plain := self._distinct(chosen)) in self._taken:
            chosen = unseen(self._effective, plain, self._taken, self._config.seed_base, configuration)
        self._taken.add(self._distinct(chosen))
        self._configurations[configuration] = chosen
        content: dict[str, Any] = {"hyperparameters": plain_hyperparameters(chosen)}
        made_from: list[Any] = [self._settings, configuration]
        if self._learns:
            content["seen"] = known
            made_from += [
                [[one.value, *one.by_seed] for one in history if not one.pending],
                [plain_hyperparameters(one.hyperparameters) for one in history],
            ]
        return Decision("proposal", {"configuration": configuration}, content, digest(*made_from))

    def _known(self, one: ConfigurationScore) -> Known:
        """What a proposal learns from a configuration; of a mean over seeds also what it is a mean of."""
        by_seed: tuple[tuple[float | None, ...], ...] = ()
        seeds = self._numbering.n_seeds(self._numbering.group_of(one.configuration))
        if seeds > 1 and self._config.rank_by != "worst":
            values = [None if result is None else captured_or_return(result) for result in one.results]
            by_seed = tuple(tuple(values[first : first + seeds]) for first in range(0, len(values), seeds))
        return Known(self._configurations[one.configuration], one.value, by_seed=by_seed)

    def _train(self, configuration: int, until: int | None, run: bool = True) -> Iterator[Step]:
        """Those trials of the configuration that have not come to ``until`` (None: to their end)."""
        hyperparameters = self._configurations[configuration]
        for position, instance in enumerate(self._numbering.instances(configuration)):
            number = self._numbering.number(configuration, position)
            outcome = self._outcomes.get(number)
            if outcome is not None or run:
                trial = self._make(number, hyperparameters, instance, configuration)
                yield from self._run(self._at_rungs(trial, until), outcome, run)

    def _at_rungs(self, trial: Trial, until: int | None = None) -> Trial:
        """The trial with its configuration's rungs to evaluate at, of which it pauses at ``until``."""
        rungs = self._numbering.rungs(trial.configuration)
        return dataclasses.replace(trial, config=dataclasses.replace(trial.config, pause_at=until, evaluate_at=rungs))

    def _run(self, trial: Trial, outcome: TrialRecord | None, run: bool = True) -> Iterator[Step]:
        """The trial, unless it is over or has come to where it is to pause."""
        if outcome is not None:
            self._check(outcome, trial)
            trial = dataclasses.replace(trial, passed=outcome.rungs, machine_failures=outcome.machine_failures)
        if run and not self._covered(trial.number, trial.config.pause_at):
            yield trial

    def _covered(self, number: int, until: int | None) -> bool:
        """Whether the trial is over, or has come to ``until``."""
        outcome = self._outcomes.get(number)
        return outcome is not None and outcome is not self._again.get(number) and outcome.has_come_to(until)

    def _wait(self, configuration: int, until: int | None) -> Iterator[Step]:
        """Nothing, for as long as a trial of the configuration has not come to ``until``."""
        numbers = self._numbers(configuration)
        while not all(self._covered(number, until) for number in numbers):
            yield None

    def _numbers(self, configuration: int) -> list[int]:
        """Numbers of the configuration's trials, those of growths so far among them."""
        added = [number for number, (one, _) in self._added.items() if one == configuration]
        return [*self._numbering.numbers(configuration), *added]

    def _score(
        self, configuration: int, rung: int | None, measure: Measure, numbers: Iterable[int] | None = None
    ) -> ConfigurationScore:
        """How a configuration stands by its trials, or by those of these numbers."""
        numbers = self._numbers(configuration) if numbers is None else numbers
        trials = [self._outcomes[number] for number in numbers if number in self._outcomes]
        return score(trials, self._config.rank_by, measure, rung)

    def _cut(self, rung: int, still: list[int]) -> Generator[Step, None, list[int]]:
        scores = [self._score(configuration, rung, self._measure) for configuration in still]
        decision = cut(rung, self._config.keep, scores, self._settings, self._growth)
        yield decision
        going = decision.content["go_on"]
        for one in scores:
            for outcome in one.trials:
                decided = after_cut(outcome, one.configuration in going)
                # What a smaller --keep had stopped here goes on from a larger one.
                if outcome.status.is_at_rung and outcome.iterations == rung and decided.status != outcome.status:
                    yield decided
        return list(going)

    def _confirm(self) -> Iterator[Step]:
        recorded = [n for n in self._configurations if any(k in self._outcomes for k in self._numbering.numbers(n))]
        scores = [self._score(configuration, None, self._measure) for configuration in recorded]
        iterations = self._config.confirm_iterations or self._config.n_iterations
        seeds = self._numbering.confirmation_seeds(self._config.confirm_seeds)
        races = functools.partial(first_look, seeds=len(seeds) if self._config.race else 0)
        decision = choose(self._config.confirm, scores, seeds, iterations, self._settings, self._distinct, races)
        yield decision
        rounds: list[Decision] = []
        begun = 0
        while True:
            trials = list(self._numbering.confirmation(stretches_of(decision, rounds)))
            for number, configuration, instance in trials[begun:]:
                trial = self._make(number, self._configurations[configuration], instance, configuration, "confirm")
                yield from self._run(trial, self._outcomes.get(number))
            if is_decided(decision, rounds):
                return
            begun = len(trials)
            while not all(self._covered(number, None) for number, _, _ in trials):
                yield None
            in_race, _ = stretches_of(decision, rounds)[-1]
            fresh = [self._outcomes[number] for number, _, _ in trials]
            rounds.append(race_round(decision, rounds, self._standing(in_race, fresh), self._settings))
            yield rounds[-1]

    def _standing(self, in_race: Sequence[int], fresh: Sequence[TrialRecord]) -> list[ConfigurationScore]:
        """How configurations stand on fresh seeds, in their order."""
        ours = [[one for one in fresh if one.configuration == number] for number in in_race]
        return [score(trials, self._config.rank_by, captured_or_return) for trials in ours]
