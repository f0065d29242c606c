"""What the report's page says: its sentences, tiles and tables, as a person reads them."""

import html.parser
import re
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.surfaces.spoken import NUMBER, one_line
from tests.journeys.surfaces.table import Table, shown


@dataclass
class PageTable:
    """A table of the page: caption, heads, and rows of texts by head."""

    caption: str = ""
    heads: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, str]]:
        return [dict(zip(self.heads, row, strict=True)) for row in self.cells]

    def column(self, head: str) -> list[str]:
        return [row[head] for row in self.rows]


class Page(html.parser.HTMLParser):
    """A page taken apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[PageTable] = []
        self.paragraphs: list[str] = []
        self.tiles: dict[str, str] = {}
        self._words: list[str] = []
        self._name = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append(PageTable())
        if tag == "tr" and self.tables:
            self.tables[-1].cells.append([])
        if tag in ("p", "dt", "dd", "th", "td", "caption", "script", "style"):
            self._words = []

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        text = one_line("".join(self._words))
        if tag == "p":
            self.paragraphs.append(text)
        elif tag == "dt":
            self._name = text
        elif tag == "dd":
            self.tiles[self._name] = text
        elif tag == "caption":
            self.tables[-1].caption = text
        elif tag in ("th", "td"):
            self.tables[-1].cells[-1].append(text)
        elif tag == "table":
            self.tables[-1].heads, *self.tables[-1].cells = self.tables[-1].cells

    def table(self, *heads: str) -> PageTable | None:
        """The first table that has these columns."""
        return next((one for one in self.tables if set(heads) <= set(one.heads)), None)

    @property
    def text(self) -> str:
        return " ".join(self.paragraphs)


def read_page(page: Page) -> Table:
    """What the page of a search says."""
    said: dict[str, Any] = {
        "trials_unfinished": int(page.tiles["Unfinished"]),
        "trials_failed": int(page.tiles["Failed"]),
    }
    said["trials_completed"] = int(page.tiles["Completed"])
    for field_, tile in (
        ("best_value", r"Best firm value( \(.*\))?"),
        ("captured_value", "Captured value"),
        # With several firms the tiles of the optimum are of the best trial's, which they name.
        ("optimum", "Optimum"),
        ("wind_up", "Immediate liquidation"),
    ):
        for name, value in page.tiles.items():
            if re.fullmatch(tile, name) and value != "–":
                said[field_] = shown(value)
    said |= _leads(page) | _trials(page)
    ranking = page.table("Rank", "Configuration")
    if ranking is not None:
        said["rank_order"] = tuple(int(one) for one in ranking.column("Configuration"))
    return Table(**said)


def _leads(page: Page) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if best := re.search(r"Configuration (\d+) is the best[,:] ", page.text):
        said |= {"best_configuration": int(best[1])}
    elif best := re.search(r"Trial (\d+) is the best|[Ee]ven the best, trial (\d+),", page.text):
        number = int(best[1] or best[2])
        said |= {"best_configuration": number, "best_trial": number}
    if best := re.search(rf"its firm value is ({NUMBER}),", page.text):
        said["best_value"] = shown(best[1])
    of_best = next((one for one in page.tables if "Hyperparameters of trial" in one.caption), None)
    if of_best is not None:
        said["best_trial"] = int(of_best.caption.rpartition(" ")[2])
    verdicts = [
        one
        for one in page.paragraphs
        if re.match(
            r"(Its (best|worst) trial, \d+( on \S+)?: )?[A-Z].*oses .* of firm value \((captured|firm) value ", one
        )
    ]
    if verdicts:
        said["verdict"] = re.sub(r"^Its (best|worst) trial, \d+( on \S+)?: ", "", verdicts[0])
    return said


def _trials(page: Page) -> dict[str, Any]:
    said: dict[str, Any] = {"statuses": {}}
    board = page.table("Rank", "Trial", "Firm value")
    if board is not None:
        numbers = [int(one) for one in board.column("Trial")]
        if board.caption.startswith("Completed trials"):
            said["statuses"] |= dict.fromkeys(numbers, "completed")
        said["returns"] = dict(zip(numbers, map(shown, board.column("Firm value")), strict=True))
        said["captured"] = dict(zip(numbers, map(shown, board.column("Captured value")), strict=True))
        said["rank_order"] = tuple(numbers)
    ended = page.table("Trial", "Status", "Reason")
    if ended is not None:
        said["statuses"] |= {int(row["Trial"]): row["Status"].replace(" ", "_") for row in ended.rows}
    return said
