"""How a search grows with its number of trials: time a trial, memory, size of the records, time to resume and to read.

    python benchmarks/scale.py search --n_trials 100000
    python benchmarks/scale.py search --n_trials 10000 --executor dask --n_workers 8
    python benchmarks/scale.py page --n_trials 10000

Trials take no time: a function in the place of their processes leaves a finished training's result file, and everything
else is real (directories, records forced to disk, leases, decisions, journal, snapshots of the results JSON, messages). A tenth
whose CPU time (of the search's process) is longer than those before shows what grows faster than the number of trials.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import psutil
from machine import describe_machine
from no_training import NoTraining

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from report.factory import add_policy, make_search

import ghm
from ghm.search import HyperparameterSearch, Observer, PlainObserver, SearchConfig, resumed_config
from ghm.search.display.observer import Plan
from ghm.search.records.results_file import ResultsFile
from ghm.search.records.state import SearchState
from ghm.search.records.values import ReferenceReturns
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial

PARTS = 10
MEGABYTE = 1e6


class Tenths(Observer):
    """Prints time and memory whenever another tenth of the trials has ended."""

    def __init__(self, n_trials: int) -> None:
        self._each, self._n = n_trials // PARTS, 0
        self._started, self._cpu = 0.0, 0.0

    def search_started(self, plan: Plan, results: SearchState) -> None:  # noqa: ARG002  (the interface's)
        """The clock starts."""
        print("trials   ms a trial   CPU ms   memory MB")
        self._started, self._cpu = time.perf_counter(), time.process_time()

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:  # noqa: ARG002  (the interface's)
        """Another one."""
        self._n += 1
        if self._n % self._each == 0:
            now, cpu = time.perf_counter(), time.process_time()
            each, busy = (1e3 * seconds / self._each for seconds in (now - self._started, cpu - self._cpu))
            memory = psutil.Process().memory_info().rss / MEGABYTE
            print(f"{self._n:6} {each:12.2f} {busy:8.2f} {memory:11.0f}", flush=True)
            self._started, self._cpu = now, cpu


def run(config: SearchConfig, observers: list[Observer]) -> tuple[Any, float]:
    """Run the search on stand-ins; return what it leaves, and the seconds it took."""
    search = HyperparameterSearch(
        None,
        config,
        observers=observers,
        command=["no-training"],
        popen=cast(Any, NoTraining),
        solve=lambda _path, _config: ReferenceReturns(6.6548, 5.95),
    )
    started = time.perf_counter()
    outcome = search.run()
    return outcome, time.perf_counter() - started


def measure_search(flags: argparse.Namespace, directory: Path) -> None:
    """A search of many trials, its resumption, and reading it."""
    config = SearchConfig(
        n_trials=flags.n_trials, executor=flags.executor, n_workers=flags.n_workers, results_dir=directory / "results"
    )
    tenths = Tenths(flags.n_trials)
    before = psutil.Process().memory_info().rss
    with Path(os.devnull).open("w") as nowhere:
        outcome, seconds = run(config, [PlainObserver(nowhere), tenths])
    assert len(outcome.results.ranked) == flags.n_trials
    grown = (psutil.Process().memory_info().rss - before) / MEGABYTE
    path = outcome.results.path
    started = time.perf_counter()
    ResultsFile(outcome.results).write()
    written = time.perf_counter() - started
    journal = (path.parent / "journal.jsonl").stat().st_size / MEGABYTE
    print(f"{flags.n_trials} trials, {flags.executor}, {config.n_workers} workers: {seconds:.1f} s, ", end="")
    print(f"{1e3 * seconds / flags.n_trials:.2f} ms a trial; the search's memory grew by {grown:.0f} MB")
    print(f"results JSON {path.stat().st_size / MEGABYTE:.1f} MB, written in {written:.1f} s; journal {journal:.1f} MB")
    del outcome
    started = time.perf_counter()
    results = ghm.load_results(path)
    print(f"ghm.load_results: {time.perf_counter() - started:.1f} s for {len(results.trials)} trials")
    del results
    _, seconds = run(resumed_config(path), [PlainObserver(io.StringIO())])
    print(f"--resume of the finished search: {seconds:.1f} s")
    if flags.page:
        write_page(path)


PAGE = """
import sys
from pathlib import Path
from ghm.report.main import main
assert main(sys.argv[1:]) == 0
(peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak) * 1024, sum(__import__("os").times()[:2]))
"""
"""Writes a page; prints the peak of its memory (what the system says of a child would have the parent's in it) and CPU time."""


def write_page(path: Path) -> None:
    """Write the page of a results JSON in a process of its own."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PAGE, str(path)], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    memory, busy = map(float, done.stdout.splitlines()[-1].split())
    size = path.with_name("report.html").stat().st_size / MEGABYTE
    print(f"page: {seconds:.1f} s, {busy:.1f} of CPU (15 was asked for), ", end="")
    print(f"peak memory {memory / MEGABYTE:.0f} MB (300), {size:.1f} MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["search", "page"])
    parser.add_argument("--n_trials", type=int, default=10_000)
    parser.add_argument("--executor", choices=["local", "dask"], default="local")
    parser.add_argument("--n_workers", type=int, default=1)
    parser.add_argument("--page", action="store_true", help="after a search, its page too")
    flags = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as directory:
        if flags.what == "search":
            measure_search(flags, Path(directory))
        else:
            made = make_search(Path(directory), flags.n_trials, failures={7: ("diverged", "NaN at 9")}, unfinished=[8])
            add_policy(made)
            write_page(made.path)


if __name__ == "__main__":
    main()
