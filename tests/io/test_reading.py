"""The reader of files from a directory that may be damaged, or a stranger's: it answers, or says what is wrong."""

import io
import os
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ghm.io.safe_read import (
    MAX_DEPTH,
    DamagedError,
    parse_array,
    parse_json,
    parse_object,
    parse_toml,
    read_archive,
    read_bytes,
    read_end,
    refuse_links,
)
from ghm.io.sealed import read_sealed_archive, seal_archive


def test_only_regular_files_of_limited_size_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert read_bytes(file, most=10) == b"0123456789"
    assert read_end(file, 3) == b"789"
    with pytest.raises(DamagedError, match="larger than 9 bytes"):
        read_bytes(file, most=9)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(DamagedError, match="symbolic link"):
        read_bytes(tmp_path / "link")
    assert read_bytes(tmp_path / "link", follow=True) == b"0123456789", "what the user names may be a link"
    for odd in (tmp_path, Path("/dev/zero")):
        with pytest.raises(DamagedError, match="not a regular file"):
            read_bytes(odd)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "nothing")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    raised: list[BaseException] = []

    def read() -> None:
        try:
            read_bytes(tmp_path / "pipe")
        except DamagedError as error:
            raised.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()
    assert "not a regular file" in str(raised[0])


BAD_JSON = [
    (b"", "not JSON"),
    (b"\xff", "not JSON"),
    (b'{"a": NaN}', "not JSON"),
    (b'{"a": -Infinity}', "not JSON"),
    (b'{"a": 1e999}', "out of range"),
    (b'{"a": 1' + b"0" * 400 + b"}", "a whole number beyond"),
    (b'{"a": 1' + b"0" * 5000 + b"}", "not JSON"),
    (b'[[{"a": 9223372036854775809}]]', "a whole number beyond"),
    (b"[" * 100_000, "nested deeper"),
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested deeper"),
    (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested deeper"),
    (b'{"a": "\\ud800"}', "not JSON"),
    (b'{"\\udfff": 1}', "not JSON"),
]


@pytest.mark.parametrize(("data", "message"), BAD_JSON, ids=lambda value: repr(value)[:25])
def test_what_is_no_json_of_ours_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        parse_json(data)


def test_json_as_deep_and_long_as_allowed_is_read() -> None:
    """Negative control of the bounds."""
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert parse_json(b"[-9223372036854775808, 1.7976931348623157e308]") == [-(2**63), 1.7976931348623157e308]
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"
    with pytest.raises(DamagedError, match="a JSON list, not an object"):
        parse_object(b"[]")


def archive(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def test_an_archive_is_unpacked_to_its_bound_and_no_further() -> None:
    bomb = archive(a=bytes(10_000_000))
    assert len(bomb) < 20_000
    assert len(read_archive(bomb, most=10_000_000)["a"]) == 10_000_000
    with pytest.raises(DamagedError, match="unpacks to more"):
        read_archive(bomb, most=9_999_999)
    # A directory that claims less than there is does not help it.
    lied = bomb.replace(struct.pack("<L", 10_000_000), struct.pack("<L", 10))
    with pytest.raises(DamagedError):
        assert len(read_archive(lied, most=1000)["a"]) > 10
    with pytest.raises(DamagedError, match="of a kind"):
        read_archive(archive(zipfile.ZIP_LZMA, a=b"x"), most=100)


@pytest.mark.parametrize("seal", [False, True])
def test_a_bit_flipped_in_an_archive_never_ends_in_anything_but_damage(tmp_path: Path, seal: bool) -> None:
    good = archive(header=b"{}" * 20, values=bytes(range(200)))
    whole = read_archive(good, 10_000)
    data = seal_archive(good) if seal else good
    noticed = 0
    for bit in (bits := range(0, 8 * len(data), 3)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path = tmp_path / "a"
        path.write_bytes(flipped)
        try:
            found = read_archive(read_sealed_archive(path, 10_000) if seal else bytes(flipped), 10_000)
        except DamagedError:
            noticed += 1
        else:
            assert not seal, f"bit {bit} went unnoticed"
            # The archive's own checksums protect each content, not the names, nor how many there are.
            assert set(found.values()) <= set(whole.values())
    assert noticed > 0
    assert (noticed == len(bits)) == seal


def test_a_sealed_archive_is_an_archive_still(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.arange(3))
    (tmp_path / "a.npz").write_bytes(seal_archive(buffer.getvalue()))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npz")["a"], [0, 1, 2])
    with pytest.raises(ValueError, match="has a comment"):
        seal_archive(seal_archive(buffer.getvalue()))


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_arrays_are_data_of_the_size_they_claim() -> None:
    good = npy(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(parse_array(good), np.arange(6.0).reshape(2, 3))
    huge = good.replace(b"(2, 3)", b"(2, 9**9)"[:6])
    for bad in (b"", good[:-1], good.replace(b"(2, 3)", b"(9, 9)"), huge, npy(np.array([{}], dtype=object))):
        with pytest.raises(DamagedError):
            parse_array(bad)


def test_links_are_found_before_anything_is_written(tmp_path: Path) -> None:
    refuse_links(tmp_path / "missing")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    refuse_links(tmp_path / "a", deep=True)
    (tmp_path / "a/b/logs").symlink_to(tmp_path / "elsewhere")
    refuse_links(tmp_path / "a")
    with pytest.raises(DamagedError, match=r"a/b/logs is a symbolic link"):
        refuse_links(tmp_path / "a", deep=True)
    with pytest.raises(DamagedError, match=r"b/logs is a symbolic link"):
        refuse_links(tmp_path / "a/b")
    (tmp_path / "named").symlink_to(tmp_path / "elsewhere")
    refuse_links(tmp_path / "named")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_toml_document_is_read_and_what_is_none_is_refused(mark: bytes) -> None:
    assert parse_toml(mark + b"[search]\nn_trials = 4\n") == {"search": {"n_trials": 4}}
    for wrong in (b"[search", b"\xff", b"a = " + b"[" * 3000):
        with pytest.raises(DamagedError, match=r"not TOML|nested"):
            parse_toml(mark + wrong)
