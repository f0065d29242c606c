"""The tables of a search, for the page and for papers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghm.report.analysis.findings import percent
from ghm.search.records.reader import RecordedSearch, RecordedTrial
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite
from ghm.solvers.levels import level_words
from ghm.training.logging.progress import duration, number

MAX_CELL = 300
"""Characters of a recorded text that a cell shows."""

LEVELS = (
    ("payout_level", "Pays out above (cash)"),
    ("issue_below", "Issues equity below (cash)"),
    ("issue_target", "Issues up to (cash)"),
)


@dataclass(frozen=True)
class Column:
    """A column: whether it holds figures, and whether its texts may be long."""

    title: str
    numeric: bool = False
    long: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: what it shows, what it is sorted by, and the length of its bar in per cent."""

    text: str
    key: float | str | None = None
    bar: float | None = None


@dataclass(frozen=True)
class Table:
    """A table with a caption, its first column the rows' heads."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sortable: bool = False


def leaderboard(search: RecordedSearch, most: int | None = None) -> Table | None:
    """Successful trials, best first; None where there is none."""
    if not search.ranked:
        return None
    heads = [Column("Rank", True), Column("Trial", True), Column("Captured value", True), Column("Best return", True)]
    heads += [Column("Verdict"), Column("Training time", True)]
    settings = [Column(name, _numeric(search, name)) for name in search.varied]
    rows = tuple(_row(rank, trial, search) for rank, trial in enumerate(search.ranked[:most], start=1))
    caption = f"{len(rows)} of {len(search.ranked)} completed trials" if most else "Completed trials"
    return Table(f"{caption}, best first", (*heads, *settings), rows, sortable=True)


def best_configuration(search: RecordedSearch) -> Table | None:
    """Hyperparameters of the best trial."""
    if search.best is None:
        return None
    chosen = search.best.hyperparameters
    rows = tuple((Cell(name), Cell(_shown(chosen.get(name)))) for name in search.names)
    return Table(
        f"Hyperparameters of trial {search.best.number}", (Column("Hyperparameter"), Column("Value", True)), rows
    )


def best_levels(search: RecordedSearch) -> Table | None:
    """What the best policy does at the start of an episode, beside the optimum; None where no trial recorded it."""
    if search.best is None or not any(key in search.best.metrics for key, _ in LEVELS):
        return None
    metrics = search.best.metrics
    rows = [(Cell(title), Cell(level(metrics, key)), Cell(level(metrics, f"optimal_{key}"))) for key, title in LEVELS]
    rows.append((Cell("Return"), Cell(number(search.best.best_return)), Cell(number(search.optimal_return))))
    columns = (Column("At the full time to horizon"), Column("Learned", True), Column("Optimum", True))
    return Table("The best policy and the optimal one", columns, tuple(rows))


def failures(search: RecordedSearch) -> Table | None:
    """Failed and unfinished trials with reasons and configurations; None where all succeeded."""
    rows = []
    for trial in (*search.failed, *search.unfinished):
        status = trial.status.replace("_", " ")
        reason = "running, or interrupted: --resume continues it" if trial.unfinished else trial.reason
        cells = (Cell(str(trial.number), trial.number), Cell(_shown(status)), Cell(_shown(reason)), Cell(_log(trial)))
        rows.append((*cells, *_settings(trial, search)))
    if not rows:
        return None
    heads = (Column("Trial", True), Column("Status"), Column("Reason", long=True), Column("Log"))
    settings = tuple(Column(name, _numeric(search, name)) for name in search.varied)
    return Table("Trials without a result", (*heads, *settings), tuple(rows), sortable=True)


def settings(search: RecordedSearch) -> list[Table]:
    """The search's settings, its space, and the environment, as recorded."""
    columns = (Column("Name"), Column("Value", long=True))
    parts = (
        ("Search settings", flat(search.config)),
        ("Search space", {k: ", ".join(map(label, v)) if isinstance(v, list) else v for k, v in search.space.items()}),
        ("Environment", flat(search.environment)),
    )
    return [
        Table(title, columns, tuple((Cell(_shown(k)), Cell(_shown(v))) for k, v in values.items()))
        for title, values in parts
        if values
    ]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping with dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _row(rank: int, trial: RecordedTrial, search: RecordedSearch) -> tuple[Cell, ...]:
    captured, best, seconds = trial.captured_value, trial.best_return, trial.seconds
    verdict = str(trial.metrics.get("verdict") or "–").replace("_", " ")
    bar = None if captured is None else round(100 * min(max(captured, 0.0), 1.0), 1)
    return (
        Cell(str(rank), rank),
        Cell(str(trial.number), trial.number),
        Cell(percent(captured), _key(captured), bar),
        Cell(number(best), _key(best)),
        Cell(_shown(verdict)),
        Cell(duration(seconds), _key(seconds)),
        *_settings(trial, search),
    )


def _settings(trial: RecordedTrial, search: RecordedSearch) -> tuple[Cell, ...]:
    values = [trial.hyperparameters.get(name) for name in search.varied]
    return tuple(Cell(_shown(value), finite(value)) for value in values)


def _key(value: float | None) -> float | str:
    """What a figure is sorted by; missing ones come last."""
    return "" if value is None or not math.isfinite(value) else value


def _numeric(search: RecordedSearch, name: str) -> bool:
    return all(finite(trial.hyperparameters.get(name)) is not None for trial in search.trials)


def level(metrics: Mapping[str, Any], key: str) -> str:
    """A level of cash by its name in the metrics, or that the policy acts at none."""
    value = finite(metrics.get(key))
    if value is not None:
        return number(value)
    if key.startswith("optimal_"):
        return level_words(None)
    times = finite(metrics.get("payouts" if key == "payout_level" else "issues")) or 0.0
    return level_words(None, times, "stochastic" if metrics.get("reading") == "stochastic" else "greedy")


def _log(trial: RecordedTrial) -> str:
    log = trial.metrics.get("log")
    return _shown(log if isinstance(log, str) else f"{trial.directory.name}/stderr.log")


def _shown(value: Any) -> str:
    shown = "–" if value in (None, [], "") else label(value)
    return shown if len(shown) <= MAX_CELL else shown[: MAX_CELL - 1] + "…"


def plain_rows(table: Table) -> list[Sequence[str]]:
    """The rows as texts."""
    return [[cell.text for cell in row] for row in table.rows]
