"""The search's messages: a line an event, as the documentation has them."""

import sys
from typing import TextIO

from ghm.search.displays.estimate import duration
from ghm.search.displays.observer import Observer, Plan
from ghm.search.records.index import ResultsIndex
from ghm.search.trials.outcome import Outcome
from ghm.search.trials.trial import Trial


class PlainObserver(Observer):
    """Prints a line an event.

    Args:
        stream: where to; default: standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._results: ResultsIndex | None = None

    def search_started(self, plan: Plan, results: ResultsIndex) -> None:
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
