"""The results directory: which search it holds, what its trials left, and where an earlier search goes.

::

    results_dir/
        search_results_TIMESTAMP.json    the index, made again from what follows whenever needed
        search.json                      the search's settings
        search.toml                      the settings file that repeats it
        journal.jsonl                    every decision, written down before it was acted on
        report.html                      what `ghm report` makes of it
        reference.npz                    the model's solution, one for all trials
        trial_001/ ...                   the trials, each with its own record
    results_dir_earlier/TIMESTAMP/       the searches that were here before, whole
"""

import contextlib
import os
import re
from pathlib import Path

from ghm.errors import UserError
from ghm.io.safe_read import DamagedError
from ghm.io.sealed import read_sealed, write_sealed
from ghm.search.records.search_record import SearchRecord
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import OUTCOME_NAME, directory_number

RECORD_NAME = "search.json"
SETTINGS_NAME = "search.toml"
EARLIER_NAME = "earlier"
UNREADABLE_NAME = "unknown"
"""What is moved is called this where no search can be read in it."""

REPORT_NAME = "report.html"
JOURNAL_NAME = "journal.jsonl"

_MOVING_NAME = ".moving"
_NAME_OF_EARLIER = re.compile(rf"(\d{{8}}-\d{{6}}(-\d{{1,6}})?|{UNREADABLE_NAME})(-\d{{1,6}})?\Z")


def trial_directories(results_dir: Path) -> dict[int, Path]:
    """The trials' directories by number."""
    found = {
        directory_number(path.name): path for path in results_dir.iterdir() if path.is_dir() and not path.is_symlink()
    }
    return {number: path for number, path in sorted(found.items(), key=lambda item: item[0] or 0) if number}


def move_earlier(results_dir: Path) -> Path | None:
    """Move a search that is in the directory to one beside it, whole, so that it can still be read and resumed.

    Beside it, since TensorBoard shows whatever is below the directory that it is given.

    Returns:
        Where it is now; None if there was none.
    """
    finish_move(results_dir)
    parts = _parts(results_dir)
    if not parts:
        return None
    parent = _earlier(results_dir)
    target = _free_name(parent, _name_of(results_dir))
    # Killed halfway, the search would be in two places: the note says so to whoever comes next.
    write_sealed(results_dir / _MOVING_NAME, {"to": target.name, "beside": parent != results_dir / EARLIER_NAME})
    finish_move(results_dir)
    return target


def names_taken(results_dir: Path) -> set[str]:
    """Names of the searches whose results are in the directory, or were moved out of it."""
    here = {path.stem.removeprefix("search_results_") for path in results_dir.glob("search_results_*.json")}
    return here | {path.name for parent in _places(results_dir) for path in parent.glob("*")}


def finish_move(results_dir: Path) -> None:
    """Finish a move of an earlier search that was cut short.

    Raises:
        UserError: when the note that says where it went is damaged, or something is in the way.
    """
    note = results_dir / _MOVING_NAME
    if not note.exists():
        return
    try:
        recorded = read_sealed(note)
        parent = _beside(results_dir) if recorded.get("beside") is True else results_dir / EARLIER_NAME
        name = recorded.get("to")
        if not isinstance(name, str) or not _NAME_OF_EARLIER.match(name):
            raise DamagedError(f"{str(name)[:40]!r} is no name that an earlier search gets")
        target, parts = parent / name, _parts(results_dir)
        if target.is_symlink() or any(os.path.lexists(target / part.name) for part in parts):
            raise DamagedError(f"{target} is a link, or holds files of the same names")
    except DamagedError as error:
        raise UserError(
            f"{note} should say where in {_beside(results_dir)} half of a search was moved, and is damaged ({error}); move the "
            "rest there by hand, and remove that file"
        ) from error
    parent.mkdir(exist_ok=True)
    target.mkdir(exist_ok=True)
    for part in parts:
        part.rename(target / part.name)
    note.unlink()


