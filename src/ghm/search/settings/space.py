"""The search space: a list of values for each of the eight hyperparameters."""

import dataclasses
import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_json, read_bytes
from ghm.training.settings import Hyperparameters

Choices = dict[str, tuple[Any, ...]]
"""A checked search space: every hyperparameter's values, in the order of :data:`NAMES`."""

NAMES = tuple(field.name for field in dataclasses.fields(Hyperparameters))
"""The eight hyperparameters, in the order in which they are drawn and counted."""

_LAYERS = ("policy_hidden", "value_hidden")
_INTEGERS = ("n_trajectories",)

# A list longer than this, or a file larger than this, is a mistake, not a search space.
MAX_VALUES = 10_000
MAX_FILE_BYTES = 1_000_000


@dataclass
class SearchSpace:
    """Values to search over. Assign to the lists, name them as class attributes, or override :meth:`__post_init__`.

    They are checked when used.
    """

    lr_policy: list[float] = field(init=False)
    lr_baseline: list[float] = field(init=False)
    entropy_weight: list[float] = field(init=False)
    action_reg_weight: list[float] = field(init=False)
    max_grad_norm: list[float] = field(init=False)
    n_trajectories: list[int] = field(init=False)
    policy_hidden: list[tuple[int, ...]] = field(init=False)
    value_hidden: list[tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.lr_policy = [1e-4, 3e-4, 1e-3]
        self.lr_baseline = [3e-4, 1e-3, 3e-3]
        self.entropy_weight = [0.01, 0.05, 0.1]
        self.action_reg_weight = [0.0, 0.01, 0.05]
        self.max_grad_norm = [0.5, 1.0, 2.0]
        self.n_trajectories = [250, 500, 1000]
        self.policy_hidden = [(32, 32), (64, 64), (128, 128), (64, 64, 64)]
        self.value_hidden = [(32, 32), (64, 64), (128, 128), (64, 64, 64)]
        for name in NAMES:
            if hasattr(type(self), name):  # a list that a subclass names beside its methods
                setattr(self, name, getattr(type(self), name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in NAMES:
            raise UserError(f"the search space has no {name!r}{_suggestion(name)}; it has {', '.join(NAMES)}")
        super().__setattr__(name, value)

    def choices(self) -> Choices:
        """The lists, checked and made immutable.

        Raises:
            UserError: when a list is missing, empty, too long, holds a value twice or one out of range.
        """
        return {name: _checked(name, getattr(self, name, None)) for name in NAMES}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The space with these lists; a list that is not named keeps its default.

        Raises:
            UserError: when ``values`` is no mapping of hyperparameters to lists of allowed values.
        """
        if not isinstance(values, dict):
            raise UserError(f"a search space must map hyperparameters to lists; received {_shown(values)}")
        space = cls()
        for name, items in values.items():
            setattr(space, str(name), [tuple(v) if isinstance(v, list) else v for v in _listed(str(name), items)])
        space.choices()
        return space

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The space in a JSON file, such as ``{"lr_policy": [0.0003, 0.001], "policy_hidden": [[64, 64]]}``.

        Raises:
            UserError: when the file cannot be read, is not JSON, or holds no search space.
        """
        try:
            values = parse_json(read_bytes(path, MAX_FILE_BYTES, follow=True))
        except OSError as error:
            raise UserError(f"--space {path}: {error.strerror}; give a readable JSON file") from error
        except DamagedError as error:
            raise UserError(f"--space {path}: the file is {error}; give a JSON file of lists") from error
        try:
            return cls.from_dict(values)
        except UserError as error:
            raise UserError(f"--space {path}: {error}") from error


def size(choices: Choices) -> int:
    """How many configurations the space holds."""
    return math.prod(len(values) for values in choices.values())


def hyperparameters_dict(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The eight hyperparameters by name, hidden layers as tuples."""
    return {name: getattr(hyperparameters, name) for name in NAMES}


def plain_hyperparameters(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The eight hyperparameters as JSON types."""
    values = {name: getattr(hyperparameters, name) for name in NAMES}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def parse_hyperparameters(values: dict[str, Any]) -> Hyperparameters:
    """The hyperparameters that :func:`plain_hyperparameters` wrote.

    Raises:
        UserError: when one is missing, or its value out of range.
    """
    if missing := [name for name in NAMES if name not in values]:
        raise UserError(f"the hyperparameters {', '.join(missing)} are missing")
    chosen: dict[str, Any] = {name: values[name] for name in NAMES}
    for name, value in chosen.items():
        chosen[name] = tuple(value) if isinstance(value, list) else value
    return Hyperparameters(**chosen)


def label(value: Any) -> str:
    """A hyperparameter's value as people write it: 0.0003, 64x64."""
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list | tuple):
        raise UserError(f"search space: {name} must be a list of values; received {_shown(values)}")
    return list(values)


def _checked(name: str, values: Any) -> tuple[Any, ...]:
    items = _listed(name, values)
    if not 1 <= len(items) <= MAX_VALUES:
        raise UserError(f"search space: {name} must hold 1 to {MAX_VALUES} values; received a list of {len(items)}")
    checked = tuple(_checked_value(name, item) for item in items)
    if len(set(checked)) < len(checked):
        raise UserError(f"search space: {name} holds a value twice: {_shown(list(checked))}")
    return checked


def _checked_value(name: str, value: Any) -> Any:
    """The value in its field's own type; NumPy's scalars (``np.logspace``) become Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    if name in _LAYERS and isinstance(value, list | tuple):
        value = tuple(width.item() if isinstance(width, np.generic) else width for width in value)
    try:
        # Hyperparameters is the one place that knows each value's range.
        dataclasses.replace(Hyperparameters(), **{name: value})
    except UserError as error:
        raise UserError(f"search space: {str(error).removeprefix('--')}") from error
    return value if name in _LAYERS + _INTEGERS else float(value)


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, NAMES, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
