"""What may be added is entered in one place, and seen everywhere."""

import os
import re
import shutil
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

EDITS = {
    "economics/model.py": {
        "    c_max: float = 2.0": '    wages: float = 0.0\n    """Running cost (per year)."""\n    c_max: float = 2.0',
        "return self.alpha +": "return self.alpha - self.wages +",
        '    "c_max": (': '    "wages": ("w", "running cost per year"),\n    "c_max": (',
        'Literal["liquidation",': 'Literal["half", "liquidation",',
    },
    "solvers/terminal.py": {'    "zero":': '    "half": lambda _, cash: cash / 2,\n    "zero":'},
    "search/settings/config.py": {'["local", "dask"]': '["local", "dask", "threads"]'},
    "search/backends/engines/registry.py": {
        '= {"dask":': '= {"threads": "ghm.search.backends.engines.threads:threads", "dask":'
    },
}
"""What the recipes for a parameter, a terminal condition and a backend say: in each file, text by what replaces it."""

ENGINE = """
import contextlib
from concurrent.futures import ThreadPoolExecutor
from ghm.search.backends.engines.registry import Engine
from ghm.search.backends.preflight import probe
@contextlib.contextmanager
def threads(config):
    with ThreadPoolExecutor(config.n_workers) as executor:
        yield Engine(executor, lambda: config.n_workers, lambda question: [executor.submit(probe, question).result()])
"""

EDITED = """
import sys
from pathlib import Path
import numpy as np
import ghm
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.report.page import render
from ghm.search.records.reader import read_search
from ghm.solvers.terminal import terminal_values
from tests.search.support import run_search
directory = Path(sys.argv[1])
flags = ("--n_trials", 2, "--n_iterations", 2, "--results_dir", directory, "--progress", "plain")
chosen = ("--model.wages", 0.03, "--terminal", "half", "--executor", "threads")
assert run_search(*flags, *chosen) == 0
assert run_search("--resume", directory, "--n_trials", 3) == 0
print(Path(ghm.__file__).parent)
problem = Problem(GHMModel(wages=0.03), terminal="half")
print(problem.model.drift(np.zeros(1)), terminal_values(problem, np.array([0.5])))
search = read_search(directory)
print(search.config.model == problem.model, search.config.terminal, search.config.executor)
print(">running cost per year<" in render(search).decode())
try:
    run_search("--help")
except SystemExit:
    pass
"""


def said(script: str, directory: Path, source: Path = ROOT / "src") -> str:
    command = [sys.executable, "-c", script, str(directory)]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
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


def test_a_parameter_a_terminal_condition_and_an_executor_are_entered_in_one_place_each(tmp_path: Path) -> None:
    package = tmp_path / "src/ghm"
    shutil.copytree(ROOT / "src/ghm", package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, edits in EDITS.items():
        text = (package / file).read_text()
        for old, new in edits.items():
            assert text.count(old) == 1, (file, old)
            text = text.replace(old, new)
        (package / file).write_text(text)
    (package / "search/backends/engines/threads.py").write_text(ENGINE)
    text = said(EDITED, tmp_path / "r", tmp_path / "src")
    lines = text[text.index(str(package)) :].splitlines()
    assert lines[:4] == [str(package), "[0.15] [0.25]", "True half threads", "True"]
    assert "3 of 3 trials completed" in text
    assert "half, liquidation, zero, going_concern" in " ".join(text.split())
    assert "Where trials run: local, dask, threads" in text


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
