"""The one-step expectation against closed forms and brute-force integration."""

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.stats import norm
from solvers.calibrations import CALIBRATIONS

from ghm.economics.induction import cash_grid
from ghm.economics.model import GHMModel
from ghm.economics.transition import ROWS, BandedOperator, Transition
from ghm.errors import UserError

DT = 0.01
EVERY = pytest.mark.parametrize("model", CALIBRATIONS.values(), ids=CALIBRATIONS.keys())


def next_cash(model, cash, dt=DT):
    """Mean and standard deviation of cash after one step."""
    drift = model.alpha + cash * (model.r - model.carry_cost - model.mu)
    variance = model.sigma_x**2 * (1 - model.rho**2) + (model.rho * model.sigma_x - cash * model.sigma_a) ** 2
    return cash + drift * dt, np.sqrt(variance * dt)


def brute_force(model, cash, value, liquidation_value, dt=DT, points=200_001):
    """W at one value of cash: midpoint rule over ±9 standard deviations, the cells split at zero and at c̄."""
    mean, deviation = next_cash(model, cash, dt)
    total = liquidation_value * norm.cdf(-mean / deviation)
    for low, high, payoff in (
        (max(mean - 9 * deviation, 0.0), min(mean + 9 * deviation, model.c_max), value),
        (model.c_max, mean + 9 * deviation, lambda c: value(np.array([model.c_max])) + c - model.c_max),
    ):
        if high > low:
            edges = np.linspace(low, high, points)
            middle = (edges[1:] + edges[:-1]) / 2
            total += np.sum(payoff(middle) * norm.pdf(middle, mean, deviation)) * (edges[1] - edges[0])
    return np.exp(-(model.r - model.mu) * dt) * total


def value_operator(model, dt=DT, refinement=1.0):
    nodes = cash_grid(model, dt, refinement)
    return nodes, Transition.build(model, dt, nodes).value_operator(model, dt)


@EVERY
def test_probabilities_sum_to_one(model):
    nodes = cash_grid(model, DT)
    transition = Transition.build(model, DT, nodes)
    total = transition.expectation_operator(1.0).apply(np.ones(nodes.size))
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    mean, deviation = next_cash(model, nodes)
    np.testing.assert_allclose(transition.liquidation, norm.cdf(-mean / deviation), rtol=1e-9, atol=1e-300)


@EVERY
@pytest.mark.parametrize(("intercept", "slope"), [(5.0, 0.0), (0.0, 1.0), (4.95, 1.0), (-1.0, 2.5)])
def test_linear_values_have_a_closed_form(model, intercept, slope):
    nodes, operator = value_operator(model)
    mean, deviation = next_cash(model, nodes)
    low, high = -mean / deviation, (model.c_max - mean) / deviation
    inside = norm.cdf(high) - norm.cdf(low)
    within = mean * inside + deviation * (norm.pdf(low) - norm.pdf(high))  # E[c' 1{0 < c' ≤ c̄}]
    overflow = deviation * norm.pdf(high) - (model.c_max - mean) * norm.sf(high)
    exact = intercept * inside + slope * within + (intercept + slope * model.c_max) * norm.sf(high) + overflow
    exact += model.liquidation_value * norm.cdf(low)
    exact *= np.exp(-model.discount_rate * DT)
    np.testing.assert_allclose(operator.apply(intercept + slope * nodes), exact, atol=1e-11)


@EVERY
def test_quadratic_values_have_a_closed_form(model):
    nodes, operator = value_operator(model)
    mean, deviation = next_cash(model, nodes)
    low, high = -mean / deviation, (model.c_max - mean) / deviation
    inside = norm.cdf(high) - norm.cdf(low)
    first = norm.pdf(low) - norm.pdf(high)
    second = inside + low * norm.pdf(low) - high * norm.pdf(high)
    exact = mean**2 * inside + 2 * mean * deviation * first + deviation**2 * second
    exact += model.c_max**2 * norm.sf(high) + deviation * norm.pdf(high) - (model.c_max - mean) * norm.sf(high)
    exact += model.liquidation_value * norm.cdf(low)
    np.testing.assert_allclose(operator.apply(nodes**2), np.exp(-model.discount_rate * DT) * exact, atol=1e-11)


def curved(cash):
    """Steep near zero and straight above, as value functions are."""
    return 5.0 + cash - 0.1 * np.exp(-cash / 0.05)


