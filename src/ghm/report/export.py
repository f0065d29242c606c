"""What goes into a paper: figures as PDF and PNG, tables as LaTeX and CSV, all trials as one tidy CSV and as an Optuna study."""

import csv
import dataclasses
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghm.errors import UserError, printable
from ghm.io.atomic import write_atomically
from ghm.io.safe_read import DamagedError, read_bytes
from ghm.report.analysis.findings import headline, searched
from ghm.report.analysis.frames import columns, configurations_frame, trials_frame
from ghm.report.analysis.importance import Importance, importances
from ghm.report.analysis.policy import best_or_reason
from ghm.report.drawing import tables
from ghm.report.drawing.instances import configurations_table, confirmation_table
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState

if TYPE_CHECKING:
    import pandas as pd

TOP = 10
"""Rows of the leaderboard in a paper; trials.csv has them all."""

MAX_COLUMNS = 8
"""A table of more columns is wider than a page's text."""

FIGURES = "%.12g"
"""Of numbers in CSV files: 0.0435, not 0.043500000000000004; the bits are in the results JSON and in Parquet."""

DPI = 300
"""Of PNG figures: what journals ask for."""

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    # TrueType, which journals ask for, in place of Matplotlib's Type 3.
    "pdf.fonttype": 42,
}

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "…": r"\ldots{}", "\n": " ",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    }
)  # fmt: skip


_HEADING = "## Columns of trials.csv"
"""In the README of every export, by which it is known."""


def export(results: Path, directory: Path) -> list[Path]:
    """Write figures and tables of a search into ``directory``, made if missing; the files written.

    Raises:
        UserError: when ``results`` is no search's, or a file of the user's would be written over.
        OSError: when a file cannot be written.
    """
    search = read_search(results)
    weights = importances(search)
    files = {"trials.csv": _safe(trials_frame(search))}
    if search.scores():
        files["configurations.csv"] = _safe(configurations_frame(search))
    for name, table in _tables(search, weights).items():
        files[f"{name}.csv"] = as_csv(table).encode()
        files[f"{name}.tex"] = as_latex(varying(table), f"tab:{name.replace('_', '-')}").encode()
    figures, note = _figures(search, weights)
    files |= figures
    parquet, missing = _parquet(trials_frame(search))
    files |= parquet
    note += missing
    study, missing = _study(search)
    files |= study
    note += missing
    files["README.md"] = _readme(search, list(files), note).encode()
    _refuse_foreign(directory, list(files))
    directory.mkdir(parents=True, exist_ok=True)
    # The README first: by it an export that was cut short is known as one.
    for name in ("README.md", *(name for name in files if name != "README.md")):
        write_atomically(directory / name, files[name])
    return [directory / name for name in files]


def _refuse_foreign(directory: Path, names: list[str]) -> None:
    """Refuse to write over what no export has written; an earlier export, told by its README, is renewed."""
    try:
        ours = _HEADING in read_bytes(directory / "README.md").decode(errors="replace")
    except (OSError, DamagedError):
        ours = False
    if not ours and (there := [name for name in names if os.path.lexists(directory / name)]):
        raise UserError(
            f"--export {directory}: {', '.join(there[:3])} there {'was' if len(there) == 1 else 'were'} not written by an "
            "export, and would be lost; choose another directory"
        )


def as_latex(table: Table, reference: str) -> str:
    """A table float for LaTeX with the booktabs package, a wide one scaled to the text; texts are escaped."""
    alignment = "".join("r" if column.numeric else "l" for column in table.columns)
    wide = len(table.columns) > MAX_COLUMNS
    lines = [
        "% Needs \\usepackage{booktabs}" + (" and \\usepackage{graphicx}." if wide else "."),
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape(table.caption)}}}",
        f"  \\label{{{reference}}}",
        *(["  \\resizebox{\\textwidth}{!}{%"] if wide else []),
        f"  \\begin{{tabular}}{{{alignment}}}",
        "    \\toprule",
        f"    {' & '.join(escape(column.title) for column in table.columns)} \\\\",
        "    \\midrule",
        *(f"    {' & '.join(map(escape, row))} \\\\" for row in tables.plain_rows(table)),
        "    \\bottomrule",
        "  \\end{tabular}" + ("}" if wide else ""),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_csv(table: Table) -> str:
    """A table as CSV: figures as numbers, texts as they are shown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([as_text(column.title) for column in table.columns])
    writer.writerows(
        [_plain(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows
    )
    return text.getvalue()


def _plain(cell: Cell, column: Column) -> str:
    """A cell for a program to read: 0.984 and 8, not "98.4%" and "0:08"."""
    if column.numeric and isinstance(cell.key, int | float):
        return FIGURES % cell.key
    return as_text(cell.text)


def varying(table: Table) -> Table:
    """The table without columns that say the same in every row; a narrow one is left whole."""
    if len(table.columns) <= MAX_COLUMNS or len(table.rows) < 2:
        return table
    kept = [at for at in range(len(table.columns)) if len({row[at].text for row in table.rows}) > 1]
    rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
    return dataclasses.replace(table, columns=tuple(table.columns[at] for at in kept), rows=rows)


def as_text(cell: str) -> str:
    """A cell of a CSV that a spreadsheet takes for a text or a number, never for a formula."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell


