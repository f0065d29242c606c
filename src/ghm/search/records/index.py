"""The results of a search: ranked in memory, and as the JSON file that people read."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ghm.io.atomic import write_atomically
from ghm.io.sealed import seal_text
from ghm.search.decisions.ranking import ConfigurationScore, by_calibration, captured_or_return, ranked, score
from ghm.search.decisions.scheduler import measure_of
from ghm.search.decisions.selection import Confirmation, Decision, confirmed
from ghm.search.decisions.statistics import aggregate, bootstrap_interval
from ghm.search.records.search_record import SearchRecord
from ghm.search.settings.config import RankBy
from ghm.search.settings.space import plain_hyperparameters
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.outcome import NO_RETURN, Outcome

# Writing the whole file takes at most this share of the search's time: always at once for a search of tens of
# trials (a millisecond), every ten seconds or so when it has thousands.
SNAPSHOT_SHARE = 0.002

_FIGURES: tuple[RankBy, ...] = ("mean", "iqm", "worst")


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
        self.references: dict[str | None, ReferenceReturns | None] = {}
        self.choice: Decision | None = None
        """Which configurations are confirmed; None while that is not decided."""
        numbering = TrialNumbering(record.config, record.calibrations, n_configurations=1)
        self.n_instances = numbering.n_instances
        """Trials of each configuration."""
        self._measure = measure_of(numbering)
        self._clock = clock
        self.completed = 0
        """Trials that completed."""
        self.failed = 0
        """Trials that failed."""
        self._outcomes: dict[int, Outcome] = {}
        # Kept up to date rather than made from thousands of trials whenever it is asked for.
        self._trials: dict[int, list[int]] = {}
        self._scores: dict[int, ConfigurationScore] = {}
        self._leader: ConfigurationScore | None = None
        self._texts: dict[int, bytes] = {}
        self._configuration_texts: dict[int, bytes] = {}
        self._cost = 0.0
        self._written_at: float | None = None

    @property
    def reference(self) -> ReferenceReturns | None:
        """What the trials of a search without calibrations are measured against."""
        return self.references.get(None)

    @property
    def by_number(self) -> Mapping[int, Outcome]:
        """All outcomes, a view that changes with them."""
        return MappingProxyType(self._outcomes)

    @property
    def outcomes(self) -> list[Outcome]:
        """All outcomes, by trial number."""
        return [self._outcomes[number] for number in sorted(self._outcomes)]

    @property
    def ranked(self) -> list[Outcome]:
        """Successful trials of the exploration, the best first; of equals the one with the lower number."""
        return sorted((one for one in self._outcomes.values() if one.success and one.stage == "explore"), key=_rank)

    @property
    def configurations(self) -> list[ConfigurationScore]:
        """Configurations all of whose trials are over or wait at a rung, the best first."""
        return ranked([one for one in self._scores.values() if self._complete(one)])

    @property
    def leader(self) -> ConfigurationScore | None:
        """The best configuration so far, as tuned; None while there is none."""
        return self._leader

    @property
    def best(self) -> Outcome | None:
        """The best trial of the best configuration so far."""
        if self._leader is None:
            return None
        return best_trial(self._leader.trials)

    @property
    def confirmation(self) -> Confirmation | None:
        """How the chosen configurations did on fresh seeds; None while none was chosen."""
        if self.choice is None:
            return None
        tuned = {number: self._scores[number] for number, _ in self.choice.content["chosen"]}
        trials = [one for one in self.outcomes if one.stage == "confirm"]
        n_calibrations = max(len(self.record.calibrations), 1)
        return confirmed(self.choice, tuned, trials, n_calibrations)

    def add(self, outcome: Outcome) -> None:
        """Take in how a trial ended, or how far it has come."""
        before = self._outcomes.get(outcome.trial_num)
        self.completed += outcome.success - (before is not None and before.success)
        self.failed += outcome.failed - (before is not None and before.failed)
        self._outcomes[outcome.trial_num] = outcome
        # Encoded once: a snapshot of thousands of trials joins texts instead of encoding all of them again.
        self._texts[outcome.trial_num] = _indented(outcome.to_entry())
        if outcome.stage == "explore":
            self._place(outcome)

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

    def _place(self, outcome: Outcome) -> None:
        """Rank the configuration of ``outcome`` anew."""
        numbers = self._trials.setdefault(outcome.configuration, [])
        if outcome.trial_num not in numbers:
            numbers.append(outcome.trial_num)
            numbers.sort()
        trials = [self._outcomes[number] for number in numbers]
        placed = score(trials, self.record.config.rank_by, self._measure)
        self._scores[outcome.configuration] = placed
        self._configuration_texts.pop(outcome.configuration, None)
        leads = self._complete(placed) and placed.value is not None
        if self._leader is not None and self._leader.configuration == outcome.configuration:
            candidates = [one for one in self._scores.values() if self._complete(one) and one.value is not None]
            self._leader = min(candidates, key=lambda one: one.key, default=None)
        elif leads and (self._leader is None or placed.key < self._leader.key):
            self._leader = placed

    def _complete(self, one: ConfigurationScore) -> bool:
        over = all(outcome.final or outcome.status == "paused" for outcome in one.trials)
        return over and len(one.trials) >= self.n_instances

    def _encoded(self) -> bytes:
        confirmation = self.confirmation
        winner = confirmation.winner if confirmation is not None and confirmation.complete else None
        hyperparameters, value = None, NO_RETURN
        if winner is not None:
            hyperparameters, value = winner.hyperparameters, winner.best_return
        elif self._leader is not None:
            returns = [one.best_return for one in self._leader.trials if one.best_return != NO_RETURN]
            hyperparameters = self._leader.hyperparameters
            value = aggregate(returns, self.record.config.rank_by) if returns else NO_RETURN
        head = self.record.to_dict() | {
            "best_config": None if hyperparameters is None else plain_hyperparameters(hyperparameters),
            "best_return": value,
            "optimal_return": None if self.reference is None else self.reference.optimal_return,
            "wind_up_return": None if self.reference is None else self.reference.wind_up_return,
            "confirmation": None if confirmation is None else confirmation.to_dict(),
        }
        head["calibrations"] = [
            calibration | _returns(self.references.get(calibration["name"])) for calibration in head["calibrations"]
        ]
        text = json.dumps(head, indent=2, allow_nan=False).removesuffix("\n}").encode()
        for number, one in self._scores.items():
            if number not in self._configuration_texts:
                self._configuration_texts[number] = _indented(self._entry(one))
        configurations = _listed(self._configuration_texts)
        return seal_text(
            text + b',\n  "configurations": ' + configurations + b',\n  "results": ' + _listed(self._texts)
        )

    def _entry(self, one: ConfigurationScore) -> dict[str, Any]:
        """A configuration's entry: figures in captured value, over its trials that did not fail."""
        strata = by_calibration(one.trials, captured_or_return)
        values = [value for stratum in strata for value in stratum]
        figures: dict[str, float | None] = {name: aggregate(values, name) if values else None for name in _FIGURES}
        interval = bootstrap_interval(strata)
        return {
            "number": one.configuration,
            "hyperparameters": plain_hyperparameters(one.hyperparameters),
            "instances": [outcome.trial_num for outcome in one.trials],
            **figures,
            "interval": None if interval is None else list(interval),
            "failures": sum(outcome.failed for outcome in one.trials),
            "stage": "explore" if self.choice is None or not self._chosen(one) else "confirm",
            "iterations": one.reached,
        }

    def _chosen(self, one: ConfigurationScore) -> bool:
        assert self.choice is not None
        return one.configuration in [number for number, _ in self.choice.content["chosen"]]

    def choose(self, choice: Decision) -> None:
        """Take in which configurations are confirmed."""
        self.choice = choice
        self._configuration_texts.clear()


