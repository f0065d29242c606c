"""Files that are either whole or absent, whatever happens while they are written."""

import json
import os
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` so that a reader, or a power cut, sees the old file or the new one.

    The data goes to a temporary file in the same directory (a rename is atomic only within one file
    system), is forced to disk, and takes the name; then the directory entry is forced to disk too.

    Raises:
        OSError: when the directory is missing, read-only or full; ``path`` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it has no room for
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` to ``path`` atomically as readable JSON; non-finite numbers are refused.

    Raises:
        ValueError: when ``content`` holds a NaN or an infinity, which JSON has no word for.
    """
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def remove_unfinished_writes(*directories: Path) -> None:
    """Remove the temporary files of writes that were cut short (see :func:`write_atomically`)."""
    for directory in directories:
        for path in directory.glob(".*.tmp"):
            path.unlink(missing_ok=True)
