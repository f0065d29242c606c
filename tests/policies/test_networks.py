"""Networks and their inputs."""

import numpy as np
import pytest
import torch
from policies.torch_network import as_torch, flat_gradient

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.policies.networks import FEATURES, Perceptron, features


@pytest.mark.parametrize(
    "model", [GHMModel(), GHMModel(sigma_x=0.0), GHMModel(sigma_a=0.0), GHMModel(c_max=1e-3), GHMModel(c_max=1e4)]
)
@pytest.mark.parametrize(("dt", "T"), [(0.01, 10.0), (1.0, 1.0), (1e-4, 0.1)])
def test_features_are_finite_and_within_one_at_all_edges(model: GHMModel, dt: float, T: float) -> None:
    cash = np.tile([0.0, 1e-12, model.c_max / 2, model.c_max], 3)
    time = np.repeat([dt, (dt + T) / 2, T], 4)
    x = features(Problem(model, dt, T), cash, time)
    assert x.shape == (12, FEATURES)
    assert np.all(np.isfinite(x))
    assert np.all(np.abs(x) <= 1 + 1e-12)


def test_features_tell_small_cash_apart_and_saturate_for_large() -> None:
    """Between no cash and the payout level of 0.19 lies what the firm decides; between 1.5 and 2.0 nothing happens."""
    x = features(Problem(GHMModel(), 0.01, 10.0), np.array([0.0, 0.19, 1.5, 2.0]), np.full(4, 10.0))
    assert np.abs(x[1] - x[0]).max() > 0.5
    assert abs(x[3, 1] - x[2, 1]) < 1e-4


def network(seed: int, hidden: tuple[int, ...] = (16, 8), outputs: int = 7) -> Perceptron:
    return Perceptron(hidden, outputs, torch.Generator().manual_seed(seed))


def anywhere(hidden: tuple[int, ...], outputs: int) -> Perceptron:
    """A network whose every weight and bias is away from its start."""
    one = network(1, hidden, outputs)
    one.parameters.add_(0.5 * torch.randn(one.parameters.shape, generator=torch.Generator().manual_seed(2)))
    return one


def test_weights_depend_on_the_generator_only() -> None:
    torch.manual_seed(1)
    first, before = network(seed=5).parameters, torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, network(seed=5).parameters)
    assert not torch.equal(first, network(seed=6).parameters)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), before), "building a network must leave the global generator alone"


def test_shapes_and_start() -> None:
    one = network(0)
    linear = [layer for layer in as_torch(one) if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(FEATURES, 16), (16, 8), (8, 7)]
    assert one.parameters.numel() == sum(layer.weight.numel() + layer.bias.numel() for layer in linear)
    assert torch.equal(one(torch.randn(5, FEATURES))[-1], torch.zeros(5, 7))
    rows = linear[1].weight  # 8 orthonormal rows of 16
    assert torch.allclose(rows @ rows.T, torch.eye(8), atol=1e-5)
    assert not any(layer.bias.any() for layer in linear)


SHAPES = [((16, 8), 7), ((5,), 1), ((64, 64), 7), ((9, 8, 7), 3)]


@pytest.mark.parametrize(("hidden", "outputs"), SHAPES)
@pytest.mark.parametrize("n", [1, 300])
def test_values_and_gradient_equal_pytorchs(hidden: tuple[int, ...], outputs: int, n: int) -> None:
    """To single precision, with weights of order one; layers of another activation are told apart."""
    one = anywhere(hidden, outputs)
    generator = torch.Generator().manual_seed(3)
    inputs, by_output = (torch.randn(n, width, generator=generator) for width in (FEATURES, outputs))
    given = inputs.clone()
    passed = one(inputs)
    assert torch.equal(inputs, given), "inputs are used again at the next iteration"
    assert [layer.shape[1] for layer in passed] == [FEATURES, *hidden, outputs]
    gradient = one.gradient(passed, by_output)
    for activation, equal in ((torch.nn.Tanh, True), (torch.nn.Softsign, False)):
        reference = as_torch(one, activation)
        values = reference(inputs)
        found, size = passed[-1].detach(), float(values.detach().abs().max())
        (values * by_output).sum().backward()
        expected = flat_gradient(reference)
        assert torch.allclose(found, values, atol=1e-5 * size) == equal
        assert torch.allclose(gradient, expected, atol=1e-5 * float(expected.abs().max())) == equal


def test_the_gradient_is_that_of_the_parameters_place_by_place() -> None:
    """The wrong variant of the comparison: weights of one layer transposed, which have the same size."""
    one = anywhere((8, 8), 8)
    passed, by_output = one(torch.randn(50, FEATURES, generator=torch.Generator().manual_seed(3))), torch.randn(50, 8)
    gradient = one.gradient(passed, by_output)
    moved = gradient.clone()
    square = slice(8 * (FEATURES + 1), 8 * (FEATURES + 1) + 64)
    moved[square] = moved[square].view(8, 8).T.reshape(-1)
    assert not torch.allclose(gradient, moved, rtol=1e-2)
    reference = as_torch(one)
    (reference(passed[0]) * by_output).sum().backward()
    assert torch.allclose(gradient, flat_gradient(reference), atol=1e-4)


def test_saturated_units_have_finite_gradients() -> None:
    one = anywhere((16, 8), 7)
    one.parameters.mul_(1e3)
    passed = one(torch.randn(20, FEATURES))
    assert all(bool(torch.isfinite(layer).all()) for layer in passed)
    assert bool(torch.isfinite(one.gradient(passed, torch.ones(20, 7))).all())


def test_parameters_are_one_vector_that_the_layers_look_into() -> None:
    one = network(3)
    inputs = torch.randn(4, FEATURES)
    one.parameters[-7:] = torch.arange(7.0)
    assert torch.equal(one(inputs)[-1], torch.arange(7.0).expand(4, 7))
