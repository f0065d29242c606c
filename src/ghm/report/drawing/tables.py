"""The tables of a search, for the page and for papers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghm.io.text import loss_text, years_text
from ghm.report.analysis.certainty import Answer
from ghm.report.analysis.findings import loss, percent, trial_name
from ghm.report.analysis.learners import FACTS, flags, learner_of
from ghm.search.decisions.ranking import best_first
from ghm.search.records.state import SearchState
from ghm.search.records.values import BestConfiguration
from ghm.search.settings.distributions import label
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.training.logging.metrics import policy_rows
from ghm.training.logging.progress import duration, number
from ghm.training.settings import Hyperparameters

MAX_CELL = 300
"""Characters of a recorded text that a cell shows."""


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


def leaderboard(search: SearchState, most: int | None = None) -> Table | None:
    """Trials that have a result, best first; None where there is none."""
    ranked = search.ranked
    if not ranked:
        return None
    of = ["Configuration", "Seed"] if search.n_instances > 1 else []
    heads = [Column(title, True) for title in ("Rank", "Trial", *of)]
    heads += [Column("Calibration")] if search.record.calibrations else []
    heads += [Column("Captured value", True), Column("Firm value", True)]
    heads += [Column("Iterations", True)] if _differ_in_length(ranked) else []
    heads += [Column("Verdict"), Column("Training time", True)]
    settings = [Column(name, _numeric(search, name)) for name in search.varied]
    rows = tuple(
        _row(rank, trial, search, _differ_in_length(ranked)) for rank, trial in enumerate(ranked[:most], start=1)
    )
    what = "Completed trials" if all(one.status is TrialState.COMPLETED for one in ranked) else "Trials with a result"
    caption = f"{len(rows)} of {len(ranked)} {what.lower()}" if most else what
    return Table(f"{caption}, best first", (*heads, *settings), rows, sortable=True)


def best_configuration(search: SearchState) -> Table | None:
    """Hyperparameters of the best trial."""
    best = search.best_trial
    if best is None:
        return None
    rows = tuple((Cell(name), Cell(_shown(value))) for name, value in vars(best.hyperparameters).items())
    return Table(f"Hyperparameters of trial {best.trial_num}", (Column("Hyperparameter"), Column("Value", True)), rows)


def best_policy(search: SearchState) -> Table | None:
    """What the best policy does beside the optimum, two columns for each calibration; None where no trial recorded it."""
    best = search.best_configuration
    if best is None:
        return None
    columns, parts = [Column(f"With {years_text(search.config.T)} to the horizon")], []
    shown = [one for name in dict.fromkeys(t.calibration for t in best.trials) if (one := _trial_on(best, name))]
    for trial in shown:
        if rows := policy_rows(trial.figure, trial.word("action_rule"), search.config.T):
            reference = search.reference_of(trial)
            optimum = None if reference is None else reference.optimal_return
            rows.append(("firm value", number(trial.best_return), number(optimum)))
            parts.append([*rows, ("loss of firm value", loss_text(loss(search, trial)), "0%")])
            of = "" if trial.calibration is None else f", {trial.calibration}"
            columns += [Column(f"Learned{of}", True), Column(f"Optimum{of}", True)]
    if not parts:
        return None
    cells = (
        (first[0], *(text for _, *both in (first, *others) for text in both))
        for first, *others in zip(*parts, strict=True)
    )
    names = ", ".join(f"{trial_name(search, trial)}{_rule(trial)}" for trial in shown)
    return Table(f"Policy of {names}", tuple(columns), tuple(tuple(map(Cell, row)) for row in cells))


def _rule(trial: TrialRecord) -> str:
    """Which action rule a trial's figures are of."""
    rule = trial.word("action_rule")
    return f", {rule} policy" if rule else ""


def _trial_on(best: BestConfiguration, calibration: str | None) -> TrialRecord | None:
    """The trial whose policy is shown of a calibration: the one that the verdict is about, else the best one."""
    found = [trial for trial in best_first(best.trials) if trial.calibration == calibration]
    return best.shown if best.shown in found else next(iter(found), None)


def certainty_table(answers: Sequence[Answer]) -> Table | None:
    """How sure the findings are; None where there are none."""
    rows = tuple(tuple(map(Cell, answer)) for answer in answers)
    heads = (Column("Question"), Column("Answer", long=True), Column("What follows", long=True))
    return Table("How far the results can be relied on", heads, rows) if rows else None


