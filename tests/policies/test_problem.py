"""A problem: what is refused, what it derives, and that NumPy's numbers do not reach the records."""

import json
import math

import numpy as np
import pytest

import ghm
from ghm.economics.model import GHMModel
from ghm.economics.problem import MAX_STEPS, Problem
from ghm.errors import UserError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dt": 0}, r"dt must be a finite number > 0; received 0"),
        ({"dt": math.nan}, r"dt must be a finite number > 0; received nan"),
        ({"T": math.inf}, r"T must be a finite number > 0; received inf"),
        ({"T": 10**400}, r"T must be a finite number > 0"),
        ({"T": True}, r"T must be a finite number > 0; received True"),
        ({"T": np.True_}, r"T must be a finite number > 0"),
        ({"dt": "0.1"}, r"dt must be a finite number > 0; received '0.1'"),
        ({"dt": np.array([0.1])}, r"dt must be a finite number > 0"),
        ({"T": 1, "dt": 0.3}, r"T must be a whole multiple of dt; received T=1, dt=0\.3; try T=0\.9"),
        ({"T": 0.001}, r"T must be a whole multiple of dt; received T=0\.001, dt=0\.01; try T=0\.01"),
        ({"T": 0.01 * (MAX_STEPS + 1)}, r"T/dt = 1,000,001 time steps are more than 1,000,000; raise dt or lower T"),
        ({"T": 1e300, "dt": 1e-300}, r"T/dt = inf time steps are more than 1,000,000"),
        ({"terminal": "soon"}, r"terminal must be one of liquidation, zero, going_concern; received 'soon'"),
        ({"terminal": ["zero"]}, r"terminal must be one of .*; received \('zero',\)"),
        ({"model": 0.2}, r"model must be a ghm\.GHMModel; received float; write dt=… and T=… by name"),
    ],
)
def test_what_is_no_problem_is_refused_with_a_remedy(settings, message):
    with pytest.raises(UserError, match=message):
        Problem(**settings)


def test_the_longest_problem_is_one():
    assert Problem(T=0.01 * MAX_STEPS).n_steps == MAX_STEPS


def test_what_follows_from_it():
    problem = Problem(GHMModel(r=0.05), dt=0.1, T=2.0)
    assert problem.n_steps == 20
    assert problem.discount == pytest.approx(1 - 0.004, abs=1e-5)  # k dt = 0.04 · 0.1
    assert problem.wind_up_return == pytest.approx(1.0 + 0.55 * 0.18 / 0.04)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.int8, int])
def test_numpys_numbers_become_pythons(kind):
    problem = ghm.Problem(GHMModel(fixed_cost=kind(2)), dt=kind(1), T=kind(4))
    assert problem == Problem(GHMModel(fixed_cost=2), 1.0, 4.0)
    values = [problem.dt, problem.T, problem.model.fixed_cost]
    assert [type(value).__module__ for value in values] == ["builtins"] * 3
    assert Problem.from_dict(json.loads(json.dumps(problem.to_dict()))) == problem


def test_a_problem_is_read_back_from_its_record():
    problem = Problem(GHMModel(sigma_x=0.3), 0.02, 4.0, "zero")
    assert Problem.from_dict(problem.to_dict()) == problem
    assert Problem.from_dict({"T": 4.0}) == Problem(T=4.0)
    assert Problem.from_dict({}) != problem  # negative control
    for values, message in (
        ({"horizon": 4.0}, r"a problem is a mapping with keys model, dt, T, terminal at most; received \{'horizon'"),
        ([], r"a problem is a mapping"),
        ({"model": 3}, r"model must be a ghm\.GHMModel; received int"),
        ({"model": {"alpha": 1}}, r"model parameters must be exactly"),
    ):
        with pytest.raises(UserError, match=message):
            Problem.from_dict(values)


def test_a_problem_may_be_given_whole_to_the_front_door():
    problem = Problem(dt=0.1, T=1.0)
    assert ghm.solve(problem).optimal_return == ghm.solve(dt=0.1, T=1.0).optimal_return

    def closes(cash, _time):
        return cash, 0.0 * cash

    assert ghm.evaluate(closes, problem).problem == problem
