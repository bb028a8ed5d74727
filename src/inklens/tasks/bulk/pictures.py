"""Pictures of a folder, of patterns and of lists: found one by one, so that millions of names need no memory."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from inklens.addresses import path_of
from inklens.errors import PhotoError
from inklens.tasks.bulk.addresses import found_at, found_named
from inklens.tasks.bulk.found import Found, is_litter, is_picture

NOTES = 20  # folders that are named where they cannot be looked into


class Search:
    """All pictures of some places.

    Parameters
    ----------
    places : iterable of str
        Files; folders, with all that is below them and has a picture's ending; patterns such as ``scans/**/*.png``;
        each also as an address that fsspec opens.
    named : iterable of str
        Files again, from a list: one that is not there is found all the same, and becomes an error of its own.

    Iterating yields `Found`, in no order, and twice what is named twice. Links to folders are not followed.
    """

    def __init__(self, places: Iterable[str], *, named: Iterable[str] = ()) -> None:
        self.places, self.named = places, named
        self.notes: list[str] = []  # what could not be looked into

    def __iter__(self) -> Iterator[Found]:
        for place in self.places:
            path = path_of(place)
            yield from found_at(place, self.notes, most_notes=NOTES) if path is None else self._at(path)
        for name in self.named:
            path = path_of(name)
            yield found_named(name) if path is None else _found(path)

    def _at(self, place: str) -> Iterator[Found]:
        """Yield a file, the pictures of a folder, or what fits a pattern.

        Raises
        ------
        PhotoError
            There is nothing of that name.
        """
        if os.path.isdir(place):  # noqa: PTH112 (many names; a Path for each takes longer than the rest)
            yield from self._below(place)
        elif os.path.lexists(place):
            yield _found(place)
        elif glob.has_magic(place):
            yield from self._fitting(place)
        else:
            raise PhotoError(f"there is no file or folder {place!r}; check the name", code="missing")

    def _fitting(self, pattern: str) -> Iterator[Found]:
        parts = Path(pattern).parts
        fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        root, any_fits = Path(*parts[:fixed]), False
        for path in root.glob(str(Path(*parts[fixed:]))):  # which follows no links to folders, as `glob.glob` does
            if not any(part.startswith(".") for part in path.relative_to(root).parts):
                any_fits = True
                yield from self._below(str(path)) if path.is_dir() else [_found(str(path))]
        if not any_fits:
            raise PhotoError(f"no file fits {pattern!r}; check the pattern", code="missing")

    def _below(self, folder: str) -> Iterator[Found]:
        waiting = [os.path.abspath(folder)]  # noqa: PTH100 (a link stays what it is called)
        while waiting:
            here = waiting.pop()
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        if is_litter(entry.name):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        elif is_picture(entry.name) and not entry.is_dir():
                            yield _found(entry.path)
            except OSError as error:
                if len(self.notes) < NOTES:
                    self.notes.append(f"the folder {shown(here)!r} was skipped: {error.strerror}")


def names_on(lines: Iterable[str]) -> Iterator[str]:
    """Yield the names on a list, one a line; empty lines do not count.

    >>> list(names_on(["a.png\\n", "\\n", "two words.jpg"]))
    ['a.png', 'two words.jpg']
    """
    return (name for line in lines if (name := line.rstrip("\r\n")))


def shown(path: str) -> str:
    """Return a path as text; bytes that are no UTF-8 are written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _found(name: str) -> Found:
    path = os.path.abspath(name)  # noqa: PTH100
    try:
        there = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return Found(shown(path), 0, 0, path)
    if not stat.S_ISREG(there.st_mode):
        return Found(shown(path), 0, 0, path)
    return Found(shown(path), there.st_size, there.st_mtime_ns, path)
