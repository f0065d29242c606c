"""What an economist looks for: parameters, the value and its slope, the distribution of cash, moments."""

import math
from typing import Any

import numpy as np

from ghm.economics.model import SYMBOLS
from ghm.report.analysis.policy import PolicyStudy, early_cash, moments
from ghm.report.drawing.charts import Chart
from ghm.report.drawing.palette import BOUNDARIES, LEARNED, OPTIMAL, line
from ghm.report.drawing.policy_charts import numbers
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.search.records.state import SearchState
from ghm.solvers.validation import Card

BINS = 60
"""Of the histogram of cash: finer ones show the simulation's noise."""

SLOPE_SHOWN = 2.0
"""Slopes are shown up to this: near zero cash they can be steep."""


def parameters_table(search: SearchState) -> Table:
    """Parameters of the model, or of each calibration, with their symbols."""
    models = {one.name: one.model for one in search.record.calibrations} or {"Value": search.config.model}
    rows = tuple(
        (Cell(symbol), Cell(meaning), *(Cell(f"{getattr(model, name):g}") for model in models.values()), Cell(name))
        for name, (symbol, meaning) in SYMBOLS.items()
    )
    values = (Column(name, True) for name in models)
    heads = (Column("Symbol"), Column("Meaning", long=True), *values, Column("Option, after --model."))
    return Table("Parameters of the model", heads, rows)


def moments_table(study: PolicyStudy, search: SearchState) -> Table:
    """Moments of simulated firms, learned beside optimal."""
    rows = [(Cell(one.name), Cell(_shown(one.learned)), Cell(_shown(one.optimal))) for one in moments(study)]
    best = search.best_trial
    heads = (
        Column(f"{len(study.firms.cash):,} simulated firms, first half of the horizon"),
        Column("Learned", True),
        Column("Optimum", True),
    )
    on = "" if best is None or best.calibration is None else f", on {best.calibration}"
    return Table(f"Simulated firms under the best policy and the optimum{on}", heads, tuple(rows))


def card_table(calibration: str | None, card: Card) -> Table:
    """The validation card of a calibration, or of the search's own model."""
    rows = tuple(
        (Cell(line.claim), Cell(_error(line.figure)), Cell(_error(line.tolerance)), Cell(line.status))
        for line in card.lines
    )
    heads = (Column("Claim"), Column("Figure", True), Column("Allowed", True), Column(""))
    return Table("Checks of the optimum" + ("" if calibration is None else f" on {calibration}"), heads, rows)


def economics_charts(study: PolicyStudy) -> list[Chart]:
    """The value's slope with the boundaries, and the distribution of cash."""
    return [slope_chart(study), cash_chart(study)]


def slope_chart(study: PolicyStudy) -> Chart:
    """V′(c) with the whole horizon ahead, learned and optimal, with the boundaries marked."""
    learned, optimal = (np.gradient(value[-1], study.cash) for value in (study.value, study.optimal_value))
    cost = study.model.proportional_cost
    top = min(SLOPE_SHOWN, 1.1 * float(np.nanmax([optimal.max(), learned.max(), cost])))
    data = [
        line(numbers(study.cash), numbers(optimal), "optimum", OPTIMAL),
        line(numbers(study.cash), numbers(learned), "learned", LEARNED, "dash"),
    ]
    shapes: list[dict[str, Any]] = []
    for key, _, dash in BOUNDARIES:
        for levels, colour in ((study.levels, LEARNED), (study.optimal_levels, OPTIMAL)):
            at = float(getattr(levels, key)[-1])
            if math.isfinite(at):
                style = {"color": colour, "dash": dash, "width": 1}
                shapes.append({"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": style})
    for level in (1.0, cost):
        style = {"color": "@muted", "width": 1}
        shapes.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": style})
    return Chart(
        "policy-slope",
        "Marginal value of cash V′(c)",
        f"Slope of the value over cash with the whole horizon ahead. At the optimum it falls from {optimal[0]:.2f} at no cash to "
        f"1 at the payout boundary {_level(study.optimal_levels.payout_level[-1])}.",
        "Vertical lines: payout boundary (solid), issuance boundary (dotted), post-issuance cash (dashed); blue learned, "
        f"orange optimal. Grey lines: 1, where cash is paid out, and p = {cost:g}, the cost of a unit of cash raised.",
        data,
        {
            "xaxis": {"title": {"text": "cash"}, "range": [0, float(study.cash[-1])]},
            "yaxis": {"title": {"text": "V′(c)"}, "range": [min(0.9, float(learned.min())), top]},
            "shapes": shapes,
        },
    )


def cash_chart(study: PolicyStudy) -> Chart:
    """How cash is distributed over simulated firms and years."""
    edges = np.linspace(0.0, float(study.cash[-1]), BINS + 1)
    middle, data, means = (edges[1:] + edges[:-1]) / 2, [], []
    pairs = (("optimum", study.optimal_firms, OPTIMAL, "solid"), ("learned", study.firms, LEARNED, "dash"))
    for name, firms, colour, dash in pairs:
        kept = early_cash(firms)
        held = kept[np.isfinite(kept)]
        counts, _ = np.histogram(held, edges)
        means.append(f"{held.mean():.3f} ({name})")
        density = counts / (held.size * (edges[1] - edges[0]))
        data.append(line(numbers(middle), numbers(density), name, colour, dash, line={"shape": "hvh"}))
    return Chart(
        "policy-cash",
        "Distribution of cash",
        f"Density of cash over simulated firms and years; the mean is {' and '.join(means)}.",
        "Cash after each transaction in the first half of the horizon, over all firms that are not liquidated.",
        data,
        {"xaxis": {"title": {"text": "cash"}}, "yaxis": {"title": {"text": "density"}, "rangemode": "tozero"}},
    )


def _shown(value: float) -> str:
    """A moment to three digits, which is what simulated firms tell; no decimals beyond four."""
    return "none" if math.isnan(value) else f"{value:.{4 if abs(value) < 1 else 2}f}"


def _error(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def _level(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "(none)"
