"""The optimum of the discrete-time problem against brute force, closed forms and the infinite-horizon solution."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from solvers import quadrature_bellman
from solvers.calibrations import CALIBRATIONS
from solvers.plain_bellman import optimal_values

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers import dynamic_program, free_boundary

PROHIBITIVE = GHMModel(fixed_cost=6.0)
SOME = pytest.mark.parametrize(
    "model", [CALIBRATIONS[name] for name in ("defaults", "volatile", "cash melts away", "impatient", "shrinking")]
)


def liquidated(model):
    return lambda cash: cash + model.liquidation_value


# ---------------------------------------------------------------------------------------------------- the figures


def test_optimal_return_of_the_defaults():
    """Converged to 1e-6, and confirmed by simulation to 1.3e-5: docs/design/model.md.

    The first prototype, with Gauss-Hermite quadrature across the jump from V(0) to ℓ, had 6.6548: the running maxima pick
    the quadrature's upward errors, and finer ones of its kind come down to this figure.
    """
    optimum = dynamic_program(Problem(GHMModel(), 0.01, 10.0))
    assert optimum.optimal_return == pytest.approx(6.654210, abs=2e-6)
    assert optimum.payout_level[-1] == pytest.approx(0.1919, abs=1e-4)
    assert optimum.issue_below[-1] == pytest.approx(0.0354, abs=1e-4)
    assert optimum.issue_target[-1] == pytest.approx(0.0725, abs=1e-4)


def test_optimal_return_where_issuing_is_prohibitive():
    optimum = dynamic_program(Problem(PROHIBITIVE, 0.01, 10.0))
    assert optimum.optimal_return == pytest.approx(6.618763, abs=2e-6)
    assert np.isnan(optimum.levels.issue_below).all()
    assert np.isnan(optimum.levels.issue_target).all()


@pytest.mark.parametrize("model", CALIBRATIONS.values(), ids=CALIBRATIONS.keys())
def test_refining_the_grid_changes_the_return_by_less_than_a_tenth_of_what_is_promised(model):
    coarse, fine = (dynamic_program(Problem(model, 0.02, 4.0), refinement=r).optimal_return for r in (1.0, 3.0))
    assert coarse == pytest.approx(fine, abs=1e-5)


@pytest.mark.parametrize("c_max", [0.6, 20.0, 1e3, 1e6])
def test_the_width_of_the_cash_range_does_not_matter_beyond_the_payout_level(c_max):
    """Beyond it the firm pays out what it has: V(c̄, τ) − c̄ and the levels are the same."""
    narrow, wide = (dynamic_program(Problem(GHMModel(c_max=c), 0.02, 4.0)) for c in (2.0, c_max))
    assert wide.values[-1][-1] - c_max == pytest.approx(narrow.values[-1][-1] - 2.0, abs=1e-5)
    assert wide.payout_level[-1] == pytest.approx(narrow.payout_level[-1], abs=1e-3)
    assert wide.issue_target[-1] == pytest.approx(narrow.issue_target[-1], abs=1e-3)


def test_too_coarse_a_grid_is_seen_by_refining():
    """Negative control: nodes wider than a step's shock fail what the test above asks."""
    model = GHMModel(c_max=40.0)
    coarse, fine = (dynamic_program(Problem(model, 0.0025, 0.05), refinement=r).values[-1][0] for r in (0.01, 1.0))
    assert abs(coarse - fine) > 1e-5


# ---------------------------------------------------------------------------------------------------- brute force


@SOME
@pytest.mark.parametrize("terminal", ["liquidation", "zero"])
def test_brute_force_agrees(model, terminal):
    dt, n_steps = 0.25, 6
    optimum = dynamic_program(Problem(model, dt, n_steps * dt, terminal))
    payoff = liquidated(model) if terminal == "liquidation" else np.zeros_like
    cash, value = optimal_values(model, dt, n_steps, payoff)
    np.testing.assert_allclose(np.interp(cash, optimum.cash, optimum.values[-1]), value, atol=1e-4)


def test_brute_force_can_disagree():
    """Negative control: without ℓ in liquidation, brute force finds other values."""
    model, dt, n_steps = GHMModel(), 0.25, 6
    optimum = dynamic_program(Problem(model, dt, n_steps * dt))
    cash, value = optimal_values(model, dt, n_steps, liquidated(model), liquidation_pays=False)
    assert np.abs(np.interp(cash, optimum.cash, optimum.values[-1]) - value).max() > 1e-3


