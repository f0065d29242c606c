"""Interrupted, damaged, moved, locked, changed: what a search does when it is continued."""

import contextlib
import dataclasses
import datetime
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ghm.errors import UserError
from ghm.search import HyperparameterSearch, SearchConfig, SearchSpace
from ghm.search.display.observer import Observer
from ghm.search.records.lock import locked
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.process import STOP_GRACE_S, end_orphans
from ghm.search.trials.trial import Trial
from tests.search.instant import INSTANT, InstantTrial
from tests.search.support import comparable, no_solver, read, results_file, run_search

ROOT = Path(__file__).parents[2]
QUIET = ("--progress", "none")
SMALL = ("--n_trials", 4, "--n_iterations", 6, *QUIET)

# What the first trial makes as its training begins; by then it takes signals.
UNDER_WAY = "trial_001/logs"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    results_dir = tmp_path_factory.mktemp("undisturbed") / "r"
    assert run_search(*SMALL, "--results_dir", results_dir) == 0
    return comparable(read(results_dir))


def launch(*arguments: object, step: float = 0.1) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.search.support", *map(str, arguments)]
    environment = os.environ | {"STUB_STEP_S": str(step)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True, preexec_fn=_heed_signals
    )


def _heed_signals() -> None:
    """Under nohup the hang-up is ignored, and what is started there inherits that; so is Ctrl-C in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for(path: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.005)


def test_interrupted_at_every_trial_boundary(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    results_dir = tmp_path / "r"
    run_search(*SMALL[2:], "--n_trials", 1, "--results_dir", results_dir)
    for total in (2, 3, 4):
        assert run_search("--resume", results_dir, "--n_trials", total, *QUIET) == 0
        assert len(read(results_dir)["results"]) == total
    assert comparable(read(results_dir)) == undisturbed


def test_resuming_a_finished_search_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "r")
    before = read(tmp_path / "r")

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a trial was started")

    assert run_search("--resume", tmp_path / "r", popen=never) == 0
    assert read(tmp_path / "r")["results"] == before["results"]
    # Fewer trials than there are: asked for by name, and none is thrown away.
    assert run_search("--resume", tmp_path / "r", "--n_trials", 2, popen=never) == 2
    assert "--n_trials 2 is fewer than the 4 of the search" in capsys.readouterr().err
    assert run_search("--resume", tmp_path / "r", "--n_trials", 2, "--allow_drift", popen=never) == 0
    assert read(tmp_path / "r")["results"] == before["results"]


def test_of_several_resume_flags_the_last_one_counts(tmp_path: Path) -> None:
    assert run_search(*SMALL, "--results_dir", tmp_path / "r") == 0
    assert run_search("--resume", tmp_path / "nowhere", "--resume", tmp_path / "r", *QUIET) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_in_order_and_the_printed_command_resumes(number: signal.Signals, tmp_path: Path) -> None:
    results_dir = tmp_path / "r"
    # So many slow iterations that the first trial is under way however late the second one begins; resumed, they are quick.
    longer = (*SMALL, "--n_iterations", 60)
    search = launch(*longer, "--n_workers", 2, "--progress", "plain", "--results_dir", results_dir, step=0.5)
    for trial in ("trial_001", "trial_002"):
        wait_for(results_dir / trial / "checkpoints/latest.pt")
    search.send_signal(number)
    output, _ = search.communicate(timeout=60)
    assert search.returncode == 4
    assert "Interrupted. Continue with:" in output
    assert f"--resume {results_file(results_dir)}" in output
    statuses = [entry["metrics"]["status"] for entry in read(results_dir)["results"]]
    assert statuses == ["interrupted", "interrupted"]
    iterations = read(results_dir)["results"][0]["metrics"]["iterations"]
    assert iterations >= 1
    assert run_search("--resume", results_file(results_dir), *QUIET) == 0
    assert run_search(*longer, "--results_dir", tmp_path / "undisturbed") == 0
    assert comparable(read(results_dir)) == comparable(read(tmp_path / "undisturbed"))


def test_of_a_stop_people_are_told_before_the_trials_that_it_ends(tmp_path: Path) -> None:
    told: list[str] = []

    class Spy(Observer):
        def stopping(self) -> None:
            told.append("stopping")

        def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:
            told.append(outcome.status)

    class Ended(InstantTrial):
        """Ends at once when the search is asked to stop, as trials do that have just begun."""

        def wait(self, _timeout: float | None = None) -> int:
            os.kill(os.getpid(), signal.SIGINT)
            while not search._stopping:
                time.sleep(0.001)
            return -signal.SIGTERM

    config = SearchConfig(n_trials=2, n_iterations=4, results_dir=tmp_path / "r")
    options: dict[str, Any] = INSTANT | {"popen": Ended, "solve": no_solver}
    search = HyperparameterSearch(None, config, observers=[Spy()], **options)
    assert search.run().interrupted
    assert told == ["stopping", "completed"]


def test_a_second_signal_stops_at_once(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    results_dir = tmp_path / "r"
    # An iteration that ends long after the time that a stop in order leaves it.
    search = launch(*SMALL, "--results_dir", results_dir, step=30 * STOP_GRACE_S)
    wait_for(results_dir / UNDER_WAY)
    children = psutil.Process(search.pid).children()
    started = time.monotonic()
    for patience in (0.5, 8.0, 8.0):  # a signal that comes before the last one was seen counts as one with it
        search.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            search.wait(patience)
            break
    assert time.monotonic() - started < STOP_GRACE_S
    assert search.returncode == 4
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert run_search("--resume", results_dir, *QUIET) == 0
    assert comparable(read(results_dir)) == undisturbed


def test_the_same_signal_again_and_a_closed_terminal_do_not_make_a_stop_harder(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """At a logout the search and its trials all get SIGTERM, the terminal is gone, and the hang-up comes twice.

    And as late as one likes: up to the very end, each of them is told again and again.
    """
    results_dir = tmp_path / "r"
    command = [sys.executable, "-m", "tests.search.support", *map(str, SMALL), "--progress", "plain"]
    errors = tmp_path / "errors"
    reader, writer = os.pipe()
    with errors.open("wb") as stderr:
        search = subprocess.Popen(
            [*command, "--results_dir", str(results_dir)], env=os.environ | {"STUB_STEP_S": "0.3"}, cwd=ROOT,
            stdout=writer, stderr=stderr,
        )  # fmt: skip
    os.close(writer)
    wait_for(results_dir / "trial_001/checkpoints/latest.pt")
    os.close(reader)
    children = psutil.Process(search.pid).children()
    for number in itertools.cycle((signal.SIGTERM, signal.SIGHUP)):
        if search.poll() is not None:
            break
        search.send_signal(number)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(number)
        time.sleep(0.02)
    assert search.returncode == 4
    assert "Traceback" not in errors.read_text()
    assert "Exception ignored" not in errors.read_text()
    (entry,) = read(results_dir)["results"]
    assert entry["metrics"]["status"] == "interrupted"
    assert entry["metrics"]["iterations"] >= 1
    assert run_search("--resume", results_dir, *QUIET) == 0
    assert comparable(read(results_dir)) == undisturbed


def test_ctrl_z_lets_trials_stand_still_too(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    results_dir = tmp_path / "r"
    # The time that passes meanwhile is not the trial's.
    search = launch(*SMALL, "--trial_timeout", 8, "--results_dir", results_dir, step=0.2)
    wait_for(results_dir / "trial_001/checkpoints/latest.pt")
    process = psutil.Process(search.pid)
    (trial,) = process.children()
    search.send_signal(signal.SIGTSTP)
    deadline = time.monotonic() + 10
    while psutil.STATUS_STOPPED not in (process.status(),) or trial.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    history = (results_dir / "trial_001/history.jsonl").read_bytes()
    time.sleep(1)
    assert (results_dir / "trial_001/history.jsonl").read_bytes() == history
    search.send_signal(signal.SIGCONT)
    output, _ = search.communicate(timeout=60)
    assert search.returncode == 0, output
    assert comparable(read(results_dir)) == undisturbed


def test_orphans_are_ended_before_their_trial_runs_again(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    results_dir = tmp_path / "r"
    # A step so long that the orphan would notice only after the resumed search is over.
    search = launch(*SMALL, "--results_dir", results_dir, step=30)
    wait_for(results_dir / UNDER_WAY)
    (orphan,) = psutil.Process(search.pid).children()
    search.kill()
    search.communicate()
    assert orphan.is_running()
    assert run_search("--resume", results_dir, *QUIET) == 0
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert comparable(read(results_dir)) == undisturbed


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "deleted", "garbage", "no record", "half of both"])
def test_a_damaged_results_file_is_made_again(damage: str, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    results_dir = tmp_path / "r"
    run_search(*SMALL, "--n_trials", 2, "--results_dir", results_dir)
    path = results_file(results_dir)
    data = path.read_bytes()
    record = results_dir / "search.json"
    match damage:
        case "truncated" | "half of both":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.write_bytes(b"")
        case "flipped":
            path.write_bytes(data.replace(b'"n_iterations": 6', b'"n_iterations": 7'))
        case "deleted":
            path.unlink()
        case "garbage":
            path.write_bytes(os.urandom(3000))
        case "no record":
            record.unlink()
    if damage == "half of both":
        (results_dir / "trial_001/outcome.json").write_bytes(b"{")
    assert run_search("--resume", path, "--n_trials", 4, *QUIET) == 0
    assert results_file(results_dir) == path
    assert comparable(read(results_dir)) == undisturbed


def test_trials_whose_directories_are_gone_are_kept_from_the_results_file(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    results_dir = tmp_path / "r"
    run_search(*SMALL, "--n_trials", 2, "--results_dir", results_dir)
    shutil.rmtree(results_dir / "trial_001")
    assert run_search("--resume", results_dir, "--n_trials", 4, *QUIET) == 0
    assert not (results_dir / "trial_001").exists()
    assert comparable(read(results_dir)) == undisturbed


def test_a_damaged_checkpoint_costs_its_trial_only_a_new_start(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    results_dir = tmp_path / "r"
    run_search(*SMALL, "--n_trials", 1, "--results_dir", results_dir)
    (results_dir / "trial_002/checkpoints").mkdir(parents=True)
    (results_dir / "trial_002/checkpoints/latest.pt").write_text("{")
    assert run_search("--resume", results_dir, "--n_trials", 4, *QUIET) == 0
    assert comparable(read(results_dir)) == undisturbed


def test_failed_trials_stay_failed_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "crash"}))
    run_search(*SMALL, "--results_dir", tmp_path / "r")
    monkeypatch.setenv("STUB_MODES", "{}")
    run_search("--resume", tmp_path / "r", *QUIET)
    assert read(tmp_path / "r")["results"][0]["metrics"]["status"] == "crashed"
    run_search("--resume", tmp_path / "r", "--retry_failed", *QUIET)
    assert read(tmp_path / "r")["results"][0]["metrics"]["status"] == "completed"


def test_a_second_search_is_refused_with_the_owners_process_and_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_dir = tmp_path / "r"
    search = launch(*SMALL, "--results_dir", results_dir, step=1)
    wait_for(results_dir / "search.json")
    for flags in (["--results_dir", results_dir], ["--resume", results_dir]):
        assert run_search(*flags) == 2
        message = capsys.readouterr().err
        assert f"process {search.pid} on host {os.uname().nodename}" in message
    search.kill()
    search.communicate()
    # The lock of a dead process is nobody's.
    assert (results_dir / ".search.lock").exists()
    assert run_search("--resume", results_dir, *QUIET) == 0


def test_removing_the_lock_file_lets_no_second_search_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_dir = tmp_path / "r"
    search = launch(*SMALL, "--results_dir", results_dir, step=1)
    wait_for(results_dir / "trial_001/stdout.log")
    (results_dir / ".search.lock").unlink()
    assert run_search("--resume", results_dir) == 2
    assert f"in use by another search (process {search.pid}" in capsys.readouterr().err
    wait_for(results_dir / UNDER_WAY)
    (trial,) = psutil.Process(search.pid).children()
    # Where file servers lock files only, the trials' own parent tells.
    with pytest.raises(UserError, match=f"is run by process {search.pid}, a search that lives"):
        end_orphans(results_dir.resolve())
    assert trial.is_running()
    search.kill()
    search.communicate()


def test_settings_and_results_both_damaged_are_missed_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_dir = tmp_path / "r"
    run_search(*SMALL, "--results_dir", results_dir, **INSTANT)
    path = results_file(results_dir)
    for file in (path, results_dir / "search.json"):
        file.write_bytes(file.read_bytes()[:-9])
    for named in (results_dir, path):
        assert run_search("--resume", named) == 2
        message = capsys.readouterr().err
        assert "search.json" in message
        assert path.name in message
        assert "the own records of 4 trials are whole" in message


def test_a_link_beside_the_results_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_dir, elsewhere = tmp_path / "r", tmp_path / "elsewhere"
    run_search(*SMALL, "--results_dir", results_dir, **INSTANT)
    elsewhere.mkdir()
    (elsewhere / "checkpoints").mkdir()
    shutil.rmtree(results_dir / "trial_002")
    for name in ("trial_002", "earlier", ".search.owner.json"):
        (results_dir / name).symlink_to(elsewhere)
        before = {path: path.read_bytes() for path in results_dir.rglob("*.json") if path.is_file()}
        for flags in (["--resume", results_dir], ["--results_dir", results_dir]):
            assert run_search(*flags, **INSTANT) == 2
            assert f"{name} is a symbolic link" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in before} == before
        (results_dir / name).unlink()
    assert list(elsewhere.iterdir()) == [elsewhere / "checkpoints"]


def test_a_results_directory_that_is_a_link_itself_is_the_users_choice(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "r").symlink_to(tmp_path / "disk")
    assert run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT) == 0
    assert run_search("--resume", tmp_path / "r", **INSTANT) == 0


def test_the_lock_is_held_in_use_and_free_after_it(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "r"), pytest.raises(UserError, match="in use by another search"), locked(tmp_path / "r"):
            pytest.fail("two at a time")


DRIFTS: list[tuple[tuple[object, ...], str]] = [
    (("--dt", 0.02), "dt: recorded 0.01, now 0.02"),
    (("--T", 5), "T: recorded 10.0, now 5"),
    (("--terminal", "zero"), "terminal: recorded liquidation, now zero"),
    (("--seed_base", 7), "seed_base: recorded 123, now 7"),
    (("--model.sigma_x", 0.2), "model.sigma_x: recorded 0.12, now 0.2"),
    (("--n_iterations", 9), "n_iterations: recorded 6, now 9"),
    (("--search_type", "grid"), "search_type: recorded random, now grid"),
    (("--estimator", "martingale"), "estimator: recorded bootstrap, now martingale"),
]


@pytest.mark.parametrize(("flags", "message"), DRIFTS)
def test_drift_is_refused_and_says_what_differs(
    flags: tuple[object, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    before = {path: path.read_bytes() for path in (tmp_path / "r").rglob("*.json")}
    assert run_search("--resume", tmp_path / "r", *flags, **INSTANT) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "--allow_drift" in printed
    assert {path: path.read_bytes() for path in (tmp_path / "r").rglob("*.json")} == before


def test_drift_of_the_space_and_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    space = SearchSpace()
    space.lr_policy = [0.5]
    assert run_search("--resume", tmp_path / "r", space=space, **INSTANT) == 2
    assert "search space: lr_policy" in capsys.readouterr().err
    monkeypatch.setattr("ghm.search.records.search_record.code_version", lambda: {"ghm": "9.9"})
    assert run_search("--resume", tmp_path / "r", **INSTANT) == 2
    assert "version of ghm: recorded 1, now 9.9" in capsys.readouterr().err


def test_allowed_drift_is_recorded(tmp_path: Path) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    flags = ("--resume", tmp_path / "r", "--n_trials", 5, *QUIET)
    assert run_search(*flags, "--terminal", "zero", "--allow_drift", **INSTANT) == 0
    results = read(tmp_path / "r")
    assert len(results["results"]) == 5
    assert results["drift"][0]["differences"] == ["terminal: recorded liquidation, now zero"]
    # From then on the new settings are the search's.
    assert run_search(*flags, **INSTANT) == 0
    assert read(tmp_path / "r")["search_config"]["terminal"] == "zero"


def test_settings_hold_unless_given_again(tmp_path: Path) -> None:
    flags = ("--dt", 0.05, "--T", 5, "--log_freq", 7, "--n_workers", 3, "--model.rho", 0.1)
    run_search(*SMALL, *flags, "--results_dir", tmp_path / "r", **INSTANT)
    before = read(tmp_path / "r")["search_config"]
    run_search("--resume", tmp_path / "r", "--n_workers", 2, *QUIET, **INSTANT)
    assert read(tmp_path / "r")["search_config"] == before | {"n_workers": 2}


class FullDisk:
    """A disk that is full from the ``n``-th forced write on."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.original = os.fsync

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.original(descriptor)


