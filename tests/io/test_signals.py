"""Signals while a run goes on: which are heard, and that the caller has its own handlers again."""

import os
import signal
from collections.abc import Iterator

import pytest

from ghm.io.platforms import stop_signals

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*STOPS, signal.SIGTSTP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def told(number: signal.Signals) -> list[str]:
    """What a run is told when the signal comes once."""
    found: list[str] = []
    with stop_signals(
        lambda: found.append("stop"), None, pause=lambda: found.append("pause"), go_on=lambda: found.append("go on")
    ):
        os.kill(os.getpid(), number)
    return found


@pytest.mark.parametrize("number", STOPS)
def test_a_run_is_told_to_stop(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)
    assert told(number) == ["stop"]


@pytest.mark.parametrize(
    ("number", "heard"),
    [
        (signal.SIGHUP, []),  # under nohup
        (signal.SIGTSTP, []),  # started where there is no job control
        (
            signal.SIGINT,
            ["stop"],
        ),  # in the background of a script, whose shell ignores it; a search's own trials still stop
        (signal.SIGTERM, ["stop"]),
    ],
)
def test_of_ignored_signals_a_hang_up_and_ctrl_z_stay_ignored(number: signal.Signals, heard: list[str]) -> None:
    signal.signal(number, signal.SIG_IGN)
    assert told(number) == heard


@pytest.mark.parametrize("number", STOPS)
def test_the_caller_has_its_handler_again(number: signal.Signals) -> None:
    def own(*_: object) -> None:
        """The caller's."""

    signal.signal(number, own)
    with stop_signals(lambda: None, None):
        assert signal.getsignal(number) is not own
    assert signal.getsignal(number) is own


def test_a_terminal_that_hung_up_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert told(signal.SIGHUP) == ["stop"]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
