"""Checkpoints: everything that continuing a run or evaluating its policy needs, as plain data.

A checkpoint is what ``torch.save`` writes of a dictionary of tensors, numbers and text, and is read back with
``weights_only=True``: a file from a stranger is data, never code. It is sealed (`ghm.io.sealed`), since a flipped bit in a
weight would otherwise train on as another policy. Draws need no generator state (they are a function of
seed and iteration), so the iteration is all the random state there is.
"""

import dataclasses
import io
import pickletools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ghm.economics.action_rule import ActionRule, Returns, apply_rule
from ghm.economics.actions import Policy
from ghm.economics.model import Array
from ghm.errors import UserError
from ghm.io.atomic import write_atomically
from ghm.io.sealed import seal_archive
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.training.checkpoints.stored import FORMAT as FORMAT  # those who read checkpoints ask here
from ghm.training.checkpoints.stored import add_policy, read_checkpoint
from ghm.training.exact import ExactReturns
from ghm.training.learners.estimator import sweep_tables
from ghm.training.learners.learner import Learner
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

_NAMES = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch DoubleStorage")
"""What a checkpoint may ask for by name. PyTorch's reader allows more, such as a `bytearray` of any length."""

_MOST_PICKLED, _MOST_PARTS = 1 << 20, 100_000
"""Bytes of a checkpoint without its tensors, and numbers, texts and tensors in it: ours have some thousand, and a hundred."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come."""

    iteration: int = 0
    seconds: float = 0.0
    best_return: float | None = None
    best_score: float | None = None
    """What the best policy was kept for: its exact return, or its simulated one."""
    best_iteration: int | None = None
    last_return: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A run at one iteration."""

    config: TrainConfig
    standing: RunProgress
    learner_state: dict[str, Any]

    def save(self, path: Path, policy: tuple[PolicyTables, ActionRule] | None = None) -> None:
        """Write to ``path`` atomically.

        Args:
            path: the file.
            policy: the networks' policy and the better of its action rules, for those who read it without them.

        Raises:
            OSError: when it cannot be written, or its directory or the run's is a link by now; what was there stays.
        """
        buffer = io.BytesIO()
        content = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "standing": vars(self.standing),
            "learner": self.learner_state,
        }
        torch.save(content, buffer)
        archive = buffer.getvalue()
        if policy is not None:
            archive = add_policy(archive, self.config.problem, *policy)
        write_atomically(path, seal_archive(archive), own=2)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read ``path``.

        Raises:
            UserError: when there is no such file, it is no checkpoint, or it is one of another version.
        """
        content = _read(path)
        if not isinstance(content, dict) or "format" not in content:
            raise UserError(f"{path} is no checkpoint of this program: it has no format number")
        if content["format"] != FORMAT:
            raise UserError(
                f"{path} has checkpoint format {content['format']!r}; this version reads format {FORMAT}; "
                "use the version that wrote it, or train again"
            )
        try:
            config = TrainConfig.from_dict(content["config"])
            standing = RunProgress(**content["standing"])
            learner = content["learner"]
            if not isinstance(learner, dict):
                raise TypeError("learner")
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} lacks part of a checkpoint ({error}); use another one") from error
        return cls(config, standing, learner)

    def restore(self, learner: Learner, path: Path) -> None:
        """Put the networks and optimisers back.

        Raises:
            UserError: when the stored networks do not fit the stored settings.
        """
        try:
            learner.load_state(self.learner_state)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise UserError(f"the networks in {path} do not fit its settings; the file is damaged") from error


def _read(path: Path) -> Any:
    """What `torch.save` was given for ``path``."""
    data, files = read_checkpoint(path)
    try:
        pickled = files["data.pkl"]
        if len(pickled) > _MOST_PICKLED:
            raise ValueError(f"its index is larger than {_MOST_PICKLED} bytes")
        for opcode, name, _ in pickletools.genops(pickled):
            if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST") and name not in _NAMES:
                raise ValueError(f"it asks for {name}")
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        _require_small(content)
        return content
    except Exception as error:  # a good seal around nonsense: PyTorch's reader ends in whatever it meets
        raise UserError(f"{path} is no checkpoint of this program; use another, such as best_model.pt") from error


def _require_small(content: Any) -> None:
    """Refuse what a small file may hold and nobody could walk through: parts of parts, each of which is there many times."""
    level, left = [content], _MOST_PARTS
    while level := [part for part in level if isinstance(part, dict | list | tuple)]:
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)][: left + 1]
        left -= len(level)
        if left < 0:
            raise ValueError(f"it has more than {_MOST_PARTS:,} parts")


@dataclass(frozen=True)
class TrainedPolicy:
    """A checkpoint made usable: the problem it was trained on, its policy, and its value function."""

    config: TrainConfig
    standing: RunProgress
    problem: GriddedProblem
    tables: PolicyTables
    value_table: Array
    """V at the nodes, (K, M): the critic's, or with the exact baseline the policy's own."""

    @property
    def drawn_policy(self) -> TabulatedPolicy:
        """The policy that was trained, which draws its actions."""
        return TabulatedPolicy(self.problem.grid, self.tables)

    @cached_property
    def returns(self) -> Returns:
        """Exact returns under both action rules; in a run they take turns at being the better one."""
        return ExactReturns.build(self.problem.problem, self.problem.grid)(self.tables)

    @property
    def policy(self) -> Policy:
        """The policy as a function of the state, under the better of its two action rules."""
        return apply_rule(self.drawn_policy, self.returns.action_rule)


def load_trained(path: Path) -> TrainedPolicy:
    """Load the policy and values that a checkpoint holds, on the CPU.

    Raises:
        UserError: as :meth:`Checkpoint.load`.
    """
    checkpoint = Checkpoint.load(path)
    config = dataclasses.replace(checkpoint.config, device="cpu")
    problem = GriddedProblem.build(config.problem)
    learner = Learner(problem, config)
    checkpoint.restore(learner, path)
    tables = learner.tabulate().tables
    return TrainedPolicy(config, checkpoint.standing, problem, tables, value_table(problem, config, learner, tables))


def value_table(problem: GriddedProblem, config: TrainConfig, learner: Learner, tables: PolicyTables) -> Array:
    """The value function that a training learned from, at the nodes, (K, M)."""
    if config.baseline != "exact":
        return learner.values(tables)
    values = sweep_tables(problem, tables, None).values
    return values[np.maximum(problem.grid.n_steps - problem.grid.steps_to_go, 0)]
