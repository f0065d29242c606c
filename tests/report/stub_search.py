"""A search that a view watches: real plan, trials and results; histories written by the script, no process started."""

import json
import sys
import time
from pathlib import Path

from ghm.search.display.observer import Observer, Plan
from ghm.search.records.search_record import new_record
from ghm.search.records.state import SearchState
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.space import SearchSpace
from ghm.search.trials.outcome import TrialRecord, failure
from ghm.search.trials.trial import Trial, make_trial
from ghm.training.settings import Hyperparameters

ITERATIONS = 1000


def watched_search(view: Observer, directory: Path, pause: float = 0.0, n_trials: int = 4) -> SearchState:
    """Two trials at a time: the first of each pair completes, the second fails."""
    config = SearchConfig(n_trials=n_trials, n_iterations=ITERATIONS, n_workers=2, results_dir=directory)
    results = SearchState(
        directory / "search_results_20260101-120000.json", new_record(config, SearchSpace().choices())
    )
    view.search_started(Plan(config, directory, n_trials, n_trials), results)
    for first in range(1, n_trials + 1, 2):
        pair = [make_trial(config, directory, number, Hyperparameters()) for number in (first, first + 1)]
        for trial in pair:
            trial.directory.mkdir(parents=True)
            view.trial_started(trial)
        for iteration in range(100, ITERATIONS + 1, 100):
            for trial in pair:
                _record(trial, iteration)
            time.sleep(pause)
            view.tick()
        for trial, outcome in zip(
            pair, (_completed(pair[0]), failure(pair[1], "diverged", "NaN at 9", 2.0)), strict=True
        ):
            results.add(outcome)
            view.trial_finished(trial, outcome)
    view.search_finished(results)
    return results


def _record(trial: Trial, iteration: int) -> None:
    record = {"iteration": iteration, "seconds": iteration / 50, "simulated_return": 6.0 + iteration / 1e4}
    if iteration % 500 == 0:
        record |= {"exact_return": 6.3 + trial.number / 100, "captured_value": 0.5 + trial.number / 100}
    with trial.history_path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def _completed(trial: Trial) -> TrialRecord:
    metrics = {"best_return": 6.4 + trial.number / 100, "final_return": 6.4, "captured_value": 0.8 + trial.number / 100}
    return TrialRecord(
        trial.number, trial.hyperparameters, trial.config.seed, "completed", None, ITERATIONS, 20.0, metrics
    )


if __name__ == "__main__":
    from ghm.search.display.live import LiveView
    from ghm.training.logging import progress

    # Every tick is drawn, however long the last drawing took; what drawing may cost is tested where it is decided.
    progress.SHARE = 1e9
    progress.DrawingBudget.__init__.__defaults__ = (0.0,)  # type: ignore[misc]
    watched_search(LiveView(), Path(sys.argv[1]), pause=0.05)
    sys.stdout.write("the summary follows\n")
