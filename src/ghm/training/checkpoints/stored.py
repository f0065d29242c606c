"""The best policy as tables inside its checkpoint: showing it needs no networks, and none of PyTorch's memory.

A checkpoint is an archive with a folder in which PyTorch finds what it wrote; in ``best_model.pt`` three files lie beside that:

======================  ============================================================================================
file                    content
======================  ============================================================================================
``policy/policy.json``  format, the problem (model, dt, T, terminal), and the better of the policy's two readings
``policy/modes.npy``    probabilities of paying and of issuing, (2, K, M), as in `ghm.policies.tables`
``policy/levels.npy``   mean and standard deviation of the payout level, then of the issue target, (4, K)
======================  ============================================================================================
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np

from ghm.economics.action_rule import ActionRule, read
from ghm.economics.actions import Policy
from ghm.economics.grid import StateGrid
from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_array, parse_object, read_archive
from ghm.io.sealed import read_sealed_archive
from ghm.policies.tables import ISSUE_MEAN, ISSUE_STD, PAYOUT_MEAN, PAYOUT_STD, PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.training.settings import TrainConfig

FORMAT = 2
"""Number of the checkpoint's layout, and of what its tables mean; another number is refused."""

MAX_BYTES = 1 << 30
"""A larger file is no checkpoint of ours: the largest networks allowed make far smaller ones."""

ROUNDING = 1e-4
"""Of single precision, generously."""

SETTINGS, MODES, LEVELS = "policy/policy.json", "policy/modes.npy", "policy/levels.npy"

PROBLEM = ("model", "dt", "T", "terminal")
"""Settings of a training that say what its policy is a policy of."""


@dataclass(frozen=True)
class StoredPolicy:
    """A training's best policy, ready to be shown and judged."""

    model: GHMModel
    dt: float
    T: float
    terminal: Terminal
    reading: ActionRule
    """The better of its two readings."""
    policy: Policy
    """As a function of the state, under that reading."""

    @classmethod
    def of(cls, config: TrainConfig, reading: ActionRule, policy: Policy) -> Self:
        """A policy for the problem of these settings."""
        return cls(config.model, config.dt, config.T, config.terminal, reading, policy)


def add_policy(archive: bytes, config: TrainConfig, tables: PolicyTables, reading: ActionRule) -> bytes:
    """The archive with a policy in it; the same bytes whenever it is made."""
    problem = {name: config.to_dict()[name] for name in PROBLEM}
    settings = json.dumps({"format": FORMAT, "problem": problem, "reading": reading}).encode()
    file = io.BytesIO(archive)
    with zipfile.ZipFile(file, "a") as writer:
        folder = writer.namelist()[0].partition("/")[0]  # PyTorch refuses an archive with a second one
        for name, data in ((SETTINGS, settings), (MODES, _npy(tables.modes)), (LEVELS, _npy(tables.levels))):
            writer.writestr(zipfile.ZipInfo(f"{folder}/{name}"), data)  # its date is 1980's
    return file.getvalue()


def load_stored(path: Path) -> StoredPolicy:
    """The policy that a checkpoint holds; from its networks, where it was written before it held tables.

    Raises:
        UserError: when there is no such file, it is no checkpoint, or it is damaged.
    """
    members = read_checkpoint(path)[1]
    if SETTINGS not in members:
        # Late: PyTorch takes seconds to import, and memory.
        from ghm.training.checkpoints.checkpoint import load_trained

        trained = load_trained(path)
        return StoredPolicy.of(trained.config, trained.reading, trained.policy)
    try:
        settings = parse_object(members[SETTINGS])
        if settings["format"] != FORMAT:
            raise ValueError(f"its format is {str(settings['format'])[:20]}; this version reads {FORMAT}")
        problem, reading = settings["problem"], settings["reading"]
        config = TrainConfig.from_dict({name: problem[name] for name in PROBLEM})
        tables = PolicyTables(parse_array(members[MODES]), parse_array(members[LEVELS]))
        grid = StateGrid.build(config.model, config.dt, config.n_steps)
        _require_whole(tables, grid, reading)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{path} holds no whole policy ({error}); use another checkpoint") from error
    return StoredPolicy.of(config, reading, read(TabulatedPolicy(grid, tables), reading))


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


def _require_whole(tables: PolicyTables, grid: StateGrid, reading: Any) -> None:
    shape = (grid.steps_to_go.size, grid.cash.size)
    if tables.modes.shape != (2, *shape) or tables.levels.shape != (4, shape[0]):
        raise ValueError(f"tables of shapes {tables.modes.shape} and {tables.levels.shape} for {shape} nodes")
    if not all(table.dtype == np.float32 and np.isfinite(table).all() for table in tables):
        raise ValueError("tables that are not of finite numbers")
    highest = np.log(grid.cash[-1] + grid.level_shift)
    means, deviations = tables.levels[[PAYOUT_MEAN, ISSUE_MEAN]], tables.levels[[PAYOUT_STD, ISSUE_STD]]
    if tables.modes.min() < 0 or tables.modes.sum(axis=0).max() > 1 + ROUNDING:
        raise ValueError("probabilities below 0 or above 1")
    if means.max() > highest + ROUNDING or deviations.min() <= 0 or deviations.max() > 1 + ROUNDING:
        raise ValueError("levels beyond those that a network can have")
    if reading not in get_args(ActionRule):
        raise ValueError(f"no reading {str(reading)[:40]!r}")


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()
