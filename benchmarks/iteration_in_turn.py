"""CPU milliseconds of a training iteration in this checkout and in another, by whole processes in turn.

    python benchmarks/iteration_in_turn.py --before CHECKOUT [--learner model_based model_free] [--repeats 3]

What a training of many iterations takes more than one of few, over the difference: imports, preparation and the end cancel.
The least of the repeats counts, as other work on the machine only ever adds. Each checkout trains by its own Python.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from machine import describe_machine

from ghm.search.settings.command import TRAINING_SCRIPT

FEW, MANY = 200, 700
HERE = Path(__file__).parents[1]


def cpu_seconds(checkout: Path, learner: str, iterations: int, reference: Path) -> float:
    """CPU seconds of one training at the defaults, on one thread."""
    with tempfile.TemporaryDirectory() as place:
        command = [str(checkout / ".venv/bin/python"), str(checkout / TRAINING_SCRIPT), "--learner", learner]
        command += ["--n_iterations", str(iterations), "--log_freq", "1000", "--reference_file", str(reference)]
        command += ["--log_dir", f"{place}/logs", "--ckpt_dir", f"{place}/checkpoints", "--progress", "none"]
        process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--learner", nargs="+", default=["model_based", "model_free"])
    parser.add_argument("--repeats", type=int, default=3)
    flags = parser.parse_args()
    checkouts = {"before": flags.before.resolve(), "now": HERE}
    print(f"{describe_machine()}\n\n| learner | before: ms | now: ms | now / before |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, checkout in checkouts.items():  # compiles, and solves the model
            cpu_seconds(checkout, flags.learner[0], 1, Path(place) / f"{name}.npz")
        for learner in flags.learner:
            taken: dict[tuple[str, int], list[float]] = {}
            for _ in range(flags.repeats):
                for iterations in (FEW, MANY):
                    for name, checkout in checkouts.items():
                        seconds = cpu_seconds(checkout, learner, iterations, Path(place) / f"{name}.npz")
                        taken.setdefault((name, iterations), []).append(seconds)
            before, now = (
                1000 * (min(taken[name, MANY]) - min(taken[name, FEW])) / (MANY - FEW) for name in ("before", "now")
            )
            print(f"| {learner} | {before:.1f} | {now:.1f} | {now / before:.2f} |", flush=True)


if __name__ == "__main__":
    main()
