"""The metrics of a training: what each is called, measured in, shown as, and means. Everybody takes them from here.

A metric that the training computes (`PolicyEvaluation.metrics`, `Trainer._finish`) and that is entered here is a column of
the frames and exports, a fact of each trial on the page, and documented; with ``dashboard`` it is a column of TensorBoard's
HParams dashboard, with ``beside_optimum`` a row wherever a policy is laid beside the optimum: at the end of a search and of a
training, on the page, by ``ghm evaluate``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ghm.io.text import LEVELS, level_words, loss_text, percent_text, years_text


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
    kind: Literal["number", "share", "loss", "count", "times", "text"] = "number"
    """How it is shown; times: how often a firm does it over the horizon."""
    dashboard: bool = False
    """Whether TensorBoard's HParams dashboard has a column of it."""
    beside_optimum: bool = False
    """Whether tables have a row of it, beside the optimum's, whose key is ``optimal_`` and its own."""

    def shown(self, value: object) -> str:
        """A value as people read it; a dash where there is none."""
        if isinstance(value, str):
            return value.replace("_", " ") if self.kind == "text" else "–"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "–"
        texts = {
            "share": percent_text(float(value)),
            "loss": loss_text(float(value)),  # a good policy's is below the one decimal of a share
            "count": f"{value:g}",
            "times": f"{value:.2f}",
            "number": f"{value:.4f}",
        }
        text = texts.get(self.kind, "–")
        return f"{text} {self.unit}" if self.unit else text

    def said(self, value: object) -> str:
        """A value with what it is: captured value 98.8%."""
        return f"{self.label} {self.shown(value)}"


METRICS = (
    Metric(
        "best_return",
        "firm value",
        "exact firm value of the best policy; the manual calls it return",
        dashboard=True,
    ),
    Metric("best_iteration", "found at iteration", "iteration of that evaluation", kind="count"),
    Metric("final_return", "firm value of the last policy", "exact firm value of the last policy", dashboard=True),
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
    Metric("optimal_return", "optimal firm value", "firm value of the optimum"),
    Metric("wind_up_return", "immediate-liquidation value", "firm value of immediate liquidation"),
    Metric(
        "monte_carlo_return",
        "simulated firm value",
        "the best policy's firm value simulated on held-out draws: the check of best_return",
        dashboard=True,
    ),
    Metric("monte_carlo_standard_error", "its standard error", "standard error of monte_carlo_return"),
    Metric("verdict", "verdict", "its largest fault in a word, such as never_pays; or near_optimal", kind="text"),
    Metric("verdict_text", "verdict in words", "what it loses, and the largest fault, in sentences", kind="text"),
    Metric(
        "payout_level",
        LEVELS["payout_level"],
        "cash above which the best policy pays out with the whole horizon ahead; empty if never",
        "cash",
        beside_optimum=True,
    ),
    Metric(
        "issue_below",
        LEVELS["issue_below"],
        "cash below which it issues equity; empty if never",
        "cash",
        beside_optimum=True,
    ),
    Metric("issue_target", LEVELS["issue_target"], "cash after an issue; empty if never", "cash", beside_optimum=True),
    Metric("optimal_payout_level", "optimal payout boundary", "the optimum's payout boundary; empty if never", "cash"),
    Metric(
        "optimal_issue_below", "optimal issuance boundary", "the optimum's issuance boundary; empty if never", "cash"
    ),
    Metric(
        "optimal_issue_target", "optimal post-issuance cash", "the optimum's post-issuance cash; empty if never", "cash"
    ),
    Metric(
        "issues",
        "equity issues per firm",
        "expected equity issues per firm over the horizon",
        kind="times",
        dashboard=True,
        beside_optimum=True,
    ),
    Metric("payouts", "payouts per firm", "expected steps with a dividend per firm over the horizon", dashboard=True),
    Metric("years", "life of a firm", "expected years that a firm lives within the horizon", "years", dashboard=True),
    Metric(
        "early_liquidation",
        "liquidated in the first half of the horizon",
        "probability of liquidation in the first half of the horizon",
        kind="share",
        dashboard=True,
        beside_optimum=True,
    ),
)
"""All of them, in the order of the columns."""


def metric(name: str) -> Metric:
    """The metric of that name."""
    return next(one for one in METRICS if one.name == name)


def policy_rows(
    figure: Callable[[str], float | None], action_rule: object = "greedy", years: float | None = None
) -> list[tuple[str, str, str]]:
    """What a policy does: names, and each figure beside the optimum's; empty where the records have none of its levels.

    Args:
        figure: A figure of the records by its key; None where it is missing.
        action_rule: The rule that the policy is judged by.
        years: The horizon, which counts are over; None: not said.
    """
    if all(figure(which + key) is None for key in LEVELS for which in ("", "optimal_")):
        return []
    over = "" if years is None else f" over {years_text(years)}"
    rows = []
    for one in (one for one in METRICS if one.beside_optimum):
        learned, optimal = figure(one.name), figure(f"optimal_{one.name}")
        if one.name in LEVELS:
            times = figure("payouts" if one.name == "payout_level" else "issues") or 0.0
            rule = "randomised" if action_rule == "randomised" else "greedy"
            rows.append((one.label, level_words(learned, times, rule), level_words(optimal)))
        else:
            rows.append((one.label + (over if one.kind == "times" else ""), one.shown(learned), one.shown(optimal)))
    return rows
