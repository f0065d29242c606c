"""Train a recorded trial again, from its record alone, and compare: bit for bit where everything is the same."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ghm.command_line import parse
from ghm.errors import UserError, shown
from ghm.io.platforms import ExitStatus, fail, stop_signals
from ghm.io.safe_read import DamagedError, refuse_links
from ghm.io.sealed import read_sealed
from ghm.search.records.directory import RECORD_NAME, find_record, trial_directories
from ghm.search.records.environment import code_version, environment
from ghm.search.records.lock import locked
from ghm.search.records.reader import known_trial, restored_search
from ghm.search.records.search_record import SearchRecord
from ghm.search.settings.command import training_command
from ghm.search.settings.configurations import configured
from ghm.search.settings.trial_numbering import Instance
from ghm.search.trials.gpus import assigned_gpus, require_locks
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial, directory_name, make_trial, relocated
from ghm.training.settings import TrainConfig

# Another processor or library rounds differently, and training amplifies that: the policies are then two draws of
# the same training. Their captured values differ by about this much (measured over seeds).
TOLERANCE = 0.02

REPLAYS_NAME = "replays"
_MARK_NAME = ".replays"


@dataclass(frozen=True)
class Replay:
    """A trial as recorded and as trained again."""

    recorded: TrialRecord
    replayed: TrialRecord
    """How it ended this time."""
    surroundings: tuple[str, ...]
    """What differs of versions and machine, a line each."""

    @property
    def differences(self) -> tuple[str, ...]:
        """What differs of the result, a line each; timings do not count."""
        before, after = _comparable(self.recorded), _comparable(self.replayed)
        keys = sorted({*before, *after})
        return tuple(
            f"{key}: recorded {before.get(key)!r}, now {after.get(key)!r}"
            for key in keys
            if before.get(key) != after.get(key)
        )

    @property
    def confirmed(self) -> bool:
        """Whether the result is the same: in every bit, or within :data:`TOLERANCE` where the surroundings differ."""
        if not self.differences:
            return True
        before, after = self.recorded.captured_value, self.replayed.captured_value
        close = before is not None and after is not None and abs(before - after) <= TOLERANCE
        return bool(self.surroundings) and self.recorded.status == self.replayed.status and close

    @property
    def text(self) -> str:
        """What was found, for the user."""
        number = self.recorded.trial_num
        if not self.differences:
            diverged = self.recorded.status is TrialState.DIVERGED
            what = f"it diverged: {self.recorded.error}" if diverged else f"firm value {self.recorded.best_return!r}"
            lines = [f"Trial {number}: reproduced bit for bit, {what}"]
        elif self.confirmed:
            lines = [
                f"Trial {number}: reproduced within {100 * TOLERANCE:g} percentage points of captured value, not bit for bit"
            ]
        else:
            lines = [f"Trial {number}: NOT reproduced"]
        lines += [f"  {line}" for line in self.differences]
        if self.surroundings:
            lines += ["Differences in versions and machine:", *(f"  {line}" for line in self.surroundings)]
        elif self.differences:
            lines.append("Versions and machine are the same: the result should be, too. Please report this.")
        return "\n".join(lines)


def replay(results: Path, trial_num: int, directory: Path | None = None, runner: TrialRunner | None = None) -> Replay:
    """Train trial ``trial_num`` of the search at ``results`` again and compare.

    Args:
        results: a results JSON, or a results directory.
        trial_num: the trial's number.
        directory: where to train; default: ``replays`` in the results directory. The trial itself is not touched.
        runner: runs the trial; a test's double stands in for it.

    Raises:
        UserError: when there is no such trial, it left no result to compare with, or ``directory`` holds a search.
        OSError: when the directory cannot be written.
    """
    results_dir, record = find_record(results, flag="")
    recorded = _recorded(results_dir, record, trial_num)
    place = _place(results_dir, directory)
    settings = _settings(recorded, results_dir, record)
    # Its rungs are not paused at: a training that pauses is the same, bit for bit, as one that does not.
    known = (recorded.configuration, recorded.calibration, recorded.stage)
    trial = relocated(Trial(trial_num, settings, *known, searched=tuple(vars(recorded.hyperparameters))), place)
    gpus = () if runner else assigned_gpus(record.config)
    require_locks(gpus)
    run = runner or TrialRunner(training_command(), gpus)
    with locked(place):
        (place / _MARK_NAME).touch()
        try:
            refuse_links(trial.directory, deep=True)
        except DamagedError as error:
            raise UserError(str(error)) from error
        # What an earlier replay left must not be continued: the point is to train all of it.
        for checkpoint in trial.config.ckpt_dir.glob("*.pt"):
            checkpoint.unlink()
        with stop_signals(run.stop, run.kill, run.pause, run.go_on):
            replayed = run(trial)
    return Replay(recorded, replayed, tuple(_surroundings(record)))


@dataclass(frozen=True)
class ReplayConfig:
    """Train one trial of a search again, from its record alone, and compare the results."""

    results: Annotated[Path, tyro.conf.Positional]
    """Results JSON or directory of the search."""
    trial: int
    """Number of the trial."""
    directory: Annotated[Path | None, tyro.conf.arg(help_behavior_hint="replays/ in the results directory")] = None
    """Where to train."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ghm replay``; return its exit status: 0 confirmed, 1 not, 2 the user's mistake, 6 infrastructure."""
    config = parse(ReplayConfig, arguments, "ghm replay")
    try:
        outcome = replay(config.results, config.trial, config.directory)
    except UserError as error:
        return fail(error)
    except OSError as error:
        return fail(f"the replay cannot go on: {error}", ExitStatus.INFRASTRUCTURE)
    sys.stdout.write(shown(outcome.text) + "\n")
    return ExitStatus.COMPLETED if outcome.confirmed else ExitStatus.FAILED


