"""The page's charts of a search, as Plotly figures in plain JSON types.

Colours are names of `ghm.report.drawing.palette`, written ``@name``; the page's script puts in the colours of the light or
the dark scheme. Whatever comes from a record is escaped, since Plotly reads a subset of HTML in its texts.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ghm.report.analysis.findings import count_text, percent, trial_name
from ghm.report.analysis.importance import Importance, group_of, has_effect
from ghm.report.drawing.palette import COLOURS, SYMBOLS, line
from ghm.report.drawing.scales import scale
from ghm.search.records.state import SearchState
from ghm.search.settings.distributions import label
from ghm.search.trials.outcome import TrialRecord

FLOOR = -0.25
"""Captured values below this are drawn at it: a ruined trial can lie arbitrarily low, and would flatten the rest."""

FEW = 10
"""Trials up to which points of one value are drawn where they are: so few hardly hide each other."""

MEDIANS = 3
"""Trials per value from which on a panel has medians: fewer are a trial or two joined by a line."""

HIGHLIGHTED = 5
"""Curves of the best trials that stand out from the others'."""

MAX_LABEL = 24
"""Characters of a value shown on an axis."""

SHORT_LABEL = 6
"""Characters of a value up to which four fit beside each other under a small panel."""


@dataclass(frozen=True)
class Chart:
    """One figure of the page."""

    name: str
    """Identifier in the page."""
    title: str
    alternative: str
    """What the figure shows, in words, for people who do not see it."""
    caption: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
    parallel: dict[str, Any] | None = None
    """Content of the parallel coordinates, which the page's script draws by itself."""
    height: int = 380
    """Pixels."""


def text(value: Any) -> str:
    """``value`` as a text that Plotly shows literally."""
    shown = label(value)
    shown = shown if len(shown) <= MAX_LABEL else shown[: MAX_LABEL - 1] + "…"
    return html.escape(shown)


def compared(search: SearchState) -> tuple[TrialRecord, ...]:
    """Trials of the exploration with a captured value, best first."""
    return tuple(trial for trial in search.ranked if trial.captured_value is not None)


def search_charts(search: SearchState, importances: tuple[Importance, ...]) -> list[Chart]:
    """Every chart of the search that has something to show."""
    if not compared(search):
        return []
    charts = [order_chart(search), *curve_charts(search)]
    if search.varied:
        idle = search.record.inactive
        charts += [parallel_chart(search), *(panel_chart(search, name) for name in search.varied if name not in idle)]
    if importances:
        charts.append(importance_chart(importances))
    return charts


def captured_axis() -> dict[str, Any]:
    """An axis of captured value, 0 (immediate liquidation) to 1 (the optimum)."""
    # As many decimals as ticks need, up to two: with none, close ticks would read the same.
    return {"title": {"text": "captured value"}, "tickformat": ".2~%", "hoverformat": ".3~%"}


def order_chart(search: SearchState) -> Chart:
    """Captured value of each trial in order, and the best so far."""
    trials = sorted(compared(search), key=lambda trial: trial.trial_num)
    numbers = [trial.trial_num for trial in trials]
    values = [_floored(trial) for trial in trials]
    failed = [trial.trial_num for trial in search.failures]
    points = _points("trial", numbers, values, numbers)
    highest = np.maximum.accumulate(values).tolist()
    best = line(numbers, highest, "best so far", "@second", line={"shape": "hv"}, hoverinfo="skip")
    marks = _points("failed", failed, [min(values)] * len(failed), failed)
    marks["marker"] = {"symbol": "x", "size": 9, "color": "@bad"}
    return Chart(
        "order",
        "Optimisation history",
        f"Captured value of {len(trials)} trials in order of their number, from {percent(min(values))} to "
        f"{percent(max(values))}; the best is trial {compared(search)[0].trial_num}. {len(failed)} failed.",
        "Each point is a trial; the line is the best so far."
        + _floor_note(search)
        + (" Crosses are failed trials." if failed else "")
        + _fresh_note(search),
        [best, points, *([marks] if failed else [])],
        {"xaxis": {"title": {"text": "trial"}} | _whole_ticks(numbers), "yaxis": captured_axis()},
    )


def _whole_ticks(numbers: Sequence[int]) -> dict[str, Any]:
    """Ticks at whole numbers, which Plotly chooses by itself only where there are many."""
    return {"tick0": 1, "dtick": 1} if max(numbers) - min(numbers) < 10 else {}


