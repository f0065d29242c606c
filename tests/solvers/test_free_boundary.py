"""The infinite-horizon solution against closed forms, another method, and its own equation."""

import dataclasses

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import brentq
from solvers import hypergeometric
from solvers.calibrations import CALIBRATIONS

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.solvers import free_boundary

CLOSED_FORMS = CALIBRATIONS | {
    "perfect correlation": GHMModel(rho=1.0),
    "perfect negative correlation": GHMModel(rho=-1.0),
    "perfect correlation, liquidated": GHMModel(rho=1.0, fixed_cost=6.0),
    "nearly perfect correlation": GHMModel(rho=0.99),
    "productivity very volatile": GHMModel(sigma_a=1.5, rho=0.5),
    "productivity hardly volatile": GHMModel(sigma_a=0.05),
    "profits hardly volatile": GHMModel(sigma_x=0.02),
    "earnings dwarf shocks": GHMModel(alpha=1.0),
    "cash melts away at once": GHMModel(carry_cost=5.0, recovery=0.0, sigma_x=0.5, fixed_cost=9.0),
    "cash costs next to nothing": GHMModel(carry_cost=1e-4, fixed_cost=6.0),
    "liquidation is nearly as good": GHMModel(recovery=0.99, rho=0.7, carry_cost=0.001),
    "fixed cost of five years' earnings": GHMModel(fixed_cost=1.002),
    "transitory shocks only, cash is dear": GHMModel(sigma_a=0.0, carry_cost=0.05),
    "transitory shocks only, liquidated": GHMModel(sigma_a=0.0, carry_cost=0.01, fixed_cost=6.0, sigma_x=0.2),
}
"""With the calibrations of every test, 24 of them, far apart in each direction."""

EVERY = pytest.mark.parametrize("model", CALIBRATIONS.values(), ids=CALIBRATIONS.keys())


def test_design_figures():
    solution = free_boundary(GHMModel())
    assert solution.payout_level == pytest.approx(0.162980, abs=5e-7)
    assert solution.value_at_zero == pytest.approx(8.830733, abs=5e-7)
    assert solution.issue_target == pytest.approx(0.0402, abs=5e-5)
    assert solution.refinances


def test_design_figures_where_issuing_is_prohibitive():
    solution = free_boundary(GHMModel(fixed_cost=6.0))
    assert solution.payout_level == pytest.approx(0.541565, abs=5e-7)
    assert solution.value_at_zero == solution.liquidation_value == pytest.approx(4.95)
    assert not solution.refinances
    assert solution.issue_target is None


class ConstantCoefficients:
    """Closed form without permanent shocks and with costless cash (r − λ − μ = 0): Jeanblanc and Shiryaev (1995).

    With β the roots of ½ σ² β² + α β − k = 0 and x = c − c*, F = (β₂/β₁ e^{β₁ x} − β₁/β₂ e^{β₂ x})/(β₂ − β₁).
    """

    def __init__(self, model):
        assert model.sigma_a == 0
        assert model.r == pytest.approx(model.carry_cost + model.mu)
        root = np.sqrt(model.alpha**2 + 2 * (model.r - model.mu) * model.sigma_x**2)
        self.upper, self.lower = (-model.alpha + root) / model.sigma_x**2, (-model.alpha - root) / model.sigma_x**2

    def value(self, x):
        up, low = self.upper, self.lower
        return (low / up * np.exp(up * x) - up / low * np.exp(low * x)) / (low - up)

    def slope(self, x):
        up, low = self.upper, self.lower
        return (low * np.exp(up * x) - up * np.exp(low * x)) / (low - up)


@pytest.mark.parametrize(
    ("alpha", "sigma_x", "recovery"),
    [(0.18, 0.12, 0.55), (0.06, 0.12, 0.95), (0.06, 0.4, 0.0), (0.5, 0.05, 0.55), (0.18, 0.4, 0.2), (0.5, 0.12, 0.0)],
)
def test_closed_form_of_a_firm_that_is_liquidated(alpha, sigma_x, recovery):
    model = GHMModel(alpha=alpha, sigma_x=sigma_x, sigma_a=0.0, recovery=recovery, fixed_cost=100.0, c_max=5.0)
    exact = ConstantCoefficients(model)
    with np.errstate(over="ignore"):  # at the bracket's far end, where only the sign counts
        level = brentq(lambda c: exact.value(-c) - model.liquidation_value, 1e-6, 10.0, xtol=1e-13)
    assert free_boundary(model).payout_level == pytest.approx(level, abs=1e-8)


