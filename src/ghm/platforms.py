"""Where the package runs, on POSIX systems, tested on Linux; and what a program does at its very ends.

A search locks its directory, is stopped by signals, ends its trials by process group, and forces directory entries to disk.
Windows has none of these in that form; there the Windows Subsystem for Linux runs it.
"""

import os
import sys
from collections.abc import Callable

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
        try:
            return main()
        finally:  # --help ends by SystemExit
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, `head` for instance, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
