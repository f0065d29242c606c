"""The record of a trial: how it stands or ended; kept in its directory and in the results JSON, and read from there."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta

from ghm.errors import UserError
from ghm.io.sealed import DamagedError
from ghm.search.settings.config import MAX_TRIALS
from ghm.search.settings.configurations import parse_hyperparameters, plain_hyperparameters
from ghm.search.trials.history import last_line
from ghm.search.trials.trial import RungResult, Stage, Trial, directory_name
from ghm.training.settings import Hyperparameters


class TrialState(StrEnum):
    """How a trial stands, or ended: the one list of words, and what each means for the search."""

    COMPLETED = "completed"
    STOPPED_AT_RUNG = "stopped_at_rung"
    """It came to a rung and was not chosen to go on."""
    PAUSED = "paused"
    """It came to a rung, and nobody has chosen yet."""
    INTERRUPTED = "interrupted"
    UNFINISHED = "unfinished"
    """It was started, and there is no record of an end: it runs, or was killed together with its search."""
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    INFRASTRUCTURE = "infrastructure"

    @property
    def is_finished(self) -> bool:
        """Whether the trial is over."""
        return not self.can_continue

    @property
    def can_continue(self) -> bool:
        """Whether the trial goes on by itself when the search does."""
        return self in (TrialState.PAUSED, TrialState.INTERRUPTED, TrialState.UNFINISHED)

    @property
    def is_success(self) -> bool:
        """Whether the training went as far as it was asked to: to its end, or to the rung where it was stopped."""
        return self in (TrialState.COMPLETED, TrialState.STOPPED_AT_RUNG)

    @property
    def is_failure(self) -> bool:
        """Whether the trial is over without having gone as far as it was asked to."""
        return self.is_finished and not self.is_success

    @property
    def is_at_rung(self) -> bool:
        """Whether the trial stands at a rung, from which it can still go on."""
        return self in (TrialState.PAUSED, TrialState.STOPPED_AT_RUNG)

    @property
    def has_result(self) -> bool:
        """Whether the trial has a figure to be compared by, be it of the rung where it waits."""
        return self.is_success or self is TrialState.PAUSED


NO_RETURN = -1e9
"""``best_return`` and ``final_return`` in the results JSON where there is none, since no policy was ever evaluated.

JSON has no word for NaN and code that reads the file formats every trial's return as a number, so a number it is: one
that sorts last, that no policy of the model has, and that spoils an average instead of blending into it.
"""

# What the machine did to the trial, not what its hyperparameters did.
_OF_THE_MACHINE = (TrialState.OUT_OF_MEMORY, TrialState.INTERRUPTED, TrialState.INFRASTRUCTURE)

MOST_MACHINE_FAILURES = 10
"""Times the machine may fail a trial over all calls of a search; after that it takes --retry_failed to run it again.

