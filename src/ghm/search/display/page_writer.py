"""Keeps a search's report up to date while it runs, and writes it when it ends.

The page is written by a process of its own, at low priority: what it imports (Numba, to judge the best policy) does not stay
in the search's memory, and nothing that goes wrong with it can stop a search.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TextIO

from ghm.errors import shown
from ghm.io.guard import survive, told_fault
from ghm.io.platforms import PYTHON, ExitStatus
from ghm.search.display.displays import DETAILS_NAME
from ghm.search.display.observer import Observer, Plan
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial

SHARE = 0.01
"""Largest share of the search's time that goes into refreshing its report."""

FIRST_S = 60.0
"""Seconds before the first refresh: it costs about three, and a shorter search gets its page at the end."""

RELOAD_S = 60
"""Seconds after which a page that is open loads its new state, while the search runs."""

LAST_LIMIT_S = 120.0
"""Seconds that the last page may take before the search ends without it; checking each model's optimum takes three."""

_EXPLAINED = (ExitStatus.USER_ERROR, ExitStatus.INFRASTRUCTURE)
"""Exit statuses of ``ghm report`` with a message of its own: a record or a disk is at fault, not the program."""


COMMAND = (
    *PYTHON,
    "-c",
    # Trials come first: the page is written with what they leave of the processor.
    "import os, runpy; os.nice(10); runpy.run_module('ghm.report', run_name='__main__')",
)
"""Writes the report of the results JSON that is appended."""


class ReportRefresher(Observer):
    """Writes ``report.html`` into the results directory, now and then and at the end.

    Args:
        command: Writes the report of the results JSON that is appended to it.
        clock: Monotonic seconds; a test's double stands in for it.
        stream: Where to say what was written; default: standard output.
    """

    name = "the report's page"

    def __init__(
        self,
        command: tuple[str, ...] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
    ) -> None:
        self._command, self._clock, self._stream = command, clock, stream
        self._path: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: BinaryIO | None = None
        self._said: str | None = None
        self._began = 0.0
        self._next = 0.0
        self._stale = False
        self._stopping = False

    def search_started(self, plan: Plan, results: SearchState) -> None:  # noqa: ARG002  (the interface's)
        """Note where the results are."""
        self._path = results.path
        self._next = self._clock() + FIRST_S

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:  # noqa: ARG002  (the interface's)
        """The page is behind from now on."""
        self._stale = True

    def tick(self) -> None:
        """Start a refresh if the page is behind and the share of time allows it; say of one that ended if it failed."""
        now = self._clock()
        if self._process is not None and self._process.poll() is not None:
            reason = self._failure(self._process.returncode)
            if reason is not None and reason != self._said:
                self._said = reason
                self._print(self._not_written(reason))
            self._process = None
            self._next = now + (now - self._began) / SHARE
        if self._process is None and self._stale and now >= self._next:
            self._stale = False
            self._start(running=True)

    def stopping(self) -> None:
        """An interrupted search ends as soon as its trials allow, and does not wait for its page."""
        self._stopping = True

    def search_finished(self, results: SearchState) -> None:  # noqa: ARG002  (the interface's)
        """Write the page of the finished search, and say where it is."""
        self._end()
        if self._path is None:
            return
        if self._stopping:
            # It goes on by itself, in a session of its own, when the search is gone.
            self._start()
            self._process = None
            self._print(f"Report: {self._path.with_name('report.html')}, being written")
            return
        self._start()
        assert self._process is not None
        try:
            reason = self._failure(self._process.wait(LAST_LIMIT_S))
        except subprocess.TimeoutExpired:
            reason = f"it took more than {LAST_LIMIT_S:g} s"
        finally:
            self._end()
        self._print(f"Report: {self._path.with_name('report.html')}" if reason is None else self._not_written(reason))

    def _failure(self, status: int) -> str | None:
        """Why the page that ended with ``status`` was not written; None if it was, if need be without a part that failed."""
        assert self._path is not None
        assert self._errors is not None
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "backslashreplace").strip()
        reason = (text.splitlines() or ["no reason was given"])[-1]
        if status == 0:
            if text and reason != self._said:
                self._said = reason
                self._print(f"The report lacks something: {reason}; see `ghm report {shlex.quote(str(self._path))}`")
            return None
        if status < 0 or status in _EXPLAINED:
            return reason
        return survive(self.name, told_fault(text), self._path.with_name(DETAILS_NAME))

    def _not_written(self, reason: str) -> str:
        return f"The report could not be written: {reason}; try `ghm report {shlex.quote(str(self._path))}`"

    def _start(self, running: bool = False) -> None:
        self._began = self._clock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (read when the process has ended; a pipe would fill up)
        self._process = subprocess.Popen(
            [*self._command, str(self._path), *(["--reload", str(RELOAD_S)] if running else [])],
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # A Ctrl-C in the terminal is the search's to handle.
            start_new_session=True,
        )

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _print(self, text: str) -> None:
        print(shown(text), file=self._stream or sys.stdout, flush=True)
