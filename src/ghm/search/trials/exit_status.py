"""What the end of a trial's process means: its result file, its exit status, its last words."""

import dataclasses
import signal
from typing import Any, Literal

from ghm.io.safe_read import read_end
from ghm.io.sealed import DamagedError, read_sealed
from ghm.search.settings.space import NAMES
from ghm.search.trials.outcome import (
    Outcome,
    Status,
    checked_metrics,
    failure,
    finite,
    one_line,
    outcome_of,
    real,
    whole,
)
from ghm.search.trials.trial import Trial

EXIT_UNUSABLE_CHECKPOINT = 8
"""The training script's word for a checkpoint that is damaged or of another run: the one reason to start a trial over."""

# The training script's exit statuses (docs/design/records.md).
_STATUS_OF_EXIT: dict[int, Status] = {
    3: "diverged",
    4: "interrupted",
    5: "out_of_memory",
    6: "infrastructure",
    7: "paused",
}

_TAIL_BYTES = 8192


def read_result(trial: Trial) -> dict[str, Any] | None:
    """The training run's ``result.json`` if it is whole and of this very trial, otherwise None."""
    try:
        result = read_sealed(trial.config.result_path)
        config = result["config"]
        ours = trial.config.to_dict()
        same = all(config[key] == ours[key] for key in (*NAMES, "seed", "n_iterations", "dt", "T", "terminal", "model"))
        if result["format"] != 1 or not same:
            return None
        return {
            "status": result["status"],
            "iterations": whole(result["iterations"]),
            "seconds": real(result["seconds"]),
            "error": one_line(result["error"]),
            "metrics": checked_metrics(result["metrics"]),
        }
    except (OSError, DamagedError, KeyError, TypeError):
        return None


def outcome_of_result(trial: Trial, exit_status: int | None = None) -> Outcome | None:
    """The outcome that the trial's own result file tells; None if there is none or it tells no end of the training."""
    result = read_result(trial)
    if result is None or result["status"] not in ("completed", *_STATUS_OF_EXIT.values()):
        return None
    metrics = result["metrics"]
    if result["status"] in ("completed", "paused") and not _has_returns(metrics):
        return None
    if result["status"] == "paused" and result["iterations"] < trial.until:
        return None  # of the rung before
    return outcome_of(trial, exit_status=exit_status, **result)


def outcome_of_process(trial: Trial, exit_status: int, seconds: float) -> Outcome:
    """The outcome of a process that ended by itself with ``exit_status`` after ``seconds``.

    A whole result file outweighs the exit status: a process killed between writing it and leaving has finished.
    """
    told = outcome_of_result(trial, exit_status)
    if told is not None and (told.success or told.status == "paused" or exit_status >= 0):
        return told
    status: Status = _STATUS_OF_EXIT.get(exit_status, "crashed")
    error = _exit_text(exit_status) + (f": {last}" if (last := last_line(trial)) else "")
    known = {} if told is None else {"iterations": told.iterations, "metrics": told.metrics}
    return failure(trial, status, error, seconds, exit_status=exit_status, **known)


def outcome_of_stop(trial: Trial, outcome: Outcome, status: Literal["interrupted", "timeout"], error: str) -> Outcome:
    """The outcome of a trial that the search stopped, with what its training says it had reached."""
    result = read_result(trial) or {}
    return dataclasses.replace(
        outcome,
        status=status,
        error=error,
        iterations=result.get("iterations", outcome.iterations),
        metrics=result.get("metrics", outcome.metrics),
    )


def _has_returns(metrics: dict[str, Any]) -> bool:
    return all(finite(metrics.get(key)) is not None for key in ("best_return", "final_return"))


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
