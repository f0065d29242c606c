"""Who watches a search: the interface that a display implements, and the plain one of printed lines."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ghm.search.config import SearchConfig
from ghm.search.estimate import duration
from ghm.search.outcome import Outcome
from ghm.search.results import Results
from ghm.search.trial import Trial


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
    seconds: float
    """Estimated time (seconds)."""
    notes: tuple[str, ...] = ()
    """What the user should know before it starts."""


class Observer:
    """Watches a search; each method is called in the search's main thread and does nothing unless overridden."""

    def search_started(self, plan: Plan, results: Results) -> None:
        """The search starts; ``results`` already has the trials that an earlier call finished."""

    def trial_started(self, trial: Trial) -> None:
        """A trial starts; its progress can be read from ``trial.history_path``."""

    def trial_finished(self, trial: Trial, outcome: Outcome) -> None:
        """A trial ended, and ``results`` has its outcome."""

    def tick(self) -> None:
        """Called about once a second while trials run."""

    def stopping(self) -> None:
        """The search was asked to stop and waits for its trials to write their checkpoints."""

    def search_finished(self, results: Results) -> None:
        """The search ended, or was interrupted."""


class PlainObserver(Observer):
    """Prints a line an event.

    Args:
        stream: where to; default: standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._results: Results | None = None

    def search_started(self, plan: Plan, results: Results) -> None:
        """Say what is about to run."""
        self._results = results
        for note in plan.notes:
            self._print(note)
        self._print(plan_text(plan))

    def trial_started(self, trial: Trial) -> None:
        """Say that a trial starts."""
        going_on = " from its last checkpoint" if trial.checkpoint.is_file() else ""
        self._print(f"{trial.label} Starting training{going_on}...")

    def trial_finished(self, trial: Trial, outcome: Outcome) -> None:
        """Say how a trial ended."""
        best = self._results.best if self._results else None
        self._print(f"{trial.label} {outcome_text(outcome, best)}")

    def stopping(self) -> None:
        """Say that the search waits for its trials."""
        self._print("Stopping: trials write their checkpoints... (once more to stop at once)")

    def _print(self, text: str) -> None:
        print(text, file=self._stream or sys.stdout, flush=True)


def plan_text(plan: Plan) -> str:
    """The plan in one line."""
    config = plan.config
    done = plan.n_trials - plan.n_pending
    kept = f" ({done} done, {plan.n_pending} to run)" if done else ""
    workers = f"{config.n_workers} worker{'s' if config.n_workers > 1 else ''}"
    return (
        f"{config.search_type.capitalize()} search: {plan.n_trials} trials{kept} x {config.n_iterations} iterations, "
        f"{workers}, about {duration(plan.seconds)}, into {plan.results_dir}"
    )


def outcome_text(outcome: Outcome, best: Outcome | None) -> str:
    """How a trial ended, in one line."""
    if not outcome.success:
        return f"{outcome.status} after {duration(outcome.seconds)}: {outcome.error} (log: {outcome.log})"
    captured = "" if outcome.captured_value is None else f", captured {outcome.captured_value:.3f}"
    leader = "" if best is None else f" (best so far: {best.best_return:.4f}, trial {best.trial_num})"
    return f"Completed in {duration(outcome.seconds)}: return {outcome.best_return:.4f}{captured}{leader}"
