"""Tables and charts of configurations: their spread over seeds and calibrations, rungs, and the confirmation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.report.analysis.findings import percent
from ghm.report.analysis.instances import confirmed_entries, rungs_and_end
from ghm.report.drawing.charts import COLOURS, FLOOR, Chart, captured_axis, evaluations
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.search.records.reader import RecordedSearch
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite

MOST = 40
"""Configurations in a chart: more would be too narrow to read. The table has them all."""


def configurations_table(search: RecordedSearch) -> Table | None:
    """Configurations with the spread over their trials, best first; None where each has one trial only."""
    if not search.several_instances:
        return None
    heads = [
        Column("Rank", True),
        Column("Configuration", True),
        Column("Mean", True),
        Column("Interquartile mean", True),
    ]
    heads += [Column("95% interval", True), Column("Worst", True), Column("Failures", True), Column("Iterations", True)]
    heads += [Column(name) for name in search.varied]
    rows = []
    for rank, entry in enumerate(search.ranking, 1):
        chosen = entry.get("hyperparameters")
        values = chosen if isinstance(chosen, dict) else {}
        rows.append(
            (
                Cell(str(rank), rank),
                Cell(_whole(entry.get("number")), finite(entry.get("number"))),
                *(_share(entry.get(name)) for name in ("mean", "iqm")),
                Cell(_interval(entry)),
                _share(entry.get("worst")),
                Cell(_whole(entry.get("failures")), finite(entry.get("failures"))),
                Cell(_whole(entry.get("iterations")), finite(entry.get("iterations"))),
                *(Cell(_shown(values.get(name)), finite(values.get(name))) for name in search.varied),
            )
        )
    caption = "Captured value of each configuration over its seeds and calibrations, best first"
    return Table(caption, tuple(heads), tuple(rows), sortable=True)


def calibrations_table(search: RecordedSearch) -> Table | None:
    """What the best configuration reaches on each calibration; None where there is one only."""
    best = search.best
    names = dict.fromkeys(trial.calibration for trial in search.explored if trial.calibration is not None)
    if best is None or len(names) < 2:
        return None
    rows = []
    for name in names:
        values = [t.captured_value for t in search.ranked if t.calibration == name and t.captured_value is not None]
        ours = [
            t.captured_value
            for t in search.ranked
            if t.calibration == name and t.configuration == best.configuration and t.captured_value is not None
        ]
        mean = sum(ours) / len(ours) if ours else None
        top = max(values, default=None)
        cost = None if mean is None or top is None else top - mean
        rows.append((Cell(str(name)), _share(mean), _share(top), _share(cost)))
    columns = (Column("Calibration"), Column("This configuration", True), Column("Best training there", True))
    return Table(
        f"What configuration {best.configuration} costs on each calibration, in captured value",
        (*columns, Column("Cost of not tuning", True)),
        tuple(rows),
    )


def confirmation_table(search: RecordedSearch) -> Table | None:
    """Values when tuned and confirmed beside each other; None where nothing was confirmed."""
    entries = confirmed_entries(search)
    if not entries:
        return None
    rows = tuple(
        (
            Cell(_whole(entry.get("configuration")), finite(entry.get("configuration"))),
            _share(entry.get("tuned")),
            _share(entry.get("confirmed")),
            Cell(_interval(entry)),
            _share(entry.get("difference")),
            Cell(_whole(entry.get("failures")), finite(entry.get("failures"))),
        )
        for entry in entries
    )
    heads = ("Configuration", "When tuned", "Confirmed", "95% interval", "Difference", "Failures")
    return Table(
        "Interquartile means of captured value; the difference shows how much of the tuned value was luck",
        tuple(Column(title, True) for title in heads),
        rows,
    )


def instance_charts(search: RecordedSearch) -> list[Chart]:
    """Charts of configurations that have something to show."""
    return [chart for chart in (_bands(search), _curves(search), _rungs(search)) if chart is not None]


def spreads(search: RecordedSearch) -> list[tuple[str, list[float]]]:
    """Captured values of each configuration's trials, by number, best configuration first; none where each has one trial."""
    if not search.several_instances:
        return []
    values = [
        (
            _whole(entry.get("number")),
            [
                max(t.captured_value, FLOOR)
                for t in search.ranked
                if t.configuration == entry.get("number") and t.captured_value is not None
            ],
        )
        for entry in search.ranking[:MOST]
    ]
    return [(number, ours) for number, ours in values if ours]


def learning_bands(search: RecordedSearch) -> list[tuple[str, list[float], NDArray[np.float64]]]:
    """Learning curves of the best configurations: number, iterations (e,), captured value of each trial (trials, e)."""
    if not search.several_instances:
        return []
    found = []
    for entry in search.ranking[: len(COLOURS)]:
        curves = [
            dict(zip(*evaluations(trial, "iteration"), strict=True))
            for trial in search.explored
            if trial.configuration == entry.get("number")
        ]
        at = sorted(set.intersection(*map(set, curves))) if curves else []
        if len(at) > 1:  # a point is no curve
            found.append((_whole(entry.get("number")), at, np.array([[curve[x] for x in at] for curve in curves])))
    return found


