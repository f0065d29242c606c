"""Where the package runs, on POSIX systems, tested on Linux; and how a program begins and ends.

A search locks its directory, is stopped by signals, ends its trials by process group, and forces directory entries to disk.
Windows has none of these in that form; there the Windows Subsystem for Linux runs it.
"""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Status = TypeVar("Status")

EXIT_UNSUPPORTED = 2
EXIT_INFRASTRUCTURE = 6
EXIT_KEYBOARD = 130
"""What shells report of a program that Ctrl-C ended: 128 + 2."""
EXIT_BROKEN_PIPE = 141
"""What shells report of a program that SIGPIPE ended: 128 + 13."""

PYTHON = (sys.executable, "-P")
"""Starts a Python process of this package's: it imports nothing from the working directory, where anybody's files may lie."""

_program = threading.Event()
"""Set in a process that ends with what it runs."""


def unsupported() -> str:
    """Why the package cannot run here, and what to do; empty where it can."""
    if os.name == "posix":
        return ""
    return (
        f"ghm runs on Linux and other POSIX systems; this is {sys.platform}, which has no POSIX locks, signals and process "
        "groups; on Windows, run it in the Windows Subsystem for Linux (WSL)"
    )


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


def exit_if_unsupported() -> None:
    """End with a message and status 2 where the package cannot run."""
    if message := unsupported():
        sys.stderr.write(f"error: {message}\n")
        raise SystemExit(EXIT_UNSUPPORTED)


def run_program(main: Callable[[], int], ends: bool = True) -> int:
    """Run a program's main function where it can run; its exit status. No complaint where nobody reads the output any more.

    Args:
        main: the function.
        ends: whether the process ends with it, rather than being somebody's who called it.
    """
    exit_if_unsupported()
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
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return _flushed(EXIT_KEYBOARD)
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
            return EXIT_BROKEN_PIPE
        if error.errno == errno.ENOSPC and not status:
            return _full()
    return status


def _full() -> int:
    """Say that the output's place is full."""
    _silence()
    sys.stderr.write("error: the output cannot be written: no space left on the device; send it elsewhere\n")
    return EXIT_INFRASTRUCTURE


def _silence() -> None:
    """Let what is still printed, at the interpreter's end for instance, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
