"""A step of many paths at once, as loops that a compiled simulation is made of: draw, locate, look up, choose, move, count.

Loops are short, over plain arrays, and without branches; each either computes or looks things up in tables. What only
computes, the compiler does for many paths in one go; one long loop over everything runs at a third of the speed.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghm.economics.model import Array, GHMModel
from ghm.io.compiled import inlined
from ghm.simulation.draws import Floats, draw_pair, fast_exp

_f32, _i8, _u32, _i32 = np.float32, np.int8, np.uint32, np.int32


class StepConstants(NamedTuple):
    """What a step needs of the model, in single precision; amounts of a step of length dt."""

    drift: np.float32
    drift_slope: np.float32
    variance: np.float32
    """Of what is uncorrelated with the permanent shock."""
    correlated: np.float32
    permanent: np.float32
    proportional_cost: np.float32
    fixed_cost: np.float32
    c_max: np.float32
    liquidation_value: np.float32
    discount: np.float32

    @classmethod
    def of(cls, model: GHMModel, dt: float) -> "StepConstants":
        """Those of a model at a time step."""
        amounts = (
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
        )
        return cls(*(np.float32(amount) for amount in amounts))


class Dynamics(NamedTuple):
    """What a simulation needs of the problem and its grid; see the table of :mod:`ghm.economics.grid`."""

    time_cell: NDArray[np.int64]
    time_weight: Array
    nodes: Floats
    """The cash nodes, (M,)."""
    cell_of_bin: NDArray[np.uint32]
    bins_per_cash: np.float32
    level_shift: np.float32
    terminal_values: Array
    """Payoff at the horizon at the cash nodes, (M,)."""
    constants: StepConstants
    log_discount: float
    """−k dt."""


class DrawKey(NamedTuple):
    """What the draws of some paths are a function of, beside path and step."""

    key_0: np.uint32
    key_1: np.uint32
    stream: int
    iteration: int
    first_path: int


def bins_per_cash(nodes: Floats, cell_of_bin: NDArray[np.uint32]) -> np.float32:
    """Bins in a unit of cash, as :func:`locate` needs them."""
    return np.float32((cell_of_bin.size - 1) / nodes[-1])


class Room(NamedTuple):
    """What a step of N paths is worked out in."""

    row: Floats
    """The step's probabilities of paying and of issuing at the cash nodes, (M, 2): side by side, as they are looked up."""
    level_row: Floats
    """The step's levels, (4,)."""
    words: NDArray[np.uint32]
    """Random bits of two steps, (4, N)."""
    uniform: Floats
    """Of two steps, (2, N), like the next two."""
    shock: Floats
    noise: Floats
    chance: Floats
    """Each path's probabilities of paying and of issuing, (2, N)."""
    level: Floats
    """The level that each path would go to, (N,)."""
    counted: Array
    """Living paths at each cash node, (M,)."""


@inlined()
def make_room(n_nodes: int, n_paths: int) -> Room:
    """Room for ``n_paths``."""
    pair = (2, n_paths)
    return Room(
        np.empty((n_nodes, 2), _f32), np.empty(4, _f32), np.empty((4, n_paths), _u32),
        np.empty(pair, _f32), np.empty(pair, _f32), np.empty(pair, _f32), np.empty(pair, _f32),
        np.empty(n_paths, _f32), np.empty(n_nodes),
    )  # fmt: skip


@inlined(fast=True)
def locate(cash: Floats, nodes: Floats, cell_of_bin, bins_per_cash, cell, weight: Floats) -> None:
    """Cell of each path's cash and weight of the cell's upper node."""
    one, last = _u32(1), _u32(nodes.size - 2)
    for i in range(cash.size):
        c = max(cash[i], _f32(0))
        j = cell_of_bin[_u32(_i32(c * bins_per_cash))]
        j = min(j + _u32(c >= nodes[j + one]), last)
        cell[i] = j
        weight[i] = (c - nodes[j]) / (nodes[j + one] - nodes[j])


@inlined(fast=True)
def _look_up(row: Floats, cell, weight: Floats, chance: Floats) -> None:
    """Each path's probabilities of paying and of issuing, from those at the nodes."""
    for i in range(cell.size):
        j, w = cell[i], weight[i]
        k = j + _u32(1)
        v = _f32(1) - w
        chance[0, i] = v * row[j, 0] + w * row[k, 0]
        chance[1, i] = v * row[j, 1] + w * row[k, 1]


@inlined(fast=True)
def _choose(chance: Floats, levels: Floats, shift, uniform: Floats, noise: Floats, mode, level: Floats) -> None:
    """Mode and target level of each path."""
    # Read before the loop: within it, the compiler cannot know that what is written does not change them.
    payout_mean, payout_std, issue_mean, issue_std = levels[0], levels[1], levels[2], levels[3]
    for i in range(level.size):
        pays, issues = uniform[i] < chance[0, i], uniform[i] >= _f32(1) - chance[1, i]
        mean = issue_mean if issues else payout_mean
        std = issue_std if issues else payout_std
        level[i] = max(fast_exp(mean + std * noise[i]) - shift, _f32(0))
        mode[i] = _i8(1) if pays else (_i8(2) if issues else _i8(0))


