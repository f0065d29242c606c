"""Policies in .npz files of plain arrays: two forms, told apart by whether there are mode probabilities.

A *table*, of a policy of any form, over M values of cash and S times to horizon:

=======================================  =====================  =========================================================
array                                    shape                  meaning
=======================================  =====================  =========================================================
``cash``                                 (M,)                   increasing, from 0 or above (cash)
``time_to_horizon``                      (S,)                   increasing (years)
``mode_probabilities``                   (S, M, 3)              of hold, pay and issue
``payout_level``, ``issue_target``       (S,) or (S, M)         median levels b and i (cash)
``payout_log_std``, ``issue_log_std``    (S,) or (S, M)         spread of ln(b + a) and ln(i + a); left out: none
``level_shift``                          one number, or (S,)     the shift a in cash; left out: 0
=======================================  =====================  =========================================================

Between nodes it is interpolated linearly, beyond them it is what it is at the edge. *Levels*, of a policy of the optimum's form
(what ``ghm solve --output`` writes):

======================================================  =====  ==========================================================
array                                                   shape  meaning
======================================================  =====  ==========================================================
``time_to_horizon``                                     (S,)   increasing (years)
``payout_level``, ``issue_below``, ``issue_target``     (S,)   levels of cash; NaN: never
``abandon_below``                                       (S,)   may be left out
======================================================  =====  ==========================================================

Either may have ``problem``, JSON text with ``model``, ``dt``, ``T`` and ``terminal``: what it is judged on unless told otherwise.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ghm.economics.actions import Actions, Policy
from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_array, parse_json, read_archive, read_bytes
from ghm.policies.thresholds import Levels, ThresholdPolicy, between

MAX_BYTES = 1 << 30
"""Of the file, and unpacked: what is larger is no policy of two state variables."""


@dataclass(frozen=True)
class Table:
    """A policy read from a file, and the problem that the file says it is of."""

    policy: Policy
    problem: dict[str, Any]
    """``model`` (a `GHMModel`), ``dt``, ``T`` and ``terminal``, as far as the file says."""


@dataclass(frozen=True)
class TablePolicy:
    """A policy tabulated over cash (M,) and time to horizon (S,)."""

    cash: Array
    time_to_horizon: Array
    mode_probabilities: Array
    """(S, M, 3)."""
    levels: Array
    """Median payout level and issue target, spreads of B and I of :mod:`ghm.economics.actions`, (4, S, M)."""
    level_shift: float = 0.0
    """The shift of :mod:`ghm.economics.actions`, in cash."""

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,)."""
        row, behind, weight = between(self.time_to_horizon, time_to_horizon)
        modes = (1 - weight) * self.mode_probabilities[row] + weight * self.mode_probabilities[behind]
        levels = (1 - weight) * self.levels[:, row] + weight * self.levels[:, behind]
        probabilities = np.stack([np.interp(cash, self.cash, mode) for mode in modes.T], axis=1)
        payout, target, payout_std, issue_std = (np.interp(cash, self.cash, level) for level in levels)
        with np.errstate(divide="ignore"):  # a level of 0 pays everything out
            payout_mean, target_mean = np.log(payout + self.level_shift), np.log(target + self.level_shift)
        return Actions(probabilities, payout_mean, payout_std, target_mean, issue_std, self.level_shift)


def load_table(path: str | Path) -> Table:
    """Read a policy from a .npz file; see the module's tables. Nothing in it is run.

    Raises:
        UserError: when there is no such file, or it holds no policy; the message says what is wrong.
    """
    path = Path(path)
    arrays = _read(path)
    problem = _problem(path, arrays.pop("problem", None))
    if "mode_probabilities" in arrays:
        return Table(_table(path, arrays), problem)
    if "issue_below" in arrays:
        return Table(_levels(path, arrays), problem)
    raise UserError(
        f"{path} holds no policy: neither mode_probabilities nor issue_below, only {', '.join(sorted(arrays)) or 'nothing'}; "
        "see `ghm evaluate --help` for the arrays that a policy needs"
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"no policy at {path}; give a .npz file of arrays")
    if path.suffix.lower() == ".pt":
        raise UserError(
            f"{path} is a checkpoint; judge it by `ghm evaluate {shlex.quote(str(path))}`, which knows the problem it was "
            "trained on"
        )
    try:
        members = read_archive(read_bytes(path, MAX_BYTES, follow=True), MAX_BYTES)
        return {name.removesuffix(".npy"): parse_array(data) for name, data in members.items()}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; mend that or use another") from error
    except DamagedError as error:
        raise UserError(f"{path} is no .npz file of plain arrays ({error}); write one with numpy.savez") from error


