"""Takes over a results directory: an earlier search in it is moved or continued, and the search's record written."""

from pathlib import Path

from ghm.errors import UserError
from ghm.io.atomic import remove_unfinished_writes, write_atomically
from ghm.io.sealed import write_sealed
from ghm.search.records.directory import RECORD_NAME, SETTINGS_NAME, UNREADABLE_NAME, finish_move, move_earlier
from ghm.search.records.journal import read_journal, require_no_retry, require_same_size
from ghm.search.records.search_record import SearchRecord
from ghm.search.resolved import ResolvedSearch
from ghm.search.settings.command import settings_text
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial


def moved_note(results_dir: Path, moved: Path) -> str:
    """What the user is told of an earlier search that was moved."""
    if moved.name.startswith(UNREADABLE_NAME):
        return f"{results_dir} held files by names that a search uses, but no search that can be read; they are kept as {moved}."
    return f"{results_dir} held an earlier search; it is kept, whole, as {moved} (--resume {moved} goes on with it)."


def take_directory(resolved: ResolvedSearch) -> tuple[SearchRecord, Path | None]:
    """Take over the directory: finish or make room, and write the search's record; also where an earlier search is now."""
    remove_unfinished_writes(resolved.results_dir)
    finish_move(resolved.results_dir)
    moved = None
    if resolved.recorded is None:
        moved = move_earlier(resolved.results_dir)
    else:
        require_continuation(resolved)
    record = resolved.record()
    write_sealed(resolved.results_dir / RECORD_NAME, record.to_dict())
    told = None if record.learn_from is None else record.learn_from.to_dict()
    text = settings_text(record.config, record.choices, record.calibrations, record.start_with, told)
    write_atomically(resolved.results_dir / SETTINGS_NAME, text.encode())
    return record, moved


def require_continuation(resolved: ResolvedSearch) -> None:
    """Refuse settings under which what was decided would come out otherwise; nothing is written.

    Raises:
        UserError: when there are such settings.
    """
    config, decisions = resolved.config, read_journal(resolved.results_dir)
    if config.retry_failed:
        require_no_retry(decisions)
    iterations = config.confirm_iterations or config.n_iterations
    count = resolved.numbering.n_configurations
    require_same_size(decisions, count, config.confirm_seeds, iterations, config.keep, config.race)


def check_same(outcome: TrialRecord, trial: Trial, results_dir: Path) -> None:
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
