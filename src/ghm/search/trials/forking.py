"""Trials forked from one warm process instead of started each from nothing: the side of the search.

What a training imports and loads takes three CPU seconds, twenty times a short trial's iterations; `ghm.training.server` does
it once. A process has one such server, started when the first trial is, started again when it dies, and gone with its process.
"""

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from ghm.io.platforms import PYTHON
from ghm.search.trials.process import Start, TrialProcess
from ghm.training.server import END, PID_BYTES, READY

SERVER = "ghm.training.server"

PREPARE_S = 300.0
"""Seconds that preparing takes at most: on a first run kernels are compiled, on a busy machine for minutes."""

ANSWER_S = 60.0
"""Seconds in which a server that is prepared forks; one that stands still is given up."""

ROOM = 16_384
"""Bytes that a trial's command line may have, to be shown as its process's."""

_PR_SET_CHILD_SUBREAPER = 36

# As of `subprocess.Popen.wait`.
_LOOK_S = 0.02


class ForkedProcess:
    """A process that was forked elsewhere and is a child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended: the negative number of the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: when it has not after ``timeout`` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            try:
                found, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody in this process has fetched it: what is known is its result file
                found, status = self.pid, 0
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(f"trial's process {self.pid}", timeout or 0.0)
            else:
                time.sleep(_LOOK_S)
        return self.returncode


class ForkServer:
    """Starts trials' processes by forking them from a warm one, or where that is unsafe by starting them as ever."""

    def __init__(self) -> None:
        self.forget()

    def __call__(
        self, command: Sequence[str], *, stdout: Any, stderr: Any, env: Mapping[str, str], **options: Any
    ) -> TrialProcess:
        """Start ``command``, this Python and a script or a module of it; arguments are those of `subprocess.Popen`.

        Raises:
            OSError: when no process can be started.
        """
        with self._lock:
            if self._server is not None:
                reap_orphans()
            if not self._refused and forkable(command, env):
                for _ in range(2):  # the second time from a server that is started anew
                    with contextlib.suppress(OSError):
                        if self._control is None:
                            self._start(env)
                        if self._refused:
                            break
                        return self._fork(command, stdout, stderr, env)
                    self._end()
        return subprocess.Popen(list(command), stdout=stdout, stderr=stderr, env=dict(env), **options)

    @property
    def pid(self) -> int | None:
        """The server's process; None while there is none."""
        return None if self._server is None else self._server.pid

    def close(self) -> None:
        """End the server; the next trial starts another one. Trials that run are not touched."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """Begin without a server: in a process that was forked from this one, the server is another's."""
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._refused = ""

    def _start(self, env: Mapping[str, str]) -> None:
        """Start the server, and wait until it is prepared.

        Raises:
            OSError: when it cannot be started, dies, or hangs.
        """
        _adopt_orphans()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [*PYTHON, "-m", SERVER, str(theirs.fileno()), " " * ROOM]
            self._server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(env),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control.settimeout(PREPARE_S)
        answer = self._control.recv(1024)
        if not answer:
            answer = self._last_words()
        assert self._server.stderr is not None
        self._server.stderr.close()
        if answer != READY:
            self._refused = answer.decode(errors="replace")
            sys.stderr.write(f"Each trial is started from nothing, which takes seconds: {self._refused}.\n")
            self._end()

    def _last_words(self) -> bytes:
        """Why the server cannot prepare, as it said.

        Raises:
            OSError: when it said nothing: it was killed, and another one may fare better.
        """
        assert self._server is not None
        assert self._server.stderr is not None
        said = self._server.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        if self._server.wait() < 0:
            raise ConnectionError("it was killed while it prepared")
        return f"the process to fork them from cannot prepare ({said})".encode()

    def _fork(self, command: Sequence[str], stdout: Any, stderr: Any, env: Mapping[str, str]) -> ForkedProcess:
        """Have a trial forked.

        Raises:
            OSError: when the server is dead or stands still, or there is no room for another process.
        """
        assert self._control is not None
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                descriptors = [stdout.fileno(), stderr.fileno(), theirs.fileno()]
                socket.send_fds(self._control, [b"1"], descriptors)
            ours.settimeout(ANSWER_S)
            told = ours.recv(PID_BYTES)
            if not told:
                raise ConnectionError("it forked no trial")
            process = ForkedProcess(int.from_bytes(told, "big"))
            try:
                ours.sendall(json.dumps({"command": list(command), "environment": dict(env)}).encode() + END)
                ours.shutdown(socket.SHUT_WR)
            except OSError:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, 9)
                process.wait()
                raise
            return process

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._control = self._server = None


def forkable(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether ``command`` may be forked: Python's own, of one thread, on Linux, and short enough to be shown."""
    length = sum(len(os.fsencode(word)) + 1 for word in command)
    return sys.platform == "linux" and env.get("OMP_NUM_THREADS") == "1" and length < ROOM


def _adopt_orphans() -> None:
    """Have the system hand this process the orphans among its descendants, see :mod:`ghm.training.server`.

    Raises:
        OSError: when it does not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def reap_orphans() -> None:
    """Fetch how orphans that this process has been handed ended, which nobody else waits for: they would stay as zombies.

    A child that this process has started is of its session or leads one of its own; one in another's session, such as a
    trial's, is an orphan.
    """
    own = os.getsid(0)
    for child in psutil.Process().children():
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # fetched in another thread meanwhile
            if os.getsid(child.pid) not in (own, child.pid):
                os.waitpid(child.pid, os.WNOHANG)


FORK_SERVER = ForkServer()
"""This process's."""

os.register_at_fork(after_in_child=FORK_SERVER.forget)


def starter(command: Sequence[str] | None, popen: Start) -> Start:
    """What starts trials: the fork server, unless the caller has a ``command`` or a ``popen`` of its own."""
    return FORK_SERVER if command is None and popen is subprocess.Popen else popen
