"""The program of `stub_train`, which is kept compiled: a script is compiled anew at each start."""

import sys

from stub_train import main

sys.exit(main())
