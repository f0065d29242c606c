"""Who watches a search: the interface that a display implements."""

from dataclasses import dataclass
from pathlib import Path

from ghm.search.decisions.selection import Decision
from ghm.search.records.index import ResultsIndex
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.outcome import Outcome
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
    iterations: int | None = None
    """Training iterations still to run, as far as can be told; None: those of ``n_pending`` whole trials."""


class Observer:
    """Watches a search; each method is called in the search's main thread and does nothing unless overridden."""

    def search_started(self, plan: Plan, results: ResultsIndex) -> None:
        """The search starts; ``results`` already has the trials that an earlier call finished."""

    def decided(self, decision: Decision) -> None:
        """A decision was made and written down: a proposal, a cut, or which configurations are confirmed."""

    def trial_started(self, trial: Trial) -> None:
        """A trial starts; its progress can be read from ``trial.history_path``."""

    def trial_finished(self, trial: Trial, outcome: Outcome) -> None:
        """A trial ended, and ``results`` has its outcome."""

    def tick(self) -> None:
        """Called about once a second while trials run."""

    def stopping(self) -> None:
        """The search was asked to stop and waits for its trials to write their checkpoints."""

    def search_finished(self, results: ResultsIndex) -> None:
        """The search ended, or was interrupted."""
