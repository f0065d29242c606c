"""Problems small enough to be checked by brute force, and random policies on them."""

from typing import Any

import numpy as np

from ghm.economics.grid import StateGrid
from ghm.economics.model import Array, GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.policies.tables import PolicyTables
from ghm.training.problem import GriddedProblem


def small_problem(
    dt: float = 0.02, n_steps: int = 25, terminal: Terminal = "liquidation", c_max: float = 0.6, **parameters: Any
) -> GriddedProblem:
    """A problem whose paths visit all of a short cash range, are liquidated and overflow."""
    return GriddedProblem.build(Problem(GHMModel(c_max=c_max, **parameters), dt, n_steps * dt, terminal))


def waves(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """A smooth random function on a grid, values mostly within ±1.5."""
    total = np.zeros(shape)
    axes = np.meshgrid(*(np.linspace(0, 1, size) for size in shape), indexing="ij")
    for _ in range(4):
        phase = generator.uniform(0, 2 * np.pi)
        total += np.cos(phase + sum(generator.normal(0, 3) * axis for axis in axes))
    return total / 2


def random_tables(grid: StateGrid, seed: int) -> PolicyTables:
    """A smooth random policy: all modes likely somewhere, median levels within the cash range, a level of 0 now and then."""
    generator = np.random.default_rng(seed)
    shape = (grid.steps_to_go.size, grid.cash.size)
    odds = np.exp(np.stack([np.zeros(shape), *(2 * waves(shape, generator) - 0.5 for _ in range(2))]))
    modes = (odds / odds.sum(axis=0))[1:]
    times = shape[:1]
    levels = [
        np.log(0.2 * np.exp(0.4 * waves(times, generator)) + grid.level_shift),
        np.exp(-1 + 0.5 * waves(times, generator)),
        np.log(0.1 * np.exp(0.4 * waves(times, generator)) + grid.level_shift),
        np.exp(-1 + 0.5 * waves(times, generator)),
    ]
    return PolicyTables(modes.astype(np.float32), np.stack(levels).astype(np.float32))


def threshold_tables(grid: StateGrid, payout: float, below: float, target: float) -> PolicyTables:
    """Pay down to ``payout`` above it, issue up to ``target`` below ``below``, with next to no chance in the levels."""
    modes = np.stack([grid.cash > payout, grid.cash < below])
    levels = np.array([np.log(payout + grid.level_shift), 1e-6, np.log(target + grid.level_shift), 1e-6])
    return PolicyTables(
        np.repeat(modes[:, None], grid.steps_to_go.size, axis=1).astype(np.float32),
        np.repeat(levels[:, None], grid.steps_to_go.size, axis=1).astype(np.float32),
    )
