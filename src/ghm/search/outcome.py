"""How a trial ended: typed, counted, and kept in the trial's directory and in the results JSON."""

import dataclasses
import signal
import sys
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from ghm.errors import UserError
from ghm.search.config import MAX_TRIALS
from ghm.search.sealed import DamagedError, parse_object, read_bytes, write_sealed
from ghm.search.space import NAMES
from ghm.search.trial import Trial, directory_name
from ghm.training.config import Hyperparameters

Status = Literal["completed", "diverged", "out_of_memory", "timeout", "crashed", "interrupted", "infrastructure"]

NO_RETURN = -1e9
"""``best_return`` and ``final_return`` where there is none, since no policy was ever evaluated.

JSON has no word for NaN and code that reads the file formats every trial's return as a number, so a number it is: one
that sorts last, that no policy of the model has, and that spoils an average instead of blending into it.
"""

# The training script's exit statuses (docs/design/records.md).
_STATUS_OF_EXIT: dict[int, Status] = {3: "diverged", 4: "interrupted", 5: "out_of_memory", 6: "infrastructure"}

# What the machine did to the trial, not what its hyperparameters did.
_OF_THE_MACHINE = ("out_of_memory", "interrupted", "infrastructure")

# Errors are one line; metrics a few dozen figures. More is not the training script's.
MAX_ERROR_LENGTH = 500
MAX_METRICS = 200
_TAIL_BYTES = 8192


@dataclass(frozen=True)
class Outcome:
    """How one trial ended."""

    trial_num: int
    """The trial's number k."""
    hyperparameters: Hyperparameters
    """What it ran with."""
    seed: int
    """Its training seed."""
    status: Status
    """How it ended."""
    error: str | None = None
    """The last line of its error; None if it completed."""
    iterations: int = 0
    """Training iterations done."""
    seconds: float = 0.0
    """Training time (seconds)."""
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The training script's own metrics; empty if it ended before its first evaluation."""
    attempts: int = 1
    """Times its process was started in the call that ended it."""
    exit_status: int | None = None
    """Of its process, negative for a signal; None where the process was not seen to end."""

    @property
    def success(self) -> bool:
        """Whether the training ran to its end."""
        return self.status == "completed"

    @property
    def final(self) -> bool:
        """Whether the trial is over; an interrupted one goes on when the search is resumed."""
        return self.status != "interrupted"

    @property
    def of_the_machine(self) -> bool:
        """Whether the machine failed rather than the configuration, so that another attempt makes sense."""
        killed = self.exit_status is not None and self.exit_status < 0
        return self.status in _OF_THE_MACHINE or (self.status == "crashed" and killed)

    @property
    def best_return(self) -> float:
        """Exact return of the best policy; :data:`NO_RETURN` if there is none."""
        return _return(self.metrics, "best_return")

    @property
    def captured_value(self) -> float | None:
        """Share of the attainable value that the best policy captures; None if there is none."""
        return _number(self.metrics.get("captured_value"))

    @property
    def log(self) -> str:
        """Path of its error output, relative to the results directory."""
        return f"{directory_name(self.trial_num)}/stderr.log"

    def to_entry(self) -> dict[str, Any]:
        """The trial's entry in ``results``; also its ``outcome.json``."""
        metrics = {
            "best_return": self.best_return,
            "final_return": _return(self.metrics, "final_return"),
            "success": self.success,
            "status": self.status,
            "error": self.error,
            "log": None if self.success else self.log,
            "iterations": self.iterations,
            "seconds": self.seconds,
        }
        return {
            "trial_num": self.trial_num,
            "hyperparameters": plain_hyperparameters(self.hyperparameters),
            "metrics": metrics | {key: value for key, value in self.metrics.items() if key not in metrics},
            "seed": self.seed,
            "directory": directory_name(self.trial_num),
            "attempts": self.attempts,
            "exit_status": self.exit_status,
        }

    @classmethod
    def from_entry(cls, entry: Any) -> Self:
        """The outcome that :meth:`to_entry` wrote.

        Raises:
            DamagedError: when ``entry`` is not one.
        """
        try:
            metrics = checked_metrics(entry["metrics"])
            status = metrics.pop("status")
            if status not in get_args(Status):
                raise DamagedError(f"unknown status {status!r}")
            fields = {
                "trial_num": _whole(entry["trial_num"], lower=1, upper=MAX_TRIALS),
                "hyperparameters": parse_hyperparameters(entry["hyperparameters"]),
                "seed": _whole(entry["seed"]),
                "status": status,
                "error": _line(metrics.pop("error")),
                "iterations": _whole(metrics.pop("iterations")),
                "seconds": _real(metrics.pop("seconds")),
                "attempts": _whole(entry["attempts"]),
                "exit_status": entry["exit_status"] if entry["exit_status"] is None else _whole(entry["exit_status"]),
            }
        except (KeyError, TypeError, AttributeError, UserError) as error:
            raise DamagedError(f"no trial's outcome ({type(error).__name__}: {error})") from error
        for key in ("success", "log"):
            metrics.pop(key, None)
        for key in ("best_return", "final_return"):
            if metrics.get(key) == NO_RETURN:
                del metrics[key]
        return cls(**fields, metrics=metrics)


