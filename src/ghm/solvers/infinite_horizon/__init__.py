"""What Décamps, Gryglewicz, Morellec and Villeneuve (2017) report of the infinite horizon: value, issuance, firms' own law."""

from ghm.solvers.infinite_horizon.chain import run_out_probability
from ghm.solvers.infinite_horizon.firms import Firms, firms_under_optimum
from ghm.solvers.infinite_horizon.objects import InfiniteHorizon, greatest_fixed_cost, infinite_horizon
from ghm.solvers.infinite_horizon.responses import Response, impulse_response

__all__ = [
    "Firms",
    "InfiniteHorizon",
    "Response",
    "firms_under_optimum",
    "greatest_fixed_cost",
    "impulse_response",
    "infinite_horizon",
    "run_out_probability",
]
