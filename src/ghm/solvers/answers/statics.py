"""Comparative statics: the optimum's levels, value and issuance against one or two of the model's parameters."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.firm_statistics import outcomes
from ghm.solvers.free_boundary import free_boundary
from ghm.solvers.threshold_policy import ThresholdPolicy

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
    """J*; None where the decision problem has no solution."""
    value_at_zero: float | None
    """V(0, T): the firm without cash, with the whole horizon ahead."""
    payout_level: float | None
    issue_below: float | None
    issue_target: float | None
    issues_a_year: float | None
    """Expected equity issues over expected years alive, undiscounted."""
    early_liquidation: float | None
    """Probability of liquidation in the first half of the horizon."""
    infinite_payout_level: float | None
    """c*, in continuous time with an infinite horizon."""
    infinite_value_at_zero: float | None
    """F(0)."""
    note: str
    """Why something has no solution; empty where all has."""


def comparative_statics(
    sweeps: Sequence[Sweep],
    model: GHMModel | None = None,
    dt: float = 0.01,
    T: float = 10.0,
    terminal: Terminal = "liquidation",
) -> tuple[StaticsPoint, ...]:
    """Solve the model at every combination of the parameters' values, the last parameter's changing fastest.

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
        _point(dict(zip(names, values, strict=True)), model or GHMModel(), dt, T, terminal)
        for values in itertools.product(*(sweep.values for sweep in sweeps))
    )
    if all(point.optimal_return is None for point in points):
        raise UserError(f"no value of {' and '.join(names)} has a solution; at the first: {points[0].note}")
    return points


def _point(parameters: dict[str, float], base: GHMModel, dt: float, T: float, terminal: Terminal) -> StaticsPoint:
    try:
        model = dataclasses.replace(base, **parameters)
        optimum = dynamic_program(model, dt, T, terminal)
    except UserError as error:
        return StaticsPoint(parameters, *(None,) * 9, note=str(error))
    fate = outcomes(ThresholdPolicy.optimal(optimum, dt), model, dt, T)
    boundary, note = None, ""
    try:
        boundary = free_boundary(model)
    except UserError as error:
        note = str(error)
    return StaticsPoint(
        parameters,
        optimum.optimal_return,
        float(optimum.values[-1, 0]),
        _known(optimum.payout_level[-1]),
        _known(optimum.issue_below[-1]),
        _known(optimum.issue_target[-1]),
        fate.issues / fate.years,
        fate.early_liquidation,
        None if boundary is None else boundary.payout_level,
        None if boundary is None else boundary.value_at_zero,
        note=note,
    )


def _known(level: float) -> float | None:
    return None if np.isnan(level) else float(level)
