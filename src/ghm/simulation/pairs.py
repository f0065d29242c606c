"""Paths in pairs: every path has a partner with other cash, driven by the same draws, until the two meet.

What a difference of cash is worth could be had from two independent paths, but their luck would drown it. With common random
numbers (Glasserman and Yao 1992, "Some Guidelines and Guarantees for Common Random Numbers", *Management Science* 38) the luck
cancels: both meet the same shocks and draw the same levels, and once both have paid down to the same level they are one firm.

In each step, in this order: path and partner act by the policy, with the same draws. A partner that has met its path, or was
liquidated, starts anew from another level of cash, which spreads evenly in its logarithm over [0, c̄] (a Kronecker sequence over
paths and steps). Both move by the same shock. With γ = e^{−k dt}, x what a transaction pays, e what the end of a step pays (in
liquidation or above c̄), discounted to its start, and a prime for the partner:

======  ==========  ===================================================================================
symbol  name        meaning, all in cash, (n, N)
======  ==========  ===================================================================================
y       ``after``   cash of the path after its transaction, −1 once liquidated
y'      ``other``   the partner's
x       ``now``     what the path's transaction pays
e       ``later``   what the end of the path's step pays
x' − x  ``paid``    what the partner's transaction pays more
e' − e  ``ended``   what the end of the partner's step pays more
        ``start``   `GOES_ON`, or how the partner before this one ended: it has `MET` the path, or was `LIQUIDATED`
======  ==========  ===================================================================================

It takes a simulator that can be run on given draws from a cash of one's choice; no transition law.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghm.economics.model import Array
from ghm.io.compiled import compiled, inlined
from ghm.policies.tables import PolicyTables
from ghm.simulation.draws import (
    STARTS,
    TRAINING,
    Floats,
    draw_pair,
    fast_exp,
    key_words,
    starting_cash,
    uniform_from_bits,
)
from ghm.simulation.kernel import DrawKey, Dynamics, Simulator, _act, _add_scaled, _count, _move, locate

GOES_ON, MET, LIQUIDATED = range(3)

BATCH_PATHS = 512
"""Paths simulated at a time: 25 bytes a path-step are kept."""

_f32, _i8, _u32, _u8 = np.float32, np.int8, np.uint32, np.uint8
_GOLDEN, _PLASTIC = np.uint32(0x9E3779B9), np.uint32(0xC13FA9A9)
"""Steps of the Kronecker sequence, by path and by step, in units of 2⁻³²: 1/φ, and 1/ρ, ρ the plastic number (Roberts 2018)."""


class PairedPaths(NamedTuple):
    """What N paths of n steps and their partners leave; the module's table says what."""

    after: Floats
    other: Floats
    now: Floats
    later: Floats
    paid: Floats
    ended: Floats
    start: NDArray[np.uint8]
    last: Floats
    """Cash of path and partner at the horizon, −1 if liquidated, (2, N)."""
    returns: Array
    """Discounted sum of each path's flows and the terminal payoff, (N,)."""

    @classmethod
    def allocate(cls, n_steps: int, n_paths: int) -> "PairedPaths":
        """Room for ``n_paths`` paths."""
        after, other, now, later, paid, ended = (np.empty((n_steps, n_paths), np.float32) for _ in range(6))
        start = np.empty((n_steps, n_paths), np.uint8)
        last = np.empty((2, n_paths), np.float32)
        return cls(after, other, now, later, paid, ended, start, last, np.empty(n_paths))

    def first(self, n_paths: int) -> "PairedPaths":
        """The same room, for the first ``n_paths`` only."""

        def part(array: NDArray[Any]) -> NDArray[Any]:
            rows = array.size // self.returns.size
            return array.reshape(-1)[: rows * n_paths].reshape(*array.shape[:-1], n_paths)

        return PairedPaths(*(part(array) for array in self))


def run_pairs(
    simulator: Simulator, tables: PolicyTables, iteration: int, first_path: int, pairs: PairedPaths, visits: Array
) -> None:
    """Simulate paths ``first_path`` onwards of an iteration, each with its partner; the paths are those of :meth:`Simulator.run`.

    Args:
        simulator: the problem and the seed.
        tables: the policy.
        iteration: the iteration that the draws belong to.
        first_path: number of the first path.
        pairs: filled; its arrays decide how many paths are simulated.
        visits: added to, as by :meth:`Simulator.run`, (K, M).
    """
    cash = np.empty((2, pairs.returns.size), np.float32)
    cash[0] = starting_cash(simulator.seed, iteration, cash.shape[1], simulator.model.c_max, STARTS, first_path)
    draw = DrawKey(*key_words(simulator.seed), TRAINING, iteration, first_path)
    _simulate_pairs(simulator.dynamics, tables, draw, cash, pairs, visits)


