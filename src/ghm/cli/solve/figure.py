"""The figure of ``ghm solve``: the value function and the levels of the optimum."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ghm.economics.model import Array
from ghm.solvers.free_boundary import FreeBoundary
from ghm.solvers.infinite_horizon import InfiniteHorizon
from ghm.solvers.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINITE, INFINITE, TARGET = "#0072B2", "#D55E00", "#009E73"
"""Okabe and Ito's blue, vermilion and green: apart for every kind of colour vision."""

LEAST_SPAN = 1e-6
"""Least height of the value axis: where cash is never scarce, what is left are rounding errors."""

CASH_SHOWN = 2.0
"""Cash is shown up to this multiple of the highest payout level: beyond, the firm pays and the value is a straight line."""


def draw(solution: Solution, forever: InfiniteHorizon | None) -> Figure:
    """Values, marginal values and firms' cash for the infinite horizon, and the boundaries against time to horizon."""
    boundary = None if forever is None else forever.boundary
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    _draw_values(panels[0], solution, boundary)
    _draw_slopes(panels[1], solution, forever)
    _draw_firms(panels[2], forever)
    _draw_levels(panels[3], solution, boundary)
    return figure


def _cash_shown(solution: Solution, boundary: FreeBoundary | None) -> Array:
    level = max(solution.initial_levels.payout_level or 0.0, boundary.payout_level if boundary else 0.0)
    c_max = float(solution.cash[-1])
    return np.linspace(0.0, min(CASH_SHOWN * level, c_max) or c_max, 400)


def _draw_slopes(axes: "Axes", solution: Solution, forever: InfiniteHorizon | None) -> None:
    cash = _cash_shown(solution, None if forever is None else forever.boundary)
    slopes = np.interp(cash, solution.cash, solution.marginal_values[-1])
    axes.plot(cash, slopes, color=FINITE, label=f"V_c(c, τ) at τ = {solution.time_to_horizon[-1]:g}")
    shown = slopes
    if forever is not None:
        shown = forever.marginal_value(cash)
        axes.plot(cash, shown, color=INFINITE, label="F'(c), infinite horizon")
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.set_ylim(0.95, 1.1 * float(np.clip(shown.max(), 1.1, 10)))
    axes.set(xlabel="cash c", ylabel="value per unit of cash", title="Marginal value of cash; grey: 1, paid out")
    axes.legend()


def _draw_firms(axes: "Axes", forever: InfiniteHorizon | None) -> None:
    """Where firms' cash is in the long run, and how long it lasts."""
    axes.set(
        xlabel="cash c", ylabel="density of firms", title="Infinite horizon: cash of firms, and years until it runs out"
    )
    if forever is None or forever.firms is None:
        axes.text(0.5, 0.5, "no cash is held in the long run", ha="center", transform=axes.transAxes)
        return
    firms = forever.firms
    axes.plot(firms.cash, firms.density, color=INFINITE, label="density of cash")
    other = axes.twinx()
    other.plot(firms.cash, firms.expected_time, color=TARGET, linestyle="--", label="expected years (right)")
    other.set_ylabel("years until cash runs out")
    lines = [*axes.get_lines(), *other.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="lower right")


def _draw_values(axes: "Axes", reference: Solution, boundary: FreeBoundary | None) -> None:
    """What cash adds to firm value beyond its own amount: V(c) − V(0) − c, constant above the payout boundary."""
    horizon, payout = reference.time_to_horizon[-1], reference.initial_levels.payout_level
    cash = _cash_shown(reference, boundary)
    finite = np.interp(cash, reference.cash, reference.values[-1]) - cash
    axes.plot(cash, finite - finite[0], color=FINITE, label=f"V(c, τ) at τ = {horizon:g}")
    if payout is not None:
        axes.axvline(payout, color=FINITE, linewidth=0.8, linestyle=":")
    if boundary is not None:
        infinite = boundary.value(cash) - cash
        axes.plot(cash, infinite - infinite[0], color=INFINITE, label="F(c), infinite horizon")
        axes.axvline(boundary.payout_level, color=INFINITE, linewidth=0.8, linestyle=":")
    bottom, top = axes.get_ylim()
    if top - bottom < LEAST_SPAN:
        axes.set_ylim(-LEAST_SPAN, LEAST_SPAN)
    axes.set(
        xlabel="cash c",
        ylabel="value − value at c = 0 − c",
        title="Value that cash adds beyond its own amount\n(dotted: payout boundaries)",
    )
    axes.legend()


def _draw_levels(axes: "Axes", reference: Solution, boundary: FreeBoundary | None) -> None:
    times = reference.time_to_horizon[1:]
    axes.plot(times, reference.payout_level[1:], color=FINITE, label="payout boundary")
    axes.plot(times, reference.issue_below[1:], color=TARGET, label="issuance boundary")
    axes.plot(times, reference.issue_target[1:], color=TARGET, linestyle="--", label="post-issuance cash")
    if boundary is not None:
        axes.axhline(boundary.payout_level, color=INFINITE, linewidth=0.8, label="target cash c*, infinite horizon")
    axes.set(xlabel="time to horizon τ (years)", ylabel="cash c", title="Boundaries, finite horizon", xscale="log")
    axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])  # a level of zero is seen above the frame
    axes.legend(fontsize="small")
