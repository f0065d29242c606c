"""Learning from given gradients: each hyperparameter does what it says, and Adam is Adam."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from policies.torch_distribution import torch_distribution
from policies.torch_network import as_torch, flat_gradient
from small_problems import small_problem

from ghm.economics.model import Array
from ghm.policies.distribution import RAW_OUTPUTS, LevelBounds
from ghm.training.learners.adam import Adam
from ghm.training.learners.estimator import GradientEstimate
from ghm.training.learners.learner import ADAM_BETAS, VALUE_STEPS, Learner
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig


@pytest.fixture(scope="module")
def problem() -> GriddedProblem:
    """Long enough for returns to be bootstrapped."""
    built = small_problem(n_steps=40)
    assert built.bootstrap_nodes.size
    return built


def given_values(one: Learner) -> Array:
    """What the estimator is given, at the bootstrap nodes, (R, M)."""
    values = one.given_values()
    assert values is not None
    return values


def no_gradient(problem: GriddedProblem, visits: Array | None = None) -> GradientEstimate:
    """An estimate that says nothing of the policy, and visits every node alike unless told otherwise."""
    shape = (problem.grid.steps_to_go.size, problem.grid.cash.size)
    counted = np.ones(shape) if visits is None else visits
    target = np.full((problem.bootstrap_nodes.size, shape[1]), 5.0)
    return GradientEstimate(np.zeros((3, *shape)), np.zeros((4, shape[0])), counted, target, 0.0)


def concentrated(problem: GriddedProblem) -> Array:
    """Visits of few nodes, (K, M): little cash, and far from the horizon."""
    grid = problem.grid
    return np.exp(-10 * grid.cash) * (grid.steps_to_go[:, None] / grid.n_steps) ** 3


def learner(problem: GriddedProblem, **settings: Any) -> Learner:
    return Learner(problem, TrainConfig(**({"entropy_weight": 0.0, "action_reg_weight": 0.0} | settings)))


def tilted(problem: GriddedProblem, **settings: Any) -> Learner:
    """A learner whose policy is far from even, and another in every state."""
    one = learner(problem, **settings)
    generator = torch.Generator().manual_seed(4)
    one.policy.parameters.add_(0.3 * torch.randn(one.policy.parameters.shape, generator=generator))
    one.policy.parameters[-RAW_OUTPUTS:] = torch.tensor([2.0, -1.0, 0.5, 1.5, -1.5, 1.0, 2.0])
    return one


def followed(optimiser: Adam, learn: Callable[[], Any]) -> list[torch.Tensor]:
    """The gradients that an optimiser is given while learning, in order."""
    seen = []

    def note(gradient: torch.Tensor) -> None:
        seen.append(gradient.clone())

    with patch.object(optimiser, "step", note):
        learn()
    return seen


def policy_gradient(
    problem: GriddedProblem, estimate: GradientEstimate, progress: float = 0.0, **settings: Any
) -> Array:
    """What the policy's optimiser is given by a tilted learner, in double precision."""
    one = tilted(problem, max_grad_norm=1e9, **settings)
    (gradient,) = followed(one.policy_optimiser, lambda: one.learn(one.tabulate(), estimate, progress))
    return gradient.double().numpy()


def added(problem: GriddedProblem, estimate: GradientEstimate, progress: float = 0.0, **settings: Any) -> Array:
    """What these settings alone add to it."""
    return policy_gradient(problem, estimate, progress, **settings) - policy_gradient(problem, estimate, progress)


