"""The grid of states: where nodes lie, and that every state is found among them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghm.economics.grid import MAX_CASH_NODES, SPACING, TIME_NODES, StateGrid, bin_cells, cash_nodes
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError

MODEL = GHMModel()


def test_cash_nodes_are_a_third_of_a_shock_apart_everywhere() -> None:
    nodes = cash_nodes(MODEL, 0.01)
    assert nodes[0] == 0
    assert nodes[-1] == MODEL.c_max
    gaps = np.diff(nodes)
    shock = MODEL.volatility((nodes[1:] + nodes[:-1]) / 2) * np.sqrt(0.01)
    # The count is rounded up, so spacing is a little below what is asked for, the same everywhere.
    assert np.all(np.abs(gaps / shock - SPACING) < 0.02 * SPACING)


def test_nodes_follow_the_time_step() -> None:
    coarse, fine = (cash_nodes(MODEL, dt).size for dt in (0.04, 0.01))
    assert fine / coarse == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("parameters", [{"sigma_x": 0.0}, {"rho": 1.0}, {"rho": -1.0}, {"sigma_a": 0.0}])
def test_nodes_stay_finite_where_shocks_vanish(parameters: dict[str, float]) -> None:
    nodes = cash_nodes(GHMModel(**parameters), 0.01)
    assert np.all(np.diff(nodes) > 0)
    assert nodes.size < MAX_CASH_NODES


def test_too_fine_a_time_step_is_refused() -> None:
    with pytest.raises(UserError, match=r"--dt 1e-05 needs [\d,]+ cash nodes .* more than 4,000; raise --dt"):
        cash_nodes(MODEL, 1e-5)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 20, 24, 25, 100, 1000, 100_000])
def test_time_nodes_cover_every_step(n_steps: int) -> None:
    grid = StateGrid.build(Problem(MODEL, 0.1, n_steps * 0.1))
    steps = grid.steps_to_go
    assert steps[0] == 1
    assert steps[-1] == max(n_steps, 2)
    assert np.all(np.diff(steps) > 0)
    assert steps.size <= TIME_NODES
    k, w = grid.time_cell, grid.time_weight
    assert np.all((w >= 0) & (w <= 1))
    assert np.array_equal(np.round((1 - w) * steps[k] + w * steps[k + 1], 9), n_steps - np.arange(n_steps))


def test_short_episodes_have_a_node_at_every_step() -> None:
    grid = StateGrid.build(Problem(MODEL, 0.1, 2.4))
    assert grid.steps_to_go.tolist() == list(range(1, 25))
    assert np.all((grid.time_weight == 0) | (grid.time_weight == 1))


def test_time_to_horizon_is_in_years() -> None:
    grid = StateGrid.build(Problem(MODEL, 0.1, 2.4))
    assert grid.time_to_horizon[-1] == pytest.approx(2.4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(0.05, 2), st.floats(-0.9, 0.9), st.floats(0.02, 0.5), st.floats(0.01, 0.3))
def test_a_bin_starts_in_a_cell_at_most_one_below(c_max: float, rho: float, sigma_a: float, sigma_x: float) -> None:
    """The kernel looks in the bin's cell and the next: so no cell may begin and end within one bin."""
    nodes = cash_nodes(GHMModel(c_max=c_max, rho=rho, sigma_a=sigma_a, sigma_x=sigma_x), 0.1)
    bins = bin_cells(nodes)
    assert bins.dtype == np.uint32
    cash = np.linspace(0, nodes[-1], 5003)[:-1]
    bin_of = np.floor(cash * ((bins.size - 1) / nodes[-1])).astype(int)
    cell = np.searchsorted(nodes, cash, side="right") - 1
    assert np.all((cell == bins[bin_of]) | (cell == bins[bin_of] + 1))
    assert bins[-1] == nodes.size - 2
