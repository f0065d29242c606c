"""Kill the search, its trials, or both, at random moments, until it is done: nothing lost, nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.search.support import comparable, read, run_search

SUPPORT = [sys.executable, "-m", "tests.search.support"]
ROOT = Path(__file__).parents[2]
SETTINGS = ("--n_trials", 6, "--n_iterations", 15, "--n_workers", 2, "--max_retries", 100, "--progress", "plain")


def start(results_dir: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """The search, continued if it has a record, else started; ended with this test whatever happens."""
    begun = (results_dir / "search.json").exists()
    flags = ["--resume", results_dir] if begun else [*SETTINGS, "--results_dir", results_dir]
    command = [*SUPPORT, *map(str, flags)]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def kill_something(search: subprocess.Popen[str], rng: random.Random) -> list[str]:
    """SIGKILL the search, one of its trials, or everything; say what."""
    process = psutil.Process(search.pid)
    try:
        trials = process.children()
    except psutil.NoSuchProcess:
        return []
    what = rng.choice(["search", "trial", "both"])
    victims = {"search": [process], "trial": rng.sample(trials, min(1, len(trials))), "both": [process, *trials]}[what]
    rng.shuffle(victims)
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            victims = [other for other in victims if other is not victim]
    return [what] if victims else []


def watch_json(results_dir: Path, stop: threading.Event, errors: list[str]) -> None:
    """Read the results JSON again and again: whatever happens to the search, it must be whole."""
    while not stop.is_set():
        for path in results_dir.glob("*/search_results_*.json"):
            try:
                json.loads(path.read_text())
            except ValueError as error:
                errors.append(str(error))
        time.sleep(0.005)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[list[str]]:
    stop, errors = threading.Event(), []
    thread = threading.Thread(target=watch_json, args=(tmp_path / "disturbed", stop, errors))
    thread.start()
    yield errors
    stop.set()
    thread.join()


def disturb(results_dir: Path, environment: dict[str, str], rng: random.Random, most: int) -> int:
    """Run a search to its end, killing about ``most`` times as it goes; return the number of kills."""
    # Every life may last longer than the one before, or a slow machine would never see the end.
    kills, longest = 0, 0.6
    while True:
        search = start(results_dir, environment)
        if kills >= most:
            output, _ = search.communicate()
            assert search.returncode == 0, output
            return kills
        # Half of the kills fall anywhere, also on the start; the others on running trials.
        if rng.random() < 0.5:
            assert search.stdout is not None
            search.stdout.readline()
        deadline = time.monotonic() + rng.uniform(0.0, longest)
        longest *= 1.1
        while search.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if search.poll() is None:
            kills += len(kill_something(search, rng))
        try:
            output, _ = search.communicate(timeout=0.3)
        except subprocess.TimeoutExpired:
            # A trial was killed, the search is alive: kill once more while it is at it.
            kills += len(kill_something(search, rng))
            search.kill()
            output, _ = search.communicate()
        if search.returncode == 0:
            return kills
        assert search.returncode == -signal.SIGKILL, output


def check_ledger(ledger: Path, n_trials: int = 6) -> int:
    """Every trial finished once, was never started again after that, went on from where it was, and was alone.

    Returns:
        How often a trial went on from a checkpoint.
    """
    resumed = 0
    reached: dict[str, int] = {}
    done: set[str] = set()
    for line in ledger.read_text().splitlines():
        event, seed, *iteration = line.split()
        assert event != "together", f"two processes in one directory: {line}"
        assert seed not in done, f"run twice: {line}"
        if event == "done":
            done.add(seed)
        else:
            assert int(iteration[0]) >= reached.get(seed, 0), f"started over: {line}"
            reached[seed] = int(iteration[0])
            resumed += reached[seed] > 0
    assert len(reached) == n_trials
    return resumed


MOST_ROUNDS = 5


def soak(tmp_path: Path, wanted: int, seed: int) -> int:
    undisturbed = tmp_path / "undisturbed"
    assert run_search(*SETTINGS, "--results_dir", undisturbed, "--progress", "none") == 0
    rng = random.Random(seed)
    kills, rounds, resumed = 0, 0, 0
    while kills < wanted or (not resumed and rounds < MOST_ROUNDS):  # of few kills none may fall on a running trial
        rounds += 1
        results_dir = tmp_path / "disturbed" / str(rounds)
        results_dir.parent.mkdir(exist_ok=True)
        ledger = tmp_path / f"ledger{rounds}"
        environment = os.environ | {"STUB_LEDGER": str(ledger), "STUB_STEP_S": "0.03"}
        kills += disturb(results_dir, environment, rng, max(wanted - kills, 1))
        assert comparable(read(results_dir)) == comparable(read(undisturbed))
        resumed += check_ledger(ledger)
    assert resumed > 0, "no kill fell on a running trial: the test tests nothing"
    sys.stdout.write(f"{kills} kills over {rounds} searches; trials went on from a checkpoint {resumed} times\n")
    return kills


@pytest.mark.parametrize("fault", ["done 124\nstart 124 0", "start 124 5\nstart 124 0", "together 124"])
def test_the_ledger_would_show_a_fault(tmp_path: Path, fault: str) -> None:
    (tmp_path / "ledger").write_text("start 124 0\n" + fault)
    with pytest.raises(AssertionError, match=r"run twice|started over|two processes"):
        check_ledger(tmp_path / "ledger")


def test_nothing_is_lost_and_nothing_runs_twice_under_kills(tmp_path: Path, watched: list[str]) -> None:
    assert soak(tmp_path, wanted=5, seed=1) >= 5
    assert watched == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`")
def test_nothing_is_lost_and_nothing_runs_twice_under_five_hundred_kills(tmp_path: Path, watched: list[str]) -> None:
    assert soak(tmp_path, wanted=500, seed=2) >= 500
    assert watched == []
