"""Several searches beside each other, on one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghm.errors import UserError, printable
from ghm.io.atomic import write_atomically
from ghm.report.analysis.findings import percent
from ghm.report.drawing.charts import COLOURS, SYMBOLS, Chart, compared, text
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.report.drawing.tuning import gap, gap_axis
from ghm.report.page import page
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.search.settings.space import label
from ghm.training.logging.progress import duration, number

MOST = len(COLOURS)
"""Searches on a page: each has a colour and a mark of its own."""

SAME = 1e-6
"""Optima that differ by less are those of one model."""


def write_comparison(results: Sequence[Path], output: Path | None = None) -> Path:
    """Write the page that sets searches beside each other; its file.

    Raises:
        UserError: when one is no search's, or there are too many.
        OSError: when the file cannot be written.
    """
    if len(results) > MOST:
        raise UserError(f"ghm report sets at most {MOST} searches beside each other; received {len(results)}")
    searches = [read_search(path) for path in results]
    file = output or searches[0].path.parent / "comparison.html"
    write_atomically(file, render_comparison(searches))
    return file


def render_comparison(searches: Sequence[SearchState]) -> bytes:
    """The page's HTML, in UTF-8."""
    names = _names(searches)
    tables = [_table(searches, names), _differences(searches, names)]
    return page(
        {
            "title": f"{len(searches)} searches side by side",
            "headline": _headline(searches, names),
            "searched": "Each search by its name, in the order given.",
            "source": ", ".join(printable(str(search.path)) for search in searches),
            "certainty": _cautions(searches),
            "configurations": [table for table in tables if table is not None],
        },
        instances=_charts(searches, names),
    )


def _names(searches: Sequence[SearchState]) -> list[str]:
    """The directory's name, which people choose; with a number where two have the same."""
    plain = [printable(search.path.parent.name) for search in searches]
    return [name if plain.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(plain, 1)]


def _headline(searches: Sequence[SearchState], names: list[str]) -> str:
    reached = [(captured_by_best(search), name) for search, name in zip(searches, names, strict=True)]
    known = sorted(((value, name) for value, name in reached if value is not None), reverse=True)
    if not known:
        return "None of them has a result yet."
    if len(known) > 1 and known[0][0] == known[1][0]:
        level = [name for value, name in reached if value == known[0][0]]
        return f"The best configurations of {', '.join(level)} captured the same, {percent(known[0][0])}."
    ahead = f", {100 * (known[0][0] - known[1][0]):.2f} points ahead of {known[1][1]}" if len(known) > 1 else ""
    return f"The best configuration is of {known[0][1]}: it captured {percent(known[0][0])}{ahead}."


def _cautions(searches: Sequence[SearchState]) -> list[str]:
    """What makes the comparison unfair."""
    cautions = []
    optima = [None if search.reference is None else search.reference.optimal_return for search in searches]
    if any(one is None or abs(one - (optima[0] or 0.0)) > SAME for one in optima):
        cautions.append("They are of different models or horizons: captured values compare, returns do not.")
    spent = [iterations_spent(search) for search in searches]
    if max(spent) > 1.1 * min(spent):
        cautions.append(
            f"They spent different effort: {', '.join(f'{one:,.0f}' for one in spent)} training iterations."
        )
    cautions.append(
        "The best of many trials is partly the luckiest: what is confirmed on fresh seeds (--confirm) compares better."
    )
    return cautions


def captured_by_best(search: SearchState) -> float | None:
    """Captured value of the best configuration, by what decided that it is the best; None while there is none."""
    best = search.best_configuration
    return None if best is None else best.captured_value


def iterations_spent(search: SearchState) -> float:
    """Training iterations of all trials together."""
    return sum(trial.iterations for trial in search.trials)


