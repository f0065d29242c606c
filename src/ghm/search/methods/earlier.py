"""Outcomes of an earlier search that proposals learn from: a part of the new search's own record."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from ghm.errors import UserError
from ghm.search.methods.proposals import Known
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.space import Choices, parse_configurations


@dataclass(frozen=True)
class Earlier:
    """What is used of an earlier search."""

    search: str
    """Its name."""
    outcomes: tuple[Known, ...]
    """Its configurations in the new search's space, by number."""
    left_out: Mapping[str, int]
    """How many of its configurations are not used, by the reason."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types, with the digest; a configuration that failed has no value."""
        outcomes = [
            {"hyperparameters": plain_hyperparameters(one.hyperparameters)}
            | ({} if one.value is None else {"value": one.value})
            for one in self.outcomes
        ]
        content = {"search": self.search, "left_out": dict(self.left_out), "outcomes": outcomes}
        return content | {"sha256": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return str(self.to_dict()["sha256"])

    @classmethod
    def from_dict(cls, given: Any, choices: Choices) -> Self:
        """What :meth:`to_dict` wrote.

        Raises:
            UserError: when it is something else, was changed, or is not of the space.
        """
        try:
            read = msgspec.convert(given, _Earlier)
        except msgspec.ValidationError as error:
            raise UserError(f"no outcomes of an earlier search: {error}") from error
        made = [parse_configurations([one.hyperparameters], choices)[0] for one in read.outcomes]
        outcomes = tuple(Known(known, one.value) for known, one in zip(made, read.outcomes, strict=True))
        found = cls(read.search, outcomes, read.left_out)
        if found.digest != read.sha256:
            raise UserError("the outcomes of the earlier search do not match their digest: they were changed")
        return found

    def said(self) -> str:
        """What is used and what is not, in a sentence."""
        used, total = len(self.outcomes), len(self.outcomes) + sum(self.left_out.values())
        return f"{used} of {total} configurations of search {self.search} are used{left_out_text(self.left_out)}"


def left_out_text(left_out: Mapping[str, int]) -> str:
    """How many configurations are left out and why; nothing where none is."""
    reasons = [f"{count} {reason}" for reason, count in left_out.items()]
    return f"; left out: {', '.join(reasons)}" if reasons else ""


class _Outcome(msgspec.Struct):
    hyperparameters: dict[str, Any]
    value: float | None = None


class _Earlier(msgspec.Struct):
    search: str
    outcomes: list[_Outcome]
    left_out: dict[str, int]
    sha256: str
