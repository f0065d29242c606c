"""What commands print: JSON for machines, tables for people, one line for a mistake."""

import json
import sys
from collections.abc import Mapping
from typing import Any

_GAP = "  "
"""Between two columns."""


def print_json(content: Mapping[str, Any]) -> None:
    """Print ``content`` as JSON; NaN and infinities, which JSON has no word for, are a defect."""
    sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")


def print_table(title: str, rows: list[tuple[str, ...]], headings: tuple[str, ...] = (), keys: int = 0) -> None:
    """Print rows of text, the first column to the left and the others to the right.

    With ``keys``, the first columns name a row: where the terminal is too narrow for all others, these go below one another in
    several tables, each of which has the names.
    """
    from rich.console import Console
    from rich.table import Table

    # Cells hold names and numbers, never markup.
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    console.print(title, style="bold")
    widths = [
        max(len(line) for cell in column for line in cell.splitlines() or [""]) + len(_GAP)
        for column in zip(headings or rows[0], *rows, strict=True)
    ]
    blocks = _blocks(widths, keys, console.width) if keys else [list(range(len(rows[0])))]
    for block in blocks:
        table = Table(box=None, show_header=bool(headings))
        for column in block:
            heading = headings[column] if headings else ""
            table.add_column(heading, justify="right" if column else "left", no_wrap=bool(column or keys))
        for row in rows:
            table.add_row(*(row[column] for column in block))
        console.print(table, "")


def _blocks(widths: list[int], keys: int, most: int) -> list[list[int]]:
    """Columns of tables that are ``most`` characters wide at most, where that is possible, each with the first ``keys``."""
    blocks: list[list[int]] = []
    left = 0
    for column in range(keys, len(widths)):
        if not blocks or widths[column] > left:
            blocks.append(list(range(keys)))
            left = most - sum(widths[:keys])
        blocks[-1].append(column)
        left -= widths[column]
    return blocks
