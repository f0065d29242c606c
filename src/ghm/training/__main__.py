"""``python -m ghm.training``: the training command, wherever the package is installed."""

import sys

from ghm.io.platforms import run_program
from ghm.training.main import main

if __name__ == "__main__":
    sys.exit(run_program(main))
