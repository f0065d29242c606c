"""The state of a search: all that is recorded of it, and what that says. It is the one thing that everybody reads.

The store writes it, scheduler, displays, page, exports and ``ghm.load_results`` read it. Which configuration is the best, which
trials are ranked how, what has failed and what is still to be done is decided here and nowhere else.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from ghm.economics.model import GHMModel
from ghm.search.decisions.confirmation import Confirmation, chosen_by, confirmed, n_trainings
from ghm.search.decisions.ranking import ConfigurationScore, best_first, measure_of, ranked, score
from ghm.search.decisions.selection import Decision
from ghm.search.decisions.workload import Workload, added_numbers, workload
from ghm.search.records.search_record import SearchRecord
from ghm.search.records.values import BestConfiguration, Counts, ReferenceReturns, best_of
from ghm.search.settings.config import SearchConfig
from ghm.search.trials.history import HistoryLine, read_history
from ghm.search.trials.outcome import TrialRecord, TrialState


class SearchState:
    """All that is recorded of a search.

    Args:
        path: the results JSON.
        record: settings, space, calibrations, and on what it was started.
    """

    def __init__(self, path: Path, record: SearchRecord) -> None:
        self.path = path
        self.record = record
        self.references: dict[str | None, ReferenceReturns | None] = {}
        """What the trials of each calibration are measured against; of the search's own model by None."""
        self.choice: Decision | None = None
        """Which configurations are confirmed; None while that is not decided."""
        self.rounds: list[Decision] = []
        """What was decided at each look of a race."""
        self.damaged: dict[str, str] = {}
        """What could not be read of it, and why."""
        self.ahead: dict[int, int] = {}
        """Iterations of trials that had gone on from where they are recorded when their search was killed, by number."""
        self.grown: dict[int, tuple[int, ...]] = {}
        """Configurations that growths in seeds chose, by extent, as far as that is decided."""
        self.numbering = record.numbering
        """Instances and numbers of its trials."""
        self._measure = measure_of(self.numbering)
        self._recorded: dict[int, TrialRecord] = {}
        self._unrecorded: dict[int, TrialRecord] = {}
        # Kept up to date rather than made from thousands of trials whenever it is asked for.
        self._numbers: dict[int, set[int]] = {}
        self._scores: dict[int, ConfigurationScore] = {}
        self._leader: ConfigurationScore | None = None
        self._states: Counter[TrialState] = Counter()
        self._histories: dict[int, tuple[HistoryLine, ...]] = {}

    @property
    def config(self) -> SearchConfig:
        """Its settings."""
        return self.record.config

    def add(self, outcome: TrialRecord) -> None:
        """Take in how a trial ended, or how far it has come."""
        number, before = outcome.trial_num, self._recorded.get(outcome.trial_num)
        if before is None:
            before = self._unrecorded.pop(number, None)
        if before is not None:
            self._states[before.status] -= 1
        self._states[outcome.status] += 1
        self.__dict__.pop("varied", None)
        if outcome.status is TrialState.UNFINISHED:
            self._unrecorded[number] = outcome
            return
        self._histories.pop(number, None)
        self.ahead.pop(number, None)
        self._recorded[number] = outcome
        if before is not None and (before.stage, before.configuration) != (outcome.stage, outcome.configuration):
            self._numbers.get(before.configuration, set()).discard(number)  # two records of it disagree
            self._rank(before.configuration)
        if outcome.stage == "explore":
            self._numbers.setdefault(outcome.configuration, set()).add(number)
            self._rank(outcome.configuration)

    def choose(self, decision: Decision) -> None:
        """Take in which configurations are confirmed, or which of them are trained on more seeds; others say nothing here."""
        if decision.kind == "race":
            seeds = decision.subject["seeds"]
            self.rounds = [*(one for one in self.rounds if one.subject["seeds"] < seeds), decision]
        elif decision.kind == "confirmation":
            self.choice, self.rounds = decision, []
        elif decision.kind == "growth" and "chosen" in decision.content:
            self.grown[decision.subject["growth"]] = chosen_by(decision)

    @property
    def by_number(self) -> Mapping[int, TrialRecord]:
        """All trials that left a record, a view that changes with them."""
        return MappingProxyType(self._recorded)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials that were started, by number."""
        found = self._unrecorded | self._recorded
        return [found[number] for number in sorted(found)]

    @property
    def failures(self) -> list[TrialRecord]:
        """Trials that failed, by number."""
        return [one for one in self.trials if one.failed]

    @property
    def unfinished(self) -> list[TrialRecord]:
        """Trials that were started and are not over, by number."""
        return [one for one in self.trials if not one.final]

    @property
    def n_instances(self) -> int:
        """The most trials of a configuration."""
        return self.numbering.most_instances

    def scores(self) -> list[ConfigurationScore]:
        """How every configuration stands of which a trial left a record, by number."""
        return [self._scores[number] for number in sorted(self._scores)]

    def ranking(self) -> list[ConfigurationScore]:
        """The configurations that can be compared, the best first.

        All their trials are over or wait at a rung, and one at least did not fail. They are ranked as they were tuned; what a
        confirmation makes of them is in :attr:`confirmation`.
        """
        return ranked(one for one in self._scores.values() if self._is_comparable(one))

    @property
    def ranked(self) -> list[TrialRecord]:
        """Trials of the exploration that have a result, the best first: by their configurations, then among themselves.

        Those of configurations that cannot be ranked yet come last.
        """
        order = self.ranking()
        placed = {one.configuration for one in order}
        rest = [one for one in self.scores() if one.configuration not in placed]
        return [trial for one in (*order, *rest) for trial in best_first(one.trials)]

    @property
    def leader(self) -> ConfigurationScore | None:
        """The first of :meth:`ranking`; None while there is none."""
        return self._leader

    @property
    def confirmation(self) -> Confirmation | None:
        """How the chosen configurations did on fresh seeds; None while none was chosen."""
        if self.choice is None:
            return None
        tuned = {number: self._scores[number] for number in chosen_by(self.choice) if number in self._scores}
        trials = [one for one in self.trials if one.stage == "confirm"]
        calibrations = max(len(self.record.calibrations), 1)
        return confirmed(self.choice, tuned, trials, calibrations, self.config.rank_by, self.rounds)

    @property
    def best_configuration(self) -> BestConfiguration | None:
        """The best configuration: the winner of a confirmation that is complete, else the one that leads as tuned."""
        winner = None if (confirmation := self.confirmation) is None else confirmation.winner
        if confirmation is not None and winner is not None and winner.confirmed is not None:
            return best_of("confirmed", winner, winner.confirmed, confirmation.figure, winner.interval)
        leader = self._leader
        if leader is None or (figure := leader.figure(self.config.rank_by)) is None:
            return None
        return best_of("ranked" if self.n_instances > 1 else "trial", leader, figure, self.config.rank_by)

    @property
    def best_trial(self) -> TrialRecord | None:
        """The best trial of the best configuration."""
        return None if (best := self.best_configuration) is None else best.trial

    @property
    def best_value(self) -> float | None:
        """The exact return of the best trial: ``best_return`` of the search."""
        return None if (trial := self.best_trial) is None else trial.best_return

    def counts(self, running: Iterable[int] = ()) -> Counts:
        """How many trials stand how, given the numbers of those that run now."""
        states, now = self._states.copy(), set(running)
        for number in now:
            if (known := self._recorded.get(number, self._unrecorded.get(number))) is not None:
                states[known.status] -= 1
        return Counts(
            asked=self._asked(),
            completed=states[TrialState.COMPLETED],
            stopped=states[TrialState.STOPPED_AT_RUNG],
            failed=sum(states[state] for state in TrialState if state.is_failure),
            paused=states[TrialState.PAUSED],
            interrupted=states[TrialState.INTERRUPTED] + states[TrialState.UNFINISHED],
            running=len(now),
        )

    def workload(
        self, again: Mapping[int, TrialRecord] = MappingProxyType({}), running: Collection[int] = ()
    ) -> Workload:
        """What is still to be started, given the numbers of the trials that run now.

        Args:
            again: failed trials that are to be run again, by number, as they are recorded.
            running: trials that run now.
        """
        left = [number for number, failed in again.items() if self._recorded.get(number) is failed]
        records = self._unrecorded | self._recorded
        return workload(self.numbering, records, left, running, self.ahead, self._n_confirmed(), self.grown)

    @property
    def is_complete(self) -> bool:
        """Whether all trials are over that the search asked for."""
        return self.counts().unfinished == 0

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Hyperparameters of which the trials tried more than one value."""
        tried = [one.hyperparameters for one in self.trials]
        return tuple(name for name in self.record.choices if len({getattr(one, name, None) for one in tried}) > 1)

    def model_of(self, trial: TrialRecord) -> GHMModel:
        """The model that a trial was trained on."""
        models = {one.name: one.model for one in self.record.calibrations}
        return models.get(trial.calibration or "", self.config.model)

    @property
    def reference(self) -> ReferenceReturns | None:
        """What the trials of a search without calibrations are measured against."""
        return self.references.get(None)

    def reference_of(self, trial: TrialRecord) -> ReferenceReturns | None:
        """What a trial is measured against."""
        return self.references.get(trial.calibration)

    def directory(self, trial: TrialRecord) -> Path:
        """The trial's directory."""
        return self.path.parent / trial.directory

    def checkpoint(self, trial: TrialRecord) -> Path:
        """File of the trial's best policy; it may not exist."""
        return self.directory(trial) / "checkpoints" / "best_model.pt"

    def history(self, trial: TrialRecord) -> tuple[HistoryLine, ...]:
        """The trial's history, read once."""
        if trial.trial_num not in self._histories:
            self._histories[trial.trial_num] = read_history(self.directory(trial))
        return self._histories[trial.trial_num]

    def restricted(self, trials: Iterable[TrialRecord]) -> "SearchState":
        """The search as it would be with these trials only."""
        found = SearchState(self.path, self.record)
        found.references, found._histories, found.grown = self.references, self._histories, self.grown
        found.choice, found.rounds = self.choice, self.rounds
        for trial in trials:
            found.add(trial)
        return found

    def _rank(self, configuration: int) -> None:
        """Rank a configuration anew."""
        trials = [self._recorded[one] for one in sorted(self._numbers.get(configuration, ()))]
        if self.record.grown:  # more seeds count as they end: the configuration is ranked meanwhile
            first = self.numbering.numbers(configuration)
            trials = [one for one in trials if one.final or one.trial_num in first]
        placed = score(trials, self.config.rank_by, self._measure) if trials else None
        if placed is None:
            self._scores.pop(configuration, None)
        else:
            self._scores[configuration] = placed
        if self._leader is not None and self._leader.configuration == configuration:
            self._leader = min(
                filter(self._is_comparable, self._scores.values()), key=lambda one: one.key, default=None
            )
        elif (
            placed is not None
            and self._is_comparable(placed)
            and (self._leader is None or placed.key < self._leader.key)
        ):
            self._leader = placed

    def _is_comparable(self, one: ConfigurationScore) -> bool:
        over = all(trial.final or trial.status is TrialState.PAUSED for trial in one.trials)
        return over and len(one.trials) >= len(self.numbering.numbers(one.configuration)) and one.value is not None

    def _n_confirmed(self) -> int:
        if self.choice is None:
            return self.numbering.n_confirmed
        return n_trainings(self.choice, self.rounds) * max(len(self.record.calibrations), 1)

    def _asked(self) -> int:
        explored = sum(len(self.numbering.numbers(one)) for one in range(1, self.numbering.n_configurations + 1))
        growths = filter(self.numbering.adds_seeds, range(len(self.numbering.extents)))
        explored += sum(len(added_numbers(self.numbering, at, self.grown)) for at in growths)
        return max(explored + self._n_confirmed(), len(self._recorded) + len(self._unrecorded))
