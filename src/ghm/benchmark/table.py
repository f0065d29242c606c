"""The recorded trainings, and what asking for one of them answers."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.io.values import is_whole, plain, require_path
from ghm.search.settings.configurations import parse_hyperparameters
from ghm.search.settings.distributions import Range
from ghm.search.settings.inactive import inactive_in
from ghm.search.settings.space import Choices, SearchSpace

Array = NDArray[np.float64]

TRAININGS = Path(__file__).with_name("trainings.json")
"""The table that comes with the package."""

_DECIDING = ("learner", "estimator", "baseline")
"""Settings by which others have an effect or none."""


@dataclass(frozen=True, eq=False)
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

    def __repr__(self) -> str:
        """Its size: the rest is thousands of lines."""
        configurations, seeds, evaluations = self.captured_value.shape
        return (
            f"Table(configurations: {configurations}, seeds: {seeds}, evaluations: {evaluations}, "
            f"iterations: {self.iterations[-1]})"
        )

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

        The distance is a sum over settings: for a range the difference as a share of the range, for a list 0 if equal and
        else 1 (for a list of numbers, the share of the list between).
        A setting without effect counts as its space's first value; one that ``values`` does not name
        does not count. Hidden layers may be lists.

        Raises:
            UserError: when a setting is unknown, a value is not in the space, whether a setting has an effect depends on one
                that is not named, a number to exclude is none, or all configurations are excluded.
        """
        values = {name: plain(value) for name, value in values.items()}
        self._require_known(values)
        excluded = {self._row(one) for one in excluded}
        if len(excluded) == len(self.configurations):
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
        idle = self._idle(values)
        return {name: self.space[name].first if name in idle else value for name, value in values.items()}

    def _idle(self, values: Mapping[str, Any]) -> set[str]:
        """Names of the settings without effect, by the values and the search's own settings."""
        # A learner that the space varies brings its own.
        own = () if "learner" in self.space else _DECIDING
        first = {name: self.space[name].first for name in _DECIDING if name in self.space}
        return set(inactive_in({name: self.settings[name] for name in own} | first | dict(values)))

    def _require_known(self, values: Mapping[str, Any]) -> None:
        """Refuse what is not in the space, and a setting of which only one that is not named says whether it has an effect."""
        for name, value in values.items():
            if name not in self.space:
                raise UserError(f"the space has no {name!r}; it has {', '.join(self.space)}")
            if value not in self.space[name]:
                raise UserError(f"{name} {value!r} is not in the space ({self.space[name]}); change it")
        missing = [name for name in _DECIDING if name in self.space and name not in values]
        cases = itertools.product(*(self.space[name].grid() for name in missing))
        idle = [self._idle({**values, **dict(zip(missing, case, strict=True))}) for case in cases]
        for name in values:
            if len({name in one for one in idle}) > 1:
                raise UserError(
                    f"whether {name} has an effect depends on {' and '.join(missing)}; give a value of that, too"
                )

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
        number, count = plain(configuration), len(self.configurations)
        if not is_whole(number) or not 0 <= number < count:
            raise UserError(f"configuration must be a whole number from 0 to {count - 1}; received {configuration!r}")
        return number

    def _seed(self, seed: int) -> int:
        return _index("seed", self.seeds, seed)

    def _column(self, iterations: int) -> int:
        return _index("iterations", self.iterations, iterations)


def _index(name: str, known: tuple[int, ...], asked: int) -> int:
    number = plain(asked)
    if not is_whole(number) or number not in known:
        raise UserError(f"{name} must be one of {', '.join(map(str, known))}; received {asked!r}")
    return known.index(number)


class _Row(msgspec.Struct):
    """A configuration, and for each seed its curve, or nothing where the training failed."""

    hyperparameters: dict[str, Any]
    captured_value: list[list[float] | None]


class _File(msgspec.Struct):
    """What a table's file holds."""

    space: dict[str, Any]
    settings: dict[str, Any]
    optimal_return: float
    liquidation_return: float
    seeds: list[int]
    iterations: list[int]
    trainings: list[_Row]


def load_table(path: str | Path = TRAININGS) -> Table:
    """The recorded trainings that come with the package, or those in ``path``.

    Raises:
        UserError: when ``path`` cannot be read, or holds no table of trainings.
    """
    path = require_path("path", path)
    try:
        return _table(msgspec.convert(parse_object(read_bytes(path, follow=True)), _File))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a table of trainings") from error
    except (DamagedError, msgspec.ValidationError, UserError) as error:
        raise UserError(f"{path} is no table of trainings: {error}; give another") from error


def _table(content: _File) -> Table:
    if missing := [name for name in _DECIDING if name not in content.settings]:
        raise UserError(f"its settings have no {', '.join(missing)}")
    shape = (len(content.trainings), len(content.seeds), len(content.iterations))
    failed = [np.nan] * shape[2]
    curves = [[failed if one is None else one for one in row.captured_value] for row in content.trainings]
    if not all(shape) or any(len(row) != shape[1] or any(len(one) != shape[2] for one in row) for row in curves):
        raise UserError(
            f"it must have a curve of {shape[2]} captured values for each of {shape[1]} seeds in each training"
        )
    return Table(
        SearchSpace.from_dict(content.space).choices(),
        content.settings,
        content.optimal_return,
        content.liquidation_return,
        tuple(content.seeds),
        tuple(content.iterations),
        tuple(dict(vars(parse_hyperparameters(row.hyperparameters))) for row in content.trainings),
        np.array(curves),
    )
