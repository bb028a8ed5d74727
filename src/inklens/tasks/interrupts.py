"""Ctrl-C at the wrong moment: between the end of long work and the file that it is for."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Ignore one Ctrl-C while what long work has found is kept; a second one ends that, too.

    >>> with held_back():
    ...     signal.raise_signal(signal.SIGINT)
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # no signal comes to this thread, or none that anybody handles in Python
        return
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if came:
            before(number, frame)
        came.append(number)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
