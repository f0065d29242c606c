"""The search space: a list of values or a range for each of the eight hyperparameters and other settings of a training."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.safe_read import read_given
from ghm.io.values import is_whole, plain, require_integer
from ghm.search.settings.configurations import NAMES, make_hyperparameters, require_value
from ghm.search.settings.distributions import MAX_VALUES, Distribution, Layers, Range, Values, label
from ghm.training.settings import (
    BASELINES,
    ESTIMATORS,
    MAX_HIDDEN_LAYERS,
    SEARCHABLE,
    Hyperparameters,
    TrainConfig,
)

Choices = dict[str, Distribution]
"""A checked search space: what may be tried of each hyperparameter, in the order of :data:`SEARCHABLE`."""

_LAYERS = tuple(name for name, setting in SEARCHABLE.items() if setting.type == tuple[int, ...])
_PROBLEM = ("dt", "T", "terminal", "model")
_ELSEWHERE = {
    "seed": "train each configuration on several seeds with --n_seeds",
    "n_iterations": "it is a flag; --rungs stops the worst configurations early",
}


def FloatRange(low: float, high: float, step: float | None = None, points: int | None = None) -> Range:  # noqa: N802
    """Numbers from ``low`` to ``high``, or every ``step`` of them; ``points``: how many a grid takes."""
    return Range(float(low), float(high), step=step, points=points)


def LogFloat(low: float, high: float, points: int | None = None) -> Range:  # noqa: N802
    """Numbers from ``low`` to ``high``, uniform in the logarithm; ``points``: how many a grid takes."""
    return Range(float(low), float(high), log=True, points=points)


def IntRange(low: int, high: int, step: int = 1, points: int | None = None) -> Range:  # noqa: N802
    """Every ``step``-th whole number from ``low`` to ``high``; ``points``: how many a grid takes."""
    return Range(low, high, step=None if step == 1 else step, points=points)


def LogInt(low: int, high: int, points: int | None = None) -> Range:  # noqa: N802
    """Whole numbers from ``low`` to ``high``, uniform in the logarithm; ``points``: how many a grid takes."""
    return Range(low, high, log=True, points=points)


@dataclass
class SearchSpace:
    """What to search over. Assign lists or ranges, name them as class attributes, or override :meth:`__post_init__`.

    Any other setting of a training that changes how a policy learns can be assigned, too, such as ``gae_lambda``. All of it
    is checked when used.

    >>> from ghm.search import IntRange, Layers, LogFloat, LogInt, SearchSpace
    >>> space = SearchSpace()
    >>> space.lr_policy = LogFloat(1e-5, 1e-1)
    >>> space.n_trajectories = IntRange(100, 2000, step=50)
    >>> space.policy_hidden = Layers(IntRange(1, 3), LogInt(16, 256))
    """

    lr_policy: Any = field(init=False)
    lr_baseline: Any = field(init=False)
    entropy_weight: Any = field(init=False)
    action_reg_weight: Any = field(init=False)
    max_grad_norm: Any = field(init=False)
    n_trajectories: Any = field(init=False)
    policy_hidden: Any = field(init=False)
    value_hidden: Any = field(init=False)

    def __post_init__(self) -> None:
        self.lr_policy = [1e-4, 3e-4, 1e-3]
        self.lr_baseline = [3e-4, 1e-3, 3e-3]
        self.entropy_weight = [0.01, 0.05, 0.1]
        self.action_reg_weight = [0.0, 0.01, 0.05]
        self.max_grad_norm = [0.5, 1.0, 2.0]
        self.n_trajectories = [250, 500, 1000]
        self.policy_hidden = [(32, 32), (64, 64), (128, 128), (64, 64, 64)]
        self.value_hidden = [(32, 32), (64, 64), (128, 128), (64, 64, 64)]
        for name in SEARCHABLE:
            if hasattr(type(self), name):  # one that a subclass names beside its methods
                setattr(self, name, getattr(type(self), name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in SEARCHABLE:
            raise UserError(_refusal(name))
        super().__setattr__(name, value)

    def choices(self) -> Choices:
        """Lists and ranges, checked and made immutable.

        Raises:
            UserError: when a list is missing, empty, too long, or holds a value twice; when a range is empty; when a value is out
                of its setting's range.
        """
        named = [name for name in SEARCHABLE if name in NAMES or hasattr(self, name)]
        return {name: _checked(name, getattr(self, name, None)) for name in named}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The space with these lists and ranges; one of the eight that is not named keeps its default list.

        Raises:
            UserError: when ``values`` is no mapping of hyperparameters to lists of allowed values, or ranges.
        """
        if not isinstance(values, dict):
            raise UserError(f"a search space must map hyperparameters to lists or ranges; received {_shown(values)}")
        space = cls()
        for name, given in values.items():
            items = (
                [tuple(v) if isinstance(v, list) else v for v in given] if isinstance(given, list | tuple) else given
            )
            setattr(space, str(name), items)
        space.choices()
        return space

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The space in a JSON file, or in the table ``space`` of a TOML file.

        Raises:
            UserError: when the file cannot be read, is not JSON, or holds no search space.
        """
        return read_given(path, "space", cls.from_dict, "give a JSON file of lists and ranges")


def read_configurations(path: Path, choices: Choices) -> tuple[Hyperparameters, ...]:
    """The configurations in a JSON file, a list such as ``[{"lr_policy": 0.01}]``, or in ``start_with`` of a TOML file.

    Raises:
        UserError: when the file cannot be read, or holds no configurations of the space.
    """
    remedy = "give a JSON list of configurations"
    return read_given(path, "start_with", lambda given: parse_configurations(given, choices), remedy)


def parse_configurations(given: Any, choices: Choices) -> tuple[Hyperparameters, ...]:
    """The configurations that a JSON list describes.

    A setting that one does not name has its default, or the first value of a list that lacks the default.

    Raises:
        UserError: when ``given`` is no list of objects, two are the same, or a value is not in the space.
    """
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise UserError(f'give a list of configurations such as [{{"lr_policy": 0.01}}]; received {_shown(given)}')
    found = tuple(_configuration(number, one, choices) for number, one in enumerate(given, 1))
    seen: set[Hyperparameters] = set()
    for number, one in enumerate(found, 1):
        if one in seen:
            raise UserError(f"configuration {number} is there twice; leave one out")
        seen.add(one)
    return found


def _configuration(number: int, given: dict[str, Any], choices: Choices) -> Hyperparameters:
    if unknown := [name for name in given if name not in choices]:
        raise UserError(f"configuration {number}: the space has no {unknown[0][:80]!r}; it has {', '.join(choices)}")
    values = {}
    for name, space in choices.items():
        value = given[name] if name in given else _default(name, space)
        value = _checked_value(name, tuple(value) if isinstance(value, list) else value)
        if value not in space:
            what = "" if name in given else ", the default of ghm train,"
            raise UserError(
                f"configuration {number}: {name} {label(value)}{what} is not in the space ({space}); change one of them"
            )
        values[name] = value
    return make_hyperparameters(values)


def _default(name: str, space: Distribution) -> Any:
    """What a setting has that a configuration does not name: its default, or the first of a list that lacks it."""
    learners: dict[str, Mapping[Any, tuple[str, ...]]] = {"estimator": ESTIMATORS, "baseline": BASELINES}
    defaults = [known[0] for known in learners[name].values()] if name in learners else [SEARCHABLE[name].default]
    found = next((value for value in defaults if value in space), defaults[0])
    return space.first if found not in space and isinstance(space, Values) else found


def _checked(name: str, given: Any) -> Distribution:
    """What may be tried of a setting, with each value in the setting's own type."""
    if isinstance(given, dict):
        given = _parsed(name, given)
    if isinstance(given, Layers):
        if name not in _LAYERS:
            raise UserError(f"search space: {name} has no layers; give a list or a range")
        return Layers(
            _simple(name, given.layers, lambda layers: _whole("layers", layers, MAX_HIDDEN_LAYERS)),
            _simple(name, given.width, lambda width: _checked_value(name, (width,))[0]),
        )
    return _simple(name, given, lambda value: _checked_value(name, value))


