"""The metrics of a training: what each is called, measured in, shown as, and means. Everybody takes them from here.

A metric that the training computes (`PolicyEvaluation.metrics`, `Trainer._finish`) and that is entered here is a column of
the frames and exports, a fact of each trial on the page, and documented; with ``dashboard`` it is a column of TensorBoard's
HParams dashboard.
"""

from dataclasses import dataclass
from typing import Literal

from ghm.io.text import loss_text, percent_text


@dataclass(frozen=True)
class Metric:
    """One figure, or word, of the best policy of a training."""

    name: str
    """Key in the records."""
    label: str
    """What people read."""
    documentation: str
    """What it means, in one line."""
    unit: str = ""
    """What it is measured in; nothing for a share or a count."""
    kind: Literal["number", "share", "loss", "count", "text"] = "number"
    """How it is shown."""
    dashboard: bool = False
    """Whether TensorBoard's HParams dashboard has a column of it."""

    def shown(self, value: object) -> str:
        """A value as people read it; a dash where there is none."""
        if isinstance(value, str):
            return value.replace("_", " ") if self.kind == "text" else "–"
        if value is None or isinstance(value, bool) or not isinstance(value, int | float):
            return "–"
        texts = {
            "share": percent_text(float(value)),
            "loss": loss_text(float(value)),  # a good policy's is below the one decimal of a share
            "count": f"{value:g}",
            "number": f"{value:.4f}",
        }
        text = texts.get(self.kind, "–")
        return f"{text} {self.unit}" if self.unit else text


METRICS = (
    Metric("best_return", "return", "exact return of the best policy at an evaluation", dashboard=True),
    Metric("best_iteration", "found at iteration", "iteration of that evaluation", kind="count"),
    Metric("final_return", "return of the last policy", "exact return of the last policy", dashboard=True),
    Metric(
        "captured_value",
        "captured value",
        "(best_return - wind_up_return) / (optimal_return - wind_up_return); 1 is optimal",
        kind="share",
        dashboard=True,
    ),
    Metric(
        "loss",
        "loss of firm value",
        "(optimal_return - best_return) / optimal_return: the share of firm value that is lost",
        kind="loss",
        dashboard=True,
    ),
    Metric("optimal_return", "return of the optimum", "return of the optimum"),
    Metric("wind_up_return", "return of closing at once", "return of closing the firm at once"),
    Metric(
        "monte_carlo_return",
        "simulated return",
        "the best policy's return simulated on held-out draws: the check of best_return",
        dashboard=True,
    ),
    Metric("monte_carlo_standard_error", "its standard error", "standard error of monte_carlo_return"),
    Metric("verdict", "verdict", "the best policy in a word, such as near_optimal or never_issues", kind="text"),
    Metric("verdict_text", "verdict in words", "the verdict in a sentence, with its figures", kind="text"),
    Metric(
        "payout_level",
        "pays out above",
        "cash above which the best policy pays out with the whole horizon ahead; empty if never",
        "cash",
    ),
    Metric("issue_below", "issues below", "cash below which it issues equity; empty if never", "cash"),
    Metric("issue_target", "issues up to", "cash that an issue raises to; empty if never", "cash"),
    Metric("optimal_payout_level", "optimum pays out above", "the optimum's payout level; empty if never", "cash"),
    Metric("optimal_issue_below", "optimum issues below", "the optimum's issue threshold; empty if never", "cash"),
    Metric("optimal_issue_target", "optimum issues up to", "the optimum's issue target; empty if never", "cash"),
    Metric("issues", "equity issues of a firm", "equity issues of a firm over the horizon, exactly", dashboard=True),
    Metric("payouts", "payouts of a firm", "steps with a dividend of a firm over the horizon, exactly", dashboard=True),
    Metric("years", "life of a firm", "years that a firm lives within the horizon, exactly", "years", dashboard=True),
    Metric(
        "early_liquidation",
        "liquidated early",
        "probability of being liquidated in the first half of the horizon, exactly",
        kind="share",
        dashboard=True,
    ),
)
"""All of them, in the order of the columns."""
