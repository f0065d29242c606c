"""Runs a trial: one process of the training script, watched until it ends, started again if the machine failed it."""

import contextlib
import dataclasses
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from ghm.search.command import training_arguments
from ghm.search.directory import remove_unfinished_writes
from ghm.search.outcome import (
    Outcome,
    failure,
    outcome_of_process,
    plain_hyperparameters,
    read_result,
    record_outcome,
)
from ghm.search.processes import send, trial_environment
from ghm.search.trial import Trial

# How soon a stop, a timeout or an end is noticed. Waiting costs a few microseconds of CPU a look.
POLL_S = 0.1

# A trial that is asked to stop finishes its iteration and writes a checkpoint; one that takes longer hangs.
STOP_GRACE_S = 20.0

# The training script's "the user's mistake": with --resume, a checkpoint that cannot be read.
_EXIT_USER_ERROR = 2

Cause = Literal["exit", "stop", "timeout"]


class TrialRunner:
    """Runs trials, one a call, from any number of threads.

    Args:
        command: what starts the training script; its flags are appended.
        gpus: GPUs to share out, one a running trial; empty: the environment is left alone.
        trial_timeout: seconds after which an attempt is stopped; None: never.
        max_retries: how often a trial is started again after a failure of the machine.
        popen: starts a process; a test's double stands in for it.
    """

    def __init__(
        self,
        command: Sequence[str],
        gpus: Sequence[str] = (),
        trial_timeout: float | None = None,
        max_retries: int = 1,
        popen: Callable[..., "subprocess.Popen[bytes]"] = subprocess.Popen,
    ) -> None:
        self._command = list(command)
        self._trial_timeout = trial_timeout
        self._max_retries = max_retries
        self._popen = popen
        self._stop = threading.Event()
        self._kill = threading.Event()
        self._gpus: queue.SimpleQueue[str] | None = queue.SimpleQueue() if gpus else None
        for gpu in gpus:
            self._share_out(gpu)

    def stop(self) -> None:
        """Ask running trials to write a checkpoint and end, and start no other."""
        self._stop.set()

    def kill(self) -> None:
        """End running trials at once; they go on from the checkpoint before."""
        self._stop.set()
        self._kill.set()

    def __call__(self, trial: Trial) -> Outcome:
        """Run ``trial`` to its end, record its outcome in its directory, and return it.

        Raises:
            OSError: when the outcome cannot be recorded: disk full, permission, lost directory.
        """
        with self._gpu() as gpu:
            outcome = self._run(trial, gpu)
        record_outcome(trial, outcome)
        return outcome

    def _run(self, trial: Trial, gpu: str | None) -> Outcome:
        for attempt in range(1, self._max_retries + 2):
            outcome = dataclasses.replace(self._attempt(trial, gpu), attempts=attempt)
            if self._stop.is_set() or not outcome.of_the_machine:
                break
        return outcome

    def _attempt(self, trial: Trial, gpu: str | None) -> Outcome:
        started = time.monotonic()
        try:
            resumed = prepare_directory(trial)
            exit_status, cause = self._supervise(trial, gpu, resumed)
        except OSError as error:
            return failure(trial, "infrastructure", str(error), time.monotonic() - started)
        seconds = time.monotonic() - started
        if resumed and exit_status == _EXIT_USER_ERROR and cause == "exit":
            # Nothing else changed since the checkpoint was written, so it is the checkpoint: start over.
            trial.checkpoint.replace(trial.checkpoint.with_name("damaged.pt"))
            return self._attempt(trial, gpu)
        outcome = outcome_of_process(trial, exit_status, seconds)
        if cause == "exit" or outcome.success:
            return outcome
        if cause == "stop":
            return _stopped(trial, outcome, "interrupted", "the search was stopped")
        return _stopped(trial, outcome, "timeout", f"stopped after --trial_timeout {self._trial_timeout:g} s")

    def _supervise(self, trial: Trial, gpu: str | None, resumed: bool) -> tuple[int, Cause]:
        """Run the process; return its exit status, and who ended it."""
        if self._stop.is_set():
            return -signal.SIGTERM, "stop"
        config = dataclasses.replace(trial.config, parent_pid=os.getpid(), resume=trial.checkpoint if resumed else None)
        with trial.stdout_path.open("ab") as stdout, trial.stderr_path.open("ab") as stderr:
            process = self._popen(
                [*self._command, *training_arguments(config)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=trial_environment(config.n_threads, gpu),
                # A Ctrl-C at the terminal must reach the search only, which then stops its trials in order.
                start_new_session=True,
            )
        return self._watch(process)

    def _watch(self, process: "subprocess.Popen[bytes]") -> tuple[int, Cause]:
        deadline = None if self._trial_timeout is None else time.monotonic() + self._trial_timeout
        cause: Cause = "exit"
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_S), cause
            late = deadline is not None and time.monotonic() >= deadline
            if self._kill.is_set() or (late and cause != "exit"):
                cause = "stop" if self._kill.is_set() else cause
                send(process, signal.SIGKILL)
            elif cause == "exit" and (late or self._stop.is_set()):
                cause = "timeout" if late else "stop"
                send(process, signal.SIGTERM)
                deadline = time.monotonic() + STOP_GRACE_S

    @contextlib.contextmanager
    def _gpu(self) -> Iterator[str | None]:
        """A GPU of the trial's own while it runs; None where GPUs are not shared out."""
        if self._gpus is None:
            yield None
            return
        gpu = self._gpus.get()
        try:
            yield gpu
        finally:
            self._share_out(gpu)

    def _share_out(self, gpu: str) -> None:
        assert self._gpus is not None
        self._gpus.put(gpu)


def prepare_directory(trial: Trial) -> bool:
    """Make the trial's directory ready for its process; return whether a checkpoint is there to continue from.

    Without one, whatever an attempt left is removed, so that logs and history hold one run only.

    Raises:
        OSError: when the directory cannot be written.
    """
    # Not its parents: a results directory that has vanished must be noticed, not made again.
    trial.directory.mkdir(exist_ok=True)
    remove_unfinished_writes(trial.directory, trial.config.ckpt_dir)
    resumed = trial.checkpoint.is_file()
    # A result of an attempt before must not pass for this one's.
    leftovers = [trial.outcome_path, trial.config.result_path]
    if not resumed:
        leftovers += [trial.stdout_path, trial.stderr_path, trial.history_path]
        for directory in (trial.config.log_dir, trial.config.ckpt_dir):
            if directory.exists():
                shutil.rmtree(directory)
    for path in leftovers:
        path.unlink(missing_ok=True)
    # Not forced to disk: it can be computed again at any time, and the outcome repeats it.
    trial.hyperparameters_path.write_text(json.dumps(plain_hyperparameters(trial.hyperparameters), indent=2) + "\n")
    return resumed


def _stopped(trial: Trial, outcome: Outcome, status: Literal["interrupted", "timeout"], error: str) -> Outcome:
    """The outcome of a trial that the search stopped, with what its training says it had reached."""
    result = read_result(trial) or {}
    return dataclasses.replace(
        outcome,
        status=status,
        error=error,
        iterations=result.get("iterations", outcome.iterations),
        metrics=result.get("metrics", outcome.metrics),
    )