def by_autograd(problem: GriddedProblem, estimate: GradientEstimate, term: str, weighted: bool = True) -> Array:
    """Gradient of minus the mean entropy, or of the mean square of raw outputs, over visits at the policy's nodes."""
    network = as_torch(tilted(problem).policy)
    nodes = problem.policy_nodes
    inputs = torch.from_numpy(problem.features[:, nodes].reshape(-1, problem.features.shape[-1]))
    raw = network(inputs).view(problem.grid.steps_to_go.size, nodes.size, RAW_OUTPUTS)
    log_modes, _ = torch_distribution(raw, LevelBounds.of(problem.model, problem.grid.dt))
    measure = (log_modes.exp() * log_modes).sum(0) if term == "entropy" else raw.square().mean(-1)
    # A visit between two policy nodes belongs to both, by its distance.
    spread = np.stack([np.interp(problem.grid.cash, problem.grid.cash[nodes], row) for row in np.eye(nodes.size)])
    visits = estimate.visits if weighted else np.ones_like(estimate.visits)
    weight = torch.from_numpy((visits @ spread.T / visits.sum()).astype(np.float32))
    (weight * measure).sum().backward()
    return flat_gradient(network).double().numpy()


def test_adam_equals_pytorchs_step_by_step() -> None:
    generator = torch.Generator().manual_seed(1)
    own, theirs, wrong = (torch.zeros(15, requires_grad=name != "own") for name in ("own", "theirs", "wrong"))
    adam, reference = Adam(own, 1e-2, ADAM_BETAS), torch.optim.Adam([theirs], 1e-2, ADAM_BETAS)
    usual = torch.optim.Adam([wrong], 1e-2)  # the wrong variant: the usual betas
    for step in range(50):
        gradient = torch.randn(15, generator=generator) * 10.0 ** (2 - step / 10)
        gradient[3] = 0.0
        adam.step(gradient)
        for optimiser, parameter in ((reference, theirs), (usual, wrong)):
            parameter.grad = gradient.clone()
            optimiser.step()
        assert torch.allclose(own, theirs, rtol=1e-6, atol=1e-8)
    assert own[3] == 0.0
    assert not torch.allclose(own, wrong, rtol=1e-3)


def test_adam_goes_on_from_its_state() -> None:
    def trained(*, restart: int | None) -> torch.Tensor:
        generator, parameters = torch.Generator().manual_seed(1), torch.zeros(5)
        adam = Adam(parameters, 1e-2, ADAM_BETAS)
        for step in range(20):
            if step == restart:
                state = {
                    key: value.clone() if isinstance(value, torch.Tensor) else value
                    for key, value in adam.state_dict().items()
                }
                adam = Adam(parameters, 1e-2, ADAM_BETAS)
                adam.load_state_dict(state)
            adam.step(torch.randn(5, generator=generator))
        return parameters

    assert torch.equal(trained(restart=7), trained(restart=None))
    with pytest.raises(ValueError, match="do not fit"):
        Adam(torch.zeros(4), 1e-2, ADAM_BETAS).load_state_dict(Adam(torch.zeros(5), 1e-2, ADAM_BETAS).state_dict())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_followed_upward(sign: float, problem: GriddedProblem) -> None:
    one, still = (learner(problem) for _ in range(2))
    estimate = no_gradient(problem)
    estimate.modes[1] = sign
    estimate.levels[0] = sign
    one.learn(one.tabulate(), estimate, 0.0)
    still.learn(still.tabulate(), no_gradient(problem), 0.0)
    after, unmoved = one.tabulate().tables, still.tabulate().tables
    assert sign * (after.modes[0].mean() - unmoved.modes[0].mean()) > 1e-4
    assert sign * (after.levels[0].mean() - unmoved.levels[0].mean()) > 1e-3


def test_values_are_followed_to_the_swept_ones(problem: GriddedProblem) -> None:
    one, targets = learner(problem), no_gradient(problem)
    grid = problem.grid
    targets.value_target[:] = problem.model.liquidation_value + 1.1 * grid.cash + 0.1 * np.sqrt(grid.cash + 0.05)
    losses = [one.learn(one.tabulate(), targets, 0.0).value_loss for _ in range(150)]
    assert losses[-1] < 0.01 * losses[0]
    error = np.abs(given_values(one) - targets.value_target)
    assert np.sqrt(np.mean(error**2)) < 0.01
    assert one.values(one.tabulate().tables)[problem.bootstrap_nodes][:, problem.value_nodes] == pytest.approx(
        given_values(one)[:, problem.value_nodes], abs=1e-5
    )


