"""Exact returns of both action rules, against the reference's slow ones, and against the optimum."""

import numpy as np
import pytest
from fine_quadrature import fine_quadrature
from small_problems import random_tables, small_problem, threshold_tables

from ghm.economics.action_rule import Returns
from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.solvers import dynamic_program
from ghm.solvers.policy_value import policy_value
from ghm.training.exact import ExactReturns
from ghm.training.problem import GriddedProblem

GREEDY, RANDOMISED = 1e-7, 1e-6
"""What the two may differ by: the same arithmetic twice; and single precision of the levels' distribution function."""

# The jump of V at zero is worth 4 there, and multiplies what is left of the midpoints' own error: see tests/fine_quadrature.py.
BEYOND_A_JUMP = 5e-6

PROBLEMS: dict[str, tuple[GriddedProblem, Terminal, float]] = {
    "default": (small_problem(), "liquidation", RANDOMISED),
    "default cash range": (small_problem(dt=0.01, n_steps=30, c_max=2.0), "liquidation", RANDOMISED),
    "between time nodes": (small_problem(dt=0.1, n_steps=40), "liquidation", RANDOMISED),
    "overflow at every other step": (small_problem(dt=0.05, n_steps=20, c_max=0.08), "liquidation", RANDOMISED),
    "nothing at the horizon": (small_problem(terminal="zero"), "zero", BEYOND_A_JUMP),
    "goes on after the horizon": (small_problem(terminal="going_concern"), "going_concern", BEYOND_A_JUMP),
    "dear issues": (small_problem(fixed_cost=0.05, proportional_cost=1.5), "liquidation", RANDOMISED),
    "no transitory shock": (small_problem(sigma_x=0.0), "liquidation", RANDOMISED),
    "one step": (small_problem(n_steps=1), "liquidation", RANDOMISED),
}


def exact_returns(problem: GriddedProblem, terminal: Terminal) -> ExactReturns:
    return ExactReturns.build(problem.problem, problem.grid)


@pytest.mark.parametrize("name", PROBLEMS)
def test_both_action_rules_equal_the_reference(name: str) -> None:
    problem, terminal, tolerance = PROBLEMS[name]
    evaluate = exact_returns(problem, terminal)
    tables, other = (random_tables(problem.grid, seed) for seed in (len(name), len(name) + 1))
    found, policy = evaluate(tables), TabulatedPolicy(problem.grid, tables)
    greedy = policy_value(policy, problem.problem)
    with fine_quadrature():
        randomised = policy_value(policy, problem.problem, randomised=True)
    assert found.greedy == pytest.approx(greedy, abs=GREEDY)
    assert found.randomised == pytest.approx(randomised, abs=tolerance)
    # Wrong variants: another policy, and the other action rule.
    assert abs(found.greedy - found.randomised) > 1e-4
    assert max(abs(a - b) for a, b in zip(found, evaluate(other), strict=True)) > 1e-4


def test_levels_that_are_zero_pay_everything_out() -> None:
    """The shift makes half of the payout levels zero where the median is: both action rules know."""
    problem = small_problem()
    tables = threshold_tables(problem.grid, payout=1e-9, below=-1.0, target=0.3)
    wide = PolicyTables(tables.modes, tables.levels.copy())
    wide.levels[1] = 0.3
    evaluate = exact_returns(problem, "liquidation")
    certain, drawn = evaluate(tables), evaluate(wide)
    assert certain.randomised == pytest.approx(certain.greedy, abs=1e-4)
    assert drawn.greedy == certain.greedy
    with fine_quadrature():
        policy = TabulatedPolicy(problem.grid, wide)
        expected = policy_value(policy, problem.problem, randomised=True)
    assert drawn.randomised == pytest.approx(expected, abs=RANDOMISED)
    assert drawn.randomised > certain.randomised + 5e-4, "keeping some cash now and then is better than none"


def test_the_optimum_tabulated_is_worth_the_optimum() -> None:
    """Tables switch mode between nodes, which costs something: 1e-3 of return; a wrong model's optimum costs more."""
    model, dt, n_steps = GHMModel(), 0.02, 100
    problem = GriddedProblem.build(Problem(model, dt, n_steps * dt))
    evaluate, grid = exact_returns(problem, "liquidation"), problem.grid
    optimum, wrong = (dynamic_program(Problem(m, dt, n_steps * dt)) for m in (model, GHMModel(sigma_x=0.3)))
    found = []
    for solution in (optimum, wrong):
        steps = grid.steps_to_go - 1
        below = np.nan_to_num(solution.levels.issue_below[steps], nan=-1.0)
        modes = np.stack([grid.cash > solution.levels.payout_level[steps, None], grid.cash < below[:, None]])
        target = np.nan_to_num(solution.levels.issue_target[steps], nan=0.1)
        none = np.full(steps.size, 1e-6)
        levels = [
            np.log(solution.levels.payout_level[steps] + grid.level_shift),
            none,
            np.log(target + grid.level_shift),
            none,
        ]
        found.append(evaluate(PolicyTables(modes.astype(np.float32), np.stack(levels).astype(np.float32))))
    assert optimum.optimal_return - 1e-3 < found[0].greedy <= optimum.optimal_return + 1e-6
    assert found[1].greedy < optimum.optimal_return - 1e-2


def test_the_better_reading_is_named() -> None:
    assert Returns(randomised=2.0, greedy=1.0).action_rule == "randomised"
    assert Returns(randomised=1.0, greedy=2.0).action_rule == "greedy"
    assert Returns(randomised=1.0, greedy=1.0).action_rule == "greedy"
    assert Returns(randomised=1.0, greedy=2.0).best == 2.0
