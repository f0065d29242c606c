"""The Gymnasium environment against Gymnasium's own checker and the exact returns of policies."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ghm.economics.actions import HOLD, ISSUE, PAY
from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.envs import ActionDecoder, Firms, GHMEnv
from ghm.policies.distribution import LevelBounds
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers.policy_value import policy_value

DT, T = 0.02, 2.0
FIRMS = 20_000


@pytest.mark.filterwarnings("error")  # the checker only warns of much that it finds
@pytest.mark.parametrize("terminal", ["liquidation", "zero", "going_concern"])
def test_gymnasiums_checker_finds_nothing(terminal):
    check_env(GHMEnv(dt=0.1, T=1.0, terminal=terminal), skip_render_check=True)


def simulated_return(model, payout, below, target, terminal):
    """Mean return of a threshold policy over `FIRMS` firms, and its standard error."""
    generator = np.random.default_rng(7)
    firms = Firms(Problem(model, DT, T, terminal), FIRMS)
    firms.restart(np.ones(FIRMS, dtype=bool), generator.uniform(0, model.c_max, FIRMS))
    returns, running = np.zeros(FIRMS), np.ones(FIRMS)
    for step in range(round(T / DT)):
        mode = np.where(firms.cash > payout, PAY, np.where(firms.cash < below, ISSUE, HOLD))
        levels = np.full((2, FIRMS), [[payout], [target]])
        rewards, ended = firms.step(mode, *levels, generator.standard_normal(FIRMS))
        returns += running * firms.discount**step * rewards
        running[ended] = 0.0
    assert not running.any()
    return returns.mean(), returns.std() / np.sqrt(FIRMS)


@pytest.mark.parametrize("terminal", ["liquidation", "zero", "going_concern"])
def test_returns_are_those_of_the_decision_problem(terminal):
    """α = 6e-5 (four standard errors), three cases."""
    model = GHMModel(c_max=0.5)
    policy = ThresholdPolicy.constant(DT, T, 0.2, 0.05, 0.1)
    exact = policy_value(policy, Problem(model, DT, T, terminal))
    mean, error = simulated_return(model, 0.2, 0.05, 0.1, terminal)
    assert abs(mean - exact) < 4 * error
    # The wrong twin: a firm that earns a ninth more.
    wrong, error = simulated_return(GHMModel(c_max=0.5, alpha=0.2), 0.2, 0.05, 0.1, terminal)
    assert abs(wrong - exact) > 4 * error


def test_one_firm_is_stepped_as_many_are():
    env = GHMEnv(dt=0.1, T=1.0)
    observation, _ = env.reset(seed=3, options={"cash": 0.5})
    assert observation == pytest.approx([0.25, 1.0])
    action = np.array([0.0, 1.0, 0.0, 0.2, 0.3], dtype=np.float32)
    env.reset(seed=3, options={"cash": 0.5})
    env.np_random, twin = np.random.default_rng(11), np.random.default_rng(11)
    firms = Firms(Problem(GHMModel(), 0.1, 1.0), 2)
    firms.restart(np.ones(2, dtype=bool), np.full(2, 0.5))
    mode, payout, target = ActionDecoder(GHMModel(), 0.1)(np.stack([action, action]))
    rewards, _ = firms.step(mode, payout, target, np.full(2, twin.standard_normal()))
    observation, reward, terminated, truncated, _ = env.step(action)
    assert reward == rewards[0] == rewards[1]
    assert observation == pytest.approx(firms.observations[1])
    assert not terminated
    assert not truncated


def test_actions_span_the_modes_and_the_ranges_of_levels():
    bounds = LevelBounds.of(GHMModel(), 0.01)
    actions = np.array([[1, 0, 0, -1, -1], [0, 1, 0, 1, 1], [0, 0, 1, 9, -9]], dtype=np.float32)
    mode, payout, target = ActionDecoder(GHMModel(), 0.01)(actions)
    assert mode.tolist() == [HOLD, PAY, ISSUE]
    shift = LEVEL_SHIFT * GHMModel().step_from_zero(0.01)
    assert payout == pytest.approx([0.0, GHMModel().c_max, GHMModel().c_max]), (
        "from paying everything to paying nothing"
    )
    assert target == pytest.approx(
        [bound - shift for bound in (bounds.issue_lower, bounds.issue_upper, bounds.issue_lower)]
    )
