"""The one exception that a command shows as a message instead of a traceback, and what may be shown of any text."""

import sys


def printable(text: str) -> str:
    """The text with an escape for each character that is not printable, as Python writes it.

    On a terminal such characters are orders, and those of writing direction rearrange a line anywhere.
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def shown(text: str) -> str:
    """Lines that may go to a terminal: each :func:`printable`."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


MOST_TEXT = 4000
"""Characters of a message: what was received may be of any length, and the remedy comes last."""


class UserError(ValueError):
    """Something the caller can mend: it names the condition, the value received and the remedy.

    Commands print it on one line and exit with status 2. What of it is no printable text is escaped, and a long middle left out.
    """

    def __init__(self, message: object = "") -> None:
        text = shown(str(message))
        half = MOST_TEXT // 2
        super().__init__(text if len(text) <= MOST_TEXT else f"{text[:half]} … {text[-half:]}")


def require_posix() -> None:
    """Refuse Windows: locks, process groups and signals are those of POSIX systems.

    Raises:
        UserError: on Windows.
    """
    if sys.platform == "win32":
        raise UserError("ghm runs on Linux and macOS; this system is Windows: run it in WSL 2")
