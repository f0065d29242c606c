"""Tables and charts of configurations: their spread over seeds and calibrations, rungs, and the confirmation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.report.analysis.findings import interval_text, percent
from ghm.report.drawing.charts import FLOOR, Chart, captured_axis, evaluations
from ghm.report.drawing.palette import COLOURS, line
from ghm.report.drawing.tables import Cell, Column, Table, settings_cells
from ghm.search.decisions.ranking import captured_or_return
from ghm.search.records.state import SearchState
from ghm.search.settings.config import RANK_WORDS
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.training.logging.progress import number as figure

MOST = 40
"""Configurations in a chart: more would be too narrow to read. The table has them all."""


def configurations_table(search: SearchState) -> Table | None:
    """Ranked configurations with the spread over their trials, best first; None where each has one trial only.

    Each calibration has a column.
    """
    ranking = search.ranking()
    if search.n_instances == 1 or not ranking:
        return None
    calibrations, rank_by = [one.name for one in search.record.calibrations], search.config.rank_by
    heads = ["Rank", "Configuration", "Trials", "Mean", "Interquartile mean", "95% interval", "Worst"]
    heads += [*(f"{RANK_WORDS[rank_by].capitalize()}, {name}" for name in calibrations), "Failures", "Iterations"]
    columns = [*(Column(title, True) for title in heads), *(Column(name) for name in search.varied)]
    rows = tuple(
        (
            *(_whole(value) for value in (rank, one.configuration, len(one.trials))),
            *(_share(one.figure(name)) for name in ("mean", "iqm")),
            Cell(interval_text(one.interval)),
            _share(one.figure("worst")),
            *(_share(one.figure_on(name, rank_by)) for name in calibrations),
            *(_whole(value) for value in (one.failures, one.reached)),
            *settings_cells(one.hyperparameters, search.varied),
        )
        for rank, one in enumerate(ranking, 1)
    )
    waiting = len(search.scores()) - len(ranking)
    note = f"; {waiting} more cannot be ranked yet, or failed" if waiting else ""
    return Table(
        f"Captured value of each configuration over its seeds and calibrations, best first{note}",
        tuple(columns),
        rows,
        sortable=True,
    )


def calibrations_table(search: SearchState) -> Table | None:
    """What the best configuration reaches on each calibration, a column each, beside the best one there; None where there is one.

    Both are figures of as many trainings, those that tuned, by what ranks configurations: the best single training would be the
    luckiest of all.
    """
    best, rank_by = search.best_trial, search.config.rank_by
    names = [one.name for one in search.record.calibrations]
    if best is None or len(names) < 2:
        return None
    parts = []
    for name in names:
        there = {one.configuration: one.figure_on(name, rank_by) for one in search.ranking()}
        ours = there.get(best.configuration)
        top = max((value for value in there.values() if value is not None), default=None)
        reference = search.references.get(name)
        values = (None, None) if reference is None else (reference.optimal_return, reference.wind_up_return)
        cost = None if ours is None or top is None else top - ours
        parts.append([*(Cell(figure(value)) for value in values), *map(_share, (ours, top, cost))])
    what = f"{RANK_WORDS[rank_by]} captured value"
    heads = ["optimal firm value", "immediate-liquidation value", f"{what} of configuration {best.configuration}"]
    heads += [f"{what} of the best configuration there", "difference"]
    rows = tuple((Cell(head), *cells) for head, *cells in zip(heads, *parts, strict=True))
    caption = f"Configuration {best.configuration} on each calibration, beside the configuration that is best there"
    return Table(caption, (Column(""), *(Column(name, True) for name in names)), rows)


def confirmation_table(search: SearchState) -> Table | None:
    """Values when tuned and confirmed beside each other; None where nothing was confirmed."""
    confirmation = search.confirmation
    if confirmation is None or not confirmation.configurations:
        return None
    rows = tuple(
        (
            _whole(one.configuration),
            _share(one.tuned),
            _share(one.confirmed),
            Cell("too few seeds" if one.interval is None else interval_text(one.interval)),
            _share(one.difference),
            _whole(one.failures),
            *((_whole(one.seeds), Cell(one.race or "")) if confirmation.rounds else ()),
        )
        for one in confirmation.configurations
    )
    what = "Worst" if confirmation.figure == "worst" else "Interquartile mean of"
    heads: tuple[str, ...] = (
        "Configuration",
        "In the search",
        "On fresh seeds",
        "95% interval",
        "Difference",
        "Failures",
    )
    heads += ("Seeds", "Race") if confirmation.rounds else ()
    return Table(
        f"{what} captured value; a negative difference is what luck added in the search",
        tuple(Column(title, True) for title in heads),
        rows,
    )


def instance_charts(search: SearchState) -> list[Chart]:
    """Charts of configurations that have something to show."""
    return [chart for chart in (_bands(search), _curves(search), _rungs(search)) if chart is not None]


def spreads(search: SearchState) -> list[tuple[str, list[float]]]:
    """Captured values of each configuration's trials, by number, best configuration first; none where each has one trial."""
    if search.n_instances == 1:
        return []
    values = [
        (
            str(one.configuration),
            [max(t.captured_value, FLOOR) for t in one.trials if _counts(t) and t.captured_value is not None],
        )
        for one in search.ranking()[:MOST]
    ]
    return [(number, ours) for number, ours in values if ours]


