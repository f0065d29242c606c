"""Runs the ghm command as its users do, in this process."""

import contextlib
import io
from dataclasses import dataclass

from ghm.cli import main


@dataclass(frozen=True)
class Ran:
    status: int
    output: str
    errors: str


def run(*words):
    """``ghm`` with these words; an exception other than an exit fails the test, as a traceback would the user."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:  # the parser's way of ending
            status = end.code
    return Ran(status, output.getvalue(), errors.getvalue())


def assert_refused(ran, *parts):
    """Status 2, nothing on standard output, and one message that has these parts, whatever its line breaks and frame."""
    text = " ".join(ran.errors.replace("│", " ").split())
    assert ran.status == 2
    assert ran.output == ""
    assert "Traceback" not in ran.errors
    for part in parts:
        assert part in text, ran.errors
