"""The search methods: what command line, messages, ``ghm explain`` and the page say of each, and where it is.

A new method is one entry here and one file in ``search/methods/``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

N_STARTUP = 10
"""Outcomes before which a method that learns draws at random, as a random search: a model of fewer is guesswork."""


@dataclass(frozen=True)
class Method:
    """A search method."""

    title: str
    """How messages call a search by it."""
    description: str
    """How the page calls a search by it."""
    proposed: str
    """Where a configuration comes from, for ``ghm explain``: after "Proposed:"."""
    maker: str
    """``module:name`` of what makes it from the space and ``seed_base``; imported when it is asked for."""
    learns: bool = False
    """Whether proposals depend on what was recorded before."""
    draws_inactive: bool = False
    """Whether hyperparameters without effect are varied too."""
    inactive: str = "proposals leave them at their first values"
    """What follows where the space has several values of one without effect, for the plan."""


METHODS: Mapping[str, Method] = {
    "random": Method(
        "Random search",
        "A random search",
        "drawn at random from the search space. Only --seed_base and the configuration's number decide the draw",
        "ghm.search.methods.proposals:RandomProposal",
        draws_inactive=True,
        inactive="trials that differ in nothing else differ by their seeds",
    ),
    "grid": Method(
        "Grid search",
        "A grid search",
        "the grid's next configuration",
        "ghm.search.methods.proposals:grid_proposal",
        inactive="the grid holds each distinct training once, at their first values",
    ),
    "tpe": Method(
        "TPE search",
        "A search by the tree-structured Parzen estimator",
        "by the tree-structured Parzen estimator",
        "ghm.search.methods.learned:tpe_proposal",
        learns=True,
    ),
    "gp": Method(
        "Gaussian process search",
        "A search by a Gaussian process",
        "by the Gaussian process",
        "ghm.search.methods.learned:gp_proposal",
        learns=True,
    ),
}
"""All search methods by their names on the command line."""


def n_looks(count: int) -> int:
    """How often the better half goes on until one of ``count`` configurations is left."""
    return (count - 1).bit_length()


def first_look(count: int, seeds: int) -> int:
    """Seeds of each of ``count`` in a race before its first look, of ``seeds`` without a race; 0: too few for a race."""
    found = (count - 1) * seeds // (n_looks(count) * count) if count > 1 else 0
    return found if found > 1 else 0


if TYPE_CHECKING:
    SearchType = str
else:
    SearchType = Literal[tuple(METHODS)]
    """A name of a method; the command line lists them."""
