"""What commands print: JSON for machines, tables for people, one line for a mistake."""

import json
import sys
from collections.abc import Mapping
from typing import Any

EXIT_USER_ERROR = 2


def fail(message: str) -> int:
    """Say what is wrong on standard error; returns the exit status of a user's mistake."""
    sys.stderr.write(f"error: {message}\n")
    return EXIT_USER_ERROR


def print_json(content: Mapping[str, Any]) -> None:
    """Print ``content`` as JSON; NaN and infinities, which JSON has no word for, are a defect."""
    sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")


def print_table(title: str, rows: list[tuple[str, ...]], headings: tuple[str, ...] = ()) -> None:
    """Print rows of text, the first column to the left and the others to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=bool(headings))
    for column in range(len(rows[0])):
        heading = headings[column] if headings else ""
        table.add_column(heading, justify="right" if column else "left", no_wrap=bool(column))
    for row in rows:
        table.add_row(*row)
    # Cells hold names and numbers, never markup.
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    console.print(title, style="bold")
    console.print(table, "")
