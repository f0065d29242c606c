"""``python -m ghm.report``: the command ``ghm report`` where the ``ghm`` script is not on the path."""

import sys

from ghm.report.main import main

sys.exit(main())
