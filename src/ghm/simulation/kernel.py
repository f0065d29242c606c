"""The simulator: whole paths under a tabulated policy, compiled.

Steps are taken one after another for all paths of a batch at once. Each step is four short loops without branches over
plain arrays (draw, locate, act, move), because that is the form in which the compiler computes 16 paths in one go; one
long loop over everything runs at a third of the speed. The tests' reference implementation says the same in plain NumPy.

A policy is two tables (:class:`ghm.policies.distribution.PolicyTables`), interpolated linearly: the probabilities of paying
and of issuing at the nodes of (τ, c), and the mean and standard deviation of the log-levels at the nodes of τ.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghm.economics.grid import StateGrid
from ghm.economics.model import Array, GHMModel
from ghm.io.compiled import compiled, inlined
from ghm.policies.tables import PolicyTables
from ghm.simulation.draws import STARTS, TRAINING, Floats, draw_pair, fast_exp, key_words, starting_cash

BATCH_STEPS = 1 << 20
"""Path-steps recorded at a time: 26 bytes each."""

BATCH_PATHS = 512
"""Paths simulated at a time where only the last step is kept: what a step works on then stays in the first-level cache."""

_f32, _i8, _u32, _i32 = np.float32, np.int8, np.uint32, np.int32


class Paths(NamedTuple):
    """What scoring needs of N simulated paths of n steps; time is the first axis.

    Where nothing is recorded, there is room for two steps' cash and for one step of the rest, used again and again.
    """

    cash: Floats
    """Cash at the start of each step, −1 once liquidated, (n + 1, N); (2, N) unrecorded."""
    cell: NDArray[np.uint32]
    """Index j of the cash node at or below, (n, N), like all that follow; (1, N) unrecorded."""
    weight: Floats
    """Weight of cash node j + 1, (n, N)."""
    mode: NDArray[np.int8]
    """Mode drawn: 0 hold, 1 pay, 2 issue, (n, N)."""
    noise: Floats
    """Standardised draw of the log-level, (n, N)."""
    after: Floats
    """Cash after the transaction, (n, N)."""
    flow: Floats
    """Shareholders' cash flow of the step, what comes at its end discounted to its start, (n, N)."""
    returns: Array
    """Discounted sum of the flows and the terminal payoff, (N,)."""

    @classmethod
    def allocate(cls, n_steps: int, n_paths: int, recorded: bool = True) -> "Paths":
        """Room for ``n_paths`` paths; unless ``recorded``, for what the current step needs alone."""
        shape = (n_steps if recorded else 1, n_paths)
        return cls(
            cash=np.empty((shape[0] + 1, n_paths), np.float32),
            cell=np.empty(shape, np.uint32),
            weight=np.empty(shape, np.float32),
            mode=np.empty(shape, np.int8),
            noise=np.empty(shape, np.float32),
            after=np.empty(shape, np.float32),
            flow=np.empty(shape, np.float32),
            returns=np.empty(n_paths),
        )

    def first(self, n_paths: int) -> "Paths":
        """The same room, for the first ``n_paths`` only."""

        def part(array: NDArray[Any]) -> NDArray[Any]:
            rows = array.size // self.returns.size
            return array.reshape(-1)[: rows * n_paths].reshape(*array.shape[:-1], n_paths)

        return Paths(*(part(one) for one in self))


class Dynamics(NamedTuple):
    """What a simulation needs of the problem and its grid; see the table of :mod:`ghm.economics.grid`."""

    time_cell: NDArray[np.int64]
    time_weight: Array
    nodes: Floats
    """The cash nodes, (M,)."""
    cell_of_bin: NDArray[np.uint32]
    level_shift: np.float32
    terminal_values: Array
    """Payoff at the horizon at the cash nodes, (M,)."""
    constants: Floats
    """As :func:`constants` has them."""
    log_discount: float
    """−k dt."""


class DrawKey(NamedTuple):
    """What the draws of some paths are a function of, beside path and step."""

    key_0: np.uint32
    key_1: np.uint32
    stream: int
    iteration: int
    first_path: int


