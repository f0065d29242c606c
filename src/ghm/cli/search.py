"""``ghm search``: the search with its displays, as ``scripts/hyperparameter_search.py`` runs it."""

from collections.abc import Sequence

from ghm.search.displays.refresh import ReportRefresher
from ghm.search.displays.view import LiveView, PlainView
from ghm.search.main import main as search


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    return search(arguments, prog="ghm search", live=LiveView, plain=PlainView, others=[ReportRefresher()])