@inlined()
def act(t: int, dynamics: Dynamics, room: Room, cash: Floats, cell, weight: Floats, mode) -> None:
    """Mode and level of each path in step t, by the policy and the draws in ``room``; the level is left there."""
    locate(cash, dynamics.nodes, dynamics.cell_of_bin, dynamics.bins_per_cash, cell, weight)
    _look_up(room.row, cell, weight, room.chance)
    uniform, noise = room.uniform[t % 2], room.noise[t % 2]
    _choose(room.chance, room.level_row, dynamics.level_shift, uniform, noise, mode, room.level)


@inlined(fast=True)
def cash_after(cash, mode, level, c_max) -> Any:
    """Cash that a transaction leaves."""
    y = min(cash, level) if mode == _i8(1) else cash
    return max(cash, min(level, c_max)) if mode == _i8(2) else y


@inlined(fast=True)
def paid_out(cash, after, constants: StepConstants) -> Any:
    """What a transaction pays shareholders; an issue costs them."""
    paid = cash - after
    return paid if paid >= _f32(0) else constants.proportional_cost * (paid - constants.fixed_cost)


@inlined(fast=True)
def shocked(after, shock, constants: StepConstants) -> Any:
    """Cash at the end of a step, before liquidation and overflow, from that after its transaction."""
    exposure = constants.correlated - constants.permanent * after
    drift = constants.drift + constants.drift_slope * after
    return after + drift + np.sqrt(constants.variance + exposure * exposure) * shock


@inlined(fast=True)
def at_end(cash, constants: StepConstants) -> Any:
    """What the end of a step pays, discounted to its start: in liquidation, or what overflows."""
    paid = constants.liquidation_value if cash <= _f32(0) else max(cash - constants.c_max, _f32(0))
    return constants.discount * paid


@inlined(fast=True)
def next_cash(cash, constants: StepConstants) -> Any:
    """Cash at the start of the next step, −1 once liquidated."""
    return _f32(-1) if cash <= _f32(0) else min(cash, constants.c_max)


@inlined(fast=True)
def _move(
    cash: Floats,
    mode,
    level: Floats,
    shock: Floats,
    constants: StepConstants,
    after: Floats,
    flow: Floats,
    following: Floats,
) -> None:
    """Transaction, shock, liquidation and overflow of one step; dead paths stay dead."""
    for i in range(cash.size):
        alive = cash[i] >= _f32(0)
        y = cash_after(cash[i], mode[i], level[i], constants.c_max)
        end = shocked(y, shock[i], constants)
        after[i] = y
        flow[i] = paid_out(cash[i], y, constants) + at_end(end, constants) if alive else _f32(0)
        following[i] = next_cash(end, constants) if alive else _f32(-1)


@inlined(fast=True)
def _between(v, w, lower: Floats, upper: Floats, out: Floats) -> None:
    """``v`` times ``lower`` and ``w`` times ``upper``."""
    for i in range(out.size):
        out[i] = v * lower[i] + w * upper[i]


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


@inlined()
def side_by_side(modes: Floats) -> Floats:
    """A table of probabilities (2, K, M) as :class:`Room` has a step's, (K, 2M)."""
    return modes.transpose(1, 2, 0).copy().reshape(modes.shape[1], -1)


@inlined()
def take_step(
    t: int, dynamics: Dynamics, modes: Floats, levels: Floats, draw: DrawKey, room: Room, cash: Floats,
    cell, weight: Floats, mode, after: Floats, flow: Floats, following: Floats, returns: Array, visits: Array,
) -> None:  # fmt: skip
    """Step t of all paths, from ``cash`` to ``following`` (N,), added to returns and visits.

    ``modes`` are :func:`side_by_side`. ``room`` keeps the step's policy and draws.
    """
    k, upper = dynamics.time_cell[t], dynamics.time_weight[t]
    w = _f32(upper)
    _between(_f32(1) - w, w, modes[k], modes[k + 1], room.row.reshape(-1))
    for m in range(4):
        room.level_row[m] = (_f32(1) - w) * levels[m, k] + w * levels[m, k + 1]
    if t % 2 == 0:
        draw_pair(
            draw.key_0, draw.key_1, draw.stream, draw.iteration, t // 2, draw.first_path,
            room.words, room.uniform, room.shock, room.noise,
        )  # fmt: skip
    act(t, dynamics, room, cash, cell, weight, mode)
    _move(cash, mode, room.level, room.shock[t % 2], dynamics.constants, after, flow, following)
    discount = np.exp(dynamics.log_discount * t)
    _add_scaled(flow, discount, returns)
    _count(cash, cell, weight, room.counted)
    _add_scaled(room.counted, discount * (1 - upper), visits[k])
    _add_scaled(room.counted, discount * upper, visits[k + 1])


@inlined()
def add_payoff(last: Floats, dynamics: Dynamics, returns: Array) -> None:
    """Add to each path's return what it is paid at the horizon with cash ``last`` (N,)."""
    discount = np.exp(dynamics.log_discount * dynamics.time_cell.size)
    for i in range(returns.size):
        if last[i] >= 0:
            returns[i] += discount * np.interp(np.float64(last[i]), dynamics.nodes, dynamics.terminal_values)