def test_the_value_networks_gradient_is_that_of_its_mean_square_error(problem: GriddedProblem) -> None:
    """Against PyTorch, in units of the value's scale, for the first step; targets that are off by a little are told apart."""
    one, estimate = learner(problem, max_grad_norm=1e9), no_gradient(problem)
    estimate.value_target[:] += np.linspace(0.0, 0.5, problem.grid.cash.size)
    network = as_torch(one.value)
    found = followed(one.value_optimiser, lambda: one.learn(one.tabulate(), estimate, 0.0))
    assert len(found) == VALUE_STEPS
    rows = problem.features[problem.bootstrap_nodes][:, problem.value_nodes]
    offset = problem.grid.cash + problem.model.liquidation_value
    for shift, equal in ((0.0, True), (1e-2, False)):
        network.zero_grad()
        scaled = (estimate.value_target + shift - offset)[:, problem.value_nodes] / problem.value_scale
        outputs = network(torch.from_numpy(rows.reshape(-1, rows.shape[-1])))
        torch.nn.functional.mse_loss(outputs, torch.from_numpy(scaled.astype(np.float32)).reshape(-1, 1)).backward()
        expected = flat_gradient(network)
        assert torch.allclose(found[0], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max())) == equal


@pytest.mark.parametrize(("name", "rate"), [("policy", "lr_policy"), ("value", "lr_baseline")])
def test_each_network_learns_at_its_own_rate(name: str, rate: str, problem: GriddedProblem) -> None:
    """Adam's first step is the learning rate itself in every parameter whose gradient is not next to zero."""
    rates = {"lr_policy": 3e-4, "lr_baseline": 7e-3}
    one = learner(problem, **rates)
    before = getattr(one, name).parameters.clone()
    estimate = no_gradient(problem)
    estimate.modes[1] = 1.0
    with patch("ghm.training.learners.learner.VALUE_STEPS", 1):
        one.learn(one.tabulate(), estimate, 0.0)
    moved = (getattr(one, name).parameters - before).abs()
    assert float(moved.max()) == pytest.approx(rates[rate], rel=1e-3)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradients_are_clipped_to_the_largest_norm(scale: float, problem: GriddedProblem) -> None:
    estimate = no_gradient(problem)
    estimate.modes[1] = scale
    estimate.value_target[:] += 1e3
    reported, directions = [], []
    for largest in (0.5, 1e9):
        one = learner(problem, max_grad_norm=largest)
        policy = followed(
            one.policy_optimiser, lambda one=one: reported.append(one.learn(one.tabulate(), estimate, 0.0))
        )  # type: ignore[misc]
        other = learner(problem, max_grad_norm=largest)
        value = followed(other.value_optimiser, lambda other=other: other.learn(other.tabulate(), estimate, 0.0))  # type: ignore[misc]
        directions.append((policy[0], value[0]))
    for clipped, free in zip(*directions, strict=True):
        assert float(clipped.norm()) == pytest.approx(0.5, rel=1e-4)
        assert torch.allclose(clipped / clipped.norm(), free / free.norm(), atol=1e-5), "scaled down, not cut"
    assert reported[0].policy_grad_norm == pytest.approx(reported[1].policy_grad_norm, rel=1e-5), (
        "reported before clipping"
    )
    assert reported[0].policy_grad_norm == pytest.approx(float(directions[1][0].norm()), rel=1e-5)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize(("term", "setting"), [("entropy", "entropy_weight"), ("saturation", "action_reg_weight")])
