"""The recipe for Slurm, run: workers submitted with `sbatch` to a real cluster of one node run a real search."""

import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cluster.slurm_node import ask, slurm_node
from tests.cluster.support import ROOT, wait_until
from tests.search.support import comparable, read

WORKERS = ROOT / "examples/clusters/slurm_workers.sbatch"
SEARCH = [sys.executable, str(ROOT / "scripts/hyperparameter_search.py")]
ALONE = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
SETTINGS = ["--n_trials", "2", "--n_iterations", "20", "--eval_freq", "10", "--n_workers", "2", "--progress", "plain"]


@pytest.mark.slurm
def test_workers_submitted_to_slurm_run_a_search(tmp_path: Path) -> None:
    local = [*SEARCH, *SETTINGS, "--results_dir", str(tmp_path / "local")]
    subprocess.run(local, check=True, stdout=subprocess.DEVNULL)
    scheduler_file = tmp_path / "scheduler.json"
    dask = str(Path(sys.executable).with_name("dask"))
    with slurm_node(tmp_path / "slurm") as environment:
        environment |= {"DASK": dask, "DASK_WORKER_FLAGS": "--host 127.0.0.1"}
        scheduler = subprocess.Popen(
            [dask, "scheduler", "--scheduler-file", str(scheduler_file), *ALONE, "--port", "0"],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(scheduler_file.exists)
            show(environment, tmp_path, "sinfo")
            show(environment, tmp_path, "sbatch", "--array=1-2", str(WORKERS), str(scheduler_file))
            wait_until(lambda: ask(environment, "squeue", "--noheader", "--format=%T").count("RUNNING") == 2)
            show(environment, tmp_path, "squeue")
            wait_until(lambda: len(listening(tmp_path)) >= 5)  # three daemons of Slurm and Dask, two workers
            assert {address for _, address in listening(tmp_path)} == {"127.0.0.1"}
            flags = [
                "--executor",
                "dask",
                "--dask_scheduler",
                str(scheduler_file),
                "--results_dir",
                str(tmp_path / "r"),
            ]
            done = show(environment, tmp_path, *SEARCH, *SETTINGS, *flags)
            assert "2 of 2 trials completed" in done
            show(environment, tmp_path, "scancel", "--user=root")
            wait_until(lambda: not ask(environment, "squeue", "--noheader"))
        finally:
            scheduler.terminate()
            scheduler.wait()
    assert comparable(read(tmp_path / "r")) == comparable(read(tmp_path / "local"))
    leases = list((tmp_path / "r").glob("trial_*/lease-1.json"))
    assert len(leases) == 2, "every trial was run under a lease"


def show(environment: dict[str, str], tmp_path: Path, *command: str) -> str:
    """Run a command where its logs may lie, and print both as a terminal would."""
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    sys.stdout.write(f"$ {' '.join(command)}\n{done.stdout}")
    assert done.returncode == 0
    return done.stdout


def listening(tmp_path: Path) -> set[tuple[int, str]]:
    """Processes of this test's Slurm and Dask that listen, and on which address."""
    found = set()
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.pid is not None:
            with contextlib.suppress(psutil.Error):  # one that has just ended
                if str(tmp_path) in " ".join(psutil.Process(connection.pid).cmdline()):
                    found.add((connection.pid, connection.laddr.ip))
    return found