def _place(results_dir: Path, directory: Path | None) -> Path:
    """Where to train; never where a search is, whose trial of the same number would be lost."""
    default = results_dir / REPLAYS_NAME
    if directory is None and default.is_symlink():
        raise UserError(f"{default} is a symbolic link; remove it, or name the place it leads to with --directory")
    place = (directory or default).resolve()
    if not place.is_dir() or (place == default.resolve() and not _holds_record(place)):
        return place
    if _holds_record(place) or (trial_directories(place) and not (place / _MARK_NAME).exists()):
        raise UserError(f"--directory {directory} holds a search, which a replay would write over; choose another")
    return place


def _holds_record(place: Path) -> bool:
    return (place / RECORD_NAME).exists() or any(place.glob("search_results_*.json"))


def _recorded(results_dir: Path, record: SearchRecord, trial_num: int) -> TrialRecord:
    outcome = known_trial(restored_search(results_dir, record), trial_num)
    if outcome.status not in (TrialState.COMPLETED, TrialState.DIVERGED):
        raise UserError(f"{_ended(outcome)}; replay needs a completed trial")
    return outcome


def _ended(outcome: TrialRecord) -> str:
    if outcome.status.is_at_rung:
        did = "is paused" if outcome.status is TrialState.PAUSED else "was stopped"
        return f"trial {outcome.trial_num} {did} at rung {outcome.iterations}"
    return f"trial {outcome.trial_num} ended as {outcome.status}"


def _settings(recorded: TrialRecord, results_dir: Path, record: SearchRecord) -> TrainConfig:
    """What the trial ran with: its own record where it is there, else the search's."""
    try:
        result = read_sealed(results_dir / directory_name(recorded.trial_num) / "result.json")
        own = TrainConfig.from_dict(result.get("config", {}))
    except (OSError, DamagedError, UserError):
        calibration = next((one for one in record.calibrations if one.name == recorded.calibration), None)
        instance, number = Instance(recorded.seed, calibration), recorded.trial_num
        kind = (recorded.configuration, recorded.stage)
        own = make_trial(record.config, results_dir, number, recorded.hyperparameters, instance, *kind).config
        if recorded.stage == "explore":  # the search may have other rungs by now
            own = dataclasses.replace(own, evaluate_at=record.numbering.rungs(recorded.configuration))
    return configured(own, recorded.hyperparameters, seed=recorded.seed)


def _comparable(outcome: TrialRecord) -> dict[str, Any]:
    return {"status": outcome.status, "error": outcome.error, "iterations": outcome.iterations} | {
        key: value for key, value in outcome.metrics.items() if key != "seconds"
    }


def _surroundings(record: SearchRecord) -> list[str]:
    """What differs between the machine and versions of the record and those of now."""
    now = environment()
    pairs = {f"version of {name}": (record.code.get(name), version) for name, version in code_version().items()}
    pairs |= {name: (record.environment.get(name), now[name]) for name in ("cpu", "platform", "threads")}
    return [f"{name}: recorded {before}, now {after}" for name, (before, after) in pairs.items() if before != after]
