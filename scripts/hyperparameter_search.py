"""Search hyperparameters for policy gradient on the GHM model; `--help` lists the flags."""

import functools
import sys
from pathlib import Path

import ghm.search
from ghm.io.platforms import run_program
from ghm.search.main import main


class SearchSpace(ghm.search.SearchSpace):
    """The values that are searched over."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Assign lists of your own here, for example:
        # self.lr_policy = [1e-4, 3e-4, 5e-4, 1e-3, 3e-3]
        # self.entropy_weight = [0.05]


if __name__ == "__main__":
    sys.exit(run_program(functools.partial(main, space=SearchSpace(), prog=Path(__file__).name)))