# Three files of the search, two of each of four trials, a snapshot after each trial and one at the end: 2 forced writes
# each make 32. The first six are the start's, where a full disk is told otherwise; the last one is the end's.
@pytest.mark.parametrize("writes", range(7, 32, 3))
def test_a_full_disk_ends_the_search_clearly_and_nothing_is_corrupt(
    writes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "undisturbed", **INSTANT)
    with monkeypatch.context() as patch:
        # A snapshot after every trial, however slow the disk is: which write fails must not depend on the clock.
        patch.setattr("ghm.search.records.results_file.SNAPSHOT_SHARE", 1e12)
        patch.setattr(os, "fsync", FullDisk(writes))
        status = run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    assert status == 6
    assert "No space left on device" in capsys.readouterr().err
    for path in (tmp_path / "r").rglob("*.json"):
        json.loads(path.read_text())
    resume = ["--resume", tmp_path / "r"] if (tmp_path / "r/search.json").exists() else [*SMALL]
    assert run_search(*resume, "--results_dir", tmp_path / "r", "--retry_failed", *QUIET, **INSTANT) == 0
    assert comparable(read(tmp_path / "r")) == comparable(read(tmp_path / "undisturbed"))


def test_a_vanished_results_directory_ends_the_search_clearly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.search.instant import InstantTrial

    class Vanishing(InstantTrial):
        def wait(self, timeout: float | None = None) -> int:
            shutil.rmtree(tmp_path / "r")
            return 0

    options = INSTANT | {"popen": Vanishing}
    assert run_search(*SMALL, "--results_dir", tmp_path / "r", **options) == 6
    assert "No such file or directory" in capsys.readouterr().err
    assert not (tmp_path / "r").exists(), "a directory that the user removed was made again"


