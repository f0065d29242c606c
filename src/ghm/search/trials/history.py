"""The history of a training, as its directory has it: a line for each evaluation and log line."""

from pathlib import Path

import msgspec

from ghm.io.safe_read import DamagedError, read_bytes, read_end

MAX_BYTES = 64_000_000
"""A history has some 300 bytes a line and a hundred lines; one of this size has 200,000."""

_END_BYTES = 1 << 16

HISTORY_NAME = "history.jsonl"


class HistoryLine(msgspec.Struct, frozen=True):
    """A line of history.jsonl; None: a figure that is missing. What else a line has is for other readers."""

    iteration: int
    seconds: float | None = None
    """Training time so far."""
    simulated_return: float | None = None
    """Mean return of the iteration's paths."""
    exact_return: float | None = None
    """Exact return of the policy after the iteration."""
    captured_value: float | None = None
    """Share of the attainable value that it captures."""
    payout_level: float | None = None
    issue_below: float | None = None
    issue_target: float | None = None


_decoder = msgspec.json.Decoder(HistoryLine)


def parse_line(line: bytes) -> HistoryLine | None:
    """One line of a history; None for a line that was cut short, or is none."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_history(directory: Path) -> tuple[HistoryLine, ...]:
    """The whole lines of the history of the trial in ``directory``; none where there is no such file."""
    try:
        data = read_bytes(directory / HISTORY_NAME, MAX_BYTES)
    except (OSError, DamagedError):
        return ()
    return _parsed(data)


def last_line(directory: Path) -> HistoryLine | None:
    """The last whole line of the history of the trial in ``directory``: how far a training has come that left no result."""
    try:
        lines = _parsed(read_end(directory / HISTORY_NAME, _END_BYTES))
    except (OSError, DamagedError):
        return None
    return lines[-1] if lines else None


def _parsed(data: bytes) -> tuple[HistoryLine, ...]:
    return tuple(line for text in data.splitlines() if (line := parse_line(text)) is not None)
