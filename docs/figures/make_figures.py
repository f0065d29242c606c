"""Make the pictures of the documentation from a search's results; `make figures` runs the search first.

python docs/figures/make_figures.py results/figures
"""

import sys
from pathlib import Path

import matplotlib as mpl

from ghm.report.export import STYLE
from ghm.report.importance import importances
from ghm.report.plots import policy_figures, search_figures
from ghm.report.policy import study_best
from ghm.report.records import read_search

DPI = 160
"""Sharp on a high-resolution screen at the width of a README, in under 200 kB a picture."""


def main(results: Path, directory: Path) -> None:
    """Write every figure of the search, and of its best policy, as PNG."""
    search = read_search(results)
    with mpl.rc_context(STYLE):
        figures = search_figures(search, importances(search)) | policy_figures(study_best(search))
        for name, figure in figures.items():
            figure.savefig(directory / f"{name}.png", dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