@pytest.mark.parametrize("proportional_cost", [1.0, 1.01, 1.06, 1.3])
@pytest.mark.parametrize("fixed_cost", [1e-6, 1e-4, 0.002, 0.05])
def test_closed_form_of_a_firm_that_refinances(proportional_cost, fixed_cost):
    model = GHMModel(sigma_a=0.0, proportional_cost=proportional_cost, fixed_cost=fixed_cost)
    exact, solution = ConstantCoefficients(model), free_boundary(model)
    level, target = solution.payout_level, solution.issue_target
    raised = exact.value(target - level) - proportional_cost * (target + fixed_cost)
    assert exact.value(-level) == pytest.approx(raised, abs=1e-8)
    assert exact.slope(target - level) == pytest.approx(proportional_cost, abs=1e-7)
    assert solution.value_at_zero == pytest.approx(exact.value(-level), abs=1e-8)


@pytest.mark.parametrize("proportional_cost", [1.01, 1.06, 1.3])
def test_closed_form_without_a_fixed_cost_reflects_cash_at_zero(proportional_cost):
    model = GHMModel(sigma_a=0.0, proportional_cost=proportional_cost, fixed_cost=0.0)
    exact, solution = ConstantCoefficients(model), free_boundary(model)
    assert exact.slope(-solution.payout_level) == pytest.approx(proportional_cost, abs=1e-8)
    assert solution.refinances
    assert solution.issue_target == pytest.approx(0.0, abs=1e-12)


def test_free_issuance_is_worth_the_perpetuity():
    model = GHMModel(proportional_cost=1.0, fixed_cost=0.0)
    solution, cash = free_boundary(model), np.linspace(0.0, 2.0, 11)
    np.testing.assert_allclose(solution.value(cash), cash + model.alpha / model.discount_rate, rtol=1e-14)
    assert solution.payout_level == 0.0


def test_a_firm_that_nothing_threatens_is_worth_the_perpetuity():
    model = GHMModel(sigma_x=0.0, fixed_cost=6.0)  # the permanent shock moves cash in proportion to cash
    solution = free_boundary(model)
    assert (solution.payout_level, solution.refinances, solution.issue_target) == (0.0, False, None)
    assert solution.value_at_zero == pytest.approx(9.0)


def test_a_firm_that_little_threatens_is_worth_nearly_the_perpetuity():
    gaps = [9.1 - free_boundary(GHMModel(sigma_x=sigma, fixed_cost=6.0)).value(0.1) for sigma in (0.02, 0.01, 0.005)]
    assert gaps[0] / 2 > gaps[1] > 2 * gaps[2] > 0  # of the order σ², but for a logarithm


def test_nearly_free_issuance_tends_to_the_perpetuity():
    gaps = []
    for fixed_cost in (1e-3, 1e-5, 1e-7):
        model = GHMModel(proportional_cost=1.0, fixed_cost=fixed_cost)
        gaps.append(model.alpha / model.discount_rate - free_boundary(model).value_at_zero)
    # The buffer that saves fixed costs shrinks with their cube root.
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[1] / gaps[2] == pytest.approx(100 ** (1 / 3), rel=0.05)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_hypergeometric_functions_agree(name):
    """c*, F(0), F'(0) and y* of the closed form, known to 30 digits."""
    model = CLOSED_FORMS[name]
    solution = free_boundary(model)
    exact = hypergeometric.solve(model, solution)
    assert solution.payout_level == pytest.approx(float(exact.target_cash), rel=1e-8, abs=1e-9)
    assert solution.value_at_zero == pytest.approx(float(exact.value_at_zero), rel=1e-9)
    assert float(solution.derivative(np.array(0.0))) == pytest.approx(float(exact.slope_at_zero), rel=1e-8)
    if solution.refinances:
        assert solution.issue_target == pytest.approx(float(exact.issue_target), rel=1e-7, abs=1e-9)


def test_hypergeometric_functions_can_disagree():
    """Negative control: of a model with 0.01% more volatility, another level, value and slope are found."""
    solution = free_boundary(dataclasses.replace(GHMModel(), sigma_x=1.0001 * GHMModel().sigma_x))
    exact = hypergeometric.solve(GHMModel(), solution)
    assert solution.payout_level != pytest.approx(float(exact.target_cash), rel=1e-5)
    assert solution.value_at_zero != pytest.approx(float(exact.value_at_zero), rel=1e-7)
    assert float(solution.derivative(np.array(0.0))) != pytest.approx(float(exact.slope_at_zero), rel=1e-7)


@pytest.mark.parametrize(
    "name", ["defaults", "perfect correlation", "transitory shocks only, cash is dear", "transitory shocks only"]
)
def test_the_closed_forms_solve_the_equation(name):
    """Gauss, confluent, Kummer and exponentials, by derivatives of high precision; with another discount rate they do not."""
    model, cash = CLOSED_FORMS[name], mp.mpf("0.07")
    with mp.workdps(hypergeometric.precision(model)):
        for value, slope in hypergeometric.solutions(model):
            second = mp.diff(slope, cash)
            flow = float(model.drift(np.array(0.07))) * slope(cash) + float(model.variance(np.array(0.07))) / 2 * second
            assert abs(mp.diff(value, cash) / slope(cash) - 1) < 1e-12
            assert float(flow / value(cash)) == pytest.approx(0.02, rel=1e-9)


