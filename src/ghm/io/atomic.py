"""Files that are either whole or absent, whatever happens while they are written."""

import errno
import json
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO


def write_atomically(path: Path, data: bytes, *, durable: bool = True, own: int = 0) -> None:
    """Replace ``path`` by ``data`` so that a reader, or a power cut, sees the old file or the new one.

    The data goes to a temporary file in the same directory (a rename is atomic only within one file
    system), is forced to disk, and takes the name; then the directory entry is forced to disk too. A link that
    has the name is replaced, not followed.

    Args:
        path: The file.
        data: Its content.
        durable: Force it to disk; not needed for what can be made again from other files.
        own: How many of the directories above it the program has made itself: one that is a link by now leads elsewhere.

    Raises:
        OSError: when the directory is missing, read-only, full, or such a link; ``path`` is then unchanged.
    """
    for directory in path.parents[:own]:
        if directory.is_symlink():
            raise OSError(errno.ELOOP, "a symbolic link, which is not written through", str(directory))
    temporary, descriptor = _new_file(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it has no room for
        raise
    if durable:
        _force_entry(path.parent)


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Write ``content`` to ``path`` atomically as readable JSON; non-finite numbers are refused.

    Raises:
        ValueError: when ``content`` holds a NaN or an infinity, which JSON has no word for.
    """
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode(), durable=durable)


def open_to_append(path: Path, *, empty: bool = False) -> BinaryIO:
    """The file, made if missing, open for writing at its end.

    Args:
        path: The file.
        empty: Begin it anew.

    Raises:
        OSError: when it cannot be written, or is a symbolic link or a pipe, which would lead the words elsewhere.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.fdopen(os.open(path, flags | (os.O_TRUNC if empty else 0), 0o666), "ab")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a symbolic link, which is not written through", str(path)) from error
        raise


def require_writable(directory: Path) -> None:
    """Make a file in the directory for a moment.

    Raises:
        OSError: when that is not possible.
    """
    probe, descriptor = _new_file(directory / "writable")
    os.close(descriptor)
    probe.unlink()


def remove_unfinished_writes(*directories: Path) -> None:
    """Remove the temporary files of writes that were cut short (see :func:`write_atomically`)."""
    for directory in directories:
        for path in directory.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def _new_file(path: Path) -> tuple[Path, int]:
    """A new file beside ``path``, open for writing.

    Its name cannot be guessed, nor met by a process of another host that has the same number; whatever has it
    already, a link included, is not opened.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _force_entry(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
