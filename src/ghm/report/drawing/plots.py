"""Figures of a search for papers, with Matplotlib: figure objects only, no display and no global state."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from ghm.report.analysis.importance import Importance, group_of, has_effect
from ghm.report.analysis.policy import SHOWN_FIRMS, PolicyStudy
from ghm.report.drawing.charts import FLOOR, HIGHLIGHTED, MEDIANS, compared, evaluations
from ghm.report.drawing.instances import learning_bands, rung_courses, spreads
from ghm.report.drawing.scales import scale
from ghm.search.records.state import SearchState
from ghm.search.settings.distributions import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.3
"""Inches: the text width of an article on A4 or letter paper."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Okabe and Ito's colours; `MARKS` tell the same curves apart in black and white."""

LEARNED, OPTIMAL, FAINT = COLOURS[0], COLOURS[1], "#B4BCC6"
MARKS = ("o", "s", "D", "^", "P")
PANELS_A_ROW = 4

MOST_NAMES = 14
"""Numbers of configurations under an axis of half the text's width."""


def search_figures(search: SearchState, importances: tuple[Importance, ...]) -> dict[str, "Figure"]:
    """Every figure of the search that has something to show, by file name."""
    if not compared(search):
        return {}
    figures = {"learning_curves": learning_curves(search)}
    if search.varied:
        figures["hyperparameters"] = hyperparameter_panels(search)
    if importances:
        figures["importance"] = importance_bars(importances)
    if spreads(search):
        figures["configurations"] = configuration_bands(search)
    if rung_courses(search)[1]:
        figures["rungs"] = rung_lines(search)
    return figures


def policy_figures(study: PolicyStudy) -> dict[str, "Figure"]:
    """Every figure of the best policy, by file name."""
    return {"policy": policy_map(study), "value": value_curves(study), "paths": cash_paths(study)}


def learning_curves(search: SearchState) -> "Figure":
    """Captured value against iterations and against training time; the best trials stand out."""
    figure = _figure(2.8)
    panels = figure.subplots(1, 2, sharey=True)
    keys: tuple[Literal["iteration", "seconds"], ...] = ("iteration", "seconds")
    for axes, key, title in zip(panels, keys, ("iteration", "training time (seconds)"), strict=True):
        for rank, trial in reversed(list(enumerate(compared(search)))):
            x, y = evaluations(search, trial, key)
            if rank < HIGHLIGHTED:
                axes.plot(x, y, color=COLOURS[rank], marker=MARKS[rank], markersize=3, label=f"trial {trial.trial_num}")
            else:
                axes.plot(x, y, color=FAINT, linewidth=0.7)
        axes.set_xlabel(title)
    panels[0].set_ylabel("captured value")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[1].legend(handles[::-1], labels[::-1], loc="lower right")
    return figure


