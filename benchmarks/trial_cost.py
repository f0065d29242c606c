"""What a trial costs a search: CPU seconds and memory of trials of 1, 100 and 500 iterations, forked and started from nothing.

    python benchmarks/trial_cost.py [--iterations 1 100 500] [--repeats 3] [--before CHECKOUT] [--json]

Trials are started as a search starts them, one after another, in turn: forked from the warm process, and from nothing (with
``--before``, as another checkout of this project trains, by this Python and with its own pictures). Medians. CPU seconds are
of the trial's process alone, the warm one's are said once; memory is the proportional set size, in which pages that processes
share count for each by its part, at its highest as seen twenty times a second.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from machine import HERE, describe_machine, in_checkout

from ghm.search.settings.command import TRAINING_SCRIPT, training_command
from ghm.search.trials.forking import ForkServer
from ghm.search.trials.process import trial_environment

LOOK_S = 0.05


def proportional_mb(pid: int) -> float:
    """The proportional set size of a process; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def run(
    start: Callable[..., Any], checkout: Path, command: list[str], directory: Path, iterations: int
) -> dict[str, float]:
    """CPU seconds and memory of one trial."""
    where = ["--log_dir", str(directory / "logs"), "--ckpt_dir", str(directory / "checkpoints")]
    flags = ["--n_iterations", str(iterations), "--reference_file", str(directory.parent / "reference.npz"), *where]
    with (directory.parent / "output").open("ab") as output:
        environment = trial_environment(1, None) | in_checkout(checkout)
        process = start([*command, *flags], stdout=output, stderr=output, env=environment)
    peak = 0.0
    while not (ended := os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
        peak = max(peak, proportional_mb(process.pid))
        time.sleep(LOOK_S)
    _, status, usage = os.wait4(process.pid, 0)
    if ended is None or status:
        raise RuntimeError(f"a trial ended with status {status}: {(directory.parent / 'output').read_text()[-500:]}")
    shutil.rmtree(directory)
    return {"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": peak}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, nargs="+", default=[1, 100, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    quiet = ["--figures", "none", "--progress", "plain"]
    ways: dict[str, tuple[Callable[..., Any], Path, list[str]]] = {
        "started from nothing": (subprocess.Popen, HERE, [*training_command(), *quiet]),
        "forked": (server := ForkServer(), HERE, [*training_command(), *quiet]),
    }
    if flags.before:
        command = [sys.executable, str(flags.before / TRAINING_SCRIPT), "--progress", "plain"]
        ways = {"before": (subprocess.Popen, flags.before, command), **ways}
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in ways:
            (Path(temporary) / name).mkdir()
        for repeat in range(flags.repeats + 1):
            for iterations in flags.iterations if repeat else [1]:
                for name, way in ways.items():
                    result = run(*way, Path(temporary) / name / "run", iterations)
                    if repeat:  # the first round compiles, solves the model and starts the warm process
                        found.setdefault((name, iterations), []).append(result)
        warm = psutil_seconds(server)
    rows = [
        {"way": name, "iterations": iterations}
        | {key: statistics.median(one[key] for one in results) for key in results[0]}
        for (name, iterations), results in sorted(found.items(), key=lambda one: one[0][1])
    ]
    server.close()
    report(rows, warm, as_json=flags.json)


def psutil_seconds(server: ForkServer) -> float:
    """CPU seconds of the warm process."""
    import psutil

    times = psutil.Process(cast(int, server.pid)).cpu_times()
    return float(times.user + times.system)


def report(rows: list[dict[str, Any]], warm: float, *, as_json: bool) -> None:
    """Print the rows."""
    if as_json:
        print(json.dumps({"machine": describe_machine(), "warm_process_cpu_seconds": warm, "rows": rows}, indent=2))
        return
    print(f"{describe_machine()}\n\nThe warm process took {warm:.1f} CPU seconds, once.\n")
    print("| iterations | way | CPU s | peak MB (PSS) |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['iterations']} | {row['way']} | {row['cpu_seconds']:.2f} | {row['peak_mb']:.0f} |")


if __name__ == "__main__":
    main()