def test_a_vanished_trial_directory_fails_that_trial_only(tmp_path: Path) -> None:
    from tests.search.instant import InstantTrial

    class Vanishing(InstantTrial):
        def wait(self, timeout: float | None = None) -> int:
            shutil.rmtree(tmp_path / "r/trial_002", ignore_errors=True)
            return 0

    assert run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT | {"popen": Vanishing}) == 0
    statuses = [entry["metrics"]["status"] for entry in read(tmp_path / "r")["results"]]
    assert statuses == ["completed", "crashed", "completed", "completed"]


def test_a_clock_that_is_set_back_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    results_dir = tmp_path / "r"
    run_search(*SMALL, "--seed_base", 9, "--results_dir", results_dir, **INSTANT)
    later = results_file(results_dir)

    class Earlier(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:  # noqa: ARG003
            return datetime.datetime(2001, 1, 1)

    monkeypatch.setattr("ghm.search.records.search_record.datetime", Earlier)
    run_search(*SMALL, "--n_trials", 2, "--results_dir", results_dir)
    # Someone put the file of the search before back: by its name it is the newer one.
    shutil.copy(tmp_path / "r_earlier" / later.stem.removeprefix("search_results_") / later.name, later)
    assert run_search("--resume", results_dir, "--n_trials", 4, *QUIET) == 0
    later.unlink()
    assert results_file(results_dir).name == "search_results_20010101-000000.json"
    assert comparable(read(results_dir)) == undisturbed


def test_two_searches_within_a_second_have_names_of_their_own(tmp_path: Path) -> None:
    for _ in range(3):
        run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    names = {path.name for path in (tmp_path / "r_earlier").iterdir()} | {read(tmp_path / "r")["search"]}
    assert len(names) == 3


def test_configurations_depend_on_seed_base_and_number_only(tmp_path: Path) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "a", **INSTANT)
    run_search(*SMALL, "--n_trials", 9, "--n_workers", 3, "--results_dir", tmp_path / "b", **INSTANT)
    run_search(*SMALL, "--seed_base", 9, "--results_dir", tmp_path / "c", **INSTANT)
    a, b, c = (
        [(e["hyperparameters"], e["seed"] - 123) for e in read(tmp_path / name)["results"]][:4] for name in "abc"
    )
    assert a == b
    assert a != c


