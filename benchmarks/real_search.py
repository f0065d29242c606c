"""Real searches of a space of ranges with rungs, beside random search of the default space, for as many iterations.

    python benchmarks/real_search.py results/real_search
    python benchmarks/real_search.py results/real_search --rungs 15 45 120 --keep 0.25

Model-based learner, default time step and horizon, three seeds of each search unless told otherwise. A search that is there is
read, or goes on.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ghm.report.comparison import captured_by_best, iterations_spent
from ghm.search.records.reader import read_search

SPACE = {
    "lr_policy": {"low": 1e-5, "high": 1e-1, "log": True},
    "lr_baseline": {"low": 1e-4, "high": 1e-1, "log": True},
    "entropy_weight": {"low": 1e-4, "high": 1.0, "log": True},
    "action_reg_weight": {"low": 0.0, "high": 0.2},
    "max_grad_norm": {"low": 0.01, "high": 10.0, "log": True},
    "n_trajectories": {"low": 100, "high": 1000, "step": 50},
    "policy_hidden": {"layers": {"low": 1, "high": 3}, "width": {"low": 8, "high": 128, "log": True}},
    "value_hidden": {"layers": {"low": 1, "high": 3}, "width": {"low": 8, "high": 128, "log": True}},
}
"""The eight hyperparameters of the manual, as ranges."""

COMMON = "--n_iterations 300 --log_freq 15 --eval_freq 300 --ckpt_freq 300 --n_workers 2 --progress none"
RUNGS = "--n_trials 40 --rungs RUNGS --keep KEEP"
SEARCHES = {
    "gp in ranges, rungs": f"--search_type gp --space SPACE {RUNGS}",
    "random in ranges, rungs": f"--space SPACE {RUNGS}",
    "random in default lists": "--budget BUDGET",
}
"""The last has as many iterations as the first has spent."""


def main() -> None:
    """Search, and print the optimality gap of each search's best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path)
    parser.add_argument("--rungs", nargs="+", default=["60", "150"])
    parser.add_argument("--keep", type=float, default=0.34)
    parser.add_argument("--seed_base", nargs="+", type=int, default=[123, 1123, 2123])
    flags = parser.parse_args()
    results = flags.results / f"rungs_{'_'.join(flags.rungs)}_keep_{flags.keep:g}"
    results.mkdir(parents=True, exist_ok=True)
    space = results / "space.json"
    space.write_text(json.dumps(SPACE))
    budget, gaps = 0.0, dict[str, list[float]]()
    print(
        "| search | seed base | iterations | optimality gap of the best | seconds of wall time |\n|---|---|---|---|---|"
    )
    for name, words in SEARCHES.items():
        for seed_base in flags.seed_base:
            path = results / f"{name.replace(', ', ' ').replace(' ', '_')}_{seed_base}"
            given = words.replace("SPACE", str(space)).replace("BUDGET", f"{budget:.0f}")
            given = given.replace("KEEP", str(flags.keep)).replace("RUNGS", " ".join(flags.rungs))
            start = ["--resume", path] if path.exists() else [*given.split(), *COMMON.split(), "--results_dir", path]
            begin = time.monotonic()
            if "--resume" not in start:
                start += ["--seed_base", seed_base]
            subprocess.run(
                [sys.executable, "-m", "ghm", "search", *map(str, start)], check=True, stdout=subprocess.DEVNULL
            )
            search = read_search(path)
            spent = iterations_spent(search)
            budget = max(budget, spent)
            gaps.setdefault(name, []).append(1 - (captured_by_best(search) or 0.0))
            print(
                f"| {name} | {seed_base} | {spent:,.0f} | {gaps[name][-1]:.6f} | {time.monotonic() - begin:.0f} |",
                flush=True,
            )
    last = statistics.mean(gaps["random in default lists"])
    for name, found in gaps.items():
        print(f"{name}: mean gap {statistics.mean(found):.6f}, {statistics.mean(found) / last:.3f} of that of the last")


if __name__ == "__main__":
    main()
