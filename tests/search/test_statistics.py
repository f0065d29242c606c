"""Figures over instances: against SciPy, against closed forms, and their intervals' coverage against simulation."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

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


Distribution = list[tuple[float, float]]
"""Values with their probabilities."""


def draws(values: Sequence[float]) -> Iterator[tuple[list[float], float]]:
    """All that n draws with replacement from n values can give, in whatever order, with its probability."""
    n = len(values)
    for chosen in itertools.combinations_with_replacement(range(n), n):
        orders = math.factorial(n) // math.prod(map(math.factorial, Counter(chosen).values()))
        yield [values[index] for index in chosen], orders / n**n


def middle(values: Sequence[float]) -> float:
    left_out = len(values) // 4
    counted = sorted(values)[left_out : len(values) - left_out]
    return sum(counted) / len(counted)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def bootstrapped(strata: Sequence[Sequence[float]], figure: Callable[[Sequence[float]], float]) -> Distribution:
    """The bootstrap's whole distribution, without a random number."""
    found = []
    for parts in itertools.product(*(list(draws(values)) for values in strata)):
        drawn = [value for values, _ in parts for value in values]
        found.append((figure(drawn), math.prod(probability for _, probability in parts)))
    return found


def leaves_out(distribution: Distribution, interval: tuple[float, float], tail: float) -> bool:
    """Whether ``tail`` lies on either side of the interval, up to four standard errors of a share of 2000 resamples."""
    tolerance = 4 * math.sqrt(tail * (1 - tail) / 2000)
    (low, high), rounding = interval, 1e-9
    below = sum(p for value, p in distribution if value < low - rounding)
    above = sum(p for value, p in distribution if value > high + rounding)
    up_to_low = sum(p for value, p in distribution if value <= low + rounding)
    from_high = sum(p for value, p in distribution if value >= high - rounding)
    return below - tolerance <= tail <= up_to_low + tolerance and above - tolerance <= tail <= from_high + tolerance


@pytest.mark.parametrize(
    "strata",
    [
        [[0.61, 0.68, 0.52, -3.0, 0.79, 0.57, 0.72, 0.75]],
        [[0.61, 0.68, -3.0, 0.52], [0.89, 0.77, 0.72, 0.95]],
    ],
    ids=["one model", "two models"],
)
def test_the_interval_is_that_of_the_interquartile_mean(strata: list[list[float]]) -> None:
    """Against the exact distribution; one of eight seeds went wrong, so that a mean's interval would be another one."""
    interval = bootstrap_interval(strata)
    assert interval is not None
    of_the_middle = bootstrapped(strata, middle)
    assert math.fsum(probability for _, probability in of_the_middle) == pytest.approx(1.0)
    assert leaves_out(of_the_middle, interval, 0.025)
    # Wrong twins: an interval of 90%, one of 99%, and that of the mean.
    assert not leaves_out(of_the_middle, interval, 0.05)
    assert not leaves_out(of_the_middle, interval, 0.005)
    assert not leaves_out(bootstrapped(strata, mean), interval, 0.025)


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
    assert found[2] == pytest.approx(math.tanh(math.atanh(found[0]) + z), abs=1e-6)
    same = rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert same is not None
    assert same[0] == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None