def _parquet(frame: "pd.DataFrame") -> tuple[dict[str, bytes], str]:
    """trials.parquet, or why there is none."""
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError:
        return {}, "There is no trials.parquet: pandas needs pyarrow for it (pip install 'ghm[parquet]').\n"
    return {"trials.parquet": buffer.getvalue()}, ""


def _study(search: SearchState) -> tuple[dict[str, bytes], str]:
    """study.db, or why there is none."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        return {}, "There is no study.db: it needs Optuna (pip install 'ghm[optuna]').\n"
    from ghm.report.analysis.study import make_study

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "study.db"
        make_study(search, f"sqlite:///{path}")
        return {"study.db": path.read_bytes()}, ""


def _safe(frame: "pd.DataFrame") -> bytes:
    texts = frame.rename(columns=as_text)
    return bytes(
        texts.map(lambda cell: as_text(cell) if isinstance(cell, str) else cell)
        .to_csv(index=False, float_format=FIGURES)
        .encode()
    )


def escape(text: str) -> str:
    """``text`` as LaTeX that shows it literally."""
    return text.translate(_LATEX)


def _tables(search: SearchState, weights: tuple[Importance, ...]) -> dict[str, Table]:
    found = {
        "leaderboard": tables.leaderboard(search, most=TOP),
        "best_configuration": tables.best_configuration(search),
        "best_policy": tables.best_policy(search),
        "importance": _importance(weights),
        "failures": tables.failures(search),
        "configurations_summary": configurations_table(search),
        "confirmation": confirmation_table(search),
    }
    return {name: table for name, table in found.items() if table is not None}


def _importance(weights: tuple[Importance, ...]) -> Table | None:
    if not weights:
        return None
    heads = [Column("Hyperparameter"), *(Column(title, True) for title in ("Importance", "p-value"))]
    rows = tuple((Cell(one.name), *(Cell(f"{value:.3f}") for value in (one.share, one.p_value))) for one in weights)
    return Table("Share of the variance of the trials' ranks, with permutation test", tuple(heads), rows)


def _figures(search: SearchState, weights: tuple[Importance, ...]) -> tuple[dict[str, bytes], str]:
    """Figure files by name, and a note on what is missing."""
    import matplotlib as mpl

    from ghm.report.drawing.plots import policy_figures, search_figures

    note = ""
    files: dict[str, bytes] = {}
    with mpl.rc_context(STYLE):
        figures = search_figures(search, weights)
        study, reason = best_or_reason(search)
        if study is None:
            note = f"There are no figures of the best policy: {reason}.\n"
        else:
            figures |= policy_figures(study)
        for name, figure in figures.items():
            for suffix, extra in ((".pdf", {"metadata": {"CreationDate": None}}), (".png", {"dpi": DPI})):
                buffer = io.BytesIO()
                figure.savefig(buffer, format=suffix[1:], **extra)
                files[name + suffix] = buffer.getvalue()
    return files, note


def _readme(search: SearchState, names: list[str], note: str) -> str:
    described = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in columns(search).items())
    return (
        f"# {printable(search.path.stem)}\n\n{searched(search)}\n{headline(search)}\n{note}\n"
        f"Files: {', '.join(f'`{name}`' for name in names)}.\n\n"
        f"{_HEADING}\n\nOne row per trial; an empty field is a missing figure.\n\n"
        f"| column | meaning |\n|---|---|\n{described}\n"
    )
