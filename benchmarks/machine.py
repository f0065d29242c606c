"""What a benchmark says of the machine it ran on, and how it runs another checkout of this project."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parents[1]
"""This checkout."""


def in_checkout(checkout: Path) -> dict[str, str]:
    """The environment in which this Python imports the package from ``checkout``, and computes on one thread."""
    return {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src"), "OMP_NUM_THREADS": "1"}


def describe_machine() -> str:
    """Processor, cores, its load now, and versions of what the time is spent in."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch"))
    load = f"load of the last minute {os.getloadavg()[0]:.1f}"
    return f"{processor}, {psutil.cpu_count()} cores, {load}; Python {platform.python_version()}, {versions}"
