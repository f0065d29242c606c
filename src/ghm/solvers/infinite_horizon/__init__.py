"""What Décamps, Gryglewicz, Morellec and Villeneuve (2017) report of the infinite horizon: value, issuance, firms' own law."""

from ghm.solvers.infinite_horizon.objects import InfiniteHorizon, greatest_fixed_cost, infinite_horizon
from ghm.solvers.infinite_horizon.responses import impulse_response

__all__ = ["InfiniteHorizon", "greatest_fixed_cost", "impulse_response", "infinite_horizon"]