def _parsed(name: str, given: dict[str, Any]) -> Any:
    """A range or layers from their JSON form."""
    if set(given) == {"layers", "width"}:
        parts = {key: _parsed(name, value) if isinstance(value, dict) else value for key, value in given.items()}
        return Layers(**parts)
    known = [field.name for field in dataclasses.fields(Range)]
    if not {"low", "high"} <= set(given) <= set(known):
        raise UserError(
            f'search space: {name} must be a list of values, or a range such as {{"low": 1, "high": 10}} with '
            f"{', '.join(known)}; received {_shown(given)}"
        )
    try:
        return Range(**given)
    except UserError as error:
        raise UserError(f"search space: {name}: {str(error).removeprefix('--')}") from error


def _simple(name: str, given: Any, checked: Callable[[Any], Any]) -> Values | Range:
    """A list or a range of which ``checked`` makes each value its setting's own."""
    if not isinstance(given, Range):
        items = plain(given) if isinstance(given, np.ndarray) else given
        if not isinstance(items, list | tuple):
            raise UserError(f"search space: {name} must be a list of values, or a range; received {_shown(given)}")
        if not 1 <= len(items) <= MAX_VALUES:
            raise UserError(f"search space: {name} must hold 1 to {MAX_VALUES} values; received a list of {len(items)}")
        values = Values(map(checked, items))
        if len(set(values)) < len(values):
            raise UserError(f"search space: {name} holds a value twice: {_shown(list(values))}")
        return values
    low, high, step = checked(given.low), checked(given.high), given.step
    if not isinstance(low, int | float):
        raise UserError(f"search space: {name} has no order, so it has no range; give a list of values")
    if isinstance(low, int) and step is not None:
        step = _whole(f"step of {name}", step)
    return Range(low, high, given.log, step, given.points)


