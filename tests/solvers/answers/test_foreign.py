"""Policies from elsewhere: what they say is what is judged, and what they cannot say is refused."""

import math

import numpy as np
import pytest

import ghm
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.policies.adapters import RememberedPolicy
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import dynamic_program, policy_value
from ghm.solvers.answers import as_policy
from ghm.solvers.policy_value import greedy

DT, T = 0.05, 1.0
MODEL = GHMModel()
CASH = np.array([0.0, 0.02, 0.1, 0.3])


def amounts(cash, time_to_horizon):
    """Pays above 0.2, issues below 0.05 up to 0.1."""
    return np.maximum(cash - 0.2, 0.0), np.where(cash < 0.05, 0.1 - cash, 0.0)


def one_state(cash, time_to_horizon):
    """The same, of one state at a time: an array has no truth."""
    if cash > 0.2:
        return cash - 0.2, 0.0
    return 0.0, (0.1 - cash if cash < 0.05 else 0.0)


def with_math(cash, time_to_horizon):
    return math.exp(math.log(max(cash - 0.2, 1e-300))) if cash > 0.2 else 0.0, 0.1 - cash if cash < 0.05 else 0.0


EQUAL = ThresholdPolicy.constant(DT, T, 0.2, 0.05, 0.1)


@pytest.mark.parametrize("function", [amounts, one_state, with_math])
def test_amounts_are_the_policy_with_the_same_levels(function):
    policy = as_policy(function)
    assert policy_value(policy, Problem(MODEL, DT, T)) == pytest.approx(
        policy_value(EQUAL, Problem(MODEL, DT, T)), abs=1e-9
    )
    mode, payout, target = greedy(CASH, policy(CASH, T))
    assert mode.tolist() == [ISSUE, ISSUE, 0, PAY]
    assert payout[3] == pytest.approx(0.2)
    assert target[:2] == pytest.approx([0.1, 0.1])


def test_a_wrong_amount_is_another_policy():
    wrong = as_policy(lambda cash, tau: (np.maximum(cash - 0.3, 0.0), np.where(cash < 0.05, 0.1 - cash, 0.0)))
    assert abs(policy_value(wrong, Problem(MODEL, DT, T)) - policy_value(EQUAL, Problem(MODEL, DT, T))) > 1e-4


def test_everything_may_be_paid_out_and_constants_may_be_numbers():
    closes = as_policy(lambda cash, tau: (cash, 0.0))
    assert policy_value(closes, Problem(MODEL, DT, T)) == pytest.approx(
        policy_value(ThresholdPolicy.constant(DT, T, 0.0), Problem(MODEL, DT, T))
    )
    holds = as_policy(lambda cash, tau: (0.0, 0.0))
    assert policy_value(holds, Problem(MODEL, DT, T)) == policy_value(
        ThresholdPolicy.constant(DT, T), Problem(MODEL, DT, T)
    )


def test_amounts_may_be_arrays_of_one():
    """What a network of one state answers: of all states at once, and state by state."""
    paid = as_policy(lambda cash, tau: (np.array([0.0]), np.array([0.01])))
    assert greedy(CASH, paid(CASH, T))[0].tolist() == [ISSUE] * 4
    by_one = as_policy(lambda cash, tau: [np.array([part]) for part in one_state(cash, tau)])
    assert greedy(CASH, by_one(CASH, T))[0].tolist() == [ISSUE, ISSUE, HOLD, PAY]


def test_actions_pass_through():
    optimum = dynamic_program(Problem(MODEL, DT, T)).policy
    assert policy_value(as_policy(optimum), Problem(MODEL, DT, T)) == policy_value(optimum, Problem(MODEL, DT, T))


def test_the_shift_of_the_levels_is_kept():
    """ln(b + a) with a = 0.05: the same levels as without a shift, by the definition in `ghm.economics.actions`."""

    def shifted(cash, tau):
        modes = np.eye(3)[np.where(cash > 0.2, PAY, np.where(cash < 0.05, ISSUE, HOLD))]
        one = np.ones(cash.size)
        return Actions(modes, np.log(0.25) * one, 0 * one, np.log(0.15) * one, 0 * one, 0.05)

    assert greedy(CASH, as_policy(shifted)(CASH, T))[1][3] == pytest.approx(0.2)
    assert policy_value(as_policy(shifted), Problem(MODEL, DT, T)) == pytest.approx(
        policy_value(EQUAL, Problem(MODEL, DT, T)), abs=1e-9
    )
    dropped = as_policy(lambda cash, tau: shifted(cash, tau)._replace(level_shift=0.0))
    assert abs(policy_value(dropped, Problem(MODEL, DT, T)) - policy_value(EQUAL, Problem(MODEL, DT, T))) > 1e-4


def test_probabilities_in_single_precision_are_made_to_sum_to_one():
    for given in ([0.50004, 0.25002, 0.25002], [0.49996, 0.24998, 0.24998]):
        found = as_policy(bad_actions(mode_probabilities=lambda n, row=given: np.tile(row, (n, 1))))(CASH, T)
        assert found.mode_probabilities == pytest.approx(np.tile([0.5, 0.25, 0.25], (CASH.size, 1)), abs=1e-12)
    # A rounding below 0 is 0, not a debt to the others.
    found = as_policy(bad_actions(mode_probabilities=lambda n: np.tile([1.0, 5e-7, -5e-7], (n, 1))))(CASH, T)
    assert found.mode_probabilities.min() == 0.0
    assert found.mode_probabilities.sum(axis=1) == pytest.approx(np.ones(CASH.size), abs=1e-12)


