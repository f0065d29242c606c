"""What a training costs beside its iterations: CPU seconds and peak memory of a process, from its start to its end.

    python benchmarks/start_up.py [--repeats 5] [--json]

Each row is a process of its own, run alternately with the others; medians. The first rows are what the libraries cost alone, the
next what a training costs until it has begun, the last what a whole trial of one iteration costs: a search whose trials take a
few seconds pays that for each.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe_machine

IMPORTS = "import numpy, scipy.interpolate, scipy.integrate, numba, torch"
TRAINER = "import ghm.training.trainer"
PREPARED = f"""{TRAINER}
from pathlib import Path
from ghm.solvers.store import load_or_solve
from ghm.training.settings import TrainConfig
from ghm.training.problem import GriddedProblem
from ghm.training.learners.learner import Learner
c = TrainConfig()
load_or_solve(Path("FILE"), c.problem)
Learner(GriddedProblem.build(c.problem), c).tabulate()
"""


def commands(directory: Path) -> dict[str, list[str]]:
    """What is measured, by name; the model's solution lies in ``directory`` from the second run on."""
    stored, run = directory / "reference.npz", directory / "run"
    kept = ["--log_dir", str(run / "logs"), "--ckpt_dir", str(run / "checkpoints"), "--progress", "none"]
    train = [sys.executable, "-m", "ghm.training", "--n_iterations", "1", *kept]
    return {
        "Python": [sys.executable, "-c", "pass"],
        "PyTorch imported": [sys.executable, "-c", "import torch"],
        "all libraries imported": [sys.executable, "-c", IMPORTS],
        "the trainer imported": [sys.executable, "-c", TRAINER],
        "ready for the first iteration": [sys.executable, "-c", PREPARED.replace("FILE", str(stored))],
        "a whole trial of one iteration": [*train, "--reference_file", str(stored)],
        "the same, and the model solved": [*train, "--reference_file", str(run / "reference.npz")],
    }


def measure(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of one process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for repeat in range(flags.repeats + 1):
            for name, command in commands(Path(temporary)).items():
                result = measure(command)
                shutil.rmtree(Path(temporary) / "run", ignore_errors=True)
                if repeat:  # the first round compiles and fills caches
                    found.setdefault(name, []).append(result)
    rows = {
        name: {"cpu_seconds": statistics.median(s for s, _ in one), "peak_mb": max(m for _, m in one)}
        for name, one in found.items()
    }
    if flags.json:
        print(json.dumps({"machine": describe_machine(), "rows": rows}, indent=2))
        return
    print(describe_machine())
    print("\n| process | CPU s | peak MB |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['cpu_seconds']:.2f} | {row['peak_mb']:.0f} |")


if __name__ == "__main__":
    main()
