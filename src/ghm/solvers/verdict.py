"""A verdict on a policy in one sentence, computed: what it loses, and which of its two decisions loses it.

A policy makes two decisions, when to pay and when to issue. Each is replaced by the optimum's in turn, the other left as
it is, and the repaired policy's firm value computed: the decision whose repair gains more is the one the verdict is about.
How it errs is read off what becomes of the firm (:mod:`ghm.solvers.firm_statistics`), not off the levels alone.
"""

import functools
from dataclasses import dataclass

import numpy as np

from ghm.economics.action_rule import ActionRule, apply_rule, greedy
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, Policy
from ghm.economics.model import Array
from ghm.io.compiled import compiled
from ghm.io.text import NEVER, loss_text, percent_text
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers.firm_statistics import Outcomes, outcomes
from ghm.solvers.levels import PolicyLevels, policy_levels
from ghm.solvers.policy_value import moved_cash, policy_value, returns_of_rules
from ghm.solvers.solution import Solution

NEAR_OPTIMAL = 0.97
"""Captured value from which a policy is near-optimal; with the defaults, paying optimally but never issuing has 0.950."""

NEAR_RETURN = 1e-3
"""Where immediate liquidation is optimal and captured value undefined: loss of firm value, as a share, that is near-optimal."""

CONSTANTLY = 0.1
"""Issues a time step that a firm lives from which it issues constantly; the default optimum has 0.0014."""

LIQUIDATES = 0.5
"""Probability of early liquidation, beyond the optimum's, from which a policy that pays too early liquidates the firm."""

NOTABLE_RATIO = 1.5
"""Ratio of issues per firm to the optimum's, either way, from which a near-optimal policy is said to differ: at a small fixed
cost frequent small issues cost little, and who reads the policy should know of them."""

NOTABLE_ISSUES = 0.1
"""The same, as a difference: below it both hardly ever issue."""

NOTABLE_LIQUIDATION = 0.05
"""Difference in the probability of early liquidation that is said."""

SENTENCES = {
    "near_optimal": "Near-optimal",
    "never_pays": "Never pays dividends",
    "pays_too_early": "Pays out too early",
    "pays_too_late": "Pays out too late",
    "liquidates_early": "Pays out so much that the firm is liquidated early",
    "never_issues_though_it_should": "Never issues equity although it should",
    "issues_constantly": "Issues equity constantly",
    "issues_though_it_should_not": "Issues equity although it never should",
    "issues_too_early": "Issues equity too early",
    "issues_too_late": "Issues equity too late",
    "issues_too_much": "Issues too much equity at a time",
    "issues_too_little": "Issues too little equity at a time",
}
"""How the sentence on each verdict starts."""


@dataclass(frozen=True)
class Verdict:
    """A word, one of the keys of `SENTENCES`, a sentence, and what becomes of firms; its table is `ghm.io.text.policy_rows`."""

    name: str
    text: str
    learned: Outcomes
    """Under the policy."""
    optimal: Outcomes
    """Under the optimum."""


