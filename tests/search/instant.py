"""Trials that take no time: a stand-in for `subprocess.Popen` that leaves a finished trial's files at once."""

from pathlib import Path
from typing import Any

from ghm.io.sealed import write_sealed
from tests.search.stub_train import parse


class InstantTrial:
    """A process that has trained already. The result is a function of the trial's settings alone."""

    pid = 2**22 + 1  # beyond the largest process number: nobody is hit by a signal to it

    def __init__(self, command: list[str], **_options: Any) -> None:
        settings = parse(command[1:])
        best = 5.95 + 0.1 * settings["lr_policy"] / 1e-3 + 1e-6 * settings["seed"]
        result = {
            "format": 1,
            "status": "completed",
            "iterations": settings["n_iterations"],
            "n_iterations": settings["n_iterations"],
            "seconds": 1.0,
            "error": None,
            "metrics": {"best_return": best, "final_return": best, "captured_value": (best - 5.95) / 0.7048},
            "config": {key: value for key, value in settings.items() if key not in ("parent_pid", "resume")},
        }
        ledger = Path(settings["result_file"]).parents[2] / "ledger"
        with ledger.open("a") as file:
            file.write(f"{settings['seed']}\n")
        write_sealed(Path(settings["result_file"]), result)

    def wait(self, _timeout: float | None = None) -> int:
        return 0


INSTANT: dict[str, Any] = {"command": ["instant"], "popen": InstantTrial}
