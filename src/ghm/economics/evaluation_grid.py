"""Grids of cash and time to horizon that a user chooses, and files of what is known on them."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghm.economics.action_rule import ActionRule
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.atomic import write_atomically

ENDINGS = (".npz", ".csv")
"""Of the files that are written: NumPy's arrays, or one row a state."""

MAX_STATES = 10_000_000
"""Most states in a grid: more is a typing error, and would fill the memory."""


def chosen_cash(cash: ArrayLike, c_max: float) -> Array:
    """The values of cash asked for, increasing, (M,).

    Raises:
        UserError: when there is none, or one is outside [0, c̄].
    """
    values = np.unique(np.asarray(cash, dtype=np.float64))
    if values.size == 0 or not np.all((values >= 0) & (values <= c_max)):
        raise UserError(
            f"cash must be from 0 to c_max = {c_max:g}; received {_first(cash, values, c_max)}; "
            "leave out what is beyond"
        )
    return values


def chosen_steps(times: ArrayLike, problem: Problem) -> NDArray[np.int64]:
    """Steps to go at the times to horizon asked for, the nearest to each, increasing, (S,).

    Raises:
        UserError: when there is none, or one is outside [0, T].
    """
    T = problem.T
    values = np.unique(np.asarray(times, dtype=np.float64))
    if values.size == 0 or not np.all((values >= 0) & (values <= T * (1 + 1e-12))):
        raise UserError(
            f"times to horizon must be from 0 to T = {T:g}; received {_first(times, values, T)}; leave out what is beyond"
        )
    return np.unique(np.round(values / problem.dt)).astype(np.int64)


def _first(asked: ArrayLike, values: Array, upper: float) -> str:
    """The first value that is not from 0 to ``upper``, as a message shows it."""
    outside = values[~((values >= 0) & (values <= upper))]
    return f"{outside[0]:g}" if outside.size else repr(np.asarray(asked).tolist())


def require_file(path: Path) -> None:
    """Refuse a file whose ending says neither of :data:`ENDINGS`, before anything is worked out for it.

    Raises:
        UserError: then.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"--output {path}: the ending must be one of {', '.join(ENDINGS)}; try {path.stem}.npz")


def write_states(
    path: Path,
    cash: Array,
    times: Array,
    columns: Mapping[str, Array],
    problem: Problem,
    action_rule: ActionRule | None = None,
    series: Mapping[str, Array] | None = None,
) -> None:
    """Write what is known on the grid into ``path``, in the format that its ending names.

    Args:
        path: a .npz file: every array under its name, and ``problem`` as JSON text; or a .csv file: one row a state.
        cash: (M,).
        times: (S,).
        columns: arrays of shape (S,), (1, M) or (S, M), and mode probabilities (S, M, 3), in a .csv file three columns.
        problem: what the arrays are of; in the .npz file only.
        action_rule: of a policy whose value they are; in the .npz file only.
        series: what is on no such grid; in the .npz file only.

    Raises:
        UserError: when the ending is neither, there are too many states, or the file cannot be written.
    """
    require_file(path)
    if cash.size * times.size > MAX_STATES:
        raise UserError(
            f"{cash.size:,} values of cash at {times.size:,} times are more than {MAX_STATES:,} states; ask for fewer"
        )
    if path.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        text = np.array(json.dumps(problem.to_dict(), allow_nan=False))
        arrays: dict[str, Any] = {"cash": cash, "time_to_horizon": times, **columns, **(series or {}), "problem": text}
        if action_rule is not None:
            arrays["action_rule"] = np.array(action_rule)
        np.savez_compressed(buffer, **arrays)
        data = buffer.getvalue()
    else:
        data = _rows(cash, times, columns).encode()
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UserError(f"--output {path} cannot be written: {error.strerror or error}; choose another file") from error


def _rows(cash: Array, times: Array, columns: Mapping[str, Array]) -> str:
    shape = (times.size, cash.size)
    flat = {"time_to_horizon": np.repeat(times, cash.size), "cash": np.tile(cash, times.size)}
    for name, values in columns.items():
        if values.ndim == 3:
            for mode, word in enumerate(("hold", "pay", "issue")):
                flat[f"probability_{word}"] = values[:, :, mode].ravel()
        else:
            flat[name] = np.broadcast_to(values if values.ndim == 2 else values[:, None], shape).ravel()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(flat)
    for row in zip(*(column.tolist() for column in flat.values()), strict=True):
        # Twelve digits are all that a solution has, and 0.1 stays 0.1; a level that there is not is an empty cell.
        writer.writerow(["" if value != value else f"{value:.12g}" for value in row])
    return text.getvalue()
