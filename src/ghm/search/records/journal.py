"""The journal: every decision of a search, written down before it is acted on.

One line a decision, in the order in which they were made, which is the same however the search was run. A resumed search makes
each decision again and compares. A line ends with the digest of what comes before it in the line, so that a flipped bit is
noticed; a last line that was cut short was not acted on, and is dropped.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ghm.errors import UserError
from ghm.io.atomic import open_to_append
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.search.decisions.racing import Round
from ghm.search.decisions.selection import Decision
from ghm.search.records.directory import JOURNAL_NAME
from ghm.search.trials.outcome import Count, Number
from ghm.training.settings import Hyperparameters

_SEAL = ', "sha256": "'

Kind = Literal["proposal", "cut", "growth", "confirmation", "race"]

Ranked = tuple[Number, float | None]
"""A configuration and its figure."""


class _OfProposal(msgspec.Struct):
    configuration: Number


class _Proposed(msgspec.Struct):
    hyperparameters: Hyperparameters
    seen: Count | None = None


class _OfCut(msgspec.Struct):
    rung: Count
    keep: Annotated[float, Meta(gt=0, le=1)]
    growth: Number | None = None


class _GoOn(msgspec.Struct):
    of: Count
    ranking: tuple[Ranked, ...]
    go_on: tuple[Number, ...]


class _OfGrowth(msgspec.Struct):
    growth: Number


class _MoreConfigurations(msgspec.Struct, forbid_unknown_fields=True):
    configurations: tuple[Number, ...]
    rungs: tuple[Count, ...]


class _MoreSeeds(msgspec.Struct, forbid_unknown_fields=True):
    of: Count
    chosen: tuple[tuple[Number, float], ...]
    seeds: Number


class _OfConfirmation(msgspec.Struct):
    count: Number


class _Chosen(msgspec.Struct):
    of: Number
    chosen: tuple[tuple[Number, float], ...]
    seeds: tuple[Count, ...]
    iterations: Count
    race: Count | None = None


class _OfRace(msgspec.Struct):
    seeds: Number


class _Line(msgspec.Struct):
    """A line of the journal; types and bounds are checked where it is read."""

    decision: Kind
    on: dict[str, Any]
    decided: dict[str, Any]
    made_from: str


_PARTS: Mapping[Kind, tuple[type, type]] = {
    "proposal": (_OfProposal, _Proposed),
    "cut": (_OfCut, _GoOn),
    "growth": (_OfGrowth, _MoreConfigurations),
    "confirmation": (_OfConfirmation, _Chosen),
    "race": (_OfRace, Round),
}
"""What a decision of each kind is on, and what it decides; a growth in seeds is `_MoreSeeds`."""


class Journal:
    """The decisions of the search in a results directory.

    Args:
        results_dir: the directory.
        allow_drift: a decision that comes out otherwise than it is recorded is written down anew instead of refused.

    Raises:
        UserError: when the journal is damaged.
        OSError: when it cannot be read or written.
    """

    def __init__(self, results_dir: Path, allow_drift: bool = False) -> None:
        self._path = results_dir / JOURNAL_NAME
        self._allow_drift = allow_drift
        self._drop_torn_line()
        self.decisions = {decision.key: decision for decision in read_journal(results_dir)}
        self._new: list[bytes] = []

    def take(self, decision: Decision) -> bool:
        """Take note of a decision; :meth:`write` writes down the new ones.

        Returns:
            Whether it is new.

        Raises:
            UserError: when it was made before and came out otherwise.
        """
        before = self.decisions.get(decision.key)
        if before == decision:
            return False
        if before is not None and not self._allow_drift:
            how = (
                "would now be made from other figures than it was, with the same outcome by chance"
                if before.content == decision.content
                else f"comes out otherwise than it was recorded: recorded {_shown(before.content)}, now "
                f"{_shown(decision.content)}"
            )
            raise UserError(
                f"{self._path}: the {decision.kind} on {_shown(decision.subject)} {how}. The records it was made from have "
                "changed; restore them, or start a new search"
            )
        self.decisions[decision.key] = decision
        self._new.append(_line(decision))
        return True

    def write(self) -> None:
        """Write down what was taken note of, forced to disk.

        Raises:
            OSError: when it cannot be written.
        """
        if not self._new:
            return
        try:
            with open_to_append(self._path) as file:
                file.write(b"".join(self._new))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = error.filename or str(self._path)  # a full disk does not say which file
            raise
        self._new.clear()

    @property
    def counted(self) -> bool:
        """Whether a decision was made from outcomes: a failure, also the machine's, has had its consequences then."""
        return counted(self.decisions.values())

    def _drop_torn_line(self) -> None:
        if self._path.exists():
            data = _read(self._path)
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                with self._path.open("r+b") as file:
                    file.truncate(whole)


def counted(decisions: Iterable[Decision]) -> bool:
    """Whether one of the decisions was made from outcomes."""
    return any(map(from_outcomes, decisions))


def read_journal(results_dir: Path) -> list[Decision]:
    """The decisions written down in a results directory, in order; none where there is no journal.

    Raises:
        UserError: when a line is damaged.
        OSError: when the file cannot be read.
    """
    path = results_dir / JOURNAL_NAME
    if not path.exists():
        return []
    lines = _read(path).split(b"\n")[:-1]
    return [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except DamagedError as error:
        raise UserError(f"{path} is {error}; remove it: the decisions are then made again") from error


def from_outcomes(decision: Decision) -> bool:
    """Whether the decision depends on outcomes."""
    if decision.kind == "growth":
        return "chosen" in decision.content
    return decision.kind != "proposal" or bool(decision.content.get("seen"))


def _line(decision: Decision) -> bytes:
    content = {
        "decision": decision.kind,
        "on": decision.subject,
        "decided": decision.content,
        "made_from": decision.basis,
    }
    body = json.dumps(content, allow_nan=False).removesuffix("}")
    return f'{body}{_SEAL}{hashlib.sha256(body.encode()).hexdigest()}"}}\n'.encode()


def _parse(line: bytes, place: str) -> Decision:
    try:
        text = line.decode()
        body, _, rest = text.rpartition(_SEAL)
        if hashlib.sha256(body.encode()).hexdigest() + '"}' != rest:
            raise ValueError("it does not match its digest")
        found = msgspec.convert(parse_object(line), _Line)
        on, decided = _PARTS[found.decision]
        msgspec.convert(found.on, on)
        more_seeds = found.decision == "growth" and "chosen" in found.decided
        msgspec.convert(found.decided, _MoreSeeds if more_seeds else decided)
        return Decision(found.decision, found.on, found.decided, found.made_from)
    except ValueError as error:
        raise UserError(
            f"{place} is damaged ({error}); remove the file: the decisions are then made again from the recorded outcomes"
        ) from error


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:197] + "..."
