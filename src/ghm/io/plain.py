"""Plain Python values from what callers of public constructors pass: NumPy's scalars and arrays, lists for tuples."""

import dataclasses
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """``value`` with NumPy's scalars as Python's numbers, and lists, tuples and arrays as tuples."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def make_plain(settings: Any) -> None:
    """Replace the fields of a frozen dataclass by their plain values; called first in its ``__post_init__``."""
    for field in dataclasses.fields(settings):
        object.__setattr__(settings, field.name, plain(getattr(settings, field.name)))
