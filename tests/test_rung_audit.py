"""The audit of rungs on the recorded table: weights count as repeated rows, and of all audited the estimate is the truth."""

from types import ModuleType

import numpy as np
import pytest
from benchmark_modules import load_benchmark
from scipy.stats import spearmanr

from ghm.benchmark import load_table


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    load_benchmark("replayed_search")
    return load_benchmark("rung_audit")


def test_the_agreement_is_spearmans_and_a_weight_is_a_repeated_row(audit: ModuleType) -> None:
    values = np.random.default_rng(1).integers(0, 6, (12, 2)).astype(float)
    weights = np.array([1, 1, 3, 1, 10, 1, 2, 1, 1, 10, 1, 1])
    assert audit.agreement(values, np.ones(12)) == pytest.approx(spearmanr(*values.T).statistic)
    repeated = np.repeat(values, weights, axis=0)
    assert audit.agreement(values, weights.astype(float)) == pytest.approx(spearmanr(*repeated.T).statistic)
    assert audit.agreement(values, weights.astype(float)) != pytest.approx(spearmanr(*values.T).statistic)
    assert np.isnan(audit.agreement(values[:2], np.ones(2)))
    assert np.isnan(audit.agreement(np.ones((5, 2)), np.ones(5)))


def test_where_all_that_were_stopped_go_on_the_truth_is_found(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cost is then that of training all to the end; those that were promoted say something else."""
    monkeypatch.setattr(audit, "SHARE", 1.0)
    cost, found = audit.audited(load_table(), 40, 3)
    assert found[:, 3] == pytest.approx(found[:, 0])
    assert found[0, 1] != pytest.approx(found[0, 0])
    spent = 40 * 20 + 10 * 40 + 3 * 100 + 240
    assert cost == pytest.approx((40 * 400 - spent) / spent)
