"""The results JSON: the index of a search that people and programs read, made from its state."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ghm.io.atomic import write_atomically
from ghm.io.sealed import seal_text
from ghm.search.decisions.confirmation import chosen_by
from ghm.search.decisions.ranking import ConfigurationScore
from ghm.search.records.state import SearchState
from ghm.search.records.values import FIGURES, ReferenceReturns
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.trials.outcome import NO_RETURN, TrialRecord

# Writing the whole file takes at most this share of the search's time: always at once for a search of tens of
# trials (a millisecond), every ten seconds or so when it has thousands.
SNAPSHOT_SHARE = 0.002


class ResultsFile:
    """The file of a search's state.

    It is an index: every trial's record is already durable in its directory, so writing may be put off, and costs a
    bounded share of the time however many trials there are.

    Args:
        state: what is written.
        require_place: raises an `OSError` when the search's directory is not where it was.
        clock: monotonic seconds; a test's double stands in for it.
    """

    def __init__(
        self,
        state: SearchState,
        require_place: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self.require_place, self._clock = state, require_place, clock
        # Encoded once: a snapshot of thousands of trials joins texts instead of encoding all of them again.
        self._trials: dict[int, tuple[TrialRecord, bytes]] = {}
        self._configurations: dict[int, tuple[ConfigurationScore, str, bytes]] = {}
        self._cost = 0.0
        self._written_at: float | None = None

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
        self.require_place()
        write_atomically(self._state.path, self._encoded())
        self._written_at = self._clock()
        self._cost = self._written_at - started

    def _encoded(self) -> bytes:
        text = json.dumps(self._head(), indent=2, allow_nan=False).removesuffix("\n}").encode()
        state = self._state
        for number, trial in state.by_number.items():
            if (known := self._trials.get(number)) is None or known[0] is not trial:
                self._trials[number] = trial, _indented(trial.to_entry())
        chosen = () if state.choice is None else chosen_by(state.choice)
        for one in state.scores():
            stage = "confirm" if one.configuration in chosen else "explore"
            if (before := self._configurations.get(one.configuration)) is None or before[:2] != (one, stage):
                self._configurations[one.configuration] = one, stage, _indented(_entry(one, stage))
        configurations = _listed({number: content for number, (_, _, content) in self._configurations.items()})
        results = _listed({number: content for number, (_, content) in self._trials.items()})
        return seal_text(text + b',\n  "configurations": ' + configurations + b',\n  "results": ' + results)

    def _head(self) -> dict[str, Any]:
        state = self._state
        confirmation, best = state.confirmation, state.best_trial
        head = state.record.to_dict() | {
            "best_config": None if best is None else plain_hyperparameters(best.hyperparameters),
            "best_return": NO_RETURN if state.best_value is None else state.best_value,
            **_returns(state.reference),
            "confirmation": None if confirmation is None else confirmation.to_dict(),
        }
        head["calibrations"] = [one | _returns(state.references.get(one["name"])) for one in head["calibrations"]]
        return head


def _entry(one: ConfigurationScore, stage: str) -> dict[str, Any]:
    """A configuration's entry: figures in captured value, over its trials that did not fail."""
    return {
        "number": one.configuration,
        "hyperparameters": plain_hyperparameters(one.hyperparameters),
        "instances": [outcome.trial_num for outcome in one.trials],
        **{name: one.figure(name) for name in FIGURES},
        "interval": None if one.interval is None else list(one.interval),
        "failures": sum(outcome.failed for outcome in one.trials),
        "stage": stage,
        "iterations": one.reached,
    }


def _indented(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry, indent=2, allow_nan=False)
    return b"    " + text.replace("\n", "\n    ").encode()


def _listed(texts: Mapping[int, bytes]) -> bytes:
    entries = b",\n".join(texts[number] for number in sorted(texts))
    return b"[\n" + entries + b"\n  ]" if entries else b"[]"


def _returns(reference: ReferenceReturns | None) -> dict[str, float | None]:
    names = ("optimal_return", "wind_up_return")
    return {name: None if reference is None else getattr(reference, name) for name in names}
