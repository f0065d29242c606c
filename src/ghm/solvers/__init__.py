"""What is known of the model: three answers that check each other."""

from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.free_boundary import free_boundary
from ghm.solvers.policy_value import policy_value

__all__ = ["dynamic_program", "free_boundary", "policy_value"]
