"""``python -m ghm``: the same as the command ``ghm``."""

import sys

from ghm.cli import main

if __name__ == "__main__":
    sys.exit(main())
