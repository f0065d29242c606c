"""Where values of a hyperparameter stand on an axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ghm.report.analysis.importance import MAX_GROUPS, magnitude
from ghm.search.settings.distributions import label


def scale(values: Sequence[Any]) -> tuple[list[tuple[float, Any]], np.ndarray]:
    """Places of ``values`` on an axis from 0 to 1, and the places to label.

    Few distinct values, and layers, are spaced evenly, in order; many distinct numbers keep their distances, on a logarithmic
    axis where all are positive and span more than a factor of ten.
    """
    numeric = all(isinstance(value, int | float) for value in values)
    distinct = {label(value): value for value in values}
    if numeric and len(distinct) > MAX_GROUPS:
        return _continuous(np.array(values, dtype=float))
    ordered = sorted(distinct.values(), key=lambda value: (magnitude(value), "" if numeric else label(value)))
    place = {label(value): at for value, at in zip(ordered, np.linspace(0, 1, len(ordered)), strict=True)}
    if len(ordered) == 1:
        place = dict.fromkeys(place, 0.5)
    shown = (
        ordered
        if len(ordered) <= 2 * MAX_GROUPS
        else [ordered[at] for at in np.linspace(0, len(ordered) - 1, 4).astype(int)]
    )
    return [(float(place[label(v)]), v) for v in shown], np.array([place[label(value)] for value in values])


def _continuous(numbers: np.ndarray) -> tuple[list[tuple[float, Any]], np.ndarray]:
    low, high = float(numbers.min()), float(numbers.max())
    if low > 0 and high > 10 * low:
        ticks = np.geomspace(low, high, 4)
        positions = np.log(numbers / low) / np.log(high / low)
    else:
        ticks = np.linspace(low, high, 4)
        positions = (numbers - low) / (high - low)
    return [
        (at, float(f"{tick:.2g}")) for at, tick in zip(np.linspace(0, 1, 4).tolist(), ticks, strict=True)
    ], positions
