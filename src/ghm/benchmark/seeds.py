"""The best configurations of the table, trained on many more seeds."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.io.values import require_path

FRESH = Path(__file__).with_name("seeds.json")
"""The seeds that come with the package."""


@dataclass(frozen=True, eq=False)
class Seeds:
    """Whole trainings of n configurations of the table on s seeds that are not the table's."""

    seeds: tuple[int, ...]
    """Of the trainings, s of them, the same for each configuration."""
    configurations: tuple[int, ...]
    """Their numbers in the table, from 0, the best of the table first."""
    captured_value: NDArray[np.float64]
    """Of the best policy that each training found, (n, s); minus infinity where it failed."""


class _Row(msgspec.Struct):
    number: int
    captured_value: list[float | None]


class _File(msgspec.Struct):
    seeds: list[int]
    configurations: list[_Row]


def load_seeds(path: str | Path = FRESH) -> Seeds:
    """The best configurations on many seeds: those that come with the package, or those in ``path``.

    Raises:
        UserError: when ``path`` cannot be read, or holds no such trainings.
    """
    path = require_path("path", path)
    try:
        content = msgspec.convert(parse_object(read_bytes(path, follow=True)), _File)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a file of trainings on seeds") from error
    except (DamagedError, msgspec.ValidationError) as error:
        raise UserError(f"{path} holds no trainings on seeds: {error}; give another") from error
    rows = content.configurations
    if not rows or any(len(row.captured_value) != len(content.seeds) for row in rows):
        raise UserError(
            f"{path} holds no trainings on seeds: each configuration must have {len(content.seeds)} captured values"
        )
    values = [[-np.inf if value is None else value for value in row.captured_value] for row in rows]
    return Seeds(tuple(content.seeds), tuple(row.number for row in rows), np.array(values))
