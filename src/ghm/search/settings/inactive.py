"""Which hyperparameters have no effect on the policy under the search's settings: the one place that knows."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ghm.search.settings.space import NAMES, Choices
from ghm.training.settings import Hyperparameters

_OF_THE_VALUE_NETWORK = ("lr_baseline", "value_hidden")


def inactive_hyperparameters(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the hyperparameters that trained policies do not depend on.

    Args:
        settings: a search's settings by name, as ``vars(config)`` or as recorded.
    """
    # Neither has a value network: docs/design/estimators.md.
    without = settings.get("baseline") == "exact" or settings.get("estimator") == "after_state"
    return _OF_THE_VALUE_NETWORK if without else ()


def effective_choices(choices: Choices, inactive: tuple[str, ...]) -> Choices:
    """The space in which an inactive hyperparameter has its first value only."""
    return {name: choices[name][:1] if name in inactive else choices[name] for name in NAMES}


def distinct(hyperparameters: Hyperparameters, choices: Choices, inactive: tuple[str, ...]) -> Hyperparameters:
    """What trains the same policy from the same seed: the hyperparameters with the inactive ones at their first values."""
    return dataclasses.replace(hyperparameters, **{name: choices[name][0] for name in inactive})


def inactive_note(choices: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """What the user should know about inactive hyperparameters of which there are several values; None if there are none."""
    idle = [name for name in inactive_hyperparameters(settings) if len(choices.get(name) or ()) > 1]
    if not idle:
        return None
    after_state = settings.get("estimator") == "after_state"
    chosen = "--estimator after_state" if after_state else f"--baseline {settings.get('baseline')}"
    remedy = "--estimator gae" if after_state else "--baseline network"
    consequence = {
        "random": "trials that differ in nothing else differ by their seeds",
        "grid": "the grid holds each distinct training once, at their first values",
    }.get(str(settings.get("search_type")), "proposals leave them at their first values")
    return (
        f"Under {chosen} the policy does not depend on {' and '.join(idle)}: {consequence}. {remedy} makes them matter."
    )
