"""How long a search of 500 recorded trials takes to become a page, and the page to open.

    python benchmarks/report_page.py [--n_trials 500] [--repeats 3]

Asked for: rendered within 10 seconds, opened within 3. The records are made by the tests' factory. Opening is timed in
headless Chromium (the system's package), from a new window until the page has loaded and until its first figures are drawn.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from machine import describe_machine
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from report.factory import add_policy, make_search

from ghm.report.page import write_report

DRAWN = "html[data-figures=drawn]"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def render(n_trials: int, repeats: int, directory: Path) -> tuple[float, Path]:
    """Median seconds of writing the page of ``n_trials`` recorded trials, and the page."""
    made = make_search(directory, n_trials, failures={7: ("diverged", "NaN at 9")}, unfinished=[8])
    add_policy(made)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        page = write_report(made.path)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), page


def open_page(page: Path, repeats: int) -> tuple[float, float]:
    """Median seconds until the page has loaded, and until its first figures are drawn."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit(f"no browser to open the page with: install the system's package {BROWSERS[0]}")
    loaded, drawn = [], []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(repeats):
            context = browser.new_context(viewport={"width": 1400, "height": 900})
            window = context.new_page()
            started = time.perf_counter()
            window.goto(page.as_uri())
            loaded.append(time.perf_counter() - started)
            window.wait_for_selector(DRAWN, state="attached", timeout=60_000)
            drawn.append(time.perf_counter() - started)
            context.close()
        browser.close()
    return statistics.median(loaded), statistics.median(drawn)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n_trials", type=int, default=500, help="recorded trials")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed; the median counts")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        rendered, page = render(flags.n_trials, flags.repeats, Path(directory))
        loaded, drawn = open_page(page, flags.repeats)
        size = page.stat().st_size / 1e6
    print(describe_machine())
    print(f"{flags.n_trials} trials: page of {size:.1f} MB written in {rendered:.2f} s (asked for 10),")
    print(f"loaded in {loaded:.2f} s, first figures drawn after {drawn:.2f} s (asked for 3)")


if __name__ == "__main__":
    main()
