"""Grids on the command line: numbers, and spans of numbers such as 0:2:201."""

from collections.abc import Sequence

import numpy as np

from ghm.errors import UserError

MAX_POINTS = 100_000
"""Most numbers in a span: more is a typing error."""


def numbers(flag: str, words: Sequence[str]) -> list[float] | None:
    """The numbers that ``words`` say, each a number or ``first:last:count``; None where there are no words.

    Raises:
        UserError: when a word says neither.
    """
    if not words:
        return None
    found: list[float] = []
    for word in words:
        parts = word.split(":")
        try:
            if len(parts) == 1:
                found.append(float(word))
                continue
            if len(parts) != 3:
                raise ValueError
            first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
            if not 2 <= count <= MAX_POINTS or not np.isfinite([first, last]).all():
                raise ValueError
        except ValueError:
            raise UserError(
                f"{flag} takes numbers, or first:last:count with a count from 2 to {MAX_POINTS:,}; received {word!r}; "
                f"try {flag} 0:1:101"
            ) from None
        found += [float(f"{value:.12g}") for value in np.linspace(first, last, count)]
    return found
