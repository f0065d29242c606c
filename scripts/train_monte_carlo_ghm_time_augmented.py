"""Train one policy on the time-augmented GHM equity management model; see --help."""

import functools
import sys
from pathlib import Path

from ghm.io.platforms import run_program
from ghm.training.main import main

if __name__ == "__main__":
    sys.exit(run_program(functools.partial(main, prog=Path(__file__).name)))
