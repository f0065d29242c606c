"""Tables and charts of configurations: their spread over seeds and calibrations, rungs, and the confirmation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.report.analysis.findings import percent
from ghm.report.drawing.charts import COLOURS, FLOOR, Chart, captured_axis, evaluations
from ghm.report.drawing.tables import Cell, Column, Table, settings_cells
from ghm.search.decisions.ranking import ConfigurationScore, captured_or_return
from ghm.search.decisions.statistics import aggregate
from ghm.search.records.state import SearchState
from ghm.search.settings.config import RANK_WORDS, RankBy
from ghm.search.trials.outcome import Outcome, TrialState
from ghm.training.logging.progress import number as figure

MOST = 40
"""Configurations in a chart: more would be too narrow to read. The table has them all."""


def configurations_table(search: SearchState) -> Table | None:
    """Ranked configurations with the spread over their trials, best first; None where each has one trial only."""
    ranking = search.ranking()
    if search.n_instances == 1 or not ranking:
        return None
    heads = ("Rank", "Configuration", "Mean", "Interquartile mean", "95% interval", "Worst", "Failures", "Iterations")
    columns = [*(Column(title, True) for title in heads), *(Column(name) for name in search.varied)]
    rows = tuple(
        (
            *(_whole(value) for value in (rank, one.configuration)),
            *(_share(one.figure(name)) for name in ("mean", "iqm")),
            Cell(_interval(one.interval)),
            _share(one.figure("worst")),
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
    """What the best configuration reaches on each calibration beside the best one there; None where there is one only.

    Both are figures of as many trainings, those that tuned, by what ranks configurations: the best single training would be the
    luckiest of all.
    """
    best, rank_by = search.best_trial, search.config.rank_by
    names = [one.name for one in search.record.calibrations]
    if best is None or len(names) < 2:
        return None
    rows = []
    for name in names:
        there = {one.configuration: _figure_on(one, name, rank_by) for one in search.ranking()}
        ours = there.get(best.configuration)
        top = max((value for value in there.values() if value is not None), default=None)
        reference = search.references.get(name)
        optimum, closing = (None, None) if reference is None else (reference.optimal_return, reference.wind_up_return)
        cost = None if ours is None or top is None else top - ours
        known = (Cell(figure(value), "" if value is None else value) for value in (optimum, closing))
        rows.append((Cell(name), *known, *map(_share, (ours, top, cost))))
    heads = ("Optimum", "Closing the firm", "This configuration", "Best configuration there", "Cost of not tuning")
    caption = f"What configuration {best.configuration} costs on each calibration, by the {RANK_WORDS[rank_by]} captured value"
    return Table(caption, (Column("Calibration"), *(Column(title, True) for title in heads)), tuple(rows))


def _figure_on(one: ConfigurationScore, calibration: str, rank_by: RankBy) -> float | None:
    """The configuration's figure over its trials on one calibration; None where all of them failed."""
    values = [t.captured_value for t in one.trials if t.calibration == calibration and t.captured_value is not None]
    return aggregate(values, rank_by) if values else None


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
            Cell(_interval(one.interval)),
            _share(one.difference),
            _whole(one.failures),
        )
        for one in confirmation.configurations
    )
    what = (
        "The worst of each configuration's trials, in" if confirmation.figure == "worst" else "Interquartile means of"
    )
    heads = ("Configuration", "When tuned", "Confirmed", "95% interval", "Difference", "Failures")
    return Table(
        f"{what} captured value; the difference shows how much of the tuned value was luck",
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


def _counts(trial: Outcome) -> bool:
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
        "Configurations and their spread",
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
        "Configurations as they learn",
        f"Captured value against training iterations of the {len(data) // 3} best configurations.",
        "Lines are medians over a configuration's trials, bands go from the least to the greatest.",
        data,
        {"xaxis": {"title": {"text": "training iterations"}, "rangemode": "tozero"}, "yaxis": captured_axis()},
    )


def _rungs(search: SearchState) -> Chart | None:
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
        "Grey trials were stopped at their last rung"
        + ("; --resume with --keep 1.0 lets them go on." if search.choice is None else "."),
        [
            lines(True, "stopped", {"color": "@faint", "width": 1}),
            lines(False, "went to the end", {"color": "@accent", "width": 2}),
        ],
        {"xaxis": {"title": {"text": "training iterations"}, "tickvals": ends}, "yaxis": captured_axis()},
    )


def _share(value: float | None) -> Cell:
    return Cell(percent(value), "" if value is None else value)


def _whole(value: int) -> Cell:
    return Cell(str(value), value)


def _interval(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"
