"""What one would pick instead: PPO of Stable-Baselines3 on the same problem, against a training of ours.

    python benchmarks/peer_ppo.py [--cpu_seconds 300] [--json] [--plot FILE]

Both get one core and the same CPU seconds, and both are judged by the same exact return of their deterministic policy. PPO
gets what helps it: firms stepped together in NumPy, long rollouts, rewards in units of ℓ, observations that spread out
small cash and short times (the trainer's own features), several settings, of which the best is stated.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from gymnasium.spaces import Box, MultiDiscrete
from iteration import Training
from machine import describe_machine
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from ghm.economics.action_rule import certain_actions
from ghm.economics.actions import Actions
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.envs import ActionDecoder, Firms, action_space
from ghm.io.text import percent_text
from ghm.policies.networks import FEATURES, features
from ghm.solvers.dynamic_program import solve
from ghm.solvers.policy_value import policy_value
from ghm.solvers.solution import Solution
from ghm.training.exact import ExactReturns
from ghm.training.settings import TrainConfig

LEVELS = 48
"""Levels that the discrete action chooses from, even in the logarithm: neighbours are a tenth apart."""


@dataclass(frozen=True)
class Setting:
    """One way of setting PPO up."""

    name: str
    discrete: bool
    """Modes and levels from lists (MultiDiscrete) instead of five real numbers."""
    n_firms: int
    n_steps: int
    batch_size: int
    n_epochs: int
    learning_rate: float
    gae_lambda: float
    ent_coef: float
    hold_bias: float = 0.0
    """Added to the first logit of holding, so that training starts from firms that are mostly left alone."""


SETTINGS = (
    Setting("continuous actions", False, 128, 250, 4000, 5, 3e-4, 0.95, 0.0),
    Setting("levels from a list", True, 128, 250, 4000, 5, 3e-4, 0.95, 0.001),
    Setting("levels from a list, long rollouts", True, 256, 1000, 16000, 5, 1e-3, 0.99, 0.001),
    Setting("levels from a list, short rollouts", True, 64, 128, 1024, 10, 3e-4, 0.9, 0.0),
    # Logit 4: holding has probability 0.96 at first.
    Setting("levels from a list, holding at first", True, 128, 250, 4000, 5, 3e-4, 0.9, 0.0, hold_bias=4.0),
)


class ListDecoder:
    """From a mode and two positions in a list of levels to mode and levels in cash."""

    def __init__(self, model: GHMModel, dt: float) -> None:
        decode = ActionDecoder(model, dt)
        shares = np.linspace(-1, 1, LEVELS)
        zeros = np.zeros((LEVELS, 3))
        _, self._payout, self._target = decode(np.column_stack([zeros, shares, shares]))

    def __call__(self, actions: Any) -> Any:
        """Mode, payout level and issue target, (N,) each, of ``actions`` (N, 3)."""
        return actions[:, 0].astype(np.int64), self._payout[actions[:, 1]], self._target[actions[:, 2]]


class FirmsVecEnv(VecEnv):
    """Firms stepped together, in the form that Stable-Baselines3 wants; a firm that ends starts anew."""

    def __init__(self, config: TrainConfig, setting: Setting, seed: int) -> None:
        model = config.model
        self._firms = Firms(Problem(model, config.dt, config.n_steps * config.dt, config.terminal), setting.n_firms)
        self._generator = np.random.default_rng(seed)
        self._config = config
        self._decode = ListDecoder(model, config.dt) if setting.discrete else ActionDecoder(model, config.dt)
        self._actions: Any = None
        observations = Box(-1.0, 1.0, (FEATURES,), np.float32)
        actions = MultiDiscrete([3, LEVELS, LEVELS]) if setting.discrete else action_space()
        super().__init__(setting.n_firms, observations, actions)

    def observe(self) -> Any:
        """The trainer's features of each firm's state, (N, FEATURES)."""
        firms, config = self._firms, self._config
        # A firm at the horizon has ended; its state is asked for all the same.
        time_to_horizon = np.maximum(firms.steps_to_go, 1) * config.dt
        return features(config.problem, firms.cash, time_to_horizon).astype(np.float32)

    def _restart(self, firms: Any) -> None:
        self._firms.restart(firms, self._generator.uniform(0, self._config.model.c_max, int(firms.sum())))

    def reset(self) -> Any:
        """All firms anew, spread over the horizon so that their ends do not coincide."""
        self._restart(np.ones(self.num_envs, dtype=bool))
        self._firms.steps_to_go = self._generator.integers(1, self._config.n_steps + 1, self.num_envs)
        return self.observe()

    def step_async(self, actions: Any) -> None:
        """Keep the actions."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Step; rewards in units of the value that matters, ℓ."""
        shocks = self._generator.standard_normal(self.num_envs)
        mode, payout, target = self._decode(self._actions)
        rewards, ended = self._firms.step(mode, payout, target, shocks)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if ended.any():
            last = self.observe()
            for firm in np.flatnonzero(ended):
                infos[firm] = {"terminal_observation": last[firm], "TimeLimit.truncated": False}
            self._restart(ended)
        scale = self._config.model.liquidation_value
        return self.observe(), (rewards / scale).astype(np.float32), ended, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """None has attributes of its own."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing to set."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """No methods of its own."""
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Not wrapped."""
        return [False] * self.num_envs