@dataclass(frozen=True)
class Simulator:
    """Simulates paths of one problem; holds what does not change between iterations.

    Args:
        model: the model.
        grid: the grid on which policies are tabulated.
        terminal_values: payoff at the horizon at the cash nodes, (M,), interpolated linearly.
        seed: seed of all draws.
    """

    model: GHMModel
    grid: StateGrid
    terminal_values: Array
    seed: int
    dynamics: Dynamics = field(init=False)

    def __post_init__(self) -> None:
        model, grid = self.model, self.grid
        dynamics = Dynamics(
            grid.time_cell, grid.time_weight, grid.cash.astype(np.float32), grid.cell_of_bin, np.float32(grid.level_shift),
            self.terminal_values, constants(model, grid.dt), -model.discount_rate * grid.dt,
        )  # fmt: skip
        object.__setattr__(self, "dynamics", dynamics)

    def workspace(self, n_paths: int, recorded: bool) -> Paths:
        """Room for a batch of paths out of ``n_paths``."""
        batch = max(BATCH_STEPS // self.grid.n_steps, 16) if recorded else BATCH_PATHS
        return Paths.allocate(self.grid.n_steps, min(n_paths, batch), recorded)

    def run(
        self,
        tables: PolicyTables,
        iteration: int,
        first_path: int,
        paths: Paths,
        visits: Array,
        streams: tuple[int, int] = (TRAINING, STARTS),
    ) -> None:
        """Simulate paths ``first_path`` onwards of an iteration into ``paths``, and count where they go.

        Args:
            tables: the policy.
            iteration: the iteration that the draws belong to.
            first_path: number of the first path.
            paths: filled; its arrays decide how many paths are simulated.
            visits: added to: each path-step, discounted to the start, shared out to the four nodes around it, (K, M).
            streams: streams of the draws of steps and of starts.
        """
        n_paths = paths.returns.size
        paths.cash[0] = starting_cash(
            self.seed, iteration, n_paths, self.model.c_max, stream=streams[1], first_path=first_path
        )
        draw = DrawKey(*key_words(self.seed), streams[0], iteration, first_path)
        _simulate(self.dynamics, tables, draw, paths, visits)


def constants(model: GHMModel, dt: float) -> Floats:
    """What a step needs of the model, in the order in which :func:`_move` reads it, (10,)."""
    return np.array(
        [
            model.alpha * dt,
            model.drift_slope * dt,
            model.sigma_x**2 * (1 - model.rho**2) * dt,
            model.rho * model.sigma_x * np.sqrt(dt),
            model.sigma_a * np.sqrt(dt),
            model.proportional_cost,
            model.fixed_cost,
            model.c_max,
            model.liquidation_value,
            np.exp(-model.discount_rate * dt),
        ],
        dtype=np.float32,
    )


@inlined(fast=True)
def locate(cash: Floats, nodes: Floats, cell_of_bin, bins_per_cash, cell, weight: Floats) -> None:
    """Cell of each path's cash and weight of the cell's upper node."""
    one = _u32(1)
    for i in range(cash.size):
        c = max(cash[i], _f32(0))
        j = cell_of_bin[_u32(_i32(c * bins_per_cash))]
        j = j + _u32((c >= nodes[j + one]) & (j + _u32(2) < _u32(nodes.size)))
        cell[i] = j
        weight[i] = (c - nodes[j]) / (nodes[j + one] - nodes[j])


@inlined(fast=True)
def _act(
    row: Floats, levels: Floats, shift, cell, weight: Floats, uniform: Floats, noise: Floats, mode, level: Floats
) -> None:
    """Mode and target level of each path under this step's policy, ``row`` (2, M) and ``levels`` (4,)."""
    # Read before the loop: within it, the compiler cannot know that what is written does not change them.
    payout_mean, payout_std, issue_mean, issue_std = levels[0], levels[1], levels[2], levels[3]
    for i in range(cell.size):
        j = cell[i]
        k = j + _u32(1)
        w = weight[i]
        v = _f32(1) - w
        pays = uniform[i] < v * row[0, j] + w * row[0, k]
        issues = uniform[i] >= _f32(1) - (v * row[1, j] + w * row[1, k])
        mean = issue_mean if issues else payout_mean
        std = issue_std if issues else payout_std
        level[i] = max(fast_exp(mean + std * noise[i]) - shift, _f32(0))
        mode[i] = _i8(1) if pays else (_i8(2) if issues else _i8(0))


@inlined(fast=True)
def _move(cash: Floats, mode, level: Floats, shock: Floats, constants: Floats, after, flow, following) -> None:
    """Transaction, shock, liquidation and overflow of one step; dead paths stay dead."""
    drift, drift_slope, variance = constants[0], constants[1], constants[2]
    correlated, permanent = constants[3], constants[4]
    proportional_cost, fixed_cost, c_max = constants[5], constants[6], constants[7]
    liquidation_value, discount = constants[8], constants[9]
    for i in range(cash.size):
        c = cash[i]
        alive = c >= _f32(0)
        y = min(c, level[i]) if mode[i] == _i8(1) else c
        y = max(c, min(level[i], c_max)) if mode[i] == _i8(2) else y
        paid = c - y
        now = paid if paid >= _f32(0) else proportional_cost * (paid - fixed_cost)
        exposure = correlated - permanent * y
        c_next = y + drift + drift_slope * y + np.sqrt(variance + exposure * exposure) * shock[i]
        liquidated = c_next <= _f32(0)
        later = liquidation_value if liquidated else max(c_next - c_max, _f32(0))
        flow[i] = now + discount * later if alive else _f32(0)
        after[i] = y
        c_next = _f32(-1) if liquidated else min(c_next, c_max)
        following[i] = c_next if alive else _f32(-1)


@inlined(fast=True)
def _add_scaled(array, factor: float, out: Array) -> None:
    """Add ``factor`` times ``array`` to ``out``."""
    for i in range(out.size):
        out[i] += factor * array[i]


@inlined()
def _count(cash: Floats, cell, weight: Floats, row: Array) -> None:
    """Living paths at each cash node, each shared out to the two around it; fills ``row`` (M,)."""
    row[:] = 0.0
    for i in range(cash.size):
        if cash[i] >= 0:
            j, w = cell[i], weight[i]
            row[j] += 1 - w
            row[j + _u32(1)] += w


@compiled()
def _simulate(dynamics: Dynamics, tables: PolicyTables, draw: DrawKey, paths: Paths, visits: Array) -> None:
    """Fill ``paths`` but for the starts, and add to ``visits``."""
    modes, levels = tables
    time_cell, time_weight, nodes, cell_of_bin, shift, terminal_values, constants, log_discount = dynamics
    cash, cell, weight, mode, noise, after, flow, returns = paths
    n_steps, n_paths = time_cell.size, returns.size
    recorded = flow.shape[0] == n_steps
    counted = np.empty(nodes.size)
    uniform, shock = np.empty((2, n_paths), _f32), np.empty((2, n_paths), _f32)
    level, spare = np.empty(n_paths, _f32), np.empty((2, n_paths), _f32)
    row, level_row = np.empty((2, nodes.size), _f32), np.empty(4, _f32)
    bins_per_cash = _f32((cell_of_bin.size - 1) / nodes[-1])
    returns[:] = 0.0
    for t in range(n_steps):
        k, w = time_cell[t], _f32(time_weight[t])
        v = _f32(1) - w
        for m in range(2):
            for j in range(nodes.size):
                row[m, j] = v * modes[m, k, j] + w * modes[m, k + 1, j]
        for m in range(4):
            level_row[m] = v * levels[m, k] + w * levels[m, k + 1]
        s = t if recorded else 0
        here, there = (t, t + 1) if recorded else (t % 2, (t + 1) % 2)
        if t % 2 == 0:
            draw_pair(
                draw.key_0, draw.key_1, draw.stream, draw.iteration, t // 2, draw.first_path,
                uniform, shock, spare[0], spare[1],
            )  # fmt: skip
        noise[s] = spare[t % 2]
        locate(cash[here], nodes, cell_of_bin, bins_per_cash, cell[s], weight[s])
        _act(row, level_row, shift, cell[s], weight[s], uniform[t % 2], noise[s], mode[s], level)
        _move(cash[here], mode[s], level, shock[t % 2], constants, after[s], flow[s], cash[there])
        discount = np.exp(log_discount * t)
        _add_scaled(flow[s], discount, returns)
        _count(cash[here], cell[s], weight[s], counted)
        _add_scaled(counted, discount * (1 - time_weight[t]), visits[k])
        _add_scaled(counted, discount * time_weight[t], visits[k + 1])
    discount = np.exp(log_discount * n_steps)
    last = cash[n_steps] if recorded else cash[n_steps % 2]
    for i in range(n_paths):
        if last[i] >= 0:
            returns[i] += discount * np.interp(np.float64(last[i]), nodes, terminal_values)
