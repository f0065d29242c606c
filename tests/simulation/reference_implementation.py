"""The simulator said plainly, one path and one step at a time: what the compiled kernel is held against.

Nothing here is fast, and nothing is shared with the kernel but the draws. Read it beside the problem's definition.
"""

from dataclasses import dataclass

import numpy as np

from ghm.economics.grid import StateGrid
from ghm.economics.model import Array, GHMModel
from ghm.policies.tables import PolicyTables

HOLD, PAY, ISSUE = 0, 1, 2


@dataclass(frozen=True)
class PlainPath:
    """One simulated path."""

    cash: list[float]
    """Cash at the start of each step taken, and at the end if the path survives."""
    modes: list[int]
    """Mode drawn at each step."""
    flows: list[float]
    """Shareholders' cash flow of each step; what comes at its end is discounted to its start."""
    discounted_return: float
    """Discounted sum of flows and terminal payoff."""


def simulate_path(
    model: GHMModel,
    grid: StateGrid,
    tables: PolicyTables,
    terminal_values: Array,
    start: float,
    uniform: Array,
    shock: Array,
    noise: Array,
) -> PlainPath:
    """Simulate one path from given draws, (n,) each: mode uniforms, cash shocks, level noise."""
    dt = grid.dt
    discount = np.exp(-model.discount_rate * dt)
    cash, modes, flows = [start], [], []
    total, factor, c = 0.0, 1.0, start
    for t in range(grid.n_steps):
        mode, level = _draw_action(grid, tables, c, grid.n_steps - t, uniform[t], noise[t])
        after, flow = _transact(model, c, mode, level)
        at = np.array(after)
        following = float(after + model.drift(at) * dt + model.volatility(at) * np.sqrt(dt) * shock[t])
        if following <= 0:
            flow += discount * model.liquidation_value
        elif following > model.c_max:
            flow += discount * (following - model.c_max)
        modes.append(mode)
        flows.append(flow)
        total += factor * flow
        factor *= discount
        if following <= 0:
            return PlainPath(cash, modes, flows, total)
        c = min(following, model.c_max)
        cash.append(c)
    total += factor * float(np.interp(c, grid.cash, terminal_values))
    return PlainPath(cash, modes, flows, total)


def _draw_action(
    grid: StateGrid, tables: PolicyTables, cash: float, to_go: int, uniform: float, noise: float
) -> tuple[int, float]:
    """Mode and target level drawn in a state; a level is drawn also where the firm holds, and then ignored."""
    steps = grid.steps_to_go

    def in_time(row: Array) -> float:
        return float(np.interp(to_go, steps, row))

    pays, issues = (
        in_time(np.array([np.interp(cash, grid.cash, row) for row in probability])) for probability in tables.modes
    )
    mode = PAY if uniform < pays else ISSUE if uniform >= 1 - issues else HOLD
    first = 2 if mode == ISSUE else 0
    mean, std = in_time(tables.levels[first]), in_time(tables.levels[first + 1])
    return mode, max(float(np.exp(mean + std * noise)) - grid.level_shift, 0.0)


def _transact(model: GHMModel, cash: float, mode: int, level: float) -> tuple[float, float]:
    """Cash after the transaction, and shareholders' cash flow."""
    if mode == PAY and level < cash:
        return level, cash - level
    target = min(level, model.c_max)
    if mode == ISSUE and target > cash:
        return target, -model.proportional_cost * (target - cash + model.fixed_cost)
    return cash, 0.0
