"""One configuration: the manual's eight hyperparameters, and whatever other settings of a training the space names."""

import dataclasses
import functools
import textwrap
from collections.abc import Mapping
from typing import Any

from ghm.errors import UserError
from ghm.io.text import WIDTH
from ghm.search.settings.distributions import label
from ghm.training.settings import ESTIMATORS, SEARCHABLE, Hyperparameters, TrainConfig

NAMES = tuple(field.name for field in dataclasses.fields(Hyperparameters))
"""The eight hyperparameters, in the order in which they are drawn and counted; the first of :data:`SEARCHABLE`."""


def make_hyperparameters(values: Mapping[str, Any]) -> Hyperparameters:
    """The configuration of these values: an object with an attribute for each, equal and hashed by them.

    Raises:
        UserError: when a value is out of range.
    """
    return _kind(tuple(name for name in SEARCHABLE if name in values and name not in NAMES))(**values)


def written(value: Any) -> str:
    """A value in a table: 0.0003, 64x64, four digits of a number; a dash where there is none."""
    if value is None:
        return "-"
    # All digits of what was drawn from a range would make tables of five columns wider than a terminal.
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def described(hyperparameters: Hyperparameters) -> str:
    """A configuration's values under the names of its options, on indented lines that fit a terminal."""
    values = " ".join(f"{name}={label(value)}" for name, value in vars(hyperparameters).items())
    return textwrap.fill(values, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def plain_hyperparameters(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """A configuration's values as JSON types."""
    values = vars(hyperparameters).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def parse_hyperparameters(values: Mapping[str, Any]) -> Hyperparameters:
    """The configuration that :func:`plain_hyperparameters` wrote.

    Raises:
        UserError: when one of the eight hyperparameters is missing, or a value out of range.
    """
    if missing := [name for name in NAMES if name not in values]:
        raise UserError(f"the hyperparameters {', '.join(missing)} are missing")
    known = {name: values[name] for name in SEARCHABLE if name in values}
    return make_hyperparameters({k: tuple(v) if isinstance(v, list) else v for k, v in known.items()})


def configured(training: TrainConfig, hyperparameters: Hyperparameters, **others: Any) -> TrainConfig:
    """``training`` with a configuration's values and ``others``.

    Where the learner is the configuration's, estimator and baseline are, too, or else this learner's own.

    Raises:
        UserError: when they do not go together.
    """
    values = vars(hyperparameters)
    own = {"estimator": None, "baseline": None} if "learner" in values else {}
    return dataclasses.replace(training, **own | values | others)


def require_value(name: str, value: Any) -> None:
    """Refuse a value that the setting cannot have, whatever the other settings are.

    Raises:
        UserError: with the flag, the value and the bound.
    """
    refused = None
    for learner in ESTIMATORS:
        try:
            TrainConfig(**{"learner": learner, name: value})
        except UserError as error:
            refused = refused or error
        else:
            return
    assert refused is not None
    raise refused


@functools.cache
def _kind(others: tuple[str, ...]) -> type[Hyperparameters]:
    """The class of configurations that have these settings beside the eight."""
    if not others:
        return Hyperparameters

    def check(self: Any) -> None:
        Hyperparameters.__post_init__(self)
        for name in others:
            require_value(name, getattr(self, name))

    def reduced(self: Any) -> tuple[Any, ...]:  # a class without a module of its own cannot be pickled by name
        return make_hyperparameters, (vars(self),)

    return dataclasses.make_dataclass(
        "Hyperparameters",
        [(name, Any, dataclasses.field(default=SEARCHABLE[name].default)) for name in others],
        bases=(Hyperparameters,),
        namespace={"__post_init__": check, "__reduce__": reduced},
        frozen=True,
    )
