"""Captured values as text: what is short of the optimum is never rounded up to it."""

MOST_DECIMALS = 5
"""Of a share: what is nearer to the optimum than this is the optimum for every purpose."""


def share_text(share: float, decimals: int = 3) -> str:
    """A share as a number, with more decimals where fewer would say 1: 0.988, 0.9998."""
    return f"{share:.{_needed(share, decimals)}f}"


def percent_text(share: float) -> str:
    """A share in percent, with more decimals where one would say 100: 98.8%, 99.98%."""
    return f"{100 * share:.{_needed(share, 3) - 2}f}%"


def _needed(share: float, decimals: int) -> int:
    """Decimals of ``share`` that keep it below 1 if it is."""
    while share < 1 <= round(share, decimals) and decimals < MOST_DECIMALS:
        decimals += 1
    return decimals
