"""Each verdict by a policy made to deserve it; levels and what becomes of firms against simulation and closed forms."""

import functools

import numpy as np
import pytest
from scipy.stats import norm
from solvers.firm_simulation import simulate
from solvers.policies import constant, with_levels

from ghm.economics.action_rule import Greedy, certain_actions
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.io.text import level_words, loss_text
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import policy_value
from ghm.solvers.dynamic_program import solve
from ghm.solvers.firm_statistics import outcomes
from ghm.solvers.levels import policy_levels
from ghm.solvers.policy_value import returns_of_rules
from ghm.solvers.verdict.findings import Findings
from ghm.solvers.verdict.judge import FAULTS as PHRASES
from ghm.solvers.verdict.judge import PLACES, Repaired, _gains_of_parts, _repaired_cash, judge
from ghm.training.logging.metrics import policy_rows

DT, T = 0.02, 4.0
MODEL = GHMModel()
WORTHLESS = GHMModel(recovery=0.0)
DEAR = GHMModel(recovery=0.0, proportional_cost=2.0)
CHUNKY = GHMModel(recovery=0.0, fixed_cost=0.05)
PROHIBITIVE = GHMModel(fixed_cost=6.0)
HOPELESS = GHMModel(recovery=1.2)
"""Immediate liquidation is optimal."""


@pytest.fixture(scope="module")
def references():
    return {
        model: solve(model, DT, T, "liquidation") for model in (MODEL, WORTHLESS, DEAR, CHUNKY, PROHIBITIVE, HOPELESS)
    }