def test_all_but_a_rounding_may_be_paid_out():
    rounded = as_policy(lambda cash, tau: (cash * (1 + 5e-10), 0.0))(CASH, T)
    assert greedy(CASH, rounded)[1][1:] == pytest.approx(0.0, abs=1e-12)
    for share in (1 + 1e-8, 1.4):
        with pytest.raises(UserError, match=r"payout must be at most the cash there is.*at cash 0\.02"):
            as_policy(lambda cash, tau, share=share: (share * cash, 0.0))(CASH, T)


def fails(cash, tau):
    return cash.no_such_thing


def bad_actions(**changes):
    def policy(cash, tau):
        n = cash.size
        fine = {
            "mode_probabilities": np.tile([1.0, 0.0, 0.0], (n, 1)),
            **dict.fromkeys(Actions._fields[1:5], np.zeros(n)),
        }
        return Actions(**{**fine, **{key: value(n) for key, value in changes.items()}})

    return policy


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (lambda c, t: (2 * c, 0 * c), ("payout must be at most the cash there is", "received 0.04 at cash 0.02")),
        (lambda c, t: (-1 + 0 * c, 0 * c), ("payout must be finite and >= 0", "received -1 at cash 0")),
        (lambda c, t: (0 * c, np.nan + c), ("issue must be finite and >= 0", "nan")),
        (lambda c, t: (c / 2, 1 + c), ("payout must be 0 where the firm issues",)),
        (lambda c, t: (c / 2, 1e-6 + 0 * c), ("payout must be 0 where the firm issues",)),
        (lambda c, t: c, ("must return ghm.Actions, or a pair", "ndarray")),
        (lambda c, t: (c, c, c), ("must return", "shapes")),
        (lambda c, t: (np.zeros(3), np.zeros(3)), ("must return", "(3,)")),
        (lambda c, t: None, ("must return", "NoneType")),
        (lambda c, t: "no", ("must return", "str")),
        (lambda c: (c, c), ("TypeError", "2 were given")),
        (fails, ("fails failed at cash 0 and more", "AttributeError", "test_foreign.py, line", "mend it there")),
        (lambda c, t: 1 / 0, ("ZeroDivisionError",)),
        (bad_actions(mode_probabilities=lambda n: np.full((n, 2), 0.5)), ("must have shape (4, 3)", "received (4, 2)")),
        (bad_actions(mode_probabilities=lambda n: np.full((n, 3), 0.5)), ("sum to 1", "received 1.5")),
        (bad_actions(mode_probabilities=lambda n: np.tile([2.0, -1.0, 0.0], (n, 1))), (">= 0 and sum to 1",)),
        (bad_actions(payout_log_std=lambda n: np.full(n, -1.0)), ("payout_log_std must be >= 0", "received -1")),
        (bad_actions(issue_log_mean=lambda n: np.full(n, np.nan)), ("issue_log_mean must be a number", "nan")),
    ],
)
def test_what_no_firm_can_do_is_refused(function, parts):
    with pytest.raises(UserError) as caught:
        as_policy(function)(CASH, T)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_function_of_one_state_that_fails_says_where():
    def scalar(cash, tau):
        if cash > 0.2:
            raise RuntimeError("no answer")
        return 0.0, 0.0

    with pytest.raises(UserError, match=r"failed at cash 0\.3, time to horizon 1: RuntimeError: no answer"):
        as_policy(scalar)(CASH, T)


def test_an_interrupt_is_none_of_its_business():
    def interrupted(cash, tau):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        as_policy(interrupted)(CASH, T)


def test_answers_are_remembered_on_the_grid_and_nowhere_else():
    asked = []

    def counting(cash, tau):
        asked.append(cash.size)
        return 0 * cash, 0 * cash

    remembered = RememberedPolicy(as_policy(counting), CASH, 10)
    for _ in range(3):
        remembered(CASH, 0.5)
        remembered(CASH[:2], 0.5)
    assert asked == [4, 2, 2, 2]
    assert remembered(CASH, 0.6) is not remembered(CASH, 0.5)


def test_evaluation_of_a_function():
    found = ghm.evaluate(amounts, dt=DT, T=T)
    assert found.exact_return == pytest.approx(policy_value(EQUAL, Problem(MODEL, DT, T)), abs=1e-9)
    assert found.randomised_return == found.exact_return
    assert not found.draws
    assert found.agrees
    assert found.captured_value == found.solution.captured_value(found.exact_return)
    assert found.levels.issue_target == pytest.approx(0.1)
    assert found.levels.payout_level == pytest.approx(0.2, abs=1e-3)
    assert found.to_dict()["verdict_text"] == found.verdict.text


def test_evaluation_of_a_policy_that_draws_has_both_action_rules():
    def sometimes(cash, tau):
        n = cash.size
        modes = np.tile([0.6, 0.2, 0.2], (n, 1))
        return Actions(modes, np.full(n, np.log(0.2)), np.full(n, 0.3), np.full(n, np.log(0.08)), np.full(n, 0.1))

    found = ghm.evaluate(sometimes, dt=DT, T=T)
    assert found.draws
    assert found.greedy_return == policy_value(
        ThresholdPolicy.constant(DT, T), Problem(MODEL, DT, T)
    )  # holding is likeliest
    assert found.randomised_return == policy_value(sometimes, Problem(MODEL, DT, T), randomised=True)
    assert found.randomised_return != found.greedy_return
    assert found.exact_return == max(found.randomised_return, found.greedy_return)
    assert found.to_dict()[f"{found.action_rule}_return"] == found.exact_return


def test_evaluation_notices_what_simulation_contradicts(monkeypatch):
    monkeypatch.setattr("ghm.solvers.answers.evaluation.policy_value", lambda *_, **__: 6.0)
    assert not ghm.evaluate(amounts, dt=DT, T=T).agrees
