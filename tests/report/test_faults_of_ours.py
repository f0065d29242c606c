"""A fault in working out the best policy, or in the page's own process: the rest is shown, and what failed is said."""

import io
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from factory import Made
from stub_search import watched_search

from ghm.io.guard import SWITCH
from ghm.report.export import export
from ghm.report.page import render
from ghm.search.display.displays import DETAILS_NAME
from ghm.search.display.observer import Plan
from ghm.search.display.page_writer import FIRST_S, ReportRefresher
from ghm.search.records.reader import read_search

TOLD = "working out the best policy failed: TypeError: planted"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise TypeError("planted")

    monkeypatch.setattr("ghm.report.analysis.policy.policy_values", fail)


@pytest.mark.usefixtures("planted")
def test_page_and_tables_without_the_best_policy(
    studied: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for show in (lambda: render(read_search(studied.path)), lambda: export(studied.path, tmp_path / "x")):
        with pytest.raises(TypeError, match="planted"):
            show()
    monkeypatch.delenv(SWITCH)
    page = render(read_search(studied.path)).decode()
    assert f"The best policy cannot be shown: {TOLD}" in page
    assert 'id="leaderboard"' in page
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    export(studied.path, tmp_path / "x")
    assert f"There are no figures of the best policy: {TOLD}" in (tmp_path / "x/README.md").read_text()


def test_a_page_without_the_checks_of_the_optimum(
    studied: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> Any:
        raise TypeError("planted")

    monkeypatch.setattr("ghm.solvers.validation.load_or_validate", fail)
    with pytest.raises(TypeError, match="planted"):
        render(read_search(studied.path))
    monkeypatch.delenv(SWITCH)
    page = render(read_search(studied.path)).decode()
    assert "The optimum cannot be checked: checking the optimum failed: TypeError: planted." in page
    assert 'id="leaderboard"' in page
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_without_the_fault_the_policy_is_shown(studied: Made) -> None:
    """Negative control."""
    page = render(read_search(studied.path)).decode()
    assert "cannot be shown" not in page
    assert "cannot be checked" not in page


WRITER = "import sys; sys.stderr.write({words!r}); sys.exit({status})"

TRACE = "Traceback (most recent call last):\n  somewhere\nTypeError: planted\n"


def writer(words: str, status: int, **options: Any) -> tuple[ReportRefresher, io.StringIO]:
    stream = io.StringIO()
    command = (sys.executable, "-S", "-c", WRITER.format(words=words, status=status))
    return ReportRefresher(command, stream=stream, **options), stream


def test_a_fault_of_the_last_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="TypeError: planted"):
        watched_search(writer(TRACE, 1)[0], tmp_path / "on")
    monkeypatch.delenv(SWITCH)
    view, stream = writer(TRACE, 1)
    watched_search(view, tmp_path / "turned off")
    details = tmp_path / "turned off" / DETAILS_NAME
    assert stream.getvalue().startswith("The report could not be written: the report's page failed: ")
    assert f"TypeError: planted (details: {details}); try `ghm report '{tmp_path}/" in stream.getvalue()
    assert TRACE.strip() in details.read_text()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (TRACE, 1, "The report could not be written: the report's page failed: RuntimeError: TypeError: planted"),
        ("error: disk full\n", 6, "The report could not be written: error: disk full; try `ghm report '"),
        (TRACE, 0, "The report lacks something: TypeError: planted; see `ghm report '"),
        ("", 0, ""),
    ],
)
def test_a_page_that_fails_while_the_search_runs_is_said_once(
    words: str, status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until now nobody looked at how it ended."""
    monkeypatch.delenv(SWITCH)
    results = watched_search(writer("", 0)[0], tmp_path / "my r")
    now = [0.0]
    view, stream = writer(words, status, clock=lambda: now[0])
    view.search_started(Plan(results.record.config, tmp_path / "my r", 4, 4), results)
    for round_number in (1, 2):
        now[0] += 1e6 * round_number + FIRST_S
        view.trial_finished(None, results.trials[0])  # type: ignore[arg-type]
        view.tick()
        assert view._process is not None
        view._process.wait()
        view.tick()
    printed = stream.getvalue().splitlines()
    assert len(printed) == (1 if said else 0)
    assert all(line.startswith(said) for line in printed)
    deadline = time.monotonic() + 60
    while view._process is not None and time.monotonic() < deadline:
        view.tick()
