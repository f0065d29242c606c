"""Validation cards kept in files: working one out takes seconds, and a search's models do not change."""

import contextlib
import json
from pathlib import Path

from ghm.economics.problem import Problem
from ghm.io.atomic import write_atomically
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.solvers.validation.card import Card, validate

MAX_BYTES = 1 << 16


def load_or_validate(path: Path, problem: Problem) -> Card:
    """The card of a problem: the recorded one of the default problem, the one kept at ``path``, or a new one, kept there.

    Raises:
        UserError: when the problem cannot be solved at these settings.
    """
    if problem == Problem():
        return Card.default()
    try:
        content = parse_object(read_bytes(path, MAX_BYTES))
        if content["problem"] == problem.to_dict():
            return Card.from_dict(content)
    except (OSError, DamagedError, KeyError, TypeError, ValueError):
        pass  # there is none, or it is no card
    found = validate(problem)
    with contextlib.suppress(OSError):  # a directory that is read only: it is worked out again next time
        write_atomically(path, json.dumps({"problem": problem.to_dict(), **found.to_dict()}).encode())
    return found
