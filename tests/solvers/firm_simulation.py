"""Firms simulated in two dimensions, productivity A and cash C, straight from their equations; shares nothing with the package.

    dA = μ A dt + σ_A A dZ_A,    dC = (α A + (r − λ) C) dt + σ_X A dZ_X,    d⟨Z_A, Z_X⟩ = ρ dt.

Every firm counts alike. Decisions are taken every ``dt``, on C/A; between them the two move in ``substeps`` steps, A exactly and
C by Euler's scheme. A step of C/A is then skewed, where the discrete-time problem has it normal: that moves counts by a share of
about σ_A √dt, which tests allow.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Means over firms and their standard errors: issues, payouts, years alive, liquidated in the first half."""

    mean: np.ndarray
    error: np.ndarray
    firms: int

    def distance(self, outcomes, allowed=2.5e-4):
        """The four differences to exact expectations, in standard errors, less the share of each count that is ``allowed``."""
        exact = np.array([outcomes.issues, outcomes.payouts, outcomes.years, outcomes.early_liquidation])
        rare = np.array(
            [0.0, 0.0, 0.0, np.sqrt(exact[3] * (1 - exact[3]) / self.firms)]
        )  # a sample without any has no spread
        return np.maximum(np.abs(exact - self.mean) - allowed * np.abs(exact), 0.0) / np.maximum(
            self.error, rare + 1e-12
        )


def simulate(model, dt, n_steps, payout, below, target, firms, seed, substeps=1):
    """Counts of firms that pay above ``payout`` and issue below ``below`` up to ``target``, each by steps to go, (n_steps,)."""
    generator = np.random.default_rng(seed)
    growth, step = model.mu - model.sigma_a**2 / 2, dt / substeps
    productivity = np.ones(firms)
    cash = (np.arange(firms) + generator.uniform(size=firms)) / firms * model.c_max
    counts, alive = np.zeros((4, firms)), np.arange(firms)  # those still alive
    for now in range(n_steps):
        to_go = n_steps - now - 1
        scaled = cash / productivity
        pays, raises = scaled > payout[to_go], scaled < below[to_go]
        counts[0, alive] += raises
        counts[1, alive] += pays
        counts[2, alive] += dt
        cash = np.where(pays, payout[to_go] * productivity, np.where(raises, target[to_go] * productivity, cash))
        for _ in range(substeps):
            to_a, other = generator.standard_normal((2, cash.size)) * np.sqrt(step)
            to_x = model.rho * to_a + np.sqrt(1 - model.rho**2) * other
            earned = (model.alpha * step + model.sigma_x * to_x) * productivity
            cash = cash + earned + (model.r - model.carry_cost) * cash * step
            productivity = productivity * np.exp(growth * step + model.sigma_a * to_a)
        lives = cash > 0
        counts[3, alive[~lives]] = 2 * (now + 1) <= n_steps
        alive, productivity = alive[lives], productivity[lives]
        cash = np.minimum(cash[lives], model.c_max * productivity)
    return Counts(counts.mean(axis=1), counts.std(axis=1, ddof=1) / np.sqrt(firms), firms)
