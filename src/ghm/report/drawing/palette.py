"""Colours, marks and lines of every figure: the page's two schemes, and the light one for papers.

Okabe and Ito's colours, which people with any common colour blindness can tell apart, a little darker or lighter where a text
needs it; curves that have a name have a mark of their own, too.
"""

from typing import Any

from ghm.io.text import LEVELS

PALETTE = {
    "background": ("#ffffff", "#0f1318"), "surface": ("#f6f7f9", "#181d24"), "text": ("#1b1f24", "#e6eaef"),
    "muted": ("#57606a", "#a0abb8"), "line": ("#d0d7de", "#343c46"),
    "accent": ("#0072b2", "#56b4e9"), "second": ("#d55e00", "#f0a04b"), "third": ("#007a5a", "#3ecfa5"),
    "fourth": ("#a84d84", "#e39cc4"), "fifth": ("#8a6d00", "#f0e442"),
    "bad": ("#b3261e", "#ff8a80"), "faint": ("#b4bcc6", "#6d7988"), "soft": ("#56b4e9", "#3d94c9"),
    "warm": ("#e69f00", "#a86f00"), "scale-low": ("#c9dcec", "#2b3d4d"), "scale-high": ("#003f66", "#a5dcff"),
    "shade": ("rgba(27, 31, 36, .28)", "rgba(230, 234, 239, .3)"),
}  # fmt: skip
"""Each colour on a light and on a dark background; text meets WCAG AA there. Figures name them ``@name``."""

LEARNED, OPTIMAL = "@accent", "@second"

COLOURS = ("@accent", "@second", "@third", "@fourth", "@fifth")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")
"""Of curves in order: marks tell them apart without colour."""

_DASHES = {"payout_level": "solid", "issue_target": "dash", "issue_below": "dot"}

BOUNDARIES = tuple((key, LEVELS[key], dash) for key, dash in _DASHES.items())
"""The levels of a policy in the order drawn: key, name, line style."""


def css() -> str:
    """The colours as variables of a style sheet, for either scheme."""

    def scheme(at: int) -> str:
        return ":root { " + " ".join(f"--{name}: {both[at]};" for name, both in PALETTE.items()) + " }"

    return f"{scheme(0)}\n@media (prefers-color-scheme: dark) {{ {scheme(1)} }}\n"


def line(x: Any, y: Any, name: str, colour: str, dash: str = "solid", width: float = 2, **rest: Any) -> dict[str, Any]:
    """A curve."""
    style = {"color": colour, "dash": dash, "width": width} | rest.pop("line", {})
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": style, **rest}
