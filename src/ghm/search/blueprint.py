"""What a search is to run, settled before anything is written: settings, space, trials, and the search it continues."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ghm.errors import UserError
from ghm.search.decisions.proposals import make_proposal
from ghm.search.displays.estimate import duration, estimated_seconds
from ghm.search.displays.observer import Plan
from ghm.search.records.directory import find_record
from ghm.search.records.search_record import SearchRecord, new_record, resumed_record
from ghm.search.settings.config import MAX_TRIALS, SearchConfig
from ghm.search.settings.space import Choices, SearchSpace, size
from ghm.search.trials.gpus import assigned_gpus
from ghm.search.trials.outcome import Outcome
from ghm.search.trials.trial import Trial, make_trial

# A grid larger than this is announced with a warning.
LARGE_GRID = 100

# Hyperparameters that only shape the value network, which the exact sweep does without: docs/design/estimators.md.
_OF_THE_VALUE_NETWORK = ("lr_baseline", "value_hidden")


@dataclass(frozen=True)
class Blueprint:
    """A search, ready to run."""

    config: SearchConfig
    """Its settings."""
    choices: Choices
    """Its search space."""
    results_dir: Path
    """Its directory, absolute, so that trials find it from wherever they run."""
    recorded: SearchRecord | None
    """The search that it continues, as recorded; None for a new one."""
    gpus: tuple[str, ...]
    """GPUs to share out among the workers; empty on the CPU."""

    @property
    def n_trials(self) -> int:
        """Trials in total."""
        return make_proposal(self.config.search_type, self.choices, self.config.seed_base).n_trials or (
            self.config.n_trials
        )

    def trial(self, number: int) -> Trial:
        """Trial ``number``, from 1.

        Raises:
            IndexError: when the search method has no such trial.
        """
        propose = make_proposal(self.config.search_type, self.choices, self.config.seed_base)
        return make_trial(self.config, self.results_dir, number, propose(number))

    def record(self) -> SearchRecord:
        """The record of this search as it is now.

        Raises:
            UserError: when it continues one whose results would not be comparable.
        """
        if self.recorded is None:
            return new_record(self.config, self.choices, self.results_dir)
        return resumed_record(self.recorded, self.config, self.choices)

    def plan(self, n_pending: int | None = None, finished: Sequence[Outcome] = ()) -> Plan:
        """What the user is told before it starts; ``n_pending`` None: all trials are still to be run."""
        pending = self.n_trials if n_pending is None else n_pending
        seconds = estimated_seconds(self.config, self.choices, pending, finished)
        return Plan(self.config, self.results_dir, self.n_trials, pending, seconds, tuple(self._notes(seconds)))

    def _notes(self, seconds: float) -> list[str]:
        notes = []
        count = size(self.choices)
        if self.config.search_type == "grid":
            notes.append(f"The grid has {count:,} configurations.")
            if count > LARGE_GRID:
                notes.append(
                    f"Warning: that is a large grid, about {duration(seconds)}; fewer values (--space FILE), more "
                    "--n_workers or --search_type random make it shorter."
                )
        elif count < self.config.n_trials:
            notes.append(f"The space has only {count} configurations: some trials differ in their seed alone.")
        idle = [name for name in _OF_THE_VALUE_NETWORK if len(self.choices[name]) > 1]
        if self.config.baseline == "sweep" and idle:
            notes.append(
                f"Under --baseline sweep the policy does not depend on {' and '.join(idle)}: trials that differ in nothing "
                "else differ by their seeds. --baseline network makes them matter."
            )
        if len(self.gpus) > 1 and self.config.n_workers < len(self.gpus):
            notes.append(f"{len(self.gpus)} GPUs are there; --n_workers {len(self.gpus)} would use all of them.")
        return notes


def make_blueprint(space: SearchSpace | None, config: SearchConfig) -> Blueprint:
    """The search that ``space`` and ``config`` describe; nothing is written.

    ``space`` None stands for ``config.space``, else the recorded space, else the default one.

    Raises:
        UserError: when settings, space, device or the record to resume are not in order.
    """
    recorded, results_dir = None, config.results_dir
    if config.resume is not None:
        results_dir, recorded = find_record(config.resume)
        if _absolute(config.results_dir) != _absolute(results_dir):
            raise UserError(
                f"--results_dir {config.results_dir} is not where the search to --resume is, {results_dir}; "
                "leave --results_dir out"
            )
    blueprint = Blueprint(
        config, _choices(space, config, recorded), _absolute(results_dir), recorded, assigned_gpus(config)
    )
    if blueprint.n_trials > MAX_TRIALS:
        raise UserError(
            f"--search_type grid: the space has {blueprint.n_trials:,} configurations, more than {MAX_TRIALS:,}; "
            "shorten its lists (--space FILE) or use --search_type random"
        )
    if recorded is not None:
        blueprint.record()  # refuses drift
    return blueprint


def resumed_config(resume: Path) -> SearchConfig:
    """The settings with which the search at ``resume`` (results JSON or directory) goes on.

    Raises:
        UserError: when there is no search.
    """
    directory, record = find_record(resume)
    return dataclasses.replace(record.config, resume=resume, results_dir=directory)


def _absolute(results_dir: Path) -> Path:
    try:
        return results_dir.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links is the latter
        raise UserError(f"--results_dir {results_dir} is no usable path ({error}); choose another") from error


def _choices(space: SearchSpace | None, config: SearchConfig, recorded: SearchRecord | None) -> Choices:
    if space is not None:
        return space.choices()
    if recorded is not None and config.space == recorded.config.space:
        return recorded.choices
    return (SearchSpace() if config.space is None else SearchSpace.from_file(config.space)).choices()
