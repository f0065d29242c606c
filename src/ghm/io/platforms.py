"""What a program does at its very ends: where it runs, its streams, its signals, its exit status."""

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from types import FrameType
from typing import Any, TypeVar

from ghm.errors import UserError, require_posix, shown

Status = TypeVar("Status")


class ExitStatus(IntEnum):
    """How programs of this package end, as in docs/design/records.md."""

    COMPLETED = 0
    FAILED = 1
    USER_ERROR = 2
    DIVERGED = 3
    INTERRUPTED = 4
    OUT_OF_MEMORY = 5
    INFRASTRUCTURE = 6
    PAUSED = 7
    UNUSABLE_CHECKPOINT = 8
    KEYBOARD = 130
    """What shells report of a program that Ctrl-C ended: 128 + 2."""
    BROKEN_PIPE = 141
    """What shells report of a program that SIGPIPE ended: 128 + 13."""


def fail(message: object, status: ExitStatus = ExitStatus.USER_ERROR) -> ExitStatus:
    """Say what is wrong on standard error; returns the exit status."""
    sys.stderr.write(shown(f"error: {message}\n"))
    return status


PYTHON = (sys.executable, "-P")
"""Starts a Python process of this package's: it imports nothing from the working directory, where anybody's files may lie."""

_program = threading.Event()
"""Set in a process that ends with what it runs."""


def untested() -> str:
    """Word that the package has not been tested on this system; empty where it has."""
    if sys.platform == "linux":
        return ""
    return f"Note: ghm is tested on Linux, not on this system ({sys.platform}); please report what does not work."


def usable_cores() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: what a job or a container was given
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_program(main: Callable[[], int], ends: bool = True) -> int:
    """Run a program's main function where it can run; its exit status. No complaint where nobody reads the output any more.

    Args:
        main: the function.
        ends: whether the process ends with it, rather than being somebody's who called it.
    """
    try:
        require_posix()
    except UserError as error:
        return fail(error)
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path or a τ must not end a program on an ASCII terminal
    outermost = ends and not _program.is_set()
    if outermost:
        _program.set()
    try:
        return _flushed(main())
    except SystemExit as end:  # --help and wrong flags end so
        raise SystemExit(_flushed(end.code)) from None
    except BrokenPipeError:
        _silence()
        return ExitStatus.BROKEN_PIPE
    except KeyboardInterrupt:
        return _flushed(ExitStatus.KEYBOARD)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        return _full()
    finally:
        if outermost:
            _program.clear()


def _open_missing_streams() -> None:
    """Give a process that was started with a closed stream (``>&-``) one that leads nowhere.

    Descriptors 0 to 2 are taken first, so that no file that is opened later becomes somebody's standard output.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            found = os.open(os.devnull, os.O_RDWR)
            if found != descriptor:
                os.dup2(found, descriptor)
                os.close(found)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


# Two SIGINT within this time are one Ctrl-C, told twice (by the terminal and by a parent); no hand is as fast.
SAME_KEYPRESS_S = 0.2


@contextlib.contextmanager
def stop_signals(
    stop: Callable[[], None],
    kill: Callable[[], None] | None,
    pause: Callable[[], None] | None = None,
    go_on: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Call ``stop`` at the first signal; at a second Ctrl-C ``kill``, where there is one, and raise KeyboardInterrupt.

    A stop that is under way is not made harder by SIGTERM or SIGHUP again, to the program's very end (:func:`put_back`). Ctrl-Z
    calls ``pause`` before this process stands still, and ``go_on`` after it. A closed terminal stays ignored where it is
    (``nohup``). Outside the main thread, where Python has no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[float] = []
    hung_up = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal hung_up
        hung_up = hung_up or number == signal.SIGHUP
        received.append(time.monotonic())
        if len(received) == 1:
            stop()
        elif number == signal.SIGINT and received[-1] - received[0] > SAME_KEYPRESS_S and kill is not None:
            kill()
            raise KeyboardInterrupt

    def stand_still(_number: int, _frame: FrameType | None) -> None:
        assert pause is not None
        assert go_on is not None
        pause()
        # Not by the signal that came: one without a shell above it is let fall. Returns when this process may go on.
        os.kill(os.getpid(), signal.SIGSTOP)
        go_on()

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = dict.fromkeys(
        (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), handle
    )
    if pause is not None:
        handlers[signal.SIGTSTP] = stand_still
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if before[number] is not signal.SIG_IGN or number not in (signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, handler)
    try:
        yield
    finally:
        if hung_up:  # a terminal that hung up does not come back, but may be told of again
            before[signal.SIGHUP] = signal.SIG_IGN
        put_back(before, stopped=bool(received))


def put_back(handlers: Mapping[signal.Signals, Any], stopped: bool) -> None:
    """Give signals back the handlers that they had before a run.

    A program that was told to stop is deaf to SIGTERM and SIGHUP from then to its exit: at a logout or the end of a job both come
    more than once, and a late one must not change how it ends. Where the caller's process lives on, they are the caller's again.
    """
    for number, handler in handlers.items():
        deaf = stopped and _program.is_set() and number in (signal.SIGTERM, signal.SIGHUP)
        signal.signal(number, signal.SIG_IGN if deaf else handler)


def _flushed(status: Status) -> Status | int:
    """``status``, once all that was printed is out; what cannot be written is given up, and said of a full disk."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _silence()
        if isinstance(error, BrokenPipeError):  # whoever read the output, `head` for instance, has had enough
            return ExitStatus.BROKEN_PIPE
        if error.errno == errno.ENOSPC and not status:
            return _full()
    return status


def _full() -> int:
    """Say that the output's place is full."""
    _silence()
    sys.stderr.write("error: the output cannot be written: no space left on the device; send it elsewhere\n")
    return ExitStatus.INFRASTRUCTURE


def _silence() -> None:
    """Let what is still printed, at the interpreter's end for instance, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
