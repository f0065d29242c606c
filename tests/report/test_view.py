"""The search's display: read back from a terminal, narrow and wide, and as plain lines."""

import dataclasses
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from stub_search import watched_search
from terminal import Session, run_in_terminal

from ghm.search.display.live import LiveView, PlainView, _trials, _wide
from ghm.search.display.running import HistoryTail, Running, configuration
from ghm.search.records.state import SearchState
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import described
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import make_trial
from ghm.training.settings import Hyperparameters

STUB = Path(__file__).with_name("stub_search.py")

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def watch(directory: Path, columns: int, lines: int = 40) -> Session:
    script = f"import runpy, sys; sys.argv = ['stub', {str(directory)!r}]\n"
    script += f"sys.path.insert(0, {str(STUB.parent)!r}); runpy.run_path({str(STUB)!r}, run_name='__main__')"
    return run_in_terminal(script, columns, lines)


@pytest.fixture(scope="module", params=[80, 160])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return watch(tmp_path_factory.mktemp("search"), request.param)


def test_running_trials_have_configuration_bar_figures_and_time_left(session: Session) -> None:
    rows = [line for screen in session.screens for line in screen if re.match(r"\s+1 .*/1000", line)]
    assert rows, "trial 1 has a row"
    assert any("lr 0.001/0.003 entropy" in line for screen in session.screens for line in screen), (
        "and its configuration"
    )
    # Exact return and captured value of the last evaluation; the history's pace is 50 iterations a second.
    assert any(re.search(r"━.* 500/1000\s+6\.3100\s+51\.0%\s+0:10$", row) for row in rows)
    assert any(re.search(r"━.* 600/1000\s+6\.3100\s+51\.0%\s+0:08$", row) for row in rows), "it stays in view"
    assert any(re.search(r"━.* 300/1000\s+6\.0300\s+–\s+0:14$", row) for row in rows), "simulated before the first"


def test_totals_count_finished_failed_best_and_time_left(session: Session) -> None:
    final = "\n".join(session.screen)
    assert "2 of 4 trials completed, 2 failed, 0 running" in final
    assert "best so far: trial 3, firm value 6.4300, captured value 83.0%" in final
    assert re.search(r"search 100%.*left 0:00", final)
    assert any("1 of 4 trials completed, 1 failed, 2 running" in "\n".join(screen) for screen in session.screens)


def test_the_documented_messages_stay_above_the_table(session: Session) -> None:
    for number in (1, 2, 3, 4):
        assert f"[Trial {number}] Starting training..." in session.screen
    assert any(line.startswith("[Trial 2] diverged after") for line in session.screen)
    assert session.screen.index("the summary follows") > session.screen.index("[Trial 4] Starting training...")


def test_the_terminal_is_left_as_it_was(session: Session) -> None:
    assert session.status == 0
    assert sum("trials completed" in line for line in session.screen) == 1, "redrawn in place, not repeated"
    assert session.raw.rfind(b"\x1b[?25h") > session.raw.rfind(b"\x1b[?25l"), "the cursor is shown again"


def test_no_line_of_the_table_is_wider_than_the_terminal(session: Session) -> None:
    rows = [line for screen in session.screens for line in screen if "/1000" in line]
    assert rows
    assert all(re.search(r"(\d:\d\d|–)$", line) for line in rows), "a wrapped row would end before its time left"


@pytest.mark.parametrize("columns", range(80, 176, 5))
def test_at_any_width_rows_are_whole(columns: int, tmp_path: Path) -> None:
    """Bars, figures and configurations: none is cut short, those of a wide terminal neither."""
    config = SearchConfig(n_trials=2, n_iterations=1000, results_dir=tmp_path)
    widest = Hyperparameters(lr_policy=0.0001, n_trajectories=1000, policy_hidden=(128, 128), value_hidden=(64, 64, 64))
    running = [Running(make_trial(config, tmp_path, at, widest), clock=lambda: 0.0) for at in (1, 2)]
    console = Console(width=columns, file=io.StringIO(), force_terminal=True, color_system="standard")
    wide = _wide(running, console)
    with console.capture() as capture:
        console.print(_trials(running, wide))
    head, *rows = re.sub(r"\x1b\[[\d;]*m", "", capture.get()).splitlines()
    assert head.split() == [
        "trial",
        *["configuration"] * wide,
        "progress",
        "iteration",
        "firm",
        "value",
        "captured",
        "left",
    ]
    for row in rows:
        assert row.rstrip().endswith("0/1000           –         –        –"), "ends with the time left"
        assert (configuration(widest) in row) is wide
        assert row.count("━") >= 16, "a bar that moves"
    assert not wide or columns >= 140
    assert wide or columns < 160


def test_many_trials_on_a_low_terminal_are_counted_not_cut_off(tmp_path: Path) -> None:
    screens = watch(tmp_path, columns=80, lines=9).screens
    assert any("and 1 more running" in line for screen in screens for line in screen)


def test_an_exception_in_the_search_leaves_the_cursor_visible(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(STUB.parent)!r})
from pathlib import Path
from ghm.search.display.live import LiveView
from stub_search import watched_search
class Broken(LiveView):
    def trial_finished(self, trial, outcome):
        raise OSError("disk full")
