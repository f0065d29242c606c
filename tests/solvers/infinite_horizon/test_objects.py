"""The paper's objects: a referee's figures, and each against a computation of another kind with a variant that must fail."""

import numpy as np
import pytest
from scipy.stats import norm
from solvers.calibrations import CALIBRATIONS
from solvers.infinite_horizon.continuous_simulation import simulate

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.solvers.infinite_horizon import impulse_response, infinite_horizon
from ghm.solvers.infinite_horizon.chain import cash_chain
from ghm.solvers.infinite_horizon.responses import _generator, _long_run

LIQUIDATED = GHMModel(fixed_cost=6.0, recovery=0.9, sigma_x=0.25)
"""Issuing is prohibitive, and the firm is not worth much more than its assets: it holds little cash, and is liquidated."""
FIRMS = 4_000


@pytest.fixture(scope="module")
def default():
    return infinite_horizon(GHMModel())


def test_the_referees_figures(default):
    """Each within half a unit of its last digit."""
    firms, target = default.firms, default.boundary.payout_level
    assert firms.mean == pytest.approx(0.1237, abs=5e-5)
    assert firms.share_below(target / 2) == pytest.approx(0.128, abs=5e-4)
    assert firms.time_from(default.boundary.issue_target) == pytest.approx(6.34, abs=5e-3)
    assert firms.time_from(target) == pytest.approx(9.33, abs=5e-3)
    assert default.issues_a_year == pytest.approx(0.158, abs=5e-4)
    assert default.equity_volatility(0.0) == pytest.approx(0.247, abs=5e-4)
    assert default.cost_of_frictions == pytest.approx(0.0188, abs=5e-5)


def test_curvature_is_the_slope_of_the_marginal_value(default):
    cash, step = np.linspace(0.005, 0.155, 31), 1e-4
    slope = (default.marginal_value(cash + step) - default.marginal_value(cash - step)) / (2 * step)
    assert default.curvature(cash) == pytest.approx(slope, rel=1e-4, abs=1e-5)
    assert np.all(default.curvature(np.array([0.2, 1.0])) == 0)


def test_an_issue_raises_what_it_costs(default):
    """At y* a unit is worth p, and what is left of the proceeds after y* has gone in is the share lost."""
    target = default.boundary.issue_target
    assert default.marginal_value(target) == pytest.approx(1.06, abs=1e-9)
    assert default.gross_proceeds == pytest.approx(1.06 * (target + 0.002))
    assert default.gross_proceeds * (1 - default.cost_share) == pytest.approx(target)
    assert default.value(0.0) == pytest.approx(default.value(target) - default.gross_proceeds, abs=1e-9)


@pytest.mark.parametrize("cash", [0.0, 0.05, 0.15])
def test_equity_volatility_is_that_of_one_small_step_of_productivity_and_cash(default, cash):
    """Four standard errors of a standard deviation, α = 6e-5; the seed is fixed. Productivity's own volatility is not it."""
    model, step, draws = default.model, 1e-6, 200_000
    to_a, other = np.random.default_rng(1).standard_normal((2, draws)) * np.sqrt(step)
    productivity = np.exp(model.sigma_a * to_a)
    after = cash + model.sigma_x * (model.rho * to_a + np.sqrt(1 - model.rho**2) * other)
    scaled = after / productivity
    # Below zero, where a step may lead, the value goes on in a straight line: its slope at zero is meant.
    value = default.value(np.maximum(scaled, 0.0)) + np.minimum(scaled, 0.0) * default.marginal_value(0.0)
    found = np.std(np.log(productivity * value)) / np.sqrt(step)
    error = found / np.sqrt(2 * draws)
    assert abs(found - default.equity_volatility(cash)) < 4 * error
    assert abs(model.sigma_a - default.equity_volatility(cash)) > 4 * error or cash == 0.05


