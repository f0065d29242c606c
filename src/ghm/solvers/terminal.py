"""What shareholders get at the horizon."""

import numpy as np

from ghm.economics.model import Array
from ghm.economics.problem import Problem
from ghm.solvers.free_boundary import free_boundary


def terminal_values(problem: Problem, cash: Array) -> Array:
    """Payoff at τ = 0 with ``cash`` ≥ 0 in hand, any shape: c + ℓ; nothing; or F(c).

    Raises:
        UserError: when ``terminal`` is ``going_concern`` and the infinite-horizon problem has no solution.
    """
    if problem.terminal == "liquidation":
        return cash + problem.model.liquidation_value
    if problem.terminal == "zero":
        return np.zeros_like(cash)
    return free_boundary(problem.model).value(cash)
