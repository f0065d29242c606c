"""The one reader of files that a directory holds: bounded, and trusting nothing.

A results directory may be damaged, or a stranger's. Whatever reads a file of one, reads it here: a regular file and no
link to one, of limited size; JSON of limited nesting whose numbers are numbers; archives that are no larger unpacked
than they may be. What is wrong is always a :class:`DamagedError`, which says what and never ends in another exception.
"""

import io
import json
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ghm.errors import printable

MAX_BYTES = 512_000_000
"""A record larger than this was not written by a search, but for a results JSON of more than 250,000 trials."""

MAX_DEPTH = 32
"""Brackets within brackets; the deepest record has 6."""

MAX_DIGITS = 20
"""Digits of a whole number, its sign included: the largest, a seed of 64 bits, has 19."""

MAX_FLOAT_TEXT = 400
"""Characters of a number with a point: the longest that Python writes has 24, others write out 1e308."""

_ODD = re.compile(rb"\\[bfnrtu]|[^ -~\s]")
"""Before texts that may not be printable, in JSON."""


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


def parse_json(data: bytes, *, lenient: bool = False) -> Any:
    """The JSON value in ``data``.

    Args:
        data: UTF-8 text.
        lenient: Take what is no finite number as missing (None), and text that is none with its holes marked, as for
            people who want to see whatever there is. Otherwise both are damage.

    Raises:
        DamagedError: when it is not JSON, or nested deeper than :data:`MAX_DEPTH`.
    """

    def number(kind: type[int] | type[float], most: int, text: str) -> int | float | None:
        value = kind(text) if len(text) <= most else math.inf
        if math.isfinite(value):
            return value
        if lenient:
            return None
        raise ValueError(f"the number {text[:30]} is beyond all bounds")

    def constant(name: str) -> None:
        if not lenient:
            raise ValueError(f"{name} is not JSON")

    try:
        value = json.loads(
            data.decode("utf-8", "replace" if lenient else "strict"),
            parse_constant=constant,
            parse_int=lambda text: number(int, MAX_DIGITS, text),
            parse_float=lambda text: number(float, MAX_FLOAT_TEXT, text),
        )
    except RecursionError:
        raise DamagedError(f"not JSON of ours (nested deeper than {MAX_DEPTH})") from None
    except ValueError as error:
        raise DamagedError(f"not JSON ({error})") from error
    require_shallow(value)
    return _printable_texts(value, lenient) if _ODD.search(data) else value


def parse_object(data: bytes, *, lenient: bool = False) -> dict[str, Any]:
    """The JSON object in ``data``, see :func:`parse_json`.

    Raises:
        DamagedError: when ``data`` is no JSON object.
    """
    content = parse_json(data, lenient=lenient)
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


def require_shallow(value: Any) -> None:
    """Refuse a JSON value that is nested deeper than :data:`MAX_DEPTH`, which would end what walks through it.

    Raises:
        DamagedError: when it is.
    """
    level, depth = [value], 0
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise DamagedError(f"not JSON of ours (nested deeper than {MAX_DEPTH})")
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]


def _printable_texts(value: Any, lenient: bool) -> Any:
    """The value with printable texts: they are shown on terminals, pages and in files, and each would take others for orders."""
    if isinstance(value, dict):
        return {_printable_texts(key, lenient): _printable_texts(inner, lenient) for key, inner in value.items()}
    if isinstance(value, list):
        return [_printable_texts(inner, lenient) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates is no character
        if not lenient:
            raise DamagedError("not JSON (half of a surrogate pair is no text)") from None
        value = value.encode("utf-8", "replace").decode()
    return printable(value)
