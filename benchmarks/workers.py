"""What a second worker brings: the same search with one worker and with two, on two cores.

    python benchmarks/workers.py [--n_trials 6] [--n_iterations 600] [--repeats 2]

The claim is: two workers finish at least 1.8 times as fast and find the same, in every bit. The least time of the
repeats counts, since whatever else the machine does only ever adds to it; the two take turns, so that a slow hour slows
both. CPU seconds are printed beside them: where they differ, the workers were in each other's way; where the wall time
exceeds CPU time over workers by much, the machine was busy with something else and the ratio is worth nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

SCRIPT = Path(__file__).parents[1] / "scripts/hyperparameter_search.py"


def run(n_workers: int, results_dir: Path, flags: list[str]) -> tuple[float, float]:
    """Run the search; return its wall time and the CPU time of all its processes (seconds)."""
    before = psutil.Process().cpu_times()
    started = time.perf_counter()
    command = [sys.executable, str(SCRIPT), *flags, "--n_workers", str(n_workers), "--results_dir", str(results_dir)]
    subprocess.run([*command, "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, psutil.Process().cpu_times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def found(results_dir: Path) -> list[dict[str, Any]]:
    """What the trials found, timings aside."""
    (path,) = results_dir.glob("search_results_*.json")
    metrics = [entry["metrics"] for entry in json.loads(path.read_text())["results"]]
    return [{key: value for key, value in one.items() if key != "seconds"} for one in metrics]


def main() -> None:
    """Run both searches in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n_trials", type=int, default=6)
    parser.add_argument("--n_iterations", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=2)
    flags = parser.parse_args()
    # Configurations of one size: with two of very different length, the longest alone would set the time.
    space = {"n_trajectories": [500], "policy_hidden": [[64, 64]], "value_hidden": [[64, 64]]}
    times: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "space.json").write_text(json.dumps(space))
        given = ["--n_trials", str(flags.n_trials), "--n_iterations", str(flags.n_iterations)]
        given += ["--space", f"{place}/space.json"]
        results = []
        for repeat in range(flags.repeats):
            for n_workers, taken in times.items():
                results_dir = Path(place) / f"{repeat}-{n_workers}"
                taken.append(run(n_workers, results_dir, given))
                results.append(found(results_dir))
    least = {n_workers: min(wall for wall, _ in taken) for n_workers, taken in times.items()}
    for n_workers, taken in times.items():
        used = min(cpu for _, cpu in taken)
        print(f"{n_workers} workers: {least[n_workers]:.1f} s, {used:.1f} CPU s")
    print(
        f"{least[1] / least[2]:.2f} times as fast; results {'equal' if all(r == results[0] for r in results) else 'DIFFER'}"
    )


if __name__ == "__main__":
    main()
