"""Ctrl-C, SIGTERM, a closed terminal, Ctrl-Z: what they do to a search and its trials."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from ghm.io.platforms import put_back

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)

# Two SIGINT within this time are one Ctrl-C, told twice (by the terminal and by a parent); no hand is as fast.
SAME_KEYPRESS_S = 0.2


def _nothing() -> None:
    pass


@contextlib.contextmanager
def stop_signals(
    stop: Callable[[], None],
    kill: Callable[[], None],
    pause: Callable[[], None] = _nothing,
    go_on: Callable[[], None] = _nothing,
) -> Iterator[None]:
    """Call ``stop`` at the first signal; at a second Ctrl-C ``kill``, and raise KeyboardInterrupt in the main thread.

    A stop that is under way is not made harder by SIGTERM or SIGHUP again, to the program's very end
    (:func:`ghm.io.platforms.put_back`): at a logout the kernel and the shell both hang up, at the end of a job every process is
    told, some twice. Ctrl-Z calls ``pause`` before this process stands still, and ``go_on`` after it. A closed terminal stays
    ignored where it is (``nohup``). Outside the main thread, where Python has no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[float] = []
    hung_up = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal hung_up
        hung_up = hung_up or number == signal.SIGHUP
        received.append(time.monotonic())
        if len(received) == 1:
            stop()
        elif number == signal.SIGINT and received[-1] - received[0] > SAME_KEYPRESS_S:
            kill()
            raise KeyboardInterrupt

    def stand_still(_number: int, _frame: FrameType | None) -> None:
        pause()
        # Not by the signal that came: one without a shell above it is let fall. Returns when this process may go on.
        os.kill(os.getpid(), signal.SIGSTOP)
        go_on()

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN or number not in (signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, stand_still if number == signal.SIGTSTP else handle)
    try:
        yield
    finally:
        if hung_up:  # a terminal that hung up does not come back, but may be told of again
            before[signal.SIGHUP] = signal.SIG_IGN
        put_back(before, stopped=bool(received))
