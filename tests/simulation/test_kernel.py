"""The compiled simulator against its reference implementation, path by path on the same draws, and against exact returns.

Tolerances of the comparison by path come from single precision: a step takes about ten roundings by half of ε c̄ at most
(ε = 1.2e-7, c̄ the largest cash), mostly in different directions, and transactions to a level forget what went before; so
cash and flows differ by a few ε c̄, or ε ℓ where a firm is liquidated. A path parts from its reference altogether where a
rounding decides a mode or a liquidation: with cash uncertain by 1e-6 and probabilities that change by about 10 per unit of
cash, that is expected on 1 path-step in 100,000.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import reference_implementation
from drawn import draws
from small_problems import random_tables, small_problem, threshold_tables

from ghm.economics.actions import ISSUE, PAY
from ghm.economics.grid import StateGrid
from ghm.economics.model import Array, GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.simulation.draws import starting_cash
from ghm.simulation.kernel import BATCH_PATHS, BATCH_STEPS, Paths, Simulator
from ghm.solvers.policy_value import policy_value
from ghm.training.problem import GriddedProblem

SEED, ITERATION, N_PATHS = 11, 3, 100
EPSILON = np.finfo(np.float32).eps
MOST_PARTED = 1
"""Of `N_PATHS`: 100 paths of at most 50 steps part 0.05 times on average; two or more have a chance of 0.001."""

Simulate = Callable[..., reference_implementation.PlainPath]


@dataclass(frozen=True)
class Comparison:
    """How far compiled paths are from plain ones."""

    parted: int
    """Paths that took other modes or lived for another number of steps."""
    cash: float
    """Largest difference of cash on the other paths, in units of ε c̄."""
    flow: float
    """Largest difference of a step's flow on them, in units of ε max(c̄, ℓ)."""
    returns: float
    """Largest difference of a discounted return on them, likewise."""


def simulate(problem: GriddedProblem, tables: PolicyTables, n_paths: int = N_PATHS, first_path: int = 0) -> Paths:
    return simulate_and_count(problem, tables, Paths.allocate(problem.grid.n_steps, n_paths), first_path)[0]


def simulate_and_count(
    problem: GriddedProblem, tables: PolicyTables, paths: Paths, first_path: int = 0
) -> tuple[Paths, Array]:
    """The paths, filled, and how often they visited each node, (K, M)."""
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, SEED)
    visits = np.zeros((problem.grid.steps_to_go.size, problem.grid.cash.size))
    simulator.run(tables, ITERATION, first_path, paths, visits)
    return paths, visits


def compare(
    problem: GriddedProblem,
    tables: PolicyTables,
    model: GHMModel | None = None,
    simulate_path: Simulate = reference_implementation.simulate_path,
) -> Comparison:
    """The kernel's paths of ``problem`` against the reference implementation's, whose model may be another one."""
    grid, n = problem.grid, problem.grid.n_steps
    paths = simulate(problem, tables)
    uniform, shock, noise = (a.astype(float) for a in draws(SEED, ITERATION, N_PATHS, n))
    starts = starting_cash(SEED, ITERATION, N_PATHS, problem.model.c_max)
    parted, cash, flow, returns = 0, 0.0, 0.0, 0.0
    for i in range(N_PATHS):
        plain = simulate_path(
            model or problem.model, grid, tables, problem.terminal_values, float(starts[i]),
            uniform[:, i], shock[:, i], noise[:, i],
        )  # fmt: skip
        steps, alive = len(plain.flows), len(plain.cash)
        lived = (paths.cash[:, i] >= 0).sum()
        if lived != alive or not np.array_equal(paths.mode[:steps, i], plain.modes):
            parted += 1
            continue
        assert np.all(paths.flow[steps:, i] == 0), "a liquidated firm pays nothing"
        cash = max(cash, float(np.abs(paths.cash[:alive, i] - plain.cash).max()))
        flow = max(flow, float(np.abs(paths.flow[:steps, i] - plain.flows).max()))
        returns = max(returns, abs(paths.returns[i] - plain.discounted_return))
    unit = EPSILON * max(problem.model.c_max, problem.model.liquidation_value)
    return Comparison(parted, cash / (EPSILON * problem.model.c_max), flow / unit, returns / unit)


def agrees(comparison: Comparison) -> bool:
    largest = max(comparison.cash, comparison.flow, comparison.returns)
    return comparison.parted <= MOST_PARTED and largest < 10


