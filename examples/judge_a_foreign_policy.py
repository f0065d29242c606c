"""Judge an agent of Stable-Baselines3 by the same standard as the policies trained here (needs ``pip install ghm[benchmarks]``).

    python examples/judge_a_foreign_policy.py              train for a moment, and print what is found
    ghm evaluate --policy examples/judge_a_foreign_policy.py:policy --output ppo.npz --figures ppo

A few thousand steps teach PPO little (captured value 72% before training, 76% after): what matters here is how it is asked.
``policy`` at the end of this file is a function of cash and time to horizon that returns ``ghm.Actions``; for an agent of your
own, load it where this one trains.
"""

from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

import ghm
from ghm.economics.action_rule import certain_actions
from ghm.economics.actions import Actions
from ghm.economics.model import Array
from ghm.envs import ActionDecoder, GHMEnv

DT, T = 0.01, 10.0
STEPS = 2_048
"""Environment steps of training: two seconds."""

model = ghm.GHMModel()
torch.set_num_threads(1)  # the network is small: a second thread costs more than it does


def train(steps: int) -> PPO:
    """An agent trained for ``steps`` steps, discounted as the model discounts."""
    environment = GHMEnv(model, DT, T)
    agent = PPO("MlpPolicy", environment, n_steps=1_024, gamma=environment.discount, seed=1, device="cpu")
    return agent.learn(steps)


class AgentPolicy:
    """An agent's deterministic policy; trained when it is asked first."""

    def __init__(self, steps: int) -> None:
        self._steps, self._decode = steps, ActionDecoder(model, DT)
        self._agent: PPO | None = None

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,): the agent sees cash/c̄ and τ/T, as in `ghm.envs`."""
        self._agent = self._agent or train(self._steps)
        seen = np.stack([cash / model.c_max, np.full(cash.shape, time_to_horizon / T)], axis=1).astype(np.float32)
        actions, _ = self._agent.predict(seen, deterministic=True)
        decoded: Any = self._decode(actions)
        return certain_actions(*decoded)


policy = AgentPolicy(STEPS)

if __name__ == "__main__":
    found = ghm.evaluate(policy, model, DT, T, name="PPO")
    print(f"firm value        {found.exact_return:.4f} (optimum {found.solution.optimal_return:.4f})")
    print(f"simulated         {found.simulated.mean:.4f} ± {found.simulated.standard_error:.4f}")
    print(f"captured value    {found.captured_value:.2%}")
    print(found.verdict.text)
    errors = found.compare(cash=np.linspace(0, 1, 101)).errors()["value"]
    print(f"\nMean absolute difference from the optimal value: {errors.mean_absolute:.4f}")
