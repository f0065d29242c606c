"""Figures of a policy as text: what is short of the optimum is never rounded up to it, and levels have their names here."""

import math
from collections.abc import Sequence

WIDTH = 80
"""Columns of text that is wrapped for a terminal, as narrow as they come."""

MOST_DECIMALS = 5
"""Of a share: what is nearer to the optimum than this is the optimum for every purpose."""

NEVER = 1e-3
"""Expected number of issues, or of payouts, per firm below which a policy never does it."""

LEVELS = {"payout_level": "payout boundary", "issue_below": "issuance boundary", "issue_target": "post-issuance cash"}
"""The levels of cash that describe a policy, by their keys in the records, as people call them."""


def percent_text(share: float | None, decimals: int = 1) -> str:
    """A share in percent, with more decimals where fewer would say 100: 98.8%, 99.98%; a dash where missing or not finite."""
    if share is None or not math.isfinite(share):
        return "–"
    places, shown = _below_one(share, decimals + 2)
    return _unsigned_zero(f"{100 * shown:.{places - 2}f}") + "%"


def years_text(years: float) -> str:
    """A length of time: 1 year, 10 years."""
    text = f"{years:g}"
    return f"{text} year{'' if text == '1' else 's'}"


def loss_text(loss: float | None) -> str:
    """A loss of firm value in percent, to two digits and no further than 0.0001%: 0.27%, 12%, undefined."""
    if loss is None or not math.isfinite(loss):
        return "undefined"
    percent = 100 * loss
    if abs(percent) < 1e-4:
        return "0%"
    decimals = min(max(1 - math.floor(math.log10(abs(percent))), 0), 4)
    return f"{percent:.{decimals}f}%"


def _unsigned_zero(number: str) -> str:
    """A number as text, without the sign of a zero."""
    return number if float(number) else number.lstrip("-")


def _below_one(share: float, decimals: int) -> tuple[int, float]:
    """Decimals of ``share`` that keep it below 1 if it is, and the share, cut off where no number of them would."""
    while share < 1 <= round(share, decimals):
        if decimals == MOST_DECIMALS:
            return decimals, math.floor(share * 10**decimals) / 10**decimals
        decimals += 1
    return decimals, share


def error_text(error: float) -> str:
    """A standard error: four decimals, or two digits where these would be zeros."""
    return f"{error:.4f}" if error >= 0.00005 or error == 0 else f"{error:.1e}"


def level_words(level: float | None, times: float = 0.0, action_rule: str = "greedy") -> str:
    """A level of cash; where there is none, how the thing is done that is done so many ``times`` per firm."""
    if level is not None:
        return f"{level:.4f}"
    if times < NEVER:
        return "never"
    return "at random" if action_rule == "randomised" else "later only"


def table_lines(*rows: Sequence[str], indent: str = "  ") -> list[str]:
    """Rows of text as lines of a table: the first column to the left, the others to the right."""
    first, *others = ([len(cell) for cell in column] for column in zip(*rows, strict=True))
    widths = [max(column) for column in others]
    return [
        indent
        + "  ".join([name.ljust(max(first)), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    ]
