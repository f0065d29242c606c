"""The two networks and how they learn: gradients of the tables backpropagated, clipped, and followed by Adam."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from ghm.economics.actions import ISSUE
from ghm.economics.model import Array
from ghm.policies.distribution import RAW_OUTPUTS, Distribution, LevelBounds
from ghm.policies.networks import Perceptron
from ghm.policies.tables import PolicyTables
from ghm.training.learners.adam import Adam
from ghm.training.learners.after_state import AfterStateCritic
from ghm.training.learners.estimator import GradientEstimate
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

ADAM_BETAS = (0.9, 0.99)
"""Adam's memory of squared gradients is 100 steps, not 1,000: the gradient falls a thousandfold in the first hundred
iterations, and a longer memory of its beginning stalls the payout level for the rest of the run."""

VALUE_STEPS = 4
"""Steps of the value network an iteration: it has to follow a policy that moves at every one."""

RAREST_EFFECT = 1e-3
"""Chance of an effect below which an issue's gain is no longer divided by it: single precision has three digits left there."""

RAREST_USE = 1e-4
"""Chance of being used, a visit, that a level is credited with at least."""


class Tabulation(NamedTuple):
    """The policy network's outputs at the policy nodes, and what follows from them."""

    passed: list[Tensor]
    """What each layer of the network passed on."""
    distribution: Distribution
    tables: PolicyTables


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
        problem: what is trained on; decides inputs and bounds.
        config: hyperparameters, seed, device.
    """

    def __init__(self, problem: GriddedProblem, config: TrainConfig) -> None:
        self._problem, self._config = problem, config
        self._bounds = LevelBounds.of(problem.model, problem.grid.dt)
        self._shape = (problem.grid.steps_to_go.size, problem.policy_nodes.size)
        generator = torch.Generator().manual_seed(config.seed)
        self.policy = Perceptron(config.policy_hidden, RAW_OUTPUTS, generator, config.device)
        self.value = Perceptron(config.value_hidden, 1, generator, config.device)
        self.policy_optimiser = Adam(self.policy.parameters, config.lr_policy, ADAM_BETAS)
        self.value_optimiser = Adam(self.value.parameters, config.lr_baseline, ADAM_BETAS)
        self._features = self._inputs(problem.features[:, problem.policy_nodes])
        rows = np.arange(self._shape[0]) if config.baseline == "returns" else problem.bootstrap_nodes
        self._value_features = self._inputs(problem.features[rows][:, problem.value_nodes])
        self.after_state = (
            AfterStateCritic(problem, config.critic_memory) if config.estimator == "after_state" else None
        )
        self._spread = torch.from_numpy(problem.policy_spread.astype(np.float32))
        # Values are learned as V − c − ℓ, in units that make outputs about 1.
        self._value_offset = problem.grid.cash + problem.model.liquidation_value

    def tabulate(self) -> Tabulation:
        """The policy now."""
        passed = self.policy(self._features)
        raw = passed[-1].view(*self._shape, RAW_OUTPUTS).cpu().numpy()
        distribution = Distribution.of(raw, self._bounds)
        modes = _product(distribution.modes[1:], self._spread)
        return Tabulation(passed, distribution, PolicyTables(modes, distribution.levels))

    def given_values(self) -> Array | None:
        """The value network's function where the estimator needs it: at R time nodes and all cash nodes, (R, M).

        With the returns as baseline these are all time nodes, else the bootstrap nodes; None where no network is needed.
        """
        if self._config.baseline == "exact" or self.after_state is not None:
            return None
        outputs = self.value(self._value_features)[-1].view(-1, self._problem.value_nodes.size).cpu().numpy()
        table: Array = self._value_offset + self._problem.value_scale * (outputs @ self._problem.value_spread)
        return table

    def values(self, tables: PolicyTables) -> Array:
        """The critic's function at all nodes, (K, M): the value network's, or what the after-state critic says of ``tables``."""
        if self.after_state is not None:
            return self.after_state.values(tables)
        outputs = self.value(self._inputs(self._problem.features))[-1].cpu().numpy().astype(np.float64)
        table: Array = self._value_offset + self._problem.value_scale * outputs.reshape(-1, self._value_offset.size)
        return table

    def learn(self, tabulation: Tabulation, estimate: GradientEstimate, progress: float) -> LearningFigures:
        """Take one step along the gradient; ``progress`` is the share of the run that is done, 0 to 1."""
        policy_loss, entropy, policy_norm = self._learn_policy(tabulation, estimate, progress)
        value_loss, value_norm = self._learn_values(estimate) if len(estimate.value_target) else (0.0, 0.0)
        return LearningFigures(policy_loss, value_loss, entropy, policy_norm, value_norm)

    def is_finite(self) -> bool:
        """Whether every parameter of both networks is a finite number."""
        return all(bool(torch.isfinite(network.parameters).all()) for network in (self.policy, self.value))

    def state(self) -> dict[str, Any]:
        """Networks, optimisers and what a critic remembers, for a checkpoint."""
        networks = {name: getattr(self, name).parameters for name in NETWORKS}
        critic = {} if self.after_state is None else {"after_state": self.after_state.state()}
        return networks | {name: getattr(self, name).state_dict() for name in OPTIMISERS} | critic

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        for name in NETWORKS:
            own, stored = getattr(self, name).parameters, state[name]
            if own.shape != stored.shape:
                raise ValueError(f"the {name} network has {own.numel()} parameters, not {stored.numel()}")
            own.copy_(stored)
        for name in OPTIMISERS:
            getattr(self, name).load_state_dict(state[name])
        if self.after_state is not None:
            self.after_state.load_state(state["after_state"])

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self._config.device)

    def _inputs(self, features: NDArray[Any]) -> Tensor:
        return self._tensor(features.reshape(-1, features.shape[-1]))

    def _learn_policy(
        self, tabulation: Tabulation, estimate: GradientEstimate, progress: float
    ) -> tuple[float, float, float]:
        config, distribution = self._config, tabulation.distribution
        raw, modes, log_modes = distribution.raw, distribution.modes, distribution.log_modes
        up_mode, up_level = self._direction(tabulation.tables, estimate)
        # A loss whose gradient is that of −J: the tables' gradients are constants here.
        by_mode, by_level = -self._to_nodes(up_mode), -up_level.astype(np.float32)
        loss = (modes * by_mode).sum() + (distribution.levels * by_level).sum()
        weight = self._to_nodes(estimate.visits / estimate.visits.sum())
        entropy = -(weight * (modes * log_modes).sum(axis=0)).sum()
        saturation = (weight * np.square(raw).mean(axis=-1)).sum()
        fading = config.entropy_weight * (1 - progress)
        objective = loss - fading * entropy + config.action_reg_weight * saturation
        by_raw = distribution.by_raw(by_mode + fading * weight * log_modes, by_level)
        by_raw += (config.action_reg_weight * 2 / RAW_OUTPUTS) * weight[..., None] * raw
        by_output = self._tensor(by_raw).view(-1, RAW_OUTPUTS)
        norm = self._step(self.policy_optimiser, self.policy.gradient(tabulation.passed, by_output))
        return float(objective), float(entropy), norm

    def _direction(self, tables: PolicyTables, estimate: GradientEstimate) -> tuple[Array, Array]:
        """What the tables should follow, per unit of cash: the gradient, entries of it lengthened (docs/design/estimators.md).

        An issue is judged by its gain given that something is issued: above its target "issue" is another name for holding,
        so nothing would keep its probability small there, and raising the target would then raise equity in states that do
        not need it. A level is judged by its gain a use, lest levels near the horizon and those of rare actions hardly
        learn. Both multiply entries by positive numbers, so what is optimal stays so; both would magnify sampled scores.
        """
        problem = self._problem
        by_mode, by_level = estimate.modes / problem.cash_unit, estimate.levels / problem.cash_unit
        if estimate.sampled:
            used = np.repeat(estimate.visits.sum(axis=1)[None], 2, axis=0)
        else:
            points = problem.log_points[: problem.grid.cash.size]
            mean, std = tables.levels[0::2, :, None], tables.levels[1::2, :, None]
            effect = ndtr((points - mean) / std)  # that a level is below cash, which is when paying changes something
            effect[ISSUE - 1] = 1 - effect[ISSUE - 1]
            by_mode[ISSUE] /= np.maximum(effect[ISSUE - 1], RAREST_EFFECT)
            used = (estimate.visits * np.maximum(tables.modes * effect, RAREST_USE)).sum(axis=2)
        share = np.divide(used.mean(axis=1, keepdims=True), used, out=np.zeros_like(used), where=used > 0)
        return by_mode, by_level * np.repeat(share, 2, axis=0)

    def _to_nodes(self, array: Array) -> NDArray[np.float32]:
        """A gradient with respect to a table (..., K, M) as one with respect to the network nodes, (..., K, N)."""
        return _product(array, self._spread.T)

    def _learn_values(self, estimate: GradientEstimate) -> tuple[float, float]:
        scaled = (estimate.value_target - self._value_offset) / self._problem.value_scale
        target = self._tensor(scaled[:, self._problem.value_nodes]).view(-1, 1)
        share: Tensor | float = 1 / target.numel()
        if estimate.value_weight is not None:
            weight = self._tensor(estimate.value_weight[:, self._problem.value_nodes]).view(-1, 1)
            share = weight / weight.sum()
        loss = norm = 0.0
        for step in range(VALUE_STEPS):
            passed = self.value(self._value_features)
            error = passed[-1] - target
            loss = loss if step else float((error.square() * share).sum())
            norm = self._step(self.value_optimiser, self.value.gradient(passed, error * (2 * share)))
        return loss * self._problem.value_scale**2, norm

    def _step(self, optimiser: Adam, gradient: Tensor) -> float:
        """Take a step, a gradient that is too long scaled down; its length as it was."""
        norm = float(torch.linalg.vector_norm(gradient))
        if norm > self._config.max_grad_norm:
            gradient.mul_(self._config.max_grad_norm / norm)
        optimiser.step(gradient)
        return norm


def _product(array: NDArray[Any], matrix: Tensor) -> NDArray[np.float32]:
    """``array`` (..., A) times ``matrix`` (A, B), by PyTorch, which keeps to the number of threads that it was given."""
    rows = torch.from_numpy(array.reshape(-1, array.shape[-1]).astype(np.float32))
    product: NDArray[np.float32] = (rows @ matrix).numpy().reshape(*array.shape[:-1], -1)
    return product


NETWORKS = ("policy", "value")
OPTIMISERS = ("policy_optimiser", "value_optimiser")
"""Attributes of a learner that a checkpoint holds."""
