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
    directory = directory or Path(tempfile.gettempdir()) / f"ghm-gpus-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "a link, or another user's; remove it, or set TMPDIR", str(directory))
    for share in itertools.count():
        for gpu in gpus:
            # The name may be another user's link: it is not followed.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(directory / f"{urllib.parse.quote(gpu, safe='')}-{share}.lock", flags, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            try:
                yield gpu
            finally:
                os.close(lock)
            return


def visible_gpus() -> list[str]:
    """Names of the GPUs that PyTorch can use, as ``CUDA_VISIBLE_DEVICES`` spells them."""
    import torch  # late: seconds and memory that only a search on GPUs should spend

    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return [named[index] if index < len(named) else str(index) for index in range(torch.cuda.device_count())]