def plain_hyperparameters(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The eight hyperparameters as JSON types."""
    values = {name: getattr(hyperparameters, name) for name in NAMES}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def parse_hyperparameters(values: dict[str, Any]) -> Hyperparameters:
    """The hyperparameters that :func:`plain_hyperparameters` wrote.

    Raises:
        UserError: when a value is out of range.
        KeyError: when one is missing.
    """
    chosen: dict[str, Any] = {name: values[name] for name in NAMES}
    for name, value in chosen.items():
        chosen[name] = tuple(value) if isinstance(value, list) else value
    return Hyperparameters(**chosen)


def read_result(trial: Trial) -> dict[str, Any] | None:
    """The training run's ``result.json`` if it is whole and of this very trial, otherwise None."""
    try:
        result = parse_object(read_bytes(trial.config.result_path))
        config = result["config"]
        ours = trial.config.to_dict()
        same = all(config[key] == ours[key] for key in (*NAMES, "seed", "n_iterations", "dt", "T", "terminal", "model"))
        if result["format"] != 1 or not same:
            return None
        return {
            "status": result["status"],
            "iterations": _whole(result["iterations"]),
            "seconds": _real(result["seconds"]),
            "error": _line(result["error"]),
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
    if result["status"] == "completed" and not _has_returns(metrics):
        return None
    return Outcome(trial.number, trial.hyperparameters, trial.config.seed, exit_status=exit_status, **result)


def outcome_of_process(trial: Trial, exit_status: int, seconds: float) -> Outcome:
    """The outcome of a process that ended by itself with ``exit_status`` after ``seconds``.

    A whole result file outweighs the exit status: a process killed between writing it and leaving has finished.
    """
    told = outcome_of_result(trial, exit_status)
    if told is not None and (told.success or exit_status >= 0):
        return told
    status: Status = _STATUS_OF_EXIT.get(exit_status, "crashed")
    error = _exit_text(exit_status) + (f": {last}" if (last := _last_line(trial)) else "")
    known = {} if told is None else {"iterations": told.iterations, "metrics": told.metrics}
    return failure(trial, status, error, seconds, exit_status=exit_status, **known)


def failure(trial: Trial, status: Status, error: str, seconds: float, **known: Any) -> Outcome:
    """The outcome of a trial that failed."""
    fields = {"error": _line(error), "seconds": seconds} | known
    return Outcome(trial.number, trial.hyperparameters, trial.config.seed, status, **fields)


def record_outcome(trial: Trial, outcome: Outcome) -> None:
    """Write the trial's durable record: one small file, forced to disk.

    Raises:
        OSError: when it cannot be written.
    """
    # Not its parents: a results directory that has vanished must be noticed, not made again.
    trial.directory.mkdir(exist_ok=True)
    write_sealed(trial.outcome_path, outcome.to_entry())


def checked_metrics(values: Any) -> dict[str, Any]:
    """A copy of ``values`` if it is a mapping of names to finite numbers, short texts, truth values and nulls.

    Raises:
        DamagedError: when it is not.
    """
    if not isinstance(values, dict) or len(values) > MAX_METRICS:
        raise DamagedError("metrics are no mapping of a few figures")
    for key, value in values.items():
        text = isinstance(value, str) and len(value) <= 4 * MAX_ERROR_LENGTH
        number = isinstance(value, int | float) and abs(value) <= sys.float_info.max
        if not (isinstance(key, str) and (value is None or text or number)):
            raise DamagedError(f"metric {key!r} is {str(value)[:80]!r}")
    return dict(values)


def _has_returns(metrics: dict[str, Any]) -> bool:
    return all(_number(metrics.get(key)) is not None for key in ("best_return", "final_return"))


def _exit_text(exit_status: int) -> str:
    if exit_status >= 0:
        return f"exit status {exit_status}" + (" without a whole result file" if exit_status == 0 else "")
    try:
        name = signal.Signals(-exit_status).name
    except ValueError:
        name = f"signal {-exit_status}"
    hint = " (often the system's way of ending a process that took too much memory)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def _last_line(trial: Trial) -> str:
    """The last line of the trial's error output, or nothing."""
    try:
        with trial.stderr_path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _line(text: Any) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"an error must be text; received {type(text).__name__}")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_ERROR_LENGTH]


def _whole(value: Any, lower: int = -(2**63), upper: int = 2**63) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not lower <= value <= upper:
        raise TypeError(f"not a whole number from {lower} to {upper}: {str(value)[:80]!r}")
    return value


def _real(value: Any) -> float:
    number = _number(value)
    if number is None:
        raise TypeError(f"not a finite number: {str(value)[:80]!r}")
    return number


def _return(metrics: dict[str, Any], key: str) -> float:
    value = _number(metrics.get(key))
    return NO_RETURN if value is None else value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return None
    return float(value)
