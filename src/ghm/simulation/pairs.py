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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghm.economics.model import Array
from ghm.io.compiled import compiled, inlined
from ghm.policies.tables import PolicyTables
from ghm.simulation.draws import TRAINING, Floats, fast_exp, key_words, starting_cash, uniform_from_bits
from ghm.simulation.kernel import Simulator, first_columns
from ghm.simulation.steps import (
    DrawKey,
    Dynamics,
    StepConstants,
    act,
    add_payoff,
    at_end,
    cash_after,
    make_room,
    next_cash,
    paid_out,
    shocked,
    side_by_side,
    take_step,
)

GOES_ON, MET, LIQUIDATED = range(3)

BATCH_PATHS = 512
"""Paths simulated at a time: 25 bytes a path-step are kept."""

_f32, _u32, _u8 = np.float32, np.uint32, np.uint8
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
        return PairedPaths(*(first_columns(array, n_paths) for array in self))


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
    cash[0] = starting_cash(simulator.seed, iteration, cash.shape[1], simulator.model.c_max, first_path)
    draw = DrawKey(*key_words(simulator.seed), TRAINING, iteration, first_path)
    _simulate_pairs(simulator.dynamics, tables, draw, cash, pairs, visits)


class Restart(NamedTuple):
    """Where partners start anew in a step."""

    first_path: int
    rotation: np.uint32
    """Of the step in the Kronecker sequence."""
    shift: np.float32
    log_ratio: np.float32
    """ln((c̄ + shift) / shift)."""


@inlined(fast=True)
def _move_partner(
    cash: Floats, after: Floats, flow: Floats, partner: Floats, mode, level: Floats, shock: Floats, restart: Restart,
    constants: StepConstants, now: Floats, later: Floats, other: Floats, paid: Floats, ended: Floats, start, following: Floats,
) -> None:  # fmt: skip
    """Transaction of each partner, a new one where it met its path or was liquidated, and the step that follows."""
    for i in range(cash.size):
        lives, path_lives = partner[i] >= _f32(0), cash[i] >= _f32(0)
        y = cash_after(partner[i], mode[i], level[i], constants.c_max)
        x = paid_out(partner[i], y, constants) if lives else _f32(0)
        x_own = paid_out(cash[i], after[i], constants) if path_lives else _f32(0)
        e_own = flow[i] - x_own
        now[i], later[i], paid[i] = x_own, e_own, x - x_own
        anew = path_lives & ((not lives) | (y == after[i]))
        place = uniform_from_bits(_u32(_u32(restart.first_path + i) * _GOLDEN + restart.rotation))
        fresh = min(restart.shift * (fast_exp(place * restart.log_ratio) - _f32(1)), constants.c_max)
        y = fresh if anew else y
        end, exists = shocked(y, shock[i], constants), anew | lives
        ended[i] = (at_end(end, constants) if exists else _f32(0)) - e_own
        other[i] = y
        start[i] = _u8(0) if not anew else (_u8(1) if lives else _u8(2))
        following[i] = next_cash(end, constants) if exists else _f32(-1)


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
    after, other, now, later, paid, ended, start, last, returns = pairs
    n_steps, n_paths, modes = dynamics.time_cell.size, returns.size, side_by_side(tables.modes)
    room = make_room(dynamics.nodes.size, n_paths)
    flow, partner, cell = np.empty(n_paths, _f32), np.empty((2, n_paths), _f32), np.empty(n_paths, _u32)
    weight, mode = np.empty(n_paths, _f32), np.empty(n_paths, np.int8)
    shift = dynamics.level_shift
    log_ratio = _f32(np.log((dynamics.nodes[-1] + shift) / shift))
    returns[:], partner[0] = 0.0, _f32(-1)
    for t in range(n_steps):
        here, there = t % 2, (t + 1) % 2
        take_step(
            t, dynamics, modes, tables.levels, draw, room, cash[here], cell, weight, mode,
            after[t], flow, cash[there], returns, visits,
        )  # fmt: skip
        act(t, dynamics, room, partner[here], cell, weight, mode)
        restart = Restart(draw.first_path, _u32(_u32(t + n_steps * draw.iteration) * _PLASTIC), shift, log_ratio)
        _move_partner(
            cash[here], after[t], flow, partner[here], mode, room.level, room.shock[here], restart, dynamics.constants,
            now[t], later[t], other[t], paid[t], ended[t], start[t], partner[there],
        )  # fmt: skip
        _mark_dead(cash[here], after[t])
    last[0], last[1] = cash[n_steps % 2], partner[n_steps % 2]
    add_payoff(last[0], dynamics, returns)
