"""A display that fails: said at once and again at the end, closed, replaced; with the tests' switch on, raised."""

import re
from pathlib import Path
from typing import Any

import pytest
from terminal import run_in_terminal

from ghm.io.guard import SWITCH
from ghm.search import HyperparameterSearch, Observer, SearchConfig
from ghm.search.display.displays import DETAILS_NAME
from ghm.search.display.lines import PlainObserver
from ghm.search.display.live import LiveView, PlainView
from ghm.search.display.running import Running
from ghm.search.trials.trial import Trial
from tests.search.support import STUB, no_solver, run_search

FLAGS = ("--n_trials", 2, "--n_iterations", 3)

LIVE, PLAIN, MESSAGES = (display.name for display in (LiveView, PlainView, PlainObserver))


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users run it: what is unexpected is lived on after."""
    monkeypatch.delenv(SWITCH)


def plant(monkeypatch: pytest.MonkeyPatch, kind: type, method: str) -> None:
    def fail(*_: Any) -> None:
        raise TypeError(f"planted in {method}")

    monkeypatch.setattr(kind, method, fail)


@pytest.mark.parametrize(
    ("kind", "method", "flag", "passed"),
    [
        (LiveView, "tick", "live", [(LIVE, PLAIN)]),
        (LiveView, "trial_finished", "live", [(LIVE, PLAIN)]),
        (LiveView, "search_started", "live", [(LIVE, PLAIN)]),
        (LiveView, "_table", "live", [(LIVE, PLAIN)]),
        (Running, "__init__", "live", [(LIVE, PLAIN), (PLAIN, MESSAGES)]),
        (PlainView, "trial_started", "plain", [(PLAIN, MESSAGES)]),
        (PlainObserver, "trial_finished", "plain", [(PLAIN, MESSAGES), (MESSAGES, None)]),
    ],
)
@pytest.mark.usefixtures("production")
def test_the_next_best_display_takes_over(
    kind: type,
    method: str,
    flag: str,
    passed: list[tuple[str, str | None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(monkeypatch, kind, method)
    assert run_search(*FLAGS, "--progress", flag, "--results_dir", tmp_path / "r") == 0
    printed, errors = capsys.readouterr()
    details = tmp_path / "r" / DETAILS_NAME
    for line, (failed, heir) in zip(errors.splitlines(), passed, strict=True):
        after = "nothing more is shown there" if heir is None else f"{heir} goes on"
        assert line == f"{failed} failed: TypeError: planted in {method} (details: {details}); {after}"
    assert printed.endswith("".join(["\nNot shown\n", *(f"  {line}\n" for line in errors.splitlines())]))
    kept = details.read_text()
    assert re.findall(r"^(.*) failed: TypeError: planted", kept, re.MULTILINE) == [failed for failed, _ in passed]
    assert "Traceback (most recent call last)" in kept
    assert "2 of 2 trials completed" in printed.partition("Search summary")[2]
    # Nothing is missing as long as a display is left; what one failed at, after its first words, the next says as well.
    assert printed.count("Random search: 2 trials") == 1 + (method == "_table")
    ended = re.findall(r"^\[Trial (\d)\] Completed", printed, re.MULTILINE)
    assert (not ended) if passed[-1][1] is None else set(ended) == {"1", "2"}


@pytest.mark.parametrize("kind", [LiveView, PlainView])
def test_with_the_switch_on_it_ends_the_search(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, kind, "tick")
    flag = "live" if kind is LiveView else "plain"
    with pytest.raises(TypeError, match="planted in tick"):
        run_search(*FLAGS, "--progress", flag, "--results_dir", tmp_path / "r")


def test_no_failure_is_told_of_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Negative control."""
    assert run_search(*FLAGS, "--progress", "live", "--results_dir", tmp_path / "r") == 0
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert "Not shown" not in printed
    assert not (tmp_path / "r" / DETAILS_NAME).exists()


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "No space left on device")])
def test_a_place_that_takes_no_more_is_no_fault(
    error: OSError, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(Observer):
        closed = 0

        def trial_started(self, trial: Trial) -> None:
            raise error

        def close(self) -> None:
            self.closed += 1

    config = SearchConfig(n_trials=2, n_iterations=2, results_dir=tmp_path / "r")
    observer = Full()
    outcome = HyperparameterSearch(None, config, command=STUB, solve=no_solver, observers=[observer]).run()
    assert (outcome.exit_status, observer.closed) == (0, 1)
    told = [] if isinstance(error, BrokenPipeError) else [f"a display failed: {error}; nothing more is shown there"]
    assert capsys.readouterr().err.splitlines() == told
    assert list(outcome.failures) == told


@pytest.mark.usefixtures("production")
def test_a_table_that_failed_is_gone_from_the_screen(tmp_path: Path) -> None:
    """It stood still, and was drawn once more below the summary."""
    root = str(Path(__file__).parents[2])
    script = f"""
import os, sys
os.environ["STUB_STEP_S"] = "0.05"
sys.path.insert(0, {root!r})
from ghm.search.display.live import LiveView
from tests.search.support import run_search
ticks = []
original = LiveView.tick
def tick(self):
    ticks.append(1)
    if len(ticks) == 2:
        raise TypeError("planted")
    original(self)
LiveView.tick = tick
sys.exit(run_search("--n_trials", 2, "--n_iterations", 30, "--progress", "live", "--results_dir", {str(tmp_path / "r")!r}))
"""
    session = run_in_terminal(script, 160, lines=100)
    assert session.status == 0
    assert any("search " in line and "elapsed" in line for screen in session.screens for line in screen), "it was there"
    assert not any("elapsed" in line for line in session.screen), "and is gone"
    shown = "\n".join(session.screen)
    assert shown.count("Search summary") == 1
    assert f"{LIVE} failed: TypeError: planted" in shown.partition("Search summary")[0]
    assert f"{LIVE} failed: TypeError: planted" in shown.partition("Not shown")[2]
    assert session.raw.rfind(b"\x1b[?25h") > session.raw.rfind(b"\x1b[?25l"), "the cursor is shown again"
