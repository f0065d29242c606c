"""How much of the trials' ranking each hyperparameter explains, and how sure that is.

Trials are ranked by captured value, failed ones (they diverged, ran out of memory, …) sharing the last rank; in a search with
several seeds or calibrations it is configurations that are ranked, by the figure that ranks them there. Ranks, not values,
because a single ruined trial can lie arbitrarily far below the rest and would decide everything. For a
hyperparameter with g distinct values among n trials, with the Kruskal-Wallis statistic H of its groups (Kruskal and
Wallis 1952, *JASA* 47),

    importance = max(0, (H − g + 1) / (n − g)),

the share of the variance of ranks between groups, less what g groups explain by chance (Tomczak and Tomczak 2014,
*Trends in Sport Sciences* 21(1)). It is a main effect: what a hyperparameter does only together with another is not
in it.

======================  ===========================================================================================
figure                  method
======================  ===========================================================================================
chance (p-value)        share of shuffles of the ranking over the trials that explain at least as much; exact under
                        the hypothesis that the hyperparameter has no effect. It is the page's one criterion of what is
                        beyond chance. The share itself has no interval: none that was tried (percentiles of resamples,
                        noncentral F) held the true share as often as it said, see ``benchmarks/interval_coverage.py``
what a value buys       median of all differences between a trial with the value and one with another (Hodges and
                        Lehmann 1963, *Ann. Math. Stat.* 34). Its 90% interval inverts the Mann-Whitney test: it holds a
                        shift as often as it says, whatever the distribution
======================  ===========================================================================================
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.economics.model import Array
from ghm.search.records.state import SearchState
from ghm.search.settings.distributions import label
from ghm.search.settings.inactive import inactive_in
from ghm.search.trials.outcome import TrialState
from ghm.training.settings import Hyperparameters

RESAMPLES = 2000
"""Shuffles: the standard error of a 5% p-value is 0.5%. Takes under a second."""

CONFIDENCE = 0.90
"""Coverage of the intervals of what a value buys."""

ALPHA = 0.05
"""A hyperparameter stands out when its p-value is below this, divided by how many are compared (Bonferroni)."""

MAX_GROUPS = 6
"""A number with more distinct values than this is cut into `QUANTILE_GROUPS` groups of like size."""

QUANTILE_GROUPS = 4

FEWEST_OF_A_VALUE = 5
"""Trials with a value, and with others, from which on an interval is given of what the value buys."""

MOST_COMPARED = 1000
"""Values on either side whose differences are taken, evenly spaced among more: a few megabytes, of 10,000 trials 200."""

FEWEST_TRIALS = 10
"""Below this, even a hyperparameter that decides everything can hardly be told from luck, so nothing is claimed."""


@dataclass(frozen=True)
class Importance:
    """One hyperparameter's share of the ranking."""

    name: str
    share: float
    p_value: float
    stands_out: bool


@dataclass(frozen=True)
class Finished:
    """A configuration that was trained as far as it was to be, or failed."""

    hyperparameters: Hyperparameters
    captured: float | None
    """What ranks it; None: it failed."""


def finished(search: SearchState) -> list[Finished]:
    """The configurations that can be compared: their trials went to the end, or one of them failed.

    Seeds and calibrations that one configuration was trained on are one comparison of hyperparameters, not several: they
    count by the figure that ranks it. One that was stopped at a rung is not comparable with one that went on; the
    confirmation's were chosen.
    """
    found = []
    for one in search.scores():
        states = [trial.status for trial in one.trials]
        if len(states) < len(search.numbering.numbers(one.configuration)) or not all(
            s is TrialState.COMPLETED or s.is_failure for s in states
        ):
            continue
        if any(state.is_failure for state in states):
            found.append(Finished(one.hyperparameters, None))
        elif all(trial.captured_value is not None for trial in one.trials):
            found.append(Finished(one.hyperparameters, one.figure(search.config.rank_by)))
    return found


