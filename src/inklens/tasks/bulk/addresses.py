"""Pictures at addresses that fsspec opens, such as ``s3://bucket/scans``: found here, fetched where they are read."""

import glob
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from inklens.addresses import file_system, path_of, read_bytes
from inklens.errors import InklensError, MissingPackageError, PhotoError
from inklens.photos.limits import MAX_FILE_BYTES
from inklens.tasks.bulk.found import Found, is_litter, is_picture

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# What file systems call the time of the last change, each in its own way: SSH and local, S3, Azure, Google, others.
TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


def found_at(place: str, notes: list[str], *, most_notes: int) -> Iterator[Found]:
    """Yield a file, the pictures of a folder, or what fits a pattern.

    A folder is listed one folder at a time; a pattern, as fsspec does it, at once.

    Parameters
    ----------
    place : str
        A web page that lists files counts as a folder if its address ends with a slash.
    notes : list of str
        Takes up to `most_notes` folders that could not be looked into.

    Raises
    ------
    PhotoError
        There is nothing of that name, or it cannot be looked into.
    MissingPackageError
        A package is needed to open this address.
    """
    with _said(place):
        files, name = file_system(place)
        if glob.has_magic(name):
            fitting = files.glob(name, detail=True)
            if not fitting:
                raise PhotoError(f"no file fits {place!r}; check the pattern", code="missing")
            yield from (_found(files, info, place) for info in fitting.values() if info["type"] == "file")
            return
        info = files.info(name)
        if place.endswith("/") or info["type"] == "directory":
            yield from _below(files, name, place, notes, most_notes)
        else:
            yield _found(files, info, place)


def found_named(address: str) -> Found:
    """Return one file of a list, whether it is there or not."""
    try:
        files, name = file_system(address)
        return _found(files, files.info(name), address)._replace(path=address, source=address)
    except MissingPackageError:
        raise
    except Exception:  # whatever its file system raises; who reads it will say why
        return Found(address, 0, 0, address)


def content_of(source: str) -> bytes | None:
    """Return the bytes of a picture at an address, or as many as a picture may have; None for a path.

    Raises
    ------
    PhotoError
        They cannot be had.
    """
    if path_of(source) is not None:
        return None
    with _said(source):
        return read_bytes(source, 0, MAX_FILE_BYTES + 1)


def _below(files: "AbstractFileSystem", root: str, place: str, notes: list[str], most_notes: int) -> Iterator[Found]:
    waiting, seen = [root], {root}
    while waiting:
        here = waiting.pop()
        try:
            entries = files.ls(here, detail=True)
        except OSError as error:
            if here == root:
                raise
            if len(notes) < most_notes:
                notes.append(f"the folder {files.unstrip_protocol(here)!r} was skipped: {error}")
            continue
        for info in entries:
            path = info["name"].rstrip("/")
            name = path.rpartition("/")[2]
            if is_litter(name) or path in seen:
                continue
            if info["type"] == "directory":
                seen.add(path)
                waiting.append(info["name"])
            elif is_picture(name.partition("?")[0]):
                yield _found(files, info, place)


def _found(files: "AbstractFileSystem", info: Mapping[str, object], place: str) -> Found:
    """Return a file with its whole address: behind ``::`` stands what its own file system lies in."""
    _, chained, rest = place.partition("::")
    address = files.unstrip_protocol(str(info["name"])) + chained + rest
    address = path_of(address) or address
    size = info.get("size")
    return Found(address, int(size) if isinstance(size, int | float) else 0, _modified(info), address)


def _modified(info: Mapping[str, object]) -> int:
    """Return the time of the last change in nanoseconds since 1970; 0 where none is told.

    >>> _modified({"mtime": 1.5}), _modified({"LastModified": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)}), _modified({})
    (1500000000, 2000000000, 0)
    """
    when = next((info[name] for name in TIMES if info.get(name) is not None), None)
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            return 0
    if isinstance(when, datetime):
        when = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return int(when * 1e9) if isinstance(when, int | float) else 0


@contextmanager
def _said(place: str) -> Iterator[None]:
    """Say of which address an error is."""
    try:
        yield
    except (InklensError, MemoryError):
        raise
    except ImportError as error:  # fsspec knows what it lacks for a protocol
        raise MissingPackageError(f"cannot open {place!r}: {error}") from error
    except FileNotFoundError as error:
        raise PhotoError(f"there is no file or folder {place!r}; check the address", code="missing") from error
    except Exception as error:  # each of fsspec's file systems has errors of its own
        raise PhotoError(f"cannot open {place!r}: {error}", code="unreadable") from error
