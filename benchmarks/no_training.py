"""A stand-in for a trial's process that takes no time: it leaves the result file of a finished training at once."""

import json
from pathlib import Path
from typing import Any

from ghm.io.sealed import seal

N_METRICS = 14
"""A real training's result has as many, besides its returns."""


class NoTraining:
    """Takes the place of `subprocess.Popen`; workers of other processes can import it.

    What it leaves is a function of the trial's settings alone.
    """

    pid = 2**22 + 1  # beyond the largest process number: nobody is hit by a signal to it

    def __init__(self, command: list[str], **_options: Any) -> None:
        config = settings(command)
        best = 6.0 + 1e-6 * config["seed"] + 0.1 * config["lr_policy"]
        metrics = {f"metric_{number}": best for number in range(N_METRICS)} | {
            "best_return": best,
            "final_return": best,
        }
        ending = {
            "format": 1,
            "status": "completed",
            "iterations": config["n_iterations"],
            "seconds": 1.0,
            "error": None,
        }
        result = ending | {"n_iterations": config["n_iterations"], "metrics": metrics, "config": config}
        # Not forced to disk: the time that a training takes for its own result is not the search's.
        Path(config["result_file"]).write_bytes(seal(result))

    def wait(self, _timeout: float | None = None) -> int:
        """It has ended."""
        return 0


def settings(command: list[str]) -> dict[str, Any]:
    """The training settings in the flags of a command line, as the training script records them."""
    values: dict[str, list[Any]] = {}
    for argument in command:
        if argument.startswith("--"):
            name = argument[2:]
            values[name] = []
        elif values:
            try:
                values[name].append(json.loads(argument))
            except ValueError:
                values[name].append(argument)
    flat = {name: found if name.endswith("_hidden") else found[0] for name, found in values.items()}
    model = {name.removeprefix("model."): value for name, value in flat.items() if name.startswith("model.")}
    return {name: value for name, value in flat.items() if not name.startswith("model.")} | {"model": model}
