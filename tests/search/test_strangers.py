"""Results directories of strangers: reading or resuming one leads nowhere and writes nothing elsewhere."""

import errno
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ghm.io.sealed import write_sealed
from ghm.search.explain import main as why_main
from ghm.search.replay import main as replay_main
from ghm.search.trials.gpus import claimed_gpu
from tests.search.instant import INSTANT
from tests.search.support import run_search

SMALL = ("--n_trials", 2, "--n_iterations", 4, "--eval_freq", 2, "--progress", "none")


def contents(directory: Path) -> dict[str, bytes | None]:
    """Every path below the directory, with its bytes; lock files, which say nothing, aside."""
    paths = [path for path in directory.rglob("*") if path.name != ".search.lock"]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A search in ``tmp_path / "r"``, and beside it files that a move to the wrong place would replace."""
    run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    for place in (tmp_path, tmp_path / "r_earlier/20260101-000000"):
        place.mkdir(parents=True, exist_ok=True)
        for name in ("search.json", "journal.jsonl", "report.html"):
            (place / name).write_text("mine")
    return tmp_path


@pytest.mark.parametrize("name", ["..", ".", "", "elsewhere", "20260101-000000/..", "20260101-000000", 7, None])
@pytest.mark.parametrize("beside", [True, False])
def test_the_note_of_a_move_names_only_what_a_move_makes(
    name: Any, beside: bool, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "20260101-000000" and not beside:
        (victim / "r_earlier").rename(victim / "r/earlier")
    write_sealed(victim / "r/.moving", {"to": name, "beside": beside})
    before = contents(victim)
    assert run_search(*SMALL, "--results_dir", victim / "r", **INSTANT) == 2
    assert ".moving should say where" in capsys.readouterr().err
    assert contents(victim) == before


@pytest.mark.parametrize("name", ["..", "20260102-000000"])
def test_what_only_reads_finishes_no_move(name: str, victim: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sealed(victim / "r/.moving", {"to": name, "beside": True})
    before = contents(victim)
    results = str(victim / "r")
    assert replay_main([results, "--trial", "1"]) == 2
    assert why_main([results, "--trial", "1"]) == 2
    assert run_search("--resume", results, "--dry_run") == 2
    assert run_search("--resume", results, **INSTANT) == 2
    assert capsys.readouterr().err.count("half of it was") == 4
    assert contents(victim) == before


def test_a_move_that_was_cut_short_is_finished_by_the_search_that_began_it(victim: Path) -> None:
    name = json.loads((victim / "r/search.json").read_text())["search"]
    write_sealed(victim / "r/.moving", {"to": name, "beside": True})
    assert run_search(*SMALL, "--results_dir", victim / "r", **INSTANT) == 0
    assert (victim / "r_earlier" / name / "search.json").is_file()
    assert not (victim / "r/.moving").exists()


def test_a_results_directory_that_goes_away_is_not_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_dir = tmp_path / "r"

    def start(command: list[str], **options: Any) -> Any:
        if results_dir.exists():
            results_dir.rename(tmp_path / "r2")
        return subprocess.Popen(command, **options)

    assert run_search(*SMALL, "--results_dir", results_dir, popen=start) == 6
    assert "the search cannot go on" in capsys.readouterr().err
    assert not results_dir.exists()
    assert (tmp_path / "r2/search.json").is_file()


LOCKS = f"ghm-gpus-{os.getuid()}"


@pytest.fixture
def with_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ghm.search.trials.gpus.visible_gpus", lambda: ["0"])
    monkeypatch.setattr("ghm.search.trials.gpus.tempfile.tempdir", str(tmp_path))


def no_locks(descriptor: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def plant(fault: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the directory of the locks unusable."""
    if fault == "file":
        place.touch()
    elif fault == "link":
        (place.parent / "target").mkdir()
        place.symlink_to(place.parent / "target")
    elif fault == "dangling":
        place.symlink_to(place.parent / "nothing")
    elif fault == "nowhere":
        monkeypatch.setattr("ghm.search.trials.gpus.tempfile.tempdir", str(place.parent / "gone"))
    elif fault == "stranger":
        place.mkdir()
        status, uid = Path.lstat, os.getuid() + 1
        entry = lambda path: os.stat_result([*status(path)[:4], uid, *status(path)[5:10]])  # noqa: E731
        monkeypatch.setattr(Path, "lstat", lambda path: entry(path) if path == place else status(path))
    elif fault == "no flock":
        monkeypatch.setattr("ghm.search.trials.gpus.fcntl.flock", no_locks)


def n_open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


FAULTS = ("file", "link", "dangling", "nowhere", "stranger", "no flock")


@pytest.mark.usefixtures("with_gpu")
@pytest.mark.parametrize("fault", FAULTS)
def test_where_gpus_cannot_be_locked_nothing_is_run(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(fault, tmp_path / LOCKS, monkeypatch)
    before, results_dir = n_open_files(), tmp_path / "r"
    assert run_search(*SMALL, "--device", "cuda", "--results_dir", results_dir, **INSTANT) == 2
    said = capsys.readouterr().err
    assert re.search(rf"error: --device cuda: .*{LOCKS}: no place .*TMPDIR", said)
    # What may be the user's own, with locks of other searches in it, is not to be removed.
    assert ("remove it" in said) == (fault in ("file", "link", "dangling", "stranger"))
    assert not results_dir.exists()
    assert not list(tmp_path.glob("target/*"))
    assert n_open_files() == before


@pytest.mark.usefixtures("with_gpu")
@pytest.mark.parametrize("fault", ["file", "dangling", "none"])
def test_on_the_cpu_nothing_of_the_locks_is_touched(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(fault, tmp_path / LOCKS, monkeypatch)
    assert run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT) == 0
    assert not (tmp_path / LOCKS).is_dir()


@pytest.mark.usefixtures("with_gpu")
@pytest.mark.parametrize("fault", ["file", "none"])
def test_a_dry_run_makes_no_locks(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(fault, tmp_path / LOCKS, monkeypatch)
    before = list(tmp_path.iterdir())
    assert run_search(*SMALL, "--device", "cuda", "--dry_run", "--results_dir", tmp_path / "r", **INSTANT) == 0
    assert list(tmp_path.iterdir()) == before


def test_the_lock_of_a_gpu_is_closed_whatever_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claimed_gpu(["0"], tmp_path / "own") as gpu:
        assert gpu == "0"
    before = n_open_files()
    monkeypatch.setattr("ghm.search.trials.gpus.fcntl.flock", no_locks)
    with pytest.raises(OSError, match="No locks available"), claimed_gpu(["0"], tmp_path / "own"):
        pass
    assert n_open_files() == before


def test_another_directory_in_the_place_of_the_one_that_went_away_is_not_taken_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``mv r r2; mkdir r`` while a trial runs."""
    results_dir = tmp_path / "r"

    def start(command: list[str], **options: Any) -> Any:
        if not (tmp_path / "r2").exists():
            results_dir.rename(tmp_path / "r2")
            results_dir.mkdir()
        return subprocess.Popen(command, **options)

    assert run_search(*SMALL, "--results_dir", results_dir, popen=start) == 6
    assert "another one made in its place" in capsys.readouterr().err
    assert list(results_dir.iterdir()) == []
    assert (tmp_path / "r2/search.json").is_file()
