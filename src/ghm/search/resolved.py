"""What a search is to run, settled before anything is written: settings, space, trials, and the search it continues."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ghm.errors import UserError, require_posix
from ghm.io.platforms import untested
from ghm.io.values import require_path
from ghm.search.decisions.growth import grow, growth_note
from ghm.search.decisions.scheduler import Scheduler
from ghm.search.decisions.workload import Workload, affordable, run_again, workload
from ghm.search.display.lines import machine_notes
from ghm.search.display.observer import Plan
from ghm.search.display.time_left import duration
from ghm.search.learn_from import read_earlier
from ghm.search.methods.earlier import Earlier, learning_notes
from ghm.search.methods.registry import make_proposal
from ghm.search.records.directory import find_record, names_taken
from ghm.search.records.reader import restored_search
from ghm.search.records.search_record import SearchRecord, new_record, resumed_record
from ghm.search.records.state import SearchState
from ghm.search.settings.calibrations import Calibration, read_calibrations
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.inactive import effective_choices, inactive_hyperparameters, inactive_note, size
from ghm.search.settings.space import Choices, SearchSpace, read_configurations
from ghm.search.settings.trial_numbering import Extent, TrialNumbering
from ghm.search.trials.gpus import assigned_gpus
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial, make_trial
from ghm.training.settings import Hyperparameters

# A grid larger than this is announced with a warning.
LARGE_GRID = 100


@dataclass(frozen=True)
class ResolvedSearch:
    """A search, ready to run."""

    config: SearchConfig
    choices: Choices
    results_dir: Path
    """Its directory, absolute, so that trials find it from wherever they run."""
    recorded: SearchRecord | None
    """The search that it continues, as recorded; None for a new one."""
    gpus: tuple[str, ...]
    """GPUs to share out among the workers; empty on the CPU."""

    calibrations: tuple[Calibration, ...] = ()
    """Models to train on; empty: the settings' own one."""
    start_with: tuple[Hyperparameters, ...] = ()
    """Configurations to try first."""
    grown: tuple[Extent, ...] = ()
    """Its extents since its start; empty where it has not grown."""
    learn_from: Earlier | None = None
    """Outcomes of an earlier search that proposals learn from."""
    asked: int | None = None
    """``--n_trials``, whatever is made of it; None: it was not given."""

    @property
    def numbering(self) -> TrialNumbering:
        """Instances and numbers of its trials."""
        return TrialNumbering(self.config, self.calibrations, self.n_configurations, self.grown)

    @property
    def n_configurations(self) -> int:
        """Configurations that it explores: those that are asked for, as far as the space has them."""
        config = self.config
        inactive = inactive_hyperparameters(vars(config), self.choices)
        counted = make_proposal(config.search_type, self.choices, config.seed_base, inactive).n_trials
        # On the same seeds a configuration that comes up again would be the same training.
        several = (config.n_seeds if self.recorded is None else self.recorded.numbering.n_seeds(0)) > 1
        return counted or int(min(config.n_trials, self.n_distinct if several else config.n_trials))

    @property
    def n_distinct(self) -> float:
        """Configurations of the space that differ in more than hyperparameters without effect; it may be infinite."""
        return size(effective_choices(self.choices, inactive_hyperparameters(vars(self.config), self.choices)))

    @property
    def n_trials(self) -> int:
        """Trials in total."""
        return self.numbering.n_explored + self.numbering.n_confirmed

    def scheduler(
        self,
        outcomes: Mapping[int, TrialRecord],
        check: Callable[[TrialRecord, Trial], None] = lambda _outcome, _trial: None,
        retry_machine: bool = False,
        drifted: bool = False,
    ) -> Scheduler:
        """What is to be done, given what is recorded; ``check`` is called with what is recorded of each trial."""
        make = functools.partial(make_trial, self.config, self.results_dir)
        again = (self.config.retry_failed, retry_machine, drifted)
        return Scheduler(self.numbering, self.choices, make, outcomes, check, *again, self.start_with, self.learn_from)

    def record(self) -> SearchRecord:
        """The record of this search as it is now.

        Raises:
            UserError: when it continues one whose results would not be comparable.
        """
        given = (self.calibrations, self.start_with, self.learn_from)
        if self.recorded is None:
            return new_record(self.config, self.choices, names_taken(self.results_dir), *given)
        return resumed_record(self.recorded, self.config, self.choices, *given, self.grown)

    def plan(self, state: SearchState | None = None, retry_machine: bool = False) -> Plan:
        """What the user is told before it starts, given what is recorded."""
        retry, records = self.config.retry_failed, {} if state is None else state.by_number
        again = {number: records[number] for number in run_again(records, retry, retry_machine)}
        left = workload(self.numbering, {}) if state is None else state.workload(again)
        n_trials = self.n_trials if state is None else state.counts().asked
        notes = (*self._notes(), *self._duration(records, left))
        return Plan(self.config, self.results_dir, n_trials, left.n_trials, notes, self.numbering, again)

    def _duration(self, records: Mapping[int, TrialRecord], left: Workload) -> list[str]:
        """How long it will take, at the pace of what is recorded."""
        told = [one for one in records.values() if one.iterations and one.seconds]
        if not left.parts:
            return []
        if not told:
            return ["Time left: known after the first trials."]
        pace = sum(one.seconds for one in told) / sum(one.iterations for one in told)
        seconds = pace * max(left.iterations / self.config.n_workers, max(left.parts))
        trials = f"{len(told)} trial{'s' if len(told) > 1 else ''}"
        return [f"It will take about {duration(seconds)}, at the pace of the {trials} recorded."]

    def _notes(self) -> list[str]:
        config = self.config
        notes = [message] if (message := untested()) else []
        count = self.n_distinct
        if config.search_type == "grid":
            count = self.numbering.n_configurations
            notes.append(f"The grid has {count:,} configurations.")
            if self.asked not in (None, self.numbering.n_configurations):
                notes.append(
                    f"--n_trials {self.asked} is not used: a grid runs all of them. Shorten its lists (--space FILE), or use "
                    f"--search_type random --n_trials {self.asked}."
                )
            if count > LARGE_GRID:
                notes.append(
                    "Warning: that is a large grid; fewer values (--space FILE), more --n_workers or --search_type random "
                    "make it shorter."
                )
        elif config.n_seeds > 1 and count == config.n_trials:
            notes.append(f"The space has only {count} distinct configurations: each is trained once on each seed.")
        elif count < config.n_trials:
            notes.append(f"The space has only {count} distinct configurations: some trials differ in their seed alone.")
        if config.budget is not None:
            iterations = workload(self.numbering, {}).iterations
            notes.append(
                f"--budget {config.budget:,}: {self.numbering.n_configurations} configurations, {iterations:,} training "
                "iterations in all."
            )
        before = 1 if self.recorded is None else len(self.recorded.numbering.extents)
        notes += [growth_note(self.numbering, at) for at in range(before, len(self.grown))]
        if self.start_with:
            notes.append(f"Configurations 1 to {len(self.start_with)} are those of --start_with.")
        if note := inactive_note(self.choices, vars(config)):
            notes.append(note)
        notes += learning_notes(config, self.numbering.n_configurations, self.learn_from)
        if config.method.learns and config.n_workers > config.proposal_lag * self.numbering.n_instances:
            notes.append(
                f"Only {config.proposal_lag} configurations run at once; --proposal_lag {config.n_workers} would keep "
                "all workers busy, with proposals that know less."
            )
        return [*notes, *machine_notes(config, len(self.gpus))]


