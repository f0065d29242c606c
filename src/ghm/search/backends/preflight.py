"""Proof, before anything is run, that workers see the results directory as the search does, and run the same code."""

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ghm.errors import UserError
from ghm.io.atomic import write_atomically
from ghm.io.safe_read import DamagedError, read_bytes
from ghm.search.backends.heartbeat import DIRECTORY
from ghm.search.records.environment import code_version

# A file server may show a file of another host some seconds late; after this long it is taken not to.
SIGHT_S = 10.0

_MOST_BYTES = 1000


@dataclass(frozen=True)
class ProbeRequest:
    """What a worker is asked."""

    directory: Path
    """Where the search has left a file."""
    name: str
    code: dict[str, str]
    device: str
    patience: float = SIGHT_S
    """Seconds after which a file that is not there counts as unseen."""


@dataclass(frozen=True)
class Answer:
    """What a worker answers."""

    worker: str
    """The process and its host."""
    name: str | None = None
    """Name of the file that it has left in return; it holds the digest of the search's."""
    fault: str | None = None
    """What it lacks."""


def probe(question: ProbeRequest) -> Answer:
    """On a worker: read the search's file, leave one in return, compare the versions."""
    worker = f"process {os.getpid()} on host {socket.gethostname()}"
    data = _read(question.directory / question.name, question.patience)
    if data is None:
        return Answer(worker, fault="it does not see the file that the search has just written there")
    name = f"answer-{secrets.token_hex(16)}"
    try:
        write_atomically(question.directory / name, _digest(data), own=1)
    except OSError as error:
        return Answer(worker, fault=f"it cannot write there ({error.strerror or error})")
    fault = difference(question.code)
    if fault is None and question.device == "cuda":
        from ghm.search.trials.gpus import visible_gpus  # late: PyTorch takes seconds

        fault = None if visible_gpus() else "--device cuda: PyTorch finds no GPU there"
    return Answer(worker, name, fault)


def difference(code: dict[str, str]) -> str | None:
    """What differs between the search's versions and this process's, in one line; None if nothing does."""
    ours = code_version()
    names = [name for name in {**code, **ours} if code.get(name) != ours.get(name)]
    if not names:
        return None
    told = ", ".join(f"{name} {ours.get(name)} instead of {code.get(name)}" for name in names)
    return f"its results would not be comparable, it has {told}"


def prove(results_dir: Path, device: str, ask: Callable[[ProbeRequest], Iterable[Answer]]) -> int:
    """Ask all workers; return how many answered.

    Args:
        results_dir: the search's directory, which it may write.
        device: where networks are to run.
        ask: has every worker answer, see :func:`look`.

    Raises:
        UserError: when one does not see the directory, cannot write there, or runs other code.
        OSError: when the search itself cannot write there.
    """
    directory = results_dir / DIRECTORY
    directory.mkdir(exist_ok=True)
    question = ProbeRequest(directory, f"question-{secrets.token_hex(16)}", code_version(), device)
    data = secrets.token_hex(16).encode()
    write_atomically(directory / question.name, data, own=1)
    try:
        answers = list(ask(question))
        for answer in answers:
            fault = answer.fault
            if fault is None and (answer.name is None or _read(directory / answer.name, SIGHT_S) != _digest(data)):
                fault = "the search does not see the file that it has written there"
            if fault is not None:
                raise UserError(
                    f"--results_dir {results_dir}: {answer.worker}, a worker: {fault}; all workers must have the same "
                    "installation, and that directory on a file system that they share, at the same path"
                )
        return len(answers)
    finally:
        for path in [*directory.glob("question-*"), *directory.glob("answer-*")]:
            path.unlink(missing_ok=True)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _read(path: Path, patience: float) -> bytes | None:
    until = time.monotonic() + patience
    while True:
        try:
            return read_bytes(path, _MOST_BYTES)
        except (OSError, DamagedError):
            if time.monotonic() > until:
                return None
            time.sleep(0.1)
