"""ARFF, the text format of OpenML: names and types of the columns, ``@DATA``, then one row per line."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inklens.datasets.labels import refuse_rows
from inklens.datasets.sources.plain import blocks, narrow, parse_block
from inklens.datasets.unpack import MAX_TEXT_RATIO, check_burst
from inklens.errors import DataError
from inklens.names import whole_number

ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.IGNORECASE | re.DOTALL)
VALUES_AT_A_TIME = 1 << 21  # values of sparse or quoted rows that are parsed at a time
MOST_CLASS_NUMBER = 2**53  # beyond, the table's float64 cannot tell classes apart
NUMERIC = ("numeric", "real", "integer")


@dataclass(frozen=True)
class Column:
    """One ``@ATTRIBUTE``: its name, and its classes when it is nominal."""

    name: str
    classes: tuple[str, ...] | None


def parse_arff(data: bytes, *, target: str, ignored: tuple[str, ...] = (), where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (n, columns) and the target's values (n,).

    A dense body of plain numbers takes seconds for MNIST's 128 MB; everything else (quoted or nominal values,
    sparse rows) goes row by row.

    Raises
    ------
    DataError
        No ARFF, no such target, text where numbers belong, missing values, or rows of different length.
    """
    columns, body_start = _read_header(data, where)
    names = [column.name for column in columns]
    if target not in names:
        raise DataError(f"{where}: there is no column {target!r} for the labels among {names[:5]} ...")
    if names.count(target) > 1:
        raise DataError(f"{where}: there are {names.count(target)} columns {target!r}; which has the labels is unclear")
    label = names.index(target)
    kept = [i for i, name in enumerate(names) if i != label and name not in ignored]
    if any(columns[i].classes is not None for i in kept) or not kept:
        raise DataError(f"{where}: its columns are no pixels (nominal or none at all); choose a data set of images")
    n_values = (1 + data.count(b"\n", body_start)) * len(columns)
    check_burst(2 * n_values, len(data), name=where, ratio=MAX_TEXT_RATIO)  # int16, as `narrow` keeps them
    parts = []
    row = 0
    for block in blocks(data, body_start):
        for table in _parse_block(block, columns, label, row, where):
            row += len(table)
            parts.append(narrow(table))
    if not row:
        raise DataError(f"{where}: there are no rows after @DATA")
    table = np.concatenate(parts)
    pixels = table[:, slice(kept[0], kept[-1] + 1) if len(kept) == kept[-1] + 1 - kept[0] else kept]
    return pixels, _label_values(table[:, label], columns[label])


def _read_header(data: bytes, where: str) -> tuple[list[Column], int]:
    """Return the columns and where the body starts."""
    columns: list[Column] = []
    position = 0
    while position < len(data):
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
        line = data[position:end].decode("utf-8", "replace").strip()
        position = end + 1
        if line.lower().startswith("@data") and columns:
            return columns, position
        if line.lower().startswith("@attribute"):
            columns.append(_read_attribute(line, where))
        elif line and not line.startswith("%") and not line.lower().startswith("@relation"):
            break
    raise DataError(f"{where} is no ARFF file: expected @ATTRIBUTE lines and @DATA, got {data[:40]!r}; get it again")


def _read_attribute(line: str, where: str) -> Column:
    match = ATTRIBUTE.fullmatch(line)
    if match is None:
        raise DataError(f"{where}: cannot read {line[:80]!r}")
    name, kind = match[1].strip("'\""), match[2].strip()
    if kind.startswith("{") and kind.endswith("}"):
        classes = _split(kind[1:-1], where=f"{where}: column {name[:40]!r}", quotechar="'")
        return Column(name, tuple(value.strip().strip('"') for value in classes))
    if kind.lower() not in NUMERIC:
        raise DataError(f"{where}: column {name!r} is of type {kind[:40]!r}; expected numbers or named classes")
    return Column(name, None)


