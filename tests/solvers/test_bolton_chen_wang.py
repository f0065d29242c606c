"""Bolton, Chen and Wang (2011) with investment frozen is this model: their figures, computed by other software, are ours.

With capital K in place of productivity, investment at the rate i per unit of capital and depreciation δ, capital grows at
μ = i − δ without risk; a unit earns A − i − θ i²/2. With adjustment costs θ → ∞ nothing is invested: i = 0. Their issue
costs, φ per unit of capital and γ per unit raised, are ours at p = 1 + γ and φ/p; their liquidation value l is ω α/k.

Figures: FinHJB 0.1.6 (another project's solver of their model) with θ → ∞ and their calibration, annual: r = 6%, δ = 10.07%,
A = 18%, σ = 9%, λ = 1%, l = 0.9, φ = 1%, γ = 6%. It gives them to the digits below.
"""

import dataclasses

import numpy as np
import pytest

from ghm.economics.model import GHMModel
from ghm.solvers import free_boundary
from ghm.solvers.infinite_horizon import infinite_horizon


def frozen(a=0.18, r=0.06, delta=0.1007, sigma=0.09, carry=0.01, liquidation=0.9, fixed=0.01, gamma=0.06):
    """The model of this project that theirs becomes without investment."""
    mu, p = -delta, 1 + gamma
    return GHMModel(
        alpha=a,
        mu=mu,
        r=r,
        carry_cost=carry,
        sigma_a=0.0,
        sigma_x=sigma,
        rho=0.0,
        proportional_cost=p,
        fixed_cost=fixed / p,
        recovery=liquidation * (r - mu) / a,
    )


def test_a_firm_that_is_liquidated():
    found = free_boundary(frozen(fixed=100.0))
    assert found.payout_level == pytest.approx(0.189608, abs=5e-7)
    assert float(found.derivative(np.array(0.0))) == pytest.approx(10.640, abs=5e-4)
    assert found.value_at_zero == pytest.approx(0.9)


def test_a_firm_that_refinances():
    found = free_boundary(frozen())
    assert found.payout_level == pytest.approx(0.136336, abs=5e-7)
    assert found.value_at_zero == pytest.approx(1.09751, abs=5e-6)
    assert found.issue_target == pytest.approx(0.05063, abs=1.5e-5)  # theirs is the nearest node of a grid


def test_a_firm_without_a_fixed_cost():
    found = free_boundary(frozen(fixed=0.0))
    assert found.value_at_zero == pytest.approx(1.113545, abs=5e-7)
    assert found.payout_level == pytest.approx(0.0876, abs=5e-5)


@pytest.mark.parametrize("wrong", [{"fixed_cost": 0.01}, {"mu": 0.0}], ids=["φ", "μ"])
def test_a_parameter_that_is_not_translated_is_found(wrong):
    """Negative control: their parameters taken as they stand, in a firm that issues, and in one that is liquidated."""
    found = free_boundary(dataclasses.replace(frozen(), **wrong))
    assert found.payout_level != pytest.approx(0.136336, abs=5e-7)
    assert found.value_at_zero != pytest.approx(1.09751, abs=5e-6)
    liquidated = free_boundary(dataclasses.replace(frozen(fixed=100.0), recovery=0.9))
    assert liquidated.payout_level != pytest.approx(0.189608, abs=5e-7)


def test_productivity_that_is_certain_weights_no_firm():
    """Without a permanent shock both laws are one: the drift of values counts firms as well."""
    model = frozen()
    assert np.array_equal(model.firm_drift(np.array([0.0, 0.1])), model.drift(np.array([0.0, 0.1])))
    assert infinite_horizon(model).issues_a_year > 0