@pytest.mark.parametrize("model", [GHMModel(), PROHIBITIVE, CALIBRATIONS["volatile"], CALIBRATIONS["impatient"]])
def test_quadrature_agrees_if_it_is_split_where_the_value_jumps(model):
    """Negative control: across the jump, Gauss-Hermite quadrature errs upward by what docs/design/model.md says of J*."""
    dt, n_steps = 0.02, 100
    optimum = dynamic_program(Problem(model, dt, n_steps * dt))
    split, across = (quadrature_bellman.solve(model, dt, n_steps, 2001, 61, split) for split in (True, False))
    assert split.optimal_return == pytest.approx(optimum.optimal_return, abs=3e-5)
    assert across.optimal_return > optimum.optimal_return + 1e-4
    assert split.payout_level[-1] == pytest.approx(optimum.payout_level[-1], abs=0.002)


def test_values_are_kept_from_the_horizon_to_the_start():
    optimum = dynamic_program(Problem(GHMModel(), 0.02, 2.0))
    assert optimum.time_to_horizon[0] == 0.0
    assert optimum.time_to_horizon[-1] == pytest.approx(2.0)
    np.testing.assert_allclose(optimum.values[0], optimum.cash + 4.95)
    half = dynamic_program(Problem(GHMModel(), 0.02, float(optimum.time_to_horizon[-2])))
    np.testing.assert_allclose(optimum.values[-2], half.values[-1], atol=1e-12)


# ---------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("model", [GHMModel(sigma_a=0.0, sigma_x=1e-4), GHMModel(sigma_x=0.0)])
def test_without_shocks_at_zero_cash_the_firm_pays_out_what_it_earns(model):
    """The permanent shock moves cash in proportion to cash: a firm that keeps none is safe."""
    dt, n_steps = 0.05, 100
    optimum = dynamic_program(Problem(model, dt, n_steps * dt))
    earned = perpetuity(model, dt, n_steps)
    np.testing.assert_allclose(optimum.values[-1], optimum.cash + earned, atol=1e-7)
    assert optimum.payout_level[-1] == pytest.approx(0.0, abs=1e-3)
    assert np.isnan(optimum.issue_below[-1])
    threatened = dynamic_program(Problem(GHMModel(sigma_x=0.03), dt, n_steps * dt))  # the wrong variant
    assert np.abs(threatened.values[-1] - threatened.cash - earned).max() > 1e-3


def perpetuity(model, dt, n_steps):
    """Earnings of every step, paid at its end, and liquidation value at the horizon."""
    discount = np.exp(-model.discount_rate * dt * np.arange(1, n_steps + 1))
    return model.alpha * dt * discount.sum() + discount[-1] * model.liquidation_value


FREE = {"proportional_cost": 1.0, "fixed_cost": 0.0}


@pytest.mark.parametrize(
    ("model", "terminal"),
    [
        (GHMModel(**FREE), "liquidation"),
        (GHMModel(**FREE), "going_concern"),
        (GHMModel(carry_cost=0.0, **FREE), "liquidation"),
        (GHMModel(sigma_x=0.3, sigma_a=0.4, rho=0.5, c_max=3.0, **FREE), "liquidation"),
        (GHMModel(sigma_a=0.0, recovery=0.0, r=0.12, **FREE), "going_concern"),
    ],
)
def test_free_issuance_leaves_one_number_to_maximise(model, terminal):
    """With p = 1 and φ = 0 cash can be changed at will, so V(c, τ) = c + G(τ): see `free_issuance`."""
    dt, n_steps = 0.02, 150
    optimum = dynamic_program(Problem(model, dt, n_steps * dt, terminal))
    start = model.liquidation_value if terminal == "liquidation" else model.alpha / model.discount_rate
    gain, level = free_issuance(model, dt, n_steps, start)
    np.testing.assert_allclose(optimum.values[-1], optimum.cash + gain, atol=2e-6)
    assert optimum.payout_level[-1] == pytest.approx(level, abs=1e-3)
    assert optimum.issue_target[-1] == pytest.approx(level, abs=1e-3)
    assert optimum.issue_below[-1] == pytest.approx(level, abs=2e-3)  # issuing nothing is what is had there
    dear = dynamic_program(Problem(dataclasses.replace(model, proportional_cost=1.001), dt, n_steps * dt, terminal))
    assert np.abs(dear.values[-1] - dear.cash - gain).max() > 2e-6  # the wrong variant: issuing costs a thousandth


