"""The results in memory and their file: ranking, and what writing costs as a search grows."""

import json
from pathlib import Path

import pytest

from ghm.search import SearchConfig, SearchSpace
from ghm.search.records import results_file as results_module
from ghm.search.records.results_file import ResultsFile
from ghm.search.records.search_record import new_record
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord
from ghm.training.settings import Hyperparameters


def outcome(number: int, value: float | None = 6.0) -> TrialRecord:
    if value is None:
        return TrialRecord(number, Hyperparameters(), 123 + number, "crashed", "killed")
    return TrialRecord(number, Hyperparameters(), 123 + number, "completed", metrics={"best_return": value})


@pytest.fixture
def results(tmp_path: Path) -> SearchState:
    record = new_record(SearchConfig(), SearchSpace().choices())
    return SearchState(tmp_path / record.results_name, record)


def test_ranking_ignores_failures_and_the_order_of_ends(results: SearchState) -> None:
    for number, value in ((5, 6.2), (3, 6.4), (4, None), (1, 6.4), (2, 5.0)):
        results.add(outcome(number, value))
        assert results.best_trial == results.ranked[0]
    assert [o.trial_num for o in results.ranked] == [1, 3, 5, 2]
    assert [o.trial_num for o in results.trials] == [1, 2, 3, 4, 5]


def test_a_trial_that_runs_again_replaces_itself(results: SearchState) -> None:
    results.add(outcome(1, 6.4))
    results.add(outcome(2, 6.2))
    results.add(outcome(1, 6.0))
    assert results.best_trial == results.ranked[0]
    assert results.best_trial is not None
    assert results.best_trial.trial_num == 2


def test_a_failed_trial_with_a_high_return_is_not_the_best(results: SearchState) -> None:
    results.add(TrialRecord(1, Hyperparameters(), 124, "diverged", "nan", metrics={"best_return": 9.0}))
    assert results.best_trial is None
    ResultsFile(results).write()
    content = json.loads(results.path.read_text())
    assert content["best_config"] is None
    assert content["results"][0]["metrics"]["best_return"] == 9.0


class Disk:
    """A clock, and a disk of 100 MB/s that moves it on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.writing = 0.0
        self.n_writes = 0

    def write(self, _path: Path, data: bytes) -> None:
        self.now += len(data) / 1e8 + 1e-3
        self.writing += len(data) / 1e8 + 1e-3
        self.n_writes += 1


def write_through_a_search(n_trials: int, results: SearchState, monkeypatch: pytest.MonkeyPatch, done: int = 0) -> Disk:
    """One-second trials after ``done`` others, and the file written whenever it is cheap."""
    disk = Disk()
    monkeypatch.setattr(results_module, "write_atomically", disk.write)
    file = ResultsFile(results, clock=lambda: disk.now)
    for number in range(1, done + 1):
        results.add(outcome(number))
    for number in range(done + 1, done + n_trials + 1):
        disk.now += 1.0
        results.add(outcome(number))
        file.write_if_cheap()
    return disk


def test_writing_a_grid_of_11664_costs_a_bounded_share(results: SearchState, monkeypatch: pytest.MonkeyPatch) -> None:
    # The last 1,664 trials are the dearest: the file has 12 MB.
    disk = write_through_a_search(1_664, results, monkeypatch, done=10_000)
    assert disk.writing < 0.003 * 1_664
    # And it is never older than two minutes.
    assert disk.n_writes > 1_664 / 120


def test_writing_after_every_trial_would_not(results: SearchState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "SNAPSHOT_SHARE", float("inf"))
    disk = write_through_a_search(20, results, monkeypatch, done=10_000)
    assert disk.writing > 0.01 * 20


def test_a_search_of_tens_of_trials_is_written_after_each(
    results: SearchState, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_through_a_search(20, results, monkeypatch).n_writes == 20
