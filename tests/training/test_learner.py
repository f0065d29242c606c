"""Learning from given gradients: each hyperparameter does what it says, and Adam is Adam."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_problems import small_problem

from ghm.training.adam import Adam
from ghm.training.config import TrainConfig
from ghm.training.estimator import GradientEstimate
from ghm.training.learner import ADAM_BETAS, Learner
from ghm.training.problem import DecisionProblem


@pytest.fixture(scope="module")
def problem() -> DecisionProblem:
    return small_problem(n_steps=6)


def no_gradient(problem: DecisionProblem) -> GradientEstimate:
    """An estimate that says nothing of the policy, and visits every node alike."""
    shape = (problem.grid.steps_to_go.size, problem.grid.cash.size)
    even = np.ones(shape) / np.prod(shape)
    return GradientEstimate(np.zeros((3, *shape)), np.zeros((4, shape[0])), even, np.full(shape, 5.0), even, 0.0)


def learner(problem: DecisionProblem, **settings: Any) -> Learner:
    return Learner(problem, TrainConfig(**({"entropy_weight": 0.0, "action_reg_weight": 0.0} | settings)))


def tilted(problem: DecisionProblem, **settings: Any) -> Learner:
    """A learner whose policy is far from even: logits, means and standard deviations off their middle."""
    one = learner(problem, **settings)
    with torch.no_grad():
        list(one.policy.parameters())[-1].copy_(torch.tensor([2.0, -1.0, 0.5, 1.5, -1.5, 1.0, 2.0]))
    return one


def bias_gradient(one: Learner) -> torch.Tensor:
    gradient = list(one.policy.parameters())[-1].grad
    assert gradient is not None
    return gradient


@pytest.mark.parametrize("with_gaps", [False, True])
def test_adam_equals_pytorchs_step_by_step(with_gaps: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    own, theirs = ([torch.zeros(5, 3, requires_grad=True)] for _ in range(2))
    adam, reference = Adam(own, 1e-2, ADAM_BETAS), torch.optim.Adam(theirs, 1e-2, ADAM_BETAS)
    wrong_parameters = [torch.zeros(5, 3, requires_grad=True)]
    wrong = torch.optim.Adam(wrong_parameters, 1e-2)  # the usual betas
    for step in range(50):
        gradient = torch.randn(5, 3, generator=generator) * 10.0 ** (2 - step / 10)
        for parameters in (own, theirs, wrong_parameters):
            parameters[0].grad = None if with_gaps and step == 0 else gradient.clone()
        for optimiser in (adam, reference, wrong):
            optimiser.step()
        if not with_gaps:  # a step without a gradient does not count in PyTorch's state of that parameter
            assert torch.allclose(own[0], theirs[0], rtol=1e-6, atol=1e-8)
    assert torch.isfinite(own[0]).all()
    assert not torch.allclose(own[0], wrong_parameters[0], rtol=1e-3)


def test_gradients_are_followed_upward(problem: DecisionProblem) -> None:
    one = learner(problem)
    before = one.tabulate()
    estimate = no_gradient(problem)
    estimate.modes[1] = 1e-4
    estimate.levels[0] = 1e-2
    one.learn(estimate, 0.0)
    after = one.tabulate()
    assert after.modes[0].mean() > before.modes[0].mean() + 1e-4
    assert after.levels[0].mean() > before.levels[0].mean() + 1e-3


def test_values_are_followed_to_their_target(problem: DecisionProblem) -> None:
    one = learner(problem)
    losses = [one.learn(no_gradient_after_tabulating(one, problem), 0.0).value_loss for _ in range(100)]
    assert losses[-1] < 0.01 * losses[0]


def no_gradient_after_tabulating(one: Learner, problem: DecisionProblem) -> GradientEstimate:
    one.tabulate()
    return no_gradient(problem)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradients_are_clipped_to_the_largest_norm(scale: float, problem: DecisionProblem) -> None:
    one = learner(problem, max_grad_norm=0.5)
    one.tabulate()
    estimate = no_gradient(problem)
    estimate.modes[1] = scale
    figures = one.learn(estimate, 0.0)
    norm = torch.sqrt(
        sum((p.grad.square().sum() for p in one.policy.parameters() if p.grad is not None), torch.zeros(()))
    )
    assert figures.policy_grad_norm > 0.5, "reported before clipping"
    assert float(norm) == pytest.approx(0.5, rel=1e-4)
    free = learner(problem, max_grad_norm=1e9)
    free.tabulate()
    assert free.learn(estimate, 0.0).policy_grad_norm == pytest.approx(figures.policy_grad_norm)


def test_entropy_bonus_is_on_the_modes_only_and_fades(problem: DecisionProblem) -> None:
    gradients = []
    for progress in (0.0, 0.5, 1.0):
        one = tilted(problem, entropy_weight=0.1, max_grad_norm=1e9)
        one.tabulate()
        one.learn(no_gradient(problem), progress)
        gradients.append(bias_gradient(one))
    first, half, last = gradients
    assert torch.all(first[:3].abs() > 1e-4)
    assert torch.all(first[3:] == 0), "levels get no bonus"
    assert first[0] > 0, "the likeliest mode becomes less likely"
    assert torch.allclose(half, first / 2, rtol=1e-5)
    assert torch.all(last == 0)


def test_saturation_is_penalised_in_every_raw_output(problem: DecisionProblem) -> None:
    one = tilted(problem, action_reg_weight=0.1, max_grad_norm=1e9)
    one.tabulate()
    one.learn(no_gradient(problem), 0.7)
    # The penalty is the mean square of seven raw outputs, each equal to its bias here.
    expected = 0.1 * 2 / 7 * torch.tensor([2.0, -1.0, 0.5, 1.5, -1.5, 1.0, 2.0])
    assert torch.allclose(bias_gradient(one), expected, rtol=1e-4)


def test_a_network_that_is_not_finite_is_seen(problem: DecisionProblem) -> None:
    one = learner(problem)
    assert one.is_finite()
    with torch.no_grad():
        next(iter(one.value.parameters()))[0, 0] = float("nan")
    assert not one.is_finite()


def test_an_estimate_that_is_not_finite_is_seen(problem: DecisionProblem) -> None:
    estimate = no_gradient(problem)
    assert estimate.is_finite()
    assert not replace(estimate, simulated_return=float("nan")).is_finite()
    for name in ("modes", "levels", "visits", "value_target"):
        damaged = getattr(estimate, name).copy()
        damaged.flat[3] = np.inf
        assert not replace(estimate, **{name: damaged}).is_finite(), name
