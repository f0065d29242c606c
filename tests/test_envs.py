"""The Gymnasium environment against Gymnasium's own checker and the exact returns of policies."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import ghm
from ghm.economics.actions import HOLD, ISSUE, PAY
from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.envs import ActionDecoder, Firms, GHMEnv
from ghm.errors import UserError
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
def test_returns_are_those_of_the_discrete_time_problem(terminal):
    """α = 6e-5 (four standard errors), three cases."""
    model = GHMModel(c_max=0.5)
    policy = ThresholdPolicy.constant(DT, T, 0.2, 0.05, 0.1)
    exact = policy_value(policy, Problem(model, DT, T, terminal))
    mean, error = simulated_return(model, 0.2, 0.05, 0.1, terminal)
    assert abs(mean - exact) < 4 * error
    # The wrong variant: a firm that earns a ninth more.
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"terminal": "bogus"}, "terminal must be one of"),
        ({"dt": 0.3, "T": 1.0}, "whole multiple of dt"),
        ({"dt": 1.0, "T": 0.3}, "whole multiple of dt"),
        ({"dt": float("nan")}, "dt must be a finite number > 0"),
        ({"T": "10"}, "T must be a finite number > 0"),
        ({"model": "default"}, "model must be a ghm.GHMModel"),
        ({"model": {}}, "model must be a ghm.GHMModel"),
        ({"model": GHMModel(c_max=1e-6)}, "is less than"),
        ({"terminal": "going_concern", "model": GHMModel(recovery=1.5)}, "no infinite-horizon solution"),
    ],
)
def test_what_cannot_be_solved_is_no_environment(arguments, message):
    with pytest.raises(UserError, match=message):
        GHMEnv(**arguments)
    with pytest.raises(UserError, match=message):
        ghm.solve(**arguments)


@pytest.mark.parametrize("cash", [-0.1, 2.0001, 1e9, float("nan"), float("inf"), "0.5", None, True, [0.5]])
def test_cash_outside_the_space_is_refused(cash):
    with pytest.raises(UserError, match="must be a number from 0 to c_max = 2"):
        GHMEnv(dt=0.1, T=1.0).reset(options={"cash": cash})


@pytest.mark.parametrize("cash", [0, 0.0, 2.0, np.float32(0.5), np.int64(1)])
def test_cash_within_it_is_what_the_firm_starts_with(cash):
    env = GHMEnv(dt=0.1, T=1.0)
    assert env.reset(options={"cash": cash})[0] == pytest.approx([float(cash) / 2, 1.0])
    assert env.observation_space.contains(env.reset()[0])
    assert env.observation_space.contains(env.reset(options={})[0])


@pytest.mark.parametrize("options", [{"csah": 0.5}, {"cash": 0.5, "seed": 3}, [0.5], "cash"])
def test_misspelt_options_are_refused(options):
    with pytest.raises(UserError, match='may hold "cash" alone'):
        GHMEnv(dt=0.1, T=1.0).reset(options=options)


@pytest.mark.parametrize(
    "action",
    [[0.0] * 4, [0.0] * 6, [], 0.0, [[0.0] * 5], [0.0, 0.0, float("nan"), 0.0, 0.0], "hold", None, [1, 2, 3, 4, "x"]],
)
def test_actions_that_are_not_five_numbers_are_refused(action):
    env = GHMEnv(dt=0.1, T=1.0)
    env.reset(seed=1)
    with pytest.raises(UserError, match="five finite numbers"):
        env.step(action)
    assert env.step([1, 0, 0, 0, 0])[3] is False


def test_a_firm_that_has_ended_takes_no_step():
    env = GHMEnv(dt=0.1, T=0.2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(5, np.float32))
    env.reset(seed=1, options={"cash": 2.0})
    assert [env.step(np.zeros(5, np.float32))[2] for _ in range(2)] == [False, True]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(5, np.float32))
