"""Values that callers of public constructors pass: made plain Python, and refused where they are out of range."""

import dataclasses
import sys
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeGuard, get_args, get_origin

import numpy as np

from ghm.errors import UserError


def plain(value: Any) -> Any:
    """``value`` with NumPy's scalars as Python's numbers, and lists, tuples and arrays as tuples."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def make_plain(settings: Any) -> None:
    """Replace the fields of a frozen dataclass by their plain values; called first in its ``__post_init__``."""
    for field in dataclasses.fields(settings):
        object.__setattr__(settings, field.name, plain(getattr(settings, field.name)))


def is_number(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a finite number; no truth value, and no whole number too large for a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_whole(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def require_number(name: str, value: Any, lower: float, strict: bool = False) -> None:
    """Refuse a value that is no finite number at or above (``strict``: above) ``lower``."""
    if not is_number(value) or value < lower or (strict and value == lower):
        raise UserError(f"--{name} must be a finite number {'>' if strict else '>='} {lower:g}; received {value!r}")


def require_integer(name: str, value: Any, lower: int, upper: int | None = None) -> None:
    """Refuse a value that is no whole number from ``lower`` to ``upper``."""
    if not is_whole(value) or value < lower or (upper is not None and value > upper):
        bound = f">= {lower}" + (f" and <= {upper}" if upper is not None else "")
        raise UserError(f"--{name} must be a whole number {bound}; received {value!r}")


def require_path(name: str, value: Any) -> Path:
    """``value`` as a path; refused when it is none, or its name is not UTF-8, as the records of it are."""
    try:
        path = Path(value)
        path = path.expanduser() if path.parts[:1] == ("~",) else path  # ~ alone: a folder may be called ~x
        path.as_posix().encode()
    except TypeError:
        raise UserError(f"--{name} must be a path; received {value!r}") from None
    except RuntimeError as error:  # a user without a home
        raise UserError(f"--{name}: {error}; received {value!r:.200}; write the whole path") from None
    except UnicodeEncodeError:
        raise UserError(f"--{name} must be a path in UTF-8; received {value!r:.200}; rename it") from None
    if "\0" in str(path):
        raise UserError(f"--{name} must be a path; received {value!r:.200}")
    return path


def require_kinds(settings: Any) -> None:
    """Refuse words that a field does not offer, and what is no truth value or path where it has one; make paths of text."""
    for field in dataclasses.fields(settings):
        name, kind, value = field.name, field.type, getattr(settings, field.name)
        if get_origin(kind) is Literal and (not isinstance(value, str) or value not in get_args(kind)):
            raise UserError(f"--{name} must be one of {', '.join(get_args(kind))}; received {value!r}")
        if kind is bool and not isinstance(value, bool):
            raise UserError(f"--{name} must be true or false; received {value!r}")
        if kind is Path or (value is not None and Path in get_args(kind)):
            object.__setattr__(settings, name, require_path(name, value))


@dataclass(frozen=True)
class Settings:
    """Settings that are written into records, and read again."""

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types: paths as text, tuples as lists, the model as a mapping."""
        return {
            key: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The settings that :meth:`to_dict` wrote; one that is missing keeps its default.

        Raises:
            UserError: when ``values`` is no mapping, a key is unknown, or a value has the wrong type or range.
        """
        if not isinstance(values, dict):
            raise UserError(f"settings must be a mapping; received {type(values).__name__}")
        kinds: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(cls)}
        if unknown := sorted(str(key) for key in set(values) - set(kinds)):
            raise UserError(f"unknown settings {unknown}; known ones are {sorted(kinds)}")
        parts = {key: kinds[key].from_dict(value) for key, value in values.items() if is_dataclass(kinds[key])}
        return cls(**values | parts)