def _checked_value(name: str, value: Any) -> Any:
    """The value in its field's own type; NumPy's scalars (``np.logspace``) become Python's, and 1e3 a whole number."""
    value, kind = plain(value), SEARCHABLE[name].type
    if kind is int:
        value = _integer(value)
    elif kind is float and is_whole(value):
        value = float(value)
    elif isinstance(value, tuple):
        value = tuple(map(_integer, value))
    try:
        require_value(name, value)
    except UserError as error:
        raise UserError(f"search space: {str(error).removeprefix('--')}") from error
    return value


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(what: str, value: Any, upper: int | None = None) -> int:
    whole: int = _integer(plain(value))
    try:
        require_integer(what, whole, lower=1, upper=upper)
    except UserError as error:
        raise UserError(f"search space: {str(error).removeprefix('--')}") from error
    return whole


def _refusal(name: str) -> str:
    """Why a space has no such hyperparameter, and what to do about it."""
    if name in (*_PROBLEM, *GHMModel.names()):
        return (
            f"{name} is part of the problem, not of how a policy learns, so a search does not vary it; to train every "
            "configuration on several models give --calibrations, and dt, T and terminal as flags"
        )
    if name in _ELSEWHERE:
        return f"{name} is not in a search space; {_ELSEWHERE[name]}"
    if name in {field.name for field in dataclasses.fields(TrainConfig)}:
        return f"{name} does not change how a policy learns, so a search does not vary it"
    close = difflib.get_close_matches(name, SEARCHABLE, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"the search space has no {name[:80]!r}{hint}; it has {', '.join(SEARCHABLE)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
