"""What a search may try of one setting: a list of values, a range, or a range of layers and one of their width.

=========  ================================================  ================================================================
           :class:`Values`                                   :class:`Range`
=========  ================================================  ================================================================
values     those listed                                      from low to high: all, every ``step``, or every whole number
drawn      each with the same probability                    uniformly; with ``log``, uniformly in the logarithm
place      index among them, numbers in increasing order     share of the way from low to high, 0 to 1; of values that can be
                                                             counted, the middle of each one's share
=========  ================================================  ================================================================

Where values cannot be counted they are rounded, to six digits with ``log``, else to a millionth of the range: finer
differences train alike, and the last bit of a logarithm, which depends on the machine, has no say.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ghm.economics.model import Array
from ghm.errors import UserError
from ghm.io.values import is_number, make_plain, require_integer

# A list longer than this is a mistake, and so is a grid's share of a range.
MAX_VALUES = 10_000


class Simple:
    """What has one place; :class:`Layers` are made of two."""

    @property
    def parts(self) -> "tuple[Any, ...]":
        """What it is made of, each with one place."""
        return (self,)

    def split(self, value: Any) -> tuple[Any, ...]:
        """A value of each part."""
        return (value,)

    def join(self, *values: Any) -> Any:
        """The value that values of the parts make."""
        return values[0]


class Values(Simple, tuple[Any, ...]):
    """Listed values."""

    @cached_property
    def ordered(self) -> bool:
        """Whether distances between places mean anything: of numbers they do, of layers and words they do not."""
        return all(isinstance(value, int | float) for value in self)

    @cached_property
    def _in_order(self) -> tuple[Any, ...]:
        return tuple(sorted(self)) if self.ordered else tuple(self)

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self)

    @property
    def first(self) -> Any:
        """The value of a hyperparameter that has no effect."""
        return self[0]

    def grid(self) -> "Values":
        """The values of a grid: all."""
        return self

    def draw(self, generator: np.random.Generator) -> Any:
        """A value at random."""
        return self[int(generator.integers(len(self)))]

    def place(self, value: Any) -> float:
        """Where a value lies."""
        return float(self._in_order.index(value))

    def at(self, place: float) -> Any:
        """The value at a place."""
        return self._in_order[int(place)]

    def places(self, generator: np.random.Generator, count: int) -> Array:
        """Places of random values, (count,)."""
        return generator.integers(len(self), size=count).astype(np.float64)

    def near(self, places: Array, distance: Array, generator: np.random.Generator) -> Array:
        """Places that are the same as ``places`` (n,) or, with a probability of ``distance`` (n,), random ones."""
        return np.where(generator.random(places.shape) < distance, self.places(generator, places.size), places)

    def to_json(self) -> Any:
        """The list as JSON types."""
        return [list(value) if isinstance(value, tuple) else value for value in self]

    def __str__(self) -> str:
        return ", ".join(map(label, self))


@dataclass(frozen=True)
class Range(Simple):
    """Values from ``low`` to ``high``, both included; whole numbers where both are.

    Raises:
        UserError: when the range is empty, or a part of it is out of bounds.
    """

    low: float
    high: float
    log: bool = False
    """Whether they are uniform in the logarithm."""
    step: float | None = None
    """Distance between values; of whole numbers 1 unless given."""
    points: int | None = None
    """Values that a grid takes, evenly spaced; without it, all."""

    ordered = True

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("low", "high", *(("step",) if self.step is not None else ())):
            value = getattr(self, name)
            if not is_number(value):
                raise UserError(f"{name} of a range must be a finite number; received {value!r}")
        if not self.low < self.high:
            raise UserError(
                f"low of a range must be below high; received low {self.low}, high {self.high}; one value is a list: [{self.low}]"
            )
        if not isinstance(self.log, bool):
            raise UserError(f"log of a range must be true or false; received {self.log!r}")
        if self.log and self.low <= 0:
            raise UserError(f"low of a logarithmic range must be > 0; received {self.low}; raise it, or leave log out")
        if self.log and self.step is not None:
            raise UserError(f"a logarithmic range has no step; received {self.step}; leave out log or step")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise UserError(
                f"step of a range must be > 0 and at most high - low, {self.high - self.low:g}; received {self.step}"
            )
        if self.points is not None:
            require_integer("points", self.points, lower=2, upper=MAX_VALUES)

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int)

    @property
    def size(self) -> float:
        """How many values there are; infinite where they cannot be counted."""
        if self._step is None:
            return math.inf
        return math.floor((self.high - self.low) / self._step * (1 + 1e-12)) + 1  # 0.3/0.1 is 2.9999999999999996

    @property
    def first(self) -> Any:
        """The value of a hyperparameter that has no effect."""
        return self.low

    def __contains__(self, value: object) -> bool:
        inside = is_number(value) and self.low <= value <= self.high
        return inside and (math.isinf(self.size) or self.at(self.place(value)) == value)

    def grid(self) -> Values:
        """The values of a grid.

        Raises:
            UserError: when nothing says which.
        """
        if self.points is None and self.size > MAX_VALUES:
            raise UserError(f'a grid needs the number of points of a range; add "points": 5 to {self}, or give a list')
        first = self.place(self.low)  # 0, or the middle of the first value's share
        places = np.linspace(first, self.place(self.at(1.0)), int(self.points or self.size))
        return Values(dict.fromkeys(map(self.at, places)))

    def draw(self, generator: np.random.Generator) -> Any:
        """A value at random."""
        return self.at(generator.random())

    def place(self, value: Any) -> float:
        """Where a value lies."""
        return float(self._place(value))

    def at(self, place: float) -> Any:
        """The value at a place."""
        value = float(self._value(place))
        return int(value) if self.whole else min(max(self._rounded(value), self.low), self.high)

    def places(self, generator: np.random.Generator, count: int) -> Array:
        """Places of random values, (count,)."""
        return self._place(self._value(generator.random(count)))

    def near(self, places: Array, distance: Array, generator: np.random.Generator) -> Array:
        """Places that are about ``distance`` (n,) away from ``places`` (n,)."""
        moved = np.clip(places + distance * generator.standard_normal(places.shape), 0.0, 1.0)
        return self._place(self._value(moved))

    def to_json(self) -> Any:
        """The range as JSON types."""
        optional = {"log": self.log or None, "step": self.step, "points": self.points}
        return {"low": self.low, "high": self.high} | {k: v for k, v in optional.items() if v is not None}

    def __str__(self) -> str:
        step = "" if self.step is None else f" in steps of {label(self.step)}"
        return f"{label(self.low)} to {label(self.high)}{' (log)' if self.log else ''}{step}"

    @property
    def _step(self) -> float | None:
        return self.step or (1 if self.whole else None)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Low and high, with half a step beside each where there are steps, so that all values have a like share."""
        half = (self._step or 0.0) / 2
        low = self.low - half
        high = low + self.size * self._step if self._step else self.high
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def _place(self, values: Any) -> Array:
        low, high = self._ends
        return np.asarray(((np.log(values) if self.log else values) - low) / (high - low))

    def _value(self, places: Any) -> Array:
        low, high = self._ends
        spread = low + np.asarray(places) * (high - low)
        values = np.exp(spread) if self.log else spread
        if self._step is None:
            return np.asarray(values)
        index = np.clip(np.rint((values - self.low) / self._step), 0, self.size - 1)
        return np.asarray(self.low + index * self._step)

    def _rounded(self, value: float) -> float:
        unit = 1e-6 * (self.step or self.high - self.low)
        if self.log:
            unit = 1e-5 * value * min(math.log(self.high / self.low), 1.0)
        return round(value, -math.floor(math.log10(unit)))


