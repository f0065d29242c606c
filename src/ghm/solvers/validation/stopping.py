"""The slope of the value function by another road: an optimal stopping problem, solved by finite differences.

Without a fixed cost of issuing (φ = 0) paying and issuing are singular controls, and the slope v = V_c of the value function is
the value of an optimal stopping problem: Ferrari and Schuhmann (2018), "An optimal dividend problem with capital injections over
a finite horizon", arXiv 1804.04870, after El Karoui and Karatzas (1989). There the state is a Brownian motion with drift and
capital must be injected at zero cash; here drift and volatility depend on cash, and the firm may be liquidated instead.

Where the firm neither pays nor issues, V_τ = m V_c + ½ s² V_cc − k V. Differentiated in c,

    v_τ = ½ s² v_cc + (m + s s') v_c − (k − m') v,

the equation of a process with drift m + s s' and volatility s that is killed at rate k − m' = λ. A unit of cash can be paid out
for 1, so v ≥ 1; where v = 1 the firm pays, and the process is stopped for a reward of 1. On cash c > 0, then,

    min{ v_τ − ½ s² v_cc − (m + s s') v_c + λ v,  v − 1 } = 0,    v(c, 0) = slope of what is paid at the horizon.

At zero cash the firm is liquidated or raises equity at p a unit, a little at a time. In terms of v:

=============  =========================================  ==============================================================
at zero cash   condition                                  the stopped process there
=============  =========================================  ==============================================================
issues         v = p, while V(0, τ) ≥ ℓ                   is absorbed for a reward of p
is liquidated  V(0, τ) = ℓ, so that V_τ(0, τ) = 0 and     is reflected, and earns and is charged in proportion to its
               ½ s² v_c + m v = k ℓ, while v ≤ p          local time
=============  =========================================  ==============================================================

The value follows from its slope: V(c, τ) = V(0, τ) + ∫₀^c v, where V(0, τ) is ℓ until the firm issues, and then solves the
equation at zero cash, V_τ = ½ s² v_c + m p − k V.

This is continuous time: no step dt, no normal distribution, no grid in common with the dynamic program, whose V tends to this one
as dt → 0.
"""

from dataclasses import dataclass

import numpy as np

from ghm.economics.model import Array, GHMModel, Terminal
from ghm.errors import UserError
from ghm.io.compiled import compiled, inlined
from ghm.solvers.free_boundary import free_boundary

NODES = 400
"""Cash nodes: the error of V is then about 1e-6 with the defaults (docs/design/model.md)."""

STEPS = 800
"""Steps in time."""

GRADING = 3.0
"""Exponent of the steps in time: dense near the horizon, where the slope at zero cash grows like √τ."""


@dataclass(frozen=True)
class StoppingSolution:
    """The optimal stopping problem's solution, and the value function whose slope it is."""

    cash: Array
    """Cash nodes, (M,)."""
    time_to_horizon: Array
    """Times to horizon, increasing from 0 to T, (S,)."""
    slope: Array
    """v(c, τ) = V_c, (S, M)."""
    value_at_zero: Array
    """V(0, τ), (S,)."""
    payout_level: Array
    """Cash from which the process is stopped, and the firm pays, (S,)."""
    issues_at_zero: Array
    """1 where the firm issues at zero cash, 0 where it is liquidated, (S,)."""

    def value(self, cash: Array, time_to_horizon: float) -> Array:
        """V at ``cash`` (any shape) in [0, c̄] and a time to horizon from 0 to T: linear between nodes in time."""
        last = self.time_to_horizon.size - 1
        row = int(np.clip(np.searchsorted(self.time_to_horizon, time_to_horizon) - 1, 0, last - 1))
        left, right = self.time_to_horizon[row : row + 2]
        weight = (time_to_horizon - left) / (right - left)
        from scipy.interpolate import CubicSpline  # late: this module is loaded by programs that solve nothing

        slope = (1 - weight) * self.slope[row] + weight * self.slope[row + 1]
        at_zero = (1 - weight) * self.value_at_zero[row] + weight * self.value_at_zero[row + 1]
        value: Array = at_zero + CubicSpline(self.cash, slope).antiderivative()(cash)
        return value


def optimal_stopping(
    model: GHMModel, T: float, terminal: Terminal = "liquidation", nodes: int = NODES, steps: int = STEPS
) -> StoppingSolution:
    """Solve the stopping problem up to ``T`` years before the horizon.

    ``terminal`` zero has the limit of ``liquidation``: just before the horizon a firm can pay everything out and be liquidated.

    Raises:
        UserError: when issuing has a fixed cost, or ``going_concern`` has no solution of the infinite-horizon problem.
    """
    if model.fixed_cost != 0:
        raise UserError(
            f"the slope of the value is an optimal stopping problem's value only without a fixed cost of issuing; "
            f"received fixed_cost = {model.fixed_cost:g}; set it to 0"
        )
    # Densest at zero, where the slope changes fastest.
    cash = model.c_max * np.linspace(0.0, 1.0, nodes) ** 2
    times = T * np.linspace(0.0, 1.0, steps + 1) ** GRADING
    boundary = free_boundary(model) if terminal == "going_concern" else None
    slope = np.empty((steps + 1, nodes))
    slope[0] = 1.0 if boundary is None else boundary.derivative(cash)
    at_zero = np.empty(steps + 1)
    at_zero[0] = model.liquidation_value if boundary is None else boundary.value_at_zero
    issuing = np.zeros(steps + 1)
    issuing[0] = float(boundary is not None and boundary.refinances)
    variance_slope = 2 * model.sigma_a * (model.sigma_a * cash - model.rho * model.sigma_x)  # (s²)' = 2 s s'
    operator = _operator(cash, model.variance(cash) / 2, model.drift(cash) + variance_slope / 2, model.carry_cost)
    zero = np.array(0.0)
    at_boundary = np.array([model.alpha, float(model.variance(zero)) / 2, float(variance_slope[0]) / 2])
    costs = np.array([model.discount_rate, model.liquidation_value, model.proportional_cost, model.carry_cost])
    _march(cash, times, *operator, at_boundary, costs, slope, at_zero, issuing)
    level = np.array([_stops_from(cash, row) for row in slope])
    return StoppingSolution(cash, times, slope, at_zero, level, issuing)


