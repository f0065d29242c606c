"""Paths and their partners: paths are the simulator's own; differences are those of two plain simulations on the same draws."""

import numpy as np
import pytest
import reference_implementation
from drawn import draws
from small_problems import random_tables, small_problem

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Paths, Simulator
from ghm.simulation.pairs import GOES_ON, LIQUIDATED, MET, PairedPaths, run_pairs
from ghm.training.learners.after_state import sum_pairs_backward
from ghm.training.problem import GriddedProblem

SEED, ITERATION, N_PATHS = 11, 3, 300


@pytest.fixture(scope="module")
def problem() -> GriddedProblem:
    """Firms are liquidated and overflow, and pairs meet, within 25 steps."""
    return small_problem()


@pytest.fixture(scope="module")
def tables(problem: GriddedProblem) -> PolicyTables:
    return random_tables(problem.grid, seed=3)


def simulated(problem: GriddedProblem, tables: PolicyTables) -> tuple[PairedPaths, Array]:
    """Paired paths, and how often the paths visited each node."""
    pairs = PairedPaths.allocate(problem.grid.n_steps, N_PATHS)
    visits = np.zeros((problem.grid.steps_to_go.size, problem.grid.cash.size))
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, SEED)
    run_pairs(simulator, tables, ITERATION, 0, pairs, visits)
    return pairs, visits


def summed(problem: GriddedProblem, pairs: PairedPaths) -> PairedPaths:
    """The same pairs, differences and returns summed backward."""
    payoffs = np.where(pairs.last >= 0, np.interp(pairs.last, problem.grid.cash, problem.terminal_values), 0.0)
    sum_pairs_backward(pairs.now, pairs.later, pairs.paid, pairs.ended, pairs.start, payoffs, problem.discount)
    return pairs


def test_the_paths_are_the_simulators(problem: GriddedProblem, tables: PolicyTables) -> None:
    pairs, visits = simulated(problem, tables)
    paths, counted = Paths.allocate(problem.grid.n_steps, N_PATHS), np.zeros_like(visits)
    Simulator(problem.model, problem.grid, problem.terminal_values, SEED).run(tables, ITERATION, 0, paths, counted)
    lives = paths.cash[:-1] >= 0
    assert np.array_equal(pairs.after[lives], paths.after[lives])
    assert np.all(pairs.after[~lives] == -1)
    assert np.allclose(pairs.now + pairs.later, paths.flow, atol=1e-6)
    assert np.array_equal(pairs.returns, paths.returns)
    assert np.array_equal(visits, counted)
    assert np.array_equal(pairs.last[0], paths.cash[-1])


def test_in_pieces_they_are_the_same(problem: GriddedProblem, tables: PolicyTables) -> None:
    whole, _ = simulated(problem, tables)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, SEED)
    room, visits = (
        PairedPaths.allocate(problem.grid.n_steps, 100),
        np.zeros((problem.grid.steps_to_go.size, problem.grid.cash.size)),
    )
    for first in (0, 100, 200):
        run_pairs(simulator, tables, ITERATION, first, room, visits)
        for name in ("after", "other", "paid", "ended", "start"):
            assert np.array_equal(getattr(room, name), getattr(whole, name)[:, first : first + 100]), name


def test_partners_begin_everywhere_and_pairs_end_in_both_ways(problem: GriddedProblem, tables: PolicyTables) -> None:
    pairs, _ = simulated(problem, tables)
    lives = pairs.after >= 0
    anew = lives & (pairs.start != GOES_ON)
    assert np.all(pairs.start[0] == LIQUIDATED), "there was none before"
    assert 0.05 < np.mean(pairs.start[1:][lives[1:]] == MET) < 0.95
    assert np.any(pairs.start[1:][lives[1:]] == LIQUIDATED)
    begun = np.sort(pairs.other[anew])
    shift, c_max = problem.grid.level_shift, problem.model.c_max
    place = np.log(begun / shift + 1) / np.log(c_max / shift + 1)
    even = (np.arange(begun.size) + 0.5) / begun.size
    assert np.abs(place - even).max() < 1.63 / np.sqrt(begun.size), (
        "Kolmogorov and Smirnov, α = 0.01; a regular sequence is closer"
    )
    assert not np.any(pairs.start[~lives] != GOES_ON), "a path that is no more has no new partner"


def follows(
    problem: GriddedProblem, tables: PolicyTables, y: float, step: int, path: int, drawn: tuple[Array, ...]
) -> float:
    """What a firm left with cash y gets from this step's shock on, by plain simulation on this path's draws."""
    uniform, shock, noise = (array[:, path] for array in drawn)
    model, grid = problem.model, problem.grid
    total, factor, cash = 0.0, 1.0, y
    for t in range(step, grid.n_steps):
        if t > step:
            mode, level = reference_implementation._draw_action(
                grid, tables, cash, grid.n_steps - t, uniform[t], noise[t]
            )
            cash, flow = reference_implementation._transact(model, cash, mode, level)
            total += factor * flow
        at = np.array(cash)
        cash = float(cash + model.drift(at) * grid.dt + model.volatility(at) * np.sqrt(grid.dt) * shock[t])
        factor *= problem.discount
        if cash <= 0:
            return total + factor * model.liquidation_value
        total += factor * max(cash - model.c_max, 0.0)
        cash = min(cash, model.c_max)
    return total + factor * float(np.interp(cash, grid.cash, problem.terminal_values))


def worst(problem: GriddedProblem, tables: PolicyTables) -> tuple[float, float]:
    """Share of sampled pairs whose difference, and return, is not that of two plain simulations."""
    pairs = summed(problem, simulated(problem, tables)[0])
    drawn = tuple(array.astype(float) for array in draws(SEED, ITERATION, N_PATHS, problem.grid.n_steps))
    generator, wrong, off, seen = np.random.default_rng(1), 0, 0, 0
    for _ in range(400):
        t, i = int(generator.integers(problem.grid.n_steps)), int(generator.integers(N_PATHS))
        if pairs.after[t, i] < 0:
            continue
        own, partners = (follows(problem, tables, float(y[t, i]), t, i, drawn) for y in (pairs.after, pairs.other))
        seen += 1
        off += abs(pairs.later[t, i] - own) > 1e-4
        wrong += abs(pairs.ended[t, i] - (partners - own)) > 1e-4
    assert seen > 200
    return wrong / seen, off / seen


def test_differences_are_those_of_plain_simulations_on_the_same_draws(
    problem: GriddedProblem, tables: PolicyTables
) -> None:
    """A rounding that decides a mode parts the two implementations; of 25 steps that is next to none."""
    wrong, off = worst(problem, tables)
    assert wrong <= 0.01
    assert off <= 0.01


@pytest.mark.parametrize(("ended", "told"), [(MET, GOES_ON), (LIQUIDATED, MET)])
def test_pairs_that_end_otherwise_are_found_out(
    ended: int, told: int, problem: GriddedProblem, tables: PolicyTables
) -> None:
    """Wrong variants: a pair that has met goes on as the next one; a liquidated partner's path counts for nothing."""
    right, wrong = summed(problem, simulated(problem, tables)[0]), simulated(problem, tables)[0]
    wrong.start[wrong.start == ended] = told
    summed(problem, wrong)
    assert np.mean(np.abs(wrong.ended - right.ended)[right.after >= 0] > 1e-4) > 0.01
