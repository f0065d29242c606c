"""Runs the commands as people do: the installed ``ghm``, into a pipe or in a terminal, undisturbed or planned to be disturbed."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.terminal import Session, run_command_in_terminal

GHM = str(Path(sys.executable).with_name("ghm"))

LIMIT_S = 1200.0
"""Of one command. Numba may have to compile for minutes on busy cores."""

LINES = 120
"""Of a terminal: all that a small search says stays on the screen."""

DISTURBANCE = '''
"""Makes a trial wait, crash or be killed when it has written a file, as the variable JOURNEY has it: DEED:END OF THE PATH."""
import os, signal, time

deed, _, end = os.environ.get("JOURNEY", "").partition(":")
asked, replace, handle = [], os.replace, signal.signal


def handle_and_note(number, handler):
    note = lambda *received: (asked.append(number), handler(*received))
    return handle(number, note if number == signal.SIGTERM and callable(handler) else handler)


def replace_and_do(source, target, **options):
    replace(source, target, **options)
    if not os.fspath(target).endswith(end):
        return
    if deed == "crash":
        raise RuntimeError("planted")
    if deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    parent = os.getppid()
    while os.getppid() == parent and (deed == "deaf" or not asked):
        time.sleep(0.01)


if end:
    signal.signal, os.replace = handle_and_note, replace_and_do
'''


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    command: tuple[str, ...]
    status: int
    output: str
    """Standard output; of a terminal, its last screen."""
    errors: str
    columns: int | None = None
    """Of the terminal; None: it was a pipe."""
    screens: tuple[str, ...] = ()
    """What the terminal showed on the way."""


def environment(disturbed: str = "", planted: Path | None = None) -> dict[str, str]:
    found = {
        name: value
        for name, value in os.environ.items()
        if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI")
    }
    if planted is not None:
        planted.mkdir(exist_ok=True)
        (planted / "sitecustomize.py").write_text(DISTURBANCE)
        found |= {"JOURNEY": disturbed, "PYTHONPATH": str(planted)}
    return found


def run(*words: object, columns: int | None = None, disturbed: str = "", planted: Path | None = None) -> Ran:
    """``ghm`` with these words, in a terminal of so many columns or into a pipe."""
    command, around = (GHM, *map(str, words)), environment(disturbed, planted)
    if columns is None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=around, check=False)
        return Ran(command, done.returncode, done.stdout, done.stderr)
    session, errors = in_terminal(command, columns, around)
    screens = tuple("\n".join(screen) for screen in session.screens)
    return Ran(command, session.status, "\n".join(session.screen), errors, columns, screens)


def ask(*words: object) -> Ran:
    """``ghm`` with these words in this process, which has imported already what a process of its own would have to."""
    from ghm.cli import main

    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status = main([*map(str, words)])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    return Ran(("ghm", *map(str, words)), status, output.getvalue(), errors.getvalue())


def in_terminal(command: tuple[str, ...], columns: int, around: dict[str, str]) -> tuple[Session, str]:
    """The command's terminal, and its error output, which goes elsewhere so that it can be told from the rest."""
    with tempfile.TemporaryFile() as errors:
        session = run_command_in_terminal(command, columns, LINES, LIMIT_S, stderr=errors.fileno(), environment=around)
        errors.seek(0)
        return session, errors.read().decode()


@dataclass
class Started:
    """A search that runs."""

    process: "subprocess.Popen[str]"
    command: tuple[str, ...]

    def wait_for(self, path: Path) -> None:
        self.wait_until(path.exists, f"{path} exists")

    def wait_until(self, holds: Callable[[], bool], words: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not holds():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"never: {words}"
            time.sleep(0.01)

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def read_until(self, words: str) -> str:
        """Its output up to a line with these words."""
        assert self.process.stdout is not None
        said = ""
        while line := self.process.stdout.readline():
            said += line
            if words in line:
                return said
        raise AssertionError(f"it ended without saying {words!r}:\n{said}")

    def finish(self, said: str = "") -> Ran:
        output, errors = self.process.communicate(timeout=LIMIT_S)
        return Ran(self.command, self.process.returncode, said + output, errors)


def start(*words: object, disturbed: str, planted: Path) -> Started:
    """``ghm`` with these words, whose output is read later."""
    command = (GHM, *map(str, words))
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment(disturbed, planted),
        # Under nohup the hang-up is ignored, and what is started inherits that; Ctrl-C of a job in the background, too.
        preexec_fn=_default_signals,
    )  # fmt: skip
    return Started(process, command)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
