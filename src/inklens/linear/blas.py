"""How many threads there are: for our own kernels, and for BLAS while these share the cores.

NumPy and SciPy each bring a BLAS with a pool of its own, whose threads spin while they wait: hundreds of small products
in a row, between passes that have threads as well, are slower with two threads than with one, and on a busy machine ten
times as slow. A scope holds for the process; what was set before comes back after the last one.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Protocol

from inklens.errors import ParameterError

LARGE_WORK = 1e9  # multiply-adds of one product, from which it is worth waking threads

_given: ContextVar[int | None] = ContextVar("blas_threads", default=None)
_lock = threading.Lock()
_before: list[list[int]] = []  # what was set before the scopes that are open; one entry for each of these


def default_threads() -> int:
    """Return the number of cores this process may use; process pools lower it through OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else cores


def threads_of(n_jobs: int | None) -> int | None:
    """Return scikit-learn's `n_jobs` as a number of threads; None is all cores, as -1 is, and -2 all but one.

    >>> threads_of(3), threads_of(-1) == default_threads(), threads_of(-1000), threads_of(None)
    (3, True, 1, None)

    Raises
    ------
    ParameterError
        It is 0.
    """
    if n_jobs == 0:
        raise ParameterError("expected a number of threads as n_jobs, got 0; None or -1 takes all cores")
    return n_jobs if n_jobs is None or n_jobs > 0 else max(1, default_threads() + 1 + int(n_jobs))


class _Library(Protocol):
    def get_num_threads(self) -> int: ...
    def set_num_threads(self, n_threads: int) -> None: ...


@contextmanager
def scope(n_threads: int) -> Iterator[None]:
    """Let products inside take so many threads, and no more than were set before the outermost scope.

    >>> with scope(1):
    ...     threads() == [1] * len(threads())
    True
    """
    with _lock:
        _before.append(_before[0] if _before else threads())
        _set(n_threads)
    token = _given.set(n_threads)
    try:
        yield
    finally:
        _given.reset(token)
        with _lock:
            around = _given.get()
            before = _before.pop()
            if not _before:
                _write(before)
            elif around is not None:
                _set(around)


@contextmanager
def for_work(work: float, n_threads: int) -> Iterator[None]:
    """Let one product of so many multiply-adds take threads if it is large."""
    if work < LARGE_WORK or n_threads < 2:
        yield
        return
    with scope(n_threads):
        yield


def threads() -> list[int]:
    """Return the number of threads of each library."""
    return [library.get_num_threads() for library in _libraries()]


def _set(n_threads: int) -> None:
    _write([min(n_threads, before) for before in _before[0]])


def _write(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        if library.get_num_threads() != number:
            library.set_num_threads(number)


@cache
def _libraries() -> list[_Library]:
    """Find the libraries that are loaded; they are all there once NumPy and SciPy are."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    found: list[_Library] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found