def free_issuance(model, dt, n_steps, gain):
    """G(T) and the best level of cash, in a recursion over one number:

    G' = max_y e^{−k dt} ( E[c'⁺] + G P(c' > 0) + ℓ P(c' ≤ 0) ) − y.
    """
    k = model.r - model.mu

    def loss(y, gain):
        mean = y + (model.alpha + y * (k - model.carry_cost)) * dt
        shock = np.sqrt(
            (model.sigma_x**2 * (1 - model.rho**2) + (model.rho * model.sigma_x - y * model.sigma_a) ** 2) * dt
        )
        survives = norm.cdf(mean / shock)
        positive = mean * survives + shock * norm.pdf(mean / shock)
        liquidation = model.recovery * model.alpha / k
        return y - np.exp(-k * dt) * (positive + gain * survives + liquidation * (1 - survives))

    for _ in range(n_steps):
        inside = minimize_scalar(
            loss, bounds=(0.0, model.c_max), args=(gain,), method="bounded", options={"xatol": 1e-9}
        )
        level = inside.x if inside.fun < loss(0.0, gain) else 0.0
        gain = -loss(level, gain)
    return gain, level


def test_free_issuance_tends_to_the_perpetuity_as_the_step_shrinks():
    """In continuous time V(c) = c + α/k; in steps, cash must cover the shock of one step, which costs λ times that."""
    model = GHMModel(proportional_cost=1.0, fixed_cost=0.0)
    gaps = []
    for dt in (0.04, 0.01, 0.0025):
        optimum = dynamic_program(Problem(model, dt, 2.0, "going_concern"))
        gaps.append(np.abs(optimum.values[-1] - optimum.cash - model.alpha / model.discount_rate).max())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.25)  # √4
    assert gaps[1] / gaps[2] == pytest.approx(2.0, rel=0.25)


def test_prohibitively_dear_issuing_is_no_issuing():
    fixed = dynamic_program(Problem(GHMModel(fixed_cost=50.0), 0.02, 5.0))
    proportional = dynamic_program(Problem(GHMModel(proportional_cost=50.0), 0.02, 5.0))
    assert fixed.optimal_return == pytest.approx(proportional.optimal_return, abs=1e-12)
    allowed = dynamic_program(Problem(GHMModel(), 0.02, 5.0))
    assert allowed.optimal_return > fixed.optimal_return + 1e-3


# ------------------------------------------------------------------------------------- towards the infinite horizon


STEPS = np.array([0.0025, 0.00125, 0.000625])


@pytest.fixture(scope="module", params=["defaults", "impatient", "transitory shocks only", "volatile"])
def shrinking_steps(request):
    """A model, and its optima at three steps; the terminal value is the limit, so half a year is horizon enough."""
    model = CALIBRATIONS[request.param]
    return model, [dynamic_program(Problem(model, dt, 0.5, "going_concern")) for dt in STEPS]


def tends_to(levels, limit):
    """Whether a level is c* + a √dt + b dt + …, with c* the given limit.

    A barrier watched at discrete times acts as one shifted by about 0.58 s √dt: Broadie, Glasserman and Kou (1997). So the
    error shrinks by nearly √2 when the step is halved, and the polynomial in √dt through three steps has the limit as its
    constant: within 15% of the last error, for what terms of higher order are worth.
    """
    errors = np.array(levels) - limit
    with np.errstate(invalid="ignore"):  # errors on either side of the limit have no order
        orders = np.log2(errors[:-1] / errors[1:])
    powers = np.stack([np.ones(3), np.sqrt(STEPS), STEPS], axis=1)
    extrapolated = np.linalg.solve(powers, errors)[0]
    return bool(((orders > 0.35) & (orders < 0.55)).all() and abs(extrapolated) < 0.15 * abs(errors[-1]))


def test_levels_tend_to_the_free_boundary_like_the_root_of_the_time_step(shrinking_steps):
    model, optima = shrinking_steps
    solution = free_boundary(model)
    assert tends_to([optimum.payout_level[-1] for optimum in optima], solution.payout_level)
    assert tends_to([optimum.issue_target[-1] for optimum in optima], solution.issue_target)
    assert tends_to([optimum.issue_below[-1] for optimum in optima], 0.0)


def test_levels_do_not_tend_to_another_models_free_boundary(shrinking_steps):
    """Negative control: with a tenth more or less volatility the limit is another."""
    model, optima = shrinking_steps
    for factor in (0.9, 1.1):
        other = free_boundary(dataclasses.replace(model, sigma_x=factor * model.sigma_x))
        assert not tends_to([optimum.payout_level[-1] for optimum in optima], other.payout_level)
        assert not tends_to([optimum.issue_target[-1] for optimum in optima], other.issue_target)
    assert not tends_to([optimum.issue_below[-1] for optimum in optima], 0.25 * free_boundary(model).issue_target)


