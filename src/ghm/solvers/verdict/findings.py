"""What a verdict rests on, and the sentences that say it."""

from dataclasses import dataclass

from ghm.economics.action_rule import ActionRule
from ghm.io.text import loss_text, percent_text
from ghm.solvers.firm_statistics import Outcomes
from ghm.solvers.solution import Solution

NEAR_OPTIMAL = 0.97
"""Captured value from which a policy is near-optimal; with the defaults, paying optimally but never issuing has 0.950."""

NEAR_RETURN = 1e-3
"""Where immediate liquidation is optimal and captured value undefined: loss of firm value, as a share, that is near-optimal."""

NOTABLE_RATIO = 1.5
"""Ratio of issues per firm to the optimum's, either way, from which a near-optimal policy is said to differ: at a small fixed
cost frequent small issues cost little, and who reads the policy should know of them."""

NOTABLE_ISSUES = 0.1
"""The same, as a difference: below it both hardly ever issue."""

NOTABLE_LIQUIDATION = 0.05
"""Difference in the probability of early liquidation that is said."""


@dataclass(frozen=True)
class Findings:
    """What a verdict rests on."""

    reference: Solution
    action_rule: ActionRule
    achieved: float
    """The policy's exact firm value."""
    learned: Outcomes
    """What becomes of a firm under the policy."""
    optimal: Outcomes
    """What becomes of it under the optimum."""

    @property
    def captured(self) -> float | None:
        """Captured value; None where immediate liquidation is optimal, which leaves it undefined."""
        return self.reference.captured_value(self.achieved)

    @property
    def missing(self) -> float:
        """Captured value that is missing to 1; where it is undefined, in proportion to what a near-optimal policy may miss."""
        if self.captured is not None:
            return 1 - self.captured
        best = self.reference.optimal_return
        return (1 - NEAR_OPTIMAL) * (best - self.achieved) / (NEAR_RETURN * abs(best))

    @property
    def near_optimal(self) -> bool:
        """Whether next to nothing is missing."""
        return self.missing <= 1 - NEAR_OPTIMAL

    @property
    def measure(self) -> str:
        """What `text` shows a firm value as."""
        return "firm value" if self.captured is None else "captured value"

    def text(self, firm_value: float) -> str:
        """A firm value as captured value, or as it is where captured value is undefined."""
        captured = self.reference.captured_value(firm_value)
        return f"{firm_value:.4f}" if captured is None else percent_text(captured)


def sentence(findings: Findings, remedy: str) -> str:
    """What the policy loses and is worth, and what it would be worth with the faulty decision repaired."""
    reference, achieved = findings.reference, findings.achieved
    start = "Loses"
    if findings.near_optimal:
        start = f"Near-optimal{_reservation(findings)}: loses"
    elif achieved < reference.wind_up_return - NEAR_RETURN * abs(reference.wind_up_return):
        start = "Worse than immediate liquidation: loses"
    lost = loss_text(reference.loss(achieved))
    return f"{start} {lost} of firm value ({findings.measure} {findings.text(achieved)}).{remedy}"


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
