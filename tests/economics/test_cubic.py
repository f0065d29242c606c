"""The cubic between nodes, beside parabolas, which it is, and SciPy's piecewise cubic with the same slopes."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from ghm.economics.cubic import Cubic

NODES = np.array([0.0, 0.1, 0.15, 0.4, 0.5, 1.1])
POINTS = np.linspace(0.0, 1.1, 241)


def test_a_parabola_is_itself_to_both_ends() -> None:
    found = Cubic.through(NODES, 1.0 - 3.0 * NODES + 2.0 * NODES**2)
    np.testing.assert_allclose(found.slopes, -3.0 + 4.0 * NODES, atol=1e-13)
    np.testing.assert_allclose(found(POINTS), 1.0 - 3.0 * POINTS + 2.0 * POINTS**2, atol=1e-13)


@pytest.mark.parametrize("shape", [(241,), (1, 241), (241, 1)])
def test_between_nodes_it_is_the_cubic_with_the_parabolas_slopes(shape: tuple[int, ...]) -> None:
    values = np.sin(5 * NODES)
    found = Cubic.through(NODES, values)
    parabolas = [np.polyfit(NODES[j - 1 : j + 2], values[j - 1 : j + 2], 2) for j in range(1, NODES.size - 1)]
    places = np.clip(np.arange(NODES.size), 1, NODES.size - 2) - 1
    slopes = [np.polyval(np.polyder(parabolas[place]), node) for place, node in zip(places, NODES, strict=True)]
    np.testing.assert_allclose(found.slopes, slopes, atol=1e-12)
    expected = CubicHermiteSpline(NODES, values, slopes)(POINTS)
    np.testing.assert_allclose(found(POINTS.reshape(shape)), expected.reshape(shape), atol=1e-12)
    np.testing.assert_allclose(found(POINTS[::-1]), expected[::-1], atol=1e-12)