@EVERY
def test_curved_values_agree_with_brute_force(model):
    nodes, operator = value_operator(model)
    expected = operator.apply(curved(nodes))
    for j in (0, 1, 10, nodes.size // 3, nodes.size - 2, nodes.size - 1):
        assert expected[j] == pytest.approx(brute_force(model, nodes[j], curved, model.liquidation_value), abs=1e-7)


def test_brute_force_can_disagree():
    """Negative controls: forgetting ℓ, a shifted drift, and quadrature across the jump at zero are all seen."""
    model = GHMModel()
    nodes, operator = value_operator(model)
    at_zero = operator.apply(curved(nodes))[0]
    assert abs(at_zero - brute_force(model, 0.0, curved, 0.0)) > 1e-3
    assert abs(at_zero - brute_force(GHMModel(alpha=0.19), 0.0, curved, model.liquidation_value)) > 1e-5
    points, weights = hermegauss(15)
    mean, deviation = next_cash(model, 0.02)
    reached = mean + deviation * points
    payoff = np.where(reached > 0, curved(reached), model.liquidation_value)
    quadrature = np.exp(-model.discount_rate * DT) * (payoff @ weights) / weights.sum()
    assert abs(quadrature - brute_force(model, 0.02, curved, model.liquidation_value)) > 1e-4


def test_error_falls_with_the_third_power_of_the_spacing_at_least():
    model = GHMModel()
    errors = []
    for refinement in (1.0, 2.0, 4.0):
        nodes, operator = value_operator(model, refinement=refinement)
        error = np.interp(
            0.03, nodes, operator.apply(curved(nodes)) - np.array([_exact_curved(model, c) for c in nodes])
        )
        errors.append(abs(error))
    assert errors[0] / errors[1] > 7
    assert errors[1] / errors[2] > 7


def _exact_curved(model, cash):
    """W of `curved`: moments of a normal variable cut at zero; c̄ is out of reach of the cash asked for."""
    mean, deviation = next_cash(model, cash)
    low, decay = -mean / deviation, 1 / 0.05
    straight = 5.0 * norm.sf(low) + mean * norm.sf(low) + deviation * norm.pdf(low)
    curve = np.exp(-decay * mean + (decay * deviation) ** 2 / 2) * norm.sf(low + decay * deviation)
    undiscounted = straight - 0.1 * curve + model.liquidation_value * norm.cdf(low)
    return np.exp(-model.discount_rate * DT) * undiscounted


def test_without_shocks_cash_moves_by_its_drift():
    model = GHMModel(sigma_a=0.0, sigma_x=1e-9)
    nodes = np.linspace(0.0, model.c_max, 2001)
    operator = Transition.build(model, DT, nodes).value_operator(model, DT)
    inside = nodes < 1.9
    moved = curved(nodes + model.alpha * DT)
    expected = np.exp(-model.discount_rate * DT) * moved
    np.testing.assert_allclose(operator.apply(curved(nodes))[inside], expected[inside], atol=1e-7)


def test_points_other_than_the_nodes():
    model = GHMModel()
    nodes = cash_grid(model, DT)
    points = np.array([0.0123, 0.2, 1.23456])
    operator = Transition.build(model, DT, nodes, points).value_operator(model, DT)
    for point, value in zip(points, operator.apply(curved(nodes)), strict=True):
        assert value == pytest.approx(brute_force(model, point, curved, model.liquidation_value), abs=1e-7)


@pytest.mark.parametrize("count", [1, ROWS, ROWS + 1, 5 * ROWS - 1])
def test_rows_that_are_taken_together_start_together(count):
    """What is computed is each row's product by itself; a row that started elsewhere would be multiplied by others' values."""
    model = GHMModel()
    nodes = cash_grid(model, DT)
    points = nodes[100 : 100 + count]
    start, coefficients, constant = operator = Transition.build(model, DT, nodes, points).value_operator(model, DT)
    assert (start == np.repeat(start[::ROWS], ROWS)[:count]).all()

    def by_itself(start):
        bands = np.stack([curved(nodes)[first : first + coefficients.shape[1]] for first in start])
        return constant + (coefficients * bands).sum(axis=1)

    np.testing.assert_allclose(operator.apply(curved(nodes)), by_itself(start), rtol=1e-14)
    apart = start - (np.arange(count) % ROWS > 0)
    if count > 1:
        wrong = BandedOperator(apart, coefficients, constant).apply(curved(nodes))
        assert np.abs(wrong - by_itself(apart)).max() > 1e-6


def test_band_does_not_widen_as_the_time_step_shrinks():
    """So memory is linear in the grid."""
    model = GHMModel()
    widths = [Transition.build(model, dt, cash_grid(model, dt)).coefficients.shape[1] for dt in (0.01, 0.001)]
    assert widths[1] <= 1.1 * widths[0]


@pytest.mark.parametrize("nodes", [[0.0, 1.0, 2.0], [0.1, 1.0, 1.5, 2.0], [0.0, 1.0, 1.0, 2.0]])
def test_bad_grids_are_refused(nodes):
    with pytest.raises(UserError, match="at least 4 nodes increasing from 0"):
        Transition.build(GHMModel(), DT, np.array(nodes))
