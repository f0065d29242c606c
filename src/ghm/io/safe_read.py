"""The one reader of files that a directory holds: bounded, and trusting nothing.

A results directory may be damaged, or a stranger's. Whatever reads a file of one, reads it here: a regular file and no
link to one, of limited size; JSON of limited nesting whose numbers are numbers; archives that are no larger unpacked
than they may be. What is wrong is always a :class:`DamagedError`, which says what and never ends in another exception.
"""

import codecs
import io
import json
import math
import os
import re
import stat
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ghm.errors import UserError, printable

T = TypeVar("T")

MAX_GIVEN_BYTES = 1_000_000
"""A file of settings that is larger than this is a mistake."""

MAX_BYTES = 4_000_000_000
"""A record larger than this was not written by a search: the results JSON of a million trials has half of it."""

_ODD = re.compile(rb"\\[bfnrtu]|[^ -~\s]")
"""Before texts that may not be printable, in JSON."""

MAX_DEPTH = 32
"""Brackets within brackets; the deepest record has 6."""

MAX_INTEGER = 2**63
"""Size of a whole number: the largest of ours is a seed of 63 bits."""


class DamagedError(ValueError):
    """The file is not what it should be: damaged, no regular file, or made by someone who means harm."""


def open_regular(path: Path, *, follow: bool = False) -> BinaryIO:
    """The file, open for reading, without waiting for anybody.

    Args:
        path: The file.
        follow: Whether it may be a symbolic link: only where the user named it.

    Raises:
        OSError: when it cannot be opened.
        DamagedError: when it is no regular file: a link, a pipe, a device, a directory.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    if not follow and path.is_symlink():  # before the system's "too many levels of links", which says little
        raise DamagedError("a symbolic link, which is not followed here")
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedError("not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, most: int = MAX_BYTES, *, follow: bool = False) -> bytes:
    """The file's content.

    Raises:
        OSError: when it cannot be read.
        DamagedError: when it is no regular file, or has more than ``most`` bytes.
    """
    with open_regular(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise DamagedError(f"larger than {most} bytes")
        # No more than there was: room for all that is asked for is made beforehand.
        return file.read(size)


def read_end(path: Path, most: int) -> bytes:
    """The last ``most`` bytes of the file.

    Raises:
        OSError: when it cannot be read.
        DamagedError: when it is no regular file.
    """
    with open_regular(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read(most)


def parse_json(data: bytes) -> Any:
    """The JSON value in ``data``, UTF-8 text, its texts made :func:`~ghm.errors.printable`: they are shown in many places.

    Raises:
        DamagedError: when it is not JSON, or nested deeper than :data:`MAX_DEPTH`.
    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise DamagedError(f"not JSON of ours (nested deeper than {MAX_DEPTH})") from None
    except ValueError as error:
        raise DamagedError(f"not JSON ({error})") from error
    _require_bounds(value)
    return _printable_texts(value) if _ODD.search(data) else value


