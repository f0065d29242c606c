"""The results of a search: ranked in memory, and as the JSON file that people read."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ghm.errors import UserError
from ghm.files import write_atomically
from ghm.search.directory import remove_unfinished_writes, trial_directories
from ghm.search.outcome import NO_RETURN, Outcome, outcome_of_result, plain_hyperparameters, record_outcome
from ghm.search.record import SearchRecord
from ghm.search.sealed import DamagedError, read_sealed, seal_text
from ghm.search.trial import OUTCOME_NAME, Trial

# Writing the whole file takes at most this share of the search's time: always at once for a search of tens of
# trials (a millisecond), every ten seconds or so when it has thousands.
SNAPSHOT_SHARE = 0.002


@dataclass(frozen=True)
class Reference:
    """What any policy can be measured against."""

    optimal_return: float
    """J*, the best possible return of the decision problem."""
    wind_up_return: float
    """J₀, the return of closing the firm at once."""


class Results:
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
        self.reference: Reference | None = None
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


def restore(results: Results, results_dir: Path, plan: Callable[[int], Trial]) -> None:
    """Take in the trials that are over, from their directories and, where those are gone, from the results JSON.

    Raises:
        UserError: when a trial in the directory is not the one that the search would run under that number, unless
            the search allows drift.
    """
    allow_drift = results.record.config.allow_drift or bool(results.record.drift)
    found = read_outcomes(results_dir, results.record)
    try:
        for number in trial_directories(results_dir).keys() - found.keys():
            if told := _unrecorded_outcome(plan(number)):
                found[number] = told
        for number, outcome in found.items():
            if outcome.final:
                _check_same(outcome, plan(number), results_dir, allow_drift)
                results.add(outcome)
    except IndexError as error:
        raise UserError(f"{results_dir}: {error}; remove that trial's directory") from error


def read_outcomes(results_dir: Path, record: SearchRecord) -> dict[int, Outcome]:
    """Recorded outcomes by trial number: the trials' own records and, where those are gone, the results JSON's."""
    found = {outcome.trial_num: outcome for outcome in _outcomes_of_json(results_dir / record.results_name)}
    for number, directory in trial_directories(results_dir).items():
        with contextlib.suppress(OSError, DamagedError):
            outcome = Outcome.from_entry(read_sealed(directory / OUTCOME_NAME))
            if outcome.trial_num == number:
                found[number] = outcome
    return found


def _outcomes_of_json(path: Path) -> list[Outcome]:
    """Outcomes in a results JSON; none if it is missing or damaged, since the trials' directories have them."""
    try:
        entries = read_sealed(path).get("results")
        return [Outcome.from_entry(entry) for entry in entries] if isinstance(entries, list) else []
    except (OSError, DamagedError):
        return []


def _unrecorded_outcome(trial: Trial) -> Outcome | None:
    """How the trial ended by its own result, where the search did not live to record it."""
    told = outcome_of_result(trial)
    # Any other failure that the search did not see may have been the machine's: the trial goes on.
    if told is None or told.status not in ("completed", "diverged"):
        return None
    remove_unfinished_writes(trial.directory)
    record_outcome(trial, told)
    return told


def _check_same(outcome: Outcome, trial: Trial, results_dir: Path, allow_drift: bool) -> None:
    same = outcome.seed == trial.config.seed and outcome.hyperparameters == trial.hyperparameters
    if not (same and outcome.trial_num == trial.number) and not allow_drift:
        raise UserError(
            f"{results_dir}: the record of trial {trial.number} has seed {outcome.seed} or hyperparameters that this "
            "search does not give it; remove its directory, or accept it with --allow_drift"
        )