def residual(solution, model):
    """Largest |k F − m F' − ½ s² F''| inside, with F'' a central difference of F'."""
    step = min(1e-5, 2.5e-4 * model.sigma_x**2 / (2 * model.alpha))  # a small part of the width of the layer at zero
    cash = np.linspace(2 * step, solution.payout_level - 2 * step, 501)
    second = (solution.derivative(cash + step) - solution.derivative(cash - step)) / (2 * step)
    terms = model.discount_rate * solution.value(cash) - model.drift(cash) * solution.derivative(cash)
    return np.abs(terms - model.variance(cash) / 2 * second).max()


@EVERY
def test_the_equation_holds(model):
    assert residual(free_boundary(model), model) < 1e-6


def test_the_equation_fails_for_another_model():
    """Negative control: with volatility off by 0.1%, the residual shows it."""
    model = GHMModel()
    assert residual(free_boundary(dataclasses.replace(model, sigma_x=1.001 * model.sigma_x)), model) > 1e-6


@EVERY
def test_slope_is_the_derivative_and_pastes_smoothly(model):
    solution = free_boundary(model)
    level, step = solution.payout_level, 1e-6
    cash = np.linspace(0.05, 0.95, 19) * level
    slope = (solution.value(cash + step) - solution.value(cash - step)) / (2 * step)
    np.testing.assert_allclose(solution.derivative(cash), slope, atol=1e-7)
    at_level = solution.derivative(np.array([level - 1e-5, level, level + 1e-5]))
    np.testing.assert_allclose(at_level, 1.0, atol=1e-6)
    np.testing.assert_allclose(solution.value(np.array([level + 0.3])) - solution.value(np.array([level])), 0.3)


@EVERY
def test_value_at_zero_is_the_better_of_liquidation_and_issuing(model):
    solution = free_boundary(model)
    targets = np.linspace(0.0, solution.payout_level, 10_001)[1:]
    issued = solution.value(targets) - model.proportional_cost * (targets + model.fixed_cost)
    best = max(model.liquidation_value, float(issued.max()))
    assert solution.value_at_zero == pytest.approx(best, abs=1e-6 if model.fixed_cost else 1e-4)
    assert solution.refinances == (issued.max() > model.liquidation_value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recovery": 1.0}, "immediate liquidation is optimal"),
        ({"alpha": -0.1}, "immediate liquidation is optimal"),
        ({"alpha": 0.0}, "immediate liquidation is optimal"),
        ({"alpha": -0.1, "recovery": 2.0}, "drift at zero cash is -0.1"),
        ({"carry_cost": 0.0}, "holding cash costs nothing"),
    ],
)
def test_no_solution_is_said_clearly(changes, message):
    with pytest.raises(UserError, match="no infinite-horizon solution") as error:
        free_boundary(GHMModel(**changes))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"c_max": 0.05, "fixed_cost": 6.0},  # the payout level lies above the cash range
        {
            "carry_cost": 5.0,
            "recovery": 0.0,
            "sigma_x": 0.5,
            "fixed_cost": 9.0,
        },  # it nearly reaches where drift is zero
        {"carry_cost": 1e-4, "fixed_cost": 6.0},
        {"alpha": 1000.0},  # earnings dwarf shocks: solutions that start far above the payout level overflow
        {"rho": 1.0, "sigma_x": 0.12},  # the shocks vanish, but only above the payout level
    ],
)
def test_extreme_models_are_solved(changes):
    model = GHMModel(**changes)
    solution = free_boundary(model)
    assert residual(solution, model) < 1e-5 * max(1.0, model.alpha)
    assert solution.derivative(np.array(solution.payout_level)) == pytest.approx(1.0, abs=1e-9)


def test_discount_rate_must_be_positive():
    with pytest.raises(UserError, match="discount rate"):
        GHMModel(r=0.01, mu=0.01)


@pytest.mark.parametrize("missing", [1e-4, 1e-6, 1e-8, 1e-10])
def test_a_firm_that_loses_next_to_nothing_at_liquidation_is_solved(missing):
    """c* tends to its bound α (1 − ω)/λ, where the equation is met to rounding alone."""
    found = free_boundary(GHMModel(recovery=1 - missing))
    assert found.payout_level == pytest.approx(0.18 * missing / 0.02, rel=1e-3)
    assert not found.refinances
    assert found.value_at_zero == pytest.approx(9.0, rel=1e-3)
