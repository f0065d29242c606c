"""Worker processes of this host import the program that starts a search: whether it stands that, before any is started."""

import multiprocessing
import sys
from pathlib import Path

from ghm.errors import UserError

_IMPORTED = 3
"""Exit status of a process that came to a search while it imported the program."""

_REMEDY = (
    'start the search from a file, under `if __name__ == "__main__":`, or name a running cluster with --dask_scheduler'
)


def leave_if_imported() -> None:
    """End a worker process that comes to a search while it imports the program, which lacks the guard.

    Raises:
        SystemExit: in such a process.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as `multiprocessing.spawn` asks
        raise SystemExit(_IMPORTED)


def require_guard() -> None:
    """Refuse a program that cannot be imported by a worker process, which one process is started to find out.

    Raises:
        UserError: when this process may start none, or the program comes from standard input or lacks the guard.
    """
    if multiprocessing.current_process().daemon:
        raise UserError(f"--executor dask starts worker processes, which a daemonic process may not; {_REMEDY}")
    program = sys.modules["__main__"]
    file = getattr(program, "__file__", None)
    if file is not None and program.__spec__ is None and not Path(file).is_file():
        raise UserError(f"--executor dask starts worker processes, which import the program, {file}; {_REMEDY}")
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    if process.exitcode:
        what = "runs the search anew" if process.exitcode == _IMPORTED else "fails then"
        raise UserError(f"--executor dask starts worker processes, which import {file}, and that {what}; {_REMEDY}")