def test_cash_flow_sensitivity_is_a_regression_on_unexpected_profit(default):
    """Four standard errors, α = 6e-5; the seed is fixed. That a unit of profit is a unit of cash fails."""
    model, draws = GHMModel(rho=0.6), 200_000
    to_a, other = np.random.default_rng(1).standard_normal((2, draws))
    to_x = model.rho * to_a + np.sqrt(1 - model.rho**2) * other
    profit, change = model.sigma_x * to_x, model.sigma_x * to_x - 0.1 * model.sigma_a * to_a
    slope = profit @ change / (profit @ profit)
    error = np.std(change - slope * profit) / np.std(profit) / np.sqrt(draws)
    assert abs(slope - infinite_horizon(model).cash_flow_sensitivity(0.1)) < 4 * error < abs(slope - 1)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_the_density_is_where_a_chain_of_levels_comes_to_rest(name):
    """Fokker–Planck by finite volumes: second order, 2e-3 in the distribution. The drift of values fails where laws differ."""
    model = CALIBRATIONS[name]
    firms = infinite_horizon(model).firms
    chain = cash_chain(model, firms.cash[-1], 300)
    entry = max(round(firms.entry / chain.cash[0]) - 1, 0)
    mass = _long_run(_generator(chain, entry))
    # A level stands for half a gap on either side of it.
    found = np.cumsum(mass) - mass / 2
    assert firms.share_below(chain.cash[:-1]) == pytest.approx(found[:-1], abs=5e-3)
    assert firms.mean == pytest.approx(mass @ chain.cash, rel=5e-3)
    assert firms.share_below(firms.quantile([0.1, 0.9])) == pytest.approx([0.1, 0.9])


def test_the_drift_of_values_has_another_density(default, monkeypatch):
    monkeypatch.setattr(GHMModel, "firm_drift", GHMModel.drift)
    assert abs(infinite_horizon(GHMModel(rho=0.8)).firms.mean - 0.1237) > 0.002
    assert infinite_horizon(default.model).issues_a_year == pytest.approx(
        0.19, abs=0.01
    )  # 0.158 under the firm's own law


def test_long_simulated_firms_hold_as_much_cash(default):
    """Productivity and cash in two dimensions; four standard errors of mean and of the share below c*/2, and 1% for the step."""
    firms, target = default.firms, default.boundary.payout_level
    start = firms.quantile((np.arange(FIRMS) + 0.5) / FIRMS)
    cash = simulate(default.model, start, target, firms.entry, 4.0, seed=3, record=(2.0, 4.0))[1]
    for one in cash:
        assert abs(one.mean() - firms.mean) < 4 * one.std() / np.sqrt(FIRMS) + 0.002 * firms.mean
        share = firms.share_below(target / 2)
        assert abs(np.mean(one < target / 2) - share) < 4 * np.sqrt(share * (1 - share) / FIRMS) + 0.01 * share
    # Negative control: firms that all start at c*, and have not had the time to spread.
    early = simulate(default.model, np.full(FIRMS, target), target, firms.entry, 0.05, seed=3, record=(0.05,))[1][0]
    assert abs(early.mean() - firms.mean) > 4 * early.std() / np.sqrt(FIRMS) + 0.002 * firms.mean


def test_cash_runs_out_as_fast_as_in_a_simulation(monkeypatch):
    """Mean time and share by two dates, in two dimensions; four standard errors, α = 6e-5, and 1% for the step; seed fixed."""
    model = LIQUIDATED
    found = infinite_horizon(model)
    assert not found.boundary.refinances
    target = found.boundary.payout_level
    years = 12 * float(found.firms.time_from(target))
    ran_out, _ = simulate(model, np.full(FIRMS, target), target, None, years, step=years / 3000, seed=5)
    assert np.isfinite(ran_out).mean() > 0.999
    ran_out = np.minimum(ran_out, years)
    mean, error = ran_out.mean(), ran_out.std() / np.sqrt(FIRMS)
    assert abs(found.firms.time_from(target) - mean) < 4 * error + 0.02 * mean
    dates = years / 12 * np.array([0.5, 1.5])
    shares = np.array([np.mean(ran_out <= date) for date in dates])
    assert np.all(
        abs(found.liquidation_probability(target, dates) - shares) < 4 * np.sqrt(shares * (1 - shares) / FIRMS) + 0.02
    )
    monkeypatch.setattr(GHMModel, "firm_drift", lambda self, cash: 0.7 * self.drift(cash))
    assert abs(infinite_horizon(model).firms.time_from(target) - mean) > 4 * error + 0.02 * mean


def test_running_out_soon_has_a_closed_form():
    """Far below c* cash is a Brownian motion with drift: the inverse Gaussian law of the first time at zero."""
    model = GHMModel(sigma_a=0.0, fixed_cost=6.0)
    found, cash, years = infinite_horizon(model), 0.05, np.array([0.05, 0.2, 0.5])
    drift, spread = 0.18, 0.12 * np.sqrt(years)
    exact = norm.cdf((-cash - drift * years) / spread)
    exact += np.exp(-2 * drift * cash / 0.12**2) * norm.cdf((-cash + drift * years) / spread)
    assert found.liquidation_probability(cash, years) == pytest.approx(exact, abs=2e-4)
    assert found.liquidation_probability(1.1 * cash, years) != pytest.approx(exact, abs=2e-4)


