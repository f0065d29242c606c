"""Follows a growing history.jsonl at the cost of what was appended."""

import os
from pathlib import Path
from typing import Any

from ghm.search.records.reader import parse_record
from ghm.search.trials.outcome import finite

MAX_READ = 1 << 20
"""Bytes read at once: a history grows by a few hundred bytes a second, and only its end is wanted."""


class HistoryTail:
    """The newest figures of a trial's history.

    Args:
        path: The history file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self._file_number: int | None = None
        self.figures: dict[str, Any] = {}
        """The newest value of each figure; an evaluation's stay until the next one, whose missing ones replace them."""

    def read(self) -> None:
        """Take in what was appended since the last call."""
        for line in self._appended():
            record = parse_record(line.decode("utf-8", "replace"))
            if record is not None:
                evaluated = finite(record.get("exact_return")) is not None
                self.figures.update({key: value for key, value in record.items() if evaluated or value is not None})

    def _appended(self) -> list[bytes]:
        """Whole lines that are new; a line cut short waits for its end."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                # A run that starts over, or drops records after its checkpoint, writes a new or a shorter file.
                if status.st_ino != self._file_number or status.st_size < self._position:
                    self._position, self._rest, self._file_number, self.figures = 0, b"", status.st_ino, {}
                if status.st_size - self._position > MAX_READ:
                    self._position, self._rest = status.st_size - MAX_READ, b""
                file.seek(self._position)
                new = file.read()
        except OSError:
            return []
        self._position += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return lines
