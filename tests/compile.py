"""Compiles what trainings and solutions run, and keeps it: else each of the tests' processes would, at the same time."""

import contextlib
import io
import sys
import tempfile
from pathlib import Path

from ghm.cli import main

TRAININGS = (
    (),
    ("--estimator", "monte_carlo"),
    ("--estimator", "martingale"),
    ("--estimator", "conditional"),
    ("--estimator", "bootstrap", "--baseline", "network"),
    ("--learner", "model_free"),
    ("--learner", "model_free", "--estimator", "gae"),
)
SMALL = (
    "--n_iterations",
    "1",
    "--n_trajectories",
    "10",
    "--dt",
    "0.1",
    "--T",
    "2",
    "--progress",
    "none",
    "--figures",
    "none",
)


def compile_all() -> int:
    """The greatest exit status of the commands."""
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        commands = [["solve", "--check"]]
        for number, flags in enumerate(TRAININGS):
            where = [f"--{name}_dir={Path(place, str(number), name)}" for name in ("log", "ckpt")]
            commands.append(["train", *SMALL, *flags, *where])
        return max(map(main, commands))


if __name__ == "__main__":
    sys.exit(compile_all())
