"""A search on a Dask cluster: the local one's results, also when driver, workers, trials and scheduler are killed."""

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.support import cluster, deck, kill, search
from tests.search.support import comparable, read, run_search
from tests.search.test_faults import check_ledger

pytest.importorskip("distributed")  # the extra "dask"

SETTINGS = ("--n_trials", 8, "--n_iterations", 15, "--n_workers", 2, "--max_retries", 100, "--progress", "plain")

# How a search on a cluster may end that was not let finish: killed, or because the scheduler was.
ENDS = (-signal.SIGKILL, 6, 2)


def disturbed(tmp_path: Path, name: str, rng: random.Random, most: int) -> collections.Counter[str]:
    """Run a search to its end, killing ``most`` times as it goes; return the kills by kind."""
    results_dir, ledger = tmp_path / name, tmp_path / f"{name}.ledger"
    environment = os.environ | {"STUB_LEDGER": str(ledger), "STUB_STEP_S": "0.05"}
    kills: collections.Counter[str] = collections.Counter()
    # Every life may last longer than the one before, or a slow machine would never see the end.
    longest, kinds = 3.0, deck(rng)
    with cluster(tmp_path / f"{name}.cluster", environment) as made:
        while True:
            driver = search(made, results_dir, *SETTINGS)
            assert driver.stdout is not None
            os.set_blocking(driver.stdout.fileno(), False)
            # The first kill once a trial is training: on a busy machine that takes long, and all would come before.
            while driver.poll() is None and not ledger.exists():
                time.sleep(0.01)
            while driver.poll() is None and kills.total() < most:
                _sleep(driver, rng.uniform(0.2, longest))
                longest *= 1.1
                what = next(kinds)
                kills[what] += kill(what, made, driver, results_dir, rng)
                made.mend()
            os.set_blocking(driver.stdout.fileno(), True)
            output, _ = driver.communicate()
            if driver.returncode == 0:
                return kills
            assert driver.returncode in ENDS, output
            assert "Traceback" not in (output or ""), output
            made.mend()


def _sleep(driver: "subprocess.Popen[str]", seconds: float) -> None:
    until = time.monotonic() + seconds
    while driver.poll() is None and time.monotonic() < until:
        time.sleep(0.01)


MOST_ROUNDS = 10


def soak(tmp_path: Path, wanted: int, seed: int) -> int:
    undisturbed = tmp_path / "undisturbed"
    assert run_search(*SETTINGS, "--results_dir", undisturbed, "--progress", "none") == 0
    rng = random.Random(seed)
    kills: collections.Counter[str] = collections.Counter()
    rounds, resumed = 0, 0
    # Where no kill fell on a running trial yet, nothing is tested yet.
    while kills.total() < wanted or (not resumed and rounds < MOST_ROUNDS):
        rounds += 1
        kills += disturbed(tmp_path, f"r{rounds}", rng, max(wanted - kills.total(), 1))
        assert comparable(read(tmp_path / f"r{rounds}")) == comparable(read(undisturbed))
        resumed += check_ledger(tmp_path / f"r{rounds}.ledger", n_trials=8)
        sys.stdout.write(f"{dict(kills)} over {rounds} searches; went on from a checkpoint {resumed} times\n")
    assert resumed > 0, "no kill fell on a running trial: the test tests nothing"
    return kills.total()


def test_nothing_is_lost_and_nothing_runs_twice_on_a_cluster_under_kills(tmp_path: Path) -> None:
    assert soak(tmp_path, wanted=4, seed=1) >= 4


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`")
def test_nothing_is_lost_and_nothing_runs_twice_on_a_cluster_under_two_hundred_kills(tmp_path: Path) -> None:
    assert soak(tmp_path, wanted=200, seed=2) >= 200
