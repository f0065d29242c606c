"""Figures of a policy and of a value function over (c, τ), with the optimum beside what was learned.

Matplotlib's figure objects are used directly: no global state, no display.
"""

from typing import TYPE_CHECKING

import numpy as np

from ghm.economics.actions import ISSUE, PAY, Policy
from ghm.economics.model import Array
from ghm.io.text import LEVELS
from ghm.solvers.policy_value import effective_probabilities
from ghm.solvers.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNED, OPTIMAL = "#0072B2", "#D55E00"
"""Okabe and Ito's blue and vermilion: apart for every kind of colour vision."""

CASH_SHOWN = 3.0
"""Cash is shown up to this multiple of the optimal payout boundary: beyond, every sensible policy pays."""


TAKEN = 0.05
"""Probability, at the cash where it is highest, from which an action is one that the policy takes."""


def policy_figure(policy: Policy, reference: Solution) -> "Figure":
    """Where the policy pays and issues, and its boundaries, over cash and time to horizon; the optimum's as lines."""
    from matplotlib.figure import Figure

    times = reference.time_to_horizon[1:]
    cash = np.linspace(0.0, _shown(reference), 121)
    actions = [policy(cash, float(time)) for time in times]
    modes = np.stack([effective_probabilities(cash, one, float(reference.cash[-1])) for one in actions])
    # Fixed margins: finding them takes as long as drawing, at the end of every trial.
    figure = Figure(figsize=(10, 3.6), layout="none")  # type: ignore[arg-type]  # Matplotlib's stubs lack it
    panels = figure.subplots(1, 3, sharex=True)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.14, top=0.92, wspace=0.28)
    for axes, mode, title, optimal in (
        (panels[0], PAY, "probability of paying", reference.payout_level[1:]),
        (panels[1], ISSUE, "probability of issuing", reference.issue_below[1:]),
    ):
        mesh = axes.pcolormesh(times, cash, modes[:, :, mode].T, vmin=0, vmax=1, cmap="cividis", shading="nearest")
        figure.colorbar(mesh, ax=axes)
        axes.plot(times, optimal, color="white", linewidth=2.5)
        axes.plot(times, optimal, color=OPTIMAL, linewidth=1.5, label="optimal boundary")
        axes.set(title=title, ylabel="cash c")
        axes.legend(loc="upper left", fontsize="small")
    payout = np.array([one.median_payout_level[0] for one in actions])
    target = np.array([one.median_issue_target[0] for one in actions])
    # A level that the policy does not use is none.
    used = modes.max(axis=1) >= TAKEN
    _levels(panels[2], reference, np.where(used[:, PAY], payout, np.nan), np.where(used[:, ISSUE], target, np.nan))
    for axes in panels:
        axes.set_xlabel("time to horizon τ (years)")
        axes.set_xscale("log")
    panels[0].set_ylim(0, cash[-1])
    panels[1].set_ylim(0, cash[-1])
    return figure


def _levels(axes: "Axes", reference: Solution, payout: Array, target: Array) -> None:
    times = reference.time_to_horizon[1:]
    axes.plot(times, payout, color=LEARNED, label=LEVELS["payout_level"])
    axes.plot(times, target, color=LEARNED, linestyle="--", label=LEVELS["issue_target"])
    axes.plot(times, reference.payout_level[1:], color=OPTIMAL, label="optimal payout boundary")
    axes.plot(times, reference.issue_target[1:], color=OPTIMAL, linestyle="--", label="optimal post-issuance cash")
    axes.set(
        title="boundaries", ylabel="cash c", ylim=(0, 1.5 * axes.get_ylim()[1])
    )  # room for the legend above the lines
    axes.legend(fontsize="small", loc="upper left")


def value_figure(cash: Array, time_to_horizon: Array, values: Array, reference: Solution) -> "Figure":
    """The value network and the optimum, less that of immediate liquidation (c + ℓ), at several times to horizon.

    Args:
        cash: nodes, (M,).
        time_to_horizon: nodes in years, (K,).
        values: the value network's table, (K, M).
        reference: the optimum.
    """
    from matplotlib.figure import Figure

    wind_up = reference.wind_up_return - reference.cash[-1] / 2
    figure = Figure(figsize=(7.5, 3.8), layout="none")  # type: ignore[arg-type]  # Matplotlib's stubs lack it
    axes = figure.subplots()
    figure.subplots_adjust(left=0.09, right=0.72, bottom=0.13, top=0.92)
    chosen = np.unique(np.linspace(0, time_to_horizon.size - 1, 5).astype(int))
    for shade, k in zip(np.linspace(0.35, 1.0, chosen.size), chosen, strict=True):
        nearest = int(np.argmin(np.abs(reference.time_to_horizon - time_to_horizon[k])))
        optimal = reference.values[nearest] - reference.cash - wind_up
        axes.plot(reference.cash, optimal, color=OPTIMAL, alpha=shade, label=f"optimum, τ = {time_to_horizon[k]:.3g}")
        label = "value network" if k == chosen[-1] else None
        axes.plot(cash, values[k] - cash - wind_up, color=LEARNED, alpha=shade, linestyle="--", label=label)
    axes.set(xlabel="cash c", ylabel="value less c + ℓ", title="firm value over cash, at several times to horizon")
    # Beside the lines: with the horizon near or far they lie anywhere, one on another.
    axes.legend(reverse=True, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _shown(reference: Solution) -> float:
    level = reference.initial_levels.payout_level
    return float(min(reference.cash[-1], CASH_SHOWN * level)) if level else float(reference.cash[-1])
