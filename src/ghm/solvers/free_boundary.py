"""The infinite-horizon solution: an ordinary differential equation with a free boundary.

Décamps, Gryglewicz, Morellec and Villeneuve (2017), section 2: with F the shareholders' value per unit of productivity,

    k F = m F' + ½ s² F''  on (0, c*),   F'(c*) = 1,   F''(c*) = 0,
    F(0) = max{ ℓ, max_y F(y) − p (y + φ) }.

The first three conditions give F(c*) = m(c*)/k, so for each candidate c* the equation is integrated from c* down to 0;
the boundary condition at zero then picks c*. Above c* the firm pays out the excess: F' = 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ghm.economics.model import Array, GHMModel
from ghm.errors import UserError

# Relative tolerance of the integration: the residual of the equation is then near 1e-9, far below what is asked of it.
TOLERANCE = 1e-11

SMALLEST_VARIANCE = 3e-11
"""Variance, in squares of a year's earnings per year, below which shocks count as none, and the equation as one without a second
derivative; relative, since the unit of cash must not matter."""

FIRST_CANDIDATE = 1e-4
"""The first c* tried, as a share of c̄, from which candidates grow."""

ROUNDING = 1e-12
"""Of values as shares of α/k, generously: what is above 0 by less may be 0."""

GROWTH = 1.06
"""Factor between candidates for c*: few enough to be quick, near enough to one another not to step over two roots."""


@dataclass(frozen=True)
class FreeBoundary:
    """The infinite-horizon solution."""

    model: GHMModel
    payout_level: float
    """c*, above which the firm pays out (cash)."""
    value_at_zero: float
    """F(0) (cash)."""
    refinances: bool
    """Whether the firm raises equity at zero cash rather than liquidate."""
    issue_target: float | None
    """Cash after an issue at zero; None if the firm liquidates there."""
    _inner: Callable[[Array], Array]

    @property
    def liquidation_value(self) -> float:
        """ℓ (cash)."""
        return self.model.liquidation_value

    def figures(self) -> dict[str, float | bool | None]:
        """The solution in a few JSON types."""
        return {
            "payout_level": self.payout_level,
            "value_at_zero": self.value_at_zero,
            "issue_target": self.issue_target,
            "refinances": self.refinances,
            "liquidation_value": self.liquidation_value,
        }

    def value(self, cash: Array) -> Array:
        """F at ``cash`` ≥ 0, any shape."""
        cash = np.asarray(cash, dtype=float)
        inside = self._inner(np.minimum(cash, self.payout_level).ravel())[0].reshape(cash.shape)
        result: Array = inside + np.maximum(cash - self.payout_level, 0.0)
        return result

    def derivative(self, cash: Array) -> Array:
        """F' at ``cash`` ≥ 0, any shape."""
        cash = np.asarray(cash, dtype=float)
        inside = self._inner(np.minimum(cash, self.payout_level).ravel())[1].reshape(cash.shape)
        return np.where(cash > self.payout_level, 1.0, inside)


@lru_cache(maxsize=16)  # under `going_concern` every part of a training asks for it
def free_boundary(model: GHMModel) -> FreeBoundary:
    """Solve the infinite-horizon problem.

    Raises:
        UserError: when there is no solution: running the firm is worth no more than liquidating it, or cash costs
            nothing to hold.
    """
    running = model.alpha / model.discount_rate
    if running <= model.liquidation_value:
        raise UserError(
            f"no infinite-horizon solution: alpha/k = {running:g} is at most the liquidation value "
            f"{model.liquidation_value:g}, so immediate liquidation is optimal; raise alpha or lower recovery"
        )
    if model.alpha <= 0:
        raise UserError(f"no infinite-horizon solution: the drift at zero cash is {model.alpha:g}; raise alpha above 0")
    if model.carry_cost <= 0:
        raise UserError(
            f"no infinite-horizon solution: holding cash costs nothing (carry_cost = {model.carry_cost:g}), so paying it "
            "out is never better than keeping it; raise carry_cost above 0"
        )
    free = model.proportional_cost == 1 and model.fixed_cost == 0
    safe = model.variance(np.array(0.0)) < SMALLEST_VARIANCE * model.alpha**2
    if free or safe:  # no cash is ever held: it can be had for nothing, or nothing threatens a firm without it
        target = 0.0 if free else None
        return FreeBoundary(model, 0.0, running, free, target, lambda c: np.stack([running + c, np.ones_like(c)]))
    level = _payout_level(model)
    inner = _integrate(model, level)
    over_liquidation, over_issue = _margins(model, inner, level)
    refinances = over_issue < over_liquidation
    target, _ = _best_issue(model, inner, level)
    value_at_zero = float(inner(np.zeros(1))[0, 0]) if refinances else model.liquidation_value
    return FreeBoundary(model, level, value_at_zero, refinances, target if refinances else None, inner)


