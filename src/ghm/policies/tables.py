"""A policy as tables on the grid of states: what networks are turned into, and what simulators, sweeps and readers take."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PAYOUT_MEAN, PAYOUT_STD, ISSUE_MEAN, ISSUE_STD = range(4)
"""Rows of a table of levels."""


class PolicyTables(NamedTuple):
    """A policy tabulated on a grid of K times to horizon and M levels of cash; between nodes it is interpolated."""

    modes: NDArray[np.float32]
    """Probabilities of paying and of issuing, (2, K, M)."""
    levels: NDArray[np.float32]
    """Mean and standard deviation of B, then of I, (4, K)."""
