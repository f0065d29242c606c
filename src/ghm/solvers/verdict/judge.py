"""A verdict on a policy, computed: what it loses, and which single fault loses most of it.

A policy makes two decisions, when to pay and when to issue. Each is replaced by the optimum's in turn, the other left as
it is, and the repaired policy's firm value computed: the decision whose repair gains more is the one the verdict is about.
How it errs, and in which half of the horizon, is found in the same way: the decision is replaced only where it errs in one
direction, in one half, and the repair that gains most names the fault. Boundaries alone would not do: the one with the
whole horizon ahead may be off by much and cost nothing, while nearly everything is lost near the horizon.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.economics.action_rule import ActionRule, apply_rule, greedy
from ghm.economics.actions import HOLD, ISSUE, PAY, Actions, Policy
from ghm.economics.model import Array
from ghm.io.text import NEVER
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers.firm_statistics import Outcomes, outcomes
from ghm.solvers.policy_value import (
    certain_cash,
    deterministic_cash,
    effective_probabilities,
    expected_cash,
    policy_value,
    returns_of_rules,
)
from ghm.solvers.solution import Solution
from ghm.solvers.verdict.findings import Findings, sentence

CONSTANTLY = 0.1
"""Issues a time step that a firm lives from which it issues constantly; the default optimum has 0.0014."""

LIQUIDATES = 0.5
"""Probability of early liquidation, beyond the optimum's, from which a policy that pays too much liquidates the firm."""

MOST = 0.5
"""Share of what is missing to the optimum from which a near-optimal policy's largest fault is said, and share of a fault's
gain in one half of the horizon up to which the gain in the other half leaves the fault to the first."""

NEGLIGIBLE = 0.005
"""Captured value that may be missing without a word on its cause: the check of a good policy costs two inductions less."""

FAULTS = {
    "never_pays": "that it never pays dividends",
    "pays_too_much": "that it pays out too much",
    "pays_too_little": "that it pays out too little",
    "liquidates_early": "that it pays out so much that the firm is liquidated early",
    "never_issues_though_it_should": "that it never issues equity although it should",
    "issues_constantly": "that it issues equity constantly",
    "issues_though_it_should_not": "that it issues equity although it never should",
    "issues_at_too_much_cash": "that it issues equity at too much cash",
    "issues_only_at_too_little_cash": "that it issues equity only at too little cash",
    "issues_too_much": "too much equity per issue",
    "issues_too_little": "too little equity per issue",
}
"""What the sentence calls each fault."""

PLACES = ("near_the_horizon", "far_from_the_horizon")
"""The halves of the horizon; the name of a fault ends with one where it loses there what it loses."""

WAYS = {
    PAY: ("pays_too_much", "pays_too_little"),
    ISSUE: ("issues_at_too_much_cash", "issues_only_at_too_little_cash", "issues_too_much", "issues_too_little"),
}
"""How a decision can be wrong in a state."""


@dataclass(frozen=True)
class Verdict:
    """A word, sentences, and what becomes of firms; its table is `ghm.training.logging.metrics.policy_rows`.

    The word is ``near_optimal`` or one of the keys of `FAULTS`, some with one of `PLACES` behind them.
    """

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


def _repaired_cash(policy: Policy, optimum: ThresholdPolicy, cash: Array, time_to_horizon: float) -> list[Array]:
    """Cash after the greedy action at ``cash`` (N,) with payouts, and with issues, as the optimum has them, (N,) each.

    What :class:`Repaired` does to a policy that draws, where nothing is left to chance.
    """
    own, payout, target = greedy(cash, policy(cash, time_to_horizon))
    best, best_payout, best_target = optimum.rule(cash, time_to_horizon)
    found = []
    for decision, without_effect, levels in (
        (PAY, best_payout >= cash, (best_payout, target)),
        (ISSUE, best_target <= cash, (payout, best_target)),
    ):
        # As in :func:`greedy` an action without effect is none: at no cash, paying everything out must not displace an issue.
        taken = (best == decision) & ~without_effect
        mode = np.where(taken, decision, np.where(own == decision, HOLD, own))
        found.append(certain_cash(cash, mode, *levels, cash[-1]))
    return found


