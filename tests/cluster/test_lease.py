"""The lease of a trial's directory: one owner at a time, however owners end."""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from ghm.search.backends import lease as lease_module
from ghm.search.backends.lease import Lease, LostError, holder, take
from ghm.search.backends.process_identity import Owner, this_process
from ghm.search.trials import process as process_module
from tests.cluster.support import Clock, wait_until
from tests.cluster.twins import enter_and_leave, hold

TERM = 0.5
MINUTE = 60.0


def never() -> bool:
    return False


def after(seconds: float) -> "lease_module.Callable[[], bool]":
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "trial_001"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lease_module, "time", made)
    return made


def taken(directory: Path, term: float = TERM) -> Lease:
    lease = take(directory, term, never)
    assert lease is not None
    return lease


def another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process takes leases as one of another host, whose life nobody here can look up."""
    elsewhere = dataclasses.replace(this_process(), host="elsewhere", machine="another")
    monkeypatch.setattr(lease_module, "this_process", lambda: elsewhere)


def test_a_lease_is_respected_while_it_is_renewed_and_free_once_it_is_released(directory: Path) -> None:
    term = 4 * TERM  # a second between what is asserted and what a busy machine might do instead
    lease = taken(directory, term)
    for _ in range(3):
        lease.renew()
        assert take(directory, term, after(term / 2)) is None
    assert holder(directory) == this_process()
    lease.release()
    assert holder(directory) is None
    assert taken(directory).number == 2


def test_who_does_not_renew_loses_the_lease_after_its_term(directory: Path) -> None:
    lease, began = taken(directory), time.monotonic()
    second = taken(directory, MINUTE)  # not endangered soon, however long the lines below take
    assert time.monotonic() - began >= TERM
    assert lease.endangered
    with pytest.raises(LostError):
        lease.renew()
    lease.release()
    assert holder(directory) is not None, "who has lost the lease must not release the other one's"
    assert not second.endangered


def test_an_owner_is_in_danger_half_a_term_before_others_may_take_its_lease(directory: Path, clock: Clock) -> None:
    lease, endangered = taken(directory, MINUTE), {}
    for seconds in (0.0, 29.0, 31.0, 59.0):
        clock.now = 1000.0 + seconds
        endangered[seconds] = lease.endangered
    assert endangered == {0.0: False, 29.0: False, 31.0: True, 59.0: True}
    lease.renew()
    assert not lease.endangered


def test_a_renewal_counts_from_its_beginning_however_late_the_server_answers(
    directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may have seen the file as soon as it was sent, and count from then on."""
    lease, write = taken(directory, MINUTE), lease_module.write_atomically

    def answered_late(*arguments: Any, **options: Any) -> None:
        write(*arguments, **options)
        clock.now += 40.0

    monkeypatch.setattr(lease_module, "write_atomically", answered_late)
    lease.renew()
    assert lease.endangered


@pytest.mark.parametrize(("own", "wanted"), [(60.0, 2.0), (2.0, 60.0)])
def test_a_lease_counts_for_the_term_that_its_owner_wrote(
    own: float, wanted: float, directory: Path, clock: Clock
) -> None:
    """Searches with another heartbeat may follow one another in a directory."""
    taken(directory, own)
    assert take(directory, wanted, lambda: clock.now > 1000.0 + own - 1.0) is None
    began = clock.now
    assert taken(directory, wanted).number == 2
    assert own <= clock.now - began < own + 1.0


