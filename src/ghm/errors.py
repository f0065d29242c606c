"""The one exception that a command shows as a message instead of a traceback."""

import sys


class UserError(ValueError):
    """Something the caller can mend: it names the condition, the value received and the remedy.

    Commands print it on one line and exit with status 2.
    """


def require_posix() -> None:
    """Refuse Windows: locks, process groups and signals are those of POSIX systems.

    Raises:
        UserError: on Windows.
    """
    if sys.platform == "win32":
        raise UserError("ghm runs on Linux and macOS; this system is Windows: run it in WSL 2")