PROBLEMS = {
    "default step": small_problem(dt=0.01, n_steps=50, c_max=2.0),
    "long step": small_problem(dt=0.1, n_steps=20),
    "overflow at every other step": small_problem(dt=0.05, n_steps=20, c_max=0.08),
    "liquidated at once, mostly": small_problem(dt=0.05, n_steps=20, alpha=-1.0, recovery=0.0),
    "one step": small_problem(n_steps=1),
    "dear issues": small_problem(fixed_cost=0.05, proportional_cost=1.5),
    "nothing at the horizon": small_problem(terminal="zero"),
    "goes on after the horizon": small_problem(terminal="going_concern"),
    "no transitory shock": small_problem(sigma_x=0.0),
    "perfect correlation": small_problem(rho=1.0),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_kernel_equals_the_reference_on_random_policies(name: str) -> None:
    problem = PROBLEMS[name]
    comparison = compare(problem, random_tables(problem.grid, seed=len(name)))
    assert agrees(comparison), comparison


def test_paths_of_the_comparison_do_everything() -> None:
    modes, liquidated, overflowed = set(), 0, 0
    for problem in PROBLEMS.values():
        paths = simulate(problem, random_tables(problem.grid, 1))
        alive = paths.cash[:-1] >= 0
        modes |= set(paths.mode[alive].tolist())
        liquidated += int((paths.cash[-1] < 0).sum())
        overflowed += int((paths.cash == np.float32(problem.model.c_max)).sum())
    assert modes == {0, PAY, ISSUE}
    assert min(liquidated, overflowed) > 100


def _shock_before_transaction(
    model: GHMModel, grid: StateGrid, tables: PolicyTables, terminal: Array, start: float, *noise: Array
) -> reference_implementation.PlainPath:
    """A wrong variant: the shock comes first, the transaction after it."""
    cash, modes, flows, c = [start], [], [], start
    for t, (uniform, shock, level) in enumerate(zip(*noise, strict=True)):
        at = np.array(c)
        c = float(c + model.drift(at) * grid.dt + model.volatility(at) * np.sqrt(grid.dt) * shock)
        mode, target = reference_implementation._draw_action(
            grid, tables, max(c, 0.0), grid.n_steps - t, uniform, level
        )
        c, flow = reference_implementation._transact(model, max(c, 0.0), mode, target)
        cash.append(c)
        modes.append(mode)
        flows.append(flow)
    return reference_implementation.PlainPath(cash, modes, flows, sum(flows))


def _unpaid_overflow(*arguments: object) -> reference_implementation.PlainPath:
    """A wrong variant: what exceeds the cash range is lost."""
    path = reference_implementation.simulate_path(*arguments)  # type: ignore[arg-type]
    model, cash = arguments[0], np.array(path.cash[1:])
    assert isinstance(model, GHMModel)
    over = np.flatnonzero(cash == model.c_max)
    for t in over:
        path.flows[t] = min(path.flows[t], 0.0)
    return path


WRONG_MODELS = {
    "fixed cost forgotten": {"fixed_cost": 0.0},
    "proportional cost forgotten": {"proportional_cost": 1.0},
    "sign of the correlation": {"rho": 0.2},
    "cost of cash forgotten": {"carry_cost": 0.0},
    "recovery": {"recovery": 0.56},
    "discount forgotten": {"r": 0.0100001, "recovery": 0.55 * 0.0000001 / 0.02},  # the same ℓ
    "permanent shock a thousandth larger": {"sigma_a": 0.25025},
}


@pytest.mark.parametrize("name", WRONG_MODELS)
def test_comparison_tells_a_wrong_model_apart(name: str) -> None:
    problem = small_problem()
    tables = random_tables(problem.grid, 1)
    wrong = GHMModel(c_max=problem.model.c_max, **WRONG_MODELS[name])
    assert not agrees(compare(problem, tables, model=wrong))


@pytest.mark.parametrize("wrong", [_shock_before_transaction, _unpaid_overflow])
def test_comparison_tells_a_wrong_variant_apart(wrong: Simulate) -> None:
    problem = small_problem()
    assert not agrees(compare(problem, random_tables(problem.grid, 1), simulate_path=wrong))


def test_paths_do_not_depend_on_how_they_are_batched() -> None:
    problem = small_problem()
    tables = random_tables(problem.grid, 4)
    whole = simulate(problem, tables)
    for first, size in ((0, 77), (77, 1), (78, N_PATHS - 78)):
        part = simulate(problem, tables, size, first)
        for name in whole._fields:
            expected = getattr(whole, name)[..., first : first + size]
            assert np.array_equal(getattr(part, name), expected), name


# 40 steps on 24 time nodes: some steps lie between nodes.
COUNTED = {
    "between time nodes": small_problem(dt=0.1, n_steps=40, r=0.51, recovery=2.0),
    "one step": PROBLEMS["one step"],
}


@pytest.mark.parametrize("problem", COUNTED.values(), ids=COUNTED.keys())
def test_visits_are_living_paths_discounted_and_shared_out(problem: GriddedProblem) -> None:
    """Counted by hand from the recorded paths; single precision rounds the shares of cash."""
    paths, visits = simulate_and_count(
        problem, random_tables(problem.grid, 4), Paths.allocate(problem.grid.n_steps, N_PATHS)
    )
    expected = plain_visits(problem, paths)
    assert np.abs(visits - expected).max() < 1e-5 * expected.max()
    # Wrong variants: firms that are dead are counted too, visits are not discounted, steps belong to the node below them.
    ghosts = paths._replace(cash=np.maximum(paths.cash, 0))
    assert np.abs(visits - plain_visits(problem, ghosts)).max() > 0.1 or (paths.cash[:-1] >= 0).all()
    if problem.grid.n_steps > 1:
        assert np.abs(visits - plain_visits(problem, paths, discount=1.0)).max() > 0.1
        assert np.abs(visits - plain_visits(problem, paths, shared=False)).max() > 0.1


def plain_visits(problem: GriddedProblem, paths: Paths, discount: float | None = None, shared: bool = True) -> Array:
    grid, factor = problem.grid, problem.discount if discount is None else discount
    visits = np.zeros((grid.steps_to_go.size, grid.cash.size))
    for t in range(grid.n_steps):
        cash = paths.cash[t][paths.cash[t] >= 0].astype(float)
        to_go, steps = grid.n_steps - t, grid.steps_to_go
        k = max(i for i in range(steps.size - 1) if steps[i] <= to_go)
        later = (to_go - steps[k]) / (steps[k + 1] - steps[k]) if shared else 0.0
        cell = np.clip(np.searchsorted(grid.cash, cash, side="right") - 1, 0, grid.cash.size - 2)
        share = (cash - grid.cash[cell]) / np.diff(grid.cash)[cell]
        for node, weight in ((k, 1 - later), (k + 1, later)):
            np.add.at(visits[node], cell, factor**t * weight * (1 - share))
            np.add.at(visits[node], cell + 1, factor**t * weight * share)
    return visits


def test_visits_are_added_to_what_was_counted_before() -> None:
    problem = small_problem()
    tables = random_tables(problem.grid, 4)
    whole = simulate_and_count(problem, tables, Paths.allocate(problem.grid.n_steps, N_PATHS))[1]
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, SEED)
    visits = np.zeros_like(whole)
    for first, size in ((0, 33), (33, N_PATHS - 33)):
        simulator.run(tables, ITERATION, first, simulator.workspace(size, recorded=False), visits)
    assert np.allclose(visits, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_unrecorded_paths_have_the_returns_and_visits_of_recorded_ones(name: str) -> None:
    """To the bit: recording decides where things are written, not what."""
    problem = PROBLEMS[name]
    tables, n_steps = random_tables(problem.grid, seed=len(name)), problem.grid.n_steps
    recorded, visits = simulate_and_count(problem, tables, Paths.allocate(n_steps, N_PATHS))
    kept, counted = simulate_and_count(problem, tables, Paths.allocate(n_steps, N_PATHS, recorded=False))
    assert kept.flow.shape == (1, N_PATHS)
    assert np.array_equal(kept.returns, recorded.returns)
    assert np.array_equal(counted, visits)
    assert np.array_equal(kept.cash[n_steps % 2], recorded.cash[n_steps]), "the last step's cash is what is left"


def test_room_is_for_a_batch_that_stays_small() -> None:
    problem = small_problem(n_steps=1000)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, SEED)
    assert simulator.workspace(10**6, recorded=False).returns.size == BATCH_PATHS
    assert simulator.workspace(10**6, recorded=True).cell.size <= BATCH_STEPS
    assert (
        simulator.workspace(30, recorded=True).returns.size
        == simulator.workspace(30, recorded=False).returns.size
        == 30
    )


