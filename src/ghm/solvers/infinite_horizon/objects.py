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

import dataclasses
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ghm.economics.model import Array, GHMModel
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.infinite_horizon.chain import run_out_probability
from ghm.solvers.infinite_horizon.firms import Firms, firms_under_optimum
from ghm.solvers.infinite_horizon.responses import Shock, impulse_response

DATES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Years after which the probability of having run out of cash is reported."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the distribution of cash that are reported."""

NEVER_ISSUES = 1e3
"""A fixed cost, in values of the frictionless firm, at which none issues equity."""

FIRM_FIGURES = (
    "mean_cash",
    "cash_quantiles",
    "share_below_half_target",
    "years_to_run_out_after_issuance",
    "years_to_run_out_from_target",
    "run_out_probability_from_target",
    "liquidation_probability_from_target",
)
"""Names of the figures of firms in the long run."""


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

    def columns(self, cash: Array) -> dict[str, Array]:
        """What depends on ``cash`` (M,) alone, (1, M) each."""
        found = {
            "infinite_value": self.value(cash),
            "infinite_marginal_value": self.marginal_value(cash),
            "infinite_curvature": self.curvature(cash),
            "equity_volatility": self.equity_volatility(cash),
            "cash_flow_sensitivity": self.cash_flow_sensitivity(cash),
        }
        if self.firms is not None:
            found["long_run_density"] = np.interp(cash, self.firms.cash, self.firms.density, right=0.0)
            found["years_to_run_out"] = self.firms.time_from(cash)
        return {name: values[None, :] for name, values in found.items()}

    def series(self) -> dict[str, Array]:
        """What depends on time alone: probability of having run out of cash from c* by year, and impulse responses."""
        if self.firms is None:
            return {}
        years = np.linspace(0.0, DATES[-1], 201)
        target = self.boundary.payout_level
        found = {"years": years, "run_out_probability": self.run_out_probability(target, years)}
        found["liquidation_probability"] = self.liquidation_probability(target, years)
        for shock in get_args(Shock):
            response = impulse_response(self.model, self.firms, shock)
            found["response_years"] = response.years
            for name in ("cash", "run_out", "payouts"):
                found[f"response_of_{name}_to_{shock}"] = getattr(response, name)
        return found

    def figures(self) -> dict[str, Any]:
        """The objects in JSON types; None where there is no such thing."""
        boundary, firms = self.boundary, self.firms
        zero, target = np.array(0.0), np.array(boundary.payout_level)
        return {
            "target_cash": boundary.payout_level,
            "value_at_zero": boundary.value_at_zero,
            "marginal_value_at_zero": float(self.marginal_value(zero)),
            "refinances": boundary.refinances,
            "post_issuance_cash": boundary.issue_target,
            "gross_proceeds": self.gross_proceeds,
            "cost_share": self.cost_share,
            "cost_of_frictions": self.cost_of_frictions,
            "greatest_fixed_cost": greatest_fixed_cost(self.model),
            "equity_volatility_at_zero": float(self.equity_volatility(zero)),
            "equity_volatility_at_target": float(self.equity_volatility(target)),
            "cash_flow_sensitivity_at_target": _known(self.cash_flow_sensitivity(target)),
            "issues_a_year": self.issues_a_year,
            **self._firm_figures(firms),
        }

    def _firm_figures(self, firms: Firms | None) -> dict[str, Any]:
        if firms is None:
            return dict.fromkeys(FIRM_FIGURES)
        target, dates = self.boundary.payout_level, np.array(DATES)
        found = (
            firms.mean,
            {f"{share:g}": float(firms.quantile(share)) for share in QUANTILES},
            float(firms.share_below(target / 2)),
            float(firms.time_from(firms.entry)),
            float(firms.time_from(target)),
            _by_date(self.run_out_probability(target, dates)),
            _by_date(self.liquidation_probability(target, dates)),
        )
        return dict(zip(FIRM_FIGURES, found, strict=True))


def _known(value: Array) -> float | None:
    return None if np.isnan(value) else float(value)


def _by_date(probabilities: Array) -> dict[str, float]:
    return {f"{date:g}": float(probability) for date, probability in zip(DATES, probabilities, strict=True)}


def greatest_fixed_cost(model: GHMModel) -> float:
    """The fixed cost φ up to which a firm without cash issues equity for ever rather than be liquidated; 0: at no fixed cost.

    At that cost both are worth ℓ, so it is what issuing is worth to the firm that would be liquidated:
    max_y (F(y) − p y − ℓ)/p with that firm's F.

    Raises:
        UserError: when the infinite-horizon problem has no solution.
    """
    liquidated = free_boundary(
        dataclasses.replace(model, fixed_cost=NEVER_ISSUES * (1 + model.alpha / model.discount_rate))
    )
    cash = np.linspace(0.0, liquidated.payout_level, 2001)
    gain = liquidated.value(cash) - model.proportional_cost * cash - liquidated.value_at_zero
    return max(float(gain.max()) / model.proportional_cost, 0.0)


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
