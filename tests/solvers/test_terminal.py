"""What shareholders get at the horizon."""

import numpy as np
import pytest

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers import free_boundary
from ghm.solvers.terminal import terminal_values

CASH = np.array([[0.0, 0.1], [0.5, 2.0]])


def test_liquidation_pays_cash_and_liquidation_value():
    np.testing.assert_allclose(
        terminal_values(Problem(GHMModel(), terminal="liquidation"), CASH), CASH + 0.55 * 0.18 / 0.02
    )


def test_zero_pays_nothing():
    np.testing.assert_array_equal(terminal_values(Problem(GHMModel(), terminal="zero"), CASH), np.zeros((2, 2)))


def test_going_concern_pays_the_infinite_horizon_value():
    found = terminal_values(Problem(GHMModel(), terminal="going_concern"), CASH)
    assert found[0, 0] == pytest.approx(8.830733, abs=1e-6)
    np.testing.assert_array_equal(found, free_boundary(GHMModel()).value(CASH))


def test_going_concern_needs_a_solution():
    with pytest.raises(UserError, match="immediate liquidation is optimal"):
        terminal_values(Problem(GHMModel(recovery=1.0), terminal="going_concern"), CASH)
