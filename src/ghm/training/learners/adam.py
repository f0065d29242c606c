"""Adam (Kingma and Ba 2015, algorithm 1), for parameters in one vector.

PyTorch's own optimiser is the same arithmetic, but making one imports PyTorch's compiler, more than a second of a trial whose
first iteration otherwise starts within two. The tests hold this one against it.
"""

import math
from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-8
"""Keeps the step finite where the gradient has always been zero."""


class Adam:
    """Moves parameters along their gradient, scaled by running moments.

    Args:
        parameters: what is moved, (P,); updated in place.
        learning_rate: length of a step, about, for each parameter.
        betas: decay a step of the running mean of gradients and of squared gradients.
    """

    def __init__(self, parameters: Tensor, learning_rate: float, betas: tuple[float, float]) -> None:
        self._parameters = parameters
        self._learning_rate, self._betas = learning_rate, betas
        self._steps = 0
        self._mean, self._square = torch.zeros_like(parameters), torch.zeros_like(parameters)

    def step(self, gradient: Tensor) -> None:
        """Take one step down ``gradient`` (P,)."""
        self._steps += 1
        beta_1, beta_2 = self._betas
        mean_scale, square_scale = 1 - beta_1**self._steps, math.sqrt(1 - beta_2**self._steps)
        self._mean.lerp_(gradient, 1 - beta_1)
        self._square.mul_(beta_2).addcmul_(gradient, gradient, value=1 - beta_2)
        # Numerator and denominator of the paper's step, both times the square's scale.
        scale = self._square.sqrt().add_(EPSILON * square_scale)
        self._parameters.addcdiv_(self._mean, scale, value=-self._learning_rate * square_scale / mean_scale)

    def state_dict(self) -> dict[str, Any]:
        """Steps and moments, for a checkpoint."""
        return {"steps": self._steps, "mean": self._mean, "square": self._square}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned.

        Raises:
            ValueError: when the moments do not fit the parameters.
        """
        self._steps = int(state["steps"])
        for own, stored in ((self._mean, state["mean"]), (self._square, state["square"])):
            if own.shape != stored.shape:
                raise ValueError("the optimiser's moments do not fit the networks")
            own.copy_(stored)
