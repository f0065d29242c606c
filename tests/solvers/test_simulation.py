"""The simulated check against exact returns: both action rules, and how small an error it sees."""

import dataclasses

import numpy as np
import pytest
from solvers.calibrations import CALIBRATIONS
from solvers.policies import with_levels

from ghm.economics.actions import ISSUE, PAY, Actions
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import policy_value
from ghm.solvers.answers.evaluation import AGREE, FIRMS
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.validation.simulation import PATHS, simulate

ERRORS = 4.0
"""Four standard errors: α = 6e-5 for each comparison, seeds fixed."""

STEP = 0.02

SHARPNESS = 0.002
"""Of captured value: an error that the check must see."""


@dataclasses.dataclass(frozen=True)
class Hesitant:
    """A threshold policy that does what it should in nine of ten steps, and draws its levels."""

    policy: ThresholdPolicy

    def __call__(self, cash, time_to_horizon):
        sure = self.policy(cash, time_to_horizon)
        spread = np.full(cash.shape, 0.1)
        probabilities = 0.85 * sure.mode_probabilities + 0.05
        return Actions(probabilities, sure.payout_log_mean, spread, sure.issue_log_mean, spread)


@pytest.fixture(scope="module")
def optimum():
    return dynamic_program(Problem(GHMModel(), STEP, 10.0))


@pytest.mark.parametrize("randomised", [False, True])
def test_it_sees_an_error_of_a_five_hundredth_of_captured_value(optimum, randomised):
    model, dt, T = GHMModel(), STEP, 10.0
    best = optimum.policy
    # Levels far from 0 and c̄, where the reference's quadrature over drawn levels has no kink to blur.
    policy = Hesitant(ThresholdPolicy.constant(dt, T, 0.21, 0.04, 0.1)) if randomised else best
    exact = policy_value(policy, Problem(model, dt, T), randomised=randomised)
    # Longer steps have larger errors, so there are more paths.
    found = simulate(policy, Problem(model, dt, T), 3 * PATHS, seed=3, randomised=randomised)
    gain = optimum.optimal_return - (model.c_max / 2 + model.liquidation_value)
    assert abs(found.mean - exact) < ERRORS * found.standard_error
    # The wrong variant: an exact return that is off by that much, either way.
    for error in (SHARPNESS * gain, -SHARPNESS * gain):
        assert abs(found.mean - (exact + error)) > ERRORS * found.standard_error
    # And one by a fault of the model: issues that cost a thousandth more cash.
    dearer = dataclasses.replace(model, fixed_cost=model.fixed_cost + 1e-3)
    wrong = policy_value(policy, Problem(dearer, dt, T), randomised=randomised)
    assert exact - wrong > SHARPNESS * gain / 2
    assert abs(found.mean - wrong) > ERRORS * found.standard_error


def test_trainings_check_is_sharp_enough_to_warn():
    """At the documented defaults, whose steps are shorter."""
    optimum = dynamic_program(Problem(GHMModel(), 0.01, 10.0))
    best = optimum.policy
    found = simulate(best, Problem(GHMModel(), 0.01, 10.0), FIRMS, seed=3)
    assert AGREE * found.standard_error < SHARPNESS * (optimum.optimal_return - 5.95)
    assert abs(found.mean - optimum.optimal_return) < ERRORS * found.standard_error


@pytest.mark.parametrize("terminal", ["liquidation", "zero", "going_concern"])
@pytest.mark.parametrize("name", CALIBRATIONS)
def test_it_agrees_with_the_optimum_far_from_the_defaults(name, terminal):
    model, dt, T = CALIBRATIONS[name], 0.02, 2.0
    solution = dynamic_program(Problem(model, dt, T, terminal))
    best = solution.policy
    found = simulate(best, Problem(model, dt, T, terminal), 4000, seed=5)
    # Firms that go on are hardly ever liquidated, but what they lose then is most of their value: the sample may have missed one.
    rare = (solution.values[-1, 0] - model.liquidation_value) / 4000 if terminal == "going_concern" else 0.0
    assert abs(found.mean - solution.optimal_return) < ERRORS * np.hypot(found.standard_error, rare)
    lazy = with_levels(best, payout_level=np.full_like(best.levels.payout_level, np.nan))
    assert policy_value(lazy, Problem(model, dt, T, terminal)) < solution.optimal_return - 1e-5
    wrong = simulate(best, Problem(dataclasses.replace(model, alpha=1.2 * model.alpha), dt, T, terminal), 4000, seed=5)
    assert abs(wrong.mean - solution.optimal_return) > ERRORS * wrong.standard_error


def test_modes_are_drawn_as_often_as_they_are_likely():
    """One step after which nothing is left: what shareholders get is what the action gives, and next to nothing above c̄."""
    model, dt = GHMModel(alpha=0.0, sigma_x=0.05, sigma_a=0.0, carry_cost=0.0, recovery=0.0), 0.01

    def policy(cash, _time):
        one = np.ones(cash.shape)
        return Actions(np.outer(one, [0.5, 0.3, 0.2]), np.log(0.4) * one, 0 * one, np.log(1.6) * one, 0 * one)

    exact = policy_value(policy, Problem(model, dt, dt, "zero"), randomised=True)
    found = simulate(policy, Problem(model, dt, dt, "zero"), 100_000, seed=1, randomised=True)
    assert abs(found.mean - exact) < ERRORS * found.standard_error
    cash = (np.arange(100_000) + 0.5) / 50_000
    paid, raised = np.maximum(cash - 0.4, 0).mean(), np.where(cash < 1.6, 1.6 - cash + model.fixed_cost, 0).mean()
    assert exact == pytest.approx(0.3 * paid - 0.2 * model.proportional_cost * raised, abs=2e-4)
    swapped = 0.3 * paid * 2 / 3 - 0.3 * model.proportional_cost * raised  # the wrong variant
    assert abs(found.mean - swapped) > ERRORS * found.standard_error


def test_a_levels_of_zero_pays_everything_and_a_target_stops_at_the_end_of_the_range():
    model, dt = GHMModel(c_max=0.5), 0.02

    def policy(cash, _time):
        one = np.ones(cash.shape)
        mode = np.where(cash > 0.25, PAY, ISSUE)
        return Actions(np.eye(3)[mode], np.log(0.05) * one, 0 * one, np.log(9.0) * one, 0 * one, level_shift=0.1)

    exact = policy_value(policy, Problem(model, dt, 10 * dt))
    for randomised in (False, True):
        found = simulate(policy, Problem(model, dt, 10 * dt), 20_000, seed=1, randomised=randomised)
        assert abs(found.mean - exact) < ERRORS * found.standard_error
