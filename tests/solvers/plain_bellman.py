"""The discrete-time problem by brute force, for small problems: every level tried from every state, probabilities cell by cell.

Nothing is shared with the package, and nothing is clever: the value function is linear between the nodes, and a cell's
probability sits at its middle.
"""

import numpy as np
from scipy.stats import norm


def optimal_values(model, dt, n_steps, terminal, nodes=801, liquidation_pays=True):
    """Cash nodes and the optimal V(c, T) there; ``terminal`` is the payoff at the horizon as a function of cash."""
    cash = np.linspace(0.0, model.c_max, nodes)
    flow, continuation = cash_flow(model, cash[:, None], cash), expectation(model, dt, cash, liquidation_pays)
    value = terminal(cash)
    for _ in range(n_steps):
        value = (flow + continuation(value)).max(axis=1)
    return cash, value


def policy_values(model, dt, n_steps, terminal, outcomes, nodes=801):
    """Cash nodes and V(c, T) there of a policy.

    ``outcomes(cash, to_go)`` gives cash after the transaction and its probability, each (nodes, whatever).
    """
    cash = np.linspace(0.0, model.c_max, nodes)
    continuation, value = expectation(model, dt, cash), terminal(cash)
    for to_go in range(1, n_steps + 1):
        after, probability = outcomes(cash, to_go)
        held = np.interp(after, cash, continuation(value))
        value = (probability * (cash_flow(model, cash[:, None], after) + held)).sum(axis=1)
    return cash, value


def cash_flow(model, before, after):
    """What shareholders get, or pay, when cash goes from ``before`` to ``after``."""
    issue = -model.proportional_cost * (after - before + model.fixed_cost)
    return np.where(after > before, issue, before - after)


def expectation(model, dt, cash, liquidation_pays=True, cells=4):
    """The function that makes W at the nodes ``cash`` from V there."""
    k = model.r - model.mu
    ell = model.recovery * model.alpha / k if liquidation_pays else 0.0
    edges = np.linspace(0.0, model.c_max, (cash.size - 1) * cells + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    mean = cash + (model.alpha + cash * (model.r - model.carry_cost - model.mu)) * dt
    variance = model.sigma_x**2 * (1 - model.rho**2) + (model.rho * model.sigma_x - cash * model.sigma_a) ** 2
    deviation = np.sqrt(variance * dt)
    reached = norm.cdf((edges - mean[:, None]) / deviation[:, None])
    probability, above = np.diff(reached, axis=1), norm.sf((model.c_max - mean) / deviation)
    overflow = deviation * norm.pdf((model.c_max - mean) / deviation) - (model.c_max - mean) * above
    fixed = ell * reached[:, 0] + overflow
    return lambda value: np.exp(-k * dt) * (probability @ np.interp(middle, cash, value) + value[-1] * above + fixed)
