"""What the paper reports of the infinite-horizon model, from the solved free boundary.

With u = 1 − c F'/F and v = F'/F, after Décamps, Gryglewicz, Morellec and Villeneuve (2017):

==========================  =========================================================  ==============
object                      formula                                                    unit
==========================  =========================================================  ==============
curvature F''               2 (k F − m F')/s² below c*, 0 above                        1/cash
post-issuance cash y*       F'(y*) = p                                                 cash
gross proceeds              p (y* + φ)                                                 cash
cost share of an issue      1 − y*/(p (y* + φ))                                        –
cost of frictions           1 − F(0) k/α: against a firm that issues at no cost        –
equity volatility           √(σ_A² u² + 2 ρ σ_A σ_X u v + σ_X² v²)                     per √year
cash-flow sensitivity       1 − ρ σ_A c/σ_X: cash kept of a unit of unexpected profit  –
==========================  =========================================================  ==============

Values are under the pricing law; whatever counts firms (:mod:`ghm.solvers.infinite_horizon.firms`) is under their own.
"""

from dataclasses import dataclass

import numpy as np

from ghm.economics.model import Array, GHMModel
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.infinite_horizon.firms import Firms, firms_under_optimum
from ghm.solvers.infinite_horizon.survival import run_out_probability

DATES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Years after which the probability of having run out of cash is reported."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the distribution of cash that are reported."""


@dataclass(frozen=True)
class InfiniteHorizon:
    """The infinite-horizon solution and what the paper reads off it."""

    boundary: FreeBoundary
    firms: Firms | None
    """Firms in the long run; None where no cash is ever held."""

    @property
    def model(self) -> GHMModel:
        """The model."""
        return self.boundary.model

    def value(self, cash: Array) -> Array:
        """F at ``cash`` ≥ 0, any shape."""
        return self.boundary.value(cash)

    def marginal_value(self, cash: Array) -> Array:
        """F' at ``cash`` ≥ 0, any shape: what shareholders gain from one more unit of cash in the firm."""
        return self.boundary.derivative(cash)

    def curvature(self, cash: Array) -> Array:
        """F'' at ``cash`` ≥ 0, any shape: minus how fast one more unit loses its worth as cash grows."""
        cash = np.asarray(cash, dtype=float)
        inside = np.minimum(cash, self.boundary.payout_level)
        numerator = self.model.discount_rate * self.value(inside) - self.model.drift(inside) * self.marginal_value(
            inside
        )
        with np.errstate(divide="ignore", invalid="ignore"):  # no shock at c* = 0, where F'' is 0
            result: Array = np.where(
                cash < self.boundary.payout_level, 2 * numerator / self.model.variance(inside), 0.0
            )
        return result

    def equity_volatility(self, cash: Array) -> Array:
        """Standard deviation of the equity's return at ``cash`` ≥ 0, any shape, per square root of a year.

        Above c* the excess has just been paid out.
        """
        inside = np.minimum(np.asarray(cash, dtype=float), self.boundary.payout_level)
        per_cash = self.marginal_value(inside) / self.value(inside)
        per_productivity = 1 - inside * per_cash
        permanent, transitory = self.model.sigma_a * per_productivity, self.model.sigma_x * per_cash
        result: Array = np.sqrt(permanent**2 + 2 * self.model.rho * permanent * transitory + transitory**2)
        return result

    def cash_flow_sensitivity(self, cash: Array) -> Array:
        """Change of scaled cash with a unit of unexpected profit, at ``cash``, any shape; NaN where profit is certain."""
        model = self.model
        if model.sigma_x == 0:
            return np.full(np.shape(cash), np.nan)
        return 1 - model.rho * model.sigma_a / model.sigma_x * np.asarray(cash, dtype=float)

    @property
    def gross_proceeds(self) -> float | None:
        """What shareholders pay for an issue, p (y* + φ), in cash; None where the firm never issues."""
        target, model = self.boundary.issue_target, self.model
        return None if target is None else model.proportional_cost * (target + model.fixed_cost)

    @property
    def cost_share(self) -> float | None:
        """Share of the gross proceeds that an issue costs; None where the firm never issues.

        Without a fixed cost issues are as small as can be, and 1 − 1/p is the share of each.
        """
        target, gross = self.boundary.issue_target, self.gross_proceeds
        if target is None or gross is None:
            return None
        return 1 - target / gross if gross > 0 else 1 - 1 / self.model.proportional_cost

    @property
    def cost_of_frictions(self) -> float:
        """Share of the frictionless value α/k that a firm without cash lacks."""
        return 1 - self.boundary.value_at_zero * self.model.discount_rate / self.model.alpha

    @property
    def issues_a_year(self) -> float | None:
        """Equity issues per year, 1/T(y*); 0 where the firm is liquidated; None where issues are a flow, with no fixed cost."""
        if not self.boundary.refinances:
            return 0.0
        if self.firms is None or self.model.fixed_cost == 0:
            return None
        return 1 / float(self.firms.time_from(self.firms.entry))

    def run_out_probability(self, cash: float, years: Array) -> Array:
        """Probability that cash has run out within ``years`` (any shape) of a firm with ``cash``: issuance or liquidation."""
        if self.firms is None:
            return np.full(np.shape(years), np.nan)
        return run_out_probability(self.model, self.boundary.payout_level, cash, years)

    def liquidation_probability(self, cash: float, years: Array) -> Array:
        """Probability of liquidation within ``years`` (any shape) of a firm with ``cash``; 0 where it issues equity instead."""
        return np.zeros(np.shape(years)) if self.boundary.refinances else self.run_out_probability(cash, years)


def infinite_horizon(model: GHMModel) -> InfiniteHorizon:
    """The infinite-horizon solution with the paper's objects.

    Raises:
        UserError: when there is no such solution.
    """
    boundary = free_boundary(model)
    if boundary.payout_level == 0:
        return InfiniteHorizon(boundary, None)
    entry = boundary.payout_level
    if boundary.refinances:
        assert boundary.issue_target is not None
        entry = boundary.issue_target
    return InfiniteHorizon(boundary, firms_under_optimum(model, boundary.payout_level, entry))
