"""``ghm search``: the search with its displays, as ``scripts/hyperparameter_search.py`` runs it."""

from collections.abc import Sequence

from ghm.search.display.live import LiveView, PlainView
from ghm.search.display.page_writer import ReportRefresher
from ghm.search.main import main as search


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    return search(arguments, prog="ghm search", live=LiveView, plain=PlainView, others=[ReportRefresher()])
