"""Takes in what an earlier call of the search left: the trials that are over."""

from collections.abc import Callable
from pathlib import Path

from ghm.errors import UserError
from ghm.files import remove_unfinished_writes
from ghm.search.records.directory import trial_directories
from ghm.search.records.index import ResultsIndex
from ghm.search.records.reader import read_outcomes
from ghm.search.trials.exits import outcome_of_result
from ghm.search.trials.outcome import Outcome
from ghm.search.trials.trial import Trial
from ghm.search.trials.workspace import record_outcome


def restore(results: ResultsIndex, results_dir: Path, plan: Callable[[int], Trial]) -> None:
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
