"""Which hyperparameters configuration k has.

A pure function of the space, ``seed_base``, k and, for methods that learn, of what is recorded of the configurations before.

Configurations are numbered from 1. Nothing else, neither the number of workers nor the order in which trials end nor an
interruption, has a say, so any trial can be run again alone.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ghm.search.settings.configurations import make_hyperparameters
from ghm.search.settings.distributions import Values
from ghm.search.settings.inactive import distinct, size, subspaces
from ghm.search.settings.space import Choices
from ghm.training.settings import Hyperparameters


@dataclass(frozen=True)
class Known:
    """What is known of an earlier configuration when one is proposed."""

    hyperparameters: Hyperparameters
    value: float | None = None
    """How it ranks, captured value as a rule; None where all its trials failed, or it is pending."""
    pending: bool = False
    """Whether it is too recent for its outcome to count, finished or not."""
    by_seed: tuple[tuple[float | None, ...], ...] = ()
    """Where its value is a mean over several seeds: the value of each, a row per calibration; None where a training failed."""


class Proposal(Protocol):
    """A search method."""

    @property
    def n_trials(self) -> int | None:
        """How many trials the method itself calls for; None where the user says."""
        ...

    def __call__(self, configuration: int, history: Sequence[Known] = ()) -> Hyperparameters:
        """Hyperparameters of a configuration (numbered from 1), given all those before it, by number."""
        ...


class RandomProposal:
    """Each hyperparameter drawn from its list or range, independently; a configuration may come up again."""

    n_trials = None

    def __init__(self, choices: Choices, seed_base: int) -> None:
        self._choices = choices
        self._seed_base = seed_base

    def __call__(self, configuration: int, history: Sequence[Known] = ()) -> Hyperparameters:  # noqa: ARG002  (it learns nothing)
        """Hyperparameters of a configuration: one draw from its own generator."""
        # spawn_key makes the trials' streams independent; seed_base + k as the seed would make
        # trial 2 of seed 1 the same as trial 1 of seed 2.
        return draw(self._choices, np.random.SeedSequence(self._seed_base, spawn_key=(configuration,)))


def draw(choices: Choices, seed: np.random.SeedSequence) -> Hyperparameters:
    """A configuration at random."""
    generator = np.random.default_rng(seed)
    return make_hyperparameters({name: values.draw(generator) for name, values in choices.items()})


class OutsideGridError(Exception):
    """A trial has a number that its search's grid does not reach."""


class GridProposal:
    """Every configuration once, without those that differ in hyperparameters without effect alone.

    The last hyperparameter varies fastest, as digits of a number; the settings that decide which others have an effect vary
    slowest.

    Raises:
        UserError: when a range has too many values and does not say how many points to take.
    """

    def __init__(self, choices: Choices) -> None:
        self._grids = [{name: one.grid() for name, one in space.items()} for space in subspaces(choices)]

    @property
    def n_trials(self) -> int:
        """The size of the grid."""
        return sum(math.prod(map(len, grid.values())) for grid in self._grids)

    def __call__(self, configuration: int, history: Sequence[Known] = ()) -> Hyperparameters:  # noqa: ARG002  (it learns nothing)
        """Hyperparameters of a configuration, from 1 to the size of the grid.

        Raises:
            OutsideGridError: when it is none of them.
        """
        left = configuration - 1
        for grid in self._grids if left >= 0 else ():
            if left < (size := math.prod(map(len, grid.values()))):
                chosen = {}
                for name, values in grid.items():
                    size //= len(values)
                    chosen[name] = values[left // size % len(values)]
                return make_hyperparameters(chosen)
            left -= size
        raise OutsideGridError(f"trial {configuration} is outside the grid of {self.n_trials}")


def grid_proposal(choices: Choices, seed_base: int) -> GridProposal:  # noqa: ARG001  (no draws)
    """The grid of the space."""
    return GridProposal(choices)


def unseen(
    choices: Choices, chosen: Hyperparameters, taken: Collection[Hyperparameters], seed_base: int, configuration: int
) -> Hyperparameters:
    """``chosen``; if it is taken, another one that is not, as long as there is one.

    Of a space of lists it is the next after a random place in the grid, else another random one. It depends on
    ``(seed_base, configuration)`` and on what was proposed before, as every proposal does.
    """
    total = size(choices)
    if chosen not in taken or len(taken) >= total:
        return chosen
    seed = np.random.SeedSequence(seed_base, spawn_key=(configuration, 2))
    if all(isinstance(values, Values) for values in choices.values()):
        grid = GridProposal(choices)
        place = int(np.random.default_rng(seed).integers(grid.n_trials))
        while (other := grid(place % grid.n_trials + 1)) in taken:
            place += 1
        return other
    while (other := distinct(draw(choices, seed.spawn(1)[0]), choices)) in taken:
        pass
    return other
