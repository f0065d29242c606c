"""Results directories of strangers: reading or resuming one leads nowhere and writes nothing elsewhere."""

import json
import os
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


def test_the_locks_of_gpus_are_in_a_directory_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(PermissionError, match="a link, or another user's"), claimed_gpu(["0"], tmp_path / "link"):
        pass
    assert not list((tmp_path / "target").iterdir())
    with claimed_gpu(["0"], tmp_path / "own") as gpu:
        assert gpu == "0"
    uid = os.getuid()
    monkeypatch.setattr("ghm.search.trials.gpus.os.getuid", lambda: uid + 1)
    with pytest.raises(PermissionError, match="another user's"), claimed_gpu(["0"], tmp_path / "own"):
        pass


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
