"""The policy and value networks: multilayer perceptrons of features of the state (c, τ)."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from ghm.model import Array, GHMModel

FEATURES = 4


def features(model: GHMModel, dt: float, T: float, cash: Array, time_to_horizon: Array) -> Array:
    """Features of N states, (N, 4), from cash and time to horizon in years, each (N,).

    - ln(1 + 4 c/κ) in [−1, 1]: what the firm does changes over the first shocks' worth of cash, not at c̄/2;
    - exp(−c/κ) in [−1, 1]: flat for large c, where the firm pays out and the value's slope is exactly 1;
    - ln τ and τ in [−1, 1].

    κ is the distance that the transitory shock covers in a year: the scale of cash buffers, whatever the calibration.
    """
    scale = max(model.sigma_x, 0.05 * model.sigma_a * model.c_max, 1e-3 * model.c_max)
    log_cash = np.log1p(4 * cash / scale) / np.log1p(4 * model.c_max / scale)
    log_time = np.log(time_to_horizon / dt) / max(np.log(T / dt), 1.0)
    columns = [log_cash, np.exp(-cash / scale), log_time, time_to_horizon / T]
    return 2 * np.stack(columns, axis=-1) - 1


def perceptron(hidden: tuple[int, ...], outputs: int, generator: torch.Generator) -> nn.Sequential:
    """A network from `FEATURES` inputs through ``hidden`` tanh layers to ``outputs``.

    Weights are drawn from ``generator`` alone (orthogonal: Saxe, McClelland and Ganguli 2014); the last layer starts at
    zero, so that at first every action is as likely as its bounds allow, in every state.
    """
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise((FEATURES, *hidden)):
        layer = _linear(width_in, width_out)
        nn.init.orthogonal_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    last = _linear(hidden[-1], outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer without values yet: its usual ones would be drawn from, and change, the global generator."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    assert isinstance(layer, nn.Linear)
    return layer
