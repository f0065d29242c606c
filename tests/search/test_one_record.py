"""Every surface says the same of a search: each of these was once said in two ways."""

import dataclasses
import html
import itertools
import json
import math
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ghm
from ghm.io.atomic import write_json
from ghm.io.sealed import read_sealed, write_sealed
from ghm.report.analysis.findings import headline, searched
from ghm.report.comparison import render_comparison
from ghm.report.page import render
from ghm.search import SearchConfig, SearchSpace, replay
from ghm.search.decisions.workload import workload
from ghm.search.display.observer import Plan
from ghm.search.display.running import SearchProgress
from ghm.search.display.summary import summary
from ghm.search.explain import explain
from ghm.search.records.reader import read_search
from ghm.search.records.results_file import ResultsFile
from ghm.search.records.search_record import new_record
from ghm.search.records.state import SearchState
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.search.trials.trial import RungResult, Trial, make_trial
from ghm.training.settings import Hyperparameters
from tests.search.support import read, results_file, run_search

ROOT = Path(__file__).parents[2]
SHORT = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")


@pytest.fixture
def calibrations(tmp_path: Path) -> Path:
    path = tmp_path / "calibrations.json"
    path.write_text(json.dumps([{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}]))
    return path


def tiles(search: SearchState) -> dict[str, str]:
    page = render(search).decode()
    return dict(re.findall(r"<dt>([^<]*)</dt>\s*<dd>([^<]*)</dd>", html.unescape(page)))


def state_of(directory: Path, *trials: TrialRecord, **settings: Any) -> SearchState:
    """A search that has these trials, as its results JSON has it."""
    config = SearchConfig(**{"n_iterations": 100, "eval_freq": 10, "results_dir": directory} | settings)
    record = new_record(config, SearchSpace().choices())
    state = SearchState(directory / record.results_name, record)
    for trial in trials:
        state.add(trial)
    ResultsFile(state).write()
    return state


def trial(number: int, captured: float | None = None, status: str = "completed", **known: Any) -> TrialRecord:
    """A record; of what has no captured value the training failed, or is on its way."""
    metrics = {} if captured is None else {"best_return": 5.95 + 0.7 * captured, "captured_value": captured}
    metrics |= {} if captured is None else {"final_return": 5.95}
    known = {"iterations": 100, "metrics": metrics, "error": None if status == "completed" else "words"} | known
    return TrialRecord(number, Hyperparameters(lr_policy=1e-3 / number), 123 + number, TrialState(status), **known)


def test_a_configuration_with_a_trial_to_run_is_ranked_nowhere(tmp_path: Path) -> None:
    """Of the first of three seeds each all are done, of the second one is, and one is interrupted."""
    first = [trial(number, 0.9, configuration=1) for number in (1, 2, 3)]
    rest = [trial(4, 0.95, configuration=2), trial(5, None, "interrupted", configuration=2, iterations=40)]
    state = state_of(tmp_path, *first, *rest, n_trials=2, n_seeds=3)
    said = summary(state, interrupted=True)
    assert "Best configuration: 1, mean captured value 90.0% over its 3 trials" in said
    assert re.search(r"configuration +1\n", said), "the only one in the table"
    search = read_search(state.path)
    assert [one.configuration for one in search.ranking()] == [1]
    frame = ghm.load_results(state.path).configurations.set_index("configuration")
    assert frame.loc[1, "rank"] == 1
    assert math.isnan(frame.loc[2, "rank"])
    assert tiles(search)["Captured value"] == "90.0%"
    assert "Configuration 1 is the best: it captures 90.0% of " in headline(search)