def _operator(cash: Array, diffusion: Array, drift: Array, killing: float) -> tuple[Array, Array, Array]:
    """Three diagonals, (M,) each, of ½ s² ∂² + drift ∂ − killing at the inner nodes; central differences."""
    left, right = np.diff(cash)[:-1], np.diff(cash)[1:]
    lower, upper = np.zeros(cash.size), np.zeros(cash.size)
    lower[1:-1] = (2 * diffusion[1:-1] - right * drift[1:-1]) / (left * (left + right))
    upper[1:-1] = (2 * diffusion[1:-1] + left * drift[1:-1]) / (right * (left + right))
    return lower, -lower - upper - killing, upper


def _stops_from(cash: Array, slope: Array) -> float:
    """Where v reaches 1. Near it v − 1 is a parabola in the distance, so its root is extrapolated linearly to zero."""
    root = np.sqrt(np.maximum(slope - 1.0, 0.0))
    above = np.flatnonzero(root > 0)
    if above.size == 0:
        return 0.0
    last = int(above[-1])
    if last == 0 or last == cash.size - 1 or root[last - 1] <= root[last]:
        return float(cash[last])
    step = root[last] * (cash[last] - cash[last - 1]) / (root[last - 1] - root[last])
    return float(min(cash[last] + step, cash[last + 1]))


@compiled()
def _march(cash, times, lower, diagonal, upper, at_boundary, costs, slope, at_zero, issuing) -> None:
    """Fill the rows after the first of ``slope`` (S, M), and of ``at_zero`` and ``issuing`` (S,).

    Backward differentiation of second order with variable steps (the first step: of first order).
    """
    drift, diffusion, shift = at_boundary
    rate, liquidation, cost, killing = costs
    gap, second = cash[1], cash[2]
    for j in range(1, times.size):
        step = times[j] - times[j - 1]
        # v_j = a v_{j−1} − b v_{j−2} + g v_τ(τ_j)
        a, b, g = 1.0, 0.0, step
        if j > 1:
            ratio = step / (times[j - 1] - times[j - 2])
            a = (1 + ratio) ** 2 / (1 + 2 * ratio)
            b = ratio**2 / (1 + 2 * ratio)
            g = step * (1 + ratio) / (1 + 2 * ratio)
        known = a * slope[j - 1] - b * slope[max(j - 2, 0)]
        row = slope[j]
        issuing[j] = issuing[j - 1]
        at_zero[j] = liquidation
        if issuing[j] == 0.0:
            # Liquidated at zero: the equation holds at the first node too, with a ghost node's value put in from
            # ½ s² v_c + m v = k ℓ.
            total = drift + shift
            first = -2 * diffusion / gap**2 + 2 * drift / gap - total * drift / diffusion - killing
            constant = rate * liquidation * (total / diffusion - 2 / gap)
            _stop(
                lower,
                diagonal,
                upper,
                g,
                known,
                1 - g * first,
                -g * 2 * diffusion / gap**2,
                known[0] + g * constant,
                row,
            )
            if row[0] > cost:
                issuing[j] = 1.0
        if issuing[j] == 1.0:
            _stop(lower, diagonal, upper, g, known, 1.0, 0.0, cost, row)
            inflow = diffusion * _slope_at_zero(row, gap, second) + drift * cost
            at_zero[j] = max(
                (a * at_zero[j - 1] - b * at_zero[max(j - 2, 0)] + g * inflow) / (1 + g * rate), liquidation
            )


@inlined()
def _slope_at_zero(row, first, second):
    """v_c at zero cash: the parabola through the first three nodes."""
    return (row[1] - row[0]) * second / (first * (second - first)) - (row[2] - row[0]) * first / (
        second * (second - first)
    )


@inlined()
def _stop(lower, diagonal, upper, g, known, first, behind_first, constant, out) -> None:
    """Solve min{(1 − g L) v − known, v − 1} = 0 into ``out``, where stopping is for high cash (Brennan and Schwartz 1977).

    Elimination from zero cash upward leaves, for each node, its value given the next one's; from the top down,
    where stopping pays, the reward takes its place.
    """
    n = out.size
    pivot, right = np.empty(n), np.empty(n)
    pivot[0], right[0] = first, constant
    above = np.empty(n)
    above[0] = behind_first
    for i in range(1, n - 1):
        factor = -g * lower[i] / pivot[i - 1]
        above[i] = -g * upper[i]
        pivot[i] = 1 - g * diagonal[i] - factor * above[i - 1]
        right[i] = known[i] - factor * right[i - 1]
    out[n - 1] = 1.0
    for i in range(n - 2, -1, -1):
        out[i] = max((right[i] - above[i] * out[i + 1]) / pivot[i], 1.0)
