"""The infinite-horizon problem solved another way: Chebyshev collocation, for the solution by integration to agree with."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Chebyshev
from scipy.optimize import brentq

DEGREE = 60


@dataclass(frozen=True)
class Collocation:
    payout_level: float
    value_at_zero: float
    issue_target: float


def solve(model, below, above):
    """The solution whose payout level lies between ``below`` and ``above``; None if there is none."""
    if excess(model, below)[0] * excess(model, above)[0] > 0:
        return None
    level = brentq(lambda c: excess(model, c)[0], below, above, xtol=1e-12)
    _, value, target = excess(model, level)
    return Collocation(level, value, target)


def excess(model, level):
    """F(0) less what shareholders can have at zero instead, F(0), and the best target of an issue."""
    value = polynomial(model, level)
    cash = np.linspace(0.0, level, 20_001)
    net = value(cash) - model.proportional_cost * (cash + model.fixed_cost)
    best = int(np.argmax(net))
    liquidation = model.recovery * model.alpha / (model.r - model.mu)
    if model.fixed_cost == 0:  # reflection at zero
        return min(value(0.0) - liquidation, model.proportional_cost - value.deriv()(0.0)), value(0.0), 0.0
    return value(0.0) - max(liquidation, net[best]), value(0.0), cash[best]


def polynomial(model, level):
    """F on [0, level] with F(level) = m/k and F'(level) = 1, the equation holding at DEGREE − 1 points."""
    points = level * (1 - np.cos(np.pi * (np.arange(DEGREE - 1) + 0.5) / (DEGREE - 1))) / 2
    drift = model.alpha + points * (model.r - model.carry_cost - model.mu)
    variance = model.sigma_x**2 * (1 - model.rho**2) + (model.rho * model.sigma_x - points * model.sigma_a) ** 2
    matrix = np.empty((DEGREE + 1, DEGREE + 1))
    for j in range(DEGREE + 1):
        basis = Chebyshev.basis(j, domain=[0.0, level])
        first, second = basis.deriv(), basis.deriv(2)
        matrix[:-2, j] = (model.r - model.mu) * basis(points) - drift * first(points) - variance / 2 * second(points)
        matrix[-2:, j] = basis(level), first(level)
    top = (model.alpha + level * (model.r - model.carry_cost - model.mu)) / (model.r - model.mu)
    right = np.concatenate([np.zeros(DEGREE - 1), [top, 1.0]])
    return Chebyshev(np.linalg.solve(matrix, right), domain=[0.0, level])