@dataclass(frozen=True)
class Layers:
    """Hidden layers of one width: how many, and how wide, each a list or a range of whole numbers."""

    layers: Any
    width: Any

    @property
    def parts(self) -> tuple[Any, ...]:
        """What it is made of, each with one place."""
        return self.layers, self.width

    def split(self, value: Any) -> tuple[Any, ...]:
        """A value of each part."""
        return len(value), value[0]

    def join(self, *values: Any) -> Any:
        """The value that values of the parts make."""
        return (values[1],) * values[0]

    def __contains__(self, value: object) -> bool:
        layers = isinstance(value, tuple) and len(set(value)) == 1
        return layers and all(one in part for part, one in zip(self.parts, self.split(value), strict=True))

    @property
    def size(self) -> float:
        """How many values there are."""
        size: float = self.layers.size * self.width.size
        return size

    @property
    def first(self) -> Any:
        """The value of a hyperparameter that has no effect."""
        return self.join(self.layers.first, self.width.first)

    def grid(self) -> Values:
        """The values of a grid."""
        return Values(self.join(layers, width) for layers in self.layers.grid() for width in self.width.grid())

    def draw(self, generator: np.random.Generator) -> Any:
        """A value at random."""
        return self.join(self.layers.draw(generator), self.width.draw(generator))

    def to_json(self) -> Any:
        """It as JSON types."""
        return {"layers": self.layers.to_json(), "width": self.width.to_json()}

    def __str__(self) -> str:
        return f"{self.layers} layers of width {self.width}"


Distribution = Values | Range | Layers
"""What a search may try of one setting."""


def label(value: Any) -> str:
    """A hyperparameter's value as people write it: 0.0003, 64x64."""
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