@pytest.mark.parametrize("model", [GHMModel(), LIQUIDATED], ids=["refinances", "liquidated"])
def test_times_are_the_area_under_survival(model):
    """T = ∫ P(not run out by t) dt: two computations of one number."""
    found = infinite_horizon(model)
    expected = float(found.firms.time_from(found.firms.entry))
    years = 60 * expected * np.linspace(0, 1, 2_001) ** 3
    alive = 1 - found.run_out_probability(found.firms.entry, years)
    assert np.trapezoid(alive, years) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("model", [GHMModel(), LIQUIDATED], ids=["refinances", "liquidated"])
def test_what_is_written_by_date_is_what_is_printed_at_these_dates(model):
    """Ten dates a year for twenty years. A firm that issues equity is not liquidated, another one is once it has no cash."""
    found = infinite_horizon(model)
    series, printed = found.series(), found.figures()
    assert series["years"] == pytest.approx(np.arange(201) / 10)
    for name, key in (
        ("run_out", "run_out_probability_from_target"),
        ("liquidation", "liquidation_probability_from_target"),
    ):
        for date, share in printed[key].items():
            assert series[f"{name}_probability"][round(10 * float(date))] == pytest.approx(share, abs=1e-3), (
                name,
                date,
            )
    gone = series["liquidation_probability"]
    assert np.all(gone == 0) if found.boundary.refinances else np.all(gone == series["run_out_probability"])
    for shock in ("transitory", "permanent"):
        response = impulse_response(model, found.firms, shock)
        assert np.array_equal(series["response_years"], response.years)
        assert np.array_equal(series[f"response_of_payouts_to_{shock}"], response.payouts)


@pytest.mark.parametrize("shock", ["transitory", "permanent"])
def test_responses_agree_with_a_simulation(default, shock):
    """Shocked and unshocked firms on the same draws; four standard errors, and 5% of the shock's first effect; seed fixed."""
    model, firms, target = default.model, default.firms, default.boundary.payout_level
    found = impulse_response(model, firms, shock)
    start = firms.quantile((np.arange(FIRMS) + 0.5) / FIRMS)
    moved = (
        start - 0.12 / np.sqrt(12) if shock == "transitory" else np.minimum(start * np.exp(0.25 / np.sqrt(12)), target)
    )
    moved = np.where(moved <= 0, firms.entry, moved)
    times = (0.0, 0.25, 1.0)
    pair = [simulate(model, one, target, firms.entry, 1.0, seed=4, record=times)[1] for one in (moved, start)]
    difference = pair[0] - pair[1]
    error = difference.std(axis=1) / np.sqrt(FIRMS)
    computed = np.interp(times, found.years, found.cash)
    assert np.all(
        abs(computed - difference.mean(axis=1)) < 4 * error * (np.array(times) > 0) + 0.05 * abs(difference[0].mean())
    )
    assert abs(found.cash[-1]) < 0.02 * abs(found.cash[0])
    other = impulse_response(model, firms, "permanent" if shock == "transitory" else "transitory")
    assert np.sign(other.cash[0]) == -np.sign(found.cash[0])


def test_accounts_of_a_response_balance(default):
    """Cash moves by what it drifts, what is raised and what is paid out, in each moment."""
    model, firms = default.model, default.firms
    found = impulse_response(model, firms, "transitory")
    moved = np.gradient(found.cash, found.years)
    drift = (model.drift_slope + model.sigma_a**2) * found.cash
    expected = drift + found.run_out * firms.entry - found.payouts
    assert moved[4:-1] == pytest.approx(expected[4:-1], abs=0.03 * abs(moved[4]))


def test_where_no_cash_is_held_there_is_nothing_to_say():
    found = infinite_horizon(GHMModel(fixed_cost=0.0, proportional_cost=1.0))
    assert found.firms is None
    assert found.issues_a_year is None
    assert found.cost_of_frictions == pytest.approx(0.0)
    assert np.all(np.isnan(found.run_out_probability(0.0, np.array([1.0]))))


def test_without_a_fixed_cost_issues_are_a_flow():
    found = infinite_horizon(GHMModel(fixed_cost=0.0))
    assert found.issues_a_year is None
    assert found.cost_share == pytest.approx(1 - 1 / 1.06)
    assert found.liquidation_probability(0.0, np.array([1.0])) == 0


def test_without_a_solution_it_is_said():
    with pytest.raises(UserError, match="no infinite-horizon solution"):
        infinite_horizon(GHMModel(recovery=1.2))
