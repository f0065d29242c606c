"""Comparative statics: against the solvers one by one, and the directions that theory says."""

import numpy as np
import pytest
from solvers import firm_simulation, hypergeometric, plain_bellman

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers import dynamic_program, free_boundary
from ghm.solvers.answers import Sweep, comparative_statics
from ghm.solvers.firm_statistics import outcomes

DT, T = 0.05, 2.0


def test_points_are_the_solvers_answers():
    points = comparative_statics([Sweep.even("sigma_x", 0.1, 0.3, 3)], Problem(dt=DT, T=T))
    assert [point.parameters["sigma_x"] for point in points] == [0.1, 0.2, 0.3]
    for point in points:
        model = GHMModel(**point.parameters)
        optimum, boundary = dynamic_program(Problem(model, DT, T)), free_boundary(model)
        fate = outcomes(optimum.policy, Problem(model, DT, T))
        assert point.optimal_return == optimum.optimal_return
        assert point.value_at_zero == optimum.values[-1, 0]
        assert (point.payout_level, point.issue_below) == (optimum.payout_level[-1], optimum.issue_below[-1])
        assert point.issue_target == optimum.issue_target[-1]
        assert point.infinite_payout_level == boundary.payout_level
        assert point.issues_a_year == pytest.approx(fate.issues / fate.years)
        assert point.note == ""
    levels = [point.payout_level for point in points]
    assert levels == sorted(levels)  # the more risk, the more cash is held


def wound_up(model):
    """The payoff at the horizon, by its definition."""
    return lambda cash: cash + model.recovery * model.alpha / (model.r - model.mu)


def test_points_are_what_plain_solutions_find():
    """Brute force for values, a simulation for what becomes of firms, closed forms for the infinite horizon."""
    found = comparative_statics([Sweep.even("sigma_x", 0.1, 0.3, 2)], Problem(dt=DT, T=T))
    n_steps, firms = round(T / DT), 40_000
    for point in found:
        model = GHMModel(**point.parameters)
        _, values = plain_bellman.optimal_values(model, DT, n_steps, wound_up(model), nodes=401)
        assert point.value_at_zero == pytest.approx(values[0], abs=1e-4)
        assert point.optimal_return == pytest.approx(np.mean(values[1:] + values[:-1]) / 2, abs=1e-4)
        optimum = dynamic_program(Problem(model, DT, T))
        levels = optimum.levels[:3]
        drawn = firm_simulation.simulate(model, DT, n_steps, *levels, firms, seed=7)
        # Four standard errors, α = 6e-5 each, beyond a share of σ_A √dt; the seed is fixed.
        fate = outcomes(optimum.policy, Problem(model, DT, T))
        assert np.all(drawn.distance(fate, model.sigma_a * np.sqrt(DT)) < 4)
        assert point.early_liquidation == fate.early_liquidation
        exact = hypergeometric.solve(model, free_boundary(model))
        assert point.infinite_payout_level == pytest.approx(float(exact.target_cash), abs=1e-8)
        assert point.infinite_value_at_zero == pytest.approx(float(exact.value_at_zero), abs=1e-8)
    assert 0.001 < found[0].early_liquidation < 0.5 * found[1].early_liquidation


def test_two_parameters_make_every_combination():
    points = comparative_statics(
        [Sweep.even("rho", -0.5, 0.5, 2), Sweep.even("fixed_cost", 0.0, 0.01, 3)], Problem(dt=DT, T=T)
    )
    found = [(point.parameters["rho"], point.parameters["fixed_cost"]) for point in points]
    assert found == [(-0.5, 0.0), (-0.5, 0.005), (-0.5, 0.01), (0.5, 0.0), (0.5, 0.005), (0.5, 0.01)]
    often = np.array([point.issues_a_year for point in points]).reshape(2, 3)
    assert np.all(np.diff(often, axis=1) < 0)  # the dearer an issue, the rarer


def test_values_come_out_as_they_are_written():
    assert Sweep.even("sigma_x", 0.05, 0.3, 11).values[:3] == (0.05, 0.075, 0.1)
    assert Sweep.even("rho", 0.5, -0.5, 3).values == (0.5, 0.0, -0.5)


def test_what_has_no_solution_is_missing_and_noted():
    points = comparative_statics([Sweep.even("mu", 0.01, 0.03, 3)], Problem(dt=DT, T=T))
    assert points[0].note == ""
    assert points[2].optimal_return is points[2].payout_level is points[2].infinite_payout_level is None
    assert "discount rate k" in points[2].note
    never = comparative_statics([Sweep.even("fixed_cost", 5.0, 6.0, 2)], Problem(dt=DT, T=T))
    assert never[0].issue_below is never[0].issue_target is None
    assert never[0].issues_a_year == 0.0
    cheap = comparative_statics([Sweep.even("carry_cost", 0.0, 0.02, 2)], Problem(dt=DT, T=T))
    assert cheap[0].infinite_payout_level is None
    assert cheap[0].optimal_return is not None
    assert "holding cash costs nothing" in cheap[0].note


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Sweep.even("sigma", 0, 1, 3), "no such parameter; choose one of alpha, mu"),
        (lambda: Sweep.even("rho", 0, 1, 1), "needs two values or more"),
        (lambda: Sweep.even("rho", 1, 1, 3), "give different ends"),
        (lambda: comparative_statics([Sweep.even("rho", 0, 1, 2)] * 2), "names rho twice"),
        (
            lambda: comparative_statics([Sweep.even("rho", 0, 1, 200), Sweep.even("mu", 0, 0.01, 200)]),
            "40,000 combinations are more than",
        ),
        (lambda: comparative_statics([Sweep.even("mu", 0.1, 0.2, 2)]), "no value of mu has a solution"),
    ],
)
def test_bad_sweeps_are_refused(make, part):
    with pytest.raises(UserError) as caught:
        make()
    assert part in str(caught.value)