def resolve(space: SearchSpace | None, config: SearchConfig, elsewhere: bool = False) -> ResolvedSearch:
    """The search that ``space`` and ``config`` describe; nothing is written.

    ``space`` None stands for ``config.space``, else the recorded space, else the default one. ``elsewhere``: an executor of
    the caller's runs the trials, whose workers have GPUs of their own.

    Raises:
        UserError: when settings, space, device or the record to resume are not in order.
    """
    require_posix()
    recorded, results_dir = None, config.results_dir
    if config.resume is not None:
        results_dir, recorded = find_record(config.resume)
        if _absolute(config.results_dir) != _absolute(results_dir):
            raise UserError(
                f"--results_dir {config.results_dir} is not where the search to --resume is, {results_dir}; "
                "leave --results_dir out"
            )
    choices = _choices(space, config, recorded)
    asked = config
    if recorded is not None:  # what it grows by is told below
        config = dataclasses.replace(config, n_seeds=recorded.config.n_seeds, top=None)
    resolved = ResolvedSearch(
        config,
        choices,
        _absolute(results_dir),
        recorded,
        () if elsewhere or config.executor != "local" else assigned_gpus(config),
        _calibrations(config, recorded),
        _start_with(config, choices, recorded),
        () if recorded is None else recorded.grown,
    )
    resolved = dataclasses.replace(resolved, learn_from=_learn_from(resolved))
    if config.budget is not None:
        config = dataclasses.replace(
            config, n_trials=affordable(resolved.numbering, config.budget, recorded is not None)
        )
        resolved = dataclasses.replace(resolved, config=config)
    resolved.numbering.require_countable()
    # The grid says how many there are, whatever --n_trials says, and so does whoever reads the record.
    resolved = dataclasses.replace(
        resolved,
        config=dataclasses.replace(config, n_trials=resolved.n_configurations),
        asked=None if config.n_trials == SearchConfig().n_trials else config.n_trials,
    )
    if recorded is not None:
        resolved = _grown(resolved, recorded, asked)
    resolved.numbering.require_countable()
    if recorded is not None:
        resolved.record()  # refuses drift
    return resolved


