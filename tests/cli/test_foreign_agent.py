"""The example with an agent of Stable-Baselines3: trained for a moment, judged like any other policy."""

from pathlib import Path

import numpy as np
import pytest

import ghm
from ghm.cli.evaluate.sources import load_function
from ghm.envs import GHMEnv

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "judge_a_foreign_policy.py"
DT, T = 0.01, 0.2


def test_the_example_is_judged_and_earns_in_its_environment_what_is_said():
    policy = load_function(f"{EXAMPLE}:policy")
    found = ghm.evaluate(policy, dt=DT, T=T)
    assert found.agrees
    assert not found.draws
    environment = GHMEnv(dt=DT, T=T)
    returns = []
    for seed in range(400):
        seen, _ = environment.reset(seed=seed, options={"cash": (seed + 0.5) / 400 * 2.0})
        total, factor, ended = 0.0, 1.0, False
        while not ended:
            # The example was trained for a horizon of ten years: what it sees is time over that.
            seen = np.array([seen[0], seen[1] * T / 10.0], dtype=np.float32)
            action, _ = policy._agent.predict(seen, deterministic=True)
            seen, reward, ended, _, _ = environment.step(action)
            total += factor * reward
            factor *= environment.discount
        returns.append(total)
    # Starts are stratified, so the spread of returns overstates the error: a bound of 1e-2 is more than 4 of its true ones.
    assert np.mean(returns) == pytest.approx(found.exact_return, abs=1e-2)
