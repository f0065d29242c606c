"""What shareholders get at the horizon."""

from collections.abc import Callable

import numpy as np

from ghm.economics.model import Array, GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.solvers.free_boundary import free_boundary

PAYOFFS: dict[Terminal, Callable[[GHMModel, Array], Array]] = {
    "liquidation": lambda model, cash: cash + model.liquidation_value,
    "zero": lambda _, cash: np.zeros_like(cash),
    "going_concern": lambda model, cash: free_boundary(model).value(cash),
}
"""c + ℓ; nothing; F(c): of cash (any shape), by terminal condition."""


def terminal_values(problem: Problem, cash: Array) -> Array:
    """Payoff at τ = 0 with ``cash`` ≥ 0 in hand, any shape.

    Raises:
        UserError: when ``terminal`` is ``going_concern`` and the infinite-horizon problem has no solution.
    """
    return PAYOFFS[problem.terminal](problem.model, cash)
