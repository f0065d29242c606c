"""Train one policy on the time-augmented GHM equity management model; see --help."""

import sys

from ghm.io.platforms import run_program
from ghm.training.main import main

if __name__ == "__main__":
    sys.exit(run_program(main))
