"""What holds for all tests."""

import os

# Before NumPy is imported: several test processes on two cores are a fifth slower, all in all, when each has threads of its own.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