def test_record_is_complete(tmp_path: Path) -> None:
    run_search(*SMALL, "--results_dir", tmp_path / "r", **INSTANT)
    results = read(tmp_path / "r")
    assert list(results)[:4] == ["format", "search", "search_config", "search_space"]
    assert {"versions", "cpu", "cpu_count", "threads", "git_revision"} <= set(results["environment"])
    assert results["optimal_return"] == 6.6548
    assert results["wind_up_return"] == 5.95
    assert results["search_space"] == json.loads(json.dumps(dataclasses.asdict(SearchSpace())))


def test_failures_of_the_machine_are_tried_again_on_resume_up_to_a_limit_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results_dir = tmp_path / "r"
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "infrastructure", "125": "SIGKILL", "126": "crash"}))
    # Each attempt of the stand-in gets an iteration further before it fails.
    assert run_search("--n_trials", 4, "--n_iterations", 30, *QUIET, "--results_dir", results_dir) == 0
    assert "not the training's (2 of at most 10 such failures): --resume runs it again" in capsys.readouterr().out
    for count in (4, 6, 8, 10, 10):
        assert run_search("--resume", results_dir, *QUIET) == 0
        failures = [entry["machine_failures"] for entry in read(results_dir)["results"]]
        assert failures == [count, count, 0, 0], "a defect is not the machine's, nor tried again"
    assert "(10 of at most 10 such failures): only --resume --retry_failed runs it again" in capsys.readouterr().out
    monkeypatch.setenv("STUB_MODES", "{}")
    run_search("--resume", results_dir, *QUIET)
    assert read(results_dir)["results"][0]["metrics"]["status"] == "infrastructure"
    run_search("--resume", results_dir, "--retry_failed", *QUIET)
    assert run_search("--n_trials", 4, "--n_iterations", 30, *QUIET, "--results_dir", tmp_path / "whole") == 0
    assert comparable(read(results_dir)) == comparable(read(tmp_path / "whole"))


