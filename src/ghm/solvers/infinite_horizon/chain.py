"""Cash between 0 and c* as a chain of neighbouring levels, and the probability that it has run out by a date.

The generator under the firm's own law, of second order,

    L f = ½ s² e^{−G} (e^G f')',    G' = 2 m̃/s²,

is discretised in that form, so that rates are positive and the chain is reversible whatever drift and variance are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh_tridiagonal

from ghm.economics.model import Array, GHMModel
from ghm.solvers.infinite_horizon.firms import scale_exponent

LEVELS = 500
"""Levels of cash: halving their distance changes probabilities by less than 1e-5 with the defaults."""


class Chain(NamedTuple):
    """Levels of cash above 0 and the rates between neighbours, each (N,)."""

    cash: Array
    """Levels h, 2h, …, c*."""
    up: Array
    """Rate of going one level up, per year; 0 at c*, where cash is paid out instead."""
    down: Array
    """Rate of going one level down, per year; from h to no cash."""


def cash_chain(model: GHMModel, target_cash: float, levels: int) -> Chain:
    """The chain on ``levels`` levels up to ``target_cash``."""
    cash = np.linspace(0.0, target_cash, 2 * levels + 1)  # levels, and the middles between them
    exponent, half_variance, gap = scale_exponent(model, cash), model.variance(cash[2::2]) / 2, cash[2]
    at, before = exponent[2::2], exponent[1::2]
    up = np.append(half_variance[:-1] * np.exp(exponent[3::2] - at[:-1]), 0.0) / gap**2
    down = half_variance * np.exp(before - at) / gap**2
    down[-1] *= 2  # the last level stands for half a cell
    return Chain(cash[2::2], up, down)


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