def hyperparameter_panels(search: SearchState) -> "Figure":
    """Captured value by each hyperparameter: a point per trial, bars at medians where there are enough of each value."""
    rows = -(-len(search.varied) // PANELS_A_ROW)
    figure = _figure(1.75 * rows)
    panels = figure.subplots(rows, PANELS_A_ROW, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, search.varied, strict=False):
        _panel(axes, search, name)
    for axes in panels[len(search.varied) :]:
        axes.set_axis_off()
    for axes in panels[::PANELS_A_ROW]:
        axes.set_ylabel("captured value")
    return figure


def importance_bars(importances: tuple[Importance, ...]) -> "Figure":
    """Importance, the greatest at the top; grey where it cannot be told from chance."""
    figure = _figure(0.9 + 0.26 * len(importances))
    axes = figure.subplots()
    shares = np.array([one.share for one in importances])
    colours = [LEARNED if one.stands_out else FAINT for one in importances]
    axes.barh([one.name for one in importances], shares, color=colours)
    axes.invert_yaxis()
    axes.set(xlabel="share of the ranking's variance", xlim=(0, 1))
    return figure


def configuration_bands(search: SearchState) -> "Figure":
    """Each configuration's spread over its trials, in order of rank; the best as they learn, medians with bands."""
    figure = _figure(2.8)
    left, right = figure.subplots(1, 2, sharey=True)
    shown = spreads(search)
    for place, (_, values) in enumerate(shown):
        left.vlines(place, min(values), max(values), color=LEARNED, alpha=0.35, linewidth=4)
        left.plot(place, sum(values) / len(values), "o", color=OPTIMAL, markersize=3)
    step = -(-len(shown) // MOST_NAMES)
    left.set_xticks(range(0, len(shown), step), [number for number, _ in shown[::step]])
    left.set(xlabel="configuration, best first", ylabel="captured value", title="least, mean and greatest")
    for (number, at, curves), colour in zip(learning_bands(search), COLOURS, strict=False):
        right.fill_between(at, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        right.plot(at, np.median(curves, axis=0), color=colour, label=f"configuration {number}")
    right.set(xlabel="iteration", title="medians, from least to greatest")
    if right.lines:
        right.legend(loc="lower right")
    return figure


def rung_lines(search: SearchState) -> "Figure":
    """Each trial's best captured value at the rungs that it reached; those that went to the end stand out."""
    figure = _figure(2.8)
    axes = figure.subplots()
    ends, courses = rung_courses(search)
    for stopped, points in sorted(courses, key=lambda course: not course[0]):  # those that went on lie above
        colour, width = (FAINT, 0.7) if stopped else (LEARNED, 1.2)
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=width, markersize=2.5)
    axes.plot([], [], "o-", color=LEARNED, markersize=2.5, label="went to the end")
    axes.plot([], [], "o-", color=FAINT, markersize=2.5, label="stopped at a rung")
    axes.set_xticks(ends)
    axes.set(xlabel="iteration", ylabel="captured value")
    axes.legend(loc="lower right")
    return figure


def policy_map(study: PolicyStudy) -> "Figure":
    """What the policy does over (c, τ), and its levels beside the optimum's."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    figure = _figure(2.9)
    left, right = figure.subplots(1, 2)
    colours = ("#F2F4F7", "#56B4E9", "#E69F00")
    mesh = (study.time_to_horizon, study.cash, study.modes.T)
    left.pcolormesh(*mesh, cmap=ListedColormap(colours), vmin=-0.5, vmax=2.5, shading="nearest", rasterized=True)
    left.plot(study.time_to_horizon, study.optimal_levels.payout_level, color="black", linewidth=1)
    left.plot(study.time_to_horizon, study.optimal_levels.issue_below, color="black", linewidth=1, linestyle=":")
    names = ("hold", "pay", "issue")
    # Places of legends are fixed: looking for the best one among so many points takes seconds, and Matplotlib warns of it.
    patches = [Patch(facecolor=c, edgecolor="grey", label=n) for c, n in zip(colours, names, strict=True)]
    left.legend(handles=patches, loc="upper left", frameon=True)
    left.set(title="most likely action; optimum's thresholds", ylabel="cash", ylim=(0, study.cash[-1]))
    styles = (
        ("payout_level", "pays above", "-"),
        ("issue_target", "issues up to", "--"),
        ("issue_below", "issues below", ":"),
    )
    for key, title, style in styles:
        right.plot(study.time_to_horizon, getattr(study.levels, key), style, color=LEARNED, label=title)
        right.plot(study.time_to_horizon, getattr(study.optimal_levels, key), style, color=OPTIMAL)
    # Room for the legend above the lines.
    right.set(title="levels: learned (blue), optimal (orange)", ylim=(0, 1.45 * right.get_ylim()[1]))
    right.legend(loc="upper left")
    for axes in (left, right):
        axes.set(xscale="log", xlabel="time to horizon (years)")
    return figure


def value_curves(study: PolicyStudy) -> "Figure":
    """Value over cash with the whole horizon ahead, and what the policy gives away over (c, τ)."""
    figure = _figure(2.7)
    left, right = figure.subplots(1, 2)
    left.plot(study.cash, study.optimal_value[-1] - study.wind_up_value, color=OPTIMAL, label="optimum")
    left.plot(study.cash, study.value[-1] - study.wind_up_value, "--", color=LEARNED, label="learned")
    left.set(xlabel="cash", title="value less closing at once", xlim=(0, study.cash[-1]))
    left.legend(loc="lower right")
    loss = np.maximum(study.optimal_value - study.value, 0.0)
    mesh = right.pcolormesh(
        study.time_to_horizon, study.cash, loss.T, vmin=0.0, cmap="cividis", shading="nearest", rasterized=True
    )
    figure.colorbar(mesh, ax=right)
    right.set(xscale="log", xlabel="time to horizon (years)", ylabel="cash", title="value given away")
    return figure


def cash_paths(study: PolicyStudy) -> "Figure":
    """Cash of some simulated firms over time."""
    figure = _figure(2.7)
    axes = figure.subplots()
    firms = study.firms
    axes.plot(firms.time, firms.cash[1:SHOWN_FIRMS].T, color="#56B4E9", linewidth=0.5, alpha=0.6)
    axes.plot(firms.time, firms.cash[0], color=LEARNED, linewidth=1.2, label="one firm")
    elapsed = study.time_to_horizon[-1] - study.time_to_horizon
    axes.plot(elapsed, study.levels.payout_level, color=OPTIMAL, label="pays out above")
    axes.plot(elapsed, study.levels.issue_below, color=COLOURS[2], linestyle=":", label="issues below")
    axes.set(xlabel="years", ylabel="cash", ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _panel(axes: "Axes", search: SearchState, name: str) -> None:
    trials = [trial for trial in compared(search) if has_effect(trial.hyperparameters, name)]
    tried = [getattr(trial.hyperparameters, name) for trial in trials]
    ticks, positions = scale(tried)
    values = np.array([max(trial.captured_value or 0.0, FLOOR) for trial in trials])
    shift = 0.06 * np.random.default_rng(0).uniform(-1, 1, len(trials))  # fixed, so that points do not hide each other
    axes.plot(positions + shift, values, "o", color=LEARNED, markersize=2.5, alpha=0.6)
    groups = group_of(tried)
    members = [groups == group for group in np.unique(groups)]
    for ours in members if min(int(ours.sum()) for ours in members) >= MEDIANS else ():  # as on the page
        middle = positions[ours].mean()
        axes.hlines(np.median(values[ours]), middle - 0.1, middle + 0.1, OPTIMAL)
    axes.set_title(label(name))
    axes.set_xticks([at for at, _ in ticks], [label(value) for _, value in ticks], rotation=30, ha="right")
    axes.set_xlim(-0.2, 1.2)


def _figure(height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")
