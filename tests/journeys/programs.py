"""Searches that people start from Python: in a script, in a thread, in a notebook's kernel, and twice."""

import dataclasses
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.journeys.commands import LIMIT_S, Ran, environment
from tests.journeys.searches import Stages, expecting
from tests.journeys.surfaces.stage import observe
from tests.journeys.surfaces.table import Table

SETTINGS: Mapping[str, Any] = {
    "n_trials": 2, "n_workers": 2, "n_iterations": 20, "eval_freq": 10, "log_freq": 10, "dt": 0.1, "T": 2.0,
}  # fmt: skip

SEARCH = """
from pathlib import PosixPath

from ghm.search import HyperparameterSearch, SearchConfig, SearchSpace

space = SearchSpace()
space.lr_policy, space.lr_baseline = [0.001, 0.01], [0.001]
space.n_trajectories, space.policy_hidden, space.value_hidden = [50], [(8,), (16,)], [(8,)]
search = HyperparameterSearch(space, SearchConfig(**{settings!r}))
"""


UNLIKE = [{"name": "calm", "sigma_x": 0.05}, {"name": "rich", "alpha": 0.3}]
"""Firms of which the one that is easier to learn is worth less: returns and captured values rank trials differently."""


def program(place: Path, rest: str, **settings: object) -> str:
    """A program that makes the search and goes on with ``rest``."""
    text = SEARCH.replace("{settings!r}", repr({**SETTINGS, **settings, "results_dir": str(place / "r")}))
    return text + textwrap.dedent(rest)


def run_program(text: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=LIMIT_S, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return Ran((sys.executable,), done.returncode, done.stdout, done.stderr)


def script(place: Path) -> Stages:
    (place / "firms.json").write_text(json.dumps(UNLIKE))
    text = """
        outcome = search.run()
        print(outcome.summary)
        print("ranked first:", outcome.results.ranked[0].trial_num)
    """
    ran = run_program(program(place, text, calibrations=place / "firms.json"))
    stage = expecting(observe(place / "r", ran), 4, 2)
    first = Table(best_trial=int(ran.output.rpartition("ranked first:")[2]))
    yield "a script", dataclasses.replace(stage, tables={**stage.tables, "outcome": first})


def thread(place: Path) -> Stages:
    """A search in a thread, and its second run, which goes on with it and has nothing left to run."""
    text = """
        import threading

        found = []
        thread = threading.Thread(target=lambda: found.append(search.run()))
        thread.start()
        thread.join()
        second = search.run()
        assert (found[0].exit_status, second.exit_status) == (0, 0)
        assert found[0].results.path == second.results.path
        print(second.summary)
    """
    ran = run_program(program(place, text))
    yield "a thread, run() twice", expecting(observe(place / "r", ran), 2)


def notebook(place: Path) -> Stages:
    import nbformat
    from nbclient import NotebookClient

    cells = [program(place, "outcome = search.run()"), "print(outcome.summary)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    quiet = ["--log-level=40"]  # errors alone: the kernel warns that it listens to this machine
    NotebookClient(book, timeout=int(LIMIT_S), startup_timeout=int(LIMIT_S), extra_arguments=quiet).execute()
    said: dict[str, str] = {"stdout": "", "stderr": ""}
    for cell in book.cells:
        for output in cell.outputs:
            said[output.get("name", "stderr")] += output.get("text", "".join(output.get("traceback", [])))
    ran = Ran(("notebook",), 0, said["stdout"], said["stderr"])
    yield "a notebook", expecting(observe(place / "r", ran), 2)
