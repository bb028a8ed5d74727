"""Read files and packed files within limits: a packed file may not burst."""

import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from inklens.errors import DataError

CHUNK_BYTES = 1 << 20
PIECE_BYTES = 16 << 10  # of packed data at a time: after each member zlib copies what is left of the piece
MAX_DATA_BYTES = 4 << 30  # unpacked data of one source; MNIST has 55 MB
BURST_BYTES = 100 << 20  # from here on, the ratio below is watched
TEXT_BURST_BYTES = 32 << 20  # the same for text, whose fields take more room than it
MAX_TEXT_RATIO = 20  # numbers to the text that they are written in; about 1
MAX_RATIO = 200  # unpacked to packed; pictures pack 5 to 30 times, a bomb up to 1032 times
GZIP_MAGIC = b"\x1f\x8b"


def open_regular(path: str | os.PathLike[str], *, remedy: str = "check the path") -> io.BufferedReader:
    """Open a regular file for reading; a FIFO, a device or a folder is a DataError, and never waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot open {os.fspath(path)!r}: {reason}; {remedy}") from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise DataError(f"{os.fspath(path)!r} is {_kind(mode)}, not a regular file; give a file that can be read")
    return os.fdopen(handle, "rb")


def read_file(path: str | os.PathLike[str], *, limit: int = MAX_DATA_BYTES, is_text: bool = False) -> bytes:
    """Return the content of a file, unpacked when it is gzip."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise DataError(f"{os.fspath(path)!r} has {size:,} bytes; at most {limit:,} are taken")
        try:
            chunks = unpacked(file, limit=limit, name=str(path), is_text=is_text)
            data = b"".join(_without_holes(chunks, str(path)) if is_text else chunks)
        except OSError as error:
            raise DataError(f"cannot read {os.fspath(path)!r}: {error.strerror or error}") from error
        return data


def _without_holes(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Refuse text with a NUL at once, not after a hole of gigabytes was read: three zero bytes are none in UTF-16."""
    for chunk in chunks:
        if b"\0\0\0" in chunk:
            raise DataError(f"{name!r} has a NUL character: no text; get the file again")
        yield chunk


def unpacked(file: BinaryIO, *, limit: int, name: str, is_text: bool = False) -> Iterator[bytes]:
    """Yield the bytes of a file, through gzip when it begins like gzip; stop with a DataError at `limit`.

    Memory stays at one chunk; the ratio of unpacked to packed is watched as well, see `MAX_RATIO`.
    """
    head = _piece(file, PIECE_BYTES)
    if not head.startswith(GZIP_MAGIC):
        total = 0
        while head:
            total += len(head)
            _check(total, total, limit, BURST_BYTES, name)
            yield head
            head = _piece(file, CHUNK_BYTES)
        return
    yield from _gunzip(file, head, limit=limit, burst=TEXT_BURST_BYTES if is_text else BURST_BYTES, name=name)


def _piece(file: BinaryIO, most: int) -> bytes:
    """Return the next bytes; none of a file of the kernel that would be waited for."""
    return file.read(most) or b""


def _gunzip(file: BinaryIO, head: bytes, *, limit: int, burst: int, name: str) -> Iterator[bytes]:
    """Unpack one or more gzip members."""
    unpacker, packed, total = zlib.decompressobj(wbits=31), len(head), 0
    try:
        while head:
            chunk = unpacker.decompress(head, CHUNK_BYTES)
            total += len(chunk)
            _check(total, packed, limit, burst, name)
            if chunk:
                yield chunk
            head = unpacker.unconsumed_tail
            if unpacker.eof:
                head = unpacker.unused_data or _piece(file, PIECE_BYTES)
                packed += 0 if unpacker.unused_data else len(head)
                if head.strip(b"\0"):
                    unpacker = zlib.decompressobj(wbits=31)
                else:
                    return
            elif not head:
                head = _piece(file, PIECE_BYTES)
                packed += len(head)
    except zlib.error as error:
        raise DataError(f"{name!r} is damaged: {error}; get the file again") from error
    raise DataError(f"{name!r} is cut off: the packed data end too early; get the file again")


def _check(total: int, packed: int, limit: int, burst: int, name: str) -> None:
    if total > limit:
        raise DataError(f"{name!r} unpacks to more than the {limit:,} bytes that are taken; get the file again")
    if total > burst and total > MAX_RATIO * packed:
        raise DataError(f"{name!r} unpacks to over {MAX_RATIO} times its size; pictures never do: it was refused")


def check_burst(held: int, packed: int, *, name: str, ratio: int = MAX_RATIO) -> None:
    """Refuse data that take far more room than the file that they are written in; `held` may be known beforehand.

    Raises
    ------
    DataError
        Over 100 MB and over `ratio` times the file, or over 4 GB.
    """
    if held > MAX_DATA_BYTES or (held > BURST_BYTES and held > ratio * packed):
        raise DataError(
            f"{name}: {held:,} bytes of data in {packed:,} bytes of file; at most {ratio} times as much is taken "
            f"beyond {BURST_BYTES:,} bytes, and at most {MAX_DATA_BYTES:,} bytes"
        )


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path in which ``~`` is somebody's home, unless a file has that very name, or nobody is called so."""
    path = Path(text)
    try:
        return path if os.path.lexists(path) else path.expanduser()
    except (RuntimeError, ValueError):
        return path


def existing(path: str | os.PathLike[str], *, kind: str) -> Path:
    """Return the path of an existing file or folder, or say what is missing."""
    path = user_path(path)
    there = what_lies_at(path)
    if there is None:
        raise DataError(f"there is no {kind} {str(path)!r}; check the path")
    if there != f"a {kind}":
        raise DataError(
            f"{str(path)!r} is {there}, not a {'folder' if kind == 'folder' else 'regular file'}; check the path"
        )
    return path


def what_lies_at(path: str | os.PathLike[str]) -> str | None:
    """Return in words what is there, at the end of all links; None where nothing is.

    >>> what_lies_at("/"), what_lies_at("no/such/place")
    ('a folder', None)

    Raises
    ------
    DataError
        The system takes it for no path, or does not let us look.
    """
    try:
        return _kind(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return "a link to nothing" if os.path.lexists(path) else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot look at {os.fspath(path)!r}: {reason}; check the path") from error


def _kind(mode: int) -> str:
    kinds = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
