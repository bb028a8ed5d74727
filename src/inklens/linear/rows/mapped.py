"""Memory-mapped files: found behind an array, and their pages given back after reading.

The pages of a mapping count as the process's memory until it lets go of them; then the system keeps what it has room
for, and reads the rest from the file again.
"""

import mmap
from collections.abc import Iterator

import numpy as np


def is_mapped(values: object) -> bool:
    """Tell whether an array looks at a memory-mapped file, as a view of any depth.

    >>> is_mapped(np.zeros(3)[1:])
    False
    """
    return any(isinstance(owner, np.memmap) for owner in _owners(values))


def release(values: np.ndarray) -> None:
    """Give the pages under an array back, so that they do not count as this process's memory; they stay readable.

    Nothing is done where these pages may differ from the file (``mode="c"``), or without a file.
    """
    owners = list(_owners(values))
    file = owners[-1]
    modes = {owner.mode for owner in owners if isinstance(owner, np.memmap)}
    is_shared = bool(modes) and modes <= {"r", "r+", "w+"}
    if not (is_shared and isinstance(file, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")):
        return
    first, last = np.lib.array_utils.byte_bounds(values)
    begin = np.frombuffer(file, dtype=np.uint8).ctypes.data
    start = (first - begin) // mmap.PAGESIZE * mmap.PAGESIZE
    file.madvise(mmap.MADV_DONTNEED, start, min(last - begin, len(file)) - start)


def _owners(values: object) -> Iterator[object]:
    """Yield the array and whose memory it looks at, down to the last."""
    while values is not None:
        yield values
        values = getattr(values, "base", None)
