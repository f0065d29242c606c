"""Which hyperparameters trial k runs with: a pure function of the space, ``seed_base`` and k.

Trials are numbered from 1. Nothing else, neither the number of workers nor the order in which trials end nor an
interruption, has a say, so any trial can be run again alone.
"""

import math
from typing import Protocol

import numpy as np

from ghm.search.settings.config import SearchType
from ghm.search.settings.space import NAMES, Choices, size
from ghm.training.config import Hyperparameters


class Proposal(Protocol):
    """A search method."""

    @property
    def n_trials(self) -> int | None:
        """How many trials the method itself calls for; None where the user says."""
        ...

    def __call__(self, trial: int) -> Hyperparameters:
        """Hyperparameters of trial ``trial`` (numbered from 1)."""
        ...


class RandomProposal:
    """Each hyperparameter drawn uniformly from its list, independently; a configuration may come up again."""

    n_trials = None

    def __init__(self, choices: Choices, seed_base: int) -> None:
        self._choices = choices
        self._seed_base = seed_base

    def __call__(self, trial: int) -> Hyperparameters:
        """Hyperparameters of trial ``trial``: one draw from its own generator."""
        # spawn_key makes the trials' streams independent; seed_base + k as the seed would make
        # trial 2 of seed 1 the same as trial 1 of seed 2.
        generator = np.random.default_rng(np.random.SeedSequence(self._seed_base, spawn_key=(trial,)))
        lengths = [len(self._choices[name]) for name in NAMES]
        return _configuration(self._choices, [int(index) for index in generator.integers(lengths)])


class GridProposal:
    """Every configuration once. The last hyperparameter, ``value_hidden``, varies fastest, as digits of a number."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    @property
    def n_trials(self) -> int:
        """The size of the grid."""
        return size(self._choices)

    def __call__(self, trial: int) -> Hyperparameters:
        """Hyperparameters of trial ``trial``, from 1 to the size of the grid."""
        if not 1 <= trial <= self.n_trials:
            raise IndexError(f"trial {trial} is outside the grid of {self.n_trials}")
        lengths = tuple(len(self._choices[name]) for name in NAMES)
        strides = [math.prod(lengths[position + 1 :]) for position in range(len(lengths))]
        digits = [(trial - 1) // stride % length for stride, length in zip(strides, lengths, strict=True)]
        return _configuration(self._choices, digits)


def make_proposal(search_type: SearchType, choices: Choices, seed_base: int) -> Proposal:
    """The search method of that name."""
    if search_type == "grid":
        return GridProposal(choices)
    return RandomProposal(choices, seed_base)


def _configuration(choices: Choices, indices: list[int]) -> Hyperparameters:
    return Hyperparameters(**{name: choices[name][index] for name, index in zip(NAMES, indices, strict=True)})
