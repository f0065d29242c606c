"""``ghm solve --sweep``: comparative statics as a table, a CSV file and a figure."""

import csv
import dataclasses
import io
import sys
import textwrap
from pathlib import Path
from typing import Any

from ghm.cli.output import print_json, print_table
from ghm.cli.solve.config import SolveConfig
from ghm.errors import UserError
from ghm.io.atomic import write_atomically
from ghm.io.spinner import working
from ghm.io.text import WIDTH
from ghm.solvers.answers import comparative_statics
from ghm.solvers.answers.statics import StaticsPoint
from ghm.training.logging.progress import number

SHOWN = (
    ("infinite_payout_level", "c*"),
    ("infinite_issue_target", "y*"),
    ("infinite_value_at_zero", "F(0)"),
    ("infinite_issues_a_year", "long-run\nissues\nper year"),
    ("optimal_return", "J*"),
    ("payout_level", "payout\nboundary"),
    ("issue_below", "issuance\nboundary"),
    ("issue_target", "post-\nissuance\ncash"),
    ("issues_a_year", "issues\nper year\nuntil T"),
)
"""Columns of the table, which goes on below where the terminal is too narrow; the CSV file has all."""


def sweep(config: SolveConfig) -> int:
    """Solve at every value, and print, write and draw what is found.

    Raises:
        UserError: when no value has a solution, or a file cannot be written.
    """
    if config.output is not None and config.output.suffix.lower() != ".csv":
        raise UserError(
            f"--output {config.output}: with --sweep the table is written as .csv; try {config.output.stem}.csv"
        )
    with working("solving at every value"):
        points = comparative_statics(config.sweeps, config.problem)
    if config.plot is not None:
        from ghm.cli.figures import write_figure
        from ghm.cli.solve.sweep_figure import draw

        write_figure(config.plot, draw(config.sweeps, points))
    if config.output is not None:
        _write(config.output, points)
    if config.json:
        print_json({"points": [dataclasses.asdict(point) for point in points], **config.problem.to_dict()})
    else:
        _print(config, points)
    return 0


def _print(config: SolveConfig, points: tuple[StaticsPoint, ...]) -> None:
    names = [one.parameter for one in config.sweeps]
    print_table(
        f"Infinite horizon (four columns), then dt = {config.dt:g}, T = {config.T:g}, terminal {config.terminal}",
        [
            (*(f"{value:g}" for value in point.parameters.values()), *(number(getattr(point, key)) for key, _ in SHOWN))
            for point in points
        ],
        (*names, *(title for _, title in SHOWN)),
        keys=len(names),
    )
    for note in dict.fromkeys(point.note for point in points if point.note):
        sys.stdout.write(textwrap.fill(f"Note: {note}", WIDTH) + "\n")
    for written in (config.plot, config.output):
        sys.stdout.write(f"Written: {written}\n" if written is not None else "")


def _write(path: Path, points: tuple[StaticsPoint, ...]) -> None:
    rows = [_row(point) for point in points]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        write_atomically(path, text.getvalue().encode())
    except OSError as error:
        raise UserError(f"--output {path} cannot be written: {error.strerror or error}; choose another file") from error


def _row(point: StaticsPoint) -> dict[str, Any]:
    figures = dataclasses.asdict(point)
    row = {**figures.pop("parameters"), **figures}
    return {key: f"{value:.12g}" if isinstance(value, float) else value for key, value in row.items()}
