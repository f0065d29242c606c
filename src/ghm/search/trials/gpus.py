"""GPUs: which there are, and one for each running trial."""

import contextlib
import os
import queue
from collections.abc import Iterator, Sequence

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


def visible_gpus() -> list[str]:
    """Names of the GPUs that PyTorch can use, as ``CUDA_VISIBLE_DEVICES`` spells them."""
    import torch  # late: seconds and memory that only a search on GPUs should spend

    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return [named[index] if index < len(named) else str(index) for index in range(torch.cuda.device_count())]
