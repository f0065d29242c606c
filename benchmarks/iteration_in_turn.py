"""CPU milliseconds of a training iteration in this checkout and in another, by whole processes in turn.

    python benchmarks/iteration_in_turn.py --before CHECKOUT [--iterations 100 500] [--repeats 3] [-- --learner model_free]

What a training of many iterations takes more than one of few, over the difference: imports, preparation and the end cancel.
The least of the repeats counts, as other work on the machine only ever adds. Both train by this Python and its libraries. What
follows `--` are flags of the training that both checkouts know.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import HERE, describe_machine, in_checkout

from ghm.search.settings.command import TRAINING_SCRIPT


def cpu_seconds(checkout: Path, iterations: int, flags: list[str], reference: Path) -> float:
    """CPU seconds of one training on one thread."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, str(checkout / TRAINING_SCRIPT), "--n_iterations", str(iterations), *flags]
        command += ["--log_freq", "1000", "--progress", "none", "--reference_file", str(reference)]
        command += ["--log_dir", f"{place}/logs", "--ckpt_dir", f"{place}/checkpoints"]
        process = subprocess.Popen(command, env=in_checkout(checkout), stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} ended with status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--iterations", type=int, nargs=2, default=[100, 500], metavar=("FEW", "MANY"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("flags", nargs="*", help="of the training, after --")
    asked = parser.parse_args()
    few, many = asked.iterations
    checkouts = {"before": asked.before.resolve(), "now": HERE}
    print(f"{describe_machine()}\n\n| round | before: ms | now: ms | now / before |\n|---|---|---|---|")
    least: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as place:
        for repeat in range(asked.repeats + 1):
            for iterations in (few, many) if repeat else (1,):  # the first round compiles, and solves the model
                for name, checkout in checkouts.items():
                    seconds = cpu_seconds(checkout, iterations, asked.flags, Path(place) / f"{name}.npz")
                    least[name, iterations] = min(seconds, least.get((name, iterations), seconds))
            if repeat:
                before, now = (1000 * (least[name, many] - least[name, few]) / (many - few) for name in checkouts)
                print(f"| {repeat} | {before:.1f} | {now:.1f} | {now / before:.2f} |", flush=True)


if __name__ == "__main__":
    main()
