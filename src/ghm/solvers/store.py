"""The optimum of a problem as training and reports need it, kept in a file between runs.

The file is keyed by everything the solution depends on; one that is damaged, of another version or of another problem is
solved again and replaced.
"""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np

from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.atomic import write_atomically
from ghm.io.safe_read import parse_array, parse_object, read_archive
from ghm.io.sealed import DamagedError, read_sealed_archive, seal_archive
from ghm.policies.thresholds import Levels
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.firm_statistics import Outcomes, outcomes
from ghm.solvers.solution import Solution

FORMAT = 5
"""Number of the file's layout and of the method; a file with another is solved again."""

MAX_BYTES = 1 << 26
"""Of the file, and unpacked: values at 65 times and 20,000 nodes levels at 1,000,000 steps, the most there are, make 42 MB."""

ARRAYS = ("cash", "time_to_horizon", "values", "levels")
HEADER = {"format", "problem", "optimal_return", "outcomes"}


def load_or_solve(path: Path, problem: Problem) -> Solution:
    """The solution kept at ``path`` if it is of this problem; else solve, and keep it there.

    Raises:
        UserError: when the problem cannot be solved at these settings.
        OSError: when the file cannot be written: its directory is not made.
    """
    stored = _load(path)
    if stored is not None and stored.problem == problem:
        return stored
    solution = dynamic_program(problem)
    # What every verdict needs of the optimum is worked out once.
    becomes = outcomes(solution.policy, problem)
    solution = dataclasses.replace(solution, outcomes=becomes)
    header = {
        "format": FORMAT,
        "problem": problem.to_dict(),
        "optimal_return": solution.optimal_return,
        "outcomes": dataclasses.astuple(becomes),
    }
    buffer = io.BytesIO()
    arrays = {name: np.array(getattr(solution, name)) for name in ARRAYS}
    np.savez_compressed(buffer, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]
    write_atomically(path, seal_archive(buffer.getvalue()))
    return solution


def load(path: Path) -> Solution:
    """The solution kept at ``path``, whatever its problem.

    Raises:
        UserError: when there is none.
    """
    stored = _load(path)
    if stored is None:
        what = "a damaged solution" if path.exists() else "no stored solution"
        raise UserError(f"{what} of the model at {path}; run the search or the training that writes it")
    return stored


def _load(path: Path) -> Solution | None:
    """The solution at ``path``; None where there is none, or it is damaged or of another format."""
    try:
        members = read_archive(read_sealed_archive(path, MAX_BYTES), MAX_BYTES)
        header = parse_object(str(parse_array(members.get("header.npy", b""))).encode("utf-8", "replace"))
        cash, times, values, levels = (parse_array(members.get(f"{name}.npy", b"")) for name in ARRAYS)
    except (OSError, DamagedError):
        return None
    if set(header) != HEADER or header["format"] != FORMAT:
        return None
    try:
        problem = Problem.from_dict(header["problem"])
        becomes = Outcomes(*map(float, header["outcomes"]))
    except (UserError, TypeError, ValueError):
        return None
    return Solution(problem, header["optimal_return"], cash, times, values, Levels(*levels), outcomes=becomes)
