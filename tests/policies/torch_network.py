"""A network of the package as PyTorch's own layers, with the same weights: its values and automatic gradients are the truth."""

import torch
from torch import Tensor, nn

from ghm.policies.networks import Perceptron


def as_torch(network: Perceptron, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """The same network of ``torch.nn`` layers; ``activation`` makes a wrong variant."""
    layers: list[nn.Module] = []
    for weight, bias in network._layers:
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def flat_gradient(network: nn.Sequential) -> Tensor:
    """The gradients of all parameters, layer by layer, weights before biases, in one vector."""
    return torch.cat([parameter.grad.ravel() for parameter in network.parameters() if parameter.grad is not None])
