"""The unit of cash changes no answer: a firm whose cash is counted in hundred millionths does the same, and so do its figures."""

import dataclasses

import numpy as np
import pytest
from solvers.calibrations import CALIBRATIONS

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.solvers import dynamic_program, free_boundary, policy_value
from ghm.solvers.firm_statistics import outcomes
from ghm.solvers.infinite_horizon import infinite_horizon

DT, T = 0.05, 1.0
AMOUNTS = ("alpha", "sigma_x", "fixed_cost", "c_max")
"""Parameters that are in units of cash."""


def in_units(model, unit):
    return dataclasses.replace(model, **{name: getattr(model, name) / unit for name in AMOUNTS})


@pytest.mark.parametrize("unit", [1e-8, 1e8])
@pytest.mark.parametrize(
    "model",
    [
        GHMModel(),
        CALIBRATIONS["no fixed cost"],
        CALIBRATIONS["shrinking"],
        GHMModel(sigma_x=0.0),
        GHMModel(fixed_cost=6.0),
    ],
    ids=["defaults", "no fixed cost", "shrinking", "no transitory shock", "liquidated"],
)
def test_answers_do_not_depend_on_the_unit_of_cash(model, unit):
    other = in_units(model, unit)
    near, far = dynamic_program(Problem(model, DT, T)), dynamic_program(Problem(other, DT, T))
    assert far.optimal_return * unit == pytest.approx(near.optimal_return, rel=1e-9)
    # Without a fixed cost it does not matter how far below the boundary an issue is made, and rounding decides.
    settled = near.levels if model.fixed_cost > 0 else near.levels[:1]
    for ours, theirs in zip(settled, far.levels, strict=model.fixed_cost > 0):
        np.testing.assert_allclose(theirs * unit, ours, rtol=1e-6, atol=1e-12)
    assert policy_value(far.policy, far.problem) * unit == pytest.approx(near.optimal_return, rel=1e-6)
    # Under one policy's levels, for the same reason.
    levels = near.levels._replace(**{name: level / unit for name, level in near.levels._asdict().items()})
    counted, again = (
        outcomes(near.policy, near.problem),
        outcomes(dataclasses.replace(near.policy, levels=levels), far.problem),
    )
    assert dataclasses.astuple(again) == pytest.approx(dataclasses.astuple(counted), rel=1e-6, abs=1e-9)
    mine, yours = free_boundary(model), free_boundary(other)
    assert yours.payout_level * unit == pytest.approx(mine.payout_level, rel=1e-7)
    assert yours.value_at_zero * unit == pytest.approx(mine.value_at_zero, rel=1e-9)
    assert yours.refinances == mine.refinances
    long, short = infinite_horizon(model), infinite_horizon(other)
    assert (short.issues_a_year or 0.0) == pytest.approx(long.issues_a_year or 0.0, rel=1e-6)
    assert short.equity_volatility(0.0) == pytest.approx(long.equity_volatility(0.0), rel=1e-6)


def test_another_fixed_cost_is_another_answer():
    """Negative control: a parameter that is left in the old unit is found."""
    other = dataclasses.replace(in_units(GHMModel(), 1e-8), fixed_cost=GHMModel().fixed_cost)
    assert free_boundary(other).payout_level * 1e-8 != pytest.approx(free_boundary(GHMModel()).payout_level, rel=1e-3)