@dataclass(frozen=True)
class Repaired:
    """A policy with one of its decisions, `PAY` or `ISSUE`, replaced by the optimum's."""

    policy: Policy
    optimum: Policy
    decision: int

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,): the optimum's where it takes the decision, and never the policy's own."""
        own = self.policy(cash, time_to_horizon)
        best_mode, payout, target = greedy(cash, self.optimum(cash, time_to_horizon))
        probabilities = np.array(own.mode_probabilities, dtype=float)
        probabilities[:, HOLD] += probabilities[:, self.decision]
        probabilities[:, self.decision] = 0.0
        best = best_mode == self.decision
        probabilities[best] = np.eye(3)[self.decision]
        none = np.zeros(cash.shape)
        with np.errstate(divide="ignore"):  # a level of 0 has the logarithm −∞ where levels are not shifted
            if self.decision == PAY:
                level = np.log(np.where(best, payout, own.median_payout_level) + own.level_shift)
                own = own._replace(payout_log_mean=level, payout_log_std=none)
            else:
                level = np.log(np.where(best, target, own.median_issue_target) + own.level_shift)
                own = own._replace(issue_log_mean=level, issue_log_std=none)
        return own._replace(mode_probabilities=probabilities)


def _repaired_cash(
    policy: Policy, optimum: ThresholdPolicy, cash: Array, time_to_horizon: float
) -> tuple[Array, Array]:
    """Cash after the greedy action at ``cash`` (N,) with payouts, and with issues, as the optimum has them, (N,) each.

    What :class:`Repaired` does to a policy that draws, where nothing is left to chance.
    """
    mode, payout, target = greedy(cash, policy(cash, time_to_horizon))
    best, best_payout, best_target = optimum.rule(cash, time_to_horizon)
    paying, issuing = np.empty(cash.size), np.empty(cash.size)
    _repair(cash, mode, payout, target, best, best_payout, best_target, paying, issuing)
    return paying, issuing


@compiled()
def _repair(cash: Array, mode, payout, target, best, best_payout, best_target, paying: Array, issuing: Array) -> None:
    top = cash[-1]
    for i in range(cash.size):
        # As in :func:`greedy` an action without effect is none: at no cash, paying everything out must not displace an issue.
        pays = best[i] == PAY and not best_payout[i] >= cash[i]
        issues = best[i] == ISSUE and not best_target[i] <= cash[i]
        own = mode[i]
        paying[i] = moved_cash(cash[i], PAY if pays else (HOLD if own == PAY else own), best_payout[i], target[i], top)
        issuing[i] = moved_cash(
            cash[i], ISSUE if issues else (HOLD if own == ISSUE else own), payout[i], best_target[i], top
        )


@dataclass(frozen=True)
class Findings:
    """What a verdict rests on."""

    reference: Solution
    action_rule: ActionRule
    achieved: float
    """The policy's exact firm value."""
    levels: PolicyLevels
    learned: Outcomes
    """What becomes of a firm under the policy."""
    optimal: Outcomes
    """What becomes of it under the optimum."""


def judge(
    policy: Policy,
    reference: Solution,
    action_rule: ActionRule = "greedy",
    achieved: float | None = None,
) -> Verdict:
    """Judge a policy under an action rule beside the optimum; ``achieved`` is its exact firm value, where that is known already.

    Raises:
        UserError: as :func:`ghm.solvers.policy_value`.
    """
    problem, optimum = reference.problem, reference.policy
    acting, randomised = apply_rule(policy, action_rule), action_rule == "randomised"

    def worth(policy: Policy) -> float:
        return policy_value(policy, problem, randomised)

    findings = Findings(
        reference,
        action_rule,
        worth(acting) if achieved is None else achieved,
        policy_levels(policy, problem.model, problem.T),
        outcomes(policy, problem, randomised),
        reference.outcomes or outcomes(optimum, problem),
    )
    if _is_near_optimal(findings):
        return _verdict("near_optimal", findings, "")
    if randomised:
        repaired = {decision: worth(Repaired(policy, optimum, decision)) for decision in (PAY, ISSUE)}
    else:
        returns = returns_of_rules(functools.partial(_repaired_cash, policy, optimum), problem)
        repaired = dict(zip((PAY, ISSUE), returns, strict=True))
    if repaired[PAY] >= repaired[ISSUE]:
        name, decision = _payout_fault(findings), "payouts"
    else:
        name, decision = _issue_fault(findings, problem.dt), "equity issues"
    return _verdict(
        name, findings, f", and would be {_worth(max(repaired.values()), reference)} with optimal {decision}"
    )


def _verdict(name: str, findings: Findings, remedy: str) -> Verdict:
    return Verdict(name, _sentence(name, findings, remedy), findings.learned, findings.optimal)