def test_entropy_and_saturation_are_weighted_by_visits(
    term: str, setting: str, even: bool, problem: GriddedProblem
) -> None:
    """Against PyTorch's own gradient of the weighted mean; without the weights it is another one, unless visits are even."""
    estimate = no_gradient(problem, None if even else concentrated(problem))
    found = added(problem, estimate, **{setting: 1.0})
    expected, unweighted = (by_autograd(problem, estimate, term, weighted) for weighted in (True, False))
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 1e-3 * scale
    assert (np.abs(found - unweighted).max() > 0.05 * scale) == (not even)


def test_entropy_bonus_is_on_the_modes_only_and_fades(problem: GriddedProblem) -> None:
    first, half, last = (
        added(problem, no_gradient(problem), progress, entropy_weight=1.0) for progress in (0.0, 0.5, 1.0)
    )
    by_bias = first[-RAW_OUTPUTS:]
    assert np.all(np.abs(by_bias[:3]) > 1e-4)
    assert np.all(np.abs(by_bias[3:]) < 1e-6), "levels get no bonus"
    assert by_bias[0] > 0, "the likeliest mode becomes less likely"
    assert half == pytest.approx(first / 2, abs=1e-5)
    assert last == pytest.approx(0.0, abs=1e-6)


def test_saturation_is_penalised_in_every_raw_output_to_the_end(problem: GriddedProblem) -> None:
    start, end = (added(problem, no_gradient(problem), progress, action_reg_weight=1.0) for progress in (0.0, 0.7))
    assert np.all(np.abs(end[-RAW_OUTPUTS:]) > 1e-3)
    assert end == pytest.approx(start, abs=1e-5)


def test_tabulating_leaves_no_state_behind(problem: GriddedProblem) -> None:
    """What is learned depends on the tabulation given, not on the one made last."""
    found = []
    for others in (0, 2):
        one = tilted(problem, entropy_weight=0.1)
        tabulation = one.tabulate()
        for _ in range(others):
            one.tabulate()
        one.learn(tabulation, no_gradient(problem), 0.0)
        found.append(one.policy.parameters.clone())
    assert torch.equal(*found)


def test_a_table_kept_is_not_changed_by_learning(problem: GriddedProblem) -> None:
    one = tilted(problem)
    tabulation = one.tabulate()
    modes, levels = (array.copy() for array in tabulation.tables)
    estimate = no_gradient(problem)
    estimate.modes[1] = 1.0
    one.learn(tabulation, estimate, 0.0)
    assert np.array_equal(tabulation.tables.modes, modes)
    assert np.array_equal(tabulation.tables.levels, levels)
    assert not np.array_equal(one.tabulate().tables.modes, modes)


def test_state_is_complete(problem: GriddedProblem) -> None:
    one, other = tilted(problem, seed=1), learner(problem, seed=2)
    estimate = no_gradient(problem)
    estimate.modes[1] = 1.0
    one.learn(one.tabulate(), estimate, 0.0)
    other.load_state(one.state())
    for network in (one, other):
        network.learn(network.tabulate(), estimate, 0.5)
    assert torch.equal(one.policy.parameters, other.policy.parameters)
    assert torch.equal(one.value.parameters, other.value.parameters)
    with pytest.raises(ValueError, match="the policy network has"):
        learner(problem, policy_hidden=(5,)).load_state(one.state())


def test_a_network_that_is_not_finite_is_seen(problem: GriddedProblem) -> None:
    one = learner(problem)
    assert one.is_finite()
    one.value.parameters[0] = float("nan")
    assert not one.is_finite()


def test_an_estimate_that_is_not_finite_is_seen(problem: GriddedProblem) -> None:
    estimate = no_gradient(problem)
    assert estimate.is_finite()
    assert not replace(estimate, simulated_return=float("nan")).is_finite()
    for name in ("modes", "levels", "visits", "value_target"):
        damaged = getattr(estimate, name).copy()
        damaged.flat[3] = np.inf
        assert not replace(estimate, **{name: damaged}).is_finite(), name
