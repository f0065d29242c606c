"""What holds for all tests."""

import os

# Before NumPy is imported: several test processes on two cores are a fifth slower, all in all, when each has threads of its own.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Faults that the package would live on after end the test, in the processes it starts as well (ghm.io.guard).
os.environ["GHM_RAISE_HIDDEN"] = "1"