def curve_charts(search: SearchState) -> list[Chart]:
    """Captured value against iterations, and against training time."""
    axes: tuple[tuple[str, Literal["iteration", "seconds"], str], ...] = (
        ("iterations", "iteration", "training iterations"),
        ("time", "seconds", "training time (seconds)"),
    )
    return [chart for name, key, title in axes if (chart := _curves(search, name, key, title)) is not None]


def _curves(search: SearchState, name: str, key: Literal["iteration", "seconds"], title: str) -> Chart | None:
    curves = [(trial, curve) for trial in compared(search) if (curve := evaluations(search, trial, key))[0]]
    if not curves:
        return None
    best, (x, y) = curves[0]
    return Chart(
        name,
        f"Captured value against {title.partition(' (')[0]}",
        f"Learning curves of {len(curves)} trials. The best, trial {best.trial_num}, went from {percent(y[0])} at "
        f"{x[0]:,.0f} to {percent(y[-1])} at {x[-1]:,.0f} ({title}).",
        "Captured value at each evaluation"
        + (f"; the {HIGHLIGHTED} best trials stand out." if len(curves) > HIGHLIGHTED else "."),
        highlighted(search, curves),
        {"xaxis": {"title": {"text": title}, "rangemode": "tozero"}, "yaxis": captured_axis()},
    )


Curve = tuple[TrialRecord, tuple[list[float], list[float]]]
"""A trial and its evaluations."""


def highlighted(
    search: SearchState, curves: Sequence[Curve], shown: Callable[[float], float] = float
) -> list[dict[str, Any]]:
    """Traces of curves, the best trial's first: the best ones stand out, and all others are one trace."""
    others_x: list[float | None] = []
    others_y: list[float | None] = []
    for _, (x, y) in curves[HIGHLIGHTED:]:
        # One trace for all, broken by gaps: hundreds of traces would make the page slow.
        others_x += [*x, None]
        others_y += [*map(shown, y), None]
    others = line(
        others_x,
        others_y,
        f"{(count := len(curves) - HIGHLIGHTED)} other{'' if count == 1 else 's'}",
        "@faint",
        width=1,
        hoverinfo="skip",
    )
    best = [
        line(x, [*map(shown, y)], html.escape(trial_name(search, trial)), colour) | marked(colour, symbol)
        for (trial, (x, y)), colour, symbol in zip(curves[:HIGHLIGHTED], COLOURS, SYMBOLS, strict=False)
    ]
    return [*([others] if others_x else []), *best]


def marked(colour: str, symbol: str) -> dict[str, Any]:
    """What marks the points of a curve."""
    return {"mode": "lines+markers", "marker": {"color": colour, "symbol": symbol, "size": 6}}


def evaluations(
    search: SearchState, trial: TrialRecord, key: Literal["iteration", "seconds"]
) -> tuple[list[float], list[float]]:
    """A trial's evaluations: figure ``key`` of the history, and captured value, floored for drawing."""
    pairs = [(getattr(line, key), line.captured_value) for line in search.history(trial)]
    whole = [(x, max(y, FLOOR)) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in whole], [y for _, y in whole]


def parallel_chart(search: SearchState) -> Chart:
    """Every trial as a line through its hyperparameters' values to its captured value."""
    trials = compared(search)
    axes, columns = [], []
    for name in search.varied:
        ticks, positions = scale([getattr(trial.hyperparameters, name, None) for trial in trials])
        axes.append({"title": text(name), "ticks": [{"at": at, "text": text(value)} for at, value in ticks]})
        columns.append(positions)
    values = [_floored(trial) for trial in trials]
    low, high = min(values), max(max(values), min(values) + 1e-6)
    return Chart(
        "parallel",
        "Hyperparameters and captured value of every trial",
        f"Parallel coordinates: {len(trials)} trials as lines through the values of {len(axes)} hyperparameters to "
        "their captured value. The same figures are in the leaderboard.",
        "Each line is a trial; the stronger its colour, the better it ranks. The slider fades trials below a captured value.",
        parallel={
            "axes": axes,
            "rows": [list(row) for row in zip(*columns, strict=True)],
            "values": values,
            # Colours go by rank: values of good trials are too close together to be told apart.
            "standings": [1 - rank / len(trials) for rank in range(len(trials))],
            "range": [low, high],
            "trials": [t.trial_num for t in trials],
        },
        height=460,
    )


