"""The page of a running search: refreshed within its share of time, written at the end, and never in the way."""

import io
import sys
import time
from pathlib import Path

import pytest
from stub_search import watched_search

from ghm.search.display.observer import Plan
from ghm.search.display.page_writer import FIRST_S, SHARE, ReportRefresher
from ghm.search.records.results_file import ResultsFile

WRITER = "import sys, time; open(sys.argv[1] + '.count', 'a').write('x'); time.sleep({seconds}); sys.exit({status})"


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def refresher(
    stream: io.StringIO, clock: Clock | None = None, seconds: float = 0.0, status: int = 0
) -> ReportRefresher:
    command = (sys.executable, "-S", "-c", WRITER.format(seconds=seconds, status=status))
    return ReportRefresher(command, clock or time.monotonic, stream)


def written(directory: Path) -> int:
    files = list(directory.glob("*.count"))
    return len(files[0].read_text()) if files else 0


def settle(view: ReportRefresher, directory: Path, count: int) -> None:
    """Tick until ``count`` pages have been started and the last has ended."""
    deadline = time.monotonic() + 60
    while written(directory) < count or view._process is not None:
        assert time.monotonic() < deadline, f"{written(directory)} of {count} pages were started"
        view.tick()
        time.sleep(0.01)


def test_a_short_search_gets_its_page_at_the_end_only(tmp_path: Path) -> None:
    stream = io.StringIO()
    watched_search(refresher(stream), tmp_path)
    assert written(tmp_path) == 1
    assert stream.getvalue() == f"Report: {tmp_path / 'report.html'}\n"


def test_refreshes_keep_to_their_share_of_the_time(tmp_path: Path) -> None:
    clock, stream = Clock(), io.StringIO()
    view = refresher(stream, clock)
    results = watched_search(type("Silent", (ReportRefresher,), {"search_finished": lambda *_: None})(), tmp_path)
    trial, outcome = None, results.trials[0]
    view.search_started(Plan(results.record.config, tmp_path, 4, 4), results)
    view.trial_finished(trial, outcome)  # type: ignore[arg-type]
    clock.now = FIRST_S - 1
    view.tick()
    assert view._process is None, "too early"
    clock.now = FIRST_S
    view.tick()
    assert view._process is not None
    view._process.wait()
    clock.now = FIRST_S + 3  # the page took three seconds
    view.trial_finished(trial, outcome)  # type: ignore[arg-type]
    view.tick()
    clock.now = FIRST_S + 3 + 3 / SHARE - 1
    view.tick()
    assert view._process is None, "a second one now would take more than its share"
    clock.now += 2
    settle(view, tmp_path, 2)
    assert written(tmp_path) == 2
    clock.now += 1e6
    view.tick()
    assert view._process is None, "nothing new, nothing written"


def test_a_page_that_fails_is_said_and_does_no_harm(tmp_path: Path) -> None:
    stream = io.StringIO()
    command = (sys.executable, "-S", "-c", "import sys; sys.stderr.write('error: no space left'); sys.exit(6)")
    watched_search(ReportRefresher(command, stream=stream), tmp_path)
    assert "could not be written: error: no space left; try `ghm report" in stream.getvalue()


def test_a_page_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ghm.search.display.page_writer.LAST_LIMIT_S", 0.5)
    stream = io.StringIO()
    started = time.monotonic()
    watched_search(refresher(stream, seconds=600), tmp_path)
    assert time.monotonic() - started < 30
    assert "it took more than 0.5 s" in stream.getvalue()


def test_an_interrupted_search_does_not_wait_for_a_page(tmp_path: Path) -> None:
    stream = io.StringIO()

    class Interrupted(ReportRefresher):
        def trial_started(self, trial: object) -> None:
            self.stopping()

    watched_search(Interrupted((sys.executable, "-c", "raise SystemExit(1)"), stream=stream), tmp_path)
    assert stream.getvalue() == f"Report: {tmp_path / 'report.html'}, being written\n"


def test_the_real_command_writes_the_real_page(tmp_path: Path) -> None:
    """A stub's results are whole enough for a page."""

    class Written(ReportRefresher):
        def search_finished(self, results):  # type: ignore[no-untyped-def]
            ResultsFile(results).write()
            super().search_finished(results)

    stream = io.StringIO()
    watched_search(Written(stream=stream), tmp_path)
    assert "<!DOCTYPE html>" in (tmp_path / "report.html").read_text(encoding="utf-8")[:20]
    assert stream.getvalue().startswith("Report: ")
