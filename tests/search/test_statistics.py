"""Figures over instances: against SciPy, against closed forms, and their intervals' coverage against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from ghm.search.decisions.statistics import (
    aggregate,
    bootstrap_interval,
    interquartile_mean,
    probability_of_improvement,
    rank_correlation,
)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 11])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n: int) -> None:
    values = np.random.default_rng(n).standard_normal(n)
    assert interquartile_mean(values.tolist()) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-15)


def test_aggregates() -> None:
    values = [0.9, 0.1, 0.8, 0.7]
    assert aggregate(values, "mean") == pytest.approx(0.625)
    assert aggregate(values, "iqm") == pytest.approx(0.75)
    assert aggregate(values, "worst") == 0.1


def covered(narrowing: float, repeats: int = 400) -> float:
    """Share of samples of ten seeds whose interval, made narrower by a factor, holds the true centre."""
    generator, hits = np.random.default_rng(3), 0
    for _ in range(repeats):
        sample = generator.standard_normal(10)
        interval = bootstrap_interval([sample.tolist()])
        assert interval is not None
        middle, reach = (interval[0] + interval[1]) / 2, (interval[1] - interval[0]) / 2
        hits += abs(middle) <= narrowing * reach
    return hits / repeats


def test_the_intervals_coverage() -> None:
    # Percentile intervals of ten values cover somewhat less than 95%; the standard error of 400 repeats is 0.015.
    assert 0.85 < covered(1.0) < 0.97
    assert covered(0.5) < 0.8, "a twin half as wide must be found out"


def test_seeds_are_drawn_within_their_calibration() -> None:
    """Two calibrations far apart, no spread within: a bootstrap over all values would mix them."""
    interval = bootstrap_interval([[0.0] * 5, [1.0] * 5])
    assert interval == (0.5, 0.5)
    assert bootstrap_interval([[0.3], [0.4]]) is None


def test_the_probability_of_improvement_is_the_mann_whitney_statistic() -> None:
    first, second = np.random.default_rng(0).normal([0.4, 0.0], 1.0, (7, 2)).T
    expected = stats.mannwhitneyu(first, second).statistic / 49
    assert probability_of_improvement([first.tolist()], [second.tolist()]) == pytest.approx(expected)
    assert probability_of_improvement([[1.0, 1.0]], [[1.0]]) == 0.5
    assert probability_of_improvement([[]], [[1.0]]) is None


def test_rank_correlation_and_its_interval() -> None:
    generator = np.random.default_rng(1)
    before = generator.standard_normal(30)
    after = before + generator.standard_normal(30)
    found = rank_correlation(before.tolist(), after.tolist())
    assert found is not None
    assert found[0] == pytest.approx(stats.spearmanr(before, after).statistic)
    z = 1.959964 * math.sqrt(1.06 / 27)
    assert found[1] == pytest.approx(math.tanh(math.atanh(found[0]) - z), abs=1e-6)
    same = rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert same is not None
    assert same[0] == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None
