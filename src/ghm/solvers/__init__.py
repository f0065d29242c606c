"""What is known of the model: three answers that check each other."""

from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.policy_value import policy_value
from ghm.solvers.solution import Solution
from ghm.solvers.store import load_or_solve

__all__ = ["FreeBoundary", "Solution", "dynamic_program", "free_boundary", "load_or_solve", "policy_value"]