def _table(searches: Sequence[SearchState], names: list[str]) -> Table:
    heads = (
        "Search",
        "Kind",
        "Completed",
        "Failed",
        "Best captured",
        "Median captured",
        "Confirmed",
        "Best return",
        "Iterations spent",
        "Training time",
    )
    rows = []
    for search, name in zip(searches, names, strict=True):
        values = [trial.captured_value or 0.0 for trial in compared(search)]
        best, median = captured_by_best(search), float(np.median(values)) if values else None
        winner = None if search.confirmation is None else search.confirmation.winner
        confirmed, counts = None if winner is None else winner.confirmed, search.counts()
        seconds = sum(trial.seconds for trial in search.trials)
        spent = iterations_spent(search)
        rows.append(
            (
                Cell(name), Cell(search.config.search_type), Cell(str(counts.completed), counts.completed),
                Cell(str(counts.failed), counts.failed), Cell(percent(best), best), Cell(percent(median), median),
                Cell(percent(confirmed), confirmed), Cell(number(search.best_value)),
                Cell(f"{spent:,.0f}", spent), Cell(duration(seconds), seconds),
            )
        )  # fmt: skip
    columns = tuple(Column(title, at > 1) for at, title in enumerate(heads))
    return Table("The searches", columns, tuple(rows), sortable=True)


def _differences(searches: Sequence[SearchState], names: list[str]) -> Table | None:
    """Settings, lists and best hyperparameters that are not the same in all."""
    rows = []
    parts: list[tuple[str, list[dict[str, Any]]]] = [
        ("", [search.config.to_dict() for search in searches]),
        ("space: ", [dict(search.record.choices) for search in searches]),
        ("best: ", [vars(search.best_trial.hyperparameters) if search.best_trial else {} for search in searches]),
    ]
    for prefix, dictionaries in parts:
        for key in dict.fromkeys(key for one in dictionaries for key in one):
            shown = [_shown(one.get(key)) for one in dictionaries]
            if len(set(shown)) > 1 and key != "results_dir":
                rows.append((Cell(prefix + str(key)), *map(Cell, shown)))
    if not rows:
        return None
    return Table("Where they differ", (Column("Setting"), *(Column(name, long=True) for name in names)), tuple(rows))


def _shown(value: Any) -> str:
    text = ", ".join(map(label, value)) if isinstance(value, list | tuple) else "–" if value is None else label(value)
    return text if len(text) <= 120 else text[:119] + "…"


def _charts(searches: Sequence[SearchState], names: list[str]) -> list[Chart]:
    if not any(compared(search) for search in searches):
        return []
    best: list[dict[str, Any]] = []
    spread: list[dict[str, Any]] = []
    for search, name, colour, symbol in zip(searches, names, COLOURS, SYMBOLS, strict=False):
        spent, least, x, y = 0.0, 1.0, [], []
        for trial in search.trials:
            spent += trial.iterations
            if trial.captured_value is not None and trial.status.has_result:
                least = min(least, gap(trial.captured_value))
                x.append(spent)
                y.append(least)
        line = {"color": colour, "width": 2, "shape": "hv"}
        mark = {"color": colour, "symbol": symbol, "size": 6}
        best.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": text(name),
                "x": x,
                "y": y,
                "line": line,
                "marker": mark,
            }
        )
        gaps = sorted(gap(trial.captured_value or 0.0) for trial in compared(search))
        shares = [(at + 1) / len(gaps) for at in range(len(gaps))]
        spread.append({"type": "scatter", "mode": "lines", "name": text(name), "x": gaps, "y": shares, "line": line})
    return [
        Chart(
            "compared-best", "The best so far against the effort spent",
            f"What is missing to the optimum, best so far, against training iterations of all trials, for {', '.join(names)}.",
            "In order of trials; lower is better, on a logarithmic axis.", best,
            {"xaxis": {"title": {"text": "training iterations, all trials"}, "rangemode": "tozero"}, "yaxis": gap_axis()},
        ),
        Chart(
            "compared-spread", "How many trials come how close",
            f"Share of trials that come at least as close to the optimum, for {', '.join(names)}.",
            "Share of the trials that miss no more than this; further to the left and higher is better.", spread,
            {"xaxis": gap_axis(), "yaxis": {"title": {"text": "share of trials"}, "tickformat": ".0%", "range": [0, 1.02]}},
        ),
    ]  # fmt: skip