def test_part_of_a_room_is_the_same_room() -> None:
    """A last batch that is smaller than the others is simulated without new memory."""
    whole = Paths.allocate(25, N_PATHS)
    part = whole.first(30)
    for name, array in part._asdict().items():
        assert np.shares_memory(array, getattr(whole, name)), name
        assert array.flags.c_contiguous, name
        assert array.shape == (*getattr(whole, name).shape[:-1], 30), name


def test_returns_are_the_discounted_sums_of_the_flows() -> None:
    problem = small_problem(terminal="going_concern")
    paths = simulate(problem, random_tables(problem.grid, 5))
    factors = problem.discount ** np.arange(problem.grid.n_steps + 1)
    last = np.interp(paths.cash[-1], problem.grid.cash, problem.terminal_values) * (paths.cash[-1] >= 0)
    expected = factors[:-1] @ paths.flow.astype(float) + factors[-1] * last
    assert np.allclose(paths.returns, expected, rtol=1e-7)  # nodes are in single precision there


def test_levels_beyond_the_range_stop_at_its_end() -> None:
    problem = small_problem(n_steps=3)
    issue_always = threshold_tables(problem.grid, payout=0.5, below=1e9, target=50.0)
    issue_always.modes[0] = 0.0
    paths = simulate(problem, issue_always)
    alive = paths.cash[:-1] >= 0
    assert np.all(paths.after[alive] == np.float32(problem.model.c_max))


