"""GPUs: which there are, and one for each running trial of a search, or of a host."""

import contextlib
import errno
import fcntl
import itertools
import os
import queue
import stat
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

from ghm.errors import UserError
from ghm.search.settings.config import SearchConfig


class GpuPool:
    """GPUs that running trials share out among themselves.

    Args:
        gpus: their names, one a worker; empty: trials run without.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        self._free: queue.SimpleQueue[str] | None = queue.SimpleQueue() if gpus else None
        for gpu in gpus:
            self._give_back(gpu)

    @contextlib.contextmanager
    def lend(self) -> Iterator[str | None]:
        """A GPU of the trial's own while it runs; None where GPUs are not shared out."""
        if self._free is None:
            yield None
            return
        gpu = self._free.get()
        try:
            yield gpu
        finally:
            self._give_back(gpu)

    def _give_back(self, gpu: str) -> None:
        assert self._free is not None
        self._free.put(gpu)


def assigned_gpus(config: SearchConfig) -> tuple[str, ...]:
    """The GPU of each worker, in turn; workers beyond the number of GPUs share.

    Raises:
        UserError: when a GPU is asked for and there is none.
    """
    if config.device != "cuda":
        return ()
    gpus = visible_gpus()
    if not gpus:
        raise UserError("--device cuda: PyTorch finds no GPU on this machine; use --device cpu")
    return tuple(gpus[worker % len(gpus)] for worker in range(max(config.n_workers, len(gpus))))


@contextlib.contextmanager
def claimed_gpu(gpus: Sequence[str], directory: Path | None = None) -> Iterator[str | None]:
    """One of this host's ``gpus``, which fewest of its trials use, held while the block runs; None if there are none.

    Workers of one host are processes that know nothing of each other. A lock of the operating system a trial on a GPU
    shares them out, and is let go of however a worker ends.

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