def rung_courses(search: RecordedSearch) -> tuple[list[int], list[tuple[bool, list[tuple[int, float]]]]]:
    """Rungs and the end; and of each trial whether it was stopped, and its best captured value at those that it reached."""
    ends = rungs_and_end(search)
    courses = []
    for trial in search.ranked if ends else ():
        points = [(end, max(value, FLOOR)) for end in ends if (value := trial.reached(end, ends[-1])) is not None]
        courses.append((trial.status == "stopped_at_rung", points))
    return ends, courses


def _bands(search: RecordedSearch) -> Chart | None:
    """The spread of each configuration's trials as a band, in order of rank."""
    shown = spreads(search)
    if not shown:
        return None
    names = [name for name, _ in shown]
    bands = {
        "type": "bar", "name": "least to greatest", "x": names, "base": [min(ours) for _, ours in shown],
        "y": [max(ours) - min(ours) for _, ours in shown], "marker": {"color": "@accent", "opacity": 0.3},
        "hoverinfo": "x+name",
    }  # fmt: skip
    means = {
        "type": "scatter", "mode": "markers", "name": "mean", "x": names,
        "y": [sum(ours) / len(ours) for _, ours in shown], "marker": {"color": "@second", "size": 8},
        "hoverinfo": "x+y",
    }  # fmt: skip
    first, ours = shown[0]
    return Chart(
        "bands",
        "Configurations and their spread",
        f"Least, mean and greatest captured value of {len(shown)} configurations in order of rank; the best, {first}, spreads "
        f"from {percent(min(ours))} to {percent(max(ours))}.",
        "Each band spans the trials of a configuration, from the least to the greatest; the point is their mean.",
        [bands, means],
        {"xaxis": {"title": {"text": "configuration, best first"}, "type": "category"}, "yaxis": captured_axis()},
    )


def _curves(search: RecordedSearch) -> Chart | None:
    """The best configurations' learning curves: the median over their trials, and a band from the least to the greatest."""
    data: list[dict[str, Any]] = []
    for (number, at, values), colour in zip(learning_bands(search), COLOURS, strict=False):
        style = {"type": "scatter", "mode": "lines", "x": at, "legendgroup": number}
        edge = {**style, "line": {"width": 0, "color": colour}, "showlegend": False, "hoverinfo": "skip"}
        # A trace's own opacity leaves its fill as it is; bands that cover each other must be seen through.
        band = {"fill": "tonexty", "fillcolor": f"{colour}/33"}
        middle = {"name": f"configuration {number}", "line": {"color": colour, "width": 2}}
        data += [
            {**edge, "y": values.min(axis=0).tolist()},
            {**edge, **band, "y": values.max(axis=0).tolist()},
            {**style, **middle, "y": np.median(values, axis=0).tolist()},
        ]
    if not data:
        return None
    return Chart(
        "configuration-curves",
        "Configurations as they learn",
        f"Captured value against training iterations of the {len(data) // 3} best configurations.",
        "Lines are medians over a configuration's trials, bands go from the least to the greatest.",
        data,
        {"xaxis": {"title": {"text": "training iterations"}, "rangemode": "tozero"}, "yaxis": captured_axis()},
    )


def _rungs(search: RecordedSearch) -> Chart | None:
    """Trials at each rung: those that went on and those that were stopped there."""
    ends, courses = rung_courses(search)
    if not courses:
        return None
    style = {"type": "scatter", "mode": "lines+markers", "hoverinfo": "x+y"}

    def lines(stopped: bool, name: str, line: dict[str, Any]) -> dict[str, Any]:
        # One trace for all: a gap (null) between a trial and the next.
        joined = [point for which, points in courses if which == stopped for point in (*points, (None, None))]
        return {**style, "name": name, "x": [x for x, _ in joined], "y": [y for _, y in joined], "line": line}

    fallen = sum(stopped for stopped, _ in courses)
    return Chart(
        "rungs",
        "Rungs",
        f"Best captured value of each trial at the rungs {', '.join(map(str, ends[:-1]))}: {fallen} of {len(courses)} were "
        "stopped at one.",
        "Grey trials were stopped at their last rung; --resume with --keep 1.0 lets them go on.",
        [
            lines(True, "stopped", {"color": "@faint", "width": 1}),
            lines(False, "went to the end", {"color": "@accent", "width": 2}),
        ],
        {"xaxis": {"title": {"text": "training iterations"}, "tickvals": ends}, "yaxis": captured_axis()},
    )


def _share(value: Any) -> Cell:
    number = finite(value)
    return Cell(percent(number), "" if number is None else number)


def _interval(entry: Mapping[str, Any]) -> str:
    interval = entry.get("interval")
    if not isinstance(interval, list) or len(interval) != 2:
        return "–"
    return f"{percent(finite(interval[0]))} to {percent(finite(interval[1]))}"


def _whole(value: Any) -> str:
    number = finite(value)
    return "–" if number is None else f"{number:.0f}"


def _shown(value: Any) -> str:
    return "–" if value is None else label(value)[:80]
