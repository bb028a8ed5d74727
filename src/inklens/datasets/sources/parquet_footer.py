"""What a Parquet file says of itself, read before pyarrow holds any of it.

The footer is a structure in Thrift's compact protocol (parquet.thrift of the Apache Parquet format). pyarrow holds a
hundred times what a hostile one takes on disk, and ends the process where chunks and columns contradict each other;
this reader holds a line for each column, and passes over the rest.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from inklens.errors import DataError
from inklens.reprs import counted

MAGIC, TAIL_BYTES = b"PAR1", 8  # the length of the footer and the magic number end the file
FOOTER_BYTES = 64 << 20
HELD_BYTES, COLUMN_BYTES, CHUNK_BYTES = 165_000_000, 1600, 900  # what pyarrow 26 holds for a column, and for its chunk
MOST_DEEP = 32  # structures within structures; pyarrow's own limit for Thrift is 64
BOOLEAN, INT32, FLOAT, BYTE_ARRAY = 0, 1, 4, 6  # physical types (enum Type)
REPEATED = 2  # enum FieldRepetitionType
DELTA_BYTE_ARRAY = 7  # enum Encoding
WIDTHS = {BOOLEAN: 1, INT32: 4, FLOAT: 4, BYTE_ARRAY: 4}  # bytes of a value; a text is held by its number
TRUE, FALSE, BYTE, INTEGERS, DOUBLE, BINARY, SEQUENCES, MAP, STRUCT = 1, 2, 3, (4, 5, 6), 7, 8, (9, 10), 11, 12


@dataclass(slots=True)
class Leaf:
    """A column of values: one that has no columns below it.

    Attributes
    ----------
    path : str
        The names from the root to it, joined by points.
    kind : int
        Its physical type.
    width : int
        The bytes of a value, and of the two levels that place it where values are nested.
    longest : int
        The bytes of the largest chunk, unpacked, in which a text may repeat all of the one before.
    """

    path: str
    kind: int
    width: int
    longest: int = 0


@dataclass
class Footer:
    """The columns of a file and what they come to.

    Attributes
    ----------
    n_rows : int
        The rows that the file declares.
    leaves : list of Leaf
        Its columns, in their order in each group of rows.
    unpacked, decoded : int
        The bytes of all pages before they are decoded, and of all values after.
    """

    n_rows: int = -1
    leaves: list[Leaf] = field(default_factory=list)
    unpacked: int = 0
    decoded: int = 0


class _Thrift:
    """A reader of Thrift's compact protocol that keeps nothing but its place."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def unsigned(self) -> int:
        """Return a number of seven bits a byte, the lowest first."""
        data, at = self.data, self.at
        byte = data[at]
        number, shift = byte & 127, 7
        while byte > 127:
            at += 1
            byte = data[at]
            number |= (byte & 127) << shift
            shift += 7
            if shift > 70:
                raise ValueError("a number of more than 64 bits")
        self.at = at + 1
        return number

    def integer(self) -> int:
        """Return a number whose lowest bit is its sign."""
        number = self.unsigned()
        return (number >> 1) ^ -(number & 1)

    def pass_bytes(self) -> None:
        length = self.unsigned()
        if length > len(self.data) - self.at:
            raise ValueError("a text that goes on behind the end")
        self.at += length

    def text(self) -> str:
        start = self.at
        self.pass_bytes()
        end, self.at = self.at, start
        start = end - self.unsigned()
        self.at = end
        return self.data[start:end].decode()

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the type of each field of a structure; whoever asks for the next has read this one."""
        number, data = 0, self.data
        while head := data[self.at]:
            self.at += 1
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15
        self.at += 1

    def items(self, kind: int) -> int:
        """Return how many values of this type a list has."""
        length, found = self._list()
        if found != kind and length:
            raise ValueError(f"a list of values of type {found} where {kind} was expected")
        return length

    def _list(self) -> tuple[int, int]:
        head = self.data[self.at]
        self.at += 1
        length = self.unsigned() if head >> 4 == 15 else head >> 4
        if length > len(self.data) - self.at:
            raise ValueError("a list that goes on behind the end")
        return length, head & 15

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a value that nobody asked for."""
        if kind in INTEGERS:
            self.unsigned()
        elif kind == BINARY:
            self.pass_bytes()
        elif kind == STRUCT and depth < MOST_DEEP:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in SEQUENCES and depth < MOST_DEEP:
            length, inner = self._list()
            for _ in range(length):
                self.skip(BYTE if inner in (TRUE, FALSE) else inner, depth + 1)
        elif kind == DOUBLE:
            self.at += 8
        elif kind == BYTE:
            self.at += 1
        elif kind not in (TRUE, FALSE):
            raise ValueError(f"a value of type {kind}")


def read_footer(file: BinaryIO, where: str) -> Footer:
    """Return what a file says of its columns.

    Parameters
    ----------
    file : binary file
        Open for reading; its place is moved.
    where : str
        What the file is called in errors.

    Raises
    ------
    DataError
        A footer that is damaged, contradicts itself, or would take more than 165 MB of memory.
    """
    try:
        return _footer(_Thrift(_footer_bytes(file)))
    except DataError as error:
        raise DataError(f"{where!r}: {error}") from error
    except (IndexError, ValueError) as error:
        raise DataError(f"{where!r} is no readable Parquet file: its footer is damaged ({error})") from error


