"""A checkpoint's archive, and the best policy as tables inside it: showing that needs no networks, and none of PyTorch's memory.

A checkpoint is an archive with a folder in which PyTorch finds what it wrote; in ``best_model.pt`` three files lie beside that:

======================  ============================================================================================
file                    content
======================  ============================================================================================
``policy/policy.json``  format, the problem (model, dt, T, terminal), and the better of the policy's two action rules
``policy/modes.npy``    probabilities of paying and of issuing, (2, K, M), as in `ghm.policies.tables`
``policy/levels.npy``   mean and standard deviation of the payout level, then of the issue target, (4, K)
======================  ============================================================================================
"""

import io
import json
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ghm.economics.action_rule import ActionRule, apply_rule
from ghm.economics.actions import Policy
from ghm.economics.grid import StateGrid
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_array, parse_object, read_archive
from ghm.io.sealed import read_sealed_archive
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy

FORMAT = 2
"""Number of the checkpoint's layout, and of what its tables mean; another number is refused."""

MAX_BYTES = 1 << 30
"""A larger file is no checkpoint of ours: the largest networks allowed make far smaller ones."""

SETTINGS, MODES, LEVELS = "policy/policy.json", "policy/modes.npy", "policy/levels.npy"

PROBLEM = ("model", "dt", "T", "terminal")
"""What a policy must say that it is a policy of: all of it, since a default would be a guess."""


def add_policy(archive: bytes, problem: Problem, tables: PolicyTables, action_rule: ActionRule) -> bytes:
    """The archive with a policy in it; the same bytes whenever it is made."""
    settings = json.dumps({"format": FORMAT, "problem": problem.to_dict(), "action_rule": action_rule}).encode()
    file = io.BytesIO(archive)
    with zipfile.ZipFile(file, "a") as writer:
        folder = writer.namelist()[0].partition("/")[0]  # PyTorch refuses an archive with a second one
        for name, data in ((SETTINGS, settings), (MODES, _npy(tables.modes)), (LEVELS, _npy(tables.levels))):
            writer.writestr(zipfile.ZipInfo(f"{folder}/{name}"), data)  # its date is 1980's
    return file.getvalue()


def read_checkpoint(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """A checkpoint's bytes, whole by their seal, and the files in its folder.

    Raises:
        UserError: when there is no such file, it cannot be read, or it is damaged.
    """
    if path.is_dir():
        inside = [one for place in (path, path / "checkpoints") for one in sorted(place.glob("*.pt"))]
        remedy = (
            f"give one of {', '.join(map(str, inside))}"
            if inside
            else "give the path of a .pt file that training wrote"
        )
        raise UserError(f"{path} is a directory; {remedy}")
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; give the path of a .pt file that training wrote")
    try:
        data = read_sealed_archive(path, MAX_BYTES, follow=True)
        # Nothing in it is compressed: one that grows is no checkpoint.
        files = read_archive(data, most=len(data))
        if len({name.partition("/")[0] for name in files}) != 1:
            raise DamagedError("not one folder in it")
        return data, {name.partition("/")[2]: content for name, content in files.items()}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; mend that or use another") from error
    except DamagedError as error:
        raise UserError(
            f"{path} is no checkpoint, or a damaged one ({error}); use another, such as best_model.pt"
        ) from error


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()


@dataclass(frozen=True)
class StoredPolicy:
    """A training's best policy, ready to be shown and judged."""

    problem: Problem
    action_rule: ActionRule
    """The better of its two action rules."""
    policy: Policy
    """As a function of the state, under that action rule."""


def load_stored(path: Path) -> StoredPolicy:
    """The policy that ``best_model.pt`` holds as tables.

    Raises:
        UserError: when there is no such file, it is no such checkpoint, or it is damaged.
    """
    members = read_checkpoint(path)[1]
    if SETTINGS not in members:
        raise UserError(
            f"{path} holds networks alone; give best_model.pt, or judge this one by `ghm evaluate {shlex.quote(str(path))}`"
        )
    try:
        settings = parse_object(members[SETTINGS])
        if settings["format"] != FORMAT:
            raise ValueError(f"its format is {str(settings['format'])[:20]}; this version reads {FORMAT}")
        action_rule, problem = (
            settings["action_rule"],
            Problem.from_dict({name: settings["problem"][name] for name in PROBLEM}),
        )
        tables = PolicyTables(parse_array(members[MODES]), parse_array(members[LEVELS]))
        grid = StateGrid.build(problem)
        _require_whole(tables, grid, action_rule)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{path} holds no whole policy ({error}); use another checkpoint") from error
    return StoredPolicy(problem, action_rule, apply_rule(TabulatedPolicy(grid, tables), action_rule))


def _require_whole(tables: PolicyTables, grid: StateGrid, action_rule: Any) -> None:
    shape = (grid.steps_to_go.size, grid.cash.size)
    if tables.modes.shape != (2, *shape) or tables.levels.shape != (4, shape[0]):
        raise ValueError(f"tables of shapes {tables.modes.shape} and {tables.levels.shape} for {shape} nodes")
    if not all(table.dtype == np.float32 and np.isfinite(table).all() for table in tables):
        raise ValueError("tables that are not of finite numbers")
    if action_rule not in get_args(ActionRule):
        raise ValueError(f"no action rule {str(action_rule)[:40]!r}")
