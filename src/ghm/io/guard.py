"""The one way to live on after an exception that nobody expected.

A search is worth more than its display, and its other trials more than one that our own fault ended. Whoever goes on after
such a fault calls :func:`survive`, which says what failed and keeps the traceback. Where the environment variable
``GHM_RAISE_HIDDEN`` is set, as in the tests and in every process they start, it raises instead: then no fault can hide behind
what lives on. The places are listed, each with its reason, in docs/design/reliability.md.
"""

import os
import pickle
import sys
import traceback
from pathlib import Path

from ghm.io.atomic import open_to_append

SWITCH = "GHM_RAISE_HIDDEN"
"""Environment variable: any text makes :func:`survive` raise."""

FAULTS = (
    TypeError,
    AttributeError,
    NameError,
    LookupError,
    AssertionError,
    ArithmeticError,
    ImportError,
    pickle.PickleError,
)
"""What only a fault in a program raises: no network, file or machine does."""


def survive(what: str, error: Exception, details: Path | None = None) -> str:
    """One line that says what failed, with what, and where the traceback is.

    Args:
        what: What failed, for people.
        error: What it failed with.
        details: File that the traceback is appended to; None, or one that cannot be written: standard error.

    Raises:
        Exception: ``error`` itself, where :data:`SWITCH` is set.
    """
    if os.environ.get(SWITCH):
        raise error
    told = f"{what} failed: {type(error).__name__}: {str(error) or 'no reason given'}".splitlines()[0]
    trace = "".join(traceback.format_exception(error))
    try:
        if details is not None:
            with open_to_append(details) as file:
                file.write(f"{told}\n{trace}".encode("utf-8", "backslashreplace"))
            return f"{told} (details: {details})"
    except OSError:
        pass  # a full disk, often why it failed: the terminal has room
    sys.stderr.write(trace)
    return told


def told_fault(text: str) -> RuntimeError:
    """A fault that another process has told of, by its traceback: for :func:`survive`."""
    lines = text.strip().splitlines() or ["no reason was given"]
    fault = RuntimeError(lines[-1])
    fault.add_note(text)
    return fault