@pytest.mark.parametrize("term", [1e9, 1e300, 10**400, float("inf"), float("nan"), -1.0, "60", None])
def test_a_term_that_no_worker_has_counts_as_ones_own(
    term: Any, directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    another_host(monkeypatch)
    taken(directory)
    content = {"owner": vars(lease_module.this_process()), "term": term, "beat": 1, "released": False}
    monkeypatch.setattr(lease_module, "check_seal", lambda _data: content)
    began = clock.now
    assert take(directory, MINUTE, lambda: clock.now > began + 2 * MINUTE) is not None
    assert MINUTE <= clock.now - began < MINUTE + 1.0
    assert "an unknown process, which holds" in capsys.readouterr().err


def test_a_number_beyond_those_that_grow_is_refused_at_once(directory: Path, clock: Clock) -> None:
    directory.mkdir()
    (directory / "lease-999999999.json").touch()
    with pytest.raises(OSError, match=r"no lease of this program: remove it.*lease-999999999"):
        take(directory, MINUTE, lambda: clock.now > 1000.0 + 3 * MINUTE)


def test_who_finds_a_name_taken_waits_before_it_looks_again(
    directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "_make", lambda *_: None)
    looks = 0

    def hopeless() -> bool:
        nonlocal looks
        looks += 1
        return clock.now > 1000.0 + MINUTE or looks > 1000

    assert take(directory, MINUTE, hopeless) is None
    assert looks < 1000


def test_processes_of_another_user_are_nobodys_trials(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--parent_pid", "1", "--ckpt_dir", str(directory / "checkpoints")]
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", *arguments])
    other = os.getuid() + 1
    try:
        with monkeypatch.context() as patch:
            patch.setattr(process_module.os, "getuid", lambda: other)
            process_module.end_processes_of(directory)
            assert process_module.end_orphans(directory.parent) == []
        assert process.poll() is None
        with monkeypatch.context() as patch:
            patch.setattr(psutil.Process, "kill", denied)
            patch.setattr(psutil.Process, "status", denied)
            process_module.end_processes_of(directory)
        process_module.end_processes_of(directory)
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def denied(process: psutil.Process) -> None:
    raise psutil.AccessDenied(process.pid)


def test_who_takes_a_lost_lease_ends_what_the_lost_owner_left_running(directory: Path, clock: Clock) -> None:
    """Its trial, and no other one."""
    with contextlib.ExitStack() as ended:
        trials = []
        for name in ("trial_001", "trial_002"):
            arguments = ["--parent_pid", "1", "--ckpt_dir", str(directory.with_name(name) / "checkpoints")]
            trial = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", *arguments])
            ended.callback(trial.wait)
            ended.callback(trial.kill)
            trials.append(trial)
        first = taken(directory)
        assert [trial.poll() for trial in trials] == [None, None], "the directory was free"
        first.release()
        taken(directory)
        assert [trial.poll() for trial in trials] == [None, None], "nobody was lost"
        taken(directory)
        assert [trial.poll() for trial in trials] == [-signal.SIGKILL, None]


def test_a_dead_owner_of_this_machine_is_known_at_once_one_of_another_after_the_term(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(directory, MINUTE, 60))
    process.start()
    wait_until(lambda: holder(directory) is not None if directory.exists() else False)
    assert take(directory, MINUTE, after(0.2)) is None, "it lives"
    process.kill()
    process.join()
    began = time.monotonic()
    lease = taken(directory, MINUTE)
    assert time.monotonic() - began < MINUTE / 2, "a term would have to pass, if it were not known"
    lease.release()
    another_host(monkeypatch)
    taken(directory)
    monkeypatch.undo()
    began = time.monotonic()
    taken(directory)
    assert time.monotonic() - began >= TERM


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    assert not this_process().dead
    assert dataclasses.replace(this_process(), started=this_process().started - 1).dead
    assert not dataclasses.replace(this_process(), machine="another", pid=2**22 + 1).dead, "nobody here can tell"


def test_of_many_processes_one_at_a_time_is_inside(directory: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        met = [future.result() for future in [pool.submit(enter_and_leave, directory, 8) for _ in range(4)]]
    assert met == [0, 0, 0, 0]
    assert len(list(directory.glob("lease-*.json"))) == 32, "numbers only grow"


def test_who_slept_cannot_take_for_free_what_was_taken_since(directory: Path) -> None:
    lease = taken(directory)
    lease.release()
    current = taken(directory)
    for number in (1, 2):
        assert lease_module._make(directory, number, TERM) is None
    current.renew()


@pytest.mark.parametrize("bit", range(0, 2000, 97))
def test_a_flipped_bit_in_a_lease_frees_nothing_before_the_term(directory: Path, bit: int) -> None:
    taken(directory)
    path = directory / "lease-1.json"
    data = bytearray(path.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    path.write_bytes(data)
    assert take(directory, 30.0, after(0.05)) is None
    assert holder(directory) == Owner("unknown", "", 0, 0)


def test_a_lease_that_was_never_written_counts_for_the_term(directory: Path) -> None:
    directory.mkdir()
    (directory / "lease-1.json").touch()
    began = time.monotonic()
    assert taken(directory).number == 2
    assert time.monotonic() - began >= TERM


def test_a_link_in_a_leases_place_is_not_written_through(directory: Path, tmp_path: Path) -> None:
    directory.mkdir()
    (directory / "lease-1.json").symlink_to(tmp_path / "elsewhere")
    assert taken(directory).number == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_results_directory_that_has_vanished_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="trial_001"):
        take(tmp_path / "gone" / "trial_001", TERM, never)


@pytest.mark.timeout(60)
def test_a_trial_that_has_ended_is_not_waited_for_though_its_parent_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its parent, the lost owner, does not fetch it: waiting for that would cost the new owner its own lease."""
    monkeypatch.setattr(process_module, "_ORPHAN_WAIT_S", 1e6)
    code = "import os, subprocess as s; print(s.Popen(['sleep', '600']).pid, flush=True); os.kill(os.getpid(), s.signal.SIGSTOP)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            trial = psutil.Process(int(parent.stdout.readline()))
            wait_until(lambda: psutil.Process(parent.pid).status() == psutil.STATUS_STOPPED)
            process_module._kill([trial])
            assert trial.status() == psutil.STATUS_ZOMBIE
        finally:
            parent.kill()
