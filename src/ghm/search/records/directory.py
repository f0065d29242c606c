"""The results directory: who may write there, which search it holds, and what its trials left.

::

    results_dir/
        search_results_TIMESTAMP.json    the index, made again from what follows whenever needed
        search.json                      the search's settings
        journal.jsonl                    every decision, written down before it was acted on
        report.html                      what `ghm report` makes of it
        reference.npz                    the model's solution, one for all trials
        trial_001/ ...                   the trials, each with its own record
        earlier/TIMESTAMP/               the searches that were here before, whole
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import filelock

from ghm.errors import UserError
from ghm.files import write_atomically, write_json
from ghm.sealed import DamagedError, read_sealed
from ghm.search.records.search_record import SearchRecord
from ghm.search.trials.trial import directory_number

RECORD_NAME = "search.json"
EARLIER_NAME = "earlier"
REPORT_NAME = "report.html"
JOURNAL_NAME = "journal.jsonl"
_LOCK_NAME = ".search.lock"
_OWNER_NAME = ".search.owner.json"
_MOVING_NAME = ".moving"


@contextlib.contextmanager
def locked(results_dir: Path) -> Iterator[None]:
    """Hold the directory for one search; the system lets go of it when the process dies, however it dies.

    Raises:
        UserError: when the directory cannot be made or written, or another search holds it.
    """
    lock = filelock.FileLock(results_dir / _LOCK_NAME, timeout=0)
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        owner = {"pid": os.getpid(), "host": socket.gethostname()}
        write_json(results_dir / _OWNER_NAME, owner | {"since": datetime.now().isoformat(timespec="seconds")})
    except filelock.Timeout:
        raise UserError(
            f"--results_dir {results_dir} is in use by another search ({_owner(results_dir)}); "
            "wait for it, stop it, or choose another directory"
        ) from None
    except OSError as error:
        lock.release()
        raise UserError(
            f"--results_dir {results_dir} cannot be written ({error.strerror or error}); choose another directory"
        ) from error
    try:
        yield
    finally:
        (results_dir / _OWNER_NAME).unlink(missing_ok=True)
        lock.release()


def trial_directories(results_dir: Path) -> dict[int, Path]:
    """The trials' directories by number."""
    found = {directory_number(path.name): path for path in results_dir.iterdir() if path.is_dir()}
    return {number: path for number, path in sorted(found.items(), key=lambda item: item[0] or 0) if number}


def move_earlier(results_dir: Path) -> Path | None:
    """Move a search that is in the directory to ``earlier/``, whole, so that it can still be read and resumed.

    Returns:
        Where it is now; None if there was none.
    """
    finish_move(results_dir)
    parts = _parts(results_dir)
    if not parts:
        return None
    target = _free_name(results_dir / EARLIER_NAME, _name_of(results_dir))
    # Killed halfway, the search would be in two places: the note says so to whoever comes next.
    write_atomically(results_dir / _MOVING_NAME, target.name.encode())
    finish_move(results_dir)
    return target


def finish_move(results_dir: Path) -> None:
    """Finish a move to ``earlier/`` that was cut short."""
    note = results_dir / _MOVING_NAME
    if not note.exists():
        return
    target = results_dir / EARLIER_NAME / Path(note.read_text()).name
    target.mkdir(parents=True, exist_ok=True)
    for part in _parts(results_dir):
        part.rename(target / part.name)
    note.unlink()


def find_record(path: Path, flag: str = "--resume ") -> tuple[Path, SearchRecord]:
    """The results directory and the record of the search that ``--resume path`` means.

    ``path`` is a results JSON, which may be damaged or deleted as long as ``search.json`` is beside it, or a results
    directory. A search that has been moved to ``earlier/`` since is found there. Messages call it ``flag`` and the path.

    Raises:
        UserError: when there is none.
    """
    directory = path if path.is_dir() else path.parent
    if (directory / _MOVING_NAME).exists():
        with locked(directory):
            finish_move(directory)
    if path.is_dir():
        return path, _newest(path, flag)
    moved = directory / EARLIER_NAME / path.stem.removeprefix("search_results_")
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
    raise UserError(f"{flag}{path}: {found}; give a search_results_*.json of this program, or its directory")


def _newest(directory: Path, flag: str = "") -> SearchRecord:
    candidates = [directory / RECORD_NAME, *sorted(directory.glob("search_results_*.json"), reverse=True)]
    reasons = []
    for candidate in candidates:
        found = _read(candidate)
        if isinstance(found, SearchRecord):
            return found
        reasons.append(f"{candidate.name}: {found}")
    raise UserError(f"{flag}{directory}: no search there ({'; '.join(reasons[:3])})")


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
    files = [results_dir / RECORD_NAME, *indexes, results_dir / JOURNAL_NAME, results_dir / REPORT_NAME]
    return [*(file for file in files if file.exists()), *trial_directories(results_dir).values()]


def _name_of(results_dir: Path) -> str:
    try:
        return _newest(results_dir).name
    except UserError:
        return "unknown"


def _free_name(parent: Path, name: str) -> Path:
    target, copy = parent / name, 1
    while target.exists():
        copy += 1
        target = parent / f"{name}-{copy}"
    return target


def _owner(results_dir: Path) -> str:
    try:
        owner = json.loads((results_dir / _OWNER_NAME).read_text()[:1000])
        return f"process {int(owner['pid'])} on host {str(owner['host'])[:100]}, since {str(owner['since'])[:40]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its process is unknown"
