"""Figures over a configuration's instances, and how sure they are.

======================  ===========================================================================================
figure                  method
======================  ===========================================================================================
interquartile mean      mean of the middle half: the lowest and the highest quarter are left out (Agarwal, Schwarzer,
                        Castro, Courville and Bellemare 2021, "Deep reinforcement learning at the edge of the
                        statistical precipice", *NeurIPS* 34)
interval                95%, percentiles over resamples that draw seeds with replacement within each calibration
                        (stratified bootstrap, as there)
probability             that a training of the first configuration beats one of the second: the share of pairs, ties
                        counted half, averaged over calibrations (probability of improvement, as there)
rank correlation        Spearman's ρ; its interval by Fisher's z with the variance 1.06/(n − 3) (Fieller, Hartley and
                        Pearson 1957, *Biometrika* 44)
======================  ===========================================================================================
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ghm.search.settings.config import RankBy

Strata = Sequence[Sequence[float]]
"""Values by calibration, a value a seed."""

RESAMPLES = 2000
"""An end of a 95% interval then wanders by a few per cent of the interval's width."""

CONFIDENCE = 0.95
"""Coverage of the intervals."""

_QUARTER = 0.25
_FIELLER = 1.06


def aggregate(values: Sequence[float], rank_by: RankBy) -> float:
    """One figure for the values (n ≥ 1) of a configuration's instances: their mean, interquartile mean, or least."""
    if len(values) == 1:  # thousands of configurations are ranked again and again
        return float(values[0])
    if rank_by == "worst":
        return float(min(values))
    return float(np.mean(values)) if rank_by == "mean" else interquartile_mean(values)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half of ``values`` (n ≥ 1); of fewer than four, of all."""
    return float(_middle_means(np.array([values], dtype=np.float64))[0])


def bootstrap_interval(strata: Strata, seed: int = 0) -> tuple[float, float] | None:
    """Interval of the interquartile mean over all values; None where no calibration has two seeds to draw from."""
    if max(map(len, strata), default=0) < 2:
        return None
    generator = np.random.default_rng(seed)
    drawn = [_resampled(np.asarray(values, dtype=np.float64), generator) for values in strata if values]
    means = _middle_means(np.concatenate(drawn, axis=1))
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


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
    """Spearman's ρ of paired values with its interval; None where it says nothing: fewer than four pairs, or all equal."""
    n = len(before)
    if n < 4 or len(set(before)) == 1 or len(set(after)) == 1:
        return None
    from scipy.stats import spearmanr  # late: most searches have no rungs, and SciPy takes a second to import

    rho = float(spearmanr(before, after).statistic)
    # Fisher's z is infinite at ±1, where the interval's other end is still of interest.
    z = math.atanh(max(min(rho, 1 - 1e-12), -1 + 1e-12))
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(_FIELLER / (n - 3))
    return rho, math.tanh(z - reach), math.tanh(z + reach)


def _resampled(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    return values[generator.integers(len(values), size=(RESAMPLES, len(values)))]


def _middle_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row (b, n) without its lowest and highest quarter, rounded down, (b,)."""
    cut = int(_QUARTER * rows.shape[1])
    ordered = np.sort(rows, axis=1)
    return np.asarray(ordered[:, cut : rows.shape[1] - cut].mean(axis=1))
