"""What the search itself costs a trial: the default grid of 11,664 trials whose training takes no time.

    python benchmarks/search_overhead.py [--n_trials N] [--always]

Everything is real (directories, records forced to disk, snapshots of the results JSON, messages) except the trial's
process, which a stand-in replaces; its own time is subtracted. The claim is: under 1% of a one-second trial, that is
10 ms, and bounded memory. `--always` measures the plain way, the whole results JSON rewritten after every trial.
"""

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import psutil
from no_training import NoTraining

import ghm.search.records.results_file
from ghm.search import HyperparameterSearch, PlainObserver, SearchConfig
from ghm.search.records.values import ReferenceReturns


class Timed:
    """Makes stand-ins for `subprocess.Popen`, and counts the time that these take themselves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, command: list[str], **_options: Any) -> NoTraining:
        """Train: write the result file."""
        started = time.perf_counter()
        training = NoTraining(command)
        self.seconds += time.perf_counter() - started
        return training


def main() -> None:
    """Run the search and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n_trials", type=int, default=0, help="random trials instead of the default grid")
    parser.add_argument("--always", action="store_true", help="write the whole results JSON after every trial")
    flags = parser.parse_args()
    if flags.always:
        ghm.search.records.results_file.SNAPSHOT_SHARE = float("inf")
    with tempfile.TemporaryDirectory() as directory:
        kind: dict[str, Any] = {"n_trials": flags.n_trials} if flags.n_trials else {"search_type": "grid"}
        config = SearchConfig(results_dir=Path(directory) / "results", **kind)
        popen = Timed()
        observer = PlainObserver(io.StringIO())
        search = HyperparameterSearch(
            None,
            config,
            observers=[observer],
            popen=cast(Any, popen),
            solve=lambda _path, _config: ReferenceReturns(6.6548, 5.95),
        )
        memory = psutil.Process().memory_info().rss
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            outcome = search.run()
        seconds = time.perf_counter() - started - popen.seconds
        grown = (psutil.Process().memory_info().rss - memory) / 1e6
        size = outcome.results.path.stat().st_size / 1e6
        assert outcome.results.counts().completed == outcome.n_trials, "a trial that fails costs something else"
    each = 1e3 * seconds / outcome.n_trials
    print(f"{outcome.n_trials} trials: {seconds:.1f} s, {each:.2f} ms a trial ({each / 10:.2f}% of a one-second trial)")
    print(f"results JSON {size:.1f} MB, memory grew by {grown:.0f} MB")


if __name__ == "__main__":
    main()
