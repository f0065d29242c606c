"""Captured values and losses as text: what is short of the optimum is never rounded up to it."""

import math

MOST_DECIMALS = 5
"""Of a share: what is nearer to the optimum than this is the optimum for every purpose."""


def share_text(share: float, decimals: int = 3) -> str:
    """A share as a number, with more decimals where fewer would say 1: 0.988, 0.9998."""
    decimals, shown = _below_one(share, decimals)
    return f"{shown:.{decimals}f}"


def percent_text(share: float) -> str:
    """A share in percent, with more decimals where one would say 100: 98.8%, 99.98%."""
    decimals, shown = _below_one(share, 3)
    return f"{100 * shown:.{decimals - 2}f}%"


def loss_text(loss: float | None) -> str:
    """A loss of firm value in percent, to two digits and no further than 0.0001%: 0.27%, 12%, undefined."""
    if loss is None:
        return "undefined"
    percent = 100 * loss
    if abs(percent) < 1e-4:
        return "0%"
    decimals = min(max(1 - math.floor(math.log10(abs(percent))), 0), 4)
    return f"{percent:.{decimals}f}%"


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
