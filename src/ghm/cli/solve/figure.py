"""The figure of ``ghm solve``: the value function and the levels of the optimum."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ghm.solvers.free_boundary import FreeBoundary
from ghm.solvers.store import Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINITE, INFINITE, TARGET = "#0072B2", "#D55E00", "#009E73"
"""Okabe and Ito's blue, vermilion and green: apart for every kind of colour vision."""

LEAST_SPAN = 1e-6
"""Least height of the value axis: where cash is never scarce, what is left are rounding errors."""

CASH_SHOWN = 2.0
"""Cash is shown up to this multiple of the highest payout level: beyond, the firm pays and the value is a straight line."""


def draw(reference: Reference, boundary: FreeBoundary | None) -> Figure:
    """The value function against cash, and the levels of the optimum against time to horizon."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_values(left, reference, boundary)
    _draw_levels(right, reference, boundary)
    return figure


def _draw_values(axes: "Axes", reference: Reference, boundary: FreeBoundary | None) -> None:
    """What scarce cash costs: the value's distance from the line c + constant that it reaches at the payout level."""
    c_max, horizon = reference.cash[-1], reference.time_to_horizon[-1]
    level = max(reference.payout_level or 0.0, boundary.payout_level if boundary else 0.0)
    cash = np.linspace(0.0, min(CASH_SHOWN * level, c_max) or c_max, 400)
    finite = np.interp(cash, reference.cash, reference.values[-1]) - cash
    axes.plot(cash, finite - finite[-1], color=FINITE, label=f"V(c, τ) at τ = {horizon:g}")
    if reference.payout_level is not None:
        axes.axvline(reference.payout_level, color=FINITE, linewidth=0.8, linestyle=":")
    if boundary is not None:
        infinite = boundary.value(cash) - cash
        axes.plot(cash, infinite - infinite[-1], color=INFINITE, label="F(c), infinite horizon")
        axes.axvline(boundary.payout_level, color=INFINITE, linewidth=0.8, linestyle=":")
    bottom, top = axes.get_ylim()
    if top - bottom < LEAST_SPAN:
        axes.set_ylim(-LEAST_SPAN, LEAST_SPAN)
    axes.set(xlabel="cash c", ylabel="value − c − constant", title="What scarce cash costs; dotted: payout levels")
    axes.legend()


def _draw_levels(axes: "Axes", reference: Reference, boundary: FreeBoundary | None) -> None:
    times = reference.time_to_horizon[1:]
    axes.plot(times, reference.payout_levels[1:], color=FINITE, label="pays above")
    axes.plot(times, reference.issue_thresholds[1:], color=TARGET, label="issues below")
    axes.plot(times, reference.issue_targets[1:], color=TARGET, linestyle="--", label="issues up to")
    if boundary is not None:
        axes.axhline(boundary.payout_level, color=INFINITE, linewidth=0.8, label="pays above, infinite horizon")
    axes.set(xlabel="time to horizon τ (years)", ylabel="cash c", title="Levels of the optimum", xscale="log")
    axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])  # a level of zero is seen above the frame
    axes.legend(fontsize="small")
