"""A trial's directory: made ready for its process, and given the durable record of how the trial ended."""

import errno
import shutil
from pathlib import Path

from ghm.io.atomic import remove_unfinished_writes, write_json
from ghm.io.safe_read import DamagedError, refuse_links
from ghm.io.sealed import write_sealed
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.trials.exit_status import last_line, outcome_of_result
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.search.trials.trial import OUTCOME_NAME, Trial


def prepare_directory(trial: Trial) -> bool:
    """Make the trial's directory ready for its process; return whether a checkpoint is there to continue from.

    Without one, whatever an attempt left is removed, so that logs and history hold one run only.

    Raises:
        OSError: when the directory cannot be written, or holds a symbolic link.
    """
    # Not its parents: a results directory that has vanished must be noticed, not made again.
    if not trial.directory.is_symlink():
        trial.directory.mkdir(exist_ok=True)
    _refuse_links(trial)
    remove_unfinished_writes(trial.directory, trial.config.ckpt_dir)
    resumed = trial.checkpoint.is_file()
    # A result of an attempt before must not pass for this one's.
    leftovers = [trial.config.result_path]
    # How it stood at a rung stays on record until there is more to tell: the cut there was made from it.
    if not trial.passed:
        leftovers.append(trial.outcome_path)
    if not resumed:
        leftovers += [trial.stdout_path, trial.stderr_path, trial.history_path]
        for directory in (trial.config.log_dir, trial.config.ckpt_dir):
            if directory.exists():
                shutil.rmtree(directory)
    for path in leftovers:
        path.unlink(missing_ok=True)
    # Not forced to disk: it can be computed again at any time, and the outcome repeats it.
    write_json(trial.hyperparameters_path, plain_hyperparameters(trial.hyperparameters), durable=False)
    return resumed


def set_aside_checkpoints(trial: Trial) -> str:
    """Keep unusable checkpoints where no training looks for them; return a line that says so.

    Raises:
        OSError: when they cannot be moved.
    """
    number = 1
    while (kept := trial.directory / f"damaged-{number}").exists():
        number += 1
    reason = last_line(trial)
    trial.config.ckpt_dir.rename(kept)
    return f"started over: the checkpoints, kept in {trial.directory.name}/{kept.name}, cannot be used ({reason})"


def _refuse_links(trial: Trial) -> None:
    """As an OSError, which ends this trial only, naming the link."""
    try:
        if trial.directory.is_symlink():
            raise DamagedError(f"{trial.directory} is a symbolic link; replace it by what it leads to, or remove it")
        refuse_links(trial.directory, deep=True)
    except DamagedError as error:
        raise OSError(errno.ELOOP, str(error)) from error


def record_outcome(trial: Trial, outcome: TrialRecord) -> None:
    """Write the trial's durable record: one small file, forced to disk.

    Raises:
        OSError: when it cannot be written.
    """
    # Not its parents: a results directory that has vanished must be noticed, not made again.
    if not trial.directory.is_symlink():
        trial.directory.mkdir(exist_ok=True)
        write_sealed(trial.outcome_path, outcome.to_entry())


def unrecorded_outcome(trial: Trial) -> TrialRecord | None:
    """How the trial ended by its own result, where the search did not live to record it; it is recorded now."""
    told = outcome_of_result(trial)
    # Any other failure that the search did not see may have been the machine's: the trial goes on.
    if told is None or told.status not in (TrialState.COMPLETED, TrialState.DIVERGED, TrialState.PAUSED):
        return None
    remove_unfinished_writes(trial.directory)
    record_outcome(trial, told)
    return told


def rewrite_outcome(directory: Path, outcome: TrialRecord) -> None:
    """Write the record of a trial that stands at a rung anew, now that it is decided whether it goes on.

    Not where there is none: the results JSON alone may have it.

    Raises:
        OSError: when it cannot be written.
    """
    path = directory / OUTCOME_NAME
    if path.is_file() and not directory.is_symlink():
        write_sealed(path, outcome.to_entry())
