"""Adam (Kingma and Ba 2015, algorithm 1), for parameters whose gradients are set.

PyTorch's own optimiser is the same arithmetic, but making one imports PyTorch's compiler, more than a second of a trial whose
first iteration otherwise starts within two. The tests hold this one against it.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-8
"""Keeps the step finite where the gradient has always been zero."""


class Adam:
    """Moves parameters along their gradients, scaled by running moments.

    Args:
        parameters: what is moved; updated in place.
        learning_rate: length of a step, about, for each parameter.
        betas: decay a step of the running mean of gradients and of squared gradients.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, betas: tuple[float, float]) -> None:
        self._parameters = list(parameters)
        self._learning_rate, self._betas = learning_rate, betas
        self._steps = 0
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Take one step; parameters without a gradient stay."""
        self._steps += 1
        beta_1, beta_2 = self._betas
        mean_scale, square_scale = 1 - beta_1**self._steps, math.sqrt(1 - beta_2**self._steps)
        for parameter, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
            if parameter.grad is not None:
                mean.lerp_(parameter.grad, 1 - beta_1)
                square.mul_(beta_2).addcmul_(parameter.grad, parameter.grad, value=1 - beta_2)
                scale = (square.sqrt() / square_scale).add_(EPSILON)
                parameter.addcdiv_(mean, scale, value=-self._learning_rate / mean_scale)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Steps and moments, for a checkpoint."""
        return {"steps": self._steps, "means": self._means, "squares": self._squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned.

        Raises:
            ValueError: when the moments do not fit the parameters.
        """
        self._steps = int(state["steps"])
        for own, stored in ((self._means, state["means"]), (self._squares, state["squares"])):
            if [tensor.shape for tensor in own] != [tensor.shape for tensor in stored]:
                raise ValueError("the optimiser's moments do not fit the networks")
            for tensor, value in zip(own, stored, strict=True):
                tensor.copy_(value)