def panel_chart(search: SearchState, name: str) -> Chart:
    """Captured value by the values of one hyperparameter."""
    trials = [trial for trial in compared(search) if has_effect(trial.hyperparameters, name)]
    tried = [getattr(trial.hyperparameters, name) for trial in trials]
    ticks, positions = scale(tried)
    groups = group_of(tried)
    values = np.array([_floored(trial) for trial in trials])
    members = [groups == group for group in np.unique(groups)]
    medians = sorted((float(positions[m].mean()), float(np.median(values[m]))) for m in members)
    # A fixed sideways scatter, so that trials of one value do not hide each other and a page looks the same twice.
    width = 0.25 / max(len(ticks) - 1, 2) if len(trials) > FEW else 0.0
    spread = width * np.random.default_rng(0).uniform(-1, 1, len(trials))
    points = _points("trial", (positions + spread).tolist(), values.tolist(), [t.trial_num for t in trials])
    bars = line([at for at, _ in medians], [median for _, median in medians], "median", "@second", hoverinfo="skip")
    bars |= marked("@second", "line-ew")
    bars["marker"] |= {"size": 22, "line": {"color": "@second", "width": 3}}
    enough = min(int(m.sum()) for m in members) >= MEDIANS
    # Long labels lean to the left, where there is room, and none is left out.
    angle = -35 if any(len(text(value)) > SHORT_LABEL for _, value in ticks) else 0
    shown = ", ".join(percent(median) for _, median in medians)
    listed = ", ".join(label(value) for _, value in ticks)
    return Chart(
        f"panel-{list(search.varied).index(name)}",
        label(name),
        f"Captured value by {label(name)}, at {listed}. Medians from left to right: {shown}.",
        "One point per trial; bars are medians." if enough else "One point per trial; too few per value for a median.",
        data=[points, bars] if enough else [points],
        layout={
            "xaxis": {"tickvals": [at for at, _ in ticks], "ticktext": [text(value) for _, value in ticks],
                      "range": [-0.25, 1.25], "showgrid": True,
                      "tickangle": angle, "ticklabeloverflow": "allow"},
            "yaxis": captured_axis(),
            "showlegend": False,
        },
        height=260,
    )  # fmt: skip


def importance_chart(importances: tuple[Importance, ...]) -> Chart:
    """Bars of importance, the greatest at the top; grey where it cannot be told from chance."""
    shown = importances[::-1]
    listed = "; ".join(
        f"{i.name} {100 * i.share:.0f}%" + (", beyond chance" if i.stands_out else ", not beyond chance")
        for i in importances
    )
    bars = {
        "type": "bar", "orientation": "h", "x": [i.share for i in shown], "y": [text(i.name) for i in shown],
        "marker": {"color": ["@accent" if i.stands_out else "@faint" for i in shown]},
        "hoverinfo": "x+y",
    }  # fmt: skip
    return Chart(
        "importance",
        "Importance of the hyperparameters",
        f"Share of the variance of the trials' ranks that each hyperparameter explains: {listed}.",
        "Share of the variance of the trials' ranks that a hyperparameter's values explain, less what chance would. "
        "Failed trials rank last. Grey bars cannot be told from chance.",
        [bars],
        {"xaxis": {"title": {"text": "importance"}, "tickformat": ".0%", "range": [0, 1]}, "showlegend": False},
        height=90 + 36 * len(importances),
    )


def _points(name: str, x: list[Any], y: list[float], trials: list[int]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": x, "y": y, "trials": trials, "hoverinfo": "text",
        "marker": {"color": "@accent", "size": 7, "opacity": 0.75},
    }  # fmt: skip


def _floored(trial: TrialRecord) -> float:
    return max(trial.captured_value or 0.0, FLOOR)


def _floor_note(search: SearchState) -> str:
    low = sum(1 for trial in compared(search) if (trial.captured_value or 0.0) < FLOOR)
    return f" {low} below {percent(FLOOR)} are drawn at {percent(FLOOR)}." if low else ""


def _fresh_note(search: SearchState) -> str:
    fresh = sum(1 for trial in search.trials if trial.stage == "confirm" and not trial.failed)
    return f" Left out: {count_text(fresh, 'trial')} on fresh seeds (the confirmation)." if fresh else ""
