"""Until when a computation may run: set by the driver, looked at inside steps.

A scope holds for what runs within it, however deep, as a timeout does in structured concurrency: nothing in between
passes it on. Long loops call `check`; compiled functions that run long are given `remaining` seconds and come back
without a result when these are over.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class OutOfTime(Exception):
    """The scope's time is over; the driver catches it and returns what there is."""


@contextmanager
def scope(seconds: float | None) -> Iterator[None]:
    """Let what runs inside end after so many seconds, or when the scope around it ends; None sets no end.

    >>> with scope(0.0):
    ...     check()
    Traceback (most recent call last):
    inklens.linear.deadline.OutOfTime
    """
    ends = _ends.get() if seconds is None else min(_ends.get(), time.perf_counter() + seconds)
    token = _ends.set(ends)
    try:
        yield
    finally:
        _ends.reset(token)


def remaining() -> float:
    """Return the seconds that are left, infinite outside every scope.

    >>> remaining()
    inf
    """
    return _ends.get() - time.perf_counter()


def check() -> None:
    """Raise `OutOfTime` when the time is over."""
    if remaining() <= 0.0:
        raise OutOfTime
