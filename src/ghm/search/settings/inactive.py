"""Which hyperparameters have no effect on the policy; each setting says itself under which others it has none."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ghm.search.settings.distributions import Values
from ghm.search.settings.methods import METHODS
from ghm.search.settings.space import Choices
from ghm.training.settings import BASELINES, ESTIMATORS, SEARCHABLE, Hyperparameters, TrainConfig

_CONDITIONS: dict[str, Mapping[str, tuple[str, ...]]] = {
    name: field.metadata["inactive_under"] for name, field in SEARCHABLE.items()
}
_OF_THE_LEARNER: dict[str, Mapping[Any, tuple[str, ...]]] = {"estimator": ESTIMATORS, "baseline": BASELINES}
_DECIDING = {"learner", *itertools.chain.from_iterable(_CONDITIONS.values())}


def inactive_hyperparameters(settings: Mapping[str, Any], choices: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Names of the hyperparameters that trained policies do not depend on.

    Args:
        settings: a search's settings by name, as ``vars(config)`` or as recorded.
        choices: its space, whose settings are not the search's.
    """
    chosen = set(choices or ())
    chosen |= {*_OF_THE_LEARNER} if "learner" in chosen else set()
    return tuple(
        name
        for name, conditions in _CONDITIONS.items()
        if any(other not in chosen and settings.get(other) in values for other, values in conditions.items())
    )


def inactive_in(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the hyperparameters that have no effect by a configuration's own values."""
    if "learner" in values:
        values = {name: known[values["learner"]][0] for name, known in _OF_THE_LEARNER.items()} | dict(values)
    return inactive_hyperparameters(values)


def effective_choices(choices: Choices, inactive: tuple[str, ...]) -> Choices:
    """The space in which an inactive hyperparameter has its first value only."""
    return {name: Values((values.first,)) if name in inactive else values for name, values in choices.items()}


def subspaces(choices: Choices) -> Iterator[Choices]:
    """The space as spaces without a hyperparameter that has no effect: one for each choice of the settings that decide so."""
    deciding = [name for name in choices if name in _DECIDING]
    for values in itertools.product(*(choices[name].grid() for name in deciding)):
        fixed = dict(zip(deciding, values, strict=True))
        yield effective_choices(choices | {name: Values((one,)) for name, one in fixed.items()}, inactive_in(fixed))


def size(choices: Choices) -> float:
    """How many configurations the space holds that differ in more than hyperparameters without effect; it may be infinite."""
    return sum(math.prod(values.size for values in space.values()) for space in subspaces(choices))


def distinct(hyperparameters: Hyperparameters, choices: Choices, inactive: tuple[str, ...] = ()) -> Hyperparameters:
    """What trains the same policy from the same seed: the hyperparameters with the inactive ones at their first values."""
    values = vars(hyperparameters)
    idle = [name for name in {*inactive, *inactive_in(values)} if name in values and name in choices]
    return dataclasses.replace(hyperparameters, **{name: choices[name].first for name in idle})


def inactive_note(choices: Choices, settings: Mapping[str, Any]) -> str | None:
    """What the user should know about inactive hyperparameters of which there are several values; None if there are none."""
    inactive = [name for name in inactive_hyperparameters(settings, choices) if name in choices]
    idle = [name for name in inactive if choices[name].size > 1]
    if not idle:
        return None
    cause, remedy = _cause(idle[0], settings)
    consequence = METHODS[settings["search_type"]].inactive
    return (
        f"Under {cause} the policy does not depend on {' and '.join(idle)}: {consequence}. {remedy} makes them matter."
    )


def _cause(name: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """The flag under which a hyperparameter has no effect, and the one under which it has."""
    # The estimator's is named where both are the cause: it decides which baselines there are.
    causes = [other for other, values in _CONDITIONS[name].items() if settings.get(other) in values]
    cause = "estimator" if "estimator" in causes else causes[0]
    learner = str(settings.get("learner", TrainConfig().learner))
    for one in (learner, *_OF_THE_LEARNER[cause]):
        active = [value for value in _OF_THE_LEARNER[cause][one] if value not in _CONDITIONS[name][cause]]
        if active:
            other = "" if one == learner else f"--learner {one} "
            return f"--{cause} {settings.get(cause)}", f"{other}--{cause} {active[0]}"
    return f"--{cause} {settings.get(cause)}", "Another one"
