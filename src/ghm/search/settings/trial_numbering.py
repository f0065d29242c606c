"""What each configuration is trained on, and which number each training has.

A *configuration* is the eight hyperparameters, numbered from 1. An *instance* is a training seed and a calibration of the
model. A *trial* is one training of one configuration on one instance. With I instances, configuration k has the trials
(k − 1) I + 1 … k I; the trials of the confirmation have the numbers after those of all configurations.

A search that grows keeps its numbers: each growth has those after all before it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
class Extent:
    """How large a search is, from its start or from a growth on."""

    n_trials: int
    """Configurations."""
    rungs: tuple[int, ...]
    """Rungs of those that are added."""
    n_seeds: int
    """Seeds of each configuration; with ``top`` of the chosen ones alone."""
    top: int | None = None
    """So many configurations were given more seeds; None: all."""


def places(keep: float, count: int) -> int:
    """How many of ``count`` configurations go on where the share ``keep`` does, rounded up."""
    return math.ceil(keep * count - 1e-9)  # 7% of 100 are 7, not 7.000000000000001 rounded up


@dataclass(frozen=True)
class TrialNumbering:
    """Instances and numbers of a search's trials: a function of its settings."""

    config: SearchConfig
    calibrations: tuple[Calibration, ...]
    """Models to train on; empty: the search's own one."""
    n_configurations: int
    """Configurations to explore."""
    grown: tuple[Extent, ...] = ()
    """Its extents since its start, the present one last; empty where it has not grown."""

    @cached_property
    def extents(self) -> tuple[Extent, ...]:
        """Its extents since its start; one where it has not grown."""
        return self.grown or (Extent(self.n_configurations, self.config.rungs, self.config.n_seeds),)

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
        """Instances of a configuration that is added now, I."""
        return self.config.n_seeds * self._n_models

    @property
    def most_instances(self) -> int:
        """The most instances that a configuration has."""
        return max(extent.n_seeds for extent in self.extents) * self._n_models

    @property
    def n_explored(self) -> int:
        """The last number of a trial of the exploration."""
        return self._firsts[-1] - 1

    @property
    def n_confirmed(self) -> int:
        """Trials of the confirmation; of a race at most."""
        calibrations = max(len(self.calibrations), 1)
        return min(self.config.confirm, self.n_configurations) * self.config.confirm_seeds * calibrations

    def group(self, at: int) -> range:
        """Numbers of the configurations that extent ``at`` added; they pass the rungs together."""
        return range(self.extents[at - 1].n_trials + 1 if at else 1, self.extents[at].n_trials + 1)

    def group_of(self, configuration: int) -> int:
        """Which extent added the configuration."""
        return next((at for at, one in enumerate(self.extents) if configuration <= one.n_trials), len(self.extents) - 1)

    def rungs(self, configuration: int) -> tuple[int, ...]:
        """The rungs that the configuration passes."""
        return self.extents[self.group_of(configuration)].rungs

    def n_seeds(self, at: int) -> int:
        """Seeds of a configuration that extent ``at`` adds."""
        return next(one.n_seeds for one in reversed(self.extents[: at + 1]) if one.top is None)

    def adds_seeds(self, at: int) -> bool:
        """Whether extent ``at`` is a growth in seeds, not in configurations or rungs."""
        return at > 0 and (self.extents[at].top is not None or self.n_seeds(at) > self.n_seeds(at - 1))

    def n_finishing(self, at: int) -> int:
        """The most configurations that are trained to their ends by what there is before extent ``at``."""
        return sum(map(self._going, range(at)))

    def instances(self, configuration: int) -> tuple[Instance, ...]:
        """The instances of configuration ``configuration``, in the order of their trials' numbers; those of a growth come later.

        With one seed it is seed_base + k, as the documentation says; with several they are the same for all
        configurations (common random numbers), so that configurations are not ranked by the luck of their seeds.
        """
        return self._on_seeds(configuration, 0, self.n_seeds(self.group_of(configuration)))

    def confirmation_seeds(self, count: int) -> list[int]:
        """The first ``count`` seeds of a confirmation: no configuration, however many there will be, is tuned on them."""
        first = self.config.seed_base + MAX_TRIALS + 1
        return list(range(first, first + count))

    def number(self, configuration: int, position: int) -> int:
        """Number of the trial of configuration ``configuration`` on its instance ``position``, from 0."""
        at = self.group_of(configuration)
        instances = self.n_seeds(at) * self._n_models
        return self._firsts[at] + (configuration - self.group(at).start) * instances + position

    def numbers(self, configuration: int) -> range:
        """Numbers of the configuration's trials without those of a growth in seeds."""
        first = self.number(configuration, 0)
        return range(first, first + self.n_seeds(self.group_of(configuration)) * self._n_models)

    def added(self, chosen: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, Instance]]:
        """Configuration and instance of each trial of growths in seeds, by number, where ``chosen`` were chosen by extent."""
        found: dict[int, tuple[int, Instance]] = {}
        seeds: dict[int, int] = {}
        for at, configurations in sorted(chosen.items()):
            total = self.extents[at].n_seeds
            for rank, one in enumerate(configurations):
                known = seeds.get(one, self.n_seeds(self.group_of(one)))
                first = self._firsts[at] + rank * (total - self.n_seeds(0)) * self._n_models
                instances = self._on_seeds(one, known, total)
                found |= {first + position: (one, instance) for position, instance in enumerate(instances)}
                seeds[one] = max(known, total)
        return found

    def expected(self, at: int) -> range:
        """Numbers of the trials that growth ``at`` in seeds has as a rule, while nobody is chosen."""
        count = self._n_chosen(at) * (self.extents[at].n_seeds - self.n_seeds(at - 1)) * self._n_models
        return range(self._firsts[at], self._firsts[at] + count)

    def confirmation(self, stretches: Iterable[Stretch]) -> Iterator[tuple[int, int, Instance]]:
        """Number, configuration and instance of each trial of a confirmation that trains ``stretches``, one after the other."""
        number = self.n_explored
        for configurations, seeds in stretches:
            for configuration in configurations:
                for instance in self.on_each_calibration(seeds):
                    number += 1
                    yield number, configuration, instance

    def placed(
        self, number: int, stretches: Iterable[Stretch] = (), grown: Mapping[int, Sequence[int]] | None = None
    ) -> tuple[int, Instance, Literal["explore", "confirm"]]:
        """Configuration, instance and purpose of trial ``number``.

        Args:
            number: the trial's.
            stretches: what a confirmation trains.
            grown: configurations that growths in seeds chose, by extent.

        Raises:
            UserError: when there is no such trial.
        """
        if found := self.added(grown or {}).get(number):
            return *found, "explore"
        for at in range(len(self.extents)) if number <= self.n_explored else ():
            group, count = self.group(at), self.n_seeds(at) * self._n_models
            if 0 <= (place := number - self._firsts[at]) < len(group) * count:
                configuration = group[place // count]
                return configuration, self.instances(configuration)[place % count], "explore"
        for one, configuration, instance in self.confirmation(stretches):
            if one == number:
                return configuration, instance, "confirm"
        raise UserError(f"the search has no trial {number}")

    @cached_property
    def _firsts(self) -> list[int]:
        """The first number of each extent, and the one after all of them."""
        firsts = [1]
        for at, extent in enumerate(self.extents):
            # Whoever is chosen for more seeds: what comes later keeps its numbers.
            more = self._n_chosen(at) * (extent.n_seeds - self.n_seeds(0)) if self.adds_seeds(at) else 0
            firsts.append(firsts[-1] + (len(self.group(at)) * self.n_seeds(at) + more) * self._n_models)
        return firsts

    def _n_chosen(self, at: int) -> int:
        top = self.extents[at].top
        return self.n_finishing(at) if top is None else min(top, self.n_finishing(at))

    def _going(self, at: int) -> int:
        """Configurations that extent ``at`` adds and that go on at all rungs."""
        going = len(self.group(at))
        for _ in self.extents[at].rungs:
            going = places(self.config.keep, going)
        return going

    @property
    def _n_models(self) -> int:
        return max(len(self.calibrations), 1)

    def _on_seeds(self, configuration: int, known: int, total: int) -> tuple[Instance, ...]:
        """The instances of a configuration on its seeds ``known`` + 1 to ``total``."""
        base = self.config.seed_base
        if self.n_seeds(0) > 1:
            return self.on_each_calibration([base + seed for seed in range(known + 1, total + 1)])
        # The first is its own. Others are common to all, and beyond those that any configuration has, or a confirmation.
        common = base + 2 * MAX_TRIALS
        return self.on_each_calibration(
            [base + configuration if seed == 1 else common + seed for seed in range(known + 1, total + 1)]
        )

    def on_each_calibration(self, seeds: Sequence[int]) -> tuple[Instance, ...]:
        """The instances of these seeds."""
        models = self.calibrations or (None,)
        return tuple(Instance(seed, calibration) for calibration in models for seed in seeds)
