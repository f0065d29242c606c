"""Where the package runs, on POSIX systems, tested on Linux; and what a program does at its very ends.

A search locks its directory, is stopped by signals, ends its trials by process group, and forces directory entries to disk.
Windows has none of these in that form; there the Windows Subsystem for Linux runs it.
"""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

Status = TypeVar("Status")

EXIT_UNSUPPORTED = 2
EXIT_BROKEN_PIPE = 141
"""What shells report of a program that SIGPIPE ended: 128 + 13."""


def unsupported() -> str:
    """Why the package cannot run here, and what to do; empty where it can."""
    if os.name == "posix":
        return ""
    return (
        f"ghm runs on Linux and other POSIX systems; this is {sys.platform}, which has no POSIX locks, signals and process "
        "groups; on Windows, run it in the Windows Subsystem for Linux (WSL)"
    )


def exit_if_unsupported() -> None:
    """End with a message and status 2 where the package cannot run."""
    if message := unsupported():
        sys.stderr.write(f"error: {message}\n")
        raise SystemExit(EXIT_UNSUPPORTED)


def run_program(main: Callable[[], int]) -> int:
    """Run a program's main function where it can run; its exit status. No complaint where nobody reads the output any more."""
    exit_if_unsupported()
    try:
        return _flushed(main())
    except SystemExit as end:  # --help and wrong flags end so
        raise SystemExit(_flushed(end.code)) from None
    except BrokenPipeError:
        _silence()
        return EXIT_BROKEN_PIPE


def _flushed(status: Status) -> Status | int:
    """``status``, once all that was printed is out; what cannot be written is given up."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _silence()
        if isinstance(error, BrokenPipeError):  # whoever read the output, `head` for instance, has had enough
            return EXIT_BROKEN_PIPE
    return status


def _silence() -> None:
    """Let what is still printed, at the interpreter's end for instance, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
