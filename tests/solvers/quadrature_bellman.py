"""The optimum by the obvious program: uniform nodes, quadrature over the shock, linear interpolation between nodes.

Nothing is shared with the package. Gauss-Hermite quadrature takes the integrand for a polynomial, but the value jumps at
zero cash, from V(0) to ℓ: the expectation as a function of cash then has a staircase's errors, and the two maxima pick its
upper edges. So that variant errs upward, and comes down to the optimum slowly as nodes and quadrature points are added. The
other variant differs in one thing: it integrates over the shocks that the firm survives, where the value is smooth, and
takes the probability of the others from the normal distribution function.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import roots_hermitenorm, roots_legendre

REACH = 6.5
"""Standard deviations at which the split quadrature ends; the probability beyond is 8e-11."""


@dataclass(frozen=True)
class Solution:
    optimal_return: float
    payout_level: np.ndarray
    """By steps to go, (n_steps,); so are the others. NaN: never."""
    issue_below: np.ndarray
    issue_target: np.ndarray


def solve(model, dt, n_steps, nodes, points, split=False):
    """The optimum with c + ℓ at the horizon, on ``nodes`` values of cash with ``points`` shocks from each."""
    k = model.r - model.mu
    ell, discount = model.recovery * model.alpha / k, np.exp(-k * dt)
    cash = np.linspace(0.0, model.c_max, nodes)
    drift = model.alpha + cash * (model.r - model.carry_cost - model.mu)
    variance = model.sigma_x**2 * (1 - model.rho**2) + (model.rho * model.sigma_x - cash * model.sigma_a) ** 2
    mean, deviation = cash + drift * dt, np.sqrt(variance * dt)
    shocks, weights = (surviving_shocks if split else hermite_shocks)(mean / deviation, points)
    following = mean[:, None] + deviation[:, None] * shocks
    survives = following > 0
    constant = ell * (1.0 - (weights * survives).sum(axis=1)) + (
        weights * np.maximum(following - model.c_max, 0.0)
    ).sum(axis=1)
    weights = weights * survives
    position = np.clip(following / cash[1], 0.0, nodes - 1.0)
    cell = np.minimum(position.astype(np.int64), nodes - 2)
    share = position - cell
    value, levels = cash + ell, np.full((3, n_steps), np.nan)
    for step in range(n_steps):
        reached = value[cell] + share * (value[cell + 1] - value[cell])
        held = discount * (constant + np.einsum("ij,ij->i", weights, reached))
        value = _maximise(model, cash, held, levels[:, step])
    return Solution(float(np.trapezoid(value, cash) / model.c_max), *levels)


def hermite_shocks(_distance, points):
    """Shocks and weights of Gauss-Hermite quadrature, the same from every node."""
    shocks, weights = roots_hermitenorm(points)
    return shocks[None, :], weights[None, :] / weights.sum()


def surviving_shocks(distance, points):
    """Gauss-Legendre quadrature over the shocks above −``distance``, (N,), at which cash is zero."""
    lower = np.maximum(-distance, -REACH)[:, None]
    abscissae, weights = roots_legendre(points)
    half = (REACH - lower) / 2
    shocks = lower + half * (1 + abscissae)
    return shocks, half * weights * np.exp(-(shocks**2) / 2) / np.sqrt(2 * np.pi)


def _maximise(model, cash, held, levels):
    """V one step earlier; fills payout level, issue threshold and target."""
    p = model.proportional_cost
    pay = cash + np.maximum.accumulate(held - cash)
    issue = p * (cash - model.fixed_cost) + np.maximum.accumulate((held - p * cash)[::-1])[::-1]
    raises = issue > pay
    levels[0] = cash[np.argmax(held - cash)]
    if raises.any():
        levels[1:] = cash[np.flatnonzero(raises)[-1]], cash[np.argmax(held - p * cash)]
    return np.maximum(pay, issue)