@inlined(fast=True)
def _move_partner(
    cash: Floats, after: Floats, flow: Floats, partner: Floats, mode, level: Floats, shock: Floats, first_path, rotation, shift,
    log_ratio, constants: Floats, now, later, other, paid, ended, start, following,
) -> None:  # fmt: skip
    """Transaction of each partner, a new one where it met its path or was liquidated, and the step that follows."""
    drift, drift_slope, variance = constants[0], constants[1], constants[2]
    correlated, permanent = constants[3], constants[4]
    proportional_cost, fixed_cost, c_max = constants[5], constants[6], constants[7]
    liquidation_value, discount = constants[8], constants[9]
    for i in range(cash.size):
        c = partner[i]
        lives, path_lives = c >= _f32(0), cash[i] >= _f32(0)
        y = min(c, level[i]) if mode[i] == _i8(1) else c
        y = max(c, min(level[i], c_max)) if mode[i] == _i8(2) else y
        gained, own = c - y, cash[i] - after[i]
        x = gained if gained >= _f32(0) else proportional_cost * (gained - fixed_cost)
        x_own = own if own >= _f32(0) else proportional_cost * (own - fixed_cost)
        x_own = x_own if path_lives else _f32(0)
        now[i], later[i] = x_own, flow[i] - x_own
        paid[i] = (x if lives else _f32(0)) - x_own
        anew = path_lives & ((not lives) | (y == after[i]))
        place = uniform_from_bits(_u32(_u32(first_path + i) * _GOLDEN + rotation))
        fresh = min(shift * (fast_exp(place * log_ratio) - _f32(1)), c_max)
        y = fresh if anew else y
        exposure = correlated - permanent * y
        c_next = y + drift + drift_slope * y + np.sqrt(variance + exposure * exposure) * shock[i]
        liquidated = c_next <= _f32(0)
        at_end = liquidation_value if liquidated else max(c_next - c_max, _f32(0))
        exists = anew | lives
        ended[i] = (discount * at_end if exists else _f32(0)) - (flow[i] - x_own)
        other[i] = y
        start[i] = _u8(0) if not anew else (_u8(1) if lives else _u8(2))
        c_next = _f32(-1) if liquidated else min(c_next, c_max)
        following[i] = c_next if exists else _f32(-1)


@inlined(fast=True)
def _mark_dead(cash: Floats, after: Floats) -> None:
    """−1 in ``after`` where the path is no more."""
    for i in range(cash.size):
        after[i] = after[i] if cash[i] >= _f32(0) else _f32(-1)


@compiled()
def _simulate_pairs(
    dynamics: Dynamics, tables: PolicyTables, draw: DrawKey, cash: Floats, pairs: PairedPaths, visits: Array
) -> None:
    """Fill ``pairs`` from the starts in ``cash`` (2, N), whose second row is room to work in, and add to ``visits``."""
    modes, levels = tables
    time_cell, time_weight, nodes, cell_of_bin, shift, terminal_values, constants, log_discount = dynamics
    after, other, now, later, paid, ended, start, last, returns = pairs
    n_steps, n_paths = time_cell.size, returns.size
    counted = np.empty(nodes.size)
    uniform, shock = np.empty((2, n_paths), _f32), np.empty((2, n_paths), _f32)
    level, flow = np.empty(n_paths, _f32), np.empty(n_paths, _f32)
    noise, partner = np.empty((2, n_paths), _f32), np.empty((2, n_paths), _f32)
    cell, weight, mode = np.empty(n_paths, np.uint32), np.empty(n_paths, _f32), np.empty(n_paths, np.int8)
    row, level_row = np.empty((2, nodes.size), _f32), np.empty(4, _f32)
    bins_per_cash = _f32((cell_of_bin.size - 1) / nodes[-1])
    log_ratio = _f32(np.log((nodes[-1] + shift) / shift))
    returns[:], partner[0] = 0.0, _f32(-1)
    for t in range(n_steps):
        k, w = time_cell[t], _f32(time_weight[t])
        v = _f32(1) - w
        for m in range(2):
            for j in range(nodes.size):
                row[m, j] = v * modes[m, k, j] + w * modes[m, k + 1, j]
        for m in range(4):
            level_row[m] = v * levels[m, k] + w * levels[m, k + 1]
        here, there = t % 2, (t + 1) % 2
        if here == 0:
            draw_pair(
                draw.key_0, draw.key_1, draw.stream, draw.iteration, t // 2, draw.first_path,
                uniform, shock, noise[0], noise[1],
            )  # fmt: skip
        locate(cash[here], nodes, cell_of_bin, bins_per_cash, cell, weight)
        _act(row, level_row, shift, cell, weight, uniform[here], noise[here], mode, level)
        _move(cash[here], mode, level, shock[here], constants, after[t], flow, cash[there])
        discount = np.exp(log_discount * t)
        _add_scaled(flow, discount, returns)
        _count(cash[here], cell, weight, counted)
        _add_scaled(counted, discount * (1 - time_weight[t]), visits[k])
        _add_scaled(counted, discount * time_weight[t], visits[k + 1])
        locate(partner[here], nodes, cell_of_bin, bins_per_cash, cell, weight)
        _act(row, level_row, shift, cell, weight, uniform[here], noise[here], mode, level)
        rotation = _u32(_u32(t + n_steps * draw.iteration) * _PLASTIC)
        _move_partner(
            cash[here], after[t], flow, partner[here], mode, level, shock[here], draw.first_path, rotation, shift, log_ratio,
            constants, now[t], later[t], other[t], paid[t], ended[t], start[t], partner[there],
        )  # fmt: skip
        _mark_dead(cash[here], after[t])
    discount, at_end = np.exp(log_discount * n_steps), n_steps % 2
    last[0], last[1] = cash[at_end], partner[at_end]
    for i in range(n_paths):
        if last[0, i] >= 0:
            returns[i] += discount * np.interp(np.float64(last[0, i]), nodes, terminal_values)
