"""The processes of trials: how they are started, watched and ended, and those that a dead search left behind."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import psutil

from ghm.errors import UserError
from ghm.io.atomic import open_to_append
from ghm.search.trials.trial import Trial, directory_number

Cause = Literal["exit", "stop", "timeout"]
"""Who ended a process: it itself, the search's user, or the search's limit of time."""


class TrialProcess(Protocol):
    """A trial's process, as `subprocess.Popen` has it."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended: the negative number of the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: when it has not after ``timeout`` seconds.
        """


Start = Callable[..., TrialProcess]
"""Starts a process; called as `subprocess.Popen` is."""

# How soon a stop, a timeout or an end is noticed. Waiting costs a few microseconds of CPU a look.
POLL_S = 0.1

# A trial that is asked to stop finishes its iteration and writes a checkpoint; one that takes longer hangs.
STOP_GRACE_S = 20.0

# Every library that starts threads of its own reads one of these.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

# An orphan that is asked to end by SIGKILL is gone at once, unless it sits in a system call on a dead file system.
_ORPHAN_WAIT_S = 30.0


def trial_environment(n_threads: int, gpu: str | None) -> dict[str, str]:
    """The environment of a trial's process: this one's, with thread counts and, if ``gpu`` is given, that GPU only."""
    environment = dict(os.environ)
    environment |= dict.fromkeys(_THREAD_VARIABLES, str(n_threads))
    # Lines reach stdout.log as they are printed, also if the process is killed.
    environment["PYTHONUNBUFFERED"] = "1"
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    return environment


def start(trial: Trial, command: Sequence[str], gpu: str | None, popen: Start) -> TrialProcess:
    """Start ``command`` as the trial's process, its output appended to the trial's logs.

    Raises:
        OSError: when the logs cannot be written or the process cannot be started.
    """
    with open_to_append(trial.stdout_path) as stdout, open_to_append(trial.stderr_path) as stderr:
        return popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=trial_environment(trial.config.n_threads, gpu),
            # A Ctrl-C at the terminal must reach the search only, which then stops its trials in order.
            start_new_session=True,
        )


def watch(
    process: TrialProcess,
    timeout: float | None,
    stop: threading.Event,
    kill: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[int, Cause]:
    """Wait for the process to end; return its exit status, and who ended it.

    It is asked to end after ``timeout`` seconds (None: never) or once ``stop`` is set, and killed once ``kill`` is set
    or :data:`STOP_GRACE_S` seconds after it was asked. ``clock`` gives the seconds that count.
    """
    deadline = None if timeout is None else clock() + timeout
    cause: Cause = "exit"
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_S), cause
        late = deadline is not None and clock() >= deadline
        if kill.is_set() or (late and cause != "exit"):
            cause = "stop" if kill.is_set() else cause
            _send(process, signal.SIGKILL)
        elif cause == "exit" and (late or stop.is_set()):
            cause = "timeout" if late else "stop"
            _send(process, signal.SIGTERM)
            deadline = clock() + STOP_GRACE_S


def pause(processes: Iterable[TrialProcess], *, resume: bool = False) -> None:
    """Let the processes, and whatever they started, stand still, or go on."""
    for process in processes:
        _send(process, signal.SIGCONT if resume else signal.SIGSTOP)


def _send(process: TrialProcess, number: signal.Signals) -> None:
    """Send a signal to the process and whatever it started; each trial leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end_orphans(
    results_dir: Path, holds_lease: Callable[[int, int], bool] = lambda _number, _parent: False
) -> list[int]:
    """End the trial processes of a dead search in ``results_dir``; return the numbers of their trials.

    Such a process ends by itself once it notices that its parent is gone; until then it could write into a
    directory that the resumed search uses again. The caller holds the directory's lock, so no living search should own it.

    Args:
        results_dir: the search's directory.
        holds_lease: whether a trial's number and its living parent are those of a worker, which stops by itself.

    Raises:
        UserError: when one does all the same: somebody removed its lock.
    """
    orphans: dict[psutil.Process, int] = {}
    for process in psutil.process_iter():
        number, parent = _trial_number(process, results_dir)
        if not number:
            continue
        if parent is None or parent == os.getpid():
            orphans[process] = number
        elif not holds_lease(number, parent):
            raise UserError(
                f"--results_dir {results_dir}: trial {number} is run by process {parent}, a search that lives, though its "
                "lock is gone; stop that one first"
            )
    _kill(list(orphans))
    return sorted(orphans.values())


def end_processes_of(directory: Path) -> None:
    """End the processes on this machine that run the trial of ``directory``, whose owner is lost."""
    number = directory_number(directory.name)
    _kill([one for one in psutil.process_iter() if number and _trial_number(one, directory.parent)[0] == number])


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()
    until = time.monotonic() + _ORPHAN_WAIT_S
    while any(map(_lives, processes)) and time.monotonic() < until:
        time.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    """Whether it can still do anything: one that has ended, but whose parent stands still and has not fetched it, cannot."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _trial_number(process: psutil.Process, results_dir: Path) -> tuple[int | None, int | None]:
    """The number of the trial of ``results_dir`` that ``process`` runs for a search, and the parent that does live.

    The number is None if it runs none, or is another user's, who can give any arguments; the parent if it is gone.
    """
    try:
        if process.uids().real != os.getuid():
            return None, None
        arguments, parent = process.cmdline(), process.ppid()
    except (psutil.Error, OSError):
        return None, None
    if "--parent_pid" not in arguments or "--ckpt_dir" not in arguments[:-1]:
        return None, None
    directory = Path(arguments[arguments.index("--ckpt_dir") + 1]).parent
    number = directory_number(directory.name) if directory.parent == results_dir else None
    lives = arguments[arguments.index("--parent_pid") + 1] == str(parent)
    return number, parent if lives else None
