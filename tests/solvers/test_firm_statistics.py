"""What becomes of a firm, counted exactly, against a plain simulation that draws actions and counts."""

import numpy as np
import pytest

from ghm.economics.actions import Actions
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.solvers import firm_statistics as statistics_module
from ghm.solvers.firm_statistics import Outcomes, outcomes
from ghm.solvers.validation.simulation import draw_cash_after

DT, T, FIRMS = 0.05, 1.0, 40_000
MODEL = GHMModel()


def hesitant(cash: Array, time_to_horizon: float) -> Actions:
    """Draws its modes, and its levels with a wide spread; more of everything as the horizon nears."""
    pay, issue = 0.25 + 0.1 / (1 + time_to_horizon), np.where(cash < 0.1, 0.4, 0.1)
    modes = np.stack([1 - pay - issue, np.full(cash.shape, pay), issue], axis=-1)
    level = [np.full(cash.shape, value) for value in (np.log(0.2), 0.8, np.log(0.1), 0.7)]
    return Actions(modes, *level)


def simulated(seed: int) -> tuple[Array, Array]:
    """Means of the four counts over `FIRMS` firms, and their standard errors, (4,) each."""
    generator, n_steps = np.random.default_rng(seed), round(T / DT)
    cash = generator.uniform(0.0, MODEL.c_max, FIRMS)
    counts, alive = np.zeros((4, FIRMS)), np.ones(FIRMS, dtype=bool)
    for step in range(n_steps):
        actions = hesitant(cash, T - step * DT)
        after = draw_cash_after(cash, actions, MODEL.c_max, generator)
        counts[:3] += alive * np.stack([after > cash, after < cash, np.full(FIRMS, DT)])
        shock = MODEL.volatility(after) * np.sqrt(DT) * generator.standard_normal(FIRMS)
        cash = np.minimum(after + MODEL.firm_drift(after) * DT + shock, MODEL.c_max)
        died = alive & (cash <= 0)
        counts[3] += died * (2 * (n_steps - step) > n_steps)
        alive &= ~died
        cash = np.maximum(cash, 0.0)
    return counts.mean(axis=1), counts.std(axis=1, ddof=1) / np.sqrt(FIRMS)


def distance(found: Outcomes, mean: Array, error: Array) -> float:
    """The greatest of the four, in standard errors and a thousandth of the count for the grid."""
    exact = np.array([found.issues, found.payouts, found.years, found.early_liquidation])
    return float(np.max(np.abs(exact - mean) / (error + 2.5e-4 * np.abs(exact))))


def test_counts_of_a_policy_that_draws_levels_agree_with_simulation() -> None:
    """α = 6e-5 for each of the four (four standard errors); the seed is fixed."""
    assert distance(outcomes(hesitant, Problem(MODEL, DT, T), randomised=True), *simulated(1)) < 4


@pytest.mark.parametrize("variant", ["levels that do not spread", "the most likely action"])
def test_wrong_variants_do_not(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if variant == "levels that do not spread":
        monkeypatch.setattr(statistics_module, "QUADRATURE", 1)
    found = outcomes(hesitant, Problem(MODEL, DT, T), randomised=variant != "the most likely action")
    assert distance(found, *simulated(1)) > 8