def find_record(path: Path, flag: str = "--resume ") -> tuple[Path, SearchRecord]:
    """The results directory and the record of the search that ``--resume path`` means.

    ``path`` is a results JSON, which may be damaged or deleted as long as ``search.json`` is beside it, or a results
    directory. A search that has been moved out of it since is found there. Messages call it ``flag`` and the path.
    Nothing is written.

    Raises:
        UserError: when there is none, or half of it was moved out of the directory.
    """
    directory = path if path.is_dir() else path.parent
    if (directory / _MOVING_NAME).exists():
        raise UserError(
            f"{flag}{path}: a search was being moved out of {directory}, and half of it was; the search that was to start there, "
            "started again, finishes that, or remove its .moving"
        )
    if path.is_dir():
        return path, _newest(path, flag)
    for parent in _places(directory):
        moved = parent / path.stem.removeprefix("search_results_")
        if not path.exists() and moved.is_dir():
            return moved, _newest(moved, flag)
    beside = _read(directory / RECORD_NAME)
    if isinstance(beside, SearchRecord) and beside.results_name == path.name:
        return directory, beside
    found = _read(path)
    if isinstance(found, SearchRecord):
        if isinstance(beside, SearchRecord) and beside.name != found.name:
            raise UserError(
                f"{flag}{path}: the trials in {directory} are those of another search, "
                f"{beside.results_name}; resume that one, or move this file to a directory of its own"
            )
        return directory, found
    if (whole := len(recorded_trials(directory))) and path.name.startswith("search_results_"):
        raise UserError(
            f"{flag}{path}: {found}, and {directory / RECORD_NAME}: {beside}; the own records of {whole} trials are "
            "whole, but not the settings that they belong to: put back a copy of either file"
        )
    raise UserError(f"{flag}{path}: {found}; give a search_results_*.json of this program, or its directory")


def _newest(directory: Path, flag: str = "") -> SearchRecord:
    candidates = [directory / RECORD_NAME, *sorted(directory.glob("search_results_*.json"), reverse=True)]
    reasons = []
    for candidate in candidates:
        found = _read(candidate)
        if isinstance(found, SearchRecord):
            return found
        reasons.append(f"{candidate.name}: {found}")
    whole = len(recorded_trials(directory))
    remedy = (
        f"; the own records of {whole} trials are whole, but not the settings that they belong to: put back a copy of "
        f"{RECORD_NAME} or of the results JSON"
    )
    raise UserError(f"{flag}{directory}: no search there ({'; '.join(reasons[:3])}){remedy if whole else ''}")


def recorded_trials(results_dir: Path) -> dict[int, TrialRecord]:
    """The trials' own records in the directory that can be read, by number."""
    found = {}
    for number, directory in trial_directories(results_dir).items() if results_dir.is_dir() else ():
        with contextlib.suppress(OSError, DamagedError):
            outcome = TrialRecord.from_entry(read_sealed(directory / OUTCOME_NAME))
            if outcome.trial_num == number:
                found[number] = outcome
    return found


def _read(path: Path) -> SearchRecord | str:
    """The record in the file, or why there is none."""
    try:
        return SearchRecord.from_dict(read_sealed(path))
    except DamagedError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _parts(results_dir: Path) -> list[Path]:
    """What belongs to the search in the directory, its record first."""
    indexes = sorted(results_dir.glob("search_results_*.json"))
    files = [
        results_dir / RECORD_NAME,
        results_dir / SETTINGS_NAME,
        *indexes,
        results_dir / JOURNAL_NAME,
        results_dir / REPORT_NAME,
    ]
    return [*(file for file in files if file.exists()), *trial_directories(results_dir).values()]


def _name_of(results_dir: Path) -> str:
    try:
        return _newest(results_dir).name
    except UserError:
        return UNREADABLE_NAME


def _beside(results_dir: Path) -> Path:
    whole = results_dir.resolve()  # "." and ".." have no name to make another of
    return whole.with_name(f"{whole.name}_{EARLIER_NAME}") if whole.name else whole / EARLIER_NAME


def _places(results_dir: Path) -> tuple[Path, Path]:
    """Where an earlier search of the directory may be."""
    return _beside(results_dir), results_dir / EARLIER_NAME


def _earlier(results_dir: Path) -> Path:
    """Where earlier searches go: beside the directory, or into it where nothing can be moved out of it."""
    inside = os.path.ismount(results_dir) or not os.access(results_dir.parent, os.W_OK)
    return results_dir / EARLIER_NAME if inside else _beside(results_dir)


def _free_name(parent: Path, name: str) -> Path:
    target, copy = parent / name, 1
    while target.exists():
        copy += 1
        target = parent / f"{name}-{copy}"
    return target
