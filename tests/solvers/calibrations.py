"""Models far from the defaults in every direction, each with a solution of the infinite-horizon problem."""

from ghm.economics.model import GHMModel

CALIBRATIONS = {
    "defaults": GHMModel(),
    "issuing is prohibitive": GHMModel(fixed_cost=6.0),
    "issuing is cheap": GHMModel(proportional_cost=1.005, fixed_cost=1e-4),
    "no fixed cost": GHMModel(fixed_cost=0.0, proportional_cost=1.1),
    "transitory shocks only": GHMModel(sigma_a=0.0, sigma_x=0.2, rho=0.0),
    "volatile": GHMModel(sigma_x=0.3, sigma_a=0.4, rho=0.5, c_max=3.0),
    "cash is cheap to hold": GHMModel(carry_cost=0.002, fixed_cost=0.01, recovery=0.2),
    "cash melts away": GHMModel(carry_cost=0.3, recovery=0.8),
    "impatient": GHMModel(r=0.12, mu=0.0, alpha=0.4, recovery=0.6, fixed_cost=0.02),
    "shrinking": GHMModel(mu=-0.03, r=0.02, proportional_cost=1.2, rho=-0.9),
}
