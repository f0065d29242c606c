"""Answers to take away: the solution on grids of one's own, any policy judged, comparative statics."""

from ghm.policies.adapters import as_policy
from ghm.policies.table_files import load_table
from ghm.solvers.answers.evaluation import PolicyEvaluation, evaluate
from ghm.solvers.answers.statics import Sweep, comparative_statics
from ghm.solvers.dynamic_program import solve
from ghm.solvers.solution import Solution

__all__ = [
    "PolicyEvaluation", "Solution", "Sweep", "as_policy", "comparative_statics", "evaluate", "load_table", "solve",
]  # fmt: skip
