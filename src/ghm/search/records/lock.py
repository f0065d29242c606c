"""Who may write into a results directory: one search at a time."""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import filelock

from ghm.errors import UserError
from ghm.io.atomic import write_json
from ghm.io.safe_read import DamagedError, parse_object, read_bytes, refuse_links

_LOCK_NAME = ".search.lock"
_OWNER_NAME = ".search.owner.json"


@contextlib.contextmanager
def locked(results_dir: Path) -> Iterator[Callable[[], None]]:
    """Hold the directory for one search; the system lets go of it when the process dies, however it dies.

    Two locks: one of a file, which file servers pass on to other hosts, and one of the directory itself, which nobody
    can remove while the search runs. What it gives raises an `OSError` once another directory, or none, has the name.

    Raises:
        UserError: when the directory cannot be made or written, another search holds it, or something in it is a
            symbolic link.
    """
    lock, held = filelock.FileLock(results_dir / _LOCK_NAME, timeout=0), contextlib.ExitStack()
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        refuse_links(results_dir)
        lock.acquire()
        descriptor = held.enter_context(_locked_itself(results_dir))
        owner = {"pid": os.getpid(), "host": socket.gethostname()}
        write_json(results_dir / _OWNER_NAME, owner | {"since": datetime.now().isoformat(timespec="seconds")})
    except DamagedError as error:
        raise UserError(f"--results_dir {results_dir}: {error}") from error
    except filelock.Timeout:
        lock.release()
        raise UserError(
            f"--results_dir {results_dir} is in use by another search ({_owner(results_dir)}); "
            "wait for it, stop it, or choose another directory"
        ) from None
    except OSError as error:
        held.close()
        lock.release()
        raise UserError(
            f"--results_dir {results_dir} cannot be written ({error.strerror or error}); choose another directory"
        ) from error

    def require_it() -> None:
        if not os.path.samestat(os.fstat(descriptor), results_dir.stat()):
            what = "the results directory was moved or removed, and another one made in its place"
            raise OSError(errno.ESTALE, what, str(results_dir))

    try:
        yield require_it
    finally:
        (results_dir / _OWNER_NAME).unlink(missing_ok=True)
        held.close()
        lock.release()


@contextlib.contextmanager
def _locked_itself(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise filelock.Timeout(str(directory)) from None
    except OSError:
        pass  # a file server that locks files only
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _owner(results_dir: Path) -> str:
    try:
        owner = parse_object(read_bytes(results_dir / _OWNER_NAME, most=1000))
    except (OSError, DamagedError):
        return "its process is unknown"
    pid, host, since = (str(owner.get(name, "unknown"))[:100] for name in ("pid", "host", "since"))
    return f"process {pid} on host {host}, since {since}"
