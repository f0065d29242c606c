"""The one way in which this package compiles: flags, what is kept on disk, and why results do not depend on it.

Arithmetic with ``fastmath`` may be reassociated and contracted, and the compiler does so differently in each place where it
compiles a function. If one compiled function calls another, Numba leaves a copy of the callee in the caller's module,
compiled once more, and the linker takes whichever copy was loaded first: the callee's own if it was compiled or called
before in this process, the caller's if the caller was read from the cache. Such a program rounds differently with an empty
cache and with a full one, and differently after other calls. So there are two kinds of functions:

- :func:`compiled` functions are called from Python, and kept on disk; no compiled function calls them;
- :func:`inlined` functions are called by compiled ones. They become part of their caller, so that there is no second
  copy to choose, and are never kept by themselves, so that a caller is always compiled from the same source.

The machine code of a compiled function then depends on the source, the libraries and the processor alone.
"""

import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import config as numba_config

Function = TypeVar("Function", bound=Callable[..., Any])

PACKAGE = Path(__file__).parents[1]

config: Any = numba_config
# Numba takes settings from a file of the working directory, among them where to load code from. No results directory has a say.
config._config_fname = os.devnull
config.reload_config()


def compiled(*, fast: bool = False) -> Callable[[Function], Function]:
    """A decorator for functions that Python calls; what is compiled is kept on disk.

    Args:
        fast: sums may be reassociated and products contracted, as vectorised loops need it.
    """

    def decorate(function: Function) -> Function:
        directory = cache_directory()
        asked = config.CACHE_DIR
        config.CACHE_DIR = str(directory or "")
        try:
            return cast(Function, njit(cache=directory is not None, fastmath=fast, error_model="numpy")(function))
        finally:
            config.CACHE_DIR = asked

    return decorate


def inlined(*, fast: bool = False) -> Callable[[Function], Function]:
    """A decorator for functions that compiled functions call, and become part of.

    Args:
        fast: as for :func:`compiled`; the flag is the function's own, whatever its caller's.
    """

    def decorate(function: Function) -> Function:
        return cast(Function, njit(fastmath=fast, error_model="numpy", forceinline=True)(function))

    return decorate


@functools.cache
def cache_directory() -> Path | None:
    """Where compiled code is kept: beside the package, else in the user's cache; None: nowhere, which is said on standard error.

    ``NUMBA_CACHE_DIR`` goes before all.
    """
    name = f"compiled-{_digest()}"
    for parent in (config.CACHE_DIR, PACKAGE / "__pycache__", _user_cache()):
        if parent and _writable(Path(parent) / name):
            return Path(parent) / name
    sys.stderr.write(
        "ghm: compiled code cannot be kept beside the package or in your cache directory, which are read-only; each process "
        "compiles anew, which takes half a minute (set NUMBA_CACHE_DIR to a directory of yours to keep it elsewhere)\n"
    )
    return None


def _digest() -> str:
    """Of the package's source: Numba itself does not see that a function's callee in another file has changed."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"ghm.io.compiled" in source or path.name == "compiled.py":
            digest.update(f"{path.relative_to(PACKAGE)} {len(source)}\n".encode() + source)
    return digest.hexdigest()[:16]


def _user_cache() -> Path | None:
    place = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  (Path's raises without a home)
    return Path(place) / "ghm" if os.path.isabs(place) else None  # noqa: PTH117


def _writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError:
        return False
    return True
