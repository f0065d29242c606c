"""Takes in what an earlier call of the search left."""

from pathlib import Path

from ghm.errors import UserError
from ghm.io.atomic import remove_unfinished_writes
from ghm.search.trials.exit_status import outcome_of_result
from ghm.search.trials.outcome import Outcome, TrialState
from ghm.search.trials.trial import Trial
from ghm.search.trials.workspace import record_outcome


def unrecorded_outcome(trial: Trial) -> Outcome | None:
    """How the trial ended by its own result, where the search did not live to record it; it is recorded now."""
    told = outcome_of_result(trial)
    # Any other failure that the search did not see may have been the machine's: the trial goes on.
    if told is None or told.status not in (TrialState.COMPLETED, TrialState.DIVERGED, TrialState.PAUSED):
        return None
    remove_unfinished_writes(trial.directory)
    record_outcome(trial, told)
    return told


def check_same(outcome: Outcome, trial: Trial, results_dir: Path) -> None:
    """Refuse a record that is of another trial than the search runs under its number.

    Raises:
        UserError: when it is.
    """
    recorded = (outcome.trial_num, outcome.seed, outcome.hyperparameters, outcome.calibration, outcome.configuration)
    planned = (trial.number, trial.config.seed, trial.hyperparameters, trial.calibration, trial.configuration)
    if recorded != planned:
        raise UserError(
            f"{results_dir}: the record of trial {trial.number} has seed {outcome.seed} or hyperparameters that this "
            "search does not give it; remove its directory, or accept it with --allow_drift"
        )
