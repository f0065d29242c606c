"""``python -m ghm.report``: the command ``ghm report`` where the ``ghm`` script is not on the path."""

import sys

from ghm.io.platforms import run_program
from ghm.report.main import main

sys.exit(run_program(main))
