"""What the end of a trial's process means: its result file, its exit status, its last words."""

import dataclasses
import signal
from typing import Any, Literal

import msgspec

from ghm.io.platforms import ExitStatus
from ghm.io.safe_read import read_end
from ghm.io.sealed import DamagedError, read_sealed
from ghm.search.trials.outcome import Count, Metrics, Seconds, TrialRecord, TrialState, failure, one_line, outcome_of
from ghm.search.trials.trial import Trial

_STATE_OF_EXIT: dict[int, TrialState] = {
    ExitStatus.DIVERGED: TrialState.DIVERGED,
    ExitStatus.INTERRUPTED: TrialState.INTERRUPTED,
    ExitStatus.OUT_OF_MEMORY: TrialState.OUT_OF_MEMORY,
    ExitStatus.INFRASTRUCTURE: TrialState.INFRASTRUCTURE,
}

_TAIL_BYTES = 8192


class Result(msgspec.Struct):
    """What a training run says of itself in ``result.json``."""

    format: Literal[1]
    status: TrialState
    iterations: Count
    seconds: Seconds
    error: str | None
    metrics: Metrics
    config: dict[str, Any]


def read_result(trial: Trial) -> Result | None:
    """The training run's ``result.json`` if it is whole and of this very trial, otherwise None."""
    try:
        result = msgspec.convert(read_sealed(trial.config.result_path), Result)
    except (OSError, DamagedError, msgspec.ValidationError):
        return None
    ours, missing = trial.config.to_dict(), object()
    names = (*trial.searched, "seed", "n_iterations", "dt", "T", "terminal", "model")
    return result if all(result.config.get(name, missing) == ours[name] for name in names) else None


def outcome_of_result(trial: Trial, exit_status: int | None = None) -> TrialRecord | None:
    """The outcome that the trial's own result file tells; None if there is none or it tells no end of the training."""
    result = read_result(trial)
    if result is None or result.status not in (TrialState.COMPLETED, TrialState.PAUSED, *_STATE_OF_EXIT.values()):
        return None
    if result.status is TrialState.PAUSED and result.iterations < trial.until:
        return None  # of the rung before
    error = None if result.error is None else one_line(result.error)
    known = {"iterations": result.iterations, "seconds": result.seconds, "error": error, "metrics": result.metrics}
    outcome = outcome_of(trial, result.status, exit_status=exit_status, **known)
    if outcome.status.has_result and (outcome.best_return is None or outcome.figure("final_return") is None):
        return None
    return outcome


def outcome_of_process(trial: Trial, exit_status: int, seconds: float) -> TrialRecord:
    """The outcome of a process that ended by itself with ``exit_status`` after ``seconds``.

    A whole result file outweighs the exit status: a process killed between writing it and leaving has finished.
    """
    told = outcome_of_result(trial, exit_status)
    ended = told is not None and (told.status.has_result or told.status is TrialState.INTERRUPTED)
    if told is not None and (ended or exit_status >= 0):
        return told
    state = _STATE_OF_EXIT.get(exit_status, TrialState.CRASHED)
    error = _exit_text(exit_status) + (f": {last}" if (last := last_line(trial)) else "")
    return failure(trial, state, error, seconds, exit_status=exit_status, **_told(trial))


def outcome_of_stop(
    trial: Trial, outcome: TrialRecord, status: Literal["interrupted", "timeout"], error: str
) -> TrialRecord:
    """The outcome of a trial that the search stopped, with what its training says it had reached."""
    return dataclasses.replace(outcome, status=TrialState(status), error=error, **_told(trial))


def _told(trial: Trial) -> dict[str, Any]:
    """How far the training came by its own result; nothing where it left none."""
    result = read_result(trial)
    names = ("iterations", "seconds", "metrics")
    return {} if result is None else {name: getattr(result, name) for name in names}


def _exit_text(exit_status: int) -> str:
    if exit_status >= 0:
        return f"exit status {exit_status}" + (" without a whole result file" if exit_status == 0 else "")
    try:
        name = signal.Signals(-exit_status).name
    except ValueError:
        name = f"signal {-exit_status}"
    hint = " (often the system's way of ending a process that took too much memory)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def last_line(trial: Trial) -> str:
    """The last line of the trial's error output, or nothing."""
    try:
        lines = read_end(trial.stderr_path, _TAIL_BYTES).decode("utf-8", "replace").split("\n")
    except (OSError, DamagedError):
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
