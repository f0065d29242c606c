"""The validation card: every claim about a solution, checked, with the figure found and the tolerance it must keep.

The infinite-horizon solution is read as a function, F and F' at chosen cash; F'' is the derivative of the polynomial through F'
at Chebyshev nodes, so that it owes nothing to the equation that it is put into. Figures have no unit: cash is measured in c*,
value in F(c*) or in J*.

======================  ================================================================  =====================================
line                    claim                                                             figure
======================  ================================================================  =====================================
slope_at_payout         F'(c*) = 1                                                        abs(F'(c*) − 1)
curvature_at_payout     F''(c*) = 0                                                       abs(c* F''(c*))
value_at_payout         F(c*) = m(c*)/k                                                   abs(k F(c*)/m(c*) − 1)
equation                k F = m F' + ½ s² F'' on (0, c*)                                  greatest difference over k F(c*)
increasing              F' ≥ 1                                                            greatest 1 − F'
concave                 F'' ≤ 0                                                           greatest c* F''
boundary_at_zero        F(0) = max{ℓ, max_y F(y) − p (y + φ)}; where φ = 0: F'(0) ≤ p     difference over F(c*), or in slope
                        and F(0) ≥ ℓ, one of them with equality
time_step               the time step is short                                            σ_A √dt, see `COARSE_STEP`
refined_grid            V(c, T) is the same on a finer grid                               greatest difference over J*
exact_value             the optimal policy earns J*                                       difference over J*
simulated_optimum       simulation of the optimal policy agrees with J*                   difference in standard errors
simulated_value         and with its exact value                                          difference in standard errors
optimal_stopping        φ = 0: V tends to the value whose slope solves the stopping       difference of the limit dt → 0 over
                        problem as dt → 0                                                 that of V at dt/4
======================  ================================================================  =====================================
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

import numpy as np
from numpy.polynomial import Chebyshev

from ghm.economics.model import Array
from ghm.economics.problem import COARSE_STEP, Problem
from ghm.solvers.free_boundary import FreeBoundary
from ghm.solvers.solution import Solution
from ghm.solvers.validation.evidence import Evidence
from ghm.solvers.validation.stopping import StoppingSolution

DEGREE = 64
"""Of the polynomial through F': it is smooth, and the remainder is below the solver's tolerance in every calibration tried."""

POINTS = 1001
"""Cash at which the equation is looked at: between the polynomial's nodes as well as at them."""

STANDARD_ERRORS = 4.0
"""Between simulation and an exact figure: one card in 16,000 by chance."""

# Each tolerance is ten times or more above what ten calibrations far apart show (docs/design/model.md), and below what
# any of the faults planted in the tests does.
SLOPE, CURVATURE, EQUATION, VALUE, ZERO = 1e-8, 1e-4, 1e-5, 1e-9, 1e-7
GRID, EXACT = 2e-5, 1e-5

STOPPING = 0.5
"""Of the error at dt/4 that may be left in the limit: extrapolation in √dt from two steps takes off most of it, not all."""


@dataclass(frozen=True)
class Line:
    """One claim, checked."""

    name: str
    """The line's name for machines; the module's table has them all."""
    claim: str
    figure: float
    """How far from it the solution is; 0 is exact."""
    tolerance: float
    """How far it may be."""

    @property
    def passed(self) -> bool:
        """Whether the claim holds; a figure that is not a number is a failure."""
        return bool(self.figure <= self.tolerance)

    @property
    def status(self) -> str:
        """PASS or FAIL."""
        return "PASS" if self.passed else "FAIL"