def failures(search: SearchState) -> Table | None:
    """Failed and unfinished trials with reasons and configurations; None where all succeeded."""
    heads = (Column("Trial", True), Column("Status"), Column("Reason", long=True), Column("Log"))
    settings = tuple(Column(name, _numeric(search, name)) for name in search.varied)
    rows = tuple(
        (
            Cell(str(trial.trial_num), trial.trial_num),
            Cell(trial.status.replace("_", " ")),
            Cell(_shown(reason(trial))),
            Cell(trial.log),
            *settings_cells(trial.hyperparameters, search.varied),
        )
        for trial in (*search.failures, *search.unfinished)
    )
    return Table("Trials without a result", (*heads, *settings), rows, sortable=True) if rows else None


def damaged(search: SearchState) -> Table | None:
    """What of the search could not be read, and why; None where all could."""
    rows = tuple((Cell(name), Cell(_shown(why))) for name, why in search.damaged.items())
    columns = (Column("What"), Column("Why", long=True))
    return Table("Records that could not be read; --resume makes them again", columns, rows) if rows else None


def reason(trial: TrialRecord) -> str:
    """Why a trial has no result, in one line."""
    if not trial.final:
        return "running, or interrupted: --resume continues it"
    return trial.error or "no reason was recorded"


def settings(search: SearchState) -> list[Table]:
    """The search's settings, its space, and the environment, as recorded."""
    columns, record = (Column("Name"), Column("Value", long=True)), search.record
    parts = (
        ("Search settings", flat(record.config.to_dict())),
        ("Search space", {name: str(values) for name, values in record.choices.items()}),
        ("Environment", flat(record.environment)),
    )
    return [
        Table(title, columns, tuple((Cell(_shown(k)), Cell(_shown(v))) for k, v in values.items()))
        for title, values in parts
        if values
    ]


def learners(search: SearchState) -> Table:
    """Each learner that was searched: its name in the literature, what it must know of the model, and how its gradient errs."""
    shared = vars(search.config)
    tried = [learner_of(shared | vars(one.hyperparameters)) for one in search.trials] or [learner_of(shared)]
    titles = (
        "Learner",
        "Name in the literature",
        "Must know of the model",
        "Bias of its gradient, late in training, in lengths of the exact one",
        "Its noise (standard deviation), likewise",
    )
    rows = []
    for learner, estimator in (one for one in FACTS if one in tried):
        facts = FACTS[learner, estimator]
        texts = (flags(learner, estimator), facts.literature, facts.must_know, facts.bias, facts.noise)
        rows.append(tuple(Cell(text) for text in texts))
    return Table("Learner", tuple(Column(title, long=True) for title in titles), tuple(rows))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping with dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _differ_in_length(trials: Sequence[TrialRecord]) -> bool:
    """Whether trials were stopped at different iterations: their values are then not of equal trainings."""
    return len({trial.iterations for trial in trials}) > 1


def _row(rank: int, trial: TrialRecord, search: SearchState, with_iterations: bool) -> tuple[Cell, ...]:
    captured, best = trial.captured_value, trial.best_return
    bar = None if captured is None else round(100 * min(max(captured, 0.0), 1.0), 1)
    return (
        Cell(str(rank), rank),
        Cell(str(trial.trial_num), trial.trial_num),
        *(Cell(str(known), known) for known in (trial.configuration, trial.seed) if search.n_instances > 1),
        *([Cell(_shown(trial.calibration or "–"))] if search.record.calibrations else []),
        Cell(percent(captured), _key(captured), bar),
        Cell(number(best), _key(best)),
        *([Cell(str(trial.iterations), trial.iterations)] if with_iterations else []),
        Cell(_shown((trial.word("verdict") or "–").replace("_", " "))),
        Cell(duration(trial.seconds), trial.seconds),
        *settings_cells(trial.hyperparameters, search.varied),
    )


def settings_cells(hyperparameters: Hyperparameters, names: Sequence[str]) -> tuple[Cell, ...]:
    """A cell for each of these hyperparameters."""
    values = [getattr(hyperparameters, name, None) for name in names]
    return tuple(Cell(_shown(value), value if isinstance(value, int | float) else None) for value in values)


def _key(value: float | None) -> float | str:
    """What a figure is sorted by; missing ones come last."""
    return "" if value is None else value


def _numeric(search: SearchState, name: str) -> bool:
    return isinstance(search.record.choices[name].first, int | float)


def _shown(value: Any) -> str:
    shown = "–" if value in (None, [], "") else label(value)
    return shown if len(shown) <= MAX_CELL else shown[: MAX_CELL - 1] + "…"


def plain_rows(table: Table) -> list[Sequence[str]]:
    """The rows as texts."""
    return [[cell.text for cell in row] for row in table.rows]
