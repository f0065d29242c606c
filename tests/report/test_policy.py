"""The best policy's study: what it does, what it is worth, and where it leads a firm."""

import dataclasses

import numpy as np
import pytest
from factory import Made

from ghm.economics.actions import HOLD, ISSUE, PAY, Actions
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.report.analysis.policy import effective_modes, simulate_firms, study, study_best
from ghm.report.drawing.policy_charts import policy_charts
from ghm.search.records.reader import read_search
from ghm.solvers.dynamic_program import solve
from ghm.solvers.policy_value import policy_value

MODEL = GHMModel()


class Thresholds:
    """Pays down to ``pay`` above it, issues up to ``target`` below ``issue``: what the optimum looks like."""

    def __init__(self, pay: float = 0.19, issue: float = 0.034, target: float = 0.0725) -> None:
        self.pay, self.issue, self.target = pay, issue, target

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        modes = np.where(cash > self.pay, PAY, np.where(cash < self.issue, ISSUE, HOLD))
        same = np.ones_like(cash)
        return Actions(np.eye(3)[modes], np.log(self.pay) * same, same, np.log(self.target) * same, same)


def test_levels_and_modes_are_the_policys() -> None:
    found = study(Thresholds(0.25, 0.05, 0.1), solve(MODEL, 0.05, 1.0, "liquidation"))
    # The levels come from cash at 4,001 values up to c̄ = 2.
    assert found.levels.payout_level == pytest.approx(0.25, abs=1e-3)
    assert found.levels.issue_below == pytest.approx(0.05, abs=1e-3)
    assert found.levels.issue_target == pytest.approx(0.1, rel=1e-9)
    expected = np.where(found.cash > 0.25, PAY, np.where(found.cash < 0.05, ISSUE, HOLD))
    assert np.all(found.modes == expected)


def test_the_optimum_gives_nothing_away_and_no_policy_beats_it() -> None:
    """The optimum's own levels, as functions of time to horizon, cost only the grid's error."""
    reference = solve(MODEL, 0.05, 1.0, "liquidation")

    class Optimum:
        def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
            at = int(np.argmin(np.abs(reference.time_to_horizon - time_to_horizon)))
            levels = (reference.payout_level[at], reference.issue_below[at], reference.issue_target[at])
            pay, issue, target = np.nan_to_num(levels, nan=0.0)
            return Thresholds(max(pay, 1e-9), issue, max(target, 1e-9))(cash, time_to_horizon)

    found = study(Optimum(), reference)
    assert np.max(np.abs(found.optimal_value - found.value)) < 5e-4
    worse = study(Thresholds(pay=1.0), reference)
    assert np.all(worse.optimal_value - worse.value > -1e-4)
    assert np.max(worse.optimal_value - worse.value) > 1e-3, "negative control: a poor policy gives value away"


def test_paying_or_issuing_without_effect_is_holding() -> None:
    class Pointless:
        def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
            same = np.ones_like(cash)
            return Actions(np.tile([0.0, 1.0, 0.0], (cash.size, 1)), np.log(0.5) * same, same, same, same)

    assert effective_modes(Pointless(), np.array([0.1, 0.4, 0.6]), 1.0).tolist() == [HOLD, HOLD, PAY]


def test_simulated_firms_behave_as_in_an_independent_simulation() -> None:
    """Share liquidated and mean cash at the end agree with a second simulation, within four standard errors."""
    model, dt = MODEL, 0.05
    firms = simulate_firms(Thresholds(), Problem(model, dt, 5.0), count=20_000, seed=3)
    generator = np.random.default_rng(4)
    cash = generator.uniform(0, model.c_max, 20_000)
    living = np.ones(cash.size, dtype=bool)
    for _ in range(100):
        after = np.where(cash > 0.19, 0.19, np.where(cash < 0.034, 0.0725, cash))
        mean_now = after[living].mean()
        step = model.firm_drift(after) * dt + model.volatility(after) * np.sqrt(dt) * generator.standard_normal(
            cash.size
        )
        cash, living = after + step, living & (after + step > 0)
    share = 1 - living.mean()
    error = np.sqrt(2 * share * (1 - share) / cash.size)
    assert abs(firms.liquidated - share) < 4 * error
    last = firms.cash[np.isfinite(firms.cash[:, -1]), -1]
    assert abs(last.mean() - mean_now) < 4 * np.sqrt(2) * last.std() / np.sqrt(last.size)
    assert np.nanmax(firms.cash) <= 0.19 + 1e-12
    assert np.nanmin(firms.cash) >= 0.034


def test_accounts_of_simulated_firms_balance() -> None:
    """Without shocks and with a certain drift, a firm pays out exactly what it earns."""
    model = dataclasses.replace(MODEL, sigma_a=0.0, sigma_x=1e-12, carry_cost=0.02, r=0.03)
    firms = simulate_firms(Thresholds(issue=0.0), Problem(model, 0.05, 2.0), count=50)
    assert firms.liquidated == 0.0
    assert firms.issues.max() == 0
    # Once at the payout level, what drift adds in a step is paid in the next: 39 payouts after the first action.
    full = firms.cash[:, 0] >= 0.19
    earned = float(model.firm_drift(np.array([0.19]))[0]) * 0.05
    assert firms.dividends[full] == pytest.approx(39 * earned, rel=1e-9)


def test_the_best_trials_checkpoint_is_studied(studied: Made) -> None:
    search = read_search(studied.path)
    found = study_best(search)
    assert found.modes.shape == found.value.shape == (found.time_to_horizon.size, found.cash.size)
    from ghm.training.checkpoints.checkpoint import load_trained

    assert search.best_trial is not None
    policy = load_trained(search.checkpoint(search.best_trial)).policy
    reference = solve(MODEL, 0.05, 1.0, "liquidation")
    again = study(policy, reference)
    assert np.array_equal(found.modes, again.modes)
    assert policy_value(policy, Problem(MODEL, 0.05, 1.0)) < reference.optimal_return
    for chart in policy_charts(found):
        assert chart.alternative


def test_without_a_checkpoint_there_is_a_message(studied: Made, tmp_path_factory: pytest.TempPathFactory) -> None:
    from factory import make_search

    made = make_search(tmp_path_factory.mktemp("bare"), 2)
    with pytest.raises(UserError, match="no checkpoint"):
        study_best(read_search(made.path))
