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

from ghm.search.settings.space import NAMES, Choices, size
from ghm.training.settings import Hyperparameters


@dataclass(frozen=True)
class Known:
    """What is known of an earlier configuration when one is proposed."""

    hyperparameters: Hyperparameters
    """What it is."""
    value: float | None = None
    """How it ranks, captured value as a rule; None where all its trials failed, or it is pending."""
    pending: bool = False
    """Whether it is too recent for its outcome to count, finished or not."""


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
    """Each hyperparameter drawn uniformly from its list, independently; a configuration may come up again."""

    n_trials = None

    def __init__(self, choices: Choices, seed_base: int) -> None:
        self._choices = choices
        self._seed_base = seed_base

    def __call__(self, configuration: int, history: Sequence[Known] = ()) -> Hyperparameters:  # noqa: ARG002  (it learns nothing)
        """Hyperparameters of a configuration: one draw from its own generator."""
        # spawn_key makes the trials' streams independent; seed_base + k as the seed would make
        # trial 2 of seed 1 the same as trial 1 of seed 2.
        generator = np.random.default_rng(np.random.SeedSequence(self._seed_base, spawn_key=(configuration,)))
        lengths = [len(self._choices[name]) for name in NAMES]
        return _configuration(self._choices, [int(index) for index in generator.integers(lengths)])


class OutsideGridError(Exception):
    """A trial has a number that its search's grid does not reach."""


class GridProposal:
    """Every configuration once. The last hyperparameter, ``value_hidden``, varies fastest, as digits of a number."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    @property
    def n_trials(self) -> int:
        """The size of the grid."""
        return size(self._choices)

    def __call__(self, configuration: int, history: Sequence[Known] = ()) -> Hyperparameters:  # noqa: ARG002  (it learns nothing)
        """Hyperparameters of a configuration, from 1 to the size of the grid.

        Raises:
            OutsideGridError: when it is none of them.
        """
        if not 1 <= configuration <= self.n_trials:
            raise OutsideGridError(f"trial {configuration} is outside the grid of {self.n_trials}")
        lengths = tuple(len(self._choices[name]) for name in NAMES)
        strides = [math.prod(lengths[position + 1 :]) for position in range(len(lengths))]
        digits = [(configuration - 1) // stride % length for stride, length in zip(strides, lengths, strict=True)]
        return _configuration(self._choices, digits)


def grid_proposal(choices: Choices, seed_base: int) -> GridProposal:  # noqa: ARG001  (no draws)
    """The grid of the space."""
    return GridProposal(choices)


def unseen(
    choices: Choices, chosen: Hyperparameters, taken: Collection[Hyperparameters], seed_base: int, configuration: int
) -> Hyperparameters:
    """``chosen``; if it is taken, another one that is not, as long as there is one: the next after a random place in the grid.

    It depends on ``(seed_base, configuration)`` and on what was proposed before, as every proposal does.
    """
    total = size(choices)
    if chosen not in taken or len(taken) >= total:
        return chosen
    grid = GridProposal(choices)
    generator = np.random.default_rng(np.random.SeedSequence(seed_base, spawn_key=(configuration, 2)))
    place = int(generator.integers(total))
    while (other := grid(place % total + 1)) in taken:
        place += 1
    return other


def _configuration(choices: Choices, indices: list[int]) -> Hyperparameters:
    return Hyperparameters(**{name: choices[name][index] for name, index in zip(NAMES, indices, strict=True)})
