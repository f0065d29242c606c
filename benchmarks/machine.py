"""What a benchmark says of the machine it ran on."""

import platform
from importlib.metadata import version
from pathlib import Path

import psutil


def describe_machine() -> str:
    """Processor, cores, and versions of what the time is spent in."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch"))
    return f"{processor}, {psutil.cpu_count()} cores; Python {platform.python_version()}, {versions}"