def _payout_level(model: GHMModel) -> float:
    """The smallest c* at which the boundary condition at zero holds.

    F' ≥ 1 below c*, so c* ≤ F(c*) − F(0) ≤ m(c*)/k − ℓ, which bounds it: c* ≤ α (1 − ω)/λ. Nor is more cash held than
    brings the firm to where its two shocks cancel.
    """
    bound = model.alpha * (1 - model.recovery) / model.carry_cost
    from scipy.optimize import brentq  # late, as the solver below: most programs only read solutions

    if model.sigma_a > 0:
        quietest = model.rho * model.sigma_x / model.sigma_a  # where s², a parabola in cash, is lowest
        if quietest > 0 and model.variance(np.array(quietest)) < SMALLEST_VARIANCE * model.alpha**2:
            bound = min(bound, (1 - 1e-6) * quietest)
    # Beyond many multiples of s²/2m solutions of the equation overflow: where earnings dwarf shocks, start below it.
    natural = float(model.variance(np.array(0.0))) / (2 * model.alpha)
    upper = min(FIRST_CANDIDATE * model.c_max, 0.1 * natural, bound)
    lower = 1e-6 * upper  # with no cash at all, F(0) = α/k is above what it must equal
    while (excess := _excess(model, upper)) > 0:
        if upper >= bound and excess <= ROUNDING * model.alpha / model.discount_rate:
            return upper  # the bound itself, where recovery leaves hardly anything to lose
        if upper >= bound:
            raise UserError(f"no infinite-horizon solution found with a payout level below {bound:g}; raise carry_cost")
        lower, upper = upper, min(GROWTH * upper, bound)
    return float(brentq(lambda c: _excess(model, c), lower, upper, xtol=1e-13 * lower, rtol=1e-13))


def _excess(model: GHMModel, level: float) -> float:
    """F(0) less what shareholders can have at zero instead, if c* is ``level``; decreasing through the solution."""
    return min(_margins(model, _integrate(model, level), level))


def _margins(model: GHMModel, inner: Callable[[Array], Array], level: float) -> tuple[float, float]:
    """How far F(0) is above ℓ, and above the best issue's value; the latter in slopes where issuing has no fixed cost.

    Without a fixed cost the firm issues a little at a time, so that cash is reflected at zero: F'(0) = p.
    """
    value, slope = inner(np.zeros(1))[:, 0]
    over_liquidation = float(value) - model.liquidation_value
    if model.fixed_cost == 0:
        return over_liquidation, model.proportional_cost - float(slope)
    return over_liquidation, float(value) - _best_issue(model, inner, level)[1]


def _integrate(model: GHMModel, level: float) -> Callable[[Array], Array]:
    """(F, F') as a function of cash on [0, level], from c* = ``level`` down."""
    k = model.discount_rate

    def right_hand_side(c: float, state: Array) -> list[float]:
        value, slope = state
        at = np.array(c)
        return [slope, float(2 * (k * value - model.drift(at) * slope) / model.variance(at))]

    from scipy.integrate import solve_ivp

    start = [float(model.drift(np.array(level))) / k, 1.0]
    absolute = [TOLERANCE * 0.1 * model.alpha / k, TOLERANCE]  # of F, in cash, and of F', which has no unit
    solution = solve_ivp(
        right_hand_side, (level, 0.0), start, method="DOP853", rtol=TOLERANCE, atol=absolute, dense_output=True
    )
    if solution.sol is None or not solution.success:
        raise UserError(
            f"no infinite-horizon solution: its equation cannot be integrated from a payout level of {level:g} "
            f"({solution.message}); the parameters are too far from one another"
        )
    return solution.sol


def _best_issue(model: GHMModel, inner: Callable[[Array], Array], level: float) -> tuple[float, float]:
    """The target y that maximises F(y) − p (y + φ) at zero cash, and that maximum.

    F' decreases on (0, c*) wherever issuing is worthwhile, so the target is where F' = p; with p = 1 it is c* itself.
    """
    p = model.proportional_cost
    grid = np.linspace(0.0, level, 201)
    net = inner(grid)[0] - p * grid
    best = int(np.argmax(net))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, 200)]

    def marginal(c: float) -> float:
        return float(inner(np.array([c]))[1, 0]) - p

    target = grid[best]
    if marginal(left) > 0 > marginal(right):
        from scipy.optimize import brentq

        target = brentq(marginal, left, right, xtol=1e-13 * level)
    value = float(inner(np.array([target]))[0, 0])
    return float(target), value - p * (float(target) + model.fixed_cost)
