"""The figures in a verdict and in the check beside it: each is of what the words say it is of."""

import math
import re

import numpy as np
import pytest
from solvers.policies import constant, with_levels

import ghm
from ghm.economics.actions import HOLD, PAY, Actions
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import policy_value
from ghm.solvers.answers.evaluation import AGREE
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.firm_statistics import outcomes
from ghm.solvers.verdict import judge
from ghm.training.logging.metrics import policy_rows

PROBLEM = Problem(GHMModel(), 0.02, 4.0)


@pytest.fixture(scope="module")
def optimum():
    return dynamic_program(PROBLEM)


@pytest.mark.parametrize(
    ("fault", "remedy", "rule"),
    [
        ({"payout": 0.1, "below": 0.05, "target": 0.09}, "payouts", "greedy"),
        ({"payout": 1.0, "below": 0.05, "target": 0.09}, "payouts", "greedy"),
        ({"payout": 0.21, "below": 0.2, "target": 0.205}, "equity issues", "greedy"),
        ({"payout": 0.21, "below": 0.2, "target": 0.205}, "equity issues", "randomised"),
        ({"payout": 0.21, "below": 0.13, "target": 0.15}, "equity issues", "greedy"),
    ],
)
def test_the_remedy_is_worth_what_is_said(fault, remedy, rule, optimum):
    """By hand: a policy of thresholds with the optimum's thresholds for one of its two decisions; it leaves nothing to chance."""
    policy, best = constant(PROBLEM.dt, PROBLEM.T, **fault), optimum.policy.levels
    repaired = {
        "payouts": with_levels(policy, payout_level=best.payout_level),
        "equity issues": with_levels(policy, issue_below=best.issue_below, issue_target=best.issue_target),
    }
    worth = {name: optimum.captured_value(policy_value(one, PROBLEM)) for name, one in repaired.items()}
    text = judge(policy, optimum, rule).text
    found = re.search(
        r"^Loses ([\d.]+)% of firm value \(captured value (-?[\d.]+)%\)\. The largest single fault is [a-z ]+: "
        r"correcting ([a-z ]+) alone would raise captured value to (-?[\d.]+)%\.$",
        text,
    )
    assert found is not None, text
    lost, own, name, value = found.groups()
    assert name == remedy == max(worth, key=worth.get)
    assert float(value) / 100 == pytest.approx(worth[remedy], abs=6e-4)
    other = min(worth.values())
    assert abs(other - worth[remedy]) > 0.01, "the two remedies' values are told apart"
    achieved = policy_value(policy, PROBLEM)
    gain = optimum.optimal_return - optimum.wind_up_return
    assert float(own) / 100 == pytest.approx((achieved - optimum.wind_up_return) / gain, abs=6e-4)
    assert float(lost) == pytest.approx(100 * (1 - achieved / optimum.optimal_return), rel=0.06)


def test_the_table_is_of_the_policy_with_the_optimum_beside_it(optimum):
    policy = constant(PROBLEM.dt, PROBLEM.T, payout=0.1, below=0.05, target=0.09)
    metrics = ghm.evaluate(policy, PROBLEM).metrics()
    table = {name: both for name, *both in policy_rows(metrics.get, metrics["action_rule"])}
    ours, best = outcomes(policy, PROBLEM), outcomes(optimum.policy, PROBLEM)
    assert table["equity issues per firm"] == [f"{ours.issues:.2f}", f"{best.issues:.2f}"]
    assert table["liquidated in the first half of the horizon"] == [
        f"{one.early_liquidation:.1%}" for one in (ours, best)
    ]
    assert f"{ours.issues:.2f}" != f"{best.issues:.2f}"
    names = ("payout boundary", "issuance boundary", "post-issuance cash")
    # Levels are looked for at 4,001 values of cash, 0.0005 apart.
    assert [float(table[name][0]) for name in names] == pytest.approx([0.1, 0.05, 0.09], abs=6e-4)
    levels = optimum.policy.levels
    expected = [f"{row[-1]:.4f}" for row in (levels.payout_level, levels.issue_below, levels.issue_target)]
    assert [table[name][1] for name in names] == expected


class PaysOutAt:
    """Holds until ``to_go`` steps are left, then pays everything out."""

    def __init__(self, to_go, dt):
        self.to_go, self.dt = to_go, dt

    def __call__(self, cash, time_to_horizon):
        now = round(time_to_horizon / self.dt) == self.to_go
        level = np.full(cash.shape, -40.0)
        return Actions(np.eye(3)[np.full(cash.shape, PAY if now else HOLD)], level, 0 * level, level, 0 * level)


@pytest.mark.parametrize(
    ("to_go", "n_steps", "share"), [(4, 6, 0.5), (3, 6, 0.0), (1, 6, 0.0), (5, 7, 0.5), (4, 7, 0.0)]
)
def test_early_liquidations_are_those_of_the_first_half(to_go, n_steps, share):
    """Of 6 steps the first three, with 6 to 4 to go, and of 7, whose middle step ends in the second half.

    Without drift half of the firms without cash are liquidated in a step.
    """
    dt = 0.05
    model = GHMModel(alpha=0.0, mu=0.0, r=0.02, carry_cost=0.02, sigma_a=0.0, sigma_x=0.02)
    found = outcomes(PaysOutAt(to_go, dt), Problem(model, dt, n_steps * dt))
    assert found.early_liquidation == pytest.approx(share, abs=0.01)
    assert found.payouts == pytest.approx(1.0, abs=0.01)
    wait = n_steps - to_go
    lived = dt * (wait + sum(math.comb(2 * k, k) / 4**k for k in range(to_go)))
    assert found.years == pytest.approx(lived, rel=0.05)


def often(cash, _time):
    """Pays and issues with a probability in each step that is never the most likely: by its likeliest actions it only holds."""
    one = np.ones(cash.shape)
    pays, issues = 0.4 * (cash > 0.25), 0.4 * (cash < 0.04)
    modes = np.stack([1 - pays - issues, pays, issues], axis=-1)
    return Actions(modes, np.log(0.25) * one, 0 * one, np.log(0.1) * one, 0 * one)


class Careless:
    """A policy of good thresholds that does something else in every twentieth step."""

    def __init__(self):
        self.policy = ThresholdPolicy.constant(PROBLEM.dt, PROBLEM.T, 0.21, 0.04, 0.1)

    def __call__(self, cash, time_to_horizon):
        sure = self.policy(cash, time_to_horizon)
        spread = np.full(cash.shape, 0.1)
        modes = 0.85 * sure.mode_probabilities + 0.05
        return Actions(modes, sure.payout_log_mean, spread, sure.issue_log_mean, spread)


@pytest.mark.parametrize(("policy", "rule"), [(often, "randomised"), (Careless(), "greedy")])
def test_the_check_simulates_the_action_rule_that_is_judged(policy, rule):
    """Within four standard errors of that rule's exact return, and beyond them from the other's; the seed is fixed."""
    found = ghm.evaluate(policy, PROBLEM)
    assert found.action_rule == rule
    returns = {"randomised": found.randomised_return, "greedy": found.greedy_return}
    judged, other = returns.pop(rule), *returns.values()
    assert found.exact_return == judged > other
    error = found.simulated.standard_error
    assert abs(found.simulated.mean - judged) <= AGREE * error
    assert abs(found.simulated.mean - other) > 2 * AGREE * error
    assert found.agrees
    assert found.loss == pytest.approx(1 - judged / found.solution.optimal_return)
