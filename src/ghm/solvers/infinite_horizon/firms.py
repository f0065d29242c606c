"""Firms under the infinite-horizon optimum and their own law: how much cash they hold, and how long until it runs out.

Cash moves with drift m̃ and variance s² between 0 and c*, where the excess is paid out. With G(c) = ∫₀^c 2 m̃/s²,

=========  ==========================================  ======
symbol     meaning                                     unit
=========  ==========================================  ======
f(c)       ∝ s⁻² e^G ∫₀^{min(c, e)} e^{−G}             1/cash
T(c)       ∫₀^c e^{−G(u)} ∫_u^{c*} 2 e^{G(v)}/s²(v)    years
=========  ==========================================  ======

Where cash runs out the firm raises equity and goes on from e = y*; or it is liquidated, and a new firm with e = c* takes its
place. So f is the density of cash over firms in the long run, or over the life of a firm that starts at its target cash.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import cumulative_simpson

from ghm.economics.model import Array, GHMModel

NODES = 4001
"""Levels of cash between 0 and c*: integrals by Simpson's rule are then right to ten digits."""


@dataclass(frozen=True)
class Firms:
    """Firms in the long run; arrays over N levels of cash from 0 to c*."""

    cash: Array
    """Levels of cash, (N,)."""
    density: Array
    """f, (N,)."""
    distribution: Array
    """Share of firms with no more cash, (N,)."""
    expected_time: Array
    """T, years until cash runs out: to issuance or liquidation, (N,)."""
    entry: float
    """e, cash of a firm that has just issued equity, or has just been founded."""

    @property
    def mean(self) -> float:
        """Mean cash."""
        return float(self.cash[-1] - cumulative_simpson(self.distribution, x=self.cash)[-1])

    def quantile(self, probability: ArrayLike) -> Array:
        """Cash below which a share ``probability`` of firms are, any shape."""
        found: Array = np.interp(np.asarray(probability, dtype=float), self.distribution, self.cash)
        return found

    def share_below(self, cash: ArrayLike) -> Array:
        """Share of firms with less ``cash``, any shape."""
        found: Array = np.interp(np.asarray(cash, dtype=float), self.cash, self.distribution)
        return found

    def time_from(self, cash: ArrayLike) -> Array:
        """T at ``cash``, any shape; above c* the excess is paid out at once."""
        found: Array = np.interp(np.asarray(cash, dtype=float), self.cash, self.expected_time)
        return found


def scale_exponent(model: GHMModel, cash: Array) -> Array:
    """G at evenly spaced ``cash`` (N,), which starts at 0."""
    return cumulative_simpson(2 * model.firm_drift(cash) / model.variance(cash), x=cash, initial=0.0)


def firms_under_optimum(model: GHMModel, target_cash: float, entry: float) -> Firms:
    """Firms that pay out above ``target_cash`` c* > 0 and start again with ``entry`` when cash runs out."""
    cash = np.linspace(0.0, target_cash, NODES)
    exponent = scale_exponent(model, cash)
    exponent -= exponent.max()  # else the exponential overflows where earnings dwarf shocks
    scale = np.exp(-(exponent - exponent.min()))
    speed = 2 * np.exp(exponent) / model.variance(cash)
    ahead = cumulative_simpson(speed[::-1], dx=cash[1], initial=0.0)[::-1]
    time = cumulative_simpson(ahead * np.exp(-exponent), x=cash, initial=0.0)
    reach = cumulative_simpson(scale, x=cash, initial=0.0)
    # Without a fixed cost e is 0: the limit of f is the speed measure itself.
    density = speed * (np.minimum(reach, np.interp(entry, cash, reach)) if entry > 0 else 1.0)
    distribution = cumulative_simpson(density, x=cash, initial=0.0)
    return Firms(cash, density / distribution[-1], np.maximum.accumulate(distribution / distribution[-1]), time, entry)
