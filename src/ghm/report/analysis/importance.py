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
interval                90%, percentiles over resampled trials (bootstrap). A resample repeats trials, by which g groups
                        explain twice as much by chance; (g − 1)/(n − 1) is therefore taken off twice in resamples.
                        Measured coverage is 0.85 to 0.99 from 12 to 200 trials (``tests/report/test_importance.py``)
chance (p-value)        share of shuffles of the ranking over the trials that explain at least as much; exact under
                        the hypothesis that the hyperparameter has no effect
======================  ===========================================================================================
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.economics.model import Array
from ghm.search.records.state import SearchState
from ghm.search.settings.inactive import inactive_hyperparameters
from ghm.search.settings.space import label
from ghm.search.trials.outcome import TrialState
from ghm.training.settings import Hyperparameters

RESAMPLES = 2000
"""Standard error of a 5% p-value: 0.5%; of an interval's end: a few per cent of its width. Takes under a second."""

CONFIDENCE = 0.90
"""Coverage of the intervals."""

ALPHA = 0.05
"""A hyperparameter stands out when its p-value is below this, divided by how many are compared (Bonferroni)."""

MAX_GROUPS = 6
"""A number with more distinct values than this is cut into `QUANTILE_GROUPS` groups of like size."""

QUANTILE_GROUPS = 4

FEWEST_OF_A_VALUE = 4
"""Trials with a value from which on the median of resamples says something of its spread."""

RESAMPLES_OF_A_VALUE = 400
"""Standard error of a bound of a 90% interval: one point of its level."""

MEDIANS_AT_ONCE = 25
"""Resamples in memory at a time: a few megabytes of 10,000 trials, where all at once took seventy."""

FEWEST_TRIALS = 10
"""Below this, even a hyperparameter that decides everything can hardly be told from luck, so nothing is claimed."""


