"""A search from its command line to its records, on stub trials."""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ghm.search import HyperparameterSearch, Observer, SearchConfig, SearchSpace
from ghm.search.main import parse
from ghm.search.records.state import SearchState
from ghm.search.taking import moved_note
from ghm.search.trials import gpus as gpus_module
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial
from tests.search.support import STUB, comparable, no_solver, read, results_file, run_search

SMALL = ("--n_trials", 4, "--n_iterations", 4)

# How the stub ends its run (seed 124 is trial 1), and how the search must record that.
FAILURES = [
    ("diverge", "diverged", "value_loss became nan at iteration 2", 1),
    ("crash", "crashed", "RuntimeError: a defect of the training", 1),
    ("usage", "crashed", "--n_trajectories must be", 1),
    ("SIGSEGV", "crashed", "killed by SIGSEGV", 2),
    ("SIGKILL", "crashed", "killed by SIGKILL", 2),
    ("out_of_memory", "out_of_memory", "cannot allocate 8 GiB", 2),
    ("infrastructure", "infrastructure", "No space left on device", 2),
    ("no_result", "crashed", "without a whole result file", 1),
    ("nan_result", "crashed", "without a whole result file", 1),
    ("weird_error", "diverged", r"bad \x1b[31m\nxxx", 1),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    def fail(**modes: str) -> None:
        monkeypatch.setenv("STUB_MODES", json.dumps({str(123 + int(k[1:])): mode for k, mode in modes.items()}))

    return fail


def test_messages_records_and_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_search(*SMALL, "--n_workers", 2, "--results_dir", tmp_path / "r") == 0
    printed = capsys.readouterr().out
    for number in range(1, 5):
        assert f"[Trial {number}] Starting training..." in printed
        assert f"[Trial {number}] Completed in" in printed
    for part in ("Best configuration", "Top 5", str(results_file(tmp_path / "r")), "--seed 999"):
        assert part in printed
    results = read(tmp_path / "r")
    returns = {entry["trial_num"]: entry["metrics"]["best_return"] for entry in results["results"]}
    best = max(returns, key=lambda number: returns[number])
    assert results["best_return"] == returns[best]
    assert results["best_config"] == results["results"][best - 1]["hyperparameters"]
    written = json.loads((tmp_path / "r" / f"trial_{best:03d}" / "hyperparameters.json").read_text())
    assert written == results["best_config"]
    assert "training with seed 124" in (tmp_path / "r/trial_001/stdout.log").read_text()


@pytest.mark.parametrize(("mode", "status", "error", "attempts"), FAILURES)
def test_a_failure_is_typed_and_the_search_goes_on(
    mode: str, status: str, error: str, attempts: int, tmp_path: Path, failing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(t1=mode)
    assert run_search(*SMALL, "--results_dir", tmp_path / "r") == 0
    entry = read(tmp_path / "r")["results"][0]
    assert entry["metrics"]["success"] is False
    assert entry["metrics"]["status"] == status
    assert error in entry["metrics"]["error"]
    assert len(entry["metrics"]["error"]) <= 500
    assert entry["metrics"]["error"].isprintable()
    assert entry["metrics"]["log"] == "trial_001/stderr.log"
    assert entry["attempts"] == attempts
    assert sum(e["metrics"]["success"] for e in read(tmp_path / "r")["results"]) == 3
    printed = capsys.readouterr().out
    assert f"trial 1: {status}: " in printed


@pytest.mark.parametrize("mode", ["SIGKILL", "out_of_memory", "infrastructure", "interrupted"])
def test_a_failure_of_the_machine_is_retried_from_the_checkpoint(mode: str, tmp_path: Path, failing: Any) -> None:
    assert run_search(*SMALL, "--results_dir", tmp_path / "undisturbed") == 0
    failing(t1=f"{mode}_once")
    assert run_search(*SMALL, "--results_dir", tmp_path / "r") == 0
    assert read(tmp_path / "r")["results"][0]["attempts"] == 2
    assert comparable(read(tmp_path / "r")) == comparable(read(tmp_path / "undisturbed"))


def test_retries_can_be_turned_off(tmp_path: Path, failing: Any) -> None:
    failing(t1="SIGKILL_once")
    assert run_search(*SMALL, "--max_retries", 0, "--results_dir", tmp_path / "r") == 0
    assert read(tmp_path / "r")["results"][0]["metrics"]["status"] == "crashed"


@pytest.mark.parametrize("mode", ["hang", "hang_deaf"])
def test_a_trial_that_hangs_is_stopped(
    mode: str, tmp_path: Path, failing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = tmp_path / "r/trial_004/history.jsonl"

    def clock(_: TrialRunner) -> float:
        """Stands still until the trial is where it hangs: how long processes take to start is not for this test to guess."""
        return time.monotonic() if history.exists() and history.read_text().count("\n") == 2 else began

    began = time.monotonic()
    monkeypatch.setattr(TrialRunner, "_clock", clock)
    if mode == "hang_deaf":  # the other one ends as soon as it has written what it had reached
        monkeypatch.setattr("ghm.search.trials.process.STOP_GRACE_S", 0.3)
    failing(t4=mode)
    assert run_search(*SMALL, "--trial_timeout", 1, "--results_dir", tmp_path / "r") == 0
    entry = read(tmp_path / "r")["results"][3]
    assert entry["metrics"]["status"] == "timeout"
    assert "--trial_timeout 1 s" in entry["metrics"]["error"]
    assert entry["attempts"] == 1
    if mode == "hang":
        assert entry["metrics"]["best_return"] > 5  # what it had reached when it was stopped


def test_if_every_trial_fails_the_summary_and_the_status_say_so(
    tmp_path: Path, failing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(t1="crash", t2="diverge")
    assert run_search("--n_trials", 2, "--n_iterations", 4, "--results_dir", tmp_path / "r") == 1
    printed = capsys.readouterr().out
    assert "Every trial failed" in printed
    assert "trial 1: crashed" in printed
    assert "trial 2: diverged" in printed
    results = read(tmp_path / "r")
    assert results["best_config"] is None
    assert results["best_return"] == -1e9


def test_one_worker_and_two_give_identical_results(tmp_path: Path) -> None:
    for workers in (1, 2):
        assert run_search(*SMALL, "--n_workers", workers, "--results_dir", tmp_path / str(workers)) == 0
    assert comparable(read(tmp_path / "1")) == comparable(read(tmp_path / "2"))


def test_workers_run_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the order of the trials' beginnings and ends, not by a clock, which a busy machine makes meaningless."""
    monkeypatch.setenv("STUB_STEP_S", "0.2")
    at_once = {}
    for workers in (1, 4):
        ledger = tmp_path / f"ledger{workers}"
        monkeypatch.setenv("STUB_LEDGER", str(ledger))
        run_search(*SMALL, "--n_workers", workers, "--results_dir", tmp_path / str(workers))
        running = [0]
        for line in ledger.read_text().splitlines():
            running.append(running[-1] + (1 if line.startswith("start") else -1))
        at_once[workers] = max(running)
    assert at_once[1] == 1
    assert at_once[4] > 1


def test_files_that_are_no_search_are_kept_and_not_called_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_dir = tmp_path / "r"
    results_dir.mkdir()
    for name in ("report.html", "notes.txt"):
        (results_dir / name).write_text("mine")
    assert run_search("--n_trials", 1, "--n_iterations", 3, "--results_dir", results_dir) == 0
    said = capsys.readouterr().out
    assert "no search that can be read; they are kept as" in said
    assert "--resume" not in said.split("they are kept")[0]
    assert "held an earlier search" not in said
    assert (tmp_path / "r_earlier" / "unknown" / "report.html").read_text() == "mine"
    assert (results_dir / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ((), ("bootstrap", "network")),
        (("--learner", "model_free"), ("after_state", "returns")),
        (("--learner", "model_free", "--estimator", "gae"), ("gae", "returns")),
        (("--baseline", "exact"), ("bootstrap", "exact")),
    ],
)
def test_a_learner_brings_its_own_estimator_also_when_the_search_goes_on(
    flags: tuple[str, ...], chosen: tuple[str, str], tmp_path: Path
) -> None:
    """The defaults of one learner are not in the way of another's."""
    found = parse(flags)
    assert (found.estimator, found.baseline) == chosen
    assert run_search("--n_trials", 1, "--n_iterations", 4, "--results_dir", tmp_path / "r", *flags) == 0
    found = parse(["--resume", str(tmp_path / "r"), "--n_trials", "2"])
    assert (found.estimator, found.baseline, found.n_trials) == (*chosen, 2)


def test_a_dry_run_of_a_search_that_has_begun_says_what_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_search("--n_trials", 2, "--n_iterations", 3, "--results_dir", tmp_path / "r") == 0
    assert "done" not in capsys.readouterr().out
    assert run_search("--resume", tmp_path / "r", "--n_trials", 5, "--dry_run") == 0
    assert "5 trials (2 done, 3 to run)" in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert run_search("--n_trials", 2, "--results_dir", tmp_path / "file", "--dry_run") == 2
    assert "file is no directory" in capsys.readouterr().err


def test_a_new_search_moves_the_earlier_one_and_both_can_be_resumed(tmp_path: Path) -> None:
    run_search("--n_trials", 2, "--n_iterations", 3, "--results_dir", tmp_path / "r")
    first, first_path = read(tmp_path / "r"), results_file(tmp_path / "r")
    run_search("--n_trials", 3, "--n_iterations", 3, "--seed_base", 7, "--results_dir", tmp_path / "r")
    assert len(read(tmp_path / "r")["results"]) == 3
    (moved,) = (tmp_path / "r_earlier").iterdir()
    assert read(moved) == first
    # The path that the user noted down still finds it.
    assert run_search("--resume", first_path, "--n_trials", 3) == 0
    assert len(read(moved)["results"]) == 3


def test_where_a_search_was_moved_can_be_pasted() -> None:
    moved = Path("my results_earlier/20261130-013805")
    assert f"(--resume '{moved}' goes on with it)" in moved_note(Path("my results"), moved)


def test_gpus_are_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus_module, "visible_gpus", lambda: ["GPU-a", "GPU-b"])
    monkeypatch.setattr(gpus_module.tempfile, "tempdir", str(tmp_path))
    seen: list[str] = []
    original, both = __import__("subprocess").Popen, threading.Barrier(2)

    def spy(command: list[str], **options: Any) -> Any:
        seen.append(options["env"]["CUDA_VISIBLE_DEVICES"])
        if len(seen) <= 2:
            both.wait(60)  # one holds its GPU when the other gets one
        return original(command, **options)

    flags = (*SMALL, "--n_workers", 2, "--device", "cuda", "--results_dir", tmp_path / "r")
    assert run_search(*flags, popen=spy) == 0
    assert set(seen[:2]) == {"GPU-a", "GPU-b"}


def test_a_trial_has_one_thread_unless_told_otherwise(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    original = __import__("subprocess").Popen

    def spy(command: list[str], **options: Any) -> Any:
        seen.append(options["env"])
        return original(command, **options)

    run_search("--n_trials", 1, "--n_iterations", 2, "--results_dir", tmp_path / "1", popen=spy)
    run_search("--n_trials", 1, "--n_iterations", 2, "--n_threads", 3, "--results_dir", tmp_path / "3", popen=spy)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    assert [[environment[name] for name in names] for environment in seen] == [["1"] * 3, ["3"] * 3]


class Recorder(Observer):
    def __init__(self) -> None:
        self.events: list[str] = []

    def search_started(self, plan: Any, results: SearchState) -> None:
        self.events.append(f"search {plan.n_pending}")

    def trial_started(self, trial: Trial) -> None:
        self.events.append(f"start {trial.number}")

    def trial_finished(self, trial: Trial, outcome: Any) -> None:
        assert trial.history_path.exists()
        self.events.append(f"end {trial.number}")

    def search_finished(self, results: SearchState) -> None:
        self.events.append("finished")


def test_observers_hear_of_everything(tmp_path: Path) -> None:
    recorder = Recorder()
    config = SearchConfig(n_trials=2, n_iterations=2, results_dir=tmp_path / "r")
    HyperparameterSearch(SearchSpace(), config, command=STUB, solve=no_solver, observers=[recorder]).run()
    assert recorder.events == ["search 2", "start 1", "end 1", "start 2", "end 2", "finished"]


class Broken(Observer):
    def trial_started(self, trial: Trial) -> None:
        raise BrokenPipeError


def test_a_display_that_fails_does_not_stop_the_search(tmp_path: Path) -> None:
    config = SearchConfig(n_trials=2, n_iterations=2, results_dir=tmp_path / "r")
    search = HyperparameterSearch(None, config, command=STUB, solve=no_solver, observers=[Broken()])
    assert search.run().exit_status == 0


@pytest.mark.parametrize(
    "name", ["with spaces and 'quotes'", "日本語-é-Ω", "x" * 200, "--looks_like_a_flag", "new\nline", "a;b$c&d"]
)
def test_odd_paths(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_dir = tmp_path / name
    assert run_search("--n_trials", 2, "--n_iterations", 2, f"--results_dir={results_dir}") == 0
    assert run_search(f"--resume={results_dir}", "--n_trials", 3) == 0
    assert len(read(results_dir)["results"]) == 3


def test_the_search_does_not_import_torch() -> None:
    code = "import sys, ghm.search, ghm.search.main; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
