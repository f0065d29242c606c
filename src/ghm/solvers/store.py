"""The model's solution as training and reports need it, kept in a file between runs.

The file is keyed by everything the solution depends on; one that is damaged, of another version or of another problem is
solved again and replaced.
"""

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ghm.economics.model import Array, GHMModel, Terminal
from ghm.errors import UserError
from ghm.io.atomic import write_atomically
from ghm.io.safe_read import parse_array, parse_object, read_archive
from ghm.io.sealed import DamagedError, read_sealed_archive, seal_archive
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.free_boundary import free_boundary

FORMAT = 3
"""Number of the file's layout and of the method; a file with another is solved again."""

MAX_BYTES = 1 << 26
"""Of the file, and unpacked: 64 times and 4,000 nodes, the most there are, make 2 MB."""

ARRAYS = ("cash", "time_to_horizon", "values", "payout_levels", "issue_thresholds", "issue_targets")


@dataclass(frozen=True)
class Reference:
    """The optimum of one decision problem, and what else policies are judged by."""

    optimal_return: float
    """J*."""
    wind_up_return: float
    """J₀: pay everything out at once and be liquidated; c̄/2 + ℓ."""
    least_gain: float
    """Gain over winding up below which it is none of running the firm, see :meth:`captured_value`."""
    payout_level: float | None
    """Optimal payout level at τ = T; None if the optimum never pays."""
    issue_below: float | None
    """Cash below which the optimum issues at τ = T; None if it never does."""
    issue_target: float | None
    """Cash that the optimum raises to at τ = T; None if it never issues."""
    free_boundary: dict[str, float | bool | None] | None
    """The infinite-horizon solution's figures; None where there is none."""
    cash: Array
    """Cash nodes, (M,)."""
    time_to_horizon: Array
    """Times to horizon of ``values``, from 0 to T, (S,)."""
    values: Array
    """Optimal V(c, τ), (S, M)."""
    payout_levels: Array
    """Optimal payout level at those times (NaN at τ = 0 and where it never pays), (S,)."""
    issue_thresholds: Array
    """Cash below which the optimum issues at those times, likewise, (S,)."""
    issue_targets: Array
    """Cash that it raises to at those times, likewise, (S,)."""

    def captured_value(self, expected_return: float) -> float | None:
        """(J − J₀)/(J* − J₀): 0 no better than closing the firm, 1 optimal; None where closing it is optimal.

        Even where it is, a firm that pays everything out and waits for its first bad shock earns what a step or two bring
        until then. Gains no longer than a step are of that kind, and a ratio to them would say nothing.
        """
        gain = self.optimal_return - self.wind_up_return
        return (expected_return - self.wind_up_return) / gain if gain > self.least_gain else None


def solve(model: GHMModel, dt: float, T: float, terminal: Terminal) -> Reference:
    """Solve the decision problem, and the infinite-horizon one where it has a solution.

    Raises:
        UserError: when the problem cannot be solved at these settings.
    """
    optimum = dynamic_program(model, dt, T, terminal)
    steps = np.round(optimum.time_to_horizon / dt).astype(int)

    def at_kept(levels: Array) -> Array:
        return np.concatenate([[np.nan], levels[steps[1:] - 1]])

    def last(levels: Array) -> float | None:
        return None if np.isnan(levels[-1]) else float(levels[-1])

    return Reference(
        optimal_return=optimum.optimal_return,
        wind_up_return=model.c_max / 2 + model.liquidation_value,
        least_gain=model.step_from_zero(dt),
        payout_level=last(optimum.payout_level),
        issue_below=last(optimum.issue_below),
        issue_target=last(optimum.issue_target),
        free_boundary=_infinite_horizon(model),
        cash=optimum.cash,
        time_to_horizon=optimum.time_to_horizon,
        values=optimum.values,
        payout_levels=at_kept(optimum.payout_level),
        issue_thresholds=at_kept(optimum.issue_below),
        issue_targets=at_kept(optimum.issue_target),
    )


def _infinite_horizon(model: GHMModel) -> dict[str, float | bool | None] | None:
    try:
        return free_boundary(model).figures()
    except UserError:
        return None


def load_or_solve(path: Path, model: GHMModel, dt: float, T: float, terminal: Terminal) -> Reference:
    """The solution kept at ``path`` if it is of this problem; else solve, and keep it there.

    Raises:
        UserError: when the problem cannot be solved at these settings.
        OSError: when the file cannot be written.
    """
    key = {"format": FORMAT, "model": dataclasses.asdict(model), "dt": dt, "T": T, "terminal": terminal}
    stored = _load(path, key)
    if stored is not None:
        return stored
    reference = solve(model, dt, T, terminal)
    content: dict[str, Any] = dataclasses.asdict(reference)
    arrays = {name: content.pop(name) for name in ARRAYS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.array(json.dumps({"key": key, **content})), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, seal_archive(buffer.getvalue()))
    return reference


def load(path: Path) -> Reference:
    """The solution kept at ``path``, whatever its problem.

    Raises:
        UserError: when there is none.
    """
    stored = _load(path, None)
    if stored is None:
        what = "a damaged solution" if path.exists() else "no stored solution"
        raise UserError(f"{what} of the model at {path}; run the search or the training that writes it")
    return stored


def _load(path: Path, key: dict[str, Any] | None) -> Reference | None:
    """The solution at ``path``; None where there is none, it is damaged, or of another problem than ``key``."""
    try:
        members = read_archive(read_sealed_archive(path, MAX_BYTES), MAX_BYTES)
        header = parse_object(str(parse_array(members["header.npy"])).encode())
        arrays: dict[str, Any] = {name: parse_array(members[f"{name}.npy"]) for name in ARRAYS}
        if header.pop("key") != key and key is not None:
            return None
        return Reference(**header, **arrays)
    except (OSError, DamagedError, KeyError, TypeError, UnicodeError):
        return None
