"""How likely it is that a firm's cash has run out by a date: that it has been liquidated, or has issued equity."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh_tridiagonal

from ghm.economics.model import Array, GHMModel
from ghm.solvers.infinite_horizon.chain import cash_chain

LEVELS = 500
"""Levels of cash: halving their distance changes probabilities by less than 1e-5 with the defaults."""


def run_out_probability(model: GHMModel, target_cash: float, cash: float, years: ArrayLike) -> Array:
    """Probability that cash has run out within ``years`` (any shape) of a firm with ``cash``, paying out above ``target_cash``.

    The chain is reversible, so one symmetric eigenvalue problem gives all dates without steps in time.
    """
    years = np.asarray(years, dtype=float)
    chain = cash_chain(model, target_cash, LEVELS)
    # Similar to a symmetric matrix with the geometric means of opposite rates beside the diagonal.
    weight = np.concatenate([[0.0], np.cumsum(np.log(chain.up[:-1] / chain.down[1:]) / 2)])
    values, vectors = eigh_tridiagonal(-chain.up - chain.down, np.sqrt(chain.up[:-1] * chain.down[1:]))
    # From the level nearest the top down: weights grow with cash, and their ratios must not overflow.
    ones = vectors.T @ np.exp(weight - weight.max())
    decay = np.exp(np.multiply.outer(years.ravel(), values)) * ones
    survival = (decay @ vectors.T) * np.exp(weight.max() - weight)
    levels = np.concatenate([[0.0], chain.cash])
    alive = np.array([np.interp(cash, levels, np.concatenate([[0.0], row])) for row in survival])
    return np.clip(1.0 - alive, 0.0, 1.0).reshape(years.shape)
