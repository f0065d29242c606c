"""What holds for all tests."""

import os

import pytest

# Before NumPy is imported: several test processes on two cores are a fifth slower, all in all, when each has threads of its own.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Faults that the package would live on after end the test, in the processes it starts as well (ghm.io.guard).
os.environ["GHM_RAISE_HIDDEN"] = "1"

SLOWEST = (
    "test_cluster_faults.py", "test_real_training.py", "test_executors.py", "test_resume.py", "test_journeys.py",
    "test_forking.py", "test_faults.py", "test_trainer.py", "test_damage.py", "test_decisions.py", "test_pages.py",
    "test_crash_points.py", "test_lease.py",
)  # fmt: skip
"""Files that take longest: they begin first, or the end of the last one would be waited for alone."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests; those of a file stay in one process, since they share fixtures, unless they have a group of their own."""
    items.sort(key=lambda item: SLOWEST.index(item.path.name) if item.path.name in SLOWEST else len(SLOWEST))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.name}"))