def best_trial(trials: Iterable[Outcome]) -> Outcome | None:
    """The best of those that did not fail, between several models by captured value; None where all of them did."""
    candidates = [one for one in trials if one.success or one.status == "paused"]
    if len({one.calibration for one in candidates}) > 1 and all(one.captured_value is not None for one in candidates):
        return min(candidates, key=lambda one: (_rank(one)[0], -(one.captured_value or 0.0), one.trial_num))
    return min(candidates, key=_rank, default=None)


def _indented(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry, indent=2, allow_nan=False)
    return b"    " + text.replace("\n", "\n    ").encode()


def _listed(texts: Mapping[int, bytes]) -> bytes:
    entries = b",\n".join(texts[number] for number in sorted(texts))
    return b"[\n" + entries + b"\n  ]" if entries else b"[]"


def _returns(reference: ReferenceReturns | None) -> dict[str, float | None]:
    if reference is None:
        return {"optimal_return": None, "wind_up_return": None}
    return {"optimal_return": reference.optimal_return, "wind_up_return": reference.wind_up_return}


def _rank(outcome: Outcome) -> tuple[int, float, int]:
    """Sorts the better trial first: those that went further, then by return, then by number: no matter when they ended."""
    reached = outcome.iterations if outcome.status in ("paused", "stopped_at_rung") else 2**63
    return -reached, -outcome.best_return, outcome.trial_num