def _ways(decision: int, cash: Array, own: Array, repaired: Array, issues: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Where a decision is wrong in each of its `WAYS`, (N,) each.

    Args:
        decision: `PAY` or `ISSUE`.
        cash: cash before the transaction, (N,).
        own: mean cash after it, (N,).
        repaired: the same with the decision as the optimum has it, (N,).
        issues: probability that the policy issues, (N,).
    """
    more, less = own > repaired, own < repaired
    if decision == PAY:
        return [less, more]
    should, likely = repaired > cash, issues >= 0.5
    return [more & ~should, less & ~likely, more & should, less & likely]


def _cash_repaired_in_part(
    policy: Policy, optimum: ThresholdPolicy, decision: int, middle: float, cash: Array, time_to_horizon: float
) -> list[Array]:
    """Cash after the greedy action at ``cash`` (N,) with one decision repaired in one way in one half, (N,) each."""
    own = deterministic_cash(cash, policy(cash, time_to_horizon), cash[-1])
    repaired = _repaired_cash(policy, optimum, cash, time_to_horizon)[decision - PAY]
    ways = _ways(decision, cash, own, repaired, own > cash)
    halves = (time_to_horizon <= middle, time_to_horizon > middle)
    return [np.where(where, repaired, own) if half else own for where in ways for half in halves]


@dataclass(frozen=True)
class RepairedInPart:
    """A policy that draws with a decision replaced by the optimum's where it is wrong in one way, in one half of the horizon."""

    whole: Repaired
    way: int
    """Place in `WAYS`."""
    near: bool
    middle: float
    """Time to horizon of the half that is near, years."""

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """Actions at ``cash`` (N,)."""
        own = self.whole.policy(cash, time_to_horizon)
        if (time_to_horizon <= self.middle) != self.near:
            return own
        repaired, top = self.whole(cash, time_to_horizon), cash[-1]
        after, best = (expected_cash(cash, actions, top, "randomised") for actions in (own, repaired))
        issues = effective_probabilities(cash, own, top)[:, ISSUE]
        where = _ways(self.whole.decision, cash, after, best, issues)[self.way]
        modes, payout, payout_spread, issue, issue_spread = (
            np.where(where[:, None] if old.ndim == 2 else where, new, old)
            for old, new in zip(own[:5], repaired[:5], strict=True)
        )
        return Actions(modes, payout, payout_spread, issue, issue_spread, own.level_shift)


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

    findings = Findings(
        reference,
        action_rule,
        policy_value(acting, problem, randomised) if achieved is None else achieved,
        outcomes(policy, problem, randomised),
        reference.outcomes or outcomes(optimum, problem),
    )
    if findings.missing <= NEGLIGIBLE:
        return _verdict("near_optimal", findings, "")
    gains = _gains_of_decisions(policy, findings)
    decision = PAY if gains[PAY] >= gains[ISSUE] else ISSUE
    explained = gains[decision] >= MOST * (reference.optimal_return - findings.achieved)
    if findings.near_optimal and not explained:
        return _verdict("near_optimal", findings, "")
    name, phrase = _fault(policy, findings, decision)
    what = "payouts" if decision == PAY else "equity issues"
    most = "remaining" if findings.near_optimal else "single"
    value = findings.text(findings.achieved + gains[decision])
    remedy = (
        f" The largest {most} fault is {phrase}: correcting {what} alone would raise {findings.measure} to {value}."
    )
    return _verdict("near_optimal" if findings.near_optimal else name, findings, remedy)


def _verdict(name: str, findings: Findings, remedy: str) -> Verdict:
    return Verdict(name, sentence(findings, remedy), findings.learned, findings.optimal)


def _gains_of_decisions(policy: Policy, findings: Findings) -> dict[int, float]:
    """Firm value gained by each decision's repair."""
    problem, optimum = findings.reference.problem, findings.reference.policy
    if findings.action_rule == "randomised":
        values = [policy_value(Repaired(policy, optimum, decision), problem, True) for decision in (PAY, ISSUE)]
    else:
        values = returns_of_rules(functools.partial(_repaired_cash, policy, optimum), problem)
    return {decision: value - findings.achieved for decision, value in zip((PAY, ISSUE), values, strict=True)}


def _gains_of_parts(policy: Policy, findings: Findings, decision: int) -> Array:
    """Firm value gained where a decision is repaired in each of its `WAYS`, near the horizon and far from it, (W, 2)."""
    problem, optimum = findings.reference.problem, findings.reference.policy
    middle = (problem.n_steps - problem.first_half + 0.5) * problem.dt
    if findings.action_rule == "randomised":
        whole = Repaired(policy, optimum, decision)
        values = [
            policy_value(RepairedInPart(whole, way, near, middle), problem, True)
            for way in range(len(WAYS[decision]))
            for near in (True, False)
        ]
    else:
        in_part = functools.partial(_cash_repaired_in_part, policy, optimum, decision, middle)
        values = returns_of_rules(in_part, problem)
    return np.reshape(values, (-1, 2)) - findings.achieved


def _fault(policy: Policy, findings: Findings, decision: int) -> tuple[str, str]:
    """The largest fault of a decision: its name, and what it is called in a sentence."""
    name = _payout_fault(findings) if decision == PAY else _issue_fault(findings)
    if name is not None:
        return name, FAULTS[name]
    gains = _gains_of_parts(policy, findings, decision)
    way, half = np.unravel_index(np.argmax(gains), gains.shape)
    name = WAYS[decision][way]
    if gains[way, 1 - half] >= MOST * gains[way, half]:
        return name, FAULTS[name]
    return f"{name}_{PLACES[half]}", f"{FAULTS[name]} {PLACES[half].replace('_', ' ')}"


def _payout_fault(findings: Findings) -> str | None:
    """What is wrong with payouts altogether; None where they are too much or too little."""
    if findings.learned.payouts < NEVER:
        return "never_pays"
    excess = findings.learned.early_liquidation - findings.optimal.early_liquidation
    return "liquidates_early" if excess >= LIQUIDATES else None


def _issue_fault(findings: Findings) -> str | None:
    """What is wrong with equity issues altogether; None where they are at too much or too little cash, too large or too small."""
    learned, optimal = findings.learned, findings.optimal
    if learned.issues < NEVER <= optimal.issues:
        return "never_issues_though_it_should"
    if learned.issues * findings.reference.problem.dt >= CONSTANTLY * learned.years:
        return "issues_constantly"
    return "issues_though_it_should_not" if optimal.issues < NEVER else None