def parse_given(data: bytes) -> Any:
    """The JSON value in a file that the user wrote, with or without a byte-order mark, see :func:`parse_json`.

    Raises:
        DamagedError: when it is not JSON, or a key is there twice, of which one would have no effect.
    """

    def once(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise DamagedError(f"ambiguous: the key {name[:80]!r} is there twice; leave one out")
            names.add(name)

    data = data.removeprefix(codecs.BOM_UTF8)
    value = parse_json(data)
    json.loads(data, object_pairs_hook=once)
    return value


def read_given(path: Path, name: str, parse: Callable[[Any], T], remedy: str) -> T:
    """What ``parse`` makes of a file given with ``--name``: of its JSON value, or of that table of a TOML file (``.toml``).

    Raises:
        UserError: when it cannot be read, is too large, is neither JSON nor TOML, or ``parse`` refuses what it holds.
    """
    flag = f"--{name} {path}"
    try:
        return parse(_given(path, name))
    except OSError as error:
        raise UserError(f"{flag}: {error.strerror}; give a readable JSON file") from error
    except DamagedError as error:
        raise UserError(f"{flag}: the file is {error}; {remedy}") from error
    except UserError as error:
        raise UserError(f"{flag}: {error}") from error


def _given(path: Path, table: str) -> Any:
    data = read_bytes(path, MAX_GIVEN_BYTES, follow=True)
    if path.suffix != ".toml":
        return parse_given(data)
    content = parse_toml(data)
    if table not in content:
        raise DamagedError(f"without a table [{table}]")
    return content[table]


def parse_toml(data: bytes) -> dict[str, Any]:
    """The TOML document in ``data``, with or without a byte-order mark.

    Raises:
        DamagedError: when it is none, or nested deeper than :data:`MAX_DEPTH`.
    """
    try:
        content = tomllib.loads(data.removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"not TOML ({error})") from error
    _require_bounds(content)
    return content


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``, see :func:`parse_json`.

    Raises:
        DamagedError: when ``data`` is no JSON object.
    """
    content = parse_json(data)
    if not isinstance(content, dict):
        raise DamagedError(f"a JSON {type(content).__name__}, not an object")
    return content


def read_archive(data: bytes, most: int) -> dict[str, bytes]:
    """The members of a zip archive, each checked against its own checksum.

    Raises:
        DamagedError: when it is none, is damaged, or would unpack to more than ``most`` bytes.
    """
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if member.filename in found:
                    raise DamagedError(f"two files of one name ({member.filename[:60]!r})")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
                    raise DamagedError(f"an archive of a kind that this program does not write ({member.filename!r})")
                with archive.open(member) as file:
                    # What the directory claims of the size is not believed: unpacking stops at the bound.
                    found[member.filename] = file.read(most + 1)
                most -= len(found[member.filename])
                if most < 0:
                    raise DamagedError("an archive that unpacks to more than any of this program's")
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, OSError, EOFError, KeyError) as error:
        raise error if isinstance(error, DamagedError) else DamagedError(f"no whole archive ({error})") from error
    except (NotImplementedError, RuntimeError, IndexError, OverflowError) as error:  # a flipped flag or version
        raise DamagedError(f"no archive of this program ({error})") from error
    return found


def parse_array(data: bytes) -> NDArray[Any]:
    """The array in ``data``, in NumPy's format; of objects (pickles) none.

    Raises:
        DamagedError: when there is none, or it claims to be larger than ``data``.
    """
    try:
        file = io.BytesIO(data)
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = header[version](file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - file.tell():
            raise DamagedError("an array of another size than its file")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    except DamagedError:
        raise
    except Exception as error:  # the header is Python's text, and its parser raises what it likes
        raise DamagedError(f"no array ({error})") from error


def refuse_links(directory: Path, *, deep: bool = False) -> None:
    """Refuse a directory in which something is a symbolic link; it may be one itself, as the user named it.

    To be called before anything in it is written or deleted: a link in a stranger's directory leads both elsewhere.

    Args:
        directory: The directory; it need not exist.
        deep: Look into its directories as well.

    Raises:
        DamagedError: when there is one; the message names it.
    """
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_symlink():
            raise DamagedError(
                f"{entry.path} is a symbolic link, and writing there would change files elsewhere; replace it by what "
                "it leads to, or remove it"
            )
        if deep and entry.is_dir(follow_symlinks=False):
            refuse_links(Path(entry.path), deep=True)


def _require_bounds(value: Any) -> None:
    """Refuse a JSON value that is nested too deep for what walks through it, or holds a whole number beyond all of ours."""
    level, depth = [value], 0
    while level:
        if any(isinstance(one, int) and abs(one) > MAX_INTEGER for one in level):
            raise DamagedError(f"not JSON of ours (a whole number beyond {MAX_INTEGER})")
        level = [one for one in level if isinstance(one, dict | list)]
        depth += bool(level)
        if depth > MAX_DEPTH:
            raise DamagedError(f"not JSON of ours (nested deeper than {MAX_DEPTH})")
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]


def _printable_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {_printable_texts(key): _printable_texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_printable_texts(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value
