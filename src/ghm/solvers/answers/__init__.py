"""Answers to take away: the solution on grids of one's own, any policy judged, comparative statics."""

from ghm.policies.adapters import as_policy
from ghm.policies.table_files import load_table
from ghm.solvers.answers.statics import Sweep, comparative_statics

__all__ = ["Sweep", "as_policy", "comparative_statics", "load_table"]
