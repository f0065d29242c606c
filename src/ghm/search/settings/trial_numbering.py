"""What each configuration is trained on, and which number each training has.

A *configuration* is the eight hyperparameters, numbered from 1. An *instance* is a training seed and a calibration of the
model. A *trial* is one training of one configuration on one instance. With I instances, configuration k has the trials
(k − 1) I + 1 … k I; the trials of the confirmation have the numbers after those of all configurations.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ghm.errors import UserError
from ghm.search.settings.calibrations import Calibration
from ghm.search.settings.config import MAX_TRIALS, SearchConfig

Stretch = tuple[Sequence[int], Sequence[int]]
"""Configurations that a confirmation trains on the same seeds, and the seeds."""


@dataclass(frozen=True)
class Instance:
    """What a configuration is trained on."""

    seed: int
    calibration: Calibration | None
    """The model and its name; None: the search's own model."""


@dataclass(frozen=True)
class TrialNumbering:
    """Instances and numbers of a search's trials: a function of its settings."""

    config: SearchConfig
    calibrations: tuple[Calibration, ...]
    """Models to train on; empty: the search's own one."""
    n_configurations: int
    """Configurations to explore."""

    def require_countable(self) -> None:
        """Refuse more trials than ``MAX_TRIALS``, before any of them is made.

        Raises:
            UserError: when there are.
        """
        count = self.n_explored + self.n_confirmed
        if count > MAX_TRIALS:
            raise UserError(
                f"--search_type {self.config.search_type}: that makes {count:,} trials, more than {MAX_TRIALS:,}; "
                "shorten the lists (--space FILE), use --search_type random, or fewer seeds and calibrations"
            )

    @property
    def n_instances(self) -> int:
        """Instances of each configuration, I."""
        return self.config.n_seeds * max(len(self.calibrations), 1)

    @property
    def n_explored(self) -> int:
        """Trials of the exploration."""
        return self.n_configurations * self.n_instances

    @property
    def n_confirmed(self) -> int:
        """Trials of the confirmation; of a race at most."""
        calibrations = max(len(self.calibrations), 1)
        return min(self.config.confirm, self.n_configurations) * self.config.confirm_seeds * calibrations

    def instances(self, configuration: int) -> tuple[Instance, ...]:
        """The instances of configuration ``configuration``, in the order of their trials' numbers.

        With one seed it is seed_base + k, as the documentation says; with several they are the same for all
        configurations (common random numbers), so that configurations are not ranked by the luck of their seeds.
        """
        base, count = self.config.seed_base, self.config.n_seeds
        seeds = [base + configuration] if count == 1 else [base + seed for seed in range(1, count + 1)]
        return self.on_each_calibration(seeds)

    def confirmation_seeds(self, count: int) -> list[int]:
        """The first ``count`` seeds of a confirmation: no configuration, however many there will be, is tuned on them."""
        first = self.config.seed_base + MAX_TRIALS + 1
        return list(range(first, first + count))

    def number(self, configuration: int, position: int) -> int:
        """Number of the trial of configuration ``configuration`` on its instance ``position``, from 0."""
        return (configuration - 1) * self.n_instances + position + 1

    def numbers(self, configuration: int) -> range:
        """Numbers of the configuration's trials."""
        first = self.number(configuration, 0)
        return range(first, first + self.n_instances)

    def confirmation(self, stretches: Iterable[Stretch]) -> Iterator[tuple[int, int, Instance]]:
        """Number, configuration and instance of each trial of a confirmation that trains ``stretches``, one after the other."""
        number = self.n_explored
        for configurations, seeds in stretches:
            for configuration in configurations:
                for instance in self.on_each_calibration(seeds):
                    number += 1
                    yield number, configuration, instance

    def placed(
        self, number: int, stretches: Iterable[Stretch] = ()
    ) -> tuple[int, Instance, Literal["explore", "confirm"]]:
        """Configuration, instance and purpose of trial ``number``, where a confirmation trains ``stretches``.

        Raises:
            UserError: when there is no such trial.
        """
        if number <= self.n_explored:
            configuration, position = divmod(number - 1, self.n_instances)
            return configuration + 1, self.instances(configuration + 1)[position], "explore"
        left = number - self.n_explored - 1
        for configurations, seeds in stretches:
            size = len(seeds) * max(len(self.calibrations), 1)
            if left < len(configurations) * size:
                rank, position = divmod(left, size)
                return configurations[rank], self.on_each_calibration(seeds)[position], "confirm"
            left -= len(configurations) * size
        raise UserError(f"the search has no trial {number}")

    def on_each_calibration(self, seeds: Sequence[int]) -> tuple[Instance, ...]:
        """The instances of these seeds."""
        models = self.calibrations or (None,)
        return tuple(Instance(seed, calibration) for calibration in models for seed in seeds)