@dataclass(frozen=True)
class Card:
    """All lines of one problem."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    """What was left out, and why."""

    @property
    def passed(self) -> bool:
        """Whether every line passed."""
        return all(line.passed for line in self.lines)

    @property
    def failures(self) -> tuple[str, ...]:
        """Names of the lines that failed."""
        return tuple(line.name for line in self.lines if not line.passed)

    def to_dict(self) -> dict[str, Any]:
        """The card in JSON types; a figure that is not finite is null, and has failed."""
        lines = [
            dataclasses.asdict(line)
            | {"figure": line.figure if np.isfinite(line.figure) else None, "status": line.status}
            for line in self.lines
        ]
        return {"status": "PASS" if self.passed else "FAIL", "lines": lines, "notes": list(self.notes)}

    @classmethod
    def default(cls) -> Self:
        """The default calibration's card as recorded with the code: computing it takes seconds, and a test does."""
        return cls.from_dict(
            json.loads(resources.files("ghm.solvers.validation").joinpath("default_card.json").read_bytes())
        )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The card that :meth:`to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: when ``content`` is none.
        """
        lines = tuple(
            Line(
                str(one["name"]),
                str(one["claim"]),
                math.nan if one["figure"] is None else float(one["figure"]),
                float(one["tolerance"]),
            )
            for one in content["lines"]
        )
        return cls(lines, tuple(map(str, content["notes"])))


def validate(problem: Problem) -> Card:
    """Solve a problem in every way, and check what is claimed of it.

    Raises:
        UserError: when the discrete-time problem cannot be solved at these settings.
    """
    return card(Evidence.gather(problem))


def card(evidence: Evidence) -> Card:
    """Check every claim on the evidence."""
    lines, notes = [*_discrete_problem(evidence)], []
    if evidence.boundary is None:
        notes.append(evidence.no_boundary)
    elif evidence.boundary.payout_level == 0:
        notes.append("the check of the equation below c*, since c* = 0: the firm holds no cash")
    else:
        lines = [*_infinite_horizon(evidence.boundary), *lines]
    if evidence.stopping is None and evidence.problem.model.fixed_cost > 0:
        notes.append("the optimal-stopping check of V_c holds only if φ = 0")
    elif evidence.stopping is None:
        notes.append(
            "the optimal-stopping check of V_c: nothing is paid at the horizon, where V tends to that value too slowly"
        )
    return Card(tuple(lines), tuple(notes))


def _infinite_horizon(boundary: FreeBoundary) -> Iterator[Line]:
    model, level = boundary.model, boundary.payout_level
    k = model.discount_rate
    # The ends are among the nodes, so that F'' at c* is no extrapolation.
    nodes = level * (1 - np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)) / 2
    bend = Chebyshev.fit(nodes, boundary.derivative(nodes), DEGREE, domain=[0.0, level]).deriv()
    cash = np.linspace(0.0, level, POINTS)
    value, slope, curvature = boundary.value(cash), boundary.derivative(cash), bend(cash)
    top = abs(float(value[-1]))
    drift = float(model.drift(np.array(level)))
    residual = k * value - model.drift(cash) * slope - model.variance(cash) / 2 * curvature
    yield Line("slope_at_payout", "F'(c*) = 1", abs(float(slope[-1]) - 1), SLOPE)
    yield Line("curvature_at_payout", "F''(c*) = 0", level * abs(float(curvature[-1])), CURVATURE)
    yield Line("value_at_payout", "F(c*) = m(c*)/k", abs(k * float(value[-1]) / drift - 1), VALUE)
    yield Line("equation", "k F = m F' + ½ s² F'' below c*", float(np.abs(residual).max()) / (k * top), EQUATION)
    yield Line("increasing", "F' ≥ 1 below c*", max(1 - float(slope.min()), 0.0), SLOPE)
    yield Line("concave", "F'' ≤ 0 below c*", level * max(float(curvature.max()), 0.0), CURVATURE)
    yield _boundary_at_zero(boundary, cash, value, float(slope[0]), top)


def _boundary_at_zero(boundary: FreeBoundary, cash: Array, value: Array, slope: float, top: float) -> Line:
    model, at_zero = boundary.model, float(value[0])
    misstated = abs(boundary.value_at_zero - at_zero) / top
    if model.fixed_cost == 0:
        above_liquidation = (at_zero - model.liquidation_value) / top
        below_cost = model.proportional_cost - slope
        figure = max(-above_liquidation, -below_cost, min(abs(above_liquidation), abs(below_cost)), misstated)
        return Line("boundary_at_zero", "F(0) ≥ ℓ, F'(0) ≤ p, one with equality", figure, ZERO)
    issue = _greatest(cash, value - model.proportional_cost * (cash + model.fixed_cost))
    figure = max(abs(at_zero - max(model.liquidation_value, issue)) / top, misstated)
    return Line("boundary_at_zero", "F(0) = max{ℓ, max_y F(y) − p (y + φ)}", figure, ZERO)


def _greatest(cash: Array, gain: Array) -> float:
    """The maximum of a smooth function known on an even grid: of the parabola through the best point and its neighbours."""
    best = int(np.argmax(gain))
    if best in (0, cash.size - 1):
        return float(gain[best])
    before, at, behind = gain[best - 1 : best + 2]
    return float(at + (behind - before) ** 2 / (8 * (2 * at - before - behind)))


def _discrete_problem(evidence: Evidence) -> Iterator[Line]:
    optimum, refined, simulated = evidence.optimum, evidence.refined, evidence.simulated
    size = abs(optimum.optimal_return)
    yield Line("time_step", "the time step is short: σ_A √dt ≤ 0.3", evidence.problem.step_scale, COARSE_STEP)
    change = np.abs(np.interp(optimum.cash, refined.cash, refined.values[-1]) - optimum.values[-1])
    yield Line("refined_grid", "V(c, T) is the same on a finer grid", float(change.max()) / size, GRID)
    miss = abs(evidence.achieved - optimum.optimal_return) / size
    yield Line("exact_value", "the optimal policy earns J*", miss, EXACT)
    for name, claim, exact in (
        ("simulated_optimum", "simulation agrees with J*", optimum.optimal_return),
        ("simulated_value", "simulation agrees with the exact value", evidence.achieved),
    ):
        # The exact figures' own error counts where simulation has next to none.
        error = simulated.standard_error + EXACT * size / STANDARD_ERRORS
        yield Line(name, claim, abs(simulated.mean - exact) / error, STANDARD_ERRORS)
    if evidence.stopping is not None:
        yield _optimal_stopping(evidence.stopping, evidence.finer_steps)


def _optimal_stopping(stopping: StoppingSolution, steps: tuple[Solution, ...]) -> Line:
    first, second = steps
    cash = first.cash
    limit = stopping.value(cash, float(stopping.time_to_horizon[-1]))
    coarse, fine = first.values[-1], np.interp(cash, second.cash, second.values[-1])
    # Errors of order √dt halve from the one step to the other, a quarter of it.
    left = float(np.abs(2 * fine - coarse - limit).max())
    watched = float(np.abs(coarse - limit).max())
    figure = left / max(watched, EXACT * float(np.abs(limit).max()))
    return Line("optimal_stopping", "V_c tends to the stopping problem's value", figure, STOPPING)