A disk that was full, a node that went down: a few tries get through. What fails ten times is a property of the machine.
"""

# Errors are one line; metrics a few dozen figures. More is not the training script's.
MAX_ERROR_LENGTH = 500
MAX_METRICS = 200

Number = Annotated[int, Meta(ge=1, le=MAX_TRIALS)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Line = Annotated[str, Meta(max_length=MAX_ERROR_LENGTH)]
Metric = bool | int | float | Annotated[str, Meta(max_length=4 * MAX_ERROR_LENGTH)] | None
Metrics = Annotated[dict[str, Metric], Meta(max_length=MAX_METRICS)]


@dataclass(frozen=True)
class TrialRecord:
    """The record of one trial. Types and bounds are checked where it is read."""

    trial_num: Number
    """The trial's number k."""
    hyperparameters: Hyperparameters
    seed: int
    status: TrialState
    error: Line | None = None
    """The last line of its error; None if it completed."""
    iterations: Count = 0
    seconds: Seconds = 0.0
    """Training time (seconds)."""
    metrics: Metrics = dataclasses.field(default_factory=dict)
    """The training script's own metrics; empty if it ended before its first evaluation."""
    attempts: Count = 1
    """Times its process was started in the call that ended it."""
    exit_status: int | None = None
    """Of its process, negative for a signal; None where the process was not seen to end."""
    configuration: Annotated[int, Meta(ge=0, le=MAX_TRIALS)] = 0
    """Number of its configuration; by default the trial's own, as in a search of one seed and one model."""
    calibration: Line | None = None
    """Name of the model that it is trained on; None: the search's own."""
    stage: Stage = "explore"
    rungs: tuple[RungResult, ...] = ()
    """What it had reached at the rungs that it passed, in order."""
    machine_failures: Count = 0
    """Its infrastructure failures, over all calls."""
    note: Line | None = None
    """What else the user should know, such as that it started over."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", TrialState(self.status))
        if not self.configuration:
            object.__setattr__(self, "configuration", self.trial_num)

    @property
    def success(self) -> bool:
        """See :attr:`TrialState.is_success`."""
        return self.status.is_success

    @property
    def final(self) -> bool:
        """See :attr:`TrialState.is_finished`."""
        return self.status.is_finished

    def has_come_to(self, until: int | None) -> bool:
        """Whether the trial is over, or has come to the rung ``until``; None: the end."""
        if self.status.is_at_rung:
            return until is not None and self.iterations >= until
        return self.final

    @property
    def failed(self) -> bool:
        """See :attr:`TrialState.is_failure`."""
        return self.status.is_failure

    @property
    def infrastructure_failure(self) -> bool:
        """Whether this is an infrastructure failure, so that another attempt makes sense."""
        killed = self.exit_status is not None and self.exit_status < 0
        return self.status in _OF_THE_MACHINE or (self.status is TrialState.CRASHED and killed)

    @property
    def retryable(self) -> bool:
        """Whether resuming the search runs it again though it failed: the machine did it, and not too often yet."""
        return self.final and self.infrastructure_failure and self.machine_failures < MOST_MACHINE_FAILURES

    def figure(self, name: str) -> float | None:
        """The metric of that name; None where it is missing or no number."""
        value = self.metrics.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def word(self, name: str) -> str | None:
        """The metric of that name; None where it is missing or no text."""
        value = self.metrics.get(name)
        return value if isinstance(value, str) and value else None

    @property
    def best_return(self) -> float | None:
        """Exact return of the best policy; None if none was evaluated."""
        return self.figure("best_return")

    @property
    def captured_value(self) -> float | None:
        """Share of the attainable value that the best policy captures; None if there is none."""
        return self.figure("captured_value")

    @property
    def directory(self) -> str:
        """Name of its directory in the results directory."""
        return directory_name(self.trial_num)

    @property
    def log(self) -> str:
        """Path of its error output, relative to the results directory."""
        return f"{self.directory}/stderr.log"

    def reached(self, rung: int | None) -> RungResult | None:
        """What the trial had reached at a rung, or by now (None); None where it failed before."""
        if rung is not None:
            return next((result for result in self.rungs if result.iteration == rung), None)
        if not self.status.has_result or self.best_return is None:
            return None
        return RungResult(self.iterations, self.best_return, self.captured_value)

    def to_entry(self) -> dict[str, Any]:
        """The trial's entry in ``results``; also its ``outcome.json``."""
        fields = {name: getattr(self, name) for name in _OF_ENTRY}
        metrics = {
            "best_return": NO_RETURN if self.best_return is None else self.best_return,
            "final_return": NO_RETURN if self.figure("final_return") is None else self.figure("final_return"),
            "success": self.success,
            "log": None if self.success else self.log,
            **{name: getattr(self, name) for name in _IN_METRICS},
        }
        return {
            "trial_num": self.trial_num,
            "hyperparameters": plain_hyperparameters(self.hyperparameters),
            "metrics": metrics | {key: value for key, value in self.metrics.items() if key not in metrics},
            "directory": self.directory,
            **fields,
            "rungs": [vars(result) for result in self.rungs],
        }

    @classmethod
    def from_entry(cls, entry: Any) -> Self:
        """The record that :meth:`to_entry` wrote.

        Raises:
            DamagedError: when ``entry`` is not one, or says that the trial has a result and has no return.
        """
        if not isinstance(entry, dict):
            raise DamagedError("no record of a trial, which is a JSON object")
        try:
            metrics = msgspec.convert(entry.get("metrics"), Metrics)
            own = {name: value for name, value in metrics.items() if name not in (*_IN_METRICS, "success", "log")}
            for name in ("best_return", "final_return"):
                if own.get(name) == NO_RETURN:
                    del own[name]
            fields = {name: metrics[name] for name in _IN_METRICS if name in metrics}
            record = msgspec.convert({**entry, **fields, "metrics": own}, cls)
            # Beside the eight there may be other settings, as the space has them.
            record = dataclasses.replace(record, hyperparameters=parse_hyperparameters(entry["hyperparameters"]))
        except (msgspec.ValidationError, UserError) as error:
            raise DamagedError(f"no record of a trial: {error}") from error
        if record.status.has_result and record.best_return is None:
            raise DamagedError(f"trial {record.trial_num} is recorded as {record.status} without a return")
        return record


_IN_METRICS = ("status", "error", "iterations", "seconds")
"""Fields that an entry has among its metrics, as the documentation shows them."""

_OF_ENTRY = tuple(
    one.name
    for one in dataclasses.fields(TrialRecord)
    if one.name not in (*_IN_METRICS, "trial_num", "hyperparameters", "metrics", "rungs")
)


def outcome_of(trial: Trial, status: TrialState | str, **known: Any) -> TrialRecord:
    """The record of ``trial`` with what the trial itself tells, the rungs that it has passed among it."""
    outcome = TrialRecord(
        trial.number,
        trial.hyperparameters,
        trial.config.seed,
        TrialState(status),
        configuration=trial.configuration,
        calibration=trial.calibration,
        stage=trial.stage,
        rungs=trial.passed,
        **known,
    )
    result = outcome.reached(None)
    if outcome.status is not TrialState.PAUSED or result is None:
        return outcome
    return dataclasses.replace(outcome, rungs=(*trial.passed, result))


def failure(trial: Trial, status: TrialState | str, error: str, seconds: float, **known: Any) -> TrialRecord:
    """The record of a trial that failed, or was cut short after ``seconds``: what it left no word of, its history tells."""
    reached: dict[str, Any] = {"seconds": seconds}
    if (last := last_line(trial.directory)) is not None:
        reached = {"iterations": last.iteration, "seconds": seconds if last.seconds is None else last.seconds}
    return outcome_of(trial, status, **{"error": one_line(error)} | reached | known)


def one_line(text: str) -> str:
    """``text`` as one printable line of limited length."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_ERROR_LENGTH]
