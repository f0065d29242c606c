"""The optimal stopping problem: against the infinite-horizon solution, its own order, and the dynamic program as dt → 0."""

import functools

import numpy as np
import pytest

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers import dynamic_program, free_boundary
from ghm.solvers.validation import optimal_stopping, stopping

CASH = np.linspace(0.0, 0.5, 51)
OPERATOR = stopping._operator

MODELS = {
    # At zero cash the firm issues all but the last 0.007 years.
    "issues almost always": GHMModel(fixed_cost=0.0, proportional_cost=1.1),
    # It is liquidated there in the last 0.12 years, and issues before.
    "liquidated at first": GHMModel(fixed_cost=0.0, proportional_cost=1.5),
    "transitory shocks only": GHMModel(fixed_cost=0.0, proportional_cost=1.3, sigma_a=0.0, sigma_x=0.2, rho=0.0),
    # Raising a unit costs four: for a year from the horizon the firm is liquidated rather than issue.
    "liquidated for long": GHMModel(fixed_cost=0.0, proportional_cost=4.0),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param


def test_a_firm_that_goes_on_for_ever_has_the_infinite_horizon_value(model):
    boundary = free_boundary(model)
    errors = []
    for nodes in (200, 400):
        found = optimal_stopping(model, 1.0, "going_concern", nodes, 200)
        errors.append(np.abs(found.value(CASH, 1.0) - boundary.value(CASH)).max())
        assert found.payout_level[-1] == pytest.approx(boundary.payout_level, abs=2 * found.cash[1:].min() + 0.01)
    assert errors[1] < 3e-4
    assert errors[0] / errors[1] > 3  # second order


def test_second_order_in_cash_and_time_together(model):
    exact = optimal_stopping(model, 1.0, "liquidation", 1600, 3200).value(CASH, 1.0)
    errors = [
        np.abs(optimal_stopping(model, 1.0, "liquidation", n, 2 * n).value(CASH, 1.0) - exact).max()
        for n in (100, 200, 400)
    ]
    assert errors[0] / errors[1] > 3.5
    assert errors[1] / errors[2] > 3.5
    assert errors[2] < 2e-4


STEPS = np.array([2.5e-3, 1.25e-3, 6.25e-4, 3.125e-4])


@functools.cache
def programmed(model):
    """V(c, 1) of the dynamic program at each of `STEPS`, (4, N)."""
    optima = [dynamic_program(Problem(model, dt, 1.0)) for dt in STEPS]
    return np.stack([np.interp(CASH, optimum.cash, optimum.values[-1]) for optimum in optima])


def tends_to(values, limit):
    """Whether V at `STEPS` tends to ``limit`` like √dt: by the errors' ratios, and by the polynomial in √dt at 0."""
    errors = np.abs(values - limit).max(axis=1)
    ratios = errors[:-1] / errors[1:]
    extrapolated = np.linalg.solve(np.vander(np.sqrt(STEPS), increasing=True), values)[0]
    left = np.abs(extrapolated - limit).max() / errors[-1]
    return bool(np.all((ratios > 1.2) & (ratios < 1.55)) and left < 0.2)


def test_the_dynamic_program_tends_to_it_as_steps_shrink(model):
    limit = optimal_stopping(model, 1.0, "liquidation", 800, 1600).value(CASH, 1.0)
    assert tends_to(programmed(model), limit)
    assert np.abs(programmed(model)[-1] - limit).max() < 6e-3  # the firm is watched at discrete times


def killed_at_ten_times_the_rate(cash, diffusion, drift, killing):
    return OPERATOR(cash, diffusion, drift, 10 * killing)


def without_the_slope_of_volatility(cash, diffusion, drift, killing):
    return OPERATOR(cash, diffusion, MODELS["liquidated at first"].drift(cash), killing)


@pytest.mark.parametrize("variant", [killed_at_ten_times_the_rate, without_the_slope_of_volatility])
def test_wrong_equations_are_seen(monkeypatch, variant):
    monkeypatch.setattr(stopping, "_operator", variant)
    model = MODELS["liquidated at first"]
    assert not tends_to(programmed(model), optimal_stopping(model, 1.0, "liquidation", 800, 1600).value(CASH, 1.0))


def test_a_wrong_condition_at_zero_is_seen(monkeypatch):
    model = MODELS["liquidated for long"]
    right = optimal_stopping(model, 1.0, "liquidation", 800, 1600)
    # Capital is injected whatever it costs, as in Ferrari and Schuhmann: v = p at zero from the start.
    monkeypatch.setattr(stopping, "_march", functools.partial(always_issuing, stopping._march))
    variant = optimal_stopping(model, 1.0, "liquidation", 800, 1600)
    assert variant.value_at_zero[-1] < right.value_at_zero[-1] - 0.03  # compulsion costs
    assert not tends_to(programmed(model), variant.value(CASH, 1.0))


def always_issuing(march, cash, times, lower, diagonal, upper, at_boundary, costs, slope, at_zero, issuing):
    issuing[0] = 1.0
    rate, _, cost, killing = costs
    march(
        cash, times, lower, diagonal, upper, at_boundary, np.array([rate, -1e9, cost, killing]), slope, at_zero, issuing
    )


def test_what_holds_at_zero_cash(model):
    found = optimal_stopping(model, 2.0)
    issues = found.issues_at_zero == 1
    assert issues.any()
    assert np.all(np.diff(found.issues_at_zero) >= 0)
    assert found.value_at_zero[~issues] == pytest.approx(model.liquidation_value, abs=1e-12)
    assert np.all(found.value_at_zero[issues] >= model.liquidation_value)
    assert found.slope[issues, 0] == pytest.approx(model.proportional_cost)
    assert np.all(found.slope >= 1)
    assert np.all(found.slope <= model.proportional_cost + 1e-12)  # issuing at more than zero cash is never better
    assert np.all(np.diff(found.slope, axis=1) <= 1e-9)  # the value is concave


def test_the_nearer_the_horizon_the_sooner_it_pays(model):
    level = optimal_stopping(model, 5.0).payout_level
    assert level[0] == 0.0
    assert np.all(np.diff(level) > -1e-4)
    assert level[-1] == pytest.approx(free_boundary(model).payout_level, rel=0.02)


def test_value_between_times_and_at_the_horizon():
    model = MODELS["issues almost always"]
    found = optimal_stopping(model, 1.0)
    assert found.value(CASH, 0.0) == pytest.approx(CASH + model.liquidation_value)
    assert np.all(found.value(CASH, 0.5) > found.value(CASH, 0.4))
    alone = optimal_stopping(model, 0.5)
    assert found.value(CASH, 0.5) == pytest.approx(alone.value(CASH, 0.5), abs=1e-5)


def test_a_fixed_cost_is_refused():
    with pytest.raises(UserError, match=r"fixed_cost = 0\.002; set it to 0"):
        optimal_stopping(GHMModel(), 1.0)
