"""How much memory a computation may take beside its data: one number that everything large asks.

Hessians, held scores and copies of rows each take a share of it. By default it is a quarter of what is free, as the
operating system and, in a container, the control group tell.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from inklens.errors import ParameterError

FREE_SHARE = 0.25  # of the free memory, that a computation may take
LEAST = 1 << 26  # bytes: below, nothing could be fitted
UNKNOWN_FREE = 1 << 31  # bytes that are taken to be free where the system does not tell
FRESH_SECONDS = 5.0  # for which what was free is taken to be so still
VARIABLE = "INKLENS_MEMORY_LIMIT"  # bytes, or a number with K, M, G or T, as in 500M
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
UNLIMITED = 1 << 60  # control groups write larger numbers for no limit
GROUPS = (  # limit and use of the control group, version 2 and 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)

_given: ContextVar[int | None] = ContextVar("memory_limit", default=None)
_seen: list[tuple[float, int]] = []  # when free memory was looked at last, and what there was


@contextmanager
def scope(n_bytes: int | None) -> Iterator[None]:
    """Let what runs inside take so many bytes; None changes nothing.

    >>> with scope(1 << 27):
    ...     limit() == 1 << 27
    True
    """
    if n_bytes is not None and n_bytes < LEAST:
        raise ParameterError(f"the memory limit must be at least {LEAST:,} bytes, got {n_bytes:,}")
    token = _given.set(_given.get() if n_bytes is None else int(n_bytes))
    try:
        yield
    finally:
        _given.reset(token)


def limit() -> int:
    """Return the bytes that a computation may take: of the scope, of INKLENS_MEMORY_LIMIT, or a quarter of the free."""
    given = _given.get()
    if given is not None:
        return given
    wanted = os.environ.get(VARIABLE, "")
    return parsed(wanted) if wanted else max(LEAST, int(FREE_SHARE * free()))


def share(of_limit: float, most: int) -> int:
    """Return a share of the limit, and no more than `most` bytes."""
    return min(most, int(of_limit * limit()))


def require(n_bytes: float, what: str, remedy: str) -> None:
    """Raise MemoryError before something is begun that takes more than is free: a system may end the process for it.

    >>> require(1e15, "10,000,000,000 columns of 10 classes", "leave some out")
    Traceback (most recent call last):
    ...
    MemoryError: 10,000,000,000 columns of 10 classes take about 1,000,000 GB, and ... GB are free; leave some out
    """
    there = free()
    if n_bytes > there:
        raise MemoryError(f"{what} take about {n_bytes / 1e9:,.0f} GB, and {there / 1e9:,.1f} GB are free; {remedy}")


def parsed(text: str) -> int:
    """Return a number of bytes that a person wrote.

    >>> parsed("500M"), parsed("2 GB")
    (524288000, 2147483648)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?)I?B?\s*", text.upper())
    n_bytes = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if n_bytes < LEAST:
        raise ParameterError(
            f"{VARIABLE} must be a number of bytes, at least {LEAST:,}, or one with K, M, G or T such as 500M; "
            f"got {text!r}"
        )
    return n_bytes


def free() -> int:
    """Return the bytes that are free, about: the least of what the system and the control group tell."""
    now = time.monotonic()
    if not _seen or now - _seen[-1][0] > FRESH_SECONDS:
        _seen[:] = [(now, min(_of_system(), *(_of_group(*files) for files in GROUPS)))]
    return _seen[-1][1]


def _of_system() -> int:
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
        if found:
            return int(found[1]) << 10
    except OSError:  # not Linux
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows, or a system without these names
        return UNKNOWN_FREE


def _of_group(maximum: str, current: str) -> int:
    try:
        most, used = (Path(name).read_text(encoding="ascii").strip() for name in (maximum, current))
        return max(0, int(most) - int(used)) if most != "max" and int(most) < UNLIMITED else UNLIMITED
    except (OSError, ValueError):
        return UNLIMITED
