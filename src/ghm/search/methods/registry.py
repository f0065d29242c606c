"""Makes a search method by its name."""

import importlib
from collections.abc import Callable

from ghm.search.methods.proposals import Proposal
from ghm.search.settings.inactive import effective_choices
from ghm.search.settings.methods import METHODS, SearchType
from ghm.search.settings.space import Choices


def make_proposal(
    search_type: SearchType, choices: Choices, seed_base: int, inactive: tuple[str, ...] = ()
) -> Proposal:
    """The search method of that name; most leave the hyperparameters named by ``inactive`` at their first values."""
    method = METHODS[search_type]
    module, name = method.maker.split(":")
    make: Callable[[Choices, int], Proposal] = getattr(importlib.import_module(module), name)
    return make(choices if method.draws_inactive else effective_choices(choices, inactive), seed_base)