class PeerPolicy:
    """The agent's deterministic policy, as the reference solutions ask policies."""

    def __init__(self, agent: PPO, env: FirmsVecEnv, config: TrainConfig) -> None:
        self._agent, self._decode, self._config = agent, env._decode, config

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,)."""
        config = self._config
        times = np.full(cash.shape, time_to_horizon)
        state = features(config.problem, cash, times).astype(np.float32)
        actions, _ = self._agent.predict(state, deterministic=True)
        return certain_actions(*self._decode(actions))


class Clock(BaseCallback):
    """Judges the agent at given CPU seconds, its own time not counted, and stops it after the last."""

    def __init__(self, policy: PeerPolicy, config: TrainConfig, reference: Solution, at: list[float]) -> None:
        super().__init__()
        self._policy, self._config, self._reference, self._at = policy, config, reference, list(at)
        self._started = time.process_time()
        self.points: list[tuple[float, float | None]] = []

    def _on_step(self) -> bool:
        seconds = time.process_time() - self._started
        if self._at and seconds >= self._at[0]:
            del self._at[0]
            began = time.process_time()
            self.points.append((seconds, captured(self._policy, self._config, self._reference)))
            self._started += time.process_time() - began
        return bool(self._at)


def captured(policy: Any, config: TrainConfig, reference: Solution) -> float | None:
    """Captured value of the deterministic policy, exact."""
    value = policy_value(policy, config.problem)
    return reference.captured_value(value)


def train_peer(setting: Setting, config: TrainConfig, reference: Solution, at: list[float]) -> list[Any]:
    """Train PPO; captured value at the CPU seconds ``at``."""
    env = FirmsVecEnv(config, setting, config.seed)
    agent = PPO(
        "MlpPolicy", env, learning_rate=setting.learning_rate, n_steps=setting.n_steps,
        batch_size=setting.batch_size, n_epochs=setting.n_epochs, gamma=env._firms.discount,
        gae_lambda=setting.gae_lambda, ent_coef=setting.ent_coef, seed=config.seed, device="cpu",
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
    if setting.hold_bias:
        with torch.no_grad():
            cast(torch.nn.Linear, agent.policy.action_net).bias[0] = setting.hold_bias
    clock = Clock(PeerPolicy(agent, env, config), config, reference, at)
    agent.learn(total_timesteps=10**9, callback=clock)
    return clock.points


def train_ours(config: TrainConfig, reference: Solution, at: list[float]) -> list[Any]:
    """Train ours, default settings; captured value under the better action rule at the CPU seconds ``at``."""
    began = time.process_time()
    training, points, judged = Training(config), [], 0.0
    exact = ExactReturns.build(config.problem, training.problem.grid)
    for target in at:
        while (seconds := time.process_time() - began - judged) < target:
            training.iterate()
        before = time.process_time()
        points.append((seconds, reference.captured_value(exact(training.learner.tabulate().tables).best)))
        judged += time.process_time() - before
    return points


def run(cpu_seconds: float) -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(1)
    config = TrainConfig()
    reference = solve(config.model, config.dt, config.T, config.terminal)
    at = [cpu_seconds * share for share in (0.05, 0.1, 0.25, 0.5, 1.0)]
    curves = {"ours": train_ours(config, reference, at)}
    for setting in SETTINGS:
        curves[f"PPO, {setting.name}"] = train_peer(setting, config, reference, at)
    return {"machine": describe_machine(), "cpu_seconds": cpu_seconds, "curves": curves}


def show(figures: dict[str, Any]) -> None:
    """Print captured value against CPU seconds."""
    print(f"{figures['machine']}\n\nCaptured value after so many CPU seconds of one core")
    names = figures["curves"]
    times = [point[0] for point in names["ours"]]
    print(f"{'':<42}" + "".join(f"{seconds:>8.0f}" for seconds in times))
    for name, points in names.items():
        print(f"{name:<42}" + "".join(f"{percent_text(value):>8}" for _, value in points))


def plot(figures: dict[str, Any], path: Path) -> None:
    """Draw captured value against CPU seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, points in figures["curves"].items():
        style = {"linewidth": 2.5} if name == "ours" else {"linestyle": "--"}
        axes.semilogx([p[0] for p in points], [p[1] for p in points], label=name, **style)
    axes.set_ylim(-0.5, 1.02)
    axes.set_xlabel("CPU seconds of one core")
    axes.set_ylabel("captured value")
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cpu_seconds", type=float, default=300.0, help="CPU seconds of each training")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plot", type=Path, help="draw the figures into this file")
    flags = parser.parse_args()
    figures = run(flags.cpu_seconds)
    if flags.plot:
        plot(figures, flags.plot)
    if flags.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
