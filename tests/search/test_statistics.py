"""Figures over instances: against SciPy, against closed forms, and their intervals' coverage against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from ghm.report.analysis import importance
from ghm.search.decisions.statistics import (
    aggregate,
    interquartile_interval,
    interquartile_mean,
    probability_of_improvement,
    rank_correlation,
)
from tests.benchmark_modules import load_benchmark


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 11])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n: int) -> None:
    values = np.random.default_rng(n).standard_normal(n)
    assert interquartile_mean(values.tolist()) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-15)


def test_aggregates() -> None:
    values = [0.9, 0.1, 0.8, 0.7]
    assert aggregate(values, "mean") == pytest.approx(0.625)
    assert aggregate(values, "iqm") == pytest.approx(0.75)
    assert aggregate(values, "worst") == 0.1


@pytest.mark.parametrize("n", [6, 8, 10, 20])
def test_the_interval_of_one_firm_is_scipys_of_a_trimmed_mean(n: int) -> None:
    """With Yuen's standard error, of which SciPy has the square under the two samples' test: against a constant, alone."""
    values = np.random.default_rng(n).standard_t(3, n)
    found = interquartile_interval([[value] for value in values.tolist()])
    assert found is not None
    nothing = np.zeros(1000)  # a sample without spread adds neither error nor degrees of freedom
    test = stats.ttest_ind(values, nothing, equal_var=False, trim=0.25)
    low, high = test.confidence_interval(0.95)
    assert found == pytest.approx((low, high), rel=1e-9)


BENCHMARK = load_benchmark("interval_coverage")
REPEATS, ALPHA = 1500, 1e-4


def far_off(coverage: float, nominal: float) -> bool:
    """Whether a coverage of :data:`REPEATS` samples is further from ``nominal`` than 2.5% and chance (level :data:`ALPHA`)."""
    low, high = nominal - 0.025, min(nominal + 0.025, 1.0)
    hits = round(coverage * REPEATS)
    return bool(stats.binom.cdf(hits, REPEATS, low) < ALPHA or stats.binom.sf(hits - 1, REPEATS, high) < ALPHA)


@pytest.mark.parametrize("n", [5, 10])
def test_the_interquartile_intervals_coverage(n: int) -> None:
    """Wrong variant: percentiles of resamples, which cover 0.88 with five seeds."""
    normal = BENCHMARK.DISTRIBUTIONS["normal"]
    assert not far_off(BENCHMARK.middle_coverage(normal, n, REPEATS, seed=1), 0.95)
    assert not far_off(BENCHMARK.middle_coverage(normal, n, REPEATS, 2, 0.7, 1.0, seed=1), 0.95)
    if n == 5:
        assert far_off(BENCHMARK.percentile_coverage(normal, n, REPEATS, seed=1), 0.95)


def test_five_seeds_of_a_skewed_distribution_are_covered_as_those_of_others_are() -> None:
    """By their range; wrong variant: by the Winsorised t of more seeds, which covers 0.92."""
    skewed = np.random.default_rng(1).exponential(size=(8000, 5))
    truth = 2 * (0.5 + 0.25 * np.log(0.25) - 0.75 * np.log(0.75))  # twice the integral of −ln(1 − p), p from ¼ to ¾
    found = np.array([interquartile_interval([[value] for value in row]) for row in skewed.tolist()])
    hits = int(np.sum((found[:, 0] <= truth) & (truth <= found[:, 1])))
    assert stats.binom.cdf(hits, 8000, 0.93) > ALPHA
    low, high = np.array(
        stats.ttest_ind(skewed, np.zeros((8000, 1000)), axis=1, equal_var=False, trim=0.25).confidence_interval()
    )
    assert stats.binom.cdf(int(np.sum((low <= truth) & (truth <= high))), 8000, 0.93) < ALPHA


def test_the_rank_correlations_coverage() -> None:
    """Wrong variant: the variance 1.06/(n − 3), of five pairs."""
    assert not far_off(BENCHMARK.correlation_coverage(0.9, 10, REPEATS, seed=1), 0.95)
    assert not far_off(BENCHMARK.correlation_coverage(0.3, 10, REPEATS, seed=1), 0.95)
    assert far_off(BENCHMARK.fieller_coverage(0.9, 5, REPEATS, seed=1), 0.95)


@pytest.mark.parametrize(("ours", "others"), [(5, 5), (10, 30)])
def test_the_coverage_of_what_a_value_buys(ours: int, others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong variant: one of 95% in its place."""
    skewed = BENCHMARK.DISTRIBUTIONS["left skewed (exponential)"]
    assert not far_off(BENCHMARK.shift_coverage(skewed, ours, others, REPEATS, seed=1), 0.90)
    monkeypatch.setattr(importance, "CONFIDENCE", 0.98)
    assert far_off(BENCHMARK.shift_coverage(skewed, ours, others, REPEATS, seed=1), 0.90)


def test_a_shift_is_that_of_all_differences() -> None:
    ours, others = np.array([3.0, 5.0, 8.0, 9.0, 1.0]), np.array([0.0, 1.0, 4.0, 2.0, 7.0, 3.0])
    differences = sorted((ours[:, None] - others).ravel())
    middle, low, high = importance.shift(ours, others)
    assert middle == np.median(differences)
    # C = 15 − 1.645 √(30 · 12 / 12) rounded, 6: the sixth from either end.
    assert (low, high) == (differences[5], differences[-6])
    many = np.random.default_rng(0).standard_normal(4000)
    assert importance.shift(many + 0.3, many)[0] == pytest.approx(0.3, abs=1e-3)


def test_no_interval_from_few_seeds() -> None:
    """Two seeds on two firms are four numbers, and two draws."""
    assert interquartile_interval([[0.952, 0.953]] * 2) is None
    assert interquartile_interval([[0.952, 0.953]] * 4) is None
    assert interquartile_interval([[0.0, 1.0]] * 5) == (0.5, 0.5)
    assert interquartile_interval([[0.3]]) is None


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
    z = 1.959964 * math.sqrt((1 + found[0] ** 2 / 2) / 27)
    assert found[1] == pytest.approx(math.tanh(math.atanh(found[0]) - z), abs=1e-6)
    assert found[2] == pytest.approx(math.tanh(math.atanh(found[0]) + z), abs=1e-6)
    assert rank_correlation([1, 1, 1, 1] * 2, [1, 2, 3, 4] * 2) is None


def test_a_perfect_rank_correlation_has_an_interval_with_width() -> None:
    """Six pairs in the same order say next to nothing; of eight the interval was from 1.00 to 1.00."""
    assert rank_correlation(range(6), range(6)) is None
    same = rank_correlation(range(8), range(8))
    assert same is not None
    assert same[0] == pytest.approx(1.0)
    assert 0.8 < same[1] < 0.97
    against = rank_correlation(range(8), range(8)[::-1])
    assert against is not None
    assert against[1:] == pytest.approx((-same[2], -same[1]))