FAULTS = {
    "near_optimal": (MODEL, {"payout": 0.21, "below": 0.05, "target": 0.09}),
    "never_pays": (MODEL, {"below": 0.05, "target": 0.09}),
    "pays_too_much": (MODEL, {"payout": 0.1, "below": 0.05, "target": 0.09}),
    "pays_too_little": (MODEL, {"payout": 1.0, "below": 0.05, "target": 0.09}),
    "liquidates_early": (MODEL, {"payout": 0.0}),
    "never_issues_though_it_should": (WORTHLESS, {"payout": 0.21}),
    "issues_constantly": (MODEL, {"payout": 0.21, "below": 0.2, "target": 0.205}),
    "issues_though_it_should_not": (PROHIBITIVE, {"payout": 0.5, "below": 0.01, "target": 0.3}),
    "issues_at_too_much_cash": (MODEL, {"payout": 0.21, "below": 0.13, "target": 0.15}),
    "issues_only_at_too_little_cash_far_from_the_horizon": (
        WORTHLESS,
        {"payout": 0.21, "below": 0.005, "target": 0.09},
    ),
    "issues_too_much_far_from_the_horizon": (DEAR, {"payout": 0.25, "below": 0.03, "target": 0.24}),
    "issues_too_little_far_from_the_horizon": (CHUNKY, {"payout": 0.25, "below": 0.0318, "target": 0.0328}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_verdict(name, references):
    model, levels = FAULTS[name]
    verdict = judge(constant(DT, T, **levels), references[model])
    assert verdict.name == name, verdict.text
    assert_called(name, verdict.text)
    assert verdict.text.endswith(".")


def assert_called(name, text):
    """The sentence calls the fault by its phrase, and names the half of the horizon if the name does."""
    if name == "near_optimal":
        assert text.startswith("Near-optimal")
        return
    place = next((one for one in PLACES if name.endswith(one)), "")
    phrase = PHRASES[name.removesuffix(f"_{place}")] + (f" {place}" if place else "").replace("_", " ")
    assert f"The largest single fault is {phrase}: correcting " in text


def test_every_fault_has_a_policy_made_to_deserve_it():
    bases = {next((base for base in PHRASES if name.startswith(base)), name) for name in FAULTS}
    assert bases == {*PHRASES, "near_optimal"}


def early_and_late(best, far, near):
    """Its payout boundary is the one with the whole horizon ahead, times ``far`` in the first half and ``near`` in the second.

    None: the optimum's own there.
    """
    first = best.time_to_horizon > T / 2 + DT / 2
    own = best.levels.payout_level
    second = own if near is None else near * own[-1]
    return with_levels(best, payout_level=np.where(first, far * own[-1], second))


@pytest.mark.parametrize(("far", "near", "name", "place"), [
    (0.95, 1.0, "pays_too_little", "near"),
    (0.95, 0.3, "pays_too_much", "near"),
    (0.6, None, "pays_too_much", "far"),
    (2.0, None, "pays_too_little", "far"),
])  # fmt: skip
def test_the_largest_fault_is_named_where_it_is(far, near, name, place, references):
    """By hand: the optimum's boundary in one half of the horizon alone, whose gain says where the fault is."""
    reference = references[MODEL]
    best, problem = reference.policy, reference.problem
    policy = early_and_late(best, far, near)
    first = best.time_to_horizon > T / 2 + DT / 2
    own, optimal = policy.levels.payout_level, best.levels.payout_level
    loss = reference.optimal_return - policy_value(policy, problem)
    halves = {"near": np.where(first, own, optimal), "far": np.where(first, optimal, own)}
    gains = {
        half: loss - (reference.optimal_return - policy_value(with_levels(policy, payout_level=level), problem))
        for half, level in halves.items()
    }
    assert gains[place] == max(gains.values()) > 0.8 * loss
    verdict = judge(policy, reference)
    full = {"near": "near_the_horizon", "far": "far_from_the_horizon"}[place]
    if verdict.name != "near_optimal":
        assert verdict.name == f"{name}_{full}"
        assert_called(verdict.name, verdict.text)
    assert (
        f" fault is {PHRASES[name]} {full.replace('_', ' ')}: correcting payouts alone would raise captured value to "
        in verdict.text
    )


def test_the_boundary_with_the_whole_horizon_ahead_does_not_decide(references):
    """The wrong variant: it is below the optimum's, and yet what is lost is lost by paying too little near the horizon."""
    best = references[MODEL].policy
    policy = early_and_late(best, 0.95, 1.0)
    assert policy_levels(policy, MODEL, T).payout_level < references[MODEL].initial_levels.payout_level
    assert " that it pays out too little near the horizon: " in judge(policy, references[MODEL]).text


@pytest.mark.parametrize("decision", [PAY, ISSUE])
def test_repairing_a_part_is_the_same_for_a_policy_that_draws(decision, references):
    """In one induction for what is certain, and by policy objects for what draws."""
    reference = references[MODEL]
    problem, best = reference.problem, reference.policy
    off = constant(DT, T, payout=0.15, below=0.06, target=0.08)
    gains = {
        rule: _gains_of_parts(
            Greedy(off), Findings(reference, rule, 0.0, reference.outcomes, reference.outcomes), decision
        )
        for rule in ("greedy", "randomised")
    }
    assert gains["randomised"] == pytest.approx(gains["greedy"], abs=1e-9)
    assert np.ptp(gains["greedy"]) > 1e-4, "the parts are told apart"
    whole = policy_value(Repaired(Greedy(off), best, decision), problem)
    assert gains["greedy"].max() <= whole + 1e-9


def test_a_good_policy_s_largest_remaining_fault_is_said_if_it_explains_most(references):
    """Policies near the optimum: with one fault, with none to speak of, with two of equal weight, and the optimum."""
    reference = references[MODEL]
    text = judge(early_and_late(reference.policy, 1.0, 1.0), reference).text
    assert text.startswith("Near-optimal: loses ")
    assert (
        " The largest remaining fault is that it pays out too little near the horizon: "
        "correcting payouts alone would raise captured value to " in text
    )
    assert "fault" not in judge(reference.policy, reference).text
    assert (
        "fault"
        not in judge(
            with_levels(reference.policy, payout_level=1.02 * reference.policy.levels.payout_level), reference
        ).text
    )


def test_the_optimum_is_near_optimal(references):
    for reference in references.values():
        assert judge(reference.policy, reference).name == "near_optimal"


def test_levels_that_are_off_but_cost_little_are_no_fault(references):
    """Negative control: the policies above are judged by what they lose, not by their levels."""
    best = references[MODEL].policy
    issues_early = with_levels(
        best, issue_below=1.3 * best.levels.issue_below, issue_target=1.3 * best.levels.issue_target
    )
    assert judge(issues_early, references[MODEL]).name == "near_optimal"


def test_what_costs_little_but_is_done_twice_as_often_is_said():
    """At a small fixed cost many small issues cost next to nothing; who reads the policy would wonder at them."""
    dt, T, model = 0.02, 10.0, GHMModel()
    reference = solve(model, dt, T, "liquidation")
    best = reference.policy
    tiny = ThresholdPolicy.constant(dt, T, 0.19, 0.0435, 0.0439)
    optimal, often = outcomes(best, Problem(model, dt, T)), outcomes(tiny, Problem(model, dt, T))
    assert often.issues > 2 * optimal.issues
    verdict = judge(tiny, reference)
    assert verdict.name == "near_optimal"
    assert verdict.text.startswith("Near-optimal in value, but issues equity more often than the optimum: loses ")
    assert (verdict.learned, verdict.optimal) == (often, optimal)
    # Negative control: of the optimum itself nothing is said.
    own = judge(best, reference)
    assert own.text.startswith("Near-optimal: loses ")


def test_a_policy_is_judged_by_the_reading_that_it_is_exported_under(references):
    """It issues with a probability of 0.3 a step where cash is low: never the most likely mode, and yet within days."""

    def hesitant(cash, _time):
        one, low = np.ones(cash.shape), cash < 0.05
        probabilities = np.stack([np.where(low, 0.6, 0.97), 0.02 * one, np.where(low, 0.38, 0.01)], axis=1)
        probabilities[cash > 0.21] = [0.0, 1.0, 0.0]
        return Actions(probabilities, np.log(0.2) * one, 0.05 * one, np.log(0.09) * one, 0.05 * one)

    reference = references[WORTHLESS]
    drawn = judge(hesitant, reference, "randomised")
    decided = judge(hesitant, reference, "greedy")
    assert decided.name == "never_issues_though_it_should"
    assert drawn.name != decided.name
    achieved = policy_value(hesitant, Problem(WORTHLESS, DT, T), randomised=True)
    assert f"{reference.captured_value(achieved):.1%}" in drawn.text
    assert drawn.learned == outcomes(hesitant, Problem(WORTHLESS, DT, T), randomised=True)
    given = judge(hesitant, reference, "randomised", achieved=achieved)
    assert given == drawn


def test_what_becomes_of_firms_whose_policy_draws():
    """Hesitating in nine steps of ten is issuing a tenth as often at each of them; certainty is the other action rule."""

    def policy(chance):
        def actions(cash, _time):
            one, low = np.ones(cash.shape), cash < 0.3
            probabilities = np.stack([np.where(low, 1 - chance, 1.0), 0 * one, np.where(low, chance, 0.0)], axis=1)
            return Actions(probabilities, 0 * one, 0 * one, np.log(0.3001) * one, 0 * one)

        return actions

    one_step = GHMModel(c_max=0.6)
    certain, rare = (
        outcomes(policy(chance), Problem(one_step, DT, DT), randomised=True).issues for chance in (1.0, 0.1)
    )
    assert certain == pytest.approx(0.5, abs=5e-3)
    assert rare == pytest.approx(0.1 * certain, rel=1e-6)
    assert outcomes(policy(0.1), Problem(one_step, DT, DT)).issues == 0.0


def test_who_issues_and_pays_at_random_is_not_said_never_to(references):
    """No mode is ever the most likely but holding, and yet a firm issues many times."""

    def at_random(cash, tau):
        n = cash.size
        modes = np.tile([0.9, 0.05, 0.05], (n, 1))
        return Actions(modes, np.full(n, np.log(0.02)), np.full(n, 0.1), np.full(n, np.log(0.3)), np.full(n, 0.1))

    found = judge(at_random, references[MODEL], "randomised")
    assert found.learned.issues > 2 * found.optimal.issues
    assert found.name != "issues_only_at_too_little_cash"
    assert "never" not in found.text
    assert levels_said(at_random, found, "randomised") == ["at random"] * 3
    holding = judge(at_random, references[MODEL], "greedy")
    assert levels_said(at_random, holding, "greedy") == ["never"] * 3
    assert holding.name in ("never_pays", "never_issues_though_it_should")


def levels_said(policy, verdict, action_rule):
    """The levels in the table that goes with a verdict."""
    figures = vars(policy_levels(policy, MODEL, T)) | vars(verdict.learned)
    figures |= {f"optimal_{name}": 1.0 for name in figures}
    return [learned for _, learned, _ in policy_rows(figures.get, action_rule)[:3]]


def test_who_acts_for_certain_but_later_is_not_said_to_act_at_random(references):
    """A policy that leaves nothing to chance, and neither pays nor issues with the whole horizon ahead."""

    def late(cash, tau):
        mode = np.where(cash > 0.3, PAY, np.where(cash < 0.03, ISSUE, HOLD)) if tau < 3 else np.zeros(cash.size, int)
        return certain_actions(mode, np.full(cash.size, 0.3), np.full(cash.size, 0.08))

    found = judge(late, references[MODEL])
    assert found.learned.issues > 0.01 < found.learned.payouts
    assert found.name in ("pays_too_little", "issues_only_at_too_little_cash")
    assert levels_said(late, found, "greedy") == ["later only"] * 3


def test_level_words():
    cases = (
        (0.25, 3.0, "randomised"),
        (None, 3.0, "randomised"),
        (None, 3.0, "greedy"),
        (None, 0.0, "randomised"),
    )
    assert [level_words(*of) for of in cases] == ["0.2500", "at random", "later only", "never"]
    assert level_words(None) == "never"


def test_the_sentence_has_the_figures(references):
    reference = references[MODEL]
    policy = constant(DT, T, payout=0.5)
    text = judge(policy, reference).text
    achieved = policy_value(policy, Problem(MODEL, DT, T))
    lost = loss_text(1 - achieved / reference.optimal_return)
    assert text.startswith(
        f"Loses {lost} of firm value (captured value {reference.captured_value(achieved):.1%}). The "
    )
    assert text.count(".") == text.count("%") + 2, "two sentences"


def test_the_table_has_what_the_policy_does_beside_the_optimum():
    """Names and figures, each under a key of its own; what is missing is said to be."""
    figures = {
        "payout_level": 0.5, "issue_below": None, "issue_target": None, "issues": 0.0, "payouts": 30.0,
        "early_liquidation": 0.031, "optimal_payout_level": 0.2, "optimal_issue_below": 0.03, "optimal_issue_target": 0.07,
        "optimal_issues": 1.349,
    }  # fmt: skip
    assert policy_rows(figures.get) == [
        ("payout boundary", "0.5000", "0.2000"),
        ("issuance boundary", "never", "0.0300"),
        ("post-issuance cash", "never", "0.0700"),
        ("equity issues per firm", "0.00", "1.35"),
        ("liquidated in the first half of the horizon", "3.1%", "–"),
    ]
    assert policy_rows({"issues": 1.0}.get) == []


def test_worse_than_immediate_liquidation_is_said(references):
    wasteful = constant(DT, T, payout=0.21, below=0.2, target=1.5)
    text = judge(wasteful, references[MODEL]).text
    assert text.startswith("Worse than immediate liquidation: loses ")
    assert_called("issues_constantly", text)
    better = judge(constant(DT, T, payout=1.0), references[MODEL]).text
    assert not better.startswith("Worse")


def test_immediate_liquidation_is_near_optimal_where_nothing_is_better(references):
    close, keep = constant(DT, T, payout=0.0), constant(DT, T)
    assert judge(close, references[HOPELESS]).name == "near_optimal"
    assert judge(keep, references[HOPELESS]).name == "never_pays"


# ---------------------------------------------------------------------------------------------------- levels


def test_levels_of_a_threshold_policy():
    levels = policy_levels(constant(DT, T, payout=0.3, below=0.1, target=0.2), MODEL, T)
    spacing = 1.001 * MODEL.c_max / 4000
    assert levels.payout_level == pytest.approx(0.3, abs=spacing)
    assert levels.issue_below == pytest.approx(0.1, abs=spacing)
    assert levels.issue_target == pytest.approx(0.2)


def test_acting_without_effect_is_not_acting():
    def idle(cash, _time):
        """Pays down to more than there is below 1, issues up to less than there is above."""
        one = np.ones(cash.shape)
        mode = np.where(cash < 1.0, PAY, ISSUE)
        return Actions(np.eye(3)[mode], np.log(1.5) * one, 0.1 * one, np.log(0.5) * one, 0.1 * one)

    levels = policy_levels(idle, MODEL, T)
    assert (levels.payout_level, levels.issue_below, levels.issue_target) == (None, None, None)


# ---------------------------------------------------------------------------------------------------- outcomes


def test_what_becomes_of_a_firm_that_pays_everything_out():
    """It survives each step with the same probability q: geometric sums."""
    earned = 0.18 + 0.2 * 0.25 * 0.12  # α − ρ σ_A σ_X, the drift at zero cash under the firm's own law
    n_steps, q = round(T / DT), norm.cdf(earned * DT / (0.12 * np.sqrt(DT)))
    found = outcomes(constant(DT, T, payout=0.0), Problem(MODEL, DT, T))
    alive = (1 - q**n_steps) / (1 - q)
    assert found.issues == 0.0
    assert found.years == pytest.approx(DT * alive, rel=1e-3)
    assert found.payouts == pytest.approx(alive, rel=0.03)  # next to nothing is paid from next to no cash
    assert found.early_liquidation == pytest.approx(1 - q ** (n_steps // 2), abs=1e-6)


def test_a_firm_that_keeps_its_cash_lives_to_the_horizon():
    found = outcomes(constant(DT, T, below=0.3, target=0.6), Problem(MODEL, DT, T))
    assert found.years == pytest.approx(T, rel=1e-3)
    assert found.payouts == 0.0
    assert found.early_liquidation < 1e-3


@pytest.mark.parametrize("levels", [{"payout": 0.15, "below": 0.03, "target": 0.1}, {"payout": 0.08}])
def test_simulation_agrees_on_what_becomes_of_firms(levels):
    """Four standard errors for each count, α = 6e-5, beyond a share of σ_A √dt; the seed is fixed."""
    policy = constant(DT, T, **levels)
    rules = policy.levels[:3]
    drawn, allowed = simulate(MODEL, DT, round(T / DT), *rules, firms=20_000, seed=1), MODEL.sigma_a * np.sqrt(DT)
    assert np.all(drawn.distance(outcomes(policy, Problem(MODEL, DT, T)), allowed) < 4)
    wrong = with_levels(policy, payout_level=1.2 * policy.levels.payout_level)
    assert np.any(drawn.distance(outcomes(wrong, Problem(MODEL, DT, T)), allowed) > 8)


@pytest.mark.parametrize("decision", [PAY, ISSUE])
def test_repairing_what_is_certain_is_repairing_it_as_a_policy_that_draws(decision, references):
    """Both repairs in one induction are those of the policy object, each by an induction of its own."""
    problem, best = references[MODEL].problem, references[MODEL].policy
    off = constant(DT, T, payout=0.3, below=0.06, target=0.1)
    found = returns_of_rules(functools.partial(_repaired_cash, off, best), problem)[decision - PAY]
    assert found == pytest.approx(policy_value(Repaired(Greedy(off), best, decision), problem), abs=1e-12)
    # Negative control: it was in need of repair, of this decision too.
    assert found > policy_value(off, problem) + 1e-4