def _counts(trial: TrialRecord) -> bool:
    return trial.status.has_result


def learning_bands(search: SearchState) -> list[tuple[str, list[float], NDArray[np.float64]]]:
    """Learning curves of the best configurations: number, iterations (e,), captured value of each trial (trials, e)."""
    if search.n_instances == 1:
        return []
    found = []
    for one in search.ranking()[: len(COLOURS)]:
        curves = [
            dict(zip(*evaluations(search, trial, "iteration"), strict=True)) for trial in filter(_counts, one.trials)
        ]
        at = sorted(set.intersection(*map(set, curves))) if curves else []
        if len(at) > 1:  # a point is no curve
            found.append((str(one.configuration), at, np.array([[curve[x] for x in at] for curve in curves])))
    return found


def rung_courses(search: SearchState) -> tuple[list[int], list[tuple[bool, list[tuple[int, float]]]]]:
    """Rungs and the end; and of each trial whether it was stopped, and its best captured value at those that it reached."""
    config, courses = search.config, []
    ends = [*config.rungs, config.n_iterations] if config.rungs else []
    for trial in search.ranked if ends else ():
        results = list(trial.rungs)
        if trial.status is TrialState.COMPLETED and (last := trial.reached(None)) is not None:
            results.append(last)
        points = [
            (one.iteration, max(value, FLOOR)) for one in results if (value := captured_or_return(one)) is not None
        ]
        courses.append((trial.status is TrialState.STOPPED_AT_RUNG, points))
    return ends, courses


def _bands(search: SearchState) -> Chart | None:
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
        "Spread of each configuration over its trials",
        f"Least, mean and greatest captured value of {len(shown)} configurations in order of rank; the best, {first}, spreads "
        f"from {percent(min(ours))} to {percent(max(ours))}.",
        "Each band spans the trials of a configuration, from the least to the greatest; the point is their mean.",
        [bands, means],
        {"xaxis": {"title": {"text": "configuration, best first"}, "type": "category"}, "yaxis": captured_axis()},
    )


def _curves(search: SearchState) -> Chart | None:
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
        "Learning curves of the best configurations",
        f"Captured value against training iterations of the {len(data) // 3} best configurations.",
        "Lines are medians over a configuration's trials, bands go from the least to the greatest.",
        data,
        {"xaxis": {"title": {"text": "training iterations"}, "rangemode": "tozero"}, "yaxis": captured_axis()},
    )


def _rungs(search: SearchState) -> Chart | None:
    """Trials at each rung: those that were promoted and those that were stopped there."""
    ends, courses = rung_courses(search)
    if not courses:
        return None

    def lines(stopped: bool, name: str, colour: str, width: int) -> dict[str, Any]:
        # One trace for all: a gap (null) between a trial and the next.
        joined = [point for which, points in courses if which == stopped for point in (*points, (None, None))]
        x, y = [x for x, _ in joined], [y for _, y in joined]
        return line(x, y, name, colour, width=width, mode="lines+markers", hoverinfo="x+y")

    fallen = sum(stopped for stopped, _ in courses)
    return Chart(
        "rungs",
        "Captured value at the rungs",
        f"Best captured value of each trial at the rungs {', '.join(map(str, ends[:-1]))}: {fallen} of {len(courses)} were "
        "stopped at one.",
        "Grey trials were stopped at their last rung"
        + ("; --resume with --keep 1.0 promotes them." if search.choice is None and not search.grown else "."),
        [
            lines(True, "stopped", "@faint", 1),
            lines(False, "trained to the end", "@accent", 2),
        ],
        {"xaxis": {"title": {"text": "training iterations"}, "tickvals": ends}, "yaxis": captured_axis()},
    )


def _share(value: float | None) -> Cell:
    return Cell(percent(value), "" if value is None else value)


def _whole(value: int) -> Cell:
    return Cell(str(value), value)
