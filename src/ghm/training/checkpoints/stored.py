"""A training's best policy from the tables inside its checkpoint (:mod:`ghm.training.checkpoints.archive`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ghm.economics.action_rule import ActionRule, apply_rule
from ghm.economics.actions import Policy
from ghm.economics.grid import StateGrid
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.safe_read import parse_array, parse_object
from ghm.policies.tables import ISSUE_MEAN, ISSUE_STD, PAYOUT_MEAN, PAYOUT_STD, PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.training.checkpoints.archive import FORMAT, LEVELS, MODES, SETTINGS, read_checkpoint

ROUNDING = 1e-4
"""Of single precision, generously."""

PROBLEM = ("model", "dt", "T", "terminal")
"""What a policy must say that it is a policy of: all of it, since a default would be a guess."""


@dataclass(frozen=True)
class StoredPolicy:
    """A training's best policy, ready to be shown and judged."""

    problem: Problem
    action_rule: ActionRule
    """The better of its two action rules."""
    policy: Policy
    """As a function of the state, under that action rule."""


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
        return StoredPolicy(trained.config.problem, trained.returns.action_rule, trained.policy)
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
    highest = np.log(grid.cash[-1] + grid.level_shift)
    means, deviations = tables.levels[[PAYOUT_MEAN, ISSUE_MEAN]], tables.levels[[PAYOUT_STD, ISSUE_STD]]
    if tables.modes.min() < 0 or tables.modes.sum(axis=0).max() > 1 + ROUNDING:
        raise ValueError("probabilities below 0 or above 1")
    if means.max() > highest + ROUNDING or deviations.min() <= 0 or deviations.max() > 1 + ROUNDING:
        raise ValueError("levels beyond those that a network can have")
    if action_rule not in get_args(ActionRule):
        raise ValueError(f"no action rule {str(action_rule)[:40]!r}")
