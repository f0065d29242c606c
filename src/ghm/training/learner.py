"""The two networks and how they learn: gradients of the tables backpropagated, clipped, and followed by Adam."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ghm.model import Array
from ghm.policy.distribution import RAW_OUTPUTS, Distribution, LevelBounds, PolicyTables
from ghm.policy.networks import perceptron
from ghm.training.adam import Adam
from ghm.training.config import TrainConfig
from ghm.training.estimator import GradientEstimate
from ghm.training.problem import DecisionProblem

ADAM_BETAS = (0.9, 0.99)
"""Adam's memory of squared gradients is 100 steps, not 1,000: the gradient falls a thousandfold in the first hundred
iterations, and a longer memory of its beginning stalls the payout level for the rest of the run."""

VALUE_STEPS = 2
"""Steps of the value network an iteration: it has to follow a policy that moves at every one."""


@dataclass(frozen=True)
class LearningFigures:
    """What one step of learning reports."""

    policy_loss: float
    value_loss: float
    entropy: float
    policy_grad_norm: float
    value_grad_norm: float


class Learner:
    """Holds the networks and their optimisers.

    Args:
        problem: the decision problem; decides inputs and bounds.
        config: hyperparameters, seed, device.
    """

    def __init__(self, problem: DecisionProblem, config: TrainConfig) -> None:
        self._problem, self._config = problem, config
        grid = problem.grid
        self._shape = (grid.steps_to_go.size, grid.cash.size)
        self._bounds = LevelBounds.of(problem.model, grid.dt)
        generator = torch.Generator().manual_seed(config.seed)
        self.policy = perceptron(config.policy_hidden, RAW_OUTPUTS, generator).to(config.device)
        self.value = perceptron(config.value_hidden, 1, generator).to(config.device)
        self.policy_optimiser = Adam(self.policy.parameters(), config.lr_policy, ADAM_BETAS)
        self.value_optimiser = Adam(self.value.parameters(), config.lr_baseline, ADAM_BETAS)
        self._features = torch.from_numpy(problem.features).to(config.device)
        # Values are learned as V − c − ℓ in units of the riskless value of the cash flow, α/k, so that outputs are about 1.
        self._value_scale = max(abs(problem.model.alpha), problem.model.sigma_x) / problem.model.discount_rate
        self._value_offset = grid.cash + problem.model.liquidation_value
        self._raw: Tensor | None = None
        self._distribution: Distribution | None = None

    def tabulate(self) -> PolicyTables:
        """The policy's tables now; keeps what :meth:`learn` needs to backpropagate."""
        self._raw = self.policy(self._features).view(*self._shape, RAW_OUTPUTS)
        self._distribution = Distribution.of(self._raw, self._bounds)
        return self._distribution.tables()

    def values(self) -> Array:
        """The value network's table, (K, M)."""
        with torch.no_grad():
            outputs = self.value(self._features).view(self._shape).cpu().numpy().astype(np.float64)
        table: Array = self._value_offset + self._value_scale * outputs
        return table

    def learn(self, estimate: GradientEstimate, progress: float) -> LearningFigures:
        """Take one step along the gradient; ``progress`` is the share of the run that is done, 0 to 1."""
        policy_loss, entropy, policy_norm = self._learn_policy(estimate, progress)
        value_loss, value_norm = self._learn_values(estimate)
        return LearningFigures(policy_loss, value_loss, entropy, policy_norm, value_norm)

    def is_finite(self) -> bool:
        """Whether every parameter of both networks is a finite number."""
        return all(bool(torch.isfinite(p).all()) for p in (*self.policy.parameters(), *self.value.parameters()))

    def state(self) -> dict[str, Any]:
        """Networks and optimisers, for a checkpoint."""
        return {name: getattr(self, name).state_dict() for name in STATE}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        for name in STATE:
            getattr(self, name).load_state_dict(state[name])

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(self._config.device)

    def _learn_policy(self, estimate: GradientEstimate, progress: float) -> tuple[float, float, float]:
        assert self._raw is not None
        assert self._distribution is not None
        log_modes, levels = self._distribution
        modes = log_modes.exp()
        weight = self._tensor(estimate.visits / estimate.visits.sum())
        # A loss whose gradient is that of −J: the tables' gradients are constants here.
        loss = -(modes * self._tensor(estimate.modes)).sum() - (levels * self._tensor(estimate.levels)).sum()
        entropy = -(weight * (modes * log_modes).sum(0)).sum()
        saturation = (weight * self._raw.square().mean(-1)).sum()
        fading = self._config.entropy_weight * (1 - progress)
        objective = loss - fading * entropy + self._config.action_reg_weight * saturation
        norm = self._step(self.policy, self.policy_optimiser, objective)
        return float(objective.detach()), float(entropy.detach()), norm

    def _learn_values(self, estimate: GradientEstimate) -> tuple[float, float]:
        used = estimate.value_weight > 0
        weight = self._tensor(estimate.value_weight[used])
        target = self._tensor(((estimate.value_target - self._value_offset) / self._value_scale)[used])
        features = self._features[torch.from_numpy(used.ravel()).to(self._config.device)]
        first = 0.0
        for step in range(VALUE_STEPS):
            outputs = self.value(features).squeeze(-1)
            loss = (weight * (outputs - target).square()).sum()
            norm = self._step(self.value, self.value_optimiser, loss)
            first = first if step else float(loss.detach())
        return first * self._value_scale**2, norm

    def _step(self, network: torch.nn.Module, optimiser: Adam, loss: Tensor) -> float:
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), self._config.max_grad_norm)
        optimiser.step()
        return float(norm)


STATE = ("policy", "value", "policy_optimiser", "value_optimiser")
"""Attributes of a learner that a checkpoint holds."""
