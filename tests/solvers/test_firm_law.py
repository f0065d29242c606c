"""The firm's own law: exact counts of firms against simulations of productivity and cash, and against reweighted paths."""

import dataclasses

import numpy as np
import pytest
from solvers.firm_simulation import simulate

from ghm.economics import transition
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.firm_statistics import outcomes

DT, T, FIRMS = 0.01, 4.0, 20_000
CALIBRATIONS = {
    "defaults": GHMModel(),
    "shocks move together": GHMModel(rho=0.8),
    "shocks move apart": GHMModel(rho=-0.8),
    "volatile productivity": GHMModel(sigma_a=0.5, alpha=0.25, fixed_cost=0.01),
}


def optimal_counts(model):
    """What becomes of firms under the optimum, and its levels."""
    problem = Problem(model, DT, T)
    optimum = dynamic_program(problem)
    return outcomes(optimum.policy, problem), optimum.levels[:3]


@pytest.fixture
def pricing_law(monkeypatch):
    """A function that makes the wrong variant: firms counted with the drift of values."""

    def spoil():
        transition._remembered.cache_clear()
        monkeypatch.setattr(GHMModel, "firm_drift", GHMModel.drift)

    yield spoil
    transition._remembered.cache_clear()


@pytest.mark.parametrize("model", CALIBRATIONS.values(), ids=CALIBRATIONS.keys())
def test_counts_agree_with_a_simulation_of_productivity_and_cash(model, pricing_law):
    """Four standard errors for each count, α = 6e-5, beyond a share of σ_A √dt; the seed is fixed. The drift of values fails."""
    exact, levels = optimal_counts(model)
    drawn = simulate(model, DT, round(T / DT), *levels, firms=FIRMS, seed=1)
    allowed = model.sigma_a * np.sqrt(DT)
    assert np.all(drawn.distance(exact, allowed) < 4)
    pricing_law()
    assert drawn.distance(optimal_counts(model)[0], allowed)[0] > 8


@pytest.mark.parametrize("name", ["defaults", "shocks move together"])
def test_counts_are_those_of_priced_paths_weighted_back(name, pricing_law):
    """Paths drawn under the pricing law, each weighted by A_0 e^{μ t}/A_t, count firms: Girsanov's theorem, step by step.

    No drift of the firm's law is used. Under the pricing law ln A − μ t moves by σ_A² dt/2 + σ_A √dt Z_A in a step, whose weight
    is therefore exp(−σ_A √dt Z_A − σ_A² dt/2). Four standard errors, α = 6e-5; the seed is fixed.
    """
    model = CALIBRATIONS[name]
    exact, (payout, below, target) = optimal_counts(model)
    generator, n_steps = np.random.default_rng(2), round(T / DT)
    cash = (np.arange(FIRMS) + generator.uniform(size=FIRMS)) / FIRMS * model.c_max
    weight, issues, alive = np.ones(FIRMS), np.zeros(FIRMS), np.ones(FIRMS, dtype=bool)
    for step in range(n_steps):
        at = n_steps - step - 1
        raises = alive & (cash < below[at])
        issues += weight * raises
        cash = np.where(raises, target[at], np.minimum(cash, payout[at]))
        to_a, other = generator.standard_normal((2, FIRMS)) * np.sqrt(DT)
        to_x = model.rho * to_a + np.sqrt(1 - model.rho**2) * other
        drift = model.alpha + (model.r - model.carry_cost - model.mu) * cash
        cash = np.minimum(cash + drift * DT + model.sigma_x * to_x - model.sigma_a * cash * to_a, model.c_max)
        weight = weight * np.exp(-model.sigma_a * to_a - model.sigma_a**2 * DT / 2)
        alive = alive & (cash > 0)
    error = issues.std(ddof=1) / np.sqrt(FIRMS)
    assert abs(issues.mean() - exact.issues) < 4 * error
    pricing_law()
    assert abs(issues.mean() - optimal_counts(model)[0].issues) > 8 * error


def test_the_two_drifts_differ_by_what_the_change_of_law_adds():
    model, cash = GHMModel(rho=0.3, sigma_a=0.4), np.array([0.0, 0.1, 1.0])
    assert model.firm_drift(cash) - model.drift(cash) == pytest.approx(-0.3 * 0.4 * 0.12 + 0.16 * cash)
    still = dataclasses.replace(model, sigma_a=0.0)  # productivity that does not move at random weights no path
    assert np.array_equal(still.firm_drift(cash), still.drift(cash))
    assert np.array_equal(model.drift_under("firm", cash), model.firm_drift(cash))
    assert np.array_equal(model.drift_under("pricing", cash), model.drift(cash))
