"""A trial trained again from its record alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ghm.errors import UserError
from ghm.search.replay import main, replay
from ghm.search.trials.runner import TrialRunner
from tests.search.support import STUB, comparable, read, results_file, run_search


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    run_search("--n_trials", 3, "--n_iterations", 6, "--results_dir", tmp_path / "r", "--progress", "none")
    return tmp_path / "r"


def test_the_same_bits(searched: Path) -> None:
    before = comparable(read(searched))
    for _ in range(2):
        outcome = replay(searched, 2, runner=TrialRunner(STUB))
        assert outcome.confirmed
        assert outcome.differences == ()
        assert outcome.surroundings == ()
        assert "reproduced bit for bit" in outcome.text
    assert comparable(read(searched)) == before
    assert (searched / "replays/trial_002/result.json").exists()


def test_from_the_results_file_when_the_directories_are_gone(searched: Path, tmp_path: Path) -> None:
    path = tmp_path / "alone" / results_file(searched).name
    path.parent.mkdir()
    results_file(searched).rename(path)
    assert replay(path, 3, runner=TrialRunner(STUB)).confirmed


def test_a_result_that_differs_in_its_last_bit_is_not_confirmed(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TrialRunner.__call__

    def nudged(self: TrialRunner, trial: Any) -> Any:
        outcome = original(self, trial)
        outcome.metrics["final_return"] *= 1 + 2**-52
        return outcome

    monkeypatch.setattr(TrialRunner, "__call__", nudged)
    outcome = replay(searched, 1, runner=TrialRunner(STUB))
    assert not outcome.confirmed
    assert "NOT reproduced" in outcome.text
    assert "final_return: recorded" in outcome.text
    # Elsewhere the last bit may differ, and the message says what is different there.
    monkeypatch.setattr("ghm.search.replay.code_version", lambda: {"torch": "9.9"})
    outcome = replay(searched, 1, runner=TrialRunner(STUB))
    assert outcome.confirmed
    said = "Trial 1: reproduced within 2 percentage points of captured value, not bit for bit\n"
    assert outcome.text.startswith(said)
    assert "version of torch: recorded" in outcome.text


def test_a_trial_that_left_no_result_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "crash"}))
    run_search("--n_trials", 2, "--n_iterations", 6, "--results_dir", tmp_path / "r", "--progress", "none")
    with pytest.raises(UserError, match="ended as crashed; replay needs a completed trial"):
        replay(tmp_path / "r", 1, runner=TrialRunner(STUB))
    with pytest.raises(UserError, match=r"--trial 7: no record of such a trial .* it has 1 to 2"):
        replay(tmp_path / "r", 7, runner=TrialRunner(STUB))


def test_the_command(searched: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ghm.search.replay.training_command", lambda: STUB)
    assert main([str(searched), "--trial", "2"]) == 0
    assert "Trial 2: reproduced bit for bit" in capsys.readouterr().out
    assert main([str(searched), "--trial", "9"]) == 2
    assert "--trial 9: no record" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nowhere", ".", "notes.json"])
def test_what_is_no_search_is_refused_without_naming_a_flag_that_replay_lacks(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.json").write_text("{}")
    assert main([name, "--trial", "1"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {name}: ")
    assert "--resume" not in message


def test_a_search_that_was_moved_and_its_own_files_damaged(searched: Path, tmp_path: Path) -> None:
    """Replay needs the results JSON or the trial's record, not both, and not the place where the search ran."""
    moved = searched.rename(tmp_path / "über siedelt")
    results_file(moved).write_bytes(b"{")
    assert replay(moved, 2, runner=TrialRunner(STUB)).differences == ()


def test_a_diverged_trial_diverges_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "diverge"}))
    run_search("--n_trials", 1, "--n_iterations", 6, "--results_dir", tmp_path / "r", "--progress", "none")
    replayed = replay(tmp_path / "r", 1, runner=TrialRunner(STUB))
    assert replayed.confirmed
    assert replayed.text == "Trial 1: reproduced bit for bit, it diverged: value_loss became nan at iteration 2"


def test_a_directory_that_holds_a_search_is_refused(searched: Path, tmp_path: Path) -> None:
    """`--directory R` trained in the recorded trial's place, and its record was lost."""
    before = {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"--directory .* holds a search, which a replay would write over"):
        replay(searched, 2, directory=searched, runner=TrialRunner(STUB))
    assert {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()} == before
    trials_alone = tmp_path / "alone"
    shutil.copytree(searched / "trial_002", trials_alone / "trial_002")
    with pytest.raises(UserError, match="holds a search"):
        replay(searched, 2, directory=trials_alone, runner=TrialRunner(STUB))
    for _ in range(2):  # a place of its own is fine, again and again
        assert replay(searched, 1, directory=tmp_path / "own", runner=TrialRunner(STUB)).confirmed


@pytest.mark.parametrize("place", ["replays", "replays/trial_002", "replays/trial_002/checkpoints"])
def test_links_under_replays_lead_nowhere(place: str, searched: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "trial_002/checkpoints").mkdir(parents=True)
    for directory in (elsewhere, elsewhere / "trial_002/checkpoints"):
        (directory / "mine.pt").write_bytes(b"mine")
    before = sorted(elsewhere.rglob("*"))
    (searched / place).parent.mkdir(parents=True, exist_ok=True)
    (searched / place).symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a symbolic link"):
        replay(searched, 2, runner=TrialRunner(STUB))
    assert sorted(elsewhere.rglob("*")) == before
