"""How a trial ended: typed, counted, and kept in the trial's directory and in the results JSON."""

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from ghm.errors import UserError
from ghm.io.sealed import DamagedError
from ghm.search.settings.config import MAX_TRIALS
from ghm.search.settings.space import parse_hyperparameters, plain_hyperparameters
from ghm.search.trials.trial import RungResult, Stage, Trial, directory_name
from ghm.training.settings import Hyperparameters

Status = Literal[
    "completed",
    "diverged",
    "out_of_memory",
    "timeout",
    "crashed",
    "interrupted",
    "infrastructure",
    "paused",
    "stopped_at_rung",
]

NO_RETURN = -1e9
"""``best_return`` and ``final_return`` where there is none, since no policy was ever evaluated.

JSON has no word for NaN and code that reads the file formats every trial's return as a number, so a number it is: one
that sorts last, that no policy of the model has, and that spoils an average instead of blending into it.
"""

# What the machine did to the trial, not what its hyperparameters did.
_OF_THE_MACHINE = ("out_of_memory", "interrupted", "infrastructure")

MOST_MACHINE_FAILURES = 10
"""Times the machine may fail a trial over all calls of a search; after that it takes --retry_failed to run it again.

A disk that was full, a node that went down: a few tries get through. What fails ten times is a property of the machine.
"""

# Errors are one line; metrics a few dozen figures. More is not the training script's.
MAX_ERROR_LENGTH = 500
MAX_METRICS = 200


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
    configuration: int = 0
    """Number of its configuration; by default the trial's own, as in a search of one seed and one model."""
    calibration: str | None = None
    """Name of the model that it was trained on; None: the search's own."""
    stage: Stage = "explore"
    """What it was run for."""
    rungs: tuple[RungResult, ...] = ()
    """What it had reached at the rungs that it passed, in order."""
    machine_failures: int = 0
    """Times the machine failed it, over all calls."""
    note: str | None = None
    """What else the user should know, such as that it started over."""

    def __post_init__(self) -> None:
        if not self.configuration:
            object.__setattr__(self, "configuration", self.trial_num)

    @property
    def success(self) -> bool:
        """Whether the training went as far as it was asked to: to its end, or to the rung where it was stopped."""
        return self.status in ("completed", "stopped_at_rung")

    @property
    def final(self) -> bool:
        """Whether the trial is over; an interrupted or paused one can go on."""
        return self.status not in ("interrupted", "paused")

    @property
    def failed(self) -> bool:
        """Whether the trial is over without having gone as far as it was asked to."""
        return self.final and not self.success

    @property
    def infrastructure_failure(self) -> bool:
        """Whether the machine failed rather than the configuration, so that another attempt makes sense."""
        killed = self.exit_status is not None and self.exit_status < 0
        return self.status in _OF_THE_MACHINE or (self.status == "crashed" and killed)

    @property
    def retryable(self) -> bool:
        """Whether resuming the search runs it again though it failed: the machine did it, and not too often yet."""
        return self.final and self.infrastructure_failure and self.machine_failures < MOST_MACHINE_FAILURES

    @property
    def best_return(self) -> float:
        """Exact return of the best policy; :data:`NO_RETURN` if there is none."""
        return _return(self.metrics, "best_return")

    @property
    def captured_value(self) -> float | None:
        """Share of the attainable value that the best policy captures; None if there is none."""
        return finite(self.metrics.get("captured_value"))

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
            "configuration": self.configuration,
            "calibration": self.calibration,
            "stage": self.stage,
            "rungs": [vars(result) for result in self.rungs],
            "machine_failures": self.machine_failures,
            "note": self.note,
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
                "trial_num": whole(entry["trial_num"], lower=1, upper=MAX_TRIALS),
                "hyperparameters": parse_hyperparameters(entry["hyperparameters"]),
                "seed": whole(entry["seed"]),
                "status": status,
                "error": one_line(metrics.pop("error")),
                "iterations": whole(metrics.pop("iterations")),
                "seconds": real(metrics.pop("seconds")),
                "attempts": whole(entry["attempts"]),
                "exit_status": entry["exit_status"] if entry["exit_status"] is None else whole(entry["exit_status"]),
                # Searches recorded before there were seeds, calibrations and rungs lack these.
                "configuration": whole(entry.get("configuration", entry["trial_num"]), lower=1, upper=MAX_TRIALS),
                "calibration": one_line(entry.get("calibration")),
                "stage": _stage(entry.get("stage", "explore")),
                "rungs": tuple(map(_rung_result, entry.get("rungs", []))),
                # Records of before these were counted lack them.
                "machine_failures": whole(entry.get("machine_failures", 0)),
                "note": one_line(entry.get("note")),
            }
        except (KeyError, TypeError, AttributeError, UserError) as error:
            raise DamagedError(f"no trial's outcome ({type(error).__name__}: {error})") from error
        for key in ("success", "log"):
            metrics.pop(key, None)
        for key in ("best_return", "final_return"):
            if metrics.get(key) == NO_RETURN:
                del metrics[key]
        return cls(**fields, metrics=metrics)


def outcome_of(trial: Trial, status: Status, **known: Any) -> Outcome:
    """The outcome of ``trial`` with what the trial itself tells, the rungs that it has passed among it."""
    outcome = Outcome(
        trial.number,
        trial.hyperparameters,
        trial.config.seed,
        status,
        configuration=trial.configuration,
        calibration=trial.calibration,
        stage=trial.stage,
        rungs=trial.passed,
        **known,
    )
    if status != "paused":
        return outcome
    result = RungResult(outcome.iterations, outcome.best_return, outcome.captured_value)
    return dataclasses.replace(outcome, rungs=(*trial.passed, result))


def failure(trial: Trial, status: Status, error: str, seconds: float, **known: Any) -> Outcome:
    """The outcome of a trial that failed."""
    fields = {"error": one_line(error), "seconds": seconds} | known
    return outcome_of(trial, status, **fields)


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


def one_line(text: Any) -> str | None:
    """``text`` as one printable line of limited length.

    Raises:
        TypeError: when it is no text.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"an error must be text; received {type(text).__name__}")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_ERROR_LENGTH]


def whole(value: Any, lower: int = -(2**63), upper: int = 2**63) -> int:
    """``value`` if it is a whole number within the bounds.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not lower <= value <= upper:
        raise TypeError(f"not a whole number from {lower} to {upper}: {str(value)[:80]!r}")
    return value


def real(value: Any) -> float:
    """``value`` if it is a finite number.

    Raises:
        TypeError: when it is not.
    """
    number = finite(value)
    if number is None:
        raise TypeError(f"not a finite number: {str(value)[:80]!r}")
    return number


def _stage(value: Any) -> Stage:
    if value not in get_args(Stage):
        raise TypeError(f"unknown stage {str(value)[:80]!r}")
    return "confirm" if value == "confirm" else "explore"


def _rung_result(value: Any) -> RungResult:
    captured = value["captured_value"]
    return RungResult(
        whole(value["iteration"], lower=1), real(value["best_return"]), None if captured is None else real(captured)
    )


def _return(metrics: dict[str, Any], key: str) -> float:
    value = finite(metrics.get(key))
    return NO_RETURN if value is None else value


def finite(value: Any) -> float | None:
    """``value`` as a number, or None where it is missing, no number, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return None
    return float(value)
