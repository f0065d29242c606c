"""What the tests of the search share: searches whose trials are the stub's, and what of a result must not differ."""

import json
import sys
from pathlib import Path
from typing import Any

from ghm.io.platforms import run_program
from ghm.search import replay as replay_module
from ghm.search.main import main
from ghm.search.records import search_record as record_module
from ghm.search.records.values import ReferenceReturns
from ghm.search.settings.config import SearchConfig

# A search started by one process is resumed by another, and must not be refused because someone edited the trainer
# in between; the version's own test is in test_environment.py.
record_module.code_version = replay_module.code_version = lambda: {"ghm": "1"}  # type: ignore[assignment]

STUB = [sys.executable, "-S", "-E", str(Path(__file__).with_name("stub.py"))]


def no_solver(_path: Path, _config: SearchConfig) -> ReferenceReturns:
    return ReferenceReturns(optimal_return=6.6548, wind_up_return=5.95)


def run_search(*arguments: object, **options: Any) -> int:
    """The search's command line in this process, on stub trials, with the displays that people see."""
    usual: dict[str, Any] = {"command": STUB, "solve": no_solver, "others": ()}
    return main([str(argument) for argument in arguments], **usual | options)


def results_file(results_dir: Path) -> Path:
    (path,) = results_dir.glob("search_results_*.json")
    return path


def read(results_dir: Path) -> dict[str, Any]:
    return json.loads(results_file(results_dir).read_text())


def comparable(results: dict[str, Any]) -> dict[str, Any]:
    """What two runs of one search must have in common: all but timings and how often a process was started."""
    entries = []
    for entry in results["results"]:
        metrics = {key: value for key, value in entry["metrics"].items() if key != "seconds"}
        entries.append(
            {
                key: value
                for key, value in entry.items()
                if key not in ("attempts", "exit_status", "machine_failures", "note")
            }
            | {"metrics": metrics}
        )
    return {"results": entries} | {key: results[key] for key in ("best_config", "best_return", "search_space")}


if __name__ == "__main__":
    sys.exit(run_program(lambda: run_search(*sys.argv[1:])))