def importances(search: SearchState, seed: int = 0) -> tuple[Importance, ...]:
    """Importance of each varied hyperparameter, greatest first; empty with fewer than `FEWEST_TRIALS` configurations."""
    trials = finished(search)
    if len(trials) < FEWEST_TRIALS or all(one.captured is None for one in trials):
        return ()
    scores = np.array([-np.inf if one.captured is None else one.captured for one in trials])
    # What has no effect can only seem to have one.
    groups = {name: _groups(trials, name) for name in search.varied if name not in search.record.inactive}
    return rank_importances(scores, groups, seed)


def has_effect(hyperparameters: Hyperparameters, name: str) -> bool:
    """Whether a hyperparameter has an effect in this configuration."""
    return name in vars(hyperparameters) and name not in inactive_in(vars(hyperparameters))


def _groups(trials: Sequence[Finished], name: str) -> NDArray[np.int64]:
    """Index of the group of each trial's value, (n,); -1 where the hyperparameter has no effect."""
    active = np.array([has_effect(trial.hyperparameters, name) for trial in trials])
    groups = np.full(len(trials), -1)
    groups[active] = group_of(
        [getattr(one.hyperparameters, name) for one, at in zip(trials, active, strict=True) if at]
    )
    return groups


@dataclass(frozen=True)
class MarginalEffect:
    """What one value of a hyperparameter buys."""

    name: str
    value: Any
    """The value, or the median of a group of many."""
    trials: int
    median: float
    """Median captured value of the trials with it."""
    difference: float
    """Median of its trials' differences to those with other values."""
    low: float
    high: float
    """Ends of its 90% interval."""


def marginal_effects(search: SearchState) -> tuple[MarginalEffect, ...]:
    """What each value buys, in order of the hyperparameters; empty with fewer than `FEWEST_TRIALS` configurations.

    A main effect: what goes with it in other hyperparameters is averaged over. Values of fewer than `FEWEST_OF_A_VALUE`
    are left out, since an interval of so few says little.
    """
    trials = [one for one in finished(search) if one.captured is not None]
    if len(trials) < FEWEST_TRIALS:
        return ()
    captured = np.array([one.captured for one in trials], dtype=float)
    found = []
    for name in (one for one in search.varied if one not in search.record.inactive):
        values = [getattr(trial.hyperparameters, name, None) for trial in trials]
        groups = _groups(trials, name)
        for group in np.unique(groups[groups >= 0]):
            ours, others = captured[groups == group], captured[(groups >= 0) & (groups != group)]
            if min(len(ours), len(others)) < FEWEST_OF_A_VALUE:
                continue
            difference, low, high = shift(ours, others)
            members = [value for value, at in zip(values, groups, strict=True) if at == group]
            median = float(np.median(ours))
            typical = sorted(members, key=magnitude)[len(members) // 2]
            if len({label(one) for one in members}) > 1 and not isinstance(typical, tuple):
                typical = float(f"{np.median(np.array(members, dtype=float)):.3g}")
            found.append(MarginalEffect(name, typical, len(ours), median, difference, low, high))
    return tuple(found)


def shift(ours: Array, others: Array) -> tuple[float, float, float]:
    """By how much ``ours`` (m,) lie above ``others`` (n,), in the middle, with the ends of its interval.

    With D the m n differences in order, the interval is D_(C) to D_(mn + 1 − C), C = mn/2 − z √(mn (m + n + 1)/12) rounded
    (Hollander and Wolfe 1999, *Nonparametric Statistical Methods*, section 4.3).
    """
    m, n = len(ours), len(others)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    outside = max(round(m * n / 2 - z * math.sqrt(m * n * (m + n + 1) / 12)), 1)
    differences = np.sort(np.subtract.outer(_thinned(ours), _thinned(others)), axis=None)
    at = min(round(outside * len(differences) / (m * n)), len(differences)) or 1
    return float(np.median(differences)), float(differences[at - 1]), float(differences[-at])


def _thinned(values: Array) -> Array:
    """At most :data:`MOST_COMPARED` of the values, evenly spaced in their order."""
    ordered = np.sort(values)
    chosen: Array = ordered[np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_COMPARED)).round().astype(int)]
    return chosen


