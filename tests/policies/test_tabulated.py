"""A tabulated policy between its nodes, against interpolation done by hand."""

import numpy as np
import pytest
from small_problems import random_tables, small_problem

from ghm.policies.tabulated import TabulatedPolicy

# 40 steps on 24 time nodes: some steps lie between nodes.
PROBLEM = small_problem(dt=0.1, n_steps=40)
GRID = PROBLEM.grid
TABLES = random_tables(GRID, 3)
POLICY = TabulatedPolicy(GRID, TABLES)


def by_hand(cash: float, to_go: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of paying and issuing, and the four figures of the levels, by bilinear interpolation."""
    steps = [int(step) for step in GRID.steps_to_go]
    k = max(i for i in range(len(steps) - 1) if steps[i] <= to_go)
    j = max(i for i in range(GRID.cash.size - 1) if GRID.cash[i] <= cash)
    u = (cash - GRID.cash[j]) / (GRID.cash[j + 1] - GRID.cash[j])
    w = (to_go - steps[k]) / (steps[k + 1] - steps[k])
    corners = [(k, j, (1 - w) * (1 - u)), (k, j + 1, (1 - w) * u), (k + 1, j, w * (1 - u)), (k + 1, j + 1, w * u)]
    modes = sum(weight * TABLES.modes[:, a, b].astype(float) for a, b, weight in corners)
    levels = (1 - w) * TABLES.levels[:, k].astype(float) + w * TABLES.levels[:, k + 1]
    return modes, levels


def test_some_steps_lie_between_nodes() -> None:
    assert not set(range(1, 41)) <= set(GRID.steps_to_go.tolist())


@pytest.mark.parametrize("to_go", [1, 2, 13, 27, 33, 40])
def test_interpolation(to_go: int) -> None:
    beside = GRID.cash[:-1] + 0.02 * np.diff(GRID.cash)  # in the bin of a node, above it
    cash = np.concatenate([GRID.cash, beside, np.linspace(0, GRID.cash[-1], 17)])
    actions = POLICY(cash, to_go * GRID.dt)
    for i, c in enumerate(cash):
        modes, levels = by_hand(float(c), to_go)
        assert actions.mode_probabilities[i] == pytest.approx([1 - modes.sum(), *modes], abs=1e-6)
        assert [figure[i] for figure in actions[1:5]] == pytest.approx(levels, abs=1e-6)


def test_levels_are_shifted_as_the_grid_says() -> None:
    actions = POLICY(GRID.cash, 1.3)
    assert actions.level_shift == GRID.level_shift > 0
    assert actions.median_payout_level == pytest.approx(np.exp(actions.payout_log_mean) - GRID.level_shift)
    assert actions.median_issue_target == pytest.approx(np.exp(actions.issue_log_mean) - GRID.level_shift)


def test_beyond_the_grid_the_edge_counts() -> None:
    inside, outside = POLICY(GRID.cash[[0, -1]], 4.0), POLICY(np.array([-1.0, 9.0]), 99.0)
    assert np.array_equal(inside.mode_probabilities, outside.mode_probabilities)
    assert np.array_equal(inside.issue_log_mean, outside.issue_log_mean)


def test_a_time_that_is_a_step_in_decimals_is_that_step() -> None:
    """3 · 0.1 is a little above 0.3 in binary: the policy must not notice."""
    assert np.allclose(POLICY(GRID.cash, 3 * 0.1)[0], POLICY(GRID.cash, 0.3)[0], atol=1e-12)