@SOME
def test_going_concern_is_worth_the_infinite_horizon_value_at_every_time(model):
    """V(c, τ) = F(c) up to the error in dt, at every τ; away from zero cash, where a step's shock decides."""
    solution, errors = free_boundary(model), []
    for dt in (0.04, 0.01, 0.0025):
        optimum = dynamic_program(Problem(model, dt, 1.0, "going_concern"))
        kept = optimum.values[optimum.time_to_horizon > 0.5]
        errors.append(np.abs(kept - solution.value(optimum.cash))[:, optimum.cash > solution.payout_level].max())
    scale = solution.value_at_zero
    assert errors[2] < 0.01 * scale
    assert errors[0] / errors[1] > 1.4  # √4 = 2, with the next order's share
    assert errors[1] / errors[2] > 1.4


def test_going_concern_is_not_worth_another_models_value():
    """Negative control: F of a model with 2% higher earnings is off by more than the error in dt, which does not shrink."""
    solution, errors = free_boundary(GHMModel(alpha=1.02 * 0.18)), []
    for dt in (0.04, 0.01, 0.0025):
        optimum = dynamic_program(Problem(GHMModel(), dt, 1.0, "going_concern"))
        errors.append(np.abs(optimum.values[-1] - solution.value(optimum.cash))[optimum.cash > 0.2].max())
    assert errors[2] > 0.01 * solution.value_at_zero
    assert errors[1] / errors[2] < 1.4


def test_a_long_horizon_forgets_how_it_ends():
    """The operator contracts by e^{−k dt} a step, so ends that differ by D make values that differ by e^{−kT} D at most."""
    model, dt, T = GHMModel(r=0.31, carry_cost=0.3), 0.05, 30.0
    concern, closed = (
        dynamic_program(Problem(model, dt, T, terminal)) for terminal in ("going_concern", "liquidation")
    )
    bound = np.exp(-model.discount_rate * T) * np.abs(concern.values[0] - closed.values[0]).max()
    assert bound < 1e-3
    assert np.abs(concern.values[-1] - closed.values[-1]).max() <= bound
    assert concern.payout_level[-1] == pytest.approx(closed.payout_level[-1], abs=1e-3)


# ---------------------------------------------------------------------------------------------------- economics


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"fixed_cost": 0.004}, {}),
        ({"proportional_cost": 1.2}, {}),
        ({"carry_cost": 0.03}, {}),
        ({"sigma_x": 0.2, "recovery": 0.0}, {"recovery": 0.0}),
        ({}, {"alpha": 0.2}),
        ({}, {"recovery": 0.6}),
    ],
)
def test_better_models_are_worth_more(worse, better):
    returns = [dynamic_program(Problem(GHMModel(**changes), 0.02, 4.0)).optimal_return for changes in (worse, better)]
    assert returns[0] < returns[1] - 1e-6


def test_a_horizon_that_pays_nothing_makes_liquidation_optimal():
    """Why the default horizon pays c + ℓ: with nothing there, the firm has itself liquidated in the last steps.

    Paying everything out every step leaves no firm in fifty alive after ten steps (each ends with Φ(−m √dt/s) = 0.44), and
    ℓ is had all the same: the value soon is that of a horizon that pays, but for the last steps' earnings.
    """
    nothing, paying = (
        dynamic_program(Problem(GHMModel(), 0.01, 2.0, terminal)) for terminal in ("zero", "liquidation")
    )
    assert (nothing.levels.payout_level[:10] == 0.0).all()
    assert (paying.levels.payout_level[4:] > 0.0).all()
    gap = (paying.values - nothing.values).max(axis=1)
    assert gap[0] == pytest.approx(2.0 + 4.95)
    assert (gap[paying.time_to_horizon > 0.2] < 0.01).all()
    worthless = dynamic_program(
        Problem(GHMModel(recovery=0.0), 0.01, 2.0, "zero")
    )  # nothing is had, so the firm goes on
    assert (worthless.levels.payout_level[4:10] > 0.0).all()


# ---------------------------------------------------------------------------------------------------- bad input


def test_grids_too_fine_are_refused():
    with pytest.raises(UserError, match="cash nodes"):
        dynamic_program(Problem(GHMModel(), 1e-6, 1e-4))
    with pytest.raises(UserError, match="time steps"):
        dynamic_program(Problem(GHMModel(), 1e-6, 10.0))


def test_going_concern_needs_a_solution():
    with pytest.raises(UserError, match="immediate liquidation is optimal"):
        dynamic_program(Problem(GHMModel(recovery=1.5), 0.1, 1.0, "going_concern"))
    assert dynamic_program(Problem(GHMModel(recovery=1.5), 0.1, 1.0)).optimal_return > 0


def test_a_cash_range_narrower_than_a_shock_is_refused():
    with pytest.raises(UserError, match=r"c_max 0\.001 is less than 0\.5 of one step's shock"):
        dynamic_program(Problem(GHMModel(c_max=0.001), 0.01, 1.0))
    with pytest.raises(UserError, match="lower --dt"):
        dynamic_program(Problem(GHMModel(), 100.0, 100.0))
