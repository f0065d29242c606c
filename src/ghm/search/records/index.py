"""The results of a search: ranked in memory, and as the JSON file that people read."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ghm.files import write_atomically
from ghm.sealed import seal_text
from ghm.search.records.search_record import SearchRecord
from ghm.search.settings.space import plain_hyperparameters
from ghm.search.trials.outcome import NO_RETURN, Outcome

# Writing the whole file takes at most this share of the search's time: always at once for a search of tens of
# trials (a millisecond), every ten seconds or so when it has thousands.
SNAPSHOT_SHARE = 0.002


@dataclass(frozen=True)
class ReferenceReturns:
    """What any policy can be measured against."""

    optimal_return: float
    """J*, the best possible return of the decision problem."""
    wind_up_return: float
    """J₀, the return of closing the firm at once."""


class ResultsIndex:
    """The outcomes so far and their file.

    The file is an index: every outcome is already durable in its trial's directory, so writing may be put off, and
    costs a bounded share of the time however many trials there are.

    Args:
        path: the results JSON.
        record: the search it belongs to.
        clock: monotonic seconds; a test's double stands in for it.
    """

    def __init__(self, path: Path, record: SearchRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.record = record
        self.reference: ReferenceReturns | None = None
        # Asked for after every trial, so kept rather than searched for among thousands.
        self.best: Outcome | None = None
        self._clock = clock
        self._outcomes: dict[int, Outcome] = {}
        self._texts: dict[int, bytes] = {}
        self._cost = 0.0
        self._written_at: float | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """All outcomes, by trial number."""
        return [self._outcomes[number] for number in sorted(self._outcomes)]

    @property
    def ranked(self) -> list[Outcome]:
        """Successful trials, the best first; of equals the one with the lower number."""
        return sorted(filter(_successful, self._outcomes.values()), key=_rank)

    def add(self, outcome: Outcome) -> None:
        """Take in how a trial ended."""
        before = self._outcomes.get(outcome.trial_num)
        self._outcomes[outcome.trial_num] = outcome
        if before is not None and before is self.best:
            self.best = min(filter(_successful, self._outcomes.values()), key=_rank, default=None)
        elif outcome.success and (self.best is None or _rank(outcome) < _rank(self.best)):
            self.best = outcome
        # Encoded once: a snapshot of thousands of trials joins texts instead of encoding all of them again.
        text = json.dumps(outcome.to_entry(), indent=2, allow_nan=False)
        self._texts[outcome.trial_num] = b"    " + text.replace("\n", "\n    ").encode()

    def write_if_cheap(self) -> None:
        """Write the file if the last writing is long enough ago, see :data:`SNAPSHOT_SHARE`.

        Raises:
            OSError: when it cannot be written.
        """
        if self._written_at is None or (self._clock() - self._written_at) * SNAPSHOT_SHARE >= self._cost:
            self.write()

    def write(self) -> None:
        """Write the file, atomically.

        Raises:
            OSError: when it cannot be written; the old file is then still there.
        """
        started = self._clock()
        write_atomically(self.path, self._encoded())
        self._written_at = self._clock()
        self._cost = self._written_at - started

    def _encoded(self) -> bytes:
        best = self.best
        head = self.record.to_dict() | {
            "best_config": None if best is None else plain_hyperparameters(best.hyperparameters),
            "best_return": NO_RETURN if best is None else best.best_return,
            "optimal_return": None if self.reference is None else self.reference.optimal_return,
            "wind_up_return": None if self.reference is None else self.reference.wind_up_return,
        }
        entries = b",\n".join(self._texts[number] for number in sorted(self._texts))
        listed = b"[\n" + entries + b"\n  ]" if entries else b"[]"
        text = json.dumps(head, indent=2, allow_nan=False).removesuffix("\n}").encode()
        return seal_text(text + b',\n  "results": ' + listed)


def _successful(outcome: Outcome) -> bool:
    return outcome.success


def _rank(outcome: Outcome) -> tuple[float, int]:
    """Sorts the better trial first; of equals the one with the lower number, so that the order of ends is no matter."""
    return -outcome.best_return, outcome.trial_num
