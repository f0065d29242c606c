"""Wall time of one search with rungs on two workers, in another checkout and in this one.

    python benchmarks/search_in_turn.py --before CHECKOUT [--n_iterations 5000] [--n_trials 40]

Random search, rungs at a tenth and three tenths of the iterations. Both search by this Python and its libraries, one after the
other; CPU seconds of all processes are printed beside the wall time: only these compare where other work shares the machine.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from machine import HERE, describe_machine, in_checkout

from ghm.search.settings.command import SEARCH_SCRIPT


def run(checkout: Path, flags: list[str], results_dir: Path) -> tuple[float, float]:
    """Wall and CPU seconds of the search."""
    before, started = psutil.Process().cpu_times(), time.perf_counter()
    command = [sys.executable, str(checkout / SEARCH_SCRIPT), *flags, "--results_dir", str(results_dir)]
    subprocess.run(command, check=True, env=in_checkout(checkout), stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, psutil.Process().cpu_times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Search in both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--n_iterations", type=int, default=5000)
    parser.add_argument("--n_trials", type=int, default=40)
    asked = parser.parse_args()
    n = asked.n_iterations
    flags = ["--n_trials", str(asked.n_trials), "--n_iterations", str(n), "--rungs", str(n // 10), str(3 * n // 10)]
    flags += ["--eval_freq", str(n // 10), "--search_type", "random", "--n_workers", "2", "--progress", "none"]
    print(f"{describe_machine()}\n\n{' '.join(flags)}\n\n| checkout | wall s | CPU s |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, checkout in (("before", asked.before.resolve()), ("now", HERE)):
            wall, used = run(checkout, flags, Path(place) / name)
            print(f"| {name} | {wall:.0f} | {used:.0f} |", flush=True)


if __name__ == "__main__":
    main()
