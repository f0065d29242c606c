"""The page's charts for papers, with Matplotlib: figure objects only, no display and no global state."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ghm.economics.model import Array
from ghm.io.text import percent_text
from ghm.report.analysis.importance import Importance
from ghm.report.analysis.policy import PolicyStudy
from ghm.report.drawing import charts, instances, policy_charts
from ghm.report.drawing.charts import Chart
from ghm.report.drawing.palette import PALETTE
from ghm.search.records.state import SearchState

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.3
"""Inches: the text width of an article on A4 or letter paper."""

PANELS_PER_ROW = 4

MOST_NAMES = 14
"""Names under an axis of half the text's width."""

LEGEND_BELOW = -0.2
"""Of the figure's height, from the axes down to their legend: below ticks and label."""

_MARKS = {"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "cross": "P", "x": "x", "line-ew": "_"}
_DASHES = {"solid": "-", "dash": "--", "dot": ":"}
_STEPS = {"hv": "steps-post", "hvh": "steps-mid"}


def search_figures(search: SearchState, importances: tuple[Importance, ...]) -> dict[str, "Figure"]:
    """Every figure of the search that has something to show, by file name."""
    if not charts.compared(search):
        return {}
    found = {one.name: one for one in (*charts.search_charts(search, importances), *instances.instance_charts(search))}
    panels = [one for name, one in found.items() if name.startswith("panel-")]
    figures = {"learning_curves": _figure([found[name] for name in ("iterations", "time") if name in found])}
    if panels:
        rows = -(-len(panels) // PANELS_PER_ROW)
        figures["hyperparameters"] = _figure(panels, 1.75 * rows, PANELS_PER_ROW)
    if "importance" in found:
        figures["importance"] = _figure([found["importance"]], 0.9 + 0.26 * len(importances))
    if "bands" in found:
        figures["configurations"] = _figure(
            [found[name] for name in ("bands", "configuration-curves") if name in found]
        )
    if "rungs" in found:
        figures["rungs"] = _figure([found["rungs"]])
    return {name: figure for name, figure in figures.items() if figure.axes}


def policy_figures(study: PolicyStudy, name: str = "learned") -> dict[str, "Figure"]:
    """Every figure of a policy beside the optimum, by file name; ``name`` is what legends call what is the policy's."""
    return {
        "policy": _figure([policy_charts.modes_chart(study), policy_charts.levels_chart(study, name)], 3.6),
        "value": _figure([policy_charts.value_chart(study, name), policy_charts.loss_chart(study)]),
        "paths": _figure([policy_charts.paths_chart(study)]),
    }


def _figure(drawn: Sequence[Chart], height: float = 3.4, columns: int = 0) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    columns = columns or len(drawn)
    for at, chart in enumerate(drawn):
        draw(figure.add_subplot(-(-len(drawn) // columns), columns, at + 1), chart)
    return figure


def draw(axes: "Axes", chart: Chart) -> None:
    """Draw a chart: its traces, axes, lines across it, title and legend."""
    before: Array = np.empty(0)
    axes.use_sticky_edges = any(trace["type"] == "heatmap" for trace in chart.data)
    for trace in chart.data:
        if trace["type"] == "heatmap":
            _heatmap(axes, trace)
        elif trace["type"] == "bar":
            _bars(axes, trace)
        else:
            before = _curve(axes, trace, before)
    for shape in chart.layout.get("shapes", ()):
        across = axes.axvline if shape.get("yref") == "paper" else axes.axhline
        style = shape["line"]
        at = shape["x0"] if shape.get("yref") == "paper" else shape["y0"]
        across(at, color=colour(style["color"]), linestyle=_DASHES[style.get("dash", "solid")], linewidth=0.8)
    for which in ("x", "y"):
        _axis(axes, which, chart.layout.get(f"{which}axis", {}))
    axes.set_title(_text(chart.title))
    if chart.layout.get("showlegend", True) and axes.get_legend_handles_labels()[1]:
        # Below the axes, where it hides nothing.
        place = (0.5, LEGEND_BELOW / axes.get_position().height)
        axes.legend(loc="upper center", bbox_to_anchor=place, ncols=2, columnspacing=1.0, handlelength=1.6)


def colour(name: str) -> str:
    """A colour of the palette on a light background, by its name in the figures."""
    return PALETTE[name.removeprefix("@").partition("/")[0]][0]


def _text(text: str) -> str:
    """A text of a chart as Matplotlib shows it literally."""
    return html.unescape(text).replace("$", r"\$")


def _curve(axes: "Axes", trace: dict[str, Any], before: Array) -> Array:
    """Draw a curve or points, or the band between a curve and the one before it; its values, for the next one."""
    x, y = [np.nan if value is None else value for value in trace["x"]], np.array(trace["y"], dtype=float)
    style, mark = trace.get("line", {}), trace.get("marker", {})
    tint = colour(style.get("color") or mark["color"])
    if trace.get("fill"):
        axes.fill_between(x, before, y, color=tint, alpha=0.2, linewidth=0)
        return y
    if style.get("width") == 0:
        return y
    lines, markers = "lines" in trace["mode"], "markers" in trace["mode"]
    axes.plot(
        x,
        y,
        color=tint,
        label=_text(trace.get("name", "")) if trace.get("showlegend", True) else None,
        linestyle=_DASHES[style.get("dash", "solid")] if lines else "none",
        drawstyle=_STEPS.get(style.get("shape", ""), "default"),
        linewidth=0.6 * style.get("width", 2),
        marker=_MARKS[mark.get("symbol", "circle")] if markers else "none",
        markersize=0.5 * mark.get("size", 6),
        alpha=trace.get("opacity", mark.get("opacity")),
    )
    return y


def _bars(axes: "Axes", trace: dict[str, Any]) -> None:
    tint = trace["marker"]["color"]
    shades = [colour(one) for one in tint] if isinstance(tint, list) else colour(tint)
    if trace.get("orientation") == "h":
        axes.barh([_text(one) for one in trace["y"]], trace["x"], color=shades)
    else:
        axes.bar(
            trace["x"], trace["y"], bottom=trace["base"], color=shades, alpha=trace["marker"].get("opacity"),
            label=trace["name"],
        )  # fmt: skip


def _heatmap(axes: "Axes", trace: dict[str, Any]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("page", [(at, colour(name)) for at, name in trace["colorscale"]])
    mesh = axes.pcolormesh(
        trace["x"], trace["y"], np.array(trace["z"], dtype=float), cmap=shades, vmin=trace["zmin"], vmax=trace["zmax"],
        shading="nearest", rasterized=True,
    )  # fmt: skip
    if trace.get("showscale", True):
        axes.figure.colorbar(mesh, ax=axes)


def _axis(axes: "Axes", which: str, layout: dict[str, Any]) -> None:
    axis, name = getattr(axes, f"{which}axis"), layout.get("title", {}).get("text", "")
    axes.set(**{f"{which}label": name})
    if layout.get("type") == "log":
        axes.set(**{f"{which}scale": "log"})
    elif "range" in layout:
        axes.set(**{f"{which}lim": layout["range"]})
    elif layout.get("rangemode") == "tozero":
        axes.set(**{f"{which}lim": (0, None)})
    if "tickvals" in layout:
        labels = [_text(str(one)) for one in layout.get("ticktext", layout["tickvals"])]
        turned = {"rotation": 30, "ha": "right"} if "ticktext" in layout else {}
        axis.set_ticks(layout["tickvals"], labels, **turned)
    if layout.get("type") == "category":
        ticks = axis.get_ticklocs()
        axis.set_ticks(ticks[:: -(-len(ticks) // MOST_NAMES)])
    if "%" in layout.get("tickformat", ""):
        axis.set_major_formatter(lambda share, _: _tick(share))


def _tick(share: float) -> str:
    """A share in percent, with as many decimals as it has; none below 1 reads 100%."""
    short = f"{100 * share:.5g}%"
    return percent_text(share) if share < 1 and short == "100%" else short
