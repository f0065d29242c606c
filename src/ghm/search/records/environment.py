"""What a search ran on: recorded with it, so that a different result elsewhere can be explained."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

import ghm

_PACKAGE = Path(ghm.__file__).parent

# The sources that decide a trial's result; the view, the report and the records around it do not.
_DECISIVE_SOURCES = (
    "economics",
    "policies",
    "solvers",
    "simulation",
    "training",
    "search/methods",
    "search/decisions",
    *(
        f"search/settings/{name}.py"
        for name in ("configurations", "distributions", "inactive", "methods", "space", "trial_numbering")
    ),
)
_LIBRARIES = ("torch", "numpy", "numba", "scipy")
_RECORDED = (*_LIBRARIES, "tyro", "tensorboard", "rich")

# Git answers in milliseconds; one that asks for something, or sits on a dead file system, is not waited for.
_GIT_TIMEOUT_S = 10.0


@functools.cache
def code_version() -> dict[str, str]:
    """What must be the same for a trial to give the same bits: our code and the libraries that do arithmetic."""
    digest = hashlib.sha256()
    for name in _DECISIVE_SOURCES:
        path = _PACKAGE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    versions = {name: _version(name) for name in _LIBRARIES}
    return {"ghm": f"{_version('ghm')} ({digest.hexdigest()[:12]})", "python": platform.python_version()} | versions


def environment() -> dict[str, Any]:
    """Versions, machine, thread counts, GPUs asked for, git revision."""
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in ("ghm", *_RECORDED)}},
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": {name: value for name, value in sorted(os.environ.items()) if name.endswith("_NUM_THREADS")},
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "git_revision": git_revision(),
    }


@functools.cache
def git_revision() -> str | None:
    """The revision of the checkout that the code runs from, marked if it has changes; None outside a checkout."""
    root = _PACKAGE.parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    """The processor's name; ``platform.processor`` is empty on most Linux systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
