"""The action distribution by PyTorch, whose automatic gradient the written-out one is held against."""

import numpy as np
import torch
from torch import Tensor

from ghm.policies.distribution import LevelBounds


def torch_distribution(raw: Tensor, bounds: LevelBounds) -> tuple[Tensor, Tensor]:
    """Logarithms of the mode probabilities, (3, K, M), and the levels, (4, K), differentiable in raw outputs (K, M, 7)."""
    log_modes = torch.log_softmax(6 * torch.tanh(raw[..., :3] / 6), dim=-1).permute(2, 0, 1)
    payout, issue = torch.sigmoid(raw[:, -1, 3:5]), torch.sigmoid(raw[:, 0, 5:7])

    def mean(share: Tensor, lower: float, upper: float) -> Tensor:
        return float(np.log(lower)) + float(np.log(upper / lower)) * share[:, 0]

    rows = [
        mean(payout, bounds.payout_lower, bounds.payout_upper),
        torch.exp(-3 + 3 * payout[:, 1]),
        mean(issue, bounds.issue_lower, bounds.issue_upper),
        torch.exp(-3 + 3 * issue[:, 1]),
    ]
    return log_modes, torch.stack(rows)
