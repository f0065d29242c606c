"""A fault of our own while trials run: no lost worker, no silence; with the tests' switch on, raised."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ghm.io.guard import SWITCH
from ghm.search import HyperparameterSearch, SearchConfig
from ghm.search.backends import task as task_module
from ghm.search.backends.heartbeat import Heartbeat
from ghm.search.backends.task import Task
from ghm.search.search_outcome import SearchOutcome
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial
from tests.search.support import STUB, no_solver

PLANTED = "TypeError: planted"


def fail(*_: Any, **__: Any) -> Any:
    raise TypeError("planted")


def search(directory: Path, workers: bool = False, **options: Any) -> SearchOutcome:
    config = SearchConfig(n_trials=2, n_iterations=2, results_dir=directory, heartbeat=3.0)
    with ThreadPoolExecutor(1) as executor:
        options |= {"executor": executor} if workers else {}
        return HyperparameterSearch(None, config, command=STUB, solve=no_solver, observers=[], **options).run()


def in_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted where the first trial is run, here or by a worker; the second is none the worse for it."""
    original = TrialRunner.run

    def run(self: TrialRunner, trial: Trial) -> Any:
        return fail() if trial.number == 1 else original(self, trial)

    monkeypatch.setattr(TrialRunner, "run", run)


def not_sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An executor that cannot send the first task."""

    def run(task: Task) -> Any:
        return fail() if task.trial.number == 1 else task_module.run_task(task)

    return {"run": run}


def told(outcome: SearchOutcome, directory: Path) -> None:
    first, second = outcome.results.trials
    log = directory / "trial_001/stderr.log"
    assert (first.status, second.status) == ("crashed", "completed")
    assert first.error is not None
    assert first.error.startswith("running trial 1 failed: ")
    assert first.error.endswith(f"{PLANTED} (details: {log})")
    assert f"trial 1: crashed: {first.error}" in outcome.summary
    assert "Traceback (most recent call last):\n" in log.read_text()
    assert "in fail" in log.read_text()


@pytest.mark.parametrize(
    ("plant", "workers"),
    [(in_the_first, False), (in_the_first, True), (not_sent, True)],
    ids=["here", "worker", "sent"],
)
@pytest.mark.parametrize("switch", ["on", "off"])
def test_a_trial_that_our_own_fault_ended(
    plant: Callable[[pytest.MonkeyPatch], dict[str, Any] | None],
    workers: bool,
    switch: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = plant(monkeypatch) or {}
    if switch == "on":
        with pytest.raises((TypeError, RuntimeError), match="planted"):
            search(tmp_path / "r", workers, **options)
        return
    monkeypatch.delenv(SWITCH)
    told(search(tmp_path / "r", workers, **options), tmp_path / "r")


def test_a_worker_without_supervision_ends_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would renew its lease, or tell it to stop."""
    monkeypatch.delenv(SWITCH)
    monkeypatch.setenv("STUB_STEP_S", "20")
    monkeypatch.setattr(task_module, "_lost", fail)
    outcome = search(tmp_path / "r", workers=True)
    assert [one.status for one in outcome.results.trials] == ["crashed"] * 2
    assert all(one.error and PLANTED in one.error for one in outcome.results.trials)


@pytest.mark.parametrize("switch", ["on", "off"])
def test_a_search_that_gives_no_signs_ends(switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trials would stop one by one, each for silence."""
    if switch == "off":
        monkeypatch.delenv(SWITCH)
    monkeypatch.setenv("STUB_STEP_S", "20")
    original = Heartbeat._write

    def write(self: Heartbeat) -> None:
        fail() if threading.current_thread().name == "heartbeat" else original(self)

    monkeypatch.setattr(Heartbeat, "_write", write)
    with pytest.raises(TypeError, match="planted"):
        search(tmp_path / "r", workers=True)
