"""The figure of ``ghm solve --sweep``: levels, value and issuance against a parameter, a curve for each value of a second."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ghm.economics.model import SYMBOLS
from ghm.solvers.answers import Sweep
from ghm.solvers.answers.statics import StaticsPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = (
    ("infinite horizon: target cash c*", (("infinite_payout_level", "-"),), "cash"),
    ("post-issuance cash y*", (("infinite_issue_target", "-"),), "cash"),
    ("value without cash, F(0)", (("infinite_value_at_zero", "-"),), "value"),
    ("equity issues per year, long run", (("infinite_issues_a_year", "-"),), "issues per year"),
    ("finite horizon: payout boundary", (("payout_level", "-"),), "cash"),
    ("issuance (dotted), post-issuance cash (dashed)", (("issue_below", ":"), ("issue_target", "--")), "cash"),
    ("optimal firm value J*", (("optimal_return", "-"),), "value"),
    ("equity issues per year, until T", (("issues_a_year", "-"),), "issues per year"),
)
"""Title, quantities with their line styles, and vertical axis; the second row depends on the time step."""


def draw(sweeps: Sequence[Sweep], points: Sequence[StaticsPoint]) -> Figure:
    """Panels against the first parameter; gaps where there is no solution or the firm never does it."""
    figure = Figure(figsize=(15, 5.5), layout="constrained")
    first = sweeps[0]
    others = sweeps[1].values if len(sweeps) > 1 else (None,)
    for axes, (title, quantities, unit) in zip(figure.subplots(2, 4).ravel(), PANELS, strict=True):
        for curve, other in enumerate(others):
            chosen = [point for point in points if other is None or point.parameters[sweeps[1].parameter] == other]
            colour = colormaps["viridis"](0.85 * curve / max(len(others) - 1, 1))
            for name, style in quantities:
                label = None if other is None or name != quantities[0][0] else f"{other:g}"
                values = np.array([getattr(point, name) for point in chosen], dtype=float)
                axes.plot(
                    first.values, values, style, color=colour, label=label, marker="." if len(values) < 30 else ""
                )
        symbol, meaning = SYMBOLS[first.parameter]
        _finish(axes, title, f"{meaning} {symbol}", unit)
    if len(sweeps) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", title=SYMBOLS[sweeps[1].parameter][0])
    return figure


def _finish(axes: "Axes", title: str, parameter: str, unit: str) -> None:
    axes.set_title(title, fontsize="medium")
    axes.set(xlabel=parameter, ylabel=unit)
    if unit != "value":  # from zero: a level or a frequency that hardly moves then looks it
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
