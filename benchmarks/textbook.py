"""The same algorithm as a textbook has it: the network is called at every step, for all paths at once.

Monte Carlo policy gradient with a baseline (Williams 1992): simulate whole paths, take reward-to-go minus the value
network's output as the advantage, and follow its product with the score. Problem, action distribution, networks
and settings are those of the trainer; nothing else is shared with it. Vectorised over paths, gradients in one batched pass
after the rollout, which is faster than keeping the graph of a thousand calls.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.model import GHMModel
from ghm.policies.distribution import RAW_OUTPUTS, LevelBounds
from ghm.training.settings import TrainConfig

PAY, ISSUE = 1, 2

CHUNK = 100_000
"""States a call in the gradient's pass: more would not fit the processor's cache, and take longer."""


@dataclass
class Rollout:
    """What simulating leaves for learning: n steps of N paths."""

    states: Tensor
    """Cash / c̄ and time to horizon / T, (n, N, 2)."""
    modes: Tensor
    """Modes drawn, (n, N)."""
    log_levels: Tensor
    """Logarithms of the levels drawn plus their shift, (n, N)."""
    rewards: Tensor
    """Cash flows, (n, N)."""
    alive: Tensor
    """Whether the path still ran, (n, N)."""


class Textbook:
    """Policy, value network, and one iteration of learning.

    Args:
        config: settings as of the training script.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config, self._model = config, config.model
        self._generator = torch.Generator().manual_seed(config.seed)
        self._policy = _network(config.policy_hidden, RAW_OUTPUTS, self._generator)
        self._value = _network(config.value_hidden, 1, self._generator)
        self._bounds = LevelBounds.of(config.model, config.dt)
        self._shift = LEVEL_SHIFT * config.model.step_from_zero(config.dt)
        self._discount = float(torch.exp(torch.tensor(-config.model.discount_rate * config.dt, dtype=torch.float64)))
        self._optimisers = [
            torch.optim.Adam(self._policy.parameters(), lr=config.lr_policy),
            torch.optim.Adam(self._value.parameters(), lr=config.lr_baseline),
        ]

    def iterate(self) -> float:
        """Simulate and learn once; returns the mean simulated return."""
        rollout = self._simulate()
        to_go = rollout.rewards.clone()
        for step in range(len(to_go) - 2, -1, -1):
            to_go[step] += self._discount * to_go[step + 1]
        self._learn(rollout, to_go)
        return float(to_go[0].mean())

    def _distributions(self, states: Tensor) -> tuple[Categorical, Normal, Normal]:
        raw = self._policy(states)
        bounds = self._bounds

        def level(column: int, lowest: float, highest: float) -> Normal:
            lower, upper = torch.log(torch.tensor([lowest, highest]))
            mean = lower + (upper - lower) * torch.sigmoid(raw[..., column])
            return Normal(mean, torch.exp(-3 * (1 - torch.sigmoid(raw[..., column + 1]))))

        modes = Categorical(logits=6 * torch.tanh(raw[..., :3] / 6))
        payout = level(3, bounds.payout_lower, bounds.payout_upper)
        return modes, payout, level(5, bounds.issue_lower, bounds.issue_upper)

    @torch.no_grad()
    def _simulate(self) -> Rollout:
        config, model = self._config, self._model
        n, paths = config.n_steps, config.n_trajectories
        cash = model.c_max * torch.rand(paths, generator=self._generator)
        running = torch.ones(paths, dtype=torch.bool)
        steps: list[tuple[Tensor, ...]] = []
        for step in range(n):
            states = torch.stack([cash / model.c_max, torch.full_like(cash, 1 - step / n)], dim=-1)
            chosen, payout, target = self._distributions(states)
            mode = torch.multinomial(chosen.probs, 1, generator=self._generator).squeeze(-1)
            at = torch.where(mode == ISSUE, target.mean, payout.mean)
            spread = torch.where(mode == ISSUE, target.stddev, payout.stddev)
            log_level = at + spread * torch.randn(paths, generator=self._generator)
            after, flow = self._transact(cash, mode, (log_level.exp() - self._shift).clamp(min=0))
            shock = torch.randn(paths, generator=self._generator)
            following = after + self._drift(after) * config.dt + self._volatility(after) * config.dt**0.5 * shock
            liquidated = following <= 0
            later = torch.where(
                liquidated, torch.tensor(model.liquidation_value), (following - model.c_max).clamp(min=0)
            )
            steps.append((states, mode, log_level, (flow + self._discount * later) * running, running))
            running = running & ~liquidated
            cash = following.clamp(0, model.c_max)
        payoff = (cash + model.liquidation_value) * running
        columns = [torch.stack(column) for column in zip(*steps, strict=True)]
        columns[3][-1] += self._discount * payoff
        return Rollout(*columns)

    def _transact(self, cash: Tensor, mode: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        model = self._model
        pays = (mode == PAY) & (level < cash)
        target = level.clamp(max=model.c_max)
        issues = (mode == ISSUE) & (target > cash)
        after = torch.where(pays, level, torch.where(issues, target, cash))
        cost = model.proportional_cost * (after - cash + model.fixed_cost)
        return after, torch.where(issues, -cost, cash - after)

    def _drift(self, cash: Tensor) -> Tensor:
        model: GHMModel = self._model
        return model.alpha + cash * (model.r - model.carry_cost - model.mu)

    def _volatility(self, cash: Tensor) -> Tensor:
        model = self._model
        transitory = model.sigma_x**2 * (1 - model.rho**2)
        return (transitory + (model.rho * model.sigma_x - cash * model.sigma_a) ** 2).sqrt()

    def _learn(self, rollout: Rollout, to_go: Tensor) -> None:
        for optimiser in self._optimisers:
            optimiser.zero_grad()
        alive = rollout.alive.flatten()
        states, modes, log_levels, targets = (
            array.flatten(0, 1)[alive] for array in (rollout.states, rollout.modes, rollout.log_levels, to_go)
        )
        paths = self._config.n_trajectories
        for first in range(0, len(states), CHUNK):
            part = slice(first, first + CHUNK)
            chosen, payout, target = self._distributions(states[part])
            values = self._value(states[part]).squeeze(-1)
            mode = modes[part]
            of_level = torch.where(
                mode == ISSUE,
                target.log_prob(log_levels[part]),
                torch.where(mode == PAY, payout.log_prob(log_levels[part]), torch.zeros(())),
            )
            advantage = targets[part] - values.detach()
            policy_loss = -(advantage * (chosen.log_prob(mode) + of_level)).sum() / paths
            policy_loss = policy_loss - self._config.entropy_weight * chosen.entropy().sum() / paths
            value_loss = (values - targets[part]).square().sum() / len(states)
            (policy_loss + value_loss).backward()
        for network, optimiser in zip((self._policy, self._value), self._optimisers, strict=True):
            torch.nn.utils.clip_grad_norm_(network.parameters(), self._config.max_grad_norm)
            optimiser.step()


def _network(hidden: tuple[int, ...], outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Cash and time to horizon in, tanh layers, ``outputs`` out."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise((2, *hidden, outputs)):
        linear = nn.Linear(width_in, width_out)
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])
