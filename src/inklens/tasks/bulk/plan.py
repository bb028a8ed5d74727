"""Which pictures have to be read, in which batches, and which part of the table each batch fills."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from inklens.tasks.bulk.found import Found
from inklens.tasks.bulk.sorting import Spool

MOST_BYTES = 64 << 20  # of the files of a batch: large photos make smaller batches


class Known(NamedTuple):
    """What the table says of a picture."""

    path: str
    size: int
    modified: int
    part: int  # which holds its row
    settled: bool  # False: the error had nothing to do with what is in the file


class Batch(NamedTuple):
    """Pictures that are read together, in order of their paths."""

    part: int  # which they fill
    pictures: tuple[Found, ...]
    replaces: bool = False  # the part is there, and the rows of these pictures in it give way


Pair = tuple[Found | None, Known | None]


def paired(pictures: Iterable[Found], known: Iterable[Known]) -> Iterator[Pair]:
    """Join sorted pictures and sorted rows by path; a picture that was found twice is one.

    >>> a, b = Found("a.png", 1, 2, "a.png"), Found("b.png", 1, 2, "b.png")
    >>> [(found is not None, row is not None) for found, row in paired([a, a, b], [Known("b.png", 1, 2, 0, True)])]
    [(True, False), (True, True)]
    """
    for _, same in groupby(merge(pictures, known, key=itemgetter(0)), key=itemgetter(0)):
        found: Found | None = None
        row: Known | None = None
        for record in same:
            if isinstance(record, Found):
                found = found or record
            elif isinstance(record, Known):
                row = record
        yield found, row


def is_done(found: Found, row: Known) -> bool:
    """Whether the table has a row for just this file."""
    return row.settled and (found.size, found.modified) == (row.size, row.modified)


def planned(pairs: Iterable[Pair], *, taken: Iterable[int], size: int) -> Iterator[Batch]:
    """Yield the batches that make the table whole.

    The sorted pictures are cut into blocks, and block k fills part k: so a run that was killed is continued as if it
    had not been, and rows are in order of their paths. Where part k is there already (pictures were added since),
    new ones follow in parts of their own. A picture that has changed is read again, and its row replaced where it is.

    Parameters
    ----------
    pairs : iterable of (Found or None, Known or None)
        From `paired`.
    taken : iterable of int
        Numbers of the parts that are there.
    size : int
        Pictures of a batch, at most.
    """
    taken = set(taken)
    last = max(taken, default=-1)
    changed: Spool[tuple[int, Found]] = Spool()
    later: Spool[Found] = Spool()
    for part, block in enumerate(blocks(((found, row) for found, row in pairs if found is not None), size)):
        last = max(last, part)
        for found, row in block:
            if row is not None and not is_done(found, row):
                changed.add((row.part, found))
        new = [found for found, row in block if row is None]
        if part not in taken and new:
            yield Batch(part, tuple(new))
        else:
            for found in new:
                later.add(found)
    for part, rows in groupby(changed, key=itemgetter(0)):
        yield Batch(part, tuple(found for _, found in rows), replaces=True)
    for part, added in enumerate(blocks(((found, None) for found in later), size), last + 1):
        yield Batch(part, tuple(found for found, _ in added))


def blocks(pairs: Iterable[tuple[Found, Known | None]], size: int) -> Iterator[list[tuple[Found, Known | None]]]:
    """Cut into runs of `size` pictures, less where their files are large.

    >>> large = Found("a.png", MOST_BYTES, 0, "a.png")
    >>> [len(block) for block in blocks([(large, None)] * 2 + [(large._replace(size=1), None)] * 5, 4)]
    [1, 1, 4, 1]
    """
    block: list[tuple[Found, Known | None]] = []
    n_bytes = 0
    for pair in pairs:
        if block and (len(block) == size or n_bytes + pair[0].size > MOST_BYTES):
            yield block
            block, n_bytes = [], 0
        block.append(pair)
        n_bytes += pair[0].size
    if block:
        yield block


def batch_size(n_pictures: int) -> int:
    """Return how many pictures make a batch: few, so that little is lost, but no more than some thousand parts.

    >>> batch_size(500), batch_size(1_000_000), batch_size(100_000_000)
    (100, 250, 2000)
    """
    return min(max(100, n_pictures // 4_000), 2_000)
