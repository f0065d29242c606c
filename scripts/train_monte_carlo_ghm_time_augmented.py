"""Train one policy on the time-augmented GHM equity management model; see --help."""

import sys

from ghm.platforms import exit_if_unsupported
from ghm.training.main import main

if __name__ == "__main__":
    exit_if_unsupported()
    sys.exit(main())
