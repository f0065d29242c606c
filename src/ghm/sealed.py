"""JSON records that know when they were damaged.

The last key of a sealed file is ``sha256``, the digest of every byte before its line. A flipped byte inside a
number leaves good JSON that says something else; the seal is what tells it from the truth.
"""

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

from ghm.files import write_atomically

# A record larger than this was not written by a search: its largest, 11,664 trials, has about 20 MB.
MAX_BYTES = 512_000_000

_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n}\n\Z')


class DamagedError(ValueError):
    """The file is no JSON object or does not match its seal."""


def seal(content: dict[str, Any]) -> bytes:
    """``content`` (not empty) as readable JSON with a seal."""
    return seal_text(json.dumps(content, indent=2, allow_nan=False).removesuffix("\n}").encode())


def seal_text(body: bytes) -> bytes:
    """The text of a JSON object, all but its closing line, with seal and closing line."""
    return body + b',\n  "sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` atomically, sealed.

    Raises:
        OSError: when the directory is missing, read-only or full; ``path`` is then unchanged.
    """
    write_atomically(path, seal(content))


def read_sealed(path: Path) -> dict[str, Any]:
    """What :func:`write_sealed` wrote.

    Raises:
        OSError: when the file cannot be read.
        DamagedError: when it is no JSON object, or does not match its seal.
    """
    data = read_bytes(path)
    content = parse_object(data)
    match = _SEAL.search(data)
    if match is None or hashlib.sha256(data[: match.start()]).hexdigest().encode() != match.group(1):
        raise DamagedError("the content does not match its seal (key sha256): damaged, or changed by hand")
    del content["sha256"]
    return content


def read_bytes(path: Path) -> bytes:
    """The file's content.

    Raises:
        OSError: when the file cannot be read.
        DamagedError: when it is no regular file, or larger than any record.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DamagedError("not a regular file")
    if status.st_size > MAX_BYTES:
        raise DamagedError(f"larger than {MAX_BYTES} bytes")
    return path.read_bytes()


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``; NaN and infinities, which are not JSON, are refused.

    Raises:
        DamagedError: when ``data`` is no JSON object.
    """
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"not JSON ({error or type(error).__name__})") from error
    if not isinstance(content, dict):
        raise DamagedError(f"a JSON {type(content).__name__}, not an object")
    return content


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
