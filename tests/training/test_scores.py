"""Sums over the steps to come, against their definition."""

import numpy as np
import pytest

from ghm.training.learners.scores import sum_backward


@pytest.mark.parametrize("exclusive", [False, True])
def test_discounted_sums_over_later_steps(exclusive: bool) -> None:
    rewards, last, discount = np.random.default_rng(1).normal(size=(5, 3)), np.array([1.0, -2.0, 0.5]), 0.9
    found = np.empty_like(rewards)
    sum_backward(rewards, last, discount, exclusive, found)
    for t in range(5):
        steps = range(t + exclusive, 5)
        expected = sum(discount ** (j - t) * rewards[j] for j in steps) + discount ** (5 - t) * last
        np.testing.assert_allclose(found[t], expected, rtol=1e-12)
    in_place = rewards.copy()
    sum_backward(in_place, last, discount, exclusive, in_place)
    np.testing.assert_allclose(in_place, found, rtol=1e-14)
