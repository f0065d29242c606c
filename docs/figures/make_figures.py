"""Make the README's picture from a search's results; `make figures` runs the search first.

python docs/figures/make_figures.py results/figures
"""

import sys
from pathlib import Path

import matplotlib as mpl

from ghm.report.analysis.policy import study_best
from ghm.report.drawing.plots import policy_figures
from ghm.report.export import STYLE
from ghm.search.records.reader import read_search

DPI = 160
"""Sharp on a high-resolution screen at the width of a README, in under 200 kB."""


def main(results: Path, directory: Path) -> None:
    """Draw the best policy of the search beside the optimum."""
    with mpl.rc_context(STYLE):
        figure = policy_figures(study_best(read_search(results)))["policy"]
        figure.savefig(directory / "policy.png", dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
