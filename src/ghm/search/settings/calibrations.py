"""Calibrations: the models that every configuration is trained on, from a JSON file."""

import dataclasses
import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.safe_read import read_given

# More calibrations than this is a mistake.
MAX_CALIBRATIONS = 1000

# A name is part of a file's name and a column's value.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}\Z")


@dataclass(frozen=True)
class Calibration:
    """A model with a name."""

    name: str
    """What messages, records and the solution's file call it."""
    model: GHMModel

    def to_dict(self) -> dict[str, Any]:
        """The calibration as JSON types, every parameter spelled out."""
        return {"name": self.name, **dataclasses.asdict(self.model)}


def read_calibrations(path: Path, base: GHMModel) -> tuple[Calibration, ...]:
    """The calibrations in a JSON file, such as ``[{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}]``.

    A parameter that an entry does not name is the one of ``base``.

    Raises:
        UserError: when the file cannot be read, is not JSON, or holds no calibrations.
    """
    return read_given(
        path, "calibrations", lambda values: parse_calibrations(values, base), "give a JSON file of models"
    )


def parse_calibrations(values: Any, base: GHMModel) -> tuple[Calibration, ...]:
    """The calibrations that a JSON list describes.

    Raises:
        UserError: when ``values`` is no list of named models, a name is used twice, or a parameter is unknown or out
            of range.
    """
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_CALIBRATIONS:
        raise UserError(
            f"calibrations must be a list of 1 to {MAX_CALIBRATIONS} objects such as "
            f'{{"name": "calm", "sigma_x": 0.1}}; received {str(values)[:80]}'
        )
    calibrations = tuple(_calibration(value, base) for value in values)
    names = [calibration.name for calibration in calibrations]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"calibration {name!r} is there twice; give each a name of its own")
    return calibrations


def _calibration(value: Any, base: GHMModel) -> Calibration:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not _NAME.match(value["name"]):
        raise UserError(
            "a calibration must be an object with a name of up to 40 letters, digits, dots, dashes and underscores; "
            f"received {str(value)[:80]}"
        )
    parameters = {key: number for key, number in value.items() if key != "name"}
    for key in parameters:
        if key not in GHMModel.names():
            close = difflib.get_close_matches(str(key), GHMModel.names(), n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UserError(
                f"calibration {value['name']!r}: the model has no parameter {key!r}{hint}; "
                f"it has {', '.join(GHMModel.names())}"
            )
    try:
        return Calibration(value["name"], GHMModel.from_dict(dataclasses.asdict(base) | parameters))
    except UserError as error:
        raise UserError(f"calibration {value['name']!r}: {error}") from error