@dataclass(frozen=True)
class Importance:
    """One hyperparameter's share of the ranking."""

    name: str
    share: float
    low: float
    high: float
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

    Seeds and firms that one configuration was trained on are one comparison of hyperparameters, not several: they count by the
    figure that ranks it. One that was stopped at a rung is not comparable with one that went on; the confirmation's were chosen.
    """
    found = []
    for one in search.scores():
        states = [trial.status for trial in one.trials]
        if len(states) < search.n_instances or not all(s is TrialState.COMPLETED or s.is_failure for s in states):
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
    inactive = inactive_hyperparameters(vars(search.config))
    groups = {
        name: group_of([getattr(trial.hyperparameters, name) for trial in trials])
        for name in search.varied
        if name not in inactive
    }
    return rank_importances(scores, groups, seed)


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
    """That, less the median of the trials with other values."""
    low: float
    high: float
    """Ends of its 90% bootstrap interval."""


def marginal_effects(search: SearchState, seed: int = 0) -> tuple[MarginalEffect, ...]:
    """What each value buys, in order of the hyperparameters; empty with fewer than `FEWEST_TRIALS` configurations.

    A main effect: what goes with it in other hyperparameters is averaged over. Values of fewer than `FEWEST_OF_A_VALUE`
    are left out, since a bootstrap of so few has no width to speak of.
    """
    trials = [one for one in finished(search) if one.captured is not None]
    if len(trials) < FEWEST_TRIALS:
        return ()
    captured = np.array([one.captured for one in trials], dtype=float)
    generator = np.random.default_rng(seed)
    inactive = inactive_hyperparameters(vars(search.config))
    found = []
    for name in search.varied:
        values = [getattr(trial.hyperparameters, name) for trial in trials]
        groups = group_of(values)
        for group in np.unique(groups) if name not in inactive else ():
            ours, others = captured[groups == group], captured[groups != group]
            if min(len(ours), len(others)) < FEWEST_OF_A_VALUE:
                continue
            spread = _medians(ours, generator) - _medians(others, generator)
            low, high = np.quantile(spread, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            members = [value for value, at in zip(values, groups, strict=True) if at == group]
            median = float(np.median(ours))
            typical = members[0]
            if len({label(one) for one in members}) > 1:
                typical = float(f"{np.median(np.array(members, dtype=float)):.3g}")
            difference = median - float(np.median(others))
            found.append(MarginalEffect(name, typical, len(ours), median, difference, float(low), float(high)))
    return tuple(found)


def _medians(values: Array, generator: np.random.Generator) -> Array:
    """Medians of resamples of ``values``, (B,)."""
    blocks = [(MEDIANS_AT_ONCE, len(values))] * (RESAMPLES_OF_A_VALUE // MEDIANS_AT_ONCE)
    return np.concatenate([np.median(values[generator.integers(len(values), size=block)], axis=1) for block in blocks])


def rank_importances(
    scores: Array, groups: Mapping[str, NDArray[np.int64]], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[Importance, ...]:
    """Importance of groupings of ``scores`` (n,), each an index of group (n,); the greatest first."""
    groups = {name: index for name, index in groups.items() if len(np.unique(index)) > 1}
    generator = np.random.default_rng(seed)
    chosen = generator.integers(len(scores), size=(resamples, len(scores)))
    resampled = mid_ranks(scores[chosen])
    shuffled = generator.permuted(np.tile(mid_ranks(scores[None]), (resamples, 1)), axis=1)
    found = []
    for name, index in groups.items():
        share = float(explained_share(mid_ranks(scores[None]), index[None])[0])
        spread = explained_share(resampled, index[chosen], chance=2.0)
        low, high = np.clip(np.quantile(spread, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]), 0.0, 1.0)
        by_chance = explained_share(shuffled, np.broadcast_to(index, shuffled.shape))
        # The ranking itself counts as one of the shuffles, so that p is never 0.
        p_value = float((1 + np.sum(by_chance >= share - 1e-12)) / (1 + resamples))
        stands_out = p_value < ALPHA / len(groups)
        found.append(Importance(name, max(0.0, share), float(low), float(high), p_value, stands_out))
    return tuple(sorted(found, key=lambda importance: -importance.share))


def mid_ranks(values: Array) -> Array:
    """Ranks in each row of ``values`` (B, n), from 1; equal values share the mean of their ranks.

    As ``scipy.stats.rankdata``, whose import alone takes a second and a tenth of the page's memory.
    """
    places = np.arange(values.shape[1])
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    differs = ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(values), 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, differs]), places, 0), axis=1)
    last = np.where(np.hstack([differs, edge]), places, places[-1])
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks


def explained_share(ranks: Array, groups: NDArray[np.int64], chance: float = 1.0) -> Array:
    """Share of the variance of each row of ``ranks`` (B, n) that groups (B, n) explain beyond chance; (B,).

    With η² the share between groups, H = (n − 1) η², and the result for ``chance`` 1 is (H − g + 1)/(n − g): negative
    where groups explain less than by chance. A row in which all ranks are equal, or each trial is a group of its own,
    explains nothing: 0.
    """
    n = ranks.shape[1]
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    total = np.sum(centred**2, axis=1)
    between, count = np.zeros(len(ranks)), np.zeros(len(ranks))
    for group in np.unique(groups):
        members = groups == group
        size = members.sum(axis=1)
        between += np.sum(centred * members, axis=1) ** 2 / np.maximum(size, 1)
        count += size > 0
    by_chance = chance * (count - 1) / (n - 1)
    usable = (total > 0) & (by_chance < 1)
    eta_squared = np.divide(between, total, out=np.zeros(len(ranks)), where=usable)
    explained: Array = np.divide(eta_squared - by_chance, 1 - by_chance, out=np.zeros(len(ranks)), where=usable)
    return explained


def group_of(values: Sequence[Any]) -> NDArray[np.int64]:
    """Index of the group of each value: equal values together, or quantiles of a number that takes many values."""
    if all(isinstance(value, int | float) for value in values) and len(set(values)) > MAX_GROUPS:
        array = np.array(values, dtype=float)
        edges = np.quantile(array, np.linspace(0, 1, QUANTILE_GROUPS + 1)[1:-1])
        return np.searchsorted(edges, array, side="left").astype(np.int64)
    return np.unique([label(value) for value in values], return_inverse=True)[1].astype(np.int64)
