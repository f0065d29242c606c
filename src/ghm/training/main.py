"""The training command: settings from the command line, one run, its result file and exit status."""

import errno
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghm.errors import UserError
from ghm.io.atomic import require_writable
from ghm.io.platforms import ExitStatus, fail, stop_signals, untested
from ghm.io.sealed import write_sealed
from ghm.training.arguments import GROUPS, require_separate_widths
from ghm.training.checkpoints.directories import follow_own_links, own_directories
from ghm.training.settings import TrainConfig

if TYPE_CHECKING:
    from ghm.solvers.solution import Solution
    from ghm.training.checkpoints.checkpoint import Checkpoint
    from ghm.training.trainer import Trainer

RESULT_FORMAT = 1

DESCRIPTION = "Train one policy: each iteration moves it along an estimate of the gradient of firm value."

RESUMABLE_CHANGES = {
    "device", "n_threads", "ckpt_freq", "keep_checkpoints",
    "log_dir", "ckpt_dir", "result_file", "reference_file", "resume", "progress", "figures", "parent_pid", "pause_at", "group",
}  # fmt: skip
"""Settings that may differ between a checkpoint and the run that continues from it; no other may."""


_NO_MEMORY = re.compile(r"DefaultCPUAllocator: |CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED")


class UnusableHere(UserError):
    """Something that the settings need and this machine does not give: a GPU, a directory, a readable file."""


class UnusableCheckpoint(UserError):
    """The checkpoint to continue from is damaged, or of another run."""


