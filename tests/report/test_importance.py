"""Importance against independent truth: SciPy's Kruskal-Wallis, known shares, the rate of false alarms."""

from pathlib import Path

import numpy as np
import pytest
from factory import make_search
from numpy.typing import NDArray
from scipy import stats

from ghm.economics.model import Array
from ghm.report.analysis.importance import (
    ALPHA,
    FEWEST_TRIALS,
    explained_share,
    group_of,
    importances,
    mid_ranks,
    rank_importances,
)
from ghm.search.records.reader import read_search


def sample(n: int, effect: float, generator: np.random.Generator) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Scores that depend on a grouping in three by ``effect``, that grouping, and an idle one."""
    working, idle = generator.integers(3, size=n), generator.integers(4, size=n)
    return effect * np.array([-1.0, 0.0, 1.0])[working] + generator.normal(size=n), working, idle


@pytest.mark.parametrize("ties", [False, True])
def test_share_is_the_kruskal_wallis_effect_size(ties: bool) -> None:
    scores, groups, _ = sample(60, 0.8, np.random.default_rng(1))
    scores = np.round(scores) if ties else scores
    statistic = stats.kruskal(*(scores[groups == g] for g in range(3))).statistic
    share = explained_share(stats.rankdata(scores)[None], groups)[0]
    assert share == pytest.approx((statistic - 3 + 1) / (60 - 3), rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 3.0, 1e9])
def test_ranks_are_scipys(scale: float) -> None:
    """With few ties, many, and all."""
    generator = np.random.default_rng(5)
    for values in np.round(generator.normal(size=(30, 41)) * 10 / scale):
        values[:3] = -np.inf
        assert np.array_equal(mid_ranks(values), stats.rankdata(values))
        assert np.array_equal(mid_ranks(values[:1]), [1.0])


def test_share_at_the_edges() -> None:
    ranks = np.arange(1.0, 7.0)[None]
    assert explained_share(ranks, np.arange(6))[0] == 0.0, "each trial a group of its own"
    assert explained_share(np.ones((1, 6)), np.array([0, 0, 0, 1, 1, 1]))[0] == 0.0, "all ranks equal"
    assert explained_share(ranks, np.zeros(6, dtype=int))[0] == 0.0, "one group"


def test_an_idle_hyperparameter_stands_out_as_rarely_as_stated() -> None:
    """Two compared, so each stands out by chance with probability ALPHA / 2 at most: 200 repetitions at 2.5% give 5;
    more than 13 has probability 0.0006 (binomial)."""
    generator = np.random.default_rng(11)
    alarms = 0
    for seed in range(200):
        scores, _, idle = sample(30, 0.0, generator)
        other = generator.integers(3, size=30)
        found = rank_importances(scores, {"idle": idle, "other": other}, seed, resamples=400)
        alarms += next(one for one in found if one.name == "idle").stands_out
    assert alarms <= stats.binom.ppf(0.9994, 200, ALPHA / 2)


def test_what_decides_stands_out_and_what_does_not_is_last(tmp_path: Path) -> None:
    search = read_search(make_search(tmp_path, 200).path)
    found = importances(search)
    assert [one.name for one in found[:2]] == ["lr_policy", "entropy_weight"]
    assert all(one.stands_out for one in found[:2])
    assert all(0 <= one.share <= 1 for one in found)
    assert importances(search) == found, "the same every time"


def test_one_ruined_trial_does_not_decide_importance() -> None:
    generator = np.random.default_rng(5)
    scores, working, idle = sample(60, 2.0, generator)
    before = rank_importances(scores, {"working": working, "idle": idle})
    ruined = scores.copy()
    ruined[int(np.argmin(scores))] = -1e6
    assert rank_importances(ruined, {"working": working, "idle": idle}) == before


def test_failed_trials_rank_last(tmp_path: Path) -> None:
    """A setting under which every trial fails explains the ranking, though no failed trial has a value."""
    made = make_search(tmp_path, 40, failures={})
    failing = [e["trial_num"] for e in made.content["results"] if e["hyperparameters"]["max_grad_norm"] == 2.0]
    other = make_search(tmp_path / "other", 40, failures=dict.fromkeys(failing, ("diverged", "NaN")))
    shares = {one.name: one for one in importances(read_search(other.path))}
    assert shares["max_grad_norm"].stands_out
    assert not {one.name: one for one in importances(read_search(made.path))}["max_grad_norm"].stands_out


def test_too_few_trials_give_nothing(tmp_path: Path) -> None:
    assert importances(read_search(make_search(tmp_path, FEWEST_TRIALS - 1).path)) == ()


def test_many_distinct_numbers_are_grouped_by_quantiles() -> None:
    groups = group_of(list(np.geomspace(1e-4, 1e-2, 40)))
    assert np.bincount(groups).tolist() == [10, 10, 10, 10]
    assert sorted(set(group_of([[64, 64], [32, 32], [64, 64]]))) == [0, 1]
