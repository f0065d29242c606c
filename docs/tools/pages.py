"""Which pages the site has that are not written under docs/."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent

BORROWED = {
    "project/contributing.md": "CONTRIBUTING.md",
    "project/changelog.md": "CHANGELOG.md",
    "project/benchmarks.md": "benchmarks/README.md",
}
"""Pages that are files of the repository, by their place on the site."""

NOTEBOOK = "notebooks/search_to_figure.ipynb"
NOTEBOOK_PAGE = "notebooks/search_to_figure.md"
"""The notebook, and the page that its execution makes."""

LATER = ("clusters.md",)
"""Pages that the navigation has once they are written."""
