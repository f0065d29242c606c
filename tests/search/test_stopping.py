"""A trial's process that is asked to end: what it is sent and when, what pauses count for, and failures summed over calls."""

import dataclasses
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghm.search.settings.config import SearchConfig
from ghm.search.trials import process as process_module
from ghm.search.trials.process import STOP_GRACE_S, watch
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial, make_trial
from ghm.training.settings import Hyperparameters
from tests.search.support import STUB, read, run_search


class Deaf:
    """A process that only SIGKILL ends; each look at it takes a second of the clock."""

    pid = 1

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[float, signal.Signals]] = []

    def wait(self, _timeout: float) -> int:
        if any(number is signal.SIGKILL for _, number in self.sent):
            return -signal.SIGKILL
        self.now += 1.0
        if self.now > 1000:
            raise AssertionError("it would be waited for without end")
        raise subprocess.TimeoutExpired("deaf", 0.1)

    def clock(self) -> float:
        return self.now


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Deaf:
    process = Deaf()
    monkeypatch.setattr(process_module, "_send", lambda one, number: one.sent.append((one.now, number)))
    return process


def watched(process: Any, timeout: float | None, *, stopped: bool = False, killed: bool = False) -> tuple[int, str]:
    stop, kill = threading.Event(), threading.Event()
    for event, is_set in ((stop, stopped), (kill, killed)):
        if is_set:
            event.set()
    return watch(process, timeout, stop, kill, process.clock)


def test_one_that_ignores_sigterm_is_killed_after_its_grace(deaf: Deaf) -> None:
    assert watched(deaf, None, stopped=True) == (-9, "stop")
    asked, *_, killed = deaf.sent
    assert asked == (1.0, signal.SIGTERM)
    assert killed == (1.0 + STOP_GRACE_S, signal.SIGKILL)
    assert [number for _, number in deaf.sent] == [signal.SIGTERM, signal.SIGKILL], "asked once"


def test_a_limit_of_time_that_it_ignores_ends_it_too(deaf: Deaf) -> None:
    assert watched(deaf, 5.0) == (-9, "timeout")
    assert deaf.sent == [(5.0, signal.SIGTERM), (5.0 + STOP_GRACE_S, signal.SIGKILL)]


def test_the_second_interruption_kills_at_once(deaf: Deaf) -> None:
    assert watched(deaf, None, stopped=True, killed=True) == (-9, "stop")
    assert deaf.sent == [(1.0, signal.SIGKILL)]


def test_a_trial_that_ignores_sigterm_does_not_hold_up_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real process that is deaf to SIGTERM, with less patience than a search has."""
    monkeypatch.setattr(process_module, "STOP_GRACE_S", 0.2)
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "hang_deaf"}))
    trial = make_trial(SearchConfig(results_dir=tmp_path, n_iterations=6, eval_freq=2), tmp_path, 1, Hyperparameters())
    runner, found = TrialRunner(STUB), []
    thread = threading.Thread(target=lambda: found.append(runner.run(trial)), daemon=True)
    thread.start()
    wait_until(lambda: trial.history_path.exists() and trial.history_path.read_text().count("\n") == 2)
    runner.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert (found[0].status, found[0].iterations) == ("interrupted", 2)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_pauses_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stood still from 10 to 14 and from 20 to 27: of 30 seconds 19 count."""
    now = iter([10.0, 14.0, 20.0, 27.0, 30.0])
    monkeypatch.setattr("ghm.search.trials.runner.time.monotonic", lambda: next(now))
    runner = TrialRunner(["true"])
    for call in (runner.pause, runner.go_on, runner.pause, runner.go_on):
        call()
    assert runner._clock() == 19.0


def failing(tmp_path: Path, earlier: int) -> Trial:
    config = SearchConfig(results_dir=tmp_path, n_iterations=6, eval_freq=2)
    return dataclasses.replace(make_trial(config, tmp_path, 1, Hyperparameters()), machine_failures=earlier)


def test_failures_of_the_machine_are_summed_over_attempts_and_calls(tmp_path: Path) -> None:
    """Three attempts fail, after four failures in earlier calls."""

    def full() -> None:
        raise OSError("no space left on device")

    outcome = TrialRunner(STUB, max_retries=2, before_attempt=full).run(failing(tmp_path, 4))
    assert (outcome.status, outcome.attempts, outcome.machine_failures) == ("infrastructure", 3, 7)


def test_failures_are_summed_by_a_search_that_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts a call; the count that the record has after three calls is six."""
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "SIGKILL"}))
    flags = ("--n_trials", 1, "--max_retries", 1, "--n_iterations", 60, "--eval_freq", 2, "--progress", "none")
    run_search(*flags, "--results_dir", tmp_path / "r")
    counts = [read(tmp_path / "r")["results"][0]["machine_failures"]]
    for _ in range(2):
        run_search("--resume", tmp_path / "r", "--progress", "none")
        counts.append(read(tmp_path / "r")["results"][0]["machine_failures"])
    assert counts == [2, 4, 6]