watched_search(Broken(), Path({str(tmp_path)!r}))
"""
    session = run_in_terminal(script, 80)
    assert session.status == 1
    assert session.raw.rfind(b"\x1b[?25h") > session.raw.rfind(b"\x1b[?25l")


def test_plain_lines_say_the_same_without_control_codes(tmp_path: Path) -> None:
    stream = io.StringIO()
    watched_search(PlainView(stream, interval=0.0), tmp_path)
    text = stream.getvalue()
    assert not CONTROL.search(text)
    assert "[Trial 1] Starting training..." in text
    assert f"[Trial 1] Starting training...\n{described(Hyperparameters())}\n" in text
    assert "[Trial 1] iteration 500/1000: firm value 6.3100, captured value 51.0%, about 0:10 left" in text
    assert "1 of 4 trials completed, 1 failed, 0 running; about 0:00 left" in text
    assert "best so far: trial 3, firm value 6.4300, captured value 83.0%" in text


def test_plain_lines_about_one_trial_keep_their_distance(tmp_path: Path) -> None:
    stream = io.StringIO()
    watched_search(PlainView(stream, interval=3600.0), tmp_path)
    assert "iteration 500/1000" not in stream.getvalue()


def test_live_view_on_a_stream_that_is_no_terminal_prints_no_control_codes(tmp_path: Path) -> None:
    """``--progress live`` into a file: Rich sees that it is none."""
    stream = io.StringIO()
    watched_search(LiveView(stream), tmp_path)
    assert not CONTROL.search(stream.getvalue())
    assert "[Trial 4] Starting training..." in stream.getvalue()


def figures(tail: HistoryTail) -> dict[str, float]:
    """What it has, without what is missing."""
    found = {} if tail.newest is None else msgspec.structs.asdict(tail.newest)
    return {name: value for name, value in found.items() if value is not None}


def test_a_trial_that_goes_on_from_a_checkpoint_is_counted_from_there(tmp_path: Path) -> None:
    """Its history has what an earlier process recorded; share, pace and time left are of what this one does."""
    config = SearchConfig(n_trials=1, n_iterations=100, results_dir=tmp_path)
    trial = make_trial(config, tmp_path, 1, Hyperparameters())
    trial.directory.mkdir()
    trial.history_path.write_text("".join(f'{{"iteration": {at}, "seconds": {at}}}\n' for at in (20, 40)))
    one = Running(trial, clock=lambda: 0.0)
    assert (one.first, one.iteration, one.iterations_left) == (40, 40, 60)
    assert (one.pace.iterations, one.pace.intervals) == (60, [])
    with trial.history_path.open("a") as file:
        file.write('{"iteration": 55, "seconds": 42.0}\n')
    one.read()
    assert (one.first, one.iteration, one.iterations_left, one.pace.done) == (40, 55, 45, 15)
    assert one.pace.intervals == [(15, 2.0)]


class TestHistoryTail:
    def test_reads_only_what_was_appended(self, tmp_path: Path) -> None:
        path = tmp_path / "history.jsonl"
        tail = HistoryTail(path)
        tail.read()
        assert figures(tail) == {}
        path.write_text(
            json.dumps({"iteration": 1, "exact_return": 6.0, "payout_level": 0.2}) + "\n" + '{"iteration": 2, '
        )
        tail.read()
        assert figures(tail) == {"iteration": 1, "exact_return": 6.0, "payout_level": 0.2}
        with path.open("a") as file:
            file.write('"exact_return": null, "payout_level": null}\nnot JSON\n[1]\n')
        tail.read()
        assert figures(tail) == {"iteration": 2, "exact_return": 6.0, "payout_level": 0.2}
        with path.open("a") as file:
            file.write('{"iteration": 3, "exact_return": 6.1, "payout_level": null}\n')
        tail.read()
        assert figures(tail) == {"iteration": 3, "exact_return": 6.1}

    @pytest.mark.parametrize("replaced", [True, False])
    def test_starts_over_with_a_new_or_shorter_file(self, tmp_path: Path, replaced: bool) -> None:
        path = tmp_path / "history.jsonl"
        path.write_text('{"iteration": 1000, "captured_value": 0.9}\n' * 3)
        tail = HistoryTail(path)
        tail.read()
        if replaced:
            other = tmp_path / "other"
            other.write_text('{"iteration": 100}\n' * 20)
            other.replace(path)
        else:
            path.write_text('{"iteration": 100}\n')
        tail.read()
        assert figures(tail) == {"iteration": 100}

    def test_a_huge_history_is_read_at_its_end(self, tmp_path: Path) -> None:
        path = tmp_path / "history.jsonl"
        path.write_text("".join(json.dumps({"iteration": n}) + "\n" for n in range(120_000)))
        tail = HistoryTail(path)
        tail.read()
        assert figures(tail) == {"iteration": 119_999}


def test_importing_the_view_imports_no_heavy_library() -> None:
    heavy = {"torch", "pandas", "plotly", "matplotlib", "scipy", "rich"}
    code = f"import sys, ghm.search.display.live; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_event_costs_the_same_however_many_trials_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts made anew from all trials at each event take a time that grows with their square."""

    def all_of_them(_self: SearchState) -> list[TrialRecord]:
        raise AssertionError("all trials were asked for")

    with monkeypatch.context() as patch:
        for name in ("trials", "ranked", "failures"):
            patch.setattr(SearchState, name, property(all_of_them))
        stream = io.StringIO()
        results = watched_search(PlainView(stream), tmp_path / "r", n_trials=6)
    assert "3 of 6 trials completed, 3 failed" in stream.getvalue()
    retried = dataclasses.replace(results.trials[1], status="completed")
    results.add(retried)
    results.add(retried)
    assert (results.counts().completed, results.counts().failed) == (4, 2)
    assert results.counts().completed == sum(outcome.status == "completed" for outcome in results.trials)
