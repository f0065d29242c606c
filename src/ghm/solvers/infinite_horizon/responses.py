"""Impulse responses: how cash, issues and payouts of firms in the long run move after one adverse shock to all of them.

- A *transitory* shock takes cash: profit falls short by one standard deviation of a month, c becomes c − σ_X/√12.
- A *permanent* shock takes productivity, one standard deviation of a month: A becomes A e^{−σ_A/√12}. Cash stays, so that cash
  over productivity rises to c e^{σ_A/√12}, and what exceeds c* is paid out.

Firms whose cash runs out issue equity or are replaced, see :mod:`ghm.solvers.infinite_horizon.firms`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import expm

from ghm.economics.model import Array, GHMModel
from ghm.solvers.infinite_horizon.chain import Chain, cash_chain
from ghm.solvers.infinite_horizon.firms import Firms

Shock = Literal["transitory", "permanent"]

LEVELS = 150
"""Levels of cash of the chain."""

MONTH = 1 / 12
"""Years over which a shock's standard deviation is taken."""


@dataclass(frozen=True)
class Response:
    """Differences to the long run after a shock at time 0, averaged over firms."""

    years: Array
    """Times since the shock, (n,)."""
    cash: Array
    """Of mean cash over productivity, (n,)."""
    run_out: Array
    """Of how often cash runs out, so that the firm issues or is liquidated, per year, (n,)."""
    payouts: Array
    """Of payouts over productivity, per year, (n,); those at once are not in it."""
    run_out_at_once: float
    """Share of firms whose cash the shock takes altogether."""
    paid_at_once: float
    """Payouts over productivity that the shock makes at once."""


def impulse_response(model: GHMModel, firms: Firms, shock: Shock, horizon: float = 2.0, count: int = 49) -> Response:
    """The response to an adverse shock of one monthly standard deviation, at ``count`` even times up to ``horizon`` years."""
    chain, years = cash_chain(model, float(firms.cash[-1]), LEVELS), np.linspace(0.0, horizon, count)
    entry = int(np.clip(round(firms.entry / chain.cash[0]) - 1, 0, LEVELS - 1))
    generator = _generator(chain, entry)
    mass = _long_run(generator)
    if shock == "transitory":
        wanted = chain.cash - model.sigma_x * np.sqrt(MONTH)
    else:
        wanted = chain.cash * np.exp(model.sigma_a * np.sqrt(MONTH))
    out, top = wanted <= 0, chain.cash[-1]
    shocked = _spread(chain, np.where(out, chain.cash[entry], np.minimum(wanted, top)), mass)
    step, difference = expm(generator.T * years[1]), np.empty((count, LEVELS))
    difference[0] = shocked - mass
    for i in range(1, count):
        difference[i] = step @ difference[i - 1]
    # What reaches c* is paid out: the drift there, and what would go one level up as often as it goes down.
    payouts = difference[:, -1] * (float(model.firm_drift(np.array(top))) + chain.down[-1] * chain.cash[0])
    run_out_at_once, paid_at_once = float(mass[out].sum()), float(mass @ np.maximum(wanted - top, 0.0))
    return Response(
        years, difference @ chain.cash, difference[:, 0] * chain.down[0], payouts, run_out_at_once, paid_at_once
    )


def _generator(chain: Chain, entry: int) -> Array:
    """Rates from each level (row) to each level (column) per year, (N, N); from the first level down leads to ``entry``."""
    generator = np.diag(chain.up[:-1], 1) + np.diag(chain.down[1:], -1)
    generator[0, entry] += chain.down[0]
    return generator - np.diag(generator.sum(axis=1))


def _long_run(generator: Array) -> Array:
    """Shares of firms at the levels in the long run, (N,)."""
    equations = generator.T.copy()
    equations[-1] = 1.0  # of N balances one follows from the others; shares sum to one instead
    mass: Array = np.linalg.solve(equations, np.eye(equations.shape[0])[-1])
    return mass


def _spread(chain: Chain, cash: Array, mass: Array) -> Array:
    """Shares at the levels, (N,), of firms with ``cash`` (N,), each shared between its two neighbours so that means are kept."""
    gap = chain.cash[0]
    position = np.maximum(cash / gap - 1, 0.0)
    lower = np.minimum(position.astype(np.int64), chain.cash.size - 2)
    share, found = position - lower, np.zeros(chain.cash.size)
    np.add.at(found, lower, (1 - share) * mass)
    np.add.at(found, lower + 1, share * mass)
    return found
