"""Who runs a search's trials: threads that each start a process here, or workers that an executor has anywhere."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Literal, Protocol

from ghm.errors import UserError
from ghm.io.guard import FAULTS, survive, told_fault
from ghm.search.backends.heartbeat import Heartbeat, Order
from ghm.search.backends.lease import holder, take
from ghm.search.backends.task import Report, Task, recorded_since, run_task
from ghm.search.trials.outcome import TrialRecord, failure
from ghm.search.trials.process import STOP_GRACE_S
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial, directory_name
from ghm.search.trials.workspace import record_outcome


class Backend(Protocol):
    """Runs trials, and passes on what a search orders."""

    def slots(self) -> int:
        """Trials that can run at the same time, now."""

    def submit(self, trial: Trial, known: TrialRecord | None) -> "Future[Any]":
        """Begin to run a trial, of which ``known`` is on record."""

    def outcome(self, trial: Trial, future: "Future[Any]") -> TrialRecord | None:
        """How the trial ended, on record in its directory; None if it is to be run again, or the search stops.

        Raises:
            OSError: when no trials can be run any more.
        """

    @property
    def given_up(self) -> bool:
        """Whether trials that have not told of their end by now will not."""

    def stop(self) -> None:
        """Ask running trials to write a checkpoint and end, and start no other."""

    def kill(self) -> None:
        """End running trials at once."""

    def pause(self) -> None:
        """Let running trials stand still."""

    def go_on(self) -> None:
        """Let them go on."""

    def join(self) -> None:
        """Wait for what still runs, as long as a stop takes."""


class LocalBackend:
    """Threads of this process, each with the process of a trial.

    Args:
        runner: runs a trial.
        n_workers: how many.
    """

    given_up = False

    def __init__(self, runner: TrialRunner, n_workers: int) -> None:
        self._runner, self._n_workers = runner, n_workers
        self._executor = ThreadPoolExecutor(n_workers)
        self.stop, self.kill, self.pause, self.go_on = runner.stop, runner.kill, runner.pause, runner.go_on

    def slots(self) -> int:
        """As many as there are threads."""
        return self._n_workers

    def submit(self, trial: Trial, known: TrialRecord | None) -> "Future[TrialRecord]":  # noqa: ARG002  (the interface's)
        """Begin to run a trial."""
        return self._executor.submit(self._runner, trial)

    def outcome(self, trial: Trial, future: "Future[TrialRecord]") -> TrialRecord:
        """How the trial ended.

        Raises:
            OSError: when that could not be recorded.
        """
        try:
            return future.result()
        except OSError:
            raise
        except Exception as error:  # a fault of ours must not cost the other trials
            outcome = _defect(trial, error)
            record_outcome(trial, outcome)
            return outcome

    def join(self) -> None:
        """Wait for what still runs."""
        self._executor.shutdown()


class ExecutorBackend:
    """Workers of an executor.

    Args:
        executor: any; it is not shut down.
        slots: how many trials it can run at the same time, now.
        signs: the search's heartbeat, which its workers watch.
        task: the task of any trial, but for the trial.
        run: what workers run; the tests have wrong variants of it.
    """

    def __init__(
        self,
        executor: Executor,
        slots: Callable[[], int],
        signs: Heartbeat,
        task: Callable[[Trial], Task],
        run: Callable[[Task], Report] = run_task,
    ) -> None:
        self._executor, self._signs, self._task, self._run = executor, signs, task, run
        self._slots = slots
        self._lost: dict[int, int] = {}
        self._known: dict[int, dict[str, Any] | None] = {}
        self._running: set[Future[Report]] = set()
        self._until: float | None = None
        self._ordered: Order = "run"

    def slots(self) -> int:
        """How many trials the executor can run at the same time, now.

        Raises:
            OSError: when it is gone.
            Exception: what ended the thread that gives the search's signs.
        """
        self._signs.require_alive()
        try:
            return self._slots()
        except OSError:
            self._until = time.monotonic()  # its futures may never tell; the trials are told by the search's signs
            raise

    def submit(self, trial: Trial, known: TrialRecord | None) -> "Future[Report]":
        """Begin to run a trial.

        Raises:
            OSError: when the executor takes none.
        """
        self._known[trial.number] = None if known is None else known.to_entry()
        task = dataclasses.replace(self._task(trial), known=self._known[trial.number])
        try:
            future = self._executor.submit(self._run, task)
        except Exception as error:  # each executor has its own
            raise OSError(f"its executor takes no trials ({_told(error)})") from error
        self._running.add(future)
        return future

    def outcome(self, trial: Trial, future: "Future[Report]") -> TrialRecord | None:
        """How the trial ended; None if its worker was lost and it is to be run again.

        Raises:
            UserError: when another search has taken the directory.
            OSError: when a worker cannot run trials, or the executor is gone.
        """
        self._running.discard(future)
        if self._signs.superseded:
            raise UserError("another search has taken the results directory: its file server passes no locks on")
        try:
            report = future.result()
        except CancelledError as error:
            if self._until is not None:
                return None
            self._until = time.monotonic()
            raise OSError("its executor has dropped the trials: its scheduler is gone") from error
        except FAULTS as error:  # what is sent to a worker or back cannot be: no loss, and trying again does not help
            return self._record(trial, _defect(trial, error))
        except Exception as error:  # a worker that was lost, in each executor's words
            return self._after_loss(trial, _told(error))
        if report.fault is not None:
            raise OSError(report.fault)
        if report.defect is not None:
            return self._record(trial, _defect(trial, told_fault(report.defect)))
        if (
            report.outcome is None
            or report.outcome.final
            or report.outcome.status == "paused"
            or self._until is not None
        ):
            return report.outcome
        return self._after_loss(trial, report.outcome.error or report.outcome.status)  # its worker was asked to end

    def _after_loss(self, trial: Trial, reason: str) -> TrialRecord | None:
        """The outcome of a trial whose worker was lost, once that has happened too often; None before."""
        known = self._known[trial.number]
        if told := recorded_since(trial, known):
            return told
        losses = self._lost[trial.number] = self._lost.get(trial.number, 0) + 1
        task = self._task(trial)
        if losses <= task.max_retries or self._until is not None:
            return None
        failures = trial.machine_failures + losses
        error = f"its worker was lost {losses} times: {reason}"
        return self._record(trial, failure(trial, "infrastructure", error, 0.0, machine_failures=failures))

    def _record(self, trial: Trial, outcome: TrialRecord) -> TrialRecord:
        """Write down what no worker could."""
        # A copy of the task may still live: it then has the directory, and what it records is found when resumed.
        looks = iter((False,))  # hopeless after the first one
        if lease := take(trial.directory, self._task(trial).heartbeat, lambda: next(looks, True)):
            record_outcome(trial, outcome)
            lease.release()
        return outcome

    @property
    def given_up(self) -> bool:
        """Whether a stop was ordered so long ago that every trial has ended, told or not."""
        return self._until is not None and time.monotonic() > self._until

    def stop(self) -> None:
        """Order it."""
        self._end("stop")

    def kill(self) -> None:
        """Order it."""
        self._end("kill")

    def pause(self) -> None:
        """Order it, and see it written: this process stands still next."""
        self._signs.order("pause", wait=True)

    def go_on(self) -> None:
        """Order it."""
        self._signs.order(self._ordered)

    def _end(self, order: Literal["stop", "kill"]) -> None:
        self._until = self._until or time.monotonic() + STOP_GRACE_S + self._signs.heartbeat
        if self._ordered != "kill":  # which a stop that comes after it does not soften
            self._ordered = order
        self._signs.order(self._ordered)

    def join(self) -> None:
        """Wait for what still runs, as long as a stop takes, and no longer: its worker may be lost."""
        if self._running:
            self._end("stop") if self._until is None else None
            wait(self._running, timeout=max(0.0, (self._until or 0.0) - time.monotonic()))
        for future in self._running:
            future.cancel()  # the executor's own end would be waited for without a limit
        self._running.clear()


def _defect(trial: Trial, error: Exception) -> TrialRecord:
    """The outcome of a trial that a fault of ours ended, whose traceback is kept with the trial's own errors."""
    if not trial.directory.is_symlink():
        trial.directory.mkdir(exist_ok=True)
    return failure(trial, "crashed", survive(f"running trial {trial.number}", error, trial.stderr_path), 0.0)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def holds_lease(results_dir: Path, number: int, parent: int) -> bool:
    """Whether the process ``parent`` is a worker's that holds the lease of trial ``number`` of ``results_dir``."""
    owner = holder(results_dir / directory_name(number))
    return owner is not None and owner.here and owner.pid == parent


def await_workers(results_dir: Path, numbers: Iterator[int], heartbeat: float) -> None:
    """Wait until no worker of an earlier search runs one of the trials ``numbers``, whose search is over by its signs.

    Raises:
        OSError: when a directory cannot be read or written.
    """
    for number in numbers:
        directory = results_dir / directory_name(number)
        with contextlib.suppress(FileNotFoundError):
            if holder(directory) is not None and (lease := take(directory, heartbeat, lambda: False)):
                lease.release()
