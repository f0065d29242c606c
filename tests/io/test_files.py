"""Files are whole or absent."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from ghm.io.atomic import open_to_append, write_atomically, write_json


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*record\.json"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_went_wrong_is_said_also_where_the_directory_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing the unfinished file then fails, too, which is not the news."""
    place = tmp_path / "gone"
    place.mkdir()

    def vanish(_descriptor: int) -> None:
        shutil.rmtree(place)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", vanish)
    with pytest.raises(OSError, match=r"Input/output error: .*record\.json"):
        write_atomically(place / "record.json", b"new")


def test_numbers_that_json_has_no_word_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "record.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_a_files_place_is_replaced_or_refused_never_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    link = tmp_path / "record.json"
    link.symlink_to(elsewhere)
    with pytest.raises(OSError, match=r"symbolic link.*record\.json"):
        open_to_append(link)
    write_atomically(link, b"new")
    assert (elsewhere.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"mine", b"new", False)
    with open_to_append(link) as file:
        file.write(b"er")
    assert link.read_bytes() == b"newer"


def test_temporary_names_cannot_be_guessed_and_are_not_opened_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name made of the process number alone collides with another host's, and can be laid as a trap."""
    names = []
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, _target: names.append(self.name))
        for _ in range(2):
            write_atomically(tmp_path / "record.json", b"x")
    assert len(set(names)) == 2
    monkeypatch.setattr("secrets.token_hex", lambda _n: "guessed")
    trap = tmp_path / ".record.json.guessed.tmp"
    trap.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "record.json", b"x")
    assert not (tmp_path / "elsewhere").exists()
