"""The recorded trainings, and what asking for one of them answers."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.errors import UserError
from ghm.search.settings.configurations import hyperparameters_dict, parse_hyperparameters
from ghm.search.settings.distributions import Range
from ghm.search.settings.inactive import inactive_in
from ghm.search.settings.space import Choices, SearchSpace

Array = NDArray[np.float64]

TRAININGS = Path(__file__).with_name("trainings.json")
"""The table that comes with the package."""


@dataclass(frozen=True)
class Table:
    """Recorded trainings of n configurations, each with s seeds, evaluated exactly e times.

    Captured value is the share of the attainable firm value that a policy earns: 0 is immediate liquidation, 1 the optimum. It is
    computed, not simulated, so all that differs between two seeds is what was learned.
    """

    space: Choices
    """What the configurations were drawn from, independently: a list or a range of each setting."""
    settings: dict[str, Any]
    """The search's other settings."""
    optimal_return: float
    """Firm value of the optimum, J*: captured value 1."""
    liquidation_return: float
    """Firm value of immediate liquidation: captured value 0."""
    seeds: tuple[int, ...]
    """Of the trainings, s of them."""
    iterations: tuple[int, ...]
    """After which policies were evaluated, e of them."""
    configurations: tuple[dict[str, Any], ...]
    """Values of the settings, n of them."""
    captured_value: Array
    """Of the policy after so many iterations, (n, s, e); not a number where the training failed."""

    @cached_property
    def best_so_far(self) -> Array:
        """Captured value of the best policy up to each evaluation, (n, s, e); minus infinity where the training failed."""
        failed = np.isnan(self.captured_value)
        return np.maximum.accumulate(np.where(failed, -np.inf, self.captured_value), axis=2)

    def objective(self, configuration: int, iterations: int, seed: int) -> float:
        """Captured value of the best policy that a training has found, to be maximised; minus infinity of one that failed.

        Args:
            configuration: number, from 0.
            iterations: after which it is asked for.
            seed: of the training.

        Raises:
            UserError: when the table has no such entry.
        """
        return float(self.best_so_far[self._row(configuration), self._seed(seed), self._column(iterations)])

    def curve(self, configuration: int, seed: int) -> Array:
        """Captured value of a training's policy at each of `iterations`, (e,): it may fall again.

        Raises:
            UserError: when the table has no such entry.
        """
        found: Array = self.captured_value[self._row(configuration), self._seed(seed)]
        return found

    def nearest(self, values: Mapping[str, Any], excluded: Collection[int] = ()) -> int:
        """Number of the recorded configuration that is nearest to ``values`` and not among ``excluded``.

        Distances are sums over settings: of a range the share of it that lies between, of a list 0 or 1 (of numbers, the share
        of the list between). A setting without effect counts as its space's first value; one that ``values`` does not name
        does not count.

        Raises:
            UserError: when a setting is unknown, a value is not in the space, or all configurations are excluded.
        """
        for name, value in values.items():
            if name not in self.space:
                raise UserError(f"the space has no {name!r}; it has {', '.join(self.space)}")
            if value not in self.space[name]:
                raise UserError(f"{name} {value!r} is not in the space ({self.space[name]}); change it")
        if len(set(excluded)) >= len(self.configurations):
            raise UserError(f"all {len(self.configurations)} configurations are excluded; exclude fewer")
        asked = self._effective(values)
        distance = np.zeros(len(self.configurations))
        for name in values:
            distance += np.abs(self._positions[name] - self._position(name, asked[name])).sum(axis=1)
        distance[list(excluded)] = np.inf
        return int(np.argmin(distance))

    @cached_property
    def best(self) -> int:
        """Number of the configuration whose mean captured value over seeds is largest at the end."""
        return int(np.argmax(self.best_so_far[:, :, -1].mean(axis=1)))

    @cached_property
    def _positions(self) -> dict[str, Array]:
        """Of each setting, a row per configuration."""
        effective = [self._effective(one) for one in self.configurations]
        return {name: np.array([self._position(name, one[name]) for one in effective]) for name in self.space}

    def _effective(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with those that have no effect at their first."""
        whole = {name: self.settings[name] for name in ("learner", "estimator", "baseline")} | dict(values)
        idle = set(inactive_in(whole))
        return {name: self.space[name].first if name in idle else value for name, value in values.items()}

    def _position(self, name: str, value: Any) -> list[float]:
        """Coordinates of a value: 0 to 1 along what has an order, a corner of a simplex for what has none."""
        found: list[float] = []
        for part, one in zip(self.space[name].parts, self.space[name].split(value), strict=True):
            if isinstance(part, Range):
                found.append(part.place(one))
            elif part.ordered:
                found.append(part.place(one) / max(len(part) - 1, 1))
            else:
                found += [0.5 * (one == corner) for corner in part]
        return found

    def _row(self, configuration: int) -> int:
        if not 0 <= configuration < len(self.configurations):
            raise UserError(
                f"configuration must be from 0 to {len(self.configurations) - 1}; received {configuration!r}"
            )
        return configuration

    def _seed(self, seed: int) -> int:
        if seed not in self.seeds:
            raise UserError(f"seed must be one of {', '.join(map(str, self.seeds))}; received {seed!r}")
        return self.seeds.index(seed)

    def _column(self, iterations: int) -> int:
        if iterations not in self.iterations:
            raise UserError(
                f"iterations must be one of {', '.join(map(str, self.iterations))}; received {iterations!r}"
            )
        return self.iterations.index(iterations)


def load_table(path: Path = TRAININGS) -> Table:
    """The recorded trainings that come with the package, or those in ``path``.

    Raises:
        UserError: when ``path`` cannot be read.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a table of trainings") from error
    rows = content["trainings"]
    return Table(
        SearchSpace.from_dict(content["space"]).choices(),
        content["settings"],
        content["optimal_return"],
        content["liquidation_return"],
        tuple(content["seeds"]),
        tuple(content["iterations"]),
        tuple(hyperparameters_dict(parse_hyperparameters(row["hyperparameters"])) for row in rows),
        np.array([_of_seeds(row["captured_value"], len(content["iterations"])) for row in rows]),
    )


def _of_seeds(curves: list[list[float] | None], length: int) -> list[list[float]]:
    return [[np.nan] * length if curve is None else curve for curve in curves]
