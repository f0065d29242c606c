"""The model's figures worked out by hand, and the least grid that a step leads over."""

import numpy as np
import pytest

from ghm.economics.model import GHMModel
from ghm.economics.transition import Transition
from ghm.errors import UserError

MODEL = GHMModel(
    alpha=0.2, mu=0.01, r=0.05, carry_cost=0.02, sigma_a=0.5, sigma_x=0.3, rho=0.6, recovery=0.5, c_max=2.0
)
CASH = np.array([0.0, 0.5, 2.0])


def test_coefficients() -> None:
    np.testing.assert_allclose(MODEL.drift(CASH), [0.2, 0.21, 0.24], rtol=1e-14)
    # 0.6 x 0.5 x 0.3 = 0.09 less, and 0.25 for each unit of cash more.
    np.testing.assert_allclose(MODEL.firm_drift(CASH), [0.11, 0.245, 0.65], rtol=1e-14)
    # 0.09 x 0.64 = 0.0576, and the squares of 0.18, -0.07 and -0.82.
    np.testing.assert_allclose(MODEL.variance(CASH), [0.09, 0.0625, 0.73], rtol=1e-14)
    assert MODEL.discount_rate == pytest.approx(0.04, rel=1e-14)
    assert MODEL.liquidation_value == pytest.approx(2.5, rel=1e-14)


def test_a_step_from_zero() -> None:
    # Of a quarter of a year: 0.3 x 0.5 = 0.15 and 0.2 x 0.25 = 0.05.
    assert MODEL.step_from_zero(0.25) == pytest.approx(np.sqrt(0.15**2 + 0.05**2), rel=1e-14)
    still = GHMModel(alpha=0.0, sigma_x=0.0, sigma_a=0.5, carry_cost=0.02, c_max=2.0)
    # At 2: deviation 0.5 x 2 x 0.5 = 0.5, drift nothing, since 0.03 - 0.02 - 0.01 = 0.
    assert still.step_from_zero(0.25) == pytest.approx(0.5e-3, rel=1e-12)


def test_four_nodes_are_a_grid_and_three_are_none() -> None:
    found = Transition.build(MODEL, 0.1, np.array([0.0, 0.5, 1.0, 2.0]))
    assert found.liquidation.shape == (4,)
    with pytest.raises(UserError, match="at least 4 nodes increasing from 0; received 3 nodes"):
        Transition.build(MODEL, 0.1, np.array([0.0, 1.0, 2.0]))