def _grown(resolved: ResolvedSearch, recorded: SearchRecord, asked: SearchConfig) -> ResolvedSearch:
    """The search with what it grows by: configurations, rungs, seeds."""
    # Asked for once more when it is over, a growth in seeds chooses anew; before, the same command goes on with it.
    again = asked.top is not None and restored_search(resolved.results_dir, recorded).is_complete
    grown = grow(recorded.numbering, asked, resolved.n_configurations, again)
    if not grown:
        return dataclasses.replace(resolved, grown=())
    numbering = dataclasses.replace(resolved.numbering, grown=grown)
    config = dataclasses.replace(resolved.config, n_seeds=numbering.n_seeds(len(grown) - 1))
    return dataclasses.replace(resolved, grown=grown, config=config)


def resumed_config(resume: Path) -> SearchConfig:
    """The settings with which the search at ``resume`` (results JSON or directory) goes on.

    Raises:
        UserError: when there is no search.
    """
    directory, record = find_record(resume)
    # The content of the recorded files holds; one that is named again is read again.
    return dataclasses.replace(
        record.config,
        resume=resume,
        results_dir=directory,
        space=None,
        calibrations=None,
        start_with=None,
        learn_from=None,
    )


def _calibrations(config: SearchConfig, recorded: SearchRecord | None) -> tuple[Calibration, ...]:
    """The models to train on: those of a file that is given, whose content counts; else the recorded ones."""
    if config.calibrations is not None:
        return read_calibrations(config.calibrations, config.model)
    return () if recorded is None else recorded.calibrations


def _start_with(config: SearchConfig, choices: Choices, recorded: SearchRecord | None) -> tuple[Hyperparameters, ...]:
    """The configurations to try first: those of a file that is given, whose content counts; else the recorded ones."""
    if config.start_with is not None:
        return read_configurations(config.start_with, choices)
    return () if recorded is None else recorded.start_with


def _learn_from(resolved: ResolvedSearch) -> Earlier | None:
    """The outcomes of the search that is named; those recorded where it is the same or none, whatever has become of it."""
    path, recorded = resolved.config.learn_from, resolved.recorded
    if recorded is not None and path in (None, recorded.config.learn_from):
        return recorded.learn_from
    return None if path is None else read_earlier(path, resolved.config, resolved.choices, resolved.calibrations)


def _absolute(results_dir: Path) -> Path:
    try:
        return require_path("results_dir", results_dir.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links is the latter
        raise UserError(f"--results_dir {results_dir} is no usable path ({error}); choose another") from error


def _choices(space: SearchSpace | None, config: SearchConfig, recorded: SearchRecord | None) -> Choices:
    if space is not None:
        return space.choices()
    if config.space is not None:
        return SearchSpace.from_file(config.space).choices()
    return SearchSpace().choices() if recorded is None else recorded.choices
