"""The optimum by brute force, for small problems: every level tried from every state, probabilities cell by cell.

Nothing is shared with the package, and nothing is clever: the value function is linear between the nodes, and a cell's
probability sits at its middle.
"""

import numpy as np
from scipy.stats import norm


def optimal_values(model, dt, n_steps, terminal, nodes=801, cells=8, liquidation_pays=True):
    """Cash nodes and V(c, T) there; ``terminal`` is the payoff at the horizon as a function of cash."""
    k = model.r - model.mu
    ell = model.recovery * model.alpha / k if liquidation_pays else 0.0
    cash = np.linspace(0.0, model.c_max, nodes)
    edges = np.linspace(0.0, model.c_max, (nodes - 1) * cells + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    mean = cash + (model.alpha + cash * (model.r - model.carry_cost - model.mu)) * dt
    variance = model.sigma_x**2 * (1 - model.rho**2) + (model.rho * model.sigma_x - cash * model.sigma_a) ** 2
    deviation = np.sqrt(variance * dt)
    reached = norm.cdf((edges - mean[:, None]) / deviation[:, None])
    probability = np.diff(reached, axis=1)
    over = (model.c_max - mean) / deviation
    overflow = deviation * norm.pdf(over) - (model.c_max - mean) * norm.sf(over)
    change = cash[:, None] - cash  # from the row's cash to the column's
    issue = -model.proportional_cost * (-change + model.fixed_cost)
    flow = np.where(change >= 0, change, issue)
    value = terminal(cash)
    for _ in range(n_steps):
        expected = (
            probability @ np.interp(middle, cash, value) + ell * reached[:, 0] + value[-1] * norm.sf(over) + overflow
        )
        value = (flow + np.exp(-k * dt) * expected).max(axis=1)
    return cash, value
