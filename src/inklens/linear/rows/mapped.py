"""Memory-mapped files: found behind an array, their pages asked for before reading, and given back after it.

The pages of a mapping count as the process's memory until it lets go of them; then the system keeps what it has room
for, and reads the rest from the file again.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from inklens.errors import DataError


@dataclass(frozen=True)
class MappedFile:
    """A file that rows are read from, as it was when they were looked at first.

    What is proven is proven of one set of rows, so a file that changes meanwhile ends the fit. A file that another took
    the place of (renamed over) stays what it was for those who have it mapped.
    """

    path: Path
    identity: tuple[int, int]  # device and number
    state: tuple[int, int]  # size in bytes, time of the last change in ns

    @classmethod
    def of(cls, values: object) -> Self | None:
        """Return the file that an array looks at; None where there is none, or where it has no name."""
        for owner in _owners(values):
            if isinstance(owner, np.memmap) and owner.filename is not None:
                if owner.mode in ("r+", "w+"):
                    owner.flush()  # so that what was written before is not noticed later
                try:
                    there = Path(owner.filename).stat()
                except OSError:  # removed or renamed: nobody reaches it by this name
                    return None
                return cls(Path(owner.filename), (there.st_dev, there.st_ino), (there.st_size, there.st_mtime_ns))
        return None

    def check(self) -> None:
        """Raise `DataError` where size or time are others than they were."""
        try:
            there = self.path.stat()
        except OSError:  # removed: the mapping keeps what it had
            return
        is_same_file = (there.st_dev, there.st_ino) == self.identity
        if is_same_file and (there.st_size, there.st_mtime_ns) != self.state:
            raise DataError(
                f"{str(self.path)!r} was changed while its rows were read; fit when nobody writes there, or a copy"
            )


def require_whole(values: object) -> None:
    """Raise `DataError` where a file has been cut since it was mapped: to read what is gone ends the process."""
    for owner in _owners(values):
        pages = getattr(owner, "_mmap", None)
        if not (isinstance(owner, np.memmap) and isinstance(pages, mmap.mmap)):
            continue
        start = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
        if pages.size() < start + len(pages):
            raise DataError(
                f"{str(owner.filename)!r} is shorter than when its rows were mapped; map it again, or write it anew"
            )


def is_mapped(values: object) -> bool:
    """Tell whether an array looks at a memory-mapped file, as a view of any depth.

    >>> is_mapped(np.zeros(3)[1:])
    False
    """
    return any(isinstance(owner, np.memmap) for owner in _owners(values))


def ask_for(values: np.ndarray) -> None:
    """Let the system begin to read the pages under an array, which returns at once; they do not count as memory yet."""
    _advise(values, "MADV_WILLNEED")


def release(values: np.ndarray) -> None:
    """Give the pages under an array back, so that they do not count as this process's memory; they stay readable.

    Nothing is done where these pages may differ from the file (``mode="c"``), or without a file.
    """
    _advise(values, "MADV_DONTNEED")


def _advise(values: np.ndarray, advice: str) -> None:
    """Give the system a piece of advice about the pages under an array, where it takes any and they are a file's."""
    owners = list(_owners(values))
    file = owners[-1]
    modes = {owner.mode for owner in owners if isinstance(owner, np.memmap)}
    is_shared = bool(modes) and modes <= {"r", "r+", "w+"}
    if not (is_shared and isinstance(file, mmap.mmap) and hasattr(mmap, advice)):
        return
    first, last = np.lib.array_utils.byte_bounds(values)
    begin = np.frombuffer(file, dtype=np.uint8).ctypes.data
    start = (first - begin) // mmap.PAGESIZE * mmap.PAGESIZE
    file.madvise(getattr(mmap, advice), start, min(last - begin, len(file)) - start)


def _owners(values: object) -> Iterator[object]:
    """Yield the array and whose memory it looks at, down to the last."""
    while values is not None:
        yield values
        values = getattr(values, "base", None)
