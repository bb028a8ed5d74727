"""Outputs: files that are whole or not there, and devices, pipes and links that stay what they are.

A regular file is written under a temporary name, flushed, synced, renamed, and its folder synced; what a killed
writer has left is removed by the next writer of that name. A symbolic link is
followed, so that its target is replaced and not the link. A device, a pipe, or the file that standard output or error
goes to is written through once all bytes are known.
"""

import io
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from inklens.errors import OutputError, ParameterError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

PART = ".part"
MOST_SHOWN = 80  # characters of a name that is too long
FIGURE_ENDINGS = (".svg", ".png")


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that appears under its name only when the block ends without an error.

    Missing parent folders are made. On any failure, Ctrl-C included, the temporary file is removed and an
    older file of that name is left as it was.

    Raises
    ------
    OutputError
        The folder or the file cannot be written, or the disk is full.
    """
    path = Path(path)
    try:
        _check_name(path)
        there = _status(path)
        if there is None or not _is_written_through(there):
            with _replaced(_target(path)) as file:
                yield file
        else:
            buffer = io.BytesIO()
            yield buffer
            _write_through(path, there, buffer.getvalue())
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"cannot write {str(path)!r}: {error.strerror}; choose a folder that you may write to, on a disk with room"
        ) from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` as one whole file."""
    with atomic_file(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as one whole UTF-8 file; bytes of a path that are none, which it may name, become escapes."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_inside(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file that nobody has named, in a folder that somebody has, as one whole file.

    A pipe or a device there was meant for nothing of ours, and a pipe would be waited for.

    Raises
    ------
    OutputError
        As `write_bytes`; something that is no regular file lies there.
    """
    there = None
    with suppress(OSError):  # which the writing tells of
        there = _status(Path(path))
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise OutputError(f"cannot write {os.fspath(path)!r}: it is no regular file; move it, or choose another folder")
    write_text(path, data) if isinstance(data, str) else write_bytes(path, data)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file or a link, if there is one.

    Raises
    ------
    OutputError
        It cannot be removed.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot remove {os.fspath(path)!r}: {error.strerror}; remove it by hand") from error


def holds(path: str | os.PathLike[str], data: bytes) -> bool:
    """Tell whether a file of these very bytes is there, as far as it can be read."""
    path = Path(path)
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def keeps_all(path: str | os.PathLike[str]) -> bool:
    """Tell whether all that is ever written there stays: a pipe, a device, a stream. A file is replaced each time."""
    there = _status(Path(path))
    return there is not None and _is_written_through(there)


def _is_written_through(there: os.stat_result) -> bool:
    return not stat.S_ISREG(there.st_mode) or _standard_stream(there) is not None


def _check_name(path: str | os.PathLike[str]) -> None:
    """Refuse what the system takes for no name at all: too long, a loop of links, a NUL in it."""
    try:
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            raise OutputError(f"cannot write {os.fspath(path)!r}: it is a socket; choose another name")
    except OutputError:
        raise
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # may become one, or is told of by who writes
        return
    except (OSError, ValueError) as error:
        name, reason = os.fspath(path), getattr(error, "strerror", None) or error
        shown = name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}..."
        raise OutputError(f"cannot write {shown!r}: {reason}; choose another name") from error


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse a file in a folder that is not there: a misspelt path should cost no long work.

    Raises
    ------
    OutputError
        There is no such folder, or no name of a file.
    """
    name, folder = os.fspath(path), Path(path).parent
    if not name or name.endswith(("/", os.sep)):
        raise OutputError(f"cannot write {name!r}: it names no file; give its name, too")
    _check_name(path)
    if not folder.is_dir():
        raise OutputError(
            f"cannot write {name!r}: there is no folder {str(folder)!r}; make it first (mkdir), or name another file"
        )


def check_ending(path: str | os.PathLike[str], endings: tuple[str, ...] = FIGURE_ENDINGS) -> None:
    """Refuse a figure of another kind than its name can say.

    Raises
    ------
    ParameterError
        The name ends otherwise.
    """
    name = Path(path).name
    if Path(path).suffix.lower() not in endings:
        raise ParameterError(f"expected a figure file ending in {' or '.join(endings)}, got {name!r}")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuse as a folder what is there and is none: a file, a device, a pipe, a link to nothing.

    Raises
    ------
    OutputError
        Nothing can be written into it.
    """
    if not os.fspath(path) or (os.path.lexists(path) and not Path(path).is_dir()):
        raise OutputError(f"cannot write into {os.fspath(path)!r}: it is no folder; name a folder, or a new one")
    _check_name(path)


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that takes the place of `path` at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary, handle = _temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name != "nt":  # there, an open file cannot be renamed
                temporary.replace(path)
        if os.name == "nt":
            temporary.replace(path)
    except BaseException as error:
        try:
            temporary.unlink(missing_ok=True)
        except OSError as second:
            left = f"and {str(temporary)!r}, which is unfinished, could not be removed ({second.strerror})"
            if isinstance(error, OSError):
                raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}; {left}") from error
            error.add_note(left)
        raise
    _sync_folder(path.parent)


def _temporary(path: Path) -> tuple[Path, int]:
    """Make a file beside `path`, with the permissions of any new file, that is locked as long as its writer lives."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

    def made(name: Path) -> int:
        return os.open(name, flags, 0o666)  # less the umask, which only the system knows without changing it

    return _locked(path, PART, made)


def temporary_folder(path: Path, suffix: str) -> tuple[Path, int]:
    """Make a folder beside `path`; closing the handle says that its maker needs it no longer."""

    def made(name: Path) -> int:
        name.mkdir(mode=0o700)
        return os.open(name, os.O_RDONLY)

    return _locked(path, suffix, made)


def abandoned(path: Path, suffix: str) -> Iterator[Path]:
    """Yield what makers of such temporaries have left that were killed; what is locked belongs to a living one."""
    leftover = re.compile(re.escape(_prefix(path)) + "[0-9a-f]{16}" + re.escape(suffix))
    try:
        found = [path.parent / name for name in os.listdir(path.parent) if leftover.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return
    for old in found:
        try:
            handle = os.open(old, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            continue
        try:
            if _lock(handle, wait=False):
                yield old
        finally:
            _close(handle)


def _sweep(path: Path) -> None:
    """Remove what killed writers of this name have left."""
    for old in abandoned(path, PART):
        with suppress(OSError):
            old.unlink(missing_ok=True)


def _locked(path: Path, suffix: str, make: Callable[[Path], int]) -> tuple[Path, int]:
    """Return a temporary of `path` that nobody has swept between its making and its locking, and its handle."""
    while True:
        temporary = path.parent / f"{_prefix(path)}{secrets.token_hex(8)}{suffix}"
        handle = make(temporary)
        _lock(handle)
        try:
            if os.path.samestat(temporary.stat(), os.fstat(handle)):
                return temporary, handle
        except FileNotFoundError:
            pass
        _close(handle)


def _close(handle: int) -> None:
    """Close what was only looked at, or locked: should that fail, no byte is lost."""
    with suppress(OSError):
        os.close(handle)


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}."


def _lock(handle: int, *, wait: bool = True) -> bool:
    """Lock a file until its last handle is closed; tell whether that could be done at once."""
    if fcntl is None:  # on Windows an open file cannot be removed anyway
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another holds it, or a file system without locks: then nothing is swept
        return False
    return True


def _status(path: Path) -> os.stat_result | None:
    """Return what lies at the end of all links, or None: nothing yet."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):  # the latter is said when the parents are made
        return None


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _write_through(path: Path, there: os.stat_result, data: bytes) -> None:
    """Write into what is there; where a standard stream leads to it, behind what that has written so far."""
    stream = _standard_stream(there)
    if stream is None:
        file = path.open("wb")
    else:
        for text in (sys.stdout, sys.stderr):
            text.flush()
        file = os.fdopen(os.dup(stream), "wb")
    with file:
        file.write(data)


def _standard_stream(there: os.stat_result) -> int | None:
    """Return 1 or 2 where standard output or standard error goes to this very file."""
    for stream in (1, 2):
        try:
            if os.path.samestat(there, os.fstat(stream)):
                return stream
        except OSError:  # closed
            continue
    return None


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power loss; some file systems refuse, which is no failure."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        _close(handle)
