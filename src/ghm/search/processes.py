"""The processes of trials: their environment, how they are ended, and those that a dead search left behind."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psutil

from ghm.search.trial import directory_number

# Every library that starts threads of its own reads one of these.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

# An orphan that is asked to end by SIGKILL is gone at once, unless it sits in a system call on a dead file system.
_ORPHAN_WAIT_S = 30.0


def trial_environment(n_threads: int, gpu: str | None) -> dict[str, str]:
    """The environment of a trial's process: this one's, with thread counts and, if ``gpu`` is given, that GPU only."""
    environment = dict(os.environ)
    environment |= dict.fromkeys(_THREAD_VARIABLES, str(n_threads))
    # Lines reach stdout.log as they are printed, also if the process is killed.
    environment["PYTHONUNBUFFERED"] = "1"
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    return environment


def send(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the process and whatever it started; each trial leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def visible_gpus() -> list[str]:
    """Names of the GPUs that PyTorch can use, as ``CUDA_VISIBLE_DEVICES`` spells them."""
    import torch  # late: seconds and memory that only a search on GPUs should spend

    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return [named[index] if index < len(named) else str(index) for index in range(torch.cuda.device_count())]


def end_orphans(results_dir: Path) -> list[int]:
    """End the trial processes of a dead search in ``results_dir``; return the numbers of their trials.

    Such a process ends by itself once it notices that its parent is gone; until then it could write into a
    directory that the resumed search uses again. The caller holds the directory's lock, so no living search owns it.
    """
    orphans = {process: number for process in psutil.process_iter() if (number := _trial_number(process, results_dir))}
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(orphans), timeout=_ORPHAN_WAIT_S)
    return sorted(orphans.values())


def _trial_number(process: psutil.Process, results_dir: Path) -> int | None:
    """The number of the trial of ``results_dir`` that ``process`` runs for a search; None if it does not."""
    try:
        arguments = process.cmdline()
    except (psutil.Error, OSError):
        return None
    if "--parent_pid" not in arguments or "--ckpt_dir" not in arguments[:-1]:
        return None
    directory = Path(arguments[arguments.index("--ckpt_dir") + 1]).parent
    return directory_number(directory.name) if directory.parent == results_dir else None
