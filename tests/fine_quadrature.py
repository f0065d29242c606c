"""Expectations over a drawn level by a thousand midpoints, where the reference uses 31 Gauss-Hermite points.

A level that may be 0 has a kink there, and c̄ is another: Gauss-Hermite quadrature, made for smooth functions, then errs by
1e-4 and, where V jumps at zero cash, by up to 1e-2. Midpoints err by the square of their distance: 3e-6 in the tests' worst
problem.
"""

import contextlib
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from scipy.stats import norm

from ghm.economics.model import Array

POINTS = 1000
REACH = 7.0
"""Standard deviations covered; the probability beyond is 3e-12."""


@contextlib.contextmanager
def fine_quadrature() -> Iterator[None]:
    """The reference's randomised policy values by midpoints while the context lasts."""

    def midpoints(_points: int) -> tuple[Array, Array]:
        edges = np.linspace(-REACH, REACH, POINTS + 1)
        z = (edges[1:] + edges[:-1]) / 2
        return z, norm.pdf(z)

    with patch("numpy.polynomial.hermite_e.hermegauss", midpoints):
        yield