DEFAULT = GHMModel()
FIXED_POLICIES = {
    # Paying down to a cent leaves a firm that survives a step with some probability and then earns again, so the exact
    # return is a little above 5.95, that of closing at once.
    "wind up": ({"payout": 1e-4, "below": -1.0, "target": 0.1}, 5.95, 0.015),
    "thresholds": ({"payout": 0.19, "below": 0.035, "target": 0.1}, 6.65, 0.005),
}


@pytest.mark.parametrize("name", FIXED_POLICIES)
def test_mean_return_of_a_fixed_policy(name: str) -> None:
    """Three standard errors: α = 0.0027 for each policy, seed fixed."""
    levels, stated, rounding = FIXED_POLICIES[name]
    problem = GriddedProblem.build(Problem(DEFAULT, 0.01, 10.0))
    tables = threshold_tables(problem.grid, **levels)
    simulator = Simulator(DEFAULT, problem.grid, problem.terminal_values, seed=123)
    paths, visits = (
        Paths.allocate(1000, 1000, recorded=False),
        np.zeros((problem.grid.steps_to_go.size, problem.grid.cash.size)),
    )
    returns = []
    for first in range(0, 20_000, 1000):
        simulator.run(tables, 1, first, paths, visits)
        returns.append(paths.returns.copy())
    mean, error = np.mean(returns), np.std(returns, ddof=1) / np.sqrt(20_000)
    exact = policy_value(TabulatedPolicy(problem.grid, tables), Problem(DEFAULT, 0.01, 10.0))
    assert exact == pytest.approx(stated, abs=rounding)
    assert abs(mean - exact) < 3 * error
    assert abs(mean - stated) < 3 * error
    assert error < 0.006, "a wrong order of events changes the return by more than three such errors"


@pytest.mark.parametrize("terminal", ["liquidation", "zero", "going_concern"])
def test_mean_return_of_a_random_policy(terminal: Terminal) -> None:
    """Three standard errors: α = 0.0027 for each terminal condition, seed fixed."""
    problem = small_problem(terminal=terminal)
    tables = random_tables(problem.grid, 6)
    returns = simulate(problem, tables, n_paths=40_000).returns
    error = returns.std(ddof=1) / np.sqrt(returns.size)
    horizon = problem.grid.dt * problem.grid.n_steps
    policy = TabulatedPolicy(problem.grid, tables)
    exact = policy_value(policy, problem.problem, randomised=True)
    assert abs(returns.mean() - exact) < 3 * error
    other = GHMModel(c_max=problem.model.c_max, recovery=0.8)
    wrong = policy_value(policy, Problem(other, problem.grid.dt, horizon, terminal), randomised=True)
    assert abs(returns.mean() - wrong) > 5 * error, "the test could not tell a wrong model apart"
