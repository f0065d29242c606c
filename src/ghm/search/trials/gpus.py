"""GPUs: which there are, and one for each running trial of a host."""

import contextlib
import errno
import fcntl
import itertools
import os
import stat
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

from ghm.errors import UserError
from ghm.search.settings.config import SearchConfig


def assigned_gpus(config: SearchConfig) -> tuple[str, ...]:
    """The GPUs that a search on this host shares out among its trials; none on the CPU.

    Raises:
        UserError: when a GPU is asked for and there is none.
    """
    if config.device != "cuda":
        return ()
    gpus = visible_gpus()
    if not gpus:
        raise UserError("--device cuda: PyTorch finds no GPU on this machine; use --device cpu")
    return tuple(gpus)


def require_locks(gpus: Sequence[str]) -> None:
    """Make sure, before anything runs, that trials can share out ``gpus`` by locks.

    Raises:
        UserError: when they cannot.
    """
    try:
        with claimed_gpu(["check"] if gpus else []):  # a lock of its own, so that no trial finds a GPU taken by it
            return
    except OSError as error:
        raise UserError(f"--device cuda: {error.filename or 'TMPDIR'}: {error.strerror}") from error


@contextlib.contextmanager
def claimed_gpu(gpus: Sequence[str], directory: Path | None = None) -> Iterator[str | None]:
    """One of this host's ``gpus``, which fewest of its trials use, held while the block runs; None if there are none.

    Searches and workers of one host are processes that know nothing of each other. A lock of the operating system a trial on a
    GPU shares them out, and is let go of however its holder ends.

    Args:
        gpus: their names.
        directory: where the locks are; default: a directory of the user's own among the host's temporary files.

    Raises:
        OSError: when the locks cannot be made.
    """
    if not gpus:
        yield None
        return
    gpu, lock = _claim(gpus, directory or _directory())
    try:
        yield gpu
    finally:
        os.close(lock)


def _directory() -> Path:
    try:
        return Path(tempfile.gettempdir()) / f"ghm-gpus-{os.getuid()}"
    except OSError as error:
        told = f"no place for the locks of GPUs ({error.strerror}); set TMPDIR to a directory that can be written"
        raise OSError(error.errno, told) from error


def _claim(gpus: Sequence[str], directory: Path) -> tuple[str, int]:
    """The GPU that fewest use, and the descriptor of its lock."""
    places = ((gpu, f"{urllib.parse.quote(gpu, safe='')}-{share}.lock") for share in itertools.count() for gpu in gpus)
    try:
        with contextlib.suppress(FileExistsError):  # what is there is looked at next
            directory.mkdir(mode=0o700)
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "a file, a link, or another user's directory: remove it, if it is yours")
        return next((gpu, lock) for gpu, name in places if (lock := _lock(directory / name)) is not None)
    except OSError as error:
        told = f"no place for the locks of GPUs ({error.strerror}); set TMPDIR to another directory"
        raise OSError(error.errno, told, str(directory)) from error


def _lock(path: Path) -> int | None:
    """The descriptor of a lock, which is now held; None if another process holds it."""
    # The name may be another user's link: it is not followed.
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return lock


def visible_gpus() -> list[str]:
    """Names of the GPUs that PyTorch can use, as ``CUDA_VISIBLE_DEVICES`` spells them."""
    import torch  # late: seconds and memory that only a search on GPUs should spend

    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return [named[index] if index < len(named) else str(index) for index in range(torch.cuda.device_count())]
