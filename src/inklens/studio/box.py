"""A box for a process that reads hostile bytes: no file, no network, so much memory, so much time."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from inklens.studio import limits


@dataclass(frozen=True)
class Box:
    """What a child may take once it has started.

    Parameters
    ----------
    seconds : float
        Of the clock; the parent kills it then.
    cpu_seconds : int
        Of its processor.
    n_bytes : int
        Of address space beyond what it starts with.
    opens : bool
        Whether it may open files to read.
    required : bool
        Refuse to work where the system has no such limits.
    """

    seconds: float = limits.PHOTO_SECONDS
    cpu_seconds: int = limits.PHOTO_CPU_SECONDS
    n_bytes: int = limits.BOX_BYTES
    opens: bool = False
    required: bool = True


PHOTO = Box()
ARCHIVE = Box(limits.DATA_SECONDS, limits.DATA_CPU_SECONDS, limits.DATA_BOX_BYTES)
ARRAYS = Box(limits.DATA_SECONDS, limits.DATA_CPU_SECONDS, limits.DATA_BOX_BYTES, opens=True)  # numbers, no pictures


class NoBoxError(RuntimeError):
    """A system without limits for processes."""


def enclose(box: Box) -> None:
    """Put this process into a box, for good.

    It keeps the pipe to its parent; every further open, socket or pipe fails, a file cannot grow, and memory and
    processor time end where the box says.

    Raises
    ------
    NoBoxError
        The system has no such limits, and they are required.
    """
    try:
        import resource
    except ImportError as error:
        if box.required:
            raise NoBoxError("this system has no limits for processes") from error
        return
    used = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1  # a forked process starts at 0
    wanted = {
        resource.RLIMIT_CPU: used + box.cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    if not box.opens:
        wanted[resource.RLIMIT_NOFILE] = 0
    if sys.platform == "linux":  # elsewhere address space is not what a process uses
        wanted[resource.RLIMIT_AS] = _address_space() + box.n_bytes
    for name, most in wanted.items():
        hard = resource.getrlimit(name)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (least, least))


def _address_space() -> int:
    """Return the bytes of address space that this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")