def _problem(path: Path, text: Any) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        problem = parse_json(str(text).encode("utf-8", "replace"))
    except DamagedError as error:
        raise UserError(f"{path}: the array problem must be JSON text ({error}); leave it out") from error
    try:
        whole = Problem.from_dict(problem)
    except (UserError, TypeError, ValueError) as error:
        raise UserError(f"{path}: the array problem: {error}") from error
    return {name: getattr(whole, name) for name in problem}


def _table(path: Path, arrays: Mapping[str, Any]) -> TablePolicy:
    cash, times = (_increasing(path, arrays, name) for name in ("cash", "time_to_horizon"))
    shape = (times.size, cash.size)
    modes = _numbers(path, arrays, "mode_probabilities")
    if modes.shape != (*shape, 3):
        raise UserError(
            f"{path}: mode_probabilities must have shape {(*shape, 3)} (times, cash, modes); received {modes.shape}"
        )
    if not (np.all(modes >= 0) and np.all(np.abs(modes.sum(axis=2) - 1) <= 1e-4)):
        raise UserError(
            f"{path}: mode_probabilities must be >= 0 and sum to 1 over hold, pay and issue; normalise them"
        )
    levels = []
    for name, default in (
        ("payout_level", None),
        ("issue_target", None),
        ("payout_log_std", 0.0),
        ("issue_log_std", 0.0),
    ):
        values = _numbers(path, arrays, name) if name in arrays or default is None else np.zeros(shape)
        if values.shape not in ((times.size,), shape):
            raise UserError(f"{path}: {name} must have shape {(times.size,)} or {shape}; received {values.shape}")
        # A level that no mode uses may be missing.
        values = np.nan_to_num(values if values.ndim == 2 else values[:, None], nan=1.0)
        if np.any(values < 0):
            raise UserError(f"{path}: {name} must be >= 0; received {values.min():g}")
        levels.append(np.broadcast_to(values, shape))
    shift = _numbers(path, arrays, "level_shift").ravel() if "level_shift" in arrays else np.zeros(1)
    if shift.size == 0 or np.any(shift != shift[0]) or not shift[0] >= 0:
        raise UserError(f"{path}: level_shift must be one number >= 0; received {shift.tolist()[:3]}")
    return TablePolicy(cash, times, modes, np.stack(levels), float(shift[0]))


def _levels(path: Path, arrays: Mapping[str, Any]) -> ThresholdPolicy:
    times = _increasing(path, arrays, "time_to_horizon")
    levels = {name: _numbers(path, arrays, name) for name in ("payout_level", "issue_below", "issue_target")}
    never = np.full(times.shape, np.nan)
    levels["abandon_below"] = _numbers(path, arrays, "abandon_below") if "abandon_below" in arrays else never
    for name, values in levels.items():
        if values.shape != times.shape:
            raise UserError(f"{path}: {name} must have shape {times.shape}; received {values.shape}")
    if times[0] == 0 and times.size > 1:  # the firm does nothing at the horizon itself
        times, levels = times[1:], {name: values[1:] for name, values in levels.items()}
    return ThresholdPolicy(times, Levels(**levels))


def _numbers(path: Path, arrays: Mapping[str, Any], name: str) -> Array:
    if name not in arrays:
        raise UserError(f"{path} lacks the array {name}; see `ghm evaluate --help` for the arrays that a policy needs")
    values = arrays[name]
    if values.dtype.kind not in "fiu" or np.any(np.isinf(values)):
        raise UserError(f"{path}: {name} must be finite numbers; received {values.dtype} values")
    return np.asarray(values, dtype=np.float64)


def _increasing(path: Path, arrays: Mapping[str, Any], name: str) -> Array:
    values = _numbers(path, arrays, name)
    if values.ndim != 1 or values.size == 0 or not values[0] >= 0 or not np.all(np.diff(values) > 0):
        raise UserError(f"{path}: {name} must be a list of numbers >= 0 that increase; received shape {values.shape}")
    return values