@pytest.mark.parametrize(
    ("more", "rank_by"),
    [
        ((), "mean"),
        ((), "worst"),
        (("--confirm", 2, "--confirm_seeds", 3), "mean"),
        (("--confirm", 2, "--confirm_seeds", 3), "worst"),
        (("--confirm", 2, "--confirm_seeds", 10, "--race"), "mean"),
    ],
)
def test_the_best_return_is_that_of_the_best_trial_everywhere(
    more: tuple[Any, ...], rank_by: str, tmp_path: Path, calibrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--n_trials", 3, "--calibrations", calibrations, "--rank_by", rank_by, *more)
    assert run_search(*flags, *SHORT, "--results_dir", tmp_path / "r") == 0
    printed = capsys.readouterr().out
    search = read_search(tmp_path / "r")
    best = search.best_trial
    assert best is not None
    assert (best.stage == "confirm") == bool(more)
    content = read(tmp_path / "r")
    assert content["best_return"] == best.best_return == search.best_value
    entry = content["results"][best.trial_num - 1]
    assert (entry["metrics"]["best_return"], entry["hyperparameters"]) == (
        content["best_return"],
        content["best_config"],
    )
    assert f"trial {best.trial_num} on {best.calibration}, firm value {best.best_return:.4f}" in printed
    assert tiles(search)[f"Best firm value ({best.calibration})"] == f"{best.best_return:.4f}"
    assert f"best: trial {best.trial_num} with {best.best_return:.4f}>" in repr(ghm.load_results(tmp_path / "r"))
    if not more:
        assert search.ranked[0] is best


def test_of_several_firms_the_first_of_the_ranked_is_the_best(tmp_path: Path) -> None:
    """The firm with the greater returns is not the one on which more of the value is captured."""
    known = [(1, 0.9, 5.0, "calm"), (2, 0.8, 9.0, "wild"), (3, 0.5, 4.6, "calm"), (4, 0.7, 8.8, "wild")]
    state = state_of(tmp_path, n_trials=2)
    state = SearchState(state.path, dataclasses.replace(state.record, calibrations=_firms()))
    for number, captured, value, firm in known:
        metrics = {"best_return": value, "final_return": value, "captured_value": captured}
        state.add(trial(number, captured, metrics=metrics, configuration=(number + 1) // 2, calibration=firm))
    assert state.best_trial is not None
    assert state.best_trial.trial_num == 1
    assert [one.trial_num for one in state.ranked] == [1, 2, 4, 3]


def _firms() -> tuple[Any, ...]:
    from ghm.economics.model import GHMModel
    from ghm.search.settings.calibrations import Calibration

    return (Calibration("calm", GHMModel(sigma_x=0.1)), Calibration("wild", GHMModel(sigma_x=0.3)))


def test_stopped_and_paused_are_said_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_dir = tmp_path / "r"
    assert run_search("--n_trials", 5, "--rungs", 2, 4, "--keep", 0.4, *SHORT, "--results_dir", results_dir) == 0
    for keep, plan, stopped in ((0.4, "5 done, 0 to run", 4), (0.6, "4 done, 1 to run", 3)):
        capsys.readouterr()
        for flags in (("--dry_run",), ("--progress", "plain")):
            assert run_search("--resume", results_dir, "--keep", keep, *flags) == 0
            assert f"({plan})" in capsys.readouterr().out
        entries = {entry["trial_num"]: entry for entry in read(results_dir)["results"]}
        statuses = {number: entry["metrics"]["status"] for number, entry in entries.items()}
        assert list(statuses.values()).count("stopped_at_rung") == stopped
        frame = ghm.load_results(results_dir).trials.set_index("trial_num")
        for number, status in statuses.items():
            own = read_sealed(results_dir / f"trial_{number:03d}" / "outcome.json")
            assert own["metrics"]["status"] == frame.loc[number, "status"] == status
        one = next(number for number, status in statuses.items() if status == "stopped_at_rung")
        with pytest.raises(
            ghm.errors.UserError, match=rf"^trial {one} was stopped at rung \d; replay needs a completed trial$"
        ):
            replay.replay(results_dir, one)
        assert "was stopped" in explain(results_dir, one)


def test_after_two_interruptions_the_trial_is_said_alike(tmp_path: Path) -> None:
    """The trial ignores the first, is killed at the second, and has two iterations in its history."""
    results_dir = tmp_path / "r"
    flags = ["--n_trials", "3", "--n_iterations", "6", "--eval_freq", "2", "--progress", "plain"]
    search = subprocess.Popen(
        [sys.executable, "-m", "tests.search.support", *flags, "--results_dir", str(results_dir)],
        cwd=ROOT, env=_environment({"STUB_MODES": json.dumps({"125": "hang_deaf"})}), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    history = results_dir / "trial_002" / "history.jsonl"
    while not (history.exists() and history.read_text().count("\n") == 2):
        assert search.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    search.send_signal(signal.SIGINT)
    assert search.stdout is not None
    while "Stopping" not in search.stdout.readline():
        assert search.poll() is None
    search.send_signal(signal.SIGINT)
    search.communicate(timeout=120)
    own = read_sealed(results_dir / "trial_002" / "outcome.json")["metrics"]
    entry = read(results_dir)["results"][1]["metrics"]
    row = ghm.load_results(results_dir).trials.set_index("trial_num").loc[2]
    assert (own["status"], own["iterations"]) == ("interrupted", 2)
    assert (entry["status"], entry["iterations"]) == ("interrupted", 2)
    assert (row["status"], row["iterations"]) == ("interrupted", 2)
    assert "It ended as interrupted after 2 iterations" in explain(results_dir, 2)


def _environment(more: dict[str, str]) -> dict[str, str]:
    import os

    return {**os.environ, **more}


def test_a_killed_trial_has_the_iterations_of_its_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "SIGKILL"}))
    run_search("--n_trials", 2, "--max_retries", 0, *SHORT, "--results_dir", tmp_path / "r")
    lines = (tmp_path / "r/trial_001/history.jsonl").read_text().splitlines()
    reached = json.loads(lines[-1])["iteration"]
    assert reached == 2
    assert read(tmp_path / "r")["results"][0]["metrics"]["iterations"] == reached
    assert read_sealed(tmp_path / "r/trial_001/outcome.json")["metrics"]["iterations"] == reached
    assert ghm.load_results(tmp_path / "r").trials.loc[0, "iterations"] == reached


def test_an_interrupted_search_counts_what_was_asked_for(tmp_path: Path) -> None:
    state = state_of(tmp_path, trial(1, 0.9), trial(2, 0.8), n_trials=4)
    search = read_search(state.path)
    assert "Search summary: 2 of 4 trials completed, 2 not finished" in summary(state, interrupted=True)
    assert "2 of 4 trials completed, 0 failed, 2 not started" in searched(search)
    assert (tiles(search)["Completed"], tiles(search)["Unfinished"]) == ("2", "2")
    assert "2 of 4 trials completed" in repr(ghm.load_results(state.path))


def test_a_grid_has_as_many_trials_as_it_has(tmp_path: Path) -> None:
    space = {name: values[:1] for name, values in vars(SearchSpace()).items()} | {"lr_policy": [1e-3, 3e-4]}
    for name, rates in (("two", [1e-3, 3e-4]), ("three", [1e-3, 3e-4, 1e-4])):
        (tmp_path / "space.json").write_text(json.dumps(space | {"lr_policy": rates}))
        grid = ("--search_type", "grid", "--space", tmp_path / "space.json")
        assert run_search(*grid, *SHORT, "--results_dir", tmp_path / name) == 0
        assert read(tmp_path / name)["search_config"]["n_trials"] == len(rates)
    page = html.unescape(render_comparison([read_search(tmp_path / name) for name in ("two", "three")]).decode())
    assert re.search(r'<th scope="row"[^>]*>n_trials</th>\s*<td[^>]*>2</td>\s*<td[^>]*>3</td>', page), page[-3000:]


def test_the_comparison_names_the_captured_value_of_each_page(tmp_path: Path) -> None:
    """Of several seeds the mean leads, not the luckiest."""
    states = []
    for name, values in (("a", (0.9, 0.7)), ("b", (0.99, 0.5))):
        (tmp_path / name).mkdir()
        trials = [trial(number, value, configuration=1) for number, value in enumerate(values, 1)]
        states.append(state_of(tmp_path / name, *trials, n_trials=1, n_seeds=2))
    searches = [read_search(state.path) for state in states]
    page = html.unescape(render_comparison(searches).decode())
    row = {search.path.parent.name: tiles(search)["Captured value"] for search in searches}
    assert row == {"a": "80.0%", "b": "74.5%"}
    for name, share in row.items():
        assert re.search(
            rf'<th scope="row"[^>]*>{name}</th>(\s*<td[^>]*>[^<]*</td>){{3}}\s*<td[^>]*>{share}</td>', page
        )


def rung(captured: float) -> tuple[RungResult, ...]:
    return (RungResult(20, 5.95 + 0.7 * captured, captured),)


def at_rung(number: int, captured: float, status: str) -> TrialRecord:
    return trial(number, captured, status, iterations=20, rungs=rung(captured))


def progress_of(state: SearchState, started: list[Trial], n_workers: int = 1) -> SearchProgress:
    config = dataclasses.replace(state.record.config, n_workers=n_workers)
    progress = SearchProgress(Plan(config, state.path.parent, 0, 0), state)
    for one in started:
        progress.start(one)
    return progress


def test_counts_during_rungs(tmp_path: Path) -> None:
    """One goes on, one waits, one was stopped, one has failed and one has completed."""
    records = [at_rung(1, 0.9, "paused"), at_rung(2, 0.8, "paused"), at_rung(3, 0.1, "stopped_at_rung")]
    state = state_of(tmp_path, *records, trial(4, None, "diverged"), trial(5, 0.95), n_trials=6, rungs=(20,), keep=0.5)
    going = make_trial(state.record.config, tmp_path, 1, Hyperparameters())
    progress = progress_of(state, [going])
    assert progress.counts() == "1 of 6 trials completed, 1 failed, 1 paused and 1 stopped at rung 20, 1 running"


def test_what_is_left_counts_paused_trials_and_who_goes_on(tmp_path: Path) -> None:
    """By hand: 4 configurations, 100 iterations, a rung at 20 from which half go on; confirmed by 3 trials of 250."""
    config = SearchConfig(
        n_trials=4, n_iterations=100, eval_freq=10, rungs=(20,), keep=0.5, confirm=1, confirm_seeds=3, confirm_iterations=250
    )  # fmt: skip
    numbering = TrialNumbering(config, (), 4)
    fresh = workload(numbering, {})
    assert sorted(fresh.parts) == [20] * 4 + [80] * 2 + [250] * 3
    assert fresh.n_trials == 7
    waiting = {1: at_rung(1, 0.9, "paused"), 2: at_rung(2, 0.8, "paused"), 3: trial(3, None, "diverged")}
    some = workload(numbering, waiting)
    assert sorted(some.parts) == [20] + [80] * 2 + [250] * 3
    assert some.n_trials == 6
    decided = waiting | {4: at_rung(4, 0.1, "stopped_at_rung")}
    assert sorted(workload(numbering, decided).parts) == [80] * 2 + [250] * 3
    running = workload(numbering, decided, running=(1,))
    assert sorted(running.parts) == [80] + [250] * 3, "what runs is counted by its own history"
    assert sorted(workload(numbering, decided, ahead={1: 60}).parts) == [40, 80, *[250] * 3], "killed at 60"
    over = decided | {1: trial(1, 0.9, rungs=rung(0.9)), 2: trial(2, 0.8, rungs=rung(0.8))}
    over |= {number: trial(number, 0.9, stage="confirm", iterations=250) for number in (5, 6, 7)}
    assert workload(numbering, over).parts == ()
    more = dataclasses.replace(numbering, config=dataclasses.replace(config, keep=0.75))
    assert workload(more, over).parts == (80,), "the one that was stopped goes on"


def test_progress_counts_what_was_done_before_a_search_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, also where other programs have the processor in between, so that the count itself seems to take seconds."""
    monkeypatch.setattr("time.perf_counter", itertools.count().__next__)
    state = state_of(tmp_path, trial(1, 0.9), n_trials=3)
    directory = tmp_path / "trial_002"
    directory.mkdir()
    write_json(directory / "hyperparameters.json", plain_hyperparameters(Hyperparameters()))
    (directory / "history.jsonl").write_text('{"iteration": 75, "seconds": 3.5}\n{"iteration": 80, "sec')
    search = read_search(state.path)
    (left,) = search.unfinished
    assert (left.trial_num, left.status, left.iterations, left.seconds) == (2, TrialState.UNFINISHED, 75, 3.5)
    assert sorted(search.workload().parts) == [25, 100]
    row = ghm.load_results(tmp_path).trials.set_index("trial_num").loc[2]
    assert (row["iterations"], row["seconds"], row["seed"]) == (75, 3.5, 125)
    going = make_trial(search.record.config, tmp_path, 2, Hyperparameters())
    progress = progress_of(search, [going])
    assert progress.running[2].iteration == 75, "a trial that goes on has a history when it starts"
    assert progress.share_done == 0.0
    (directory / "history.jsonl").write_text('{"iteration": 100, "seconds": 4.5}\n')
    progress.read()
    assert progress.share_done == pytest.approx(25 / 125)


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    state = state_of(tmp_path, trial(1, 0.9), trial(2, 0.8), n_trials=2)
    content = json.loads(state.path.read_text())
    del content["sha256"]
    content["results"][0]["seed"] = "x"
    write_sealed(state.path, content)
    search = read_search(results_file(tmp_path))
    assert [one.trial_num for one in search.trials] == [2]
    assert "`int`, got `str`" in search.damaged["entry 1 of the results"]
