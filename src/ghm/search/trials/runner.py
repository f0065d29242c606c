"""Runs a trial: one process of the training script, started again after an infrastructure failure."""

import dataclasses
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from ghm.io.platforms import ExitStatus
from ghm.search.settings.command import training_arguments
from ghm.search.trials.exit_status import outcome_of_process, outcome_of_stop
from ghm.search.trials.gpus import claimed_gpu
from ghm.search.trials.outcome import TrialRecord, failure
from ghm.search.trials.process import Cause, Start, TrialProcess, pause, start, watch
from ghm.search.trials.trial import Trial
from ghm.search.trials.workspace import prepare_directory, record_outcome, set_aside_checkpoints


class TrialRunner:
    """Runs trials, one a call, from any number of threads.

    Args:
        command: what starts the training script; its flags are appended.
        gpus: of this host, one for each running trial; empty: the environment is left alone.
        trial_timeout: seconds after which an attempt is stopped; None: never.
        max_retries: how often a trial is started again after an infrastructure failure.
        popen: starts a process; a test's double stands in for it.
        before_attempt: called before each attempt touches the trial's directory; what it raises ends the trial, but for an
            `OSError`, which is an infrastructure failure.
    """

    def __init__(
        self,
        command: Sequence[str],
        gpus: Sequence[str] = (),
        trial_timeout: float | None = None,
        max_retries: int = 1,
        popen: Start = subprocess.Popen,
        before_attempt: Callable[[], None] = lambda: None,
    ) -> None:
        self._command, self._gpus = list(command), gpus
        self._trial_timeout = trial_timeout
        self._max_retries = max_retries
        self._popen, self._before_attempt = popen, before_attempt
        self._stop = threading.Event()
        self._kill = threading.Event()
        self._running: set[TrialProcess] = set()
        self._paused_s, self._paused_at = 0.0, 0.0

    def stop(self) -> None:
        """Ask running trials to write a checkpoint and end, and start no other."""
        self._stop.set()

    def kill(self) -> None:
        """End running trials at once; they go on from the checkpoint before."""
        self._stop.set()
        self._kill.set()

    def pause(self) -> None:
        """Let running trials stand still; the time does not count for their limit."""
        self._paused_at = time.monotonic()
        pause(tuple(self._running))

    def go_on(self) -> None:
        """Let trials go on that :meth:`pause` stopped."""
        self._paused_s += time.monotonic() - self._paused_at
        pause(tuple(self._running), resume=True)

    def __call__(self, trial: Trial) -> TrialRecord:
        """Run ``trial`` to its end, record its outcome in its directory, and return it.

        Raises:
            OSError: when the outcome cannot be recorded: disk full, permission, lost directory.
        """
        outcome = self.run(trial)
        self._before_attempt()
        record_outcome(trial, outcome)
        return outcome

    def run(self, trial: Trial) -> TrialRecord:
        """Run ``trial`` to its end and return its outcome, which the caller has to record."""
        failures, notes = trial.machine_failures, []
        for number in range(1, self._max_retries + 2):
            outcome = dataclasses.replace(self._attempt(trial), attempts=number)
            notes += [outcome.note] if outcome.note else []
            failures += outcome.infrastructure_failure and outcome.final
            if self._stop.is_set() or not outcome.infrastructure_failure:
                break
        return dataclasses.replace(outcome, machine_failures=failures, note="; ".join(notes) or None)

    def _attempt(self, trial: Trial) -> TrialRecord:
        started = time.monotonic()
        try:
            self._before_attempt()
            resumed = prepare_directory(trial)
            exit_status, cause = self._supervise(trial, resumed)
        except OSError as error:
            return failure(trial, "infrastructure", str(error), time.monotonic() - started)
        seconds = time.monotonic() - started
        if (
            resumed and exit_status == ExitStatus.UNUSABLE_CHECKPOINT and cause == "exit"
        ):  # the one reason to start over
            try:
                note = set_aside_checkpoints(trial)
            except OSError as error:
                return failure(trial, "infrastructure", str(error), seconds)
            return dataclasses.replace(self._attempt(trial), note=note)
        outcome = outcome_of_process(trial, exit_status, seconds)
        if cause == "exit" or outcome.success or outcome.status == "paused":
            return outcome
        if cause == "stop":
            return outcome_of_stop(trial, outcome, "interrupted", "the search was stopped")
        limit = f"stopped by --trial_timeout {self._trial_timeout:g} s, in which its start counts too"
        return outcome_of_stop(trial, outcome, "timeout", limit)

    def _supervise(self, trial: Trial, resumed: bool) -> tuple[int, Cause]:
        """Run the process; return its exit status, and who ended it."""
        if self._stop.is_set():
            return -signal.SIGTERM, "stop"
        arguments = training_arguments(
            dataclasses.replace(trial.config, parent_pid=os.getpid(), resume=trial.checkpoint if resumed else None)
        )
        with claimed_gpu(self._gpus) as gpu:
            process = start(trial, [*self._command, *arguments], gpu, self._popen)
            self._running.add(process)
            try:
                return watch(process, self._trial_timeout, self._stop, self._kill, self._clock)
            finally:
                self._running.discard(process)

    def _clock(self) -> float:
        """Seconds, those in which trials stood still left out."""
        return time.monotonic() - self._paused_s
