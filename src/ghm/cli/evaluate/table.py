"""What ``ghm evaluate`` prints for people, within 80 columns."""

import sys
import textwrap
from typing import Any

from ghm.cli.output import print_table
from ghm.io.text import LEVELS, WIDTH, loss_text, percent_text
from ghm.training.logging.metrics import policy_rows

QUANTITIES = (
    ("value", "value V"),
    ("cash_after", "cash after the transaction"),
    ("pays_above", LEVELS["payout_level"]),
    ("issues_below", LEVELS["issue_below"]),
    ("issues_up_to", LEVELS["issue_target"]),
)
"""What a policy is laid beside the optimum in, with --output."""


def print_evaluation(title: str, figures: dict[str, Any]) -> None:
    """Print the figures, and the verdict in words."""
    rule, head = figures["action_rule"], ""
    rows: list[tuple[str, ...]] = [
        ("firm value, exact", f"{figures['exact_return']:.4f}", f"{figures['optimal_return']:.4f}")
    ]
    if figures["draws"]:
        other = "greedy" if rule == "randomised" else "randomised"
        head = f"{rule} policy"
        rows.append((f"  of the {other} policy", f"{figures[f'{other}_return']:.4f}", ""))
    rows += [
        ("firm value, simulated", f"{figures['monte_carlo_return']:.4f}", ""),
        ("  standard error", f"{figures['monte_carlo_standard_error']:.4f}", ""),
        ("immediate-liquidation value", f"{figures['wind_up_return']:.4f}", ""),
        ("captured value", _share(figures["captured_value"]), "100%"),
        ("loss of firm value", loss_text(figures["loss"]), "0%"),
    ]
    rows += policy_rows(figures.get, rule)
    print_table(title, rows, (head, "policy", "optimum"))
    sys.stdout.write(textwrap.fill(figures["verdict_text"], WIDTH) + "\n")
    if "errors" in figures:
        _print_errors(figures["errors"])


def _print_errors(errors: dict[str, dict[str, float | None]]) -> None:
    print_table(
        "Policy less optimum over the grid",
        [
            (text, _error(errors[name]["mean_absolute"]), _error(errors[name]["root_mean_square"]))
            for name, text in QUANTITIES
        ],
        ("", "mean absolute", "root mean square"),
    )


def _share(captured: float | None) -> str:
    return "undefined" if captured is None else percent_text(captured, 2)


def _error(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}"
