"""Cash between 0 and c* as a chain of neighbouring levels: the generator under the firm's own law, of second order.

    L f = ½ s² e^{−G} (e^G f')',    G' = 2 m̃/s²,

is discretised in that form, so that rates are positive and the chain is reversible whatever drift and variance are.
"""

from typing import NamedTuple

import numpy as np

from ghm.economics.model import Array, GHMModel
from ghm.solvers.infinite_horizon.firms import scale_exponent


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
