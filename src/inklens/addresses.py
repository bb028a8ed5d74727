"""Files by path or address: how large they are, and some of their bytes. Addresses are opened by fsspec."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from inklens.errors import require

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


OPEN_ALREADY = re.compile("/dev/stdin|(/dev|/proc/self)/fd/[0-9]+")  # as a shell names its own pipes: <(command)


def may_never_end(path: str | os.PathLike[str]) -> bool:
    """Tell what would be waited for, or read, for ever: FIFOs and devices, but for a pipe that a shell has opened.

    >>> may_never_end("/dev/null"), may_never_end("/"), may_never_end("no such file")
    (True, False, False)
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    if stat.S_ISFIFO(mode):
        return not OPEN_ALREADY.fullmatch(os.fspath(path))
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def read_some(file: IO[bytes], most: int) -> bytes:
    """Return at most so many bytes of an open file; none of one without a size, as the kernel's own, which may wait."""
    status = os.fstat(file.fileno())
    return b"" if stat.S_ISREG(status.st_mode) and status.st_size == 0 else file.read(most)


def is_address(name: str) -> bool:
    """Tell an address from the path of a file.

    >>> is_address("s3://bucket/1.npy"), is_address("folder/1.npy")
    (True, False)
    """
    return "://" in name


def path_of(name: str) -> str | None:
    """Return the path in this computer's file system; None where a file is elsewhere.

    >>> path_of("file:///data/1.npy"), path_of("s3://bucket/1.npy")
    ('/data/1.npy', None)
    """
    return name.removeprefix("file://") if not is_address(name) or name.startswith("file://") else None


def file_system(address: str) -> "tuple[AbstractFileSystem, str]":
    """Return fsspec's file system of an address, and the file's name there."""
    files, name = require("fsspec.core", extra="dask").url_to_fs(address)
    return files, name


def size_of(name: str) -> int | None:
    """Return a file's size in bytes, where that is known."""
    if (path := path_of(name)) is not None:
        return Path(path).stat().st_size
    files, there = file_system(name)
    size = files.size(there)
    return None if size is None else int(size)


def read_bytes(name: str, first: int = 0, last: int | None = None) -> bytes:
    """Return the bytes from `first` to before `last`, less where the file ends."""
    if (path := path_of(name)) is not None:
        with Path(path).open("rb") as file:
            file.seek(first)
            return file.read() if last is None else file.read(last - first)
    if first == last:
        return b""
    files, there = file_system(name)
    if last is None:
        return bytes(files.cat_file(there))[first:]
    content = bytes(files.cat_file(there, start=first, end=last))
    return content[first:last] if len(content) > last - first else content  # a server without ranges sends everything


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """Open a file in which one can go back and forth."""
    if (path := path_of(name)) is not None:
        with Path(path).open("rb") as file:
            yield file
        return
    files, there = file_system(name)
    with files.open(there, "rb") as file:
        yield file
