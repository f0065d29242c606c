"""A search's heartbeat: what trials do when they stop coming, and who may take the directory over."""

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ghm.errors import UserError
from ghm.search.backends import heartbeat as heartbeat_module
from ghm.search.backends.heartbeat import Heartbeat, SearchWatch, take_over
from ghm.search.backends.process_identity import this_process
from ghm.search.settings.config import SearchConfig
from tests.cluster.support import Clock, wait_until


@pytest.fixture
def written(tmp_path: Path) -> Heartbeat:
    """Signs of which one is written, and no other."""
    signs = Heartbeat(tmp_path, 60.0)
    (tmp_path / ".workers").mkdir()
    signs._write()
    return signs


def test_silence_stops_a_trial_after_half_a_heartbeat_and_kills_it_after_a_whole_one(
    tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(heartbeat_module, "time", clock)
    watch = SearchWatch(tmp_path, written.token, 60.0)
    orders: dict[float, Any] = {}
    for seconds in (0.0, 29.0, 31.0, 59.0, 61.0):
        clock.now = 1000.0 + seconds
        orders[seconds] = watch.look()
    assert orders == {0.0: "run", 29.0: "run", 31.0: "stop", 59.0: "stop", 61.0: "kill"}
    written._write()
    assert watch.look() == "run", "it lives"


def test_a_search_that_stands_still_gives_no_signs_and_its_trials_stand_still(
    tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    written._order = "pause"
    written._write()
    clock = Clock()
    monkeypatch.setattr(heartbeat_module, "time", clock)
    watch = SearchWatch(tmp_path, written.token, 60.0)
    assert watch.look() == "pause"
    clock.now += 1e6
    assert watch.look() == "pause"


def test_orders_are_written_at_once_and_the_end_is_told(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, 3600.0) as signs:
        watch = SearchWatch(tmp_path, signs.token, 3600.0)
        assert watch.look() == "run"
        for order in ("pause", "run", "stop", "kill"):
            signs.order(order, wait=True)  # type: ignore[arg-type]
            assert watch.look() == order
    assert watch.look() == "stop"


def test_trials_of_another_call_of_the_search_stop(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, 60.0) as first:
        watch = SearchWatch(tmp_path, first.token, 60.0)
        assert watch.look() == "run"
        take_over(tmp_path)  # this process holds the lock: the first call is dead, whatever its file says
        assert watch.look() == "stop"
        with Heartbeat(tmp_path, 60.0):
            assert watch.look() == "stop"
            first.order("run")
            wait_until(lambda: first.superseded)
            assert watch.look() == "stop", "who was superseded writes no more"


def test_a_search_of_another_host_that_gives_signs_is_refused_though_the_lock_was_free(
    tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = dataclasses.replace(this_process(), host="elsewhere", machine="another")
    monkeypatch.setattr(heartbeat_module, "this_process", lambda: elsewhere)
    written._write()

    class Lives(Clock):
        """While the time of this clock passes, the other search goes on writing."""

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            written._write()

    monkeypatch.setattr(heartbeat_module, "time", Lives())
    with pytest.raises(UserError, match=r"process \d+ on host elsewhere.*does not pass on"):
        take_over(tmp_path)
    with written:
        pass
    take_over(tmp_path)  # it said that it was over


def test_a_search_of_another_host_that_is_silent_is_taken_over_after_half_a_heartbeat(
    tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = dataclasses.replace(this_process(), host="elsewhere", machine="another")
    monkeypatch.setattr(heartbeat_module, "this_process", lambda: elsewhere)
    written._write()
    clock = Clock()
    monkeypatch.setattr(heartbeat_module, "time", clock)
    take_over(tmp_path)
    assert clock.now - 1000.0 >= 30.0


@pytest.mark.parametrize("heartbeat", [1e9, 1e300, 10**400, float(10**308) * 10, -1, True, "60", None])
def test_a_heartbeat_that_no_search_has_is_not_waited_for(
    heartbeat: Any, tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = dataclasses.replace(this_process(), host="elsewhere", machine="another")
    owner = dataclasses.asdict(elsewhere)
    content = {"search": "x", "owner": owner, "heartbeat": heartbeat, "order": "run", "beat": 1}
    monkeypatch.setattr(heartbeat_module, "check_seal", lambda _data: content)
    clock = Clock()
    monkeypatch.setattr(heartbeat_module, "time", clock)
    take_over(tmp_path)
    assert clock.now == 1000.0


def test_what_is_waited_for_is_said(
    tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = dataclasses.replace(this_process(), host="elsewhere", machine="another")
    monkeypatch.setattr(heartbeat_module, "this_process", lambda: elsewhere)
    written._write()
    monkeypatch.setattr(heartbeat_module, "time", Clock())
    take_over(tmp_path)
    assert f"process {elsewhere.pid} on host elsewhere); waiting 30 s" in capsys.readouterr().err
    with pytest.raises(UserError, match="--heartbeat must be at most 3600 seconds; received 1000000000"):
        SearchConfig(heartbeat=1e9)


def test_a_damaged_sign_is_no_news(tmp_path: Path, written: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(heartbeat_module, "time", clock)
    watch = SearchWatch(tmp_path, written.token, 60.0)
    assert watch.look() == "run"
    path = tmp_path / ".workers/search.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert watch.look() == "run"
    clock.now += 61.0
    assert watch.look() == "kill"
    take_over(tmp_path)
    assert not path.exists()


def test_a_handler_that_interrupts_another_one_gives_its_order(tmp_path: Path) -> None:
    """Signals' handlers run one within the other, in the middle of anything; orders take no lock that they could hold."""
    with Heartbeat(tmp_path, 60.0) as signs:
        assert signs._thread is not threading.current_thread()
        signs.order("stop")
        signs.order("kill", wait=True)
        assert signs._written == "kill"
        assert time.monotonic() > 0