def test_only_an_unusable_checkpoint_makes_a_trial_start_over_and_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], undisturbed: dict[str, Any]
) -> None:
    results_dir = tmp_path / "r"
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "interrupted"}))
    run_search(*SMALL, "--results_dir", results_dir)
    latest = results_dir / "trial_001/checkpoints/latest.pt"
    before = latest.read_bytes()
    # Status 2 was taken for a bad checkpoint; a lost GPU gave it as well, and all was deleted.
    monkeypatch.setenv("STUB_MODES", json.dumps({"124": "refuse"}))
    run_search("--resume", results_dir, *QUIET)
    assert latest.read_bytes() == before
    assert read(results_dir)["results"][0]["metrics"]["status"] == "crashed"
    latest.write_bytes(before[:-9])
    monkeypatch.setenv("STUB_MODES", "{}")
    capsys.readouterr()
    assert run_search("--resume", results_dir, "--retry_failed", "--progress", "plain") == 0
    assert (
        "[Trial 1] started over: the checkpoints, kept in trial_001/damaged-1, cannot be used"
        in capsys.readouterr().out
    )
    assert (results_dir / "trial_001/damaged-1/latest.pt").read_bytes() == before[:-9]
    assert "started over" in read(results_dir)["results"][0]["note"]
    assert comparable(read(results_dir)) == undisturbed


@pytest.mark.parametrize("place", ["trial_001", "trial_001/checkpoints", "trial_001/logs", "trial_001/stdout.log"])
def test_links_in_a_trials_directory_lead_nowhere(place: str, tmp_path: Path) -> None:
    results_dir, elsewhere = tmp_path / "r", tmp_path / "elsewhere"
    run_search(*SMALL, "--n_trials", 2, "--results_dir", results_dir)
    (results_dir / "trial_001/outcome.json").unlink()
    (results_dir / "trial_001/result.json").unlink()
    results_file(results_dir).unlink()
    victim = results_dir / place
    victim.rename(elsewhere)
    victim.symlink_to(elsewhere)
    files = sorted(elsewhere.rglob("*")) if elsewhere.is_dir() else [elsewhere]
    before = {path: path.read_bytes() for path in files if path.is_file()}
    assert before or place.endswith("logs")
    status = run_search("--resume", results_dir, *QUIET)
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(elsewhere.rglob("*")) == (files if elsewhere.is_dir() else [])
    if status == 0:
        (entry, _) = read(results_dir)["results"]
        assert entry["metrics"]["status"] == "infrastructure"
        assert f"{victim} is a symbolic link" in entry["metrics"]["error"]