def _parse_block(block: bytes, columns: list[Column], label: int, first_row: int, where: str) -> Iterator[np.ndarray]:
    """Yield the rows as numbers, nominal values as the number of their class."""
    table = _plain_block(block, columns, label)
    if table is not None:
        yield table
        return
    try:
        lines = [line.strip() for line in block.decode().split("\n")]
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: near row {first_row + 1}: not UTF-8 text; get the file again") from error
    lines = [line for line in lines if line and not line.startswith("%")]
    step = max(1, VALUES_AT_A_TIME // len(columns))
    for start in range(0, len(lines), step):
        yield _parse_rows(lines[start : start + step], columns, first_row + start, where)


def _plain_block(block: bytes, columns: list[Column], label: int) -> np.ndarray | None:
    """Parse plain numbers at once; None when the block holds anything else, or a class that is no number."""
    table = parse_block(block, b",", len(columns))
    classes = columns[label].classes
    if table is None or classes is None:
        return table
    numbers = [whole_number(name, MOST_CLASS_NUMBER) for name in classes]
    if any(name.isdecimal() and name != str(number) for name, number in zip(classes, numbers, strict=True)):
        return None  # 07 is not 7
    codes = {number: code for code, number in enumerate(numbers) if number is not None}
    if not set(np.unique(table[:, label]).tolist()) <= set(codes):
        return None
    table[:, label] = [codes[value] for value in table[:, label].tolist()]
    return table


def _parse_rows(lines: list[str], columns: list[Column], first_row: int, where: str) -> np.ndarray:
    codes = [{name: code for code, name in enumerate(column.classes or ())} for column in columns]
    table = np.zeros((len(lines), len(columns)))
    missing = []
    for i, line in enumerate(lines):
        for j, value in _fields(line, len(columns), first_row + i, where):
            if value == "?":
                missing.append(first_row + i)
            else:
                table[i, j] = _number(value, codes[j], columns[j], first_row + i, where)
    refuse_rows(dict.fromkeys(missing), what="missing values (?)", where=where)
    return table


def _split(text: str, *, where: str, quotechar: str, escapechar: str | None = None) -> list[str]:
    try:
        return next(csv.reader([text], quotechar=quotechar, escapechar=escapechar, skipinitialspace=True), [])
    except csv.Error as error:  # a field of over 131,072 characters, or the end of a line within one
        raise DataError(f"{where} is no readable ARFF: {error}; get the file again") from error


def _fields(line: str, n_columns: int, row: int, where: str) -> Iterator[tuple[int, str]]:
    """Yield column number and value of a dense or sparse (``{3 0.5, 7 1}``) row."""
    sparse = line.startswith("{") and line.endswith("}")
    text = line[1:-1] if sparse else line
    quote = '"' if '"' in text and "'" not in text else "'"
    fields = _split(text, where=f"{where}: row {row + 1}", quotechar=quote, escapechar="\\")
    if not sparse:
        if len(fields) != n_columns:
            raise DataError(f"{where}: row {row + 1} has {len(fields)} values, expected {n_columns}")
        yield from ((j, value.strip()) for j, value in enumerate(fields))
        return
    named: set[int] = set()
    for field in fields:
        index, _, value = field.strip().partition(" ")
        column = whole_number(index, n_columns - 1)
        if column is None:
            raise DataError(f"{where}: row {row + 1} names the column {index[:20]!r}, expected 0 to {n_columns - 1}")
        if column in named:
            raise DataError(f"{where}: row {row + 1} names the column {column} twice; keep one of its values")
        named.add(column)
        yield column, value.strip().strip("'\"")


def _number(value: str, codes: dict[str, int], column: Column, row: int, where: str) -> float:
    if column.classes is not None:
        if value not in codes:
            raise DataError(f"{where}: row {row + 1}: {value[:40]!r} is no class of {column.name!r}")
        return codes[value]
    try:
        return float(value)
    except ValueError as error:
        raise DataError(f"{where}: row {row + 1}, column {column.name!r}: {value[:40]!r} is no number") from error


def _label_values(codes: np.ndarray, column: Column) -> np.ndarray:
    if column.classes is None:
        return codes
    return np.array(column.classes, object)[codes.astype(np.intp)]  # text would be as wide as the longest in every row
