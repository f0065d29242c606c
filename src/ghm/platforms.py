"""Where the package runs: on POSIX systems, tested on Linux.

A search locks its directory, is stopped by signals, ends its trials by process group, and forces directory entries to disk.
Windows has none of these in that form; there the Windows Subsystem for Linux runs it.
"""

import os
import sys

EXIT_UNSUPPORTED = 2


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
