"""Several searches beside each other, on one page."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghm.errors import UserError, printable
from ghm.io.atomic import write_atomically
from ghm.io.text import loss_text
from ghm.report.analysis.findings import loss, percent
from ghm.report.drawing.charts import Chart, compared, marked
from ghm.report.drawing.palette import COLOURS, SYMBOLS, line
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.report.drawing.tuning import gap, gap_axis
from ghm.report.page import page
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.search.settings.distributions import label
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
            "notes": ["Each search has the name of its directory, in the order given.", *_cautions(searches)],
            "source": ", ".join(printable(str(search.path)) for search in searches),
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
        return "None of the searches has a result yet."
    if len(known) > 1 and known[0][0] == known[1][0]:
        level = [name for value, name in reached if value == known[0][0]]
        return f"The best configurations of {', '.join(level)} have the same captured value, {percent(known[0][0])}."
    ahead = f", {100 * (known[0][0] - known[1][0]):.2f} points ahead of {known[1][1]}" if len(known) > 1 else ""
    return f"The best configuration is that of {known[0][1]}, with a captured value of {percent(known[0][0])}{ahead}."


def _cautions(searches: Sequence[SearchState]) -> list[str]:
    """What makes the comparison unfair."""
    cautions = []
    optima = [None if search.reference is None else search.reference.optimal_return for search in searches]
    if any(one is None or abs(one - (optima[0] or 0.0)) > SAME for one in optima):
        cautions.append("They have different models or horizons: compare losses of firm value, not firm values.")
    spent = [iterations_spent(search) for search in searches]
    if max(spent) > 1.1 * min(spent):
        cautions.append(
            f"They spent different numbers of training iterations: {', '.join(f'{one:,.0f}' for one in spent)}."
        )
    cautions.append(
        "The best of many trials is partly the luckiest: compare values that were confirmed on fresh seeds (--confirm)."
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
        "Best firm value",
        "Loss of firm value",
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
        lost = None if search.best_trial is None else loss(search, search.best_trial)
        rows.append(
            (
                Cell(name), Cell(search.config.search_type), Cell(str(counts.completed), counts.completed),
                Cell(str(counts.failed), counts.failed), Cell(percent(best), best), Cell(percent(median), median),
                Cell(percent(confirmed), confirmed), Cell(number(search.best_value)), Cell(loss_text(lost), lost),
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
        ("space: ", [{name: str(values) for name, values in search.record.choices.items()} for search in searches]),
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
        best.append(line(x, y, html.escape(name), colour, line={"shape": "hv"}) | marked(colour, symbol))
        gaps = sorted(gap(trial.captured_value or 0.0) for trial in compared(search))
        shares = [(at + 1) / len(gaps) for at in range(len(gaps))]
        spread.append(line(gaps, shares, html.escape(name), colour, line={"shape": "hv"}))
    return [
        Chart(
            "compared-best", "Best so far against training iterations",
            f"Optimality gap of the best trial so far, against training iterations of all trials, for {', '.join(names)}.",
            "In order of trials; lower is better.", best,
            {"xaxis": {"title": {"text": "training iterations, all trials"}, "rangemode": "tozero"}, "yaxis": gap_axis()},
        ),
        Chart(
            "compared-spread", "Distribution of the trials",
            f"Share of trials with an optimality gap of at most a given size, for {', '.join(names)}.",
            "Share of the trials with an optimality gap of at most this; higher and further to the left is better.", spread,
            {"xaxis": gap_axis(), "yaxis": {"title": {"text": "share of trials"}, "tickformat": ".0%", "range": [0, 1.02]}},
        ),
    ]  # fmt: skip
