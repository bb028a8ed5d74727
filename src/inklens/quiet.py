"""Warnings left out on one thread, while the others, and the program's own filters, stay as they are.

`warnings.catch_warnings` replaces the filters of the whole process: two threads that leave it in the wrong order leave
"ignore" behind for good. Here a filter is put first once and stays; it matches on the threads that are inside `quiet`.
"""

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Inside(threading.local):
    """Stands in a filter where the pattern of a module's name stands: matches while its thread is inside `quiet`.

    Who copies the filters, for threads or processes of theirs, gets a pattern that matches no name.
    """

    depth = 0
    pattern = "(?!)"

    def __reduce__(self) -> tuple[Callable[[str], re.Pattern[str]], tuple[str]]:
        return re.compile, (self.pattern,)

    def match(self, module: str) -> bool:
        return self.depth > 0


@contextmanager
def quiet(category: type[Warning] = Warning, *, message: str | None = None) -> Iterator[None]:
    """Ignore warnings of a category, and with a text that begins so, on this thread until the block ends.

    >>> with quiet():
    ...     warnings.warn("of no interest")
    """
    inside, entry = _filters.setdefault((category, message), _filter(category, message))
    _put_first(entry)
    inside.depth += 1
    try:
        yield
    finally:
        inside.depth -= 1


_Filter = tuple[str, re.Pattern[str] | None, type[Warning], _Inside, int]  # as `warnings.filters` holds them


_filters: dict[tuple[type[Warning], str | None], tuple[_Inside, _Filter]] = {}


def _filter(category: type[Warning], message: str | None) -> tuple[_Inside, _Filter]:
    inside = _Inside()
    return inside, ("ignore", re.compile(message) if message else None, category, inside, 0)


def _put_first(entry: _Filter) -> None:
    """Move a filter to the front, where no "error" comes before it; one that matches nothing does no harm there.

    Later filters keep their places: another thread may be on its way through them.
    """
    filters: list = warnings.filters  # type: ignore[assignment]
    if not filters or filters[0] is not entry:
        filters[:] = [entry, *(other for other in filters if other is not entry)]


class _Process:
    is_ours = False


def process_is_ours() -> None:
    """Say that this process runs inklens alone: what libraries print on their own may be switched off."""
    _Process.is_ours = True


def is_process_ours() -> bool:
    """Tell whether somebody has said so."""
    return _Process.is_ours