def _footer_bytes(file: BinaryIO) -> bytes:
    n_bytes = os.fstat(file.fileno()).st_size
    file.seek(max(0, n_bytes - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC:
        raise ValueError("it does not end as such files do")
    if length > n_bytes - TAIL_BYTES:
        raise ValueError("it is said to be longer than the file")
    if length > FOOTER_BYTES:
        raise DataError(f"its footer takes {length:,} bytes; at most {FOOTER_BYTES:,} are taken; {_remedy()}")
    file.seek(n_bytes - TAIL_BYTES - length)
    return file.read(length)


def _remedy() -> str:
    return "write each picture as a list of numbers in one column 'image', in fewer groups of rows"


def _footer(thrift: _Thrift) -> Footer:
    footer = Footer()
    for number, kind in thrift.fields():
        if number == 2 and kind == SEQUENCES[0]:
            _check_held(n_columns := thrift.items(STRUCT), 1)
            footer.leaves = _leaves([_element(thrift) for _ in range(n_columns)])
        elif number == 3 and kind in INTEGERS:
            footer.n_rows = _size(thrift)
        elif number == 4 and kind == SEQUENCES[0]:
            _check_held(len(footer.leaves), n_groups := thrift.items(STRUCT))
            for _ in range(n_groups):
                _add_group(thrift, footer)
        else:
            thrift.skip(kind)
    if footer.n_rows < 0 or not footer.leaves:
        raise ValueError("it names no columns or no number of rows")
    return footer


def _check_held(n_columns: int, n_groups: int) -> None:
    """Say that so many columns, in so many groups of rows, would take too much memory."""
    if n_columns * COLUMN_BYTES + max(1, n_columns) * n_groups * CHUNK_BYTES > HELD_BYTES:
        groups = counted(n_groups, "group of rows", "groups of rows")
        raise DataError(
            f"it has {counted(n_columns, 'column')} in {groups}, for which pyarrow takes over {HELD_BYTES:,} bytes of "
            f"memory; {_remedy()}"
        )


def _size(thrift: _Thrift) -> int:
    if (size := thrift.integer()) < 0:
        raise DataError("it declares sizes below 0")
    return size


@dataclass(slots=True)
class _Element:
    """A column of the schema, or a structure of columns that follow it."""

    name: str = ""
    kind: int = -1
    length: int = 0
    is_repeated: bool = False
    n_children: int = 0


def _element(thrift: _Thrift) -> _Element:
    element = _Element()
    for number, kind in thrift.fields():
        if number == 1 and kind in INTEGERS:
            element.kind = thrift.integer()
        elif number == 2 and kind in INTEGERS:
            element.length = _size(thrift)
        elif number == 3 and kind in INTEGERS:
            element.is_repeated = thrift.integer() == REPEATED
        elif number == 4 and kind == BINARY:
            element.name = thrift.text()
        elif number == 5 and kind in INTEGERS:
            element.n_children = _size(thrift)
        else:
            thrift.skip(kind)
    return element


def _leaves(elements: list[_Element]) -> list[Leaf]:
    """Return the columns of values of a schema that is written depth first, its root at the head."""
    leaves, above = [], [(elements[0].n_children, "", False)] if elements else []
    for element in elements[1:]:
        while above and above[-1][0] == 0:
            above.pop()
        if not above or len(above) > MOST_DEEP:
            raise ValueError("columns that are no part of the schema, or too deep in it")
        left, path, is_repeated = above.pop()
        above.append((left - 1, path, is_repeated))
        path, is_repeated = path + element.name, is_repeated or element.is_repeated
        if element.n_children:
            above.append((element.n_children, path + ".", is_repeated))
        else:
            width = max(element.length, WIDTHS.get(element.kind, 8)) + 4 * is_repeated
            leaves.append(Leaf(path, element.kind, width))
    if any(left for left, _, _ in above):
        raise ValueError("a schema that lacks columns")
    return leaves


def _add_group(thrift: _Thrift, footer: Footer) -> None:
    """Add what a group of rows declares."""
    n_chunks = 0
    for number, kind in thrift.fields():
        if number == 1 and kind == SEQUENCES[0]:
            n_chunks = thrift.items(STRUCT)
            if n_chunks == len(footer.leaves):
                for leaf in footer.leaves:
                    _add_chunk(thrift, footer, leaf)
        elif number == 2 and kind in INTEGERS:
            footer.unpacked += _size(thrift)
        elif number == 3 and kind in INTEGERS:
            _size(thrift)
        else:
            thrift.skip(kind)
        if n_chunks != len(footer.leaves):
            raise ValueError(f"a group of rows with {n_chunks} of {len(footer.leaves)} columns")


def _add_chunk(thrift: _Thrift, footer: Footer, leaf: Leaf) -> None:
    has_sizes = False
    for number, kind in thrift.fields():
        if number == 3 and kind == STRUCT:
            _add_sizes(thrift, footer, leaf)
            has_sizes = True
        else:
            thrift.skip(kind)
    if not has_sizes:
        raise ValueError(f"column {leaf.path!r} has no sizes")


def _add_sizes(thrift: _Thrift, footer: Footer, leaf: Leaf) -> None:
    is_repeating, unpacked, n_values = False, 0, -1
    for number, kind in thrift.fields():
        if number == 2 and kind == SEQUENCES[0]:
            is_repeating = DELTA_BYTE_ARRAY in [thrift.integer() for _ in range(thrift.items(INTEGERS[1]))]
        elif number == 5 and kind in INTEGERS:
            n_values = _size(thrift)
        elif number == 6 and kind in INTEGERS:
            unpacked = _size(thrift)
        else:
            thrift.skip(kind)
    if n_values < 0:
        raise ValueError(f"column {leaf.path!r} has no number of values")
    footer.decoded += n_values * leaf.width
    if is_repeating:
        leaf.longest = max(leaf.longest, unpacked, 1)