def _is_near_optimal(findings: Findings) -> bool:
    reference, achieved = findings.reference, findings.achieved
    captured = reference.captured_value(achieved)
    if captured is None:
        return reference.optimal_return - achieved <= NEAR_RETURN * abs(reference.optimal_return)
    return captured >= NEAR_OPTIMAL


def _payout_fault(findings: Findings) -> str:
    if findings.learned.payouts < NEVER:
        return "never_pays"
    excess = findings.learned.early_liquidation - findings.optimal.early_liquidation
    if excess >= LIQUIDATES:
        return "liquidates_early"
    learned, optimal = findings.levels.payout_level, findings.reference.initial_levels.payout_level
    if learned is None and findings.action_rule == "randomised":  # it pays at random, at no level more likely than not
        return "pays_too_early" if findings.learned.payouts > findings.optimal.payouts else "pays_too_late"
    late = learned is None or (optimal is not None and learned >= optimal)
    return "pays_too_late" if late else "pays_too_early"


def _issue_fault(findings: Findings, dt: float) -> str:
    learned, optimal = findings.learned, findings.optimal
    if learned.issues < NEVER <= optimal.issues:
        return "never_issues_though_it_should"
    if learned.issues * dt >= CONSTANTLY * learned.years:
        return "issues_constantly"
    below, target = findings.levels.issue_below, findings.levels.issue_target
    best = findings.reference.initial_levels
    best_below, best_target = best.issue_below, best.issue_target
    if best_below is None or best_target is None:
        return "issues_though_it_should_not"
    if below is None or target is None:
        at_random = findings.action_rule == "randomised"  # at no level more likely than not, and yet it may do so often
        return "issues_too_early" if at_random and learned.issues > optimal.issues else "issues_too_late"
    # The level that is further off, in cash, names the fault.
    if abs(below - best_below) >= abs(target - best_target):
        return "issues_too_early" if below > best_below else "issues_too_late"
    return "issues_too_much" if target > best_target else "issues_too_little"


def _sentence(name: str, findings: Findings, remedy: str) -> str:
    """What the policy does, what it is worth and loses, and what it would be worth with the faulty decision repaired."""
    reference, achieved = findings.reference, findings.achieved
    start = SENTENCES[name] + (_reservation(findings) if name == "near_optimal" else "")
    if achieved < reference.wind_up_return - NEAR_RETURN * abs(reference.wind_up_return):
        start = f"Worse than immediate liquidation, because it {start[0].lower()}{start[1:]}"
    # Where immediate liquidation is optimal, captured value is undefined.
    measure = "firm value" if reference.captured_value(achieved) is None else "captured value"
    lost = loss_text(reference.loss(achieved))
    return f"{start}: it loses {lost} of firm value; {measure} is {_worth(achieved, reference)}{remedy}."


def _reservation(findings: Findings) -> str:
    """What a policy that is near-optimal in value does otherwise than the optimum; nothing if it does the same."""
    learned, optimal = findings.learned, findings.optimal
    said = []
    more, fewer = learned.issues - optimal.issues, optimal.issues - learned.issues
    if more >= NOTABLE_ISSUES and learned.issues >= NOTABLE_RATIO * optimal.issues:
        said.append("issues equity more often")
    if fewer >= NOTABLE_ISSUES and optimal.issues >= NOTABLE_RATIO * learned.issues:
        said.append("issues equity less often")
    excess = learned.early_liquidation - optimal.early_liquidation
    if abs(excess) >= NOTABLE_LIQUIDATION:
        said.append(f"liquidates {'more' if excess > 0 else 'fewer'} firms early")
    return f" in value, but {' and '.join(said)} than the optimum" if said else ""


def _worth(achieved: float, reference: Solution) -> str:
    captured = reference.captured_value(achieved)
    return f"{achieved:.4f}" if captured is None else percent_text(captured)