def rank_importances(
    scores: Array, groups: Mapping[str, NDArray[np.int64]], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[Importance, ...]:
    """Importance of groupings of ``scores`` (n,), each an index of group (n,), -1 for none; the greatest first."""
    groups = {name: index for name, index in groups.items() if len(np.unique(index[index >= 0])) > 1}
    generator = np.random.default_rng(seed)
    whole = _shuffled(scores, resamples, generator)
    found = []
    for name, index in groups.items():
        counted = index >= 0
        rankings = whole if counted.all() else _shuffled(scores[counted], resamples, generator)
        share, *by_chance = explained_share(rankings, index[counted])
        # The ranking itself counts as one of the shuffles, so that p is never 0.
        p_value = float((1 + np.sum(np.array(by_chance) >= share - 1e-12)) / (1 + resamples))
        stands_out = p_value < ALPHA / len(groups)
        found.append(Importance(name, max(0.0, float(share)), p_value, stands_out))
    return tuple(sorted(found, key=lambda importance: -importance.share))


def _shuffled(scores: Array, resamples: int, generator: np.random.Generator) -> Array:
    """Ranks of ``scores`` (n,), then so many shuffles of them, (1 + b, n)."""
    ranks = mid_ranks(scores)
    return np.vstack([ranks, generator.permuted(np.tile(ranks, (resamples, 1)), axis=1)])


def mid_ranks(values: Array) -> Array:
    """Ranks of ``values`` (n,), from 1; equal values share the mean of their ranks.

    As ``scipy.stats.rankdata``, whose import alone takes a second and a tenth of the page's memory.
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def explained_share(rankings: Array, groups: NDArray[np.int64]) -> Array:
    """Share of the variance of each of ``rankings`` (B, n) that groups (n,) explain beyond chance; (B,).

    With η² the share between groups, H = (n − 1) η², the result is (H − g + 1)/(n − g): negative
    where groups explain less than by chance. A ranking in which all ranks are equal explains nothing, and so do groups of one
    trial each: 0.
    """
    members = [groups == group for group in np.unique(groups)]
    by_chance = (len(members) - 1) / (len(groups) - 1)
    centred = rankings - rankings.mean(axis=1, keepdims=True)
    total = np.sum(centred**2, axis=1)
    if by_chance == 1 or not total.all():  # shuffles of one ranking have all the same ranks
        return np.zeros(len(rankings))
    between = sum(centred[:, ours].sum(axis=1) ** 2 / ours.sum() for ours in members)
    explained: Array = (between / total - by_chance) / (1 - by_chance)
    return explained


def magnitude(value: Any) -> float:
    """A number itself; layers by the number of their connections; of words, nothing."""
    if isinstance(value, list | tuple) and value:
        widths = np.array(value, dtype=float)
        return float(np.sum(widths[:-1] * widths[1:]) + widths[0])
    return float(value) if isinstance(value, int | float) else 0.0


def group_of(values: Sequence[Any]) -> NDArray[np.int64]:
    """Index of the group of each value: equal values together, or quantiles of numbers or layers that take many values."""
    if not any(isinstance(one, str) for one in values) and len({label(one) for one in values}) > MAX_GROUPS:
        array = np.array([magnitude(value) for value in values])
        edges = np.quantile(array, np.linspace(0, 1, QUANTILE_GROUPS + 1)[1:-1])
        return np.searchsorted(edges, array, side="left").astype(np.int64)
    return np.unique([label(value) for value in values], return_inverse=True)[1].astype(np.int64)
