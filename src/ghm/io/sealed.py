"""Records and archives that know when they were damaged.

The last key of a sealed JSON file is ``sha256``, the digest of every byte before its line. A flipped byte inside a
number leaves good JSON that says something else; the seal is what tells it from the truth. An archive (``.pt``,
``.npz``) carries the digest of all its bytes as the archive's comment, at its end, where programs that open archives
expect one: NumPy and PyTorch still read the file.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ghm.io.atomic import write_atomically
from ghm.io.safe_read import MAX_BYTES, parse_object, read_bytes
from ghm.io.safe_read import DamagedError as DamagedError  # what sealed files raise, for those who read them

_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n}\n\Z')

_COMMENT = b"sha256 "
_COMMENT_LENGTH = len(_COMMENT) + 64

# An archive ends with the length of its comment, two bytes, and the comment (APPNOTE.TXT of PKWARE, section 4.3.16).
_NO_COMMENT = b"\0\0"


def seal(content: dict[str, Any]) -> bytes:
    """``content`` (not empty) as readable JSON with a seal."""
    return seal_text(json.dumps(content, indent=2, allow_nan=False).removesuffix("\n}").encode())


def seal_text(body: bytes) -> bytes:
    """The text of a JSON object, all but its closing line, with seal and closing line."""
    return body + b',\n  "sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` atomically, sealed.

    Raises:
        OSError: when the directory is missing, read-only, full or a symbolic link; ``path`` is then unchanged.
    """
    write_atomically(path, seal(content), own=1)


def read_sealed(path: Path) -> dict[str, Any]:
    """What :func:`write_sealed` wrote.

    Raises:
        OSError: when the file cannot be read.
        DamagedError: when it is no JSON object, is larger than ``MAX_BYTES``, or does not match its seal.
    """
    return check_seal(read_bytes(path, MAX_BYTES))


def check_seal(data: bytes) -> dict[str, Any]:
    """The content of a sealed record.

    Raises:
        DamagedError: when it is no JSON object, or does not match its seal.
    """
    content = parse_object(data)
    match = _SEAL.search(data)
    if match is None or hashlib.sha256(data[: match.start()]).hexdigest().encode() != match.group(1):
        raise DamagedError("the content does not match its seal (key sha256): damaged, or changed by hand")
    del content["sha256"]
    return content


def seal_archive(data: bytes) -> bytes:
    """A zip archive without a comment, with its seal as the comment."""
    if not data.endswith(_NO_COMMENT):
        raise ValueError("the archive has a comment already")
    body = data.removesuffix(_NO_COMMENT) + _COMMENT_LENGTH.to_bytes(2, "little")
    return body + _COMMENT + hashlib.sha256(body).hexdigest().encode()


def read_sealed_archive(path: Path, most: int, *, follow: bool = False) -> bytes:
    """What :func:`seal_archive` made, as it was written to ``path``.

    Raises:
        OSError: when the file cannot be read.
        DamagedError: when it is larger than ``most`` bytes, or does not match its seal.
    """
    data = read_bytes(path, most, follow=follow)
    body, comment = data[:-_COMMENT_LENGTH], data[-_COMMENT_LENGTH:]
    if comment != _COMMENT + hashlib.sha256(body).hexdigest().encode():
        raise DamagedError("the content does not match the seal at its end: damaged, or of another version")
    return data
