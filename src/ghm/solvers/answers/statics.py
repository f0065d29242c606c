"""Comparative statics: the optimum's levels, value and issuance against one or two of the model's parameters."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.firm_statistics import outcomes
from ghm.solvers.infinite_horizon import InfiniteHorizon, infinite_horizon

MAX_POINTS = 10_000
"""Most combinations of the parameters: each takes a tenth of a second and more."""


@dataclass(frozen=True)
class Sweep:
    """One parameter and the values that it takes."""

    parameter: str
    values: tuple[float, ...]

    @classmethod
    def even(cls, parameter: str, first: float, last: float, count: int) -> "Sweep":
        """``count`` values from ``first`` to ``last``, evenly spaced.

        Raises:
            UserError: when there is no such parameter, or fewer than two values.
        """
        if parameter not in GHMModel.names():
            raise UserError(f"--sweep {parameter}: no such parameter; choose one of {', '.join(GHMModel.names())}")
        if count < 2 or first == last:
            raise UserError(
                f"--sweep {parameter} {first:g} {last:g} {count}: needs two values or more; give different ends and a count "
                "of at least 2"
            )
        # Evenly spaced decimals such as 0.05, 0.075 come out as they are written.
        return cls(parameter, tuple(float(f"{value:.12g}") for value in np.linspace(first, last, count)))


@dataclass(frozen=True)
class StaticsPoint:
    """The optimum of one model; None: the firm never does it, or there is no such solution."""

    parameters: dict[str, float]
    """The parameters that are varied, and their values."""
    optimal_return: float | None
    """J*; None where the discrete-time problem has no solution."""
    value_at_zero: float | None
    """V(0, T): the firm without cash, with the whole horizon ahead."""
    payout_level: float | None
    issue_below: float | None
    issue_target: float | None
    issues_a_year: float | None
    """Expected equity issues over expected years alive, undiscounted, under the firm's own law."""
    early_liquidation: float | None
    """Probability of liquidation in the first half of the horizon, under the firm's own law."""
    infinite_payout_level: float | None
    """c*, in continuous time with an infinite horizon."""
    infinite_value_at_zero: float | None
    """F(0)."""
    infinite_issue_target: float | None
    """y*, post-issuance cash; None where the firm is liquidated."""
    infinite_marginal_value_at_zero: float | None
    """F'(0)."""
    infinite_issues_a_year: float | None
    """Issues per year for ever, 1/T(y*); 0 where the firm is liquidated."""
    infinite_mean_cash: float | None
    """Mean cash of firms in the long run."""
    infinite_cost_of_frictions: float | None
    """1 − F(0) k/α."""
    note: str
    """Why something has no solution; empty where all has."""


FOREVER = tuple(field.name for field in dataclasses.fields(StaticsPoint) if field.name.startswith("infinite_"))
"""Names of the infinite horizon's figures, in order."""


def comparative_statics(sweeps: Sequence[Sweep], problem: Problem | None = None) -> tuple[StaticsPoint, ...]:
    """The optimum at every combination of the parameters' values, the last parameter's changing fastest.

    Args:
        sweeps: The parameters that are varied.
        problem: Everything else; None: the default problem.

    Raises:
        UserError: when a parameter is named twice, there are too many combinations, or none has a solution.
    """
    names = [sweep.parameter for sweep in sweeps]
    if len(set(names)) != len(names):
        raise UserError(f"--sweep names {names[0]} twice; give each parameter once")
    count = int(np.prod([len(sweep.values) for sweep in sweeps]))
    if count > MAX_POINTS:
        raise UserError(f"{count:,} combinations are more than {MAX_POINTS:,}; give fewer values")
    points = tuple(
        _point(dict(zip(names, values, strict=True)), problem or Problem())
        for values in itertools.product(*(sweep.values for sweep in sweeps))
    )
    if all(point.optimal_return is None for point in points):
        raise UserError(f"no value of {' and '.join(names)} has a solution; at the first: {points[0].note}")
    return points


def _point(parameters: dict[str, float], base: Problem) -> StaticsPoint:
    try:
        problem = dataclasses.replace(base, model=dataclasses.replace(base.model, **parameters))
        optimum = dynamic_program(problem)
    except UserError as error:
        return StaticsPoint(parameters, *(None,) * 14, note=str(error))
    fate, levels = outcomes(optimum.policy, problem), optimum.initial_levels
    forever: dict[str, float | None] = dict.fromkeys(FOREVER)
    note = ""
    try:
        forever = _forever(infinite_horizon(problem.model))
    except UserError as error:
        note = str(error)
    return StaticsPoint(
        parameters,
        optimum.optimal_return,
        float(optimum.values[-1, 0]),
        levels.payout_level,
        levels.issue_below,
        levels.issue_target,
        fate.issues / fate.years,
        fate.early_liquidation,
        **forever,
        note=note,
    )


def _forever(found: InfiniteHorizon) -> dict[str, float | None]:
    """The infinite horizon's figures, as :class:`StaticsPoint` has them."""
    boundary = found.boundary
    figures = (
        boundary.payout_level,
        boundary.value_at_zero,
        boundary.issue_target,
        float(found.marginal_value(np.array(0.0))),
        found.issues_a_year,
        None if found.firms is None else found.firms.mean,
        found.cost_of_frictions,
    )
    return dict(zip(FOREVER, figures, strict=True))