def main(arguments: Sequence[str] | None = None, prog: str = "ghm train") -> int:
    """Train as the command line says; returns the exit status.

    Args:
        arguments: flags; None: those of the process.
        prog: what the user called, for messages.
    """
    from ghm.command_line import parse

    try:
        require_separate_widths(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        return fail(error)
    config = parse(TrainConfig, arguments, prog, description=DESCRIPTION, groups=GROUPS)
    try:
        return train(config)
    except UserError as error:
        return fail(error, _status_of(error, config))


def _status_of(error: UserError, config: TrainConfig) -> ExitStatus:
    """A refusal's exit status: in a search, neither the machine nor the checkpoint is a user's mistake."""
    if config.parent_pid is not None and isinstance(error, UnusableHere):
        return ExitStatus.INFRASTRUCTURE
    if config.parent_pid is not None and isinstance(error, UnusableCheckpoint):
        return ExitStatus.UNUSABLE_CHECKPOINT
    return ExitStatus.USER_ERROR


def train(config: TrainConfig) -> int:
    """Run one training, write its result file, and return its exit status.

    Raises:
        UserError: when the settings cannot be run here; nothing has been written.
    """
    started = time.perf_counter()
    asked, config = config, own_directories(config)
    checkpoint = _prepare(config)
    if config.ckpt_dir != asked.ckpt_dir and config.progress != "none":
        kept = f"{asked.ckpt_dir.parent} holds an earlier run, which is kept: t" if config.resume is None else "T"
        print(f"{kept}his run goes into {config.ckpt_dir.parent}.", flush=True)
    config = follow_own_links(config)

    if config.parent_pid is None and config.progress != "none":
        if message := untested():
            print(message, flush=True)
        print("Preparing: solving the model and compiling, half a minute the first time on a machine ...", flush=True)

    import torch

    from ghm.solvers.store import load_or_solve
    from ghm.training.logging.progress import TrainingView
    from ghm.training.trainer import Diverged, Interrupted, Orphaned, Paused, Trainer

    torch.set_num_threads(config.n_threads)
    trainer, interrupted = None, threading.Event()
    metrics: dict[str, Any] = {}
    try:
        reference = load_or_solve(config.reference_path, config.problem)
        first = checkpoint.standing.iteration if checkpoint else 0
        with (
            # In a search, the search decides how long it waits.
            stop_signals(interrupted.set, _end if config.parent_pid is None else None),
            TrainingView(
                config.n_iterations,
                config.progress,
                start_iteration=first,
                optimum=_optimum(reference),
            ) as view,
        ):
            if config.device == "cuda":
                view.message("Networks run on the GPU; paths are simulated on the CPU.")
            trainer = Trainer(config, reference, view, interrupted.is_set)
            if checkpoint is not None and config.resume is not None:
                _resume(trainer, checkpoint, config.resume)
            metrics = trainer.run()
        status, error = ExitStatus.COMPLETED, None
    except Orphaned:
        return ExitStatus.INTERRUPTED
    except Paused as pause:
        status, error, metrics = ExitStatus.PAUSED, None, pause.metrics
    except Interrupted as interruption:
        status, error = ExitStatus.INTERRUPTED, str(interruption)
    except Diverged as divergence:
        status, error = ExitStatus.DIVERGED, str(divergence)
    except MemoryError as shortage:
        status, error = ExitStatus.OUT_OF_MEMORY, str(shortage) or "out of memory"
    except RuntimeError as failure:
        if not is_out_of_memory(failure):
            raise
        status, error = ExitStatus.OUT_OF_MEMORY, str(failure).splitlines()[0]
    except OSError as failure:
        status, error = ExitStatus.INFRASTRUCTURE, _describe(failure)
    seconds = trainer.standing.seconds if trainer else time.perf_counter() - started
    iterations = trainer.standing.iteration if trainer else 0
    _report(config, status, error, iterations, seconds, metrics)
    return status


def _optimum(reference: "Solution") -> dict[str, float | None]:
    """The optimum's figures, under the names of a history line."""
    firm_value = reference.optimal_return
    figures = {"exact_return": firm_value, "captured_value": reference.captured_value(firm_value)}
    return figures | asdict(reference.initial_levels)


def is_out_of_memory(failure: RuntimeError) -> bool:
    """Whether PyTorch found no memory, for which it has a kind of error on a GPU alone, and there not always."""
    import torch

    return isinstance(failure, torch.OutOfMemoryError) or bool(_NO_MEMORY.search(str(failure)))


def _prepare(config: TrainConfig) -> "Checkpoint | None":
    """Check what only this machine can say, and load the checkpoint to continue from, before anything is written."""
    import torch

    from ghm.economics.grid import cash_nodes

    if config.device == "cuda" and not torch.cuda.is_available():
        raise UnusableHere("--device cuda: no usable GPU here (PyTorch finds none); use --device cpu")
    cash_nodes(config.model, config.dt)
    checkpoint = None
    if config.resume is not None:
        checkpoint = _load(config.resume)
        _require_same(checkpoint.config, config)
    _make_places(config)
    return checkpoint


def _make_places(config: TrainConfig) -> None:
    """Make the directories that the run writes to; in a search its own two alone, since others have vanished if they lack."""
    in_search = config.parent_pid is not None
    for flag, directory in (
        ("--result_file", config.result_path.parent),
        ("--reference_file", config.reference_path.parent),
        ("--log_dir", config.log_dir),
        ("--ckpt_dir", config.ckpt_dir),
    ):
        try:
            if not in_search or directory in (config.log_dir, config.ckpt_dir):
                directory.mkdir(parents=not in_search, exist_ok=True)
            require_writable(directory)
        except OSError as error:
            raise UnusableHere(f"{flag} {directory} cannot be written: {error.strerror}; choose another") from error


def _load(path: Path) -> "Checkpoint":
    from ghm.training.checkpoints.checkpoint import Checkpoint

    try:
        return Checkpoint.load(path)
    except UserError as error:
        # A file that cannot be read may be whole and readable later: no reason to train from the beginning.
        unreadable = isinstance(error.__cause__, OSError)
        raise (UnusableHere if unreadable else UnusableCheckpoint)(str(error)) from error


def _resume(trainer: "Trainer", checkpoint: "Checkpoint", path: Path) -> None:
    try:
        trainer.resume(checkpoint, path)
    except UserError as error:
        raise UnusableCheckpoint(str(error)) from error


def _require_same(stored: TrainConfig, asked: TrainConfig) -> None:
    """Refuse to continue a run under settings that would make it another run."""
    before, now = stored.to_dict(), asked.to_dict()
    different = [
        f"{key} was {before[key]!r}, is {now[key]!r}"
        for key in before
        if key not in RESUMABLE_CHANGES and before[key] != now[key]
    ]
    if different:
        if different == [f"n_iterations was {stored.n_iterations!r}, is {asked.n_iterations!r}"]:
            raise UnusableCheckpoint(
                f"--resume {asked.resume}: {different[0]}; schedules such as the entropy weight's follow --n_iterations and "
                "would jump; give the same number, or train anew without --resume"
            )
        raise UnusableCheckpoint(
            f"--resume {asked.resume}: the checkpoint belongs to other settings ({'; '.join(different)}); "
            "give the same ones, or train anew without --resume"
        )


def _end() -> None:
    """End at once, as without handlers."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def _describe(failure: OSError) -> str:
    what = "disk full" if failure.errno == errno.ENOSPC else failure.strerror or str(failure)
    return f"{what}: {failure.filename}" if failure.filename else what


def _report(
    config: TrainConfig, status: ExitStatus, error: str | None, iterations: int, seconds: float, metrics: dict[str, Any]
) -> None:
    """Write the result file and the closing summary."""
    result = {
        "format": RESULT_FORMAT,
        "status": status.name.lower(),
        "iterations": iterations,
        "n_iterations": config.n_iterations,
        "seconds": round(seconds, 3),
        "error": error,
        "metrics": metrics,
        "config": config.to_dict(),
    }
    try:
        write_sealed(config.result_path, result)
    except OSError as failure:
        print(f"error: the result could not be written: {_describe(failure)}", file=sys.stderr)
    resume = shlex.join(["--resume", str(config.ckpt_dir / "latest.pt")])
    if error is not None:
        print(f"{status.name.lower()}: {error}", file=sys.stderr)
        if status == ExitStatus.INTERRUPTED:
            print(f"Continue with the same command and {resume}", file=sys.stderr)
        return
    if status == ExitStatus.PAUSED:
        print(f"Paused at iteration {iterations}; continue without --pause_at and with {resume}")
        return
    from ghm.training.logging.summary import summary

    print(summary(config, metrics, seconds))
