"""What shareholders get at the horizon."""

import numpy as np

from ghm.economics.model import Array, GHMModel, Terminal
from ghm.solvers.free_boundary import free_boundary


def terminal_values(model: GHMModel, terminal: Terminal, cash: Array) -> Array:
    """Payoff at τ = 0 with ``cash`` ≥ 0 in hand, any shape: c + ℓ; nothing; or F(c).

    Raises:
        UserError: when ``terminal`` is ``going_concern`` and the infinite-horizon problem has no solution.
    """
    if terminal == "liquidation":
        return cash + model.liquidation_value
    if terminal == "zero":
        return np.zeros_like(cash)
    return free_boundary(model).value(cash)
