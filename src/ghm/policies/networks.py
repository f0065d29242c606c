"""The policy and value networks: multilayer perceptrons of features of the state (c, τ), with their gradients.

A network's gradient is the chain rule written out, a dozen matrix products. PyTorch's automatic one takes longer to find its
way through networks of this size than the products take; the tests hold this one against it.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ghm.economics.model import Array
from ghm.economics.problem import Problem

FEATURES = 4


def features(problem: Problem, cash: Array, time_to_horizon: Array) -> Array:
    """Features of N states, (N, 4), from cash and time to horizon in years, each (N,).

    - ln(1 + 4 c/κ) in [−1, 1]: what the firm does changes over the first shocks' worth of cash, not at c̄/2;
    - exp(−c/κ) in [−1, 1]: flat for large c, where the firm pays out and the value's slope is exactly 1;
    - ln τ and τ in [−1, 1].

    κ is half of what a year changes cash by from zero: the scale of cash buffers, whatever the calibration and the cash range.
    """
    model, dt, T = problem.model, problem.dt, problem.T
    scale = 0.5 * model.step_from_zero(1.0)
    log_cash = np.log1p(4 * cash / scale) / np.log1p(4 * model.c_max / scale)
    log_time = np.log(time_to_horizon / dt) / max(np.log(T / dt), 1.0)
    columns = [log_cash, np.exp(-cash / scale), log_time, time_to_horizon / T]
    return 2 * np.stack(columns, axis=-1) - 1


class Perceptron:
    """A network from `FEATURES` inputs through hidden tanh layers to linear outputs.

    Weights are drawn from ``generator`` alone (orthogonal: Saxe, McClelland and Ganguli 2014); the last layer starts at
    zero, so that at first every action is as likely as its bounds allow, in every state.

    Args:
        hidden: widths of the hidden layers.
        outputs: number of outputs.
        generator: draws the weights, on the CPU whatever the device.
        device: where the network lives.

    Attributes:
        parameters: all weights and biases, layer by layer, in one vector: optimisers and clipping need no more, (P,).
    """

    def __init__(self, hidden: Sequence[int], outputs: int, generator: torch.Generator, device: str = "cpu") -> None:
        shapes = [(below, above) for above, below in pairwise((FEATURES, *hidden, outputs))]
        self.parameters = torch.zeros(sum(above * (below + 1) for above, below in shapes), device=device)
        self._layers = _split(self.parameters, shapes)
        self._gradient = torch.empty_like(self.parameters)
        self._gradient_layers = _split(self._gradient, shapes)
        self._minus_one = torch.tensor(-1.0, device=device)
        for weight, _ in self._layers[:-1]:
            drawn = torch.empty(weight.shape)
            nn.init.orthogonal_(drawn, generator=generator)
            weight.copy_(drawn)

    def __call__(self, inputs: Tensor) -> list[Tensor]:
        """What every layer passes on, from the ``inputs`` (N, 4) themselves to the outputs (N, outputs)."""
        passed = [inputs]
        for weight, bias in self._layers:
            if len(passed) < len(self._layers):
                # tanh x = 2 S(2x) − 1, S the logistic function: PyTorch's tanh takes three times as long.
                doubled = torch.addmm(bias, passed[-1], weight.T, beta=2, alpha=2)
                passed.append(torch.add(self._minus_one, doubled.sigmoid_(), alpha=2))
            else:
                passed.append(torch.addmm(bias, passed[-1], weight.T))
        return passed

    def gradient(self, passed: Sequence[Tensor], by_output: Tensor) -> Tensor:
        """Gradient with respect to the parameters, (P,), of what has the gradient ``by_output`` (N, outputs).

        The next call writes over it.

        Args:
            passed: what calling the network returned.
            by_output: gradient with respect to the outputs.
        """
        for i in range(len(self._layers) - 1, -1, -1):
            by_weight, by_bias = self._gradient_layers[i]
            # This way round, as the library takes eight times as long for the narrow product the other way.
            by_weight.copy_((passed[i].T @ by_output).T)
            torch.sum(by_output, 0, out=by_bias)
            if i:
                by_output = torch.ops.aten.tanh_backward(by_output @ self._layers[i][0], passed[i])
        return self._gradient


def _split(vector: Tensor, shapes: Sequence[tuple[int, int]]) -> list[tuple[Tensor, Tensor]]:
    """Views of the weights and biases that make up ``vector``."""
    sizes = [size for above, below in shapes for size in (above * below, above)]
    pieces = torch.split(vector, sizes)
    return [(pieces[2 * i].view(shape), pieces[2 * i + 1]) for i, shape in enumerate(shapes)]
