"""A search method and a metric are entered in one place, and seen everywhere."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from ghm.economics.model import Terminal
from ghm.search.backends.engines.registry import ENGINES
from ghm.search.settings.config import ExecutorName
from ghm.solvers.terminal import PAYOFFS
from ghm.training.logging.metrics import METRICS

ROOT = Path(__file__).parents[2]

METHOD = """
import sys
from pathlib import Path
from typing import Literal
from ghm.search.settings.methods import METHODS, Method
METHODS["first"] = Method("First-value search", "A search by first values", "the first value of each list", "planted:make")
# As if it had been there when the file was imported, and so before all who read it.
methods = sys.modules["ghm.search.settings.methods"]
methods.SearchType = Literal[tuple(METHODS)]
for name in [name for name in sys.modules if name.startswith("ghm.search") and name != methods.__name__]:
    del sys.modules[name]
from ghm.search.methods.proposals import GridProposal
class First:
    n_trials = None
    def __init__(self, choices): self.grid = GridProposal(choices)
    def __call__(self, configuration, history=()): return self.grid(1)
sys.modules["planted"] = type(sys)("planted")
sys.modules["planted"].make = lambda choices, seed_base: First(choices)
from ghm.report.analysis.findings import searched
from ghm.search.records.reader import read_search
from ghm.search.explain import explain
from tests.search.support import run_search
directory = Path(sys.argv[1])
flags = ("--n_trials", 2, "--n_iterations", 2, "--results_dir", directory, "--progress", "plain")
assert run_search("--search_type", "first", *flags) == 0
assert run_search("--resume", directory, "--n_trials", 3) == 0
print(explain(directory, 3))
print(searched(read_search(directory)))
"""

METRIC = """
import json, sys
from pathlib import Path
sys.path.insert(0, "tests/report")
from ghm.training.logging import metrics
novel = metrics.Metric(
    "novel", "what is new", "a figure that nobody had", "years", dashboard=True, beside_optimum=True
)
metrics.METRICS += (novel,)
from factory import make_search
import ghm
from ghm.report.export import export
from ghm.report.page import render
from ghm.search.display.summary import summary
from ghm.training.logging.tensorboard import COLUMNS
made = make_search(Path(sys.argv[1]) / "r", 2)
for number, entry in enumerate(made.content["results"]):
    entry["metrics"] |= {"novel": 0.25 + number, "optimal_novel": 3.5}
made.path.write_text(json.dumps(made.content))
results = ghm.load_results(made.path)
print(results.trials["novel"].tolist(), results.column_descriptions["novel"], "novel" in COLUMNS)
page = render(results.search).decode()
print("what is new" in page, "1.2500 years" in page)
print(*(line for line in summary(results.search, interrupted=False).splitlines() if "what is new" in line))
export(made.path, Path(sys.argv[1]) / "paper")
print((Path(sys.argv[1]) / "paper" / "trials.csv").read_text().splitlines()[1])
"""


def said(script: str, directory: Path) -> str:
    command = [sys.executable, "-c", script, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_method_is_entered_in_one_place(tmp_path: Path) -> None:
    text = said(METHOD, tmp_path / "r")
    assert "First-value search: 2 trials x 2 iterations" in text
    assert "Proposed: the first value of each list." in text
    assert "A search by first values over 3 of 11,664 possible configurations" in text
    assert "3 of 3 trials completed" in text


def test_a_metric_is_entered_in_one_place(tmp_path: Path) -> None:
    lines = said(METRIC, tmp_path).splitlines()
    assert lines[:2] == ["[0.25, 1.25] a figure that nobody had True", "True True"]
    # The best trial at the end of the search, beside the optimum.
    assert lines[2].split() == ["what", "is", "new", "1.2500", "years", "3.5000", "years"]
    assert ",0.25," in lines[3]


def test_every_terminal_condition_and_executor_that_is_offered_is_there() -> None:
    assert set(PAYOFFS) == set(get_args(Terminal))
    assert {*ENGINES, "local"} == set(get_args(ExecutorName))


def test_the_documentation_names_every_metric() -> None:
    text = (ROOT / "docs/design/records.md").read_text()
    section = text.partition("`metrics` (empty if")[2].partition("## Exit statuses")[0]
    named = set(re.findall(r"`(\w+)`", section))
    known = {metric.name for metric in METRICS}
    # "optimal_issues, …": those of the optimum are named by the first of them.
    assert known <= named | {f"optimal_{name}" for name in named}
    assert {name for name in named if not name.startswith(("optimal_", "near_", "never_", "pays_too_"))} <= known
