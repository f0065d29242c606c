"""Networks and their inputs."""

import numpy as np
import pytest
import torch

from ghm.model import GHMModel
from ghm.policy.networks import FEATURES, features, perceptron


@pytest.mark.parametrize(
    "model", [GHMModel(), GHMModel(sigma_x=0.0), GHMModel(sigma_a=0.0), GHMModel(c_max=1e-3), GHMModel(c_max=1e4)]
)
@pytest.mark.parametrize(("dt", "T"), [(0.01, 10.0), (1.0, 1.0), (1e-4, 0.1)])
def test_features_are_finite_and_within_one_at_all_edges(model: GHMModel, dt: float, T: float) -> None:
    cash = np.tile([0.0, 1e-12, model.c_max / 2, model.c_max], 3)
    time = np.repeat([dt, (dt + T) / 2, T], 4)
    x = features(model, dt, T, cash, time)
    assert x.shape == (12, FEATURES)
    assert np.all(np.isfinite(x))
    assert np.all(np.abs(x) <= 1 + 1e-12)


def test_features_tell_small_cash_apart_and_saturate_for_large() -> None:
    """Between no cash and the payout level of 0.19 lies what the firm decides; between 1.5 and 2.0 nothing happens."""
    x = features(GHMModel(), 0.01, 10.0, np.array([0.0, 0.19, 1.5, 2.0]), np.full(4, 10.0))
    assert np.abs(x[1] - x[0]).max() > 0.5
    assert abs(x[3, 1] - x[2, 1]) < 1e-4


def weights(seed: int) -> list[torch.Tensor]:
    network = perceptron((16, 8), 7, torch.Generator().manual_seed(seed))
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_weights_depend_on_the_generator_only() -> None:
    torch.manual_seed(1)
    first, before = weights(seed=5), torch.get_rng_state()
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, weights(seed=5), strict=True))
    assert not torch.equal(first[0], weights(seed=6)[0])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), before), "building a network must leave the global generator alone"


def test_shapes_and_start() -> None:
    network = perceptron((16, 8), 7, torch.Generator().manual_seed(0))
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(FEATURES, 16), (16, 8), (8, 7)]
    assert torch.equal(network(torch.randn(5, FEATURES)), torch.zeros(5, 7))
    rows = linear[1].weight  # 8 orthonormal rows of 16
    assert torch.allclose(rows @ rows.T, torch.eye(8), atol=1e-5)
