"""What a tuner looks for: the gap to the optimum on a logarithmic axis, what values buy, and any trial by itself."""

from typing import Any

from ghm.io.safe_read import DamagedError, read_bytes
from ghm.report.analysis.findings import percent
from ghm.report.analysis.importance import MarginalEffect
from ghm.report.analysis.policy import trial_levels
from ghm.report.drawing.charts import COLOURS, HIGHLIGHTED, SYMBOLS, Chart, compared, evaluations
from ghm.report.drawing.policy_charts import LEVELS
from ghm.report.drawing.tables import Cell, Column, Table, level
from ghm.search.records.reader import RecordedSearch, RecordedTrial
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite
from ghm.training.logging.progress import duration, number

LEAST_GAP = 1e-4
"""What is missing to the optimum is drawn from here on: less is the error of the optimum itself."""

CHOOSABLE = 200
"""Trials that can be looked at one by one, the best ones and those that failed: a page of some hundred kilobytes more."""

WITH_POLICY = 8
"""Of these, the best so many come with their policy: reading one takes a tenth of a second."""

LOG_BYTES, LOG_LINES = 1 << 22, 12
"""Of a log that is larger nothing is shown; of another, its end."""


def gap(captured: float) -> float:
    """What is missing to the optimum, for a logarithmic axis."""
    return max(1.0 - captured, LEAST_GAP)


def gap_axis(title: str = "missing to the optimum") -> dict[str, Any]:
    """A logarithmic axis of one less captured value."""
    return {"title": {"text": title}, "type": "log", "tickformat": ".2~%", "dtick": "D2"}


def gap_charts(search: RecordedSearch) -> list[Chart]:
    """What is missing to the optimum, on a logarithmic axis: good trials differ in little else."""
    curves = [(trial, curve) for trial in compared(search) if len((curve := evaluations(trial, "iteration"))[0]) > 1]
    if not curves:
        return []
    others_x: list[float | None] = []
    others_y: list[float | None] = []
    for _, (x, y) in curves[HIGHLIGHTED:]:
        others_x += [*x, None]
        others_y += [*map(gap, y), None]
    style: dict[str, Any] = {"type": "scatter", "hoverinfo": "skip", "line": {"color": "@faint", "width": 1}}
    name = f"{len(curves) - HIGHLIGHTED} others"
    data = [{**style, "mode": "lines", "name": name, "x": others_x, "y": others_y}] if others_x else []
    for (trial, (x, y)), colour, symbol in zip(curves[:HIGHLIGHTED], COLOURS, SYMBOLS, strict=False):
        line, marker = {"color": colour, "width": 2}, {"color": colour, "symbol": symbol, "size": 6}
        named = {"type": "scatter", "mode": "lines+markers", "name": f"trial {trial.number}"}
        data.append({**named, "x": x, "y": [gap(one) for one in y], "line": line, "marker": marker})
    best, (_, y) = curves[0]
    return [
        Chart(
            "gap",
            "What is missing to the optimum",
            f"One less captured value against training iterations, on a logarithmic axis, for {len(curves)} trials. The best, "
            f"trial {best.number}, ended {100 * gap(y[-1]):.2f}% short.",
            f"One less captured value, on a logarithmic axis; what is below {100 * LEAST_GAP:g}% is drawn there.",
            data,
            {"xaxis": {"title": {"text": "training iterations"}, "rangemode": "tozero"}, "yaxis": gap_axis()},
        )
    ]


def marginal_effects_table(marginal_effects: tuple[MarginalEffect, ...]) -> Table | None:
    """What each value of each hyperparameter buys, with intervals; None where too few trials tell."""
    if not marginal_effects:
        return None
    heads = (Column("Hyperparameter"), Column("Value"), Column("Trials", True), Column("Median captured value", True))
    rows = tuple(
        (
            Cell(one.name),
            Cell(label(one.value), finite(one.value)),
            Cell(str(one.trials), one.trials),
            Cell(percent(one.median), one.median),
            Cell(f"{100 * one.difference:+.1f}", one.difference),
            Cell(f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"),
            Cell("yes" if one.low > 0 or one.high < 0 else "no"),
        )
        for one in marginal_effects
    )
    more = (Column("Against the other values (points)", True), Column("90% interval", True), Column("Beyond chance"))
    caption = "What each value buys: median captured value, and its difference to that of those with other values"
    return Table(caption, (*heads, *more), rows, sortable=True)


def choosable(search: RecordedSearch) -> list[RecordedTrial]:
    """Trials that can be looked at one by one: the best, then those without a result."""
    return [*search.ranked, *search.failed, *search.unfinished][:CHOOSABLE]


def trial_details(search: RecordedSearch) -> list[dict[str, Any]]:
    """What the page says of each trial that can be chosen: figures, curves, levels, the end of its log."""
    return [_details(trial, rank < WITH_POLICY) for rank, trial in enumerate(choosable(search))]


def _details(trial: RecordedTrial, with_policy: bool) -> dict[str, Any]:
    x, y = evaluations(trial, "iteration")
    evaluated = [record for record in trial.history if finite(record.get("exact_return")) is not None]
    metrics = trial.metrics
    facts = [
        ("status", trial.status.replace("_", " ") if trial.success else f"{trial.status}: {_short(trial.reason)}"),
        ("captured value", percent(trial.captured_value)),
        ("return", number(trial.best_return)),
        ("training time", duration(trial.seconds)),
        ("seed", str(trial.seed)),
        *(
            (f"{title} (optimum)", f"{level(metrics, key)} ({level(metrics, 'optimal_' + key)})")
            for key, title, _ in LEVELS
        ),
        *((name, label(value)) for name, value in trial.hyperparameters.items()),
    ]
    return {
        "name": f"trial {trial.number}: {percent(trial.captured_value) if trial.success else _short(trial.status)}",
        "facts": [[name, _short(value)] for name, value in facts],
        "verdict": _short(metrics.get("verdict_text") or "", 600),
        "x": x,
        "gap": [round(gap(one), 6) for one in y],
        "levels": {
            "x": [finite(record.get("iteration")) for record in evaluated],
            **{key: [_rounded(record.get(key)) for record in evaluated] for key, _, _ in LEVELS},
        },
        "optimal": {key: finite(metrics.get(f"optimal_{key}")) for key, _, _ in LEVELS},
        "policy": trial_levels(trial) if with_policy and trial.success else None,
        "log": log_end(trial),
        "files": f"{trial.directory.name}/",
    }


def log_end(trial: RecordedTrial) -> str:
    """The last lines that the trial wrote, errors first; empty where there are none."""
    for name in ("stderr.log", "stdout.log"):
        try:
            text = read_bytes(trial.directory / name, LOG_BYTES).decode(errors="replace").strip()
        except (OSError, DamagedError):
            continue
        if text:
            return "\n".join(line[:200] for line in text.splitlines()[-LOG_LINES:])
    return ""


def _rounded(value: Any) -> float | None:
    found = finite(value)
    return None if found is None else round(found, 5)


def _short(text: Any, most: int = 120) -> str:
    shown = str(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
