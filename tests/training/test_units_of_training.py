"""The units in which a training measures, worked out by hand."""

import numpy as np
import pytest
from small_problems import small_problem

from ghm.training.problem import GriddedProblem


def test_units_of_returns_and_values() -> None:
    """Of half a year, at zero cash: drift alpha = 0.18 a year, shocks of 0.12 a root year, discounted at r - mu = 0.02."""
    problem: GriddedProblem = small_problem(dt=0.02, n_steps=25)
    annuity = (1 - np.exp(-0.02 * 0.5)) / 0.02
    assert problem.value_scale == pytest.approx(np.hypot(0.18 * annuity, 0.12 * np.sqrt(0.5)), rel=1e-12)
    assert problem.cash_unit == pytest.approx(np.hypot(0.18 / 12, 0.12 * np.sqrt(1 / 12)), rel=1e-12)


def test_where_nothing_moves_at_zero_the_unit_is_that_at_the_top() -> None:
    problem = small_problem(n_steps=25, alpha=0.0, sigma_x=0.0, carry_cost=0.02, c_max=0.6)
    assert problem.value_scale == pytest.approx(0.25 * 0.6 * np.sqrt(0.5), rel=1e-12)  # r - carry_cost - mu = 0
