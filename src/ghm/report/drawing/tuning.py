"""What a tuner looks for: the optimality gap on a logarithmic axis, effects of values, and any trial by itself."""

import html
from pathlib import Path
from typing import Any

from ghm.io.safe_read import DamagedError, read_bytes
from ghm.io.text import LEVELS
from ghm.report.analysis.findings import percent, trial_name
from ghm.report.analysis.importance import Importance, MarginalEffect
from ghm.report.analysis.policy import trial_levels
from ghm.report.drawing.charts import Chart, compared, evaluations, highlighted, text
from ghm.report.drawing.tables import Cell, Column, Table, reason
from ghm.search.decisions.ranking import best_first
from ghm.search.records.state import SearchState
from ghm.search.settings.distributions import label
from ghm.search.trials.outcome import TrialRecord
from ghm.training.logging.metrics import METRICS, policy_rows
from ghm.training.logging.progress import duration

LEAST_GAP = 1e-4
"""Optimality gaps are drawn from here on: less is the error of the optimum itself."""

CHOOSABLE = 200
"""Trials that can be looked at one by one, the best ones and those that failed: a page of some hundred kilobytes more."""

WITH_POLICY = 8
"""Of these, the best so many come with their policy: reading one takes a tenth of a second."""

LOG_BYTES, LOG_LINES = 1 << 22, 12
"""Of a log that is larger nothing is shown; of another, its end."""


_ELSEWHERE = (
    "verdict_text",
    *(which + one.name for one in METRICS if one.beside_optimum for which in ("", "optimal_")),
)
"""Metrics of a trial that the page has beside the list of all others."""


def gap(captured: float) -> float:
    """The optimality gap, one less captured value, for a logarithmic axis."""
    return max(1.0 - captured, LEAST_GAP)


def gap_axis() -> dict[str, Any]:
    """A logarithmic axis of one less captured value; Plotly places the ticks, also within less than a decade."""
    return {"title": {"text": "1 − captured value"}, "type": "log", "tickformat": ".2~%", "nticks": 5}


def gap_charts(search: SearchState) -> list[Chart]:
    """The optimality gap during training, on a logarithmic axis, which alone tells good trials apart."""
    curves = [
        (trial, curve) for trial in compared(search) if len((curve := evaluations(search, trial, "iteration"))[0]) > 1
    ]
    if not curves:
        return []
    best, (_, y) = curves[0]
    least = f"{100 * LEAST_GAP:g}%"
    small = any(1 - value < LEAST_GAP for _, (_, curve) in curves for value in curve)
    return [
        Chart(
            "gap",
            "How the best trials learn",
            f"Optimality gap against training iterations, on a logarithmic axis, for {len(curves)} trials. The best, trial "
            f"{best.trial_num}, ended with a gap of {100 * gap(y[-1]):.2f}%.",
            "Optimality gap: 1 − captured value." + (f" Gaps below {least} are drawn at {least}." if small else ""),
            highlighted(search, curves, gap),
            {"xaxis": {"title": {"text": "training iterations"}, "rangemode": "tozero"}, "yaxis": gap_axis()},
        )
    ]


def marginal_effects_table(
    marginal_effects: tuple[MarginalEffect, ...], importances: tuple[Importance, ...]
) -> Table | None:
    """What each value of each hyperparameter buys, with intervals; None where too few trials tell.

    Beyond chance is what the importances say is, of each hyperparameter: a second criterion on a page would contradict it.
    """
    if not marginal_effects:
        return None
    clear = {one.name for one in importances if one.stands_out}
    heads = (Column("Hyperparameter"), Column("Value"), Column("Trials", True), Column("Median captured value", True))
    rows = tuple(
        (
            Cell(one.name),
            Cell(label(one.value), one.value if isinstance(one.value, int | float) else None),
            Cell(str(one.trials), one.trials),
            Cell(percent(one.median), one.median),
            Cell(f"{100 * one.difference:+.1f}", one.difference),
            Cell(f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"),
            Cell("yes" if one.name in clear else "no"),
        )
        for one in marginal_effects
    )
    more = (
        Column("Difference to other values (points)", True),
        Column("90% interval", True),
        Column("Effect beyond chance"),
    )
    caption = "Effect of each value: median captured value, and its difference to that of trials with other values"
    return Table(caption, (*heads, *more), rows, sortable=True)


def trial_texts(search: SearchState) -> dict[int, str]:
    """Each trial in a few lines, for the label under the pointer: once per page, by number."""
    return {trial.trial_num: _describe(search, trial) for trial in search.trials}


def _describe(search: SearchState, trial: TrialRecord) -> str:
    name = html.escape(trial_name(search, trial)).capitalize()
    head = f"{name}: {percent(trial.captured_value) if trial.success else text(trial.status)}"
    return "<br>".join(
        [head, *(f"{text(one)} {text(getattr(trial.hyperparameters, one, '–'))}" for one in search.varied)]
    )


def choosable(search: SearchState) -> list[TrialRecord]:
    """Trials that can be looked at one by one: the best, those of the confirmation, then those without a result."""
    fresh = best_first([one for one in search.trials if one.stage == "confirm" and one.status.has_result])
    return [*search.ranked, *fresh, *(one for one in search.trials if not one.status.has_result)][:CHOOSABLE]


def trial_details(search: SearchState) -> list[dict[str, Any]]:
    """What the page says of each trial that can be chosen: figures, curves, levels, the end of its log."""
    return [_details(search, trial, rank < WITH_POLICY) for rank, trial in enumerate(choosable(search))]


def _details(search: SearchState, trial: TrialRecord, with_policy: bool) -> dict[str, Any]:
    x, y = evaluations(search, trial, "iteration")
    evaluated = [line for line in search.history(trial) if line.exact_return is not None]
    status = trial.status.replace("_", " ")
    facts = [
        ("status", status if trial.status.has_result else f"{status}: {_short(reason(trial))}"),
        ("training time", duration(trial.seconds)),
        ("seed", str(trial.seed)),
        *((one.label, one.shown(trial.metrics.get(one.name))) for one in METRICS if one.name not in _ELSEWHERE),
        *(
            (f"{name} (optimum)", f"{learned} ({optimal})")
            for name, learned, optimal in policy_rows(trial.figure, trial.word("action_rule"), search.config.T)
        ),
        *((name, label(value)) for name, value in vars(trial.hyperparameters).items()),
    ]
    return {
        "name": f"{trial_name(search, trial)}: {percent(trial.captured_value) if trial.status.has_result else status}",
        "facts": [[name, _short(value)] for name, value in facts],
        "verdict": _short(trial.word("verdict_text") or "", 600),
        "x": x,
        "gap": [round(gap(one), 6) for one in y],
        "levels": {
            "x": [line.iteration for line in evaluated],
            **{key: [_rounded(getattr(line, key)) for line in evaluated] for key in LEVELS},
        },
        "optimal": {key: trial.figure(f"optimal_{key}") for key in LEVELS},
        "policy": trial_levels(search.checkpoint(trial)) if with_policy and trial.status.has_result else None,
        "log": log_end(search.directory(trial)),
        "files": f"{trial.directory}/",
    }


def log_end(directory: Path) -> str:
    """The last lines that the trial wrote, errors first; empty where there are none."""
    for name in ("stderr.log", "stdout.log"):
        try:
            text = read_bytes(directory / name, LOG_BYTES).decode(errors="replace").strip()
        except (OSError, DamagedError):
            continue
        if text:
            return "\n".join(line[:200] for line in text.splitlines()[-LOG_LINES:])
    return ""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _short(text: Any, most: int = 120) -> str:
    shown = str(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
