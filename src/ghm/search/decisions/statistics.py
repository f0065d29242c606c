"""Figures over a configuration's instances, and how sure they are.

======================  ===========================================================================================
figure                  method
======================  ===========================================================================================
interquartile mean      mean of the middle half: the lowest and the highest quarter are left out (Agarwal, Schwarzer,
                        Castro, Courville and Bellemare 2021, "Deep reinforcement learning at the edge of the
                        statistical precipice", *NeurIPS* 34)
interval                95%, of the interquartile mean. With w the mean over calibrations of a seed's values, those in the
                        outer quarters set to the quarters' edges, n seeds on k calibrations, h = n less the share left
                        out, and SSD the sum of squared deviations of w from its mean: ± t(ν) √(SSD/(h (h − 1))), Yuen's
                        standard error of a trimmed mean (Yuen 1974, *Biometrika* 61), ν = n − 1 − 2⌊n/4⌋/k; with one
                        calibration ν = h − 1, as there. A seed is one draw on however many calibrations it was trained:
                        with the same seed, trainings on two of them are not independent. Of five seeds on one it is their
                        range, which holds the median of any distribution with probability 1 − 2/2⁵ = 0.94, and the
                        interquartile mean about as often; the other one is wider, and holds that of skewed ones less often
probability             that a training of the first configuration beats one of the second: the share of pairs, ties
                        counted half, averaged over calibrations (probability of improvement, as there)
rank correlation        Spearman's ρ; its interval by Fisher's z with the variance (1 + ρ²/2)/(n − 3) (Bonett and
                        Wright 2000, *Psychometrika* 65). Of ρ = ±1, z is taken half way to the next ρ that n pairs allow
======================  ===========================================================================================

How often each interval holds the truth is measured by ``benchmarks/interval_coverage.py``; docs/design/search.md has the table.
Of fewer seeds or pairs than :data:`FEWEST_SEEDS` and :data:`FEWEST_PAIRS` no interval is given.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from ghm.search.settings.config import RankBy

Strata = Sequence[Sequence[float]]
"""Values by calibration, a value a seed."""

Seeds = Sequence[Sequence[float]]
"""Values by seed, a value a calibration."""

FEWEST_SEEDS = 5
"""Of fewer, an interval is so wide, or so often wrong, that it says nothing."""

FEWEST_PAIRS = 8
"""Of fewer, Spearman's ρ has so few values that no interval covers it as often as it says."""

CONFIDENCE = 0.95
"""Coverage of the intervals."""

_QUARTER = 0.25


def aggregate(values: Sequence[float], rank_by: RankBy) -> float:
    """One figure for the values (n ≥ 1) of a configuration's instances: their mean, interquartile mean, or least."""
    if len(values) == 1:  # thousands of configurations are ranked again and again
        return float(values[0])
    if rank_by == "worst":
        return float(min(values))
    return float(np.mean(values)) if rank_by == "mean" else interquartile_mean(values)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half of ``values`` (n ≥ 1); of fewer than four, of all."""
    cut = int(_QUARTER * len(values))
    return float(np.sort(np.asarray(values, dtype=np.float64))[cut : len(values) - cut].mean())


def interquartile_interval(seeds: Seeds) -> tuple[float, float] | None:
    """Interval of the interquartile mean over all values (n seeds, k calibrations); None below :data:`FEWEST_SEEDS`."""
    if len(seeds) < FEWEST_SEEDS:
        return None
    from scipy.special import stdtrit  # late: most searches have too few seeds, and SciPy takes a while to import

    values = np.array(seeds, dtype=np.float64)
    if values.size == FEWEST_SEEDS:
        return float(values.min()), float(values.max())
    cut = int(_QUARTER * values.size)
    ordered = np.sort(values, axis=None)
    edged = np.clip(values, ordered[cut], ordered[-1 - cut]).mean(axis=1)
    counted = (values.size - 2 * cut) / values.shape[1]
    error = math.sqrt(float(np.sum((edged - edged.mean()) ** 2)) / (counted * (counted - 1)))
    # What is left out of several calibrations' values is mostly of one seed here and of another there.
    freedom = len(seeds) - 1 - 2 * int(_QUARTER * len(seeds)) / values.shape[1]
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    middle = interquartile_mean(ordered.tolist())
    return middle - reach, middle + reach


def probability_of_improvement(first: Strata, second: Strata) -> float | None:
    """Probability that a value of ``first`` is above one of ``second``; None where a calibration has no pair."""
    shares = []
    for ours, theirs in zip(first, second, strict=True):
        if not ours or not theirs:
            return None
        difference = np.subtract.outer(np.asarray(ours), np.asarray(theirs))
        shares.append(float(np.mean((difference > 0) + 0.5 * (difference == 0))))
    return float(np.mean(shares)) if shares else None


def rank_correlation(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float] | None:
    """Spearman's ρ of paired values with its interval; None of fewer than :data:`FEWEST_PAIRS`, or where all are equal."""
    n = len(before)
    if n < FEWEST_PAIRS or len(set(before)) == 1 or len(set(after)) == 1:
        return None
    from scipy.stats import spearmanr  # late: most searches have no rungs, and SciPy takes a second to import

    rho = float(spearmanr(before, after).statistic)
    most = 1 - 6 / (n * (n * n - 1))
    z = math.atanh(max(min(rho, most), -most))
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return rho, math.tanh(z - reach), math.tanh(z + reach)
