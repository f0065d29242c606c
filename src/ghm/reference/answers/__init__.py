"""Answers to take away: the solution on grids of one's own, any policy judged, comparative statics."""

from ghm.reference.answers.evaluation import PolicyEvaluation, evaluate
from ghm.reference.answers.foreign import as_policy
from ghm.reference.answers.solution import Solution, solve
from ghm.reference.answers.statics import Sweep, comparative_statics
from ghm.reference.answers.tables import load_table

__all__ = [
    "PolicyEvaluation", "Solution", "Sweep", "as_policy", "comparative_statics", "evaluate", "load_table", "solve",
]  # fmt: skip
