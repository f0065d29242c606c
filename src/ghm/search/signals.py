"""Ctrl-C, SIGTERM and a closed terminal: the first asks the search to stop, the second stops it at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stop_signals(stop: Callable[[], None], kill: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first signal; at the second ``kill``, and raise KeyboardInterrupt in the main thread.

    A closed terminal stays ignored where it is (``nohup``). Outside the main thread, where Python has no signals,
    this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if received == 1:
            stop()
        else:
            kill()
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if not (number == signal.SIGHUP and handler is signal.SIG_IGN):
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
