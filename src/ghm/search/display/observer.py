"""Who watches a search: the interface that a display implements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ghm.search.decisions.selection import Decision
from ghm.search.records.state import SearchState
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial


@dataclass(frozen=True)
class Plan:
    """What a search is about to do."""

    config: SearchConfig
    """Its settings."""
    results_dir: Path
    """Where its trials are."""
    n_trials: int
    """Trials in total."""
    n_pending: int
    """Trials still to run, the interrupted ones included."""
    notes: tuple[str, ...] = ()
    """What the user should know before it starts."""
    numbering: TrialNumbering | None = None
    """Instances and numbers of its trials."""
    again: Mapping[int, TrialRecord] = field(default_factory=dict)
    """Failed trials that are to be run again, by number."""


class Observer:
    """Watches a search; each method is called in the search's main thread and does nothing unless overridden.

    One that raises is told of nothing more: it is closed, and :meth:`next_best` takes its place.
    """

    name = "a display"
    """What messages call it."""

    def search_started(self, plan: Plan, results: SearchState) -> None:
        """The search starts; ``results`` already has the trials that an earlier call finished."""

    def decided(self, decision: Decision) -> None:
        """A decision was made and written down: a proposal, promotions at a rung, who is confirmed, who goes on in a race."""

    def trial_started(self, trial: Trial) -> None:
        """A trial starts; its progress can be read from ``trial.history_path``."""

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:
        """A trial ended, and ``results`` has its outcome."""

    def tick(self) -> None:
        """Called about once a second while trials run."""

    def stopping(self) -> None:
        """The search was asked to stop and waits for its trials to write their checkpoints."""

    def search_finished(self, results: SearchState) -> None:
        """The search ended, or was interrupted."""

    def close(self) -> None:
        """Leave the terminal as it was, and draw nothing: this display has failed."""

    def next_best(self) -> "Observer | None":
        """A simpler display for when this one has failed; None: nothing is shown until the summary."""
        return None

    def joined(self, plan: Plan, results: SearchState, running: Iterable[Trial]) -> None:
        """Take over from a display that failed, while ``running`` trials run; what that one said is not said again."""
