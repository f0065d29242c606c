"""The one exception that a command shows as a message instead of a traceback."""

import sys


class UserError(ValueError):
    """Something the caller can mend: it names the condition, the value received and the remedy.

    Commands print it on one line and exit with status 2.
    """


def require_linux() -> None:
    """Refuse other systems: locks, process groups, signals and the renaming of files are Linux's here, and tested there.

    Raises:
        UserError: on another system.
    """
    if sys.platform != "linux":
        raise UserError(f"ghm runs on Linux only; this system is {sys.platform}; on Windows, WSL 2 is a Linux")
