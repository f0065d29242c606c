"""How an iteration's time grows with paths, steps and hidden width, and a search's with workers; peak memory of a trial.

    python benchmarks/scaling.py [--json] [--plot FILE]

CPU seconds of one core, medians. The exponent b of time = a · size^b is fitted by least squares in logarithms to the phase
that works path by path (simulating and scoring), whose work is paths × steps; the other phases work on tables, whose size
depends on the time step and the cash range but not on the paths. T is kept, so more steps are shorter ones.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from iteration import Training
from machine import describe_machine

from ghm.training.settings import TrainConfig

PATHS = (125, 250, 500, 1000, 2000, 4000)
STEPS = (100, 200, 500, 1000, 2000, 4000)
WIDTHS = (16, 32, 64, 128, 256, 512)
REPEATS = 7

WARM_UP = 60
"""Iterations of training before timing; dead paths would be cheaper."""

TRIAL_ITERATIONS = 50
"""Memory does not grow with iterations."""


def measure(config: TrainConfig) -> dict[str, float]:
    """Seconds of the path phases and of a whole iteration."""
    training = Training(config)
    for _ in range(WARM_UP):
        training.iterate()
    phases = training.phases(REPEATS)
    return {"paths": phases["simulate"] + phases["score"], "iteration": phases["whole iteration"]}


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """The fitted b of seconds = a · size^b."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def peak_memory_mb() -> float:
    """Peak resident memory of a trial with default settings, in its own process as in a search (MB)."""
    import resource

    script = Path(__file__).parents[1] / "scripts" / "train_monte_carlo_ghm_time_augmented.py"
    with tempfile.TemporaryDirectory() as directory:
        where = ["--log_dir", f"{directory}/logs", "--ckpt_dir", f"{directory}/checkpoints"]
        command = [sys.executable, str(script), "--n_iterations", str(TRIAL_ITERATIONS), *where]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6


def search_seconds(n_workers: int, n_trials: int = 4) -> float:
    """Wall seconds of a search."""
    script = Path(__file__).parents[1] / "scripts" / "hyperparameter_search.py"
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, str(script), "--n_trials", str(n_trials), "--n_iterations", "300"]
        command += ["--n_workers", str(n_workers), "--results_dir", directory, "--progress", "none"]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


def run() -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(1)
    default = TrainConfig()
    series = {
        "n_trajectories": (PATHS, [dataclasses.replace(default, n_trajectories=n) for n in PATHS]),
        "steps": (STEPS, [dataclasses.replace(default, dt=default.T / n) for n in STEPS]),
        "hidden width": (
            WIDTHS,
            [dataclasses.replace(default, policy_hidden=(w, w), value_hidden=(w, w)) for w in WIDTHS],
        ),
    }
    figures: dict[str, Any] = {"machine": describe_machine()}
    for name, (sizes, configs) in series.items():
        rows = [measure(config) for config in configs]
        figures[name] = {"sizes": sizes, **{key: [row[key] for row in rows] for key in rows[0]}}
        if name != "hidden width":
            figures[name]["exponent"] = exponent(sizes, figures[name]["paths"])
    figures["peak_memory_mb"] = peak_memory_mb()
    one, two = search_seconds(1), search_seconds(2)
    figures["workers"] = {"one": one, "two": two, "speed_up": one / two}
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    print(figures["machine"])
    for name in ("n_trajectories", "steps", "hidden width"):
        series = figures[name]
        print(f"\n{name:>14}  {'paths ms':>10}  {'iteration ms':>12}")
        for size, paths, iteration in zip(series["sizes"], series["paths"], series["iteration"], strict=True):
            print(f"{size:>14}  {1000 * paths:>10.2f}  {1000 * iteration:>12.2f}")
        if "exponent" in series:
            print(f"{'exponent':>14}  {series['exponent']:>10.2f}")
    workers = figures["workers"]
    print(f"\nPeak memory of a default trial: {figures['peak_memory_mb']:.0f} MB")
    print(f"Search of 4 x 300 iterations: one worker {workers['one']:.1f} s, two {workers['two']:.1f} s", end="")
    print(f", {workers['speed_up']:.2f} times as fast")


def plot(figures: dict[str, Any], path: Path) -> None:
    """Draw time against size, in logarithms."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3), ("n_trajectories", "steps", "hidden width"), strict=True):
        series = figures[name]
        axes.loglog(
            series["sizes"], np.multiply(series["paths"], 1000), "o-", color="#0072B2", label="simulate and score"
        )
        axes.loglog(
            series["sizes"], np.multiply(series["iteration"], 1000), "s--", color="#D55E00", label="whole iteration"
        )
        axes.set_xlabel(name)
        axes.set_xticks(series["sizes"], [str(size) for size in series["sizes"]])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("CPU time (ms)")
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plot", type=Path, help="draw the figures into this file")
    flags = parser.parse_args()
    figures = run()
    if flags.plot:
        plot(figures, flags.plot)
    if flags.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
