"""CSV: one image per row, one column of labels."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.labels import refuse_rows
from inklens.datasets.options import LoadOptions
from inklens.datasets.sources.plain import blocks, parse_block
from inklens.datasets.sources.source import RawImages
from inklens.datasets.unpack import existing, read_file
from inklens.errors import DataError
from inklens.names import is_number, whole_number
from inklens.progress import Progress

LABEL_NAMES = ("label", "class", "target", "digit", "y", "labels", "character")
INDEX_NAMES = ("", "index", "id", "unnamed: 0", "row")
DELIMITERS = ",;\t|"
MAX_CSV_BYTES = 2 << 30
MAX_PACKED_CSV_BYTES = 200 << 20
MAX_COLUMNS = 1 << 20
MAX_FIELD = 1 << 17  # characters, as Python's reader of CSV takes; where it does not read, nor does float()
MOST_SHARED = 1 << 14
LARGEST = float(np.finfo(np.float32).max)
LINE = re.compile("[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

Table = list[list[str]] | np.ndarray  # fields of text, or (n_rows, n_columns) when all is plain numbers


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load a table with one image per row, packed (.gz) or not.

    A first line of names is recognised. The column of labels is ``options.label`` (a name, ``"first"``, ``"last"`` or a
    number from 1); without it, the column with a usual name (label, class, target, digit, y), else whichever of
    the first and the last column looks like labels. The notes say which one was taken.

    Raises
    ------
    DataError
        Unreadable text, rows of different length, no column of labels, or pixels that are no numbers.
    """
    path = existing(place, kind="file")
    packed = path.name.lower().endswith(".gz")
    text = decode_text(
        read_file(path, limit=MAX_PACKED_CSV_BYTES if packed else MAX_CSV_BYTES, is_text=True), name=str(path)
    )
    table, header = _read_table(text, path)
    n_columns = len(table[0])
    column, column_note = _label_column(options.label, header, table, path)
    dropped = [i for i in _index_columns(header, table) if i != column]
    pixels, y = _split_columns(table, column, dropped, first_row=1 + (header is not None), where=str(path))
    if isinstance(table, np.ndarray):
        y = _as_written(text, column, header is not None)
    index_note = [f"column {dropped[0] + 1} numbers the rows and was left out"] if dropped else []
    head = f"{n_columns} columns, {'with' if header else 'without'} a line of names; {column_note}"
    return RawImages(
        pixels, y, where=str(path), name=path.stem, source=f"csv:{path}", notes=(head, *index_note)
    ).dataset(options.pixels)


def decode_text(data: bytes, *, name: str) -> str:
    """Decode UTF-8 or UTF-16, with or without a byte order mark.

    Raises
    ------
    DataError
        Neither, or NUL characters in the text.
    """
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        raise DataError(f"{name!r} is neither UTF-8 nor UTF-16 text ({error.reason} at byte {error.start})") from error
    if "\0" in text:
        raise DataError(
            f"{name!r} has a NUL character in line {text.count(chr(10), 0, text.index(chr(0))) + 1}: no CSV"
        )
    return text


def read_rows(text: str, *, delimiter: str = ",", name: str = "table") -> list[list[str]]:
    """Split CSV text (RFC 4180) into rows of fields; blank lines are left out.

    >>> read_rows('a,"b ""c"", d"\\r\\n1,"two\\nlines"\\r\\n')
    [['a', 'b "c", d'], ['1', 'two\\nlines']]
    """
    known: dict[str, str] = {}  # pixels repeat: 8 bytes for each field instead of 58

    def shared(field: str) -> str:
        return known.setdefault(field, field) if len(known) < MOST_SHARED else known.get(field, field)

    try:
        return [[*map(shared, row)] for row in csv.reader(_lines(text, delimiter, name), delimiter=delimiter) if row]
    except csv.Error as error:
        raise DataError(f"{name!r} is no readable CSV: {error}") from error


def _lines(text: str, delimiter: str, name: str) -> Iterator[str]:
    """Yield lines with their ends, by any convention."""
    for match in LINE.finditer(text):
        _check_line(match[0], delimiter, name)
        yield match[0]


def _check_line(line: str, delimiter: str, name: str) -> None:
    """Refuse a line before it becomes a list: each of its fields takes ten times the room of its text."""
    if len(line) > MAX_COLUMNS and line.count(delimiter) >= MAX_COLUMNS:
        raise DataError(
            f"{name!r} has a line of {line.count(delimiter) + 1:,} fields; at most {MAX_COLUMNS:,} are taken"
        )
    if len(line) > MAX_FIELD and (longest := _longest_field(line, delimiter)) > MAX_FIELD:
        raise DataError(f"{name!r} has a field of {longest:,} characters; at most {MAX_FIELD:,} are taken")


def _longest_field(line: str, delimiter: str) -> int:
    longest, start = 0, 0
    while start <= len(line) and longest <= MAX_FIELD:
        end = line.find(delimiter, start)
        end = len(line) if end < 0 else end
        longest, start = max(longest, end - start), end + 1
    return longest


def _encoding(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if len(data) >= 4 and data[0] and not data[1] and data[2] and not data[3]:
        return "utf-16-le"
    if len(data) >= 4 and not data[0] and data[1] and not data[2] and data[3]:
        return "utf-16-be"
    return "utf-8-sig"


def _read_table(text: str, path: Path) -> tuple[Table, list[str] | None]:
    """Return the rows (lists of text, or a number array when all is plain numbers) and the names, if any."""
    text = text.lstrip("\r\n")
    first_line = text[: text.find("\n") + 1 or len(text)]
    delimiter = _delimiter(first_line)
    _check_line(first_line, delimiter, str(path))
    if delimiter != "," and "," in text:
        text = _with_points(text, delimiter)
        first_line = text[: len(first_line)]
    rows: Table | None = _plain_numbers(text, first_line, delimiter)
    header = None
    if rows is not None and '"' not in first_line:
        head = read_rows(first_line, delimiter=delimiter, name=str(path))[0]
        header = head if _is_header(head) else None
    else:
        rows = read_rows(text, delimiter=delimiter, name=str(path))
        if rows and _is_header(rows[0]):
            header, rows = rows[0], rows[1:]
    if len(rows) == 0:
        raise DataError(f"{str(path)!r} has no rows; expected one image per row")
    _refuse_ragged(rows, header, path)
    return rows, header


def _delimiter(first_line: str) -> str:
    """Return what separates columns; where another sign is there as often as the comma, that is a decimal one.

    >>> _delimiter("7;0,5;0,25"), _delimiter("7,1,2")
    (';', ',')
    """
    return max(DELIMITERS, key=lambda sign: (first_line.count(sign), sign != "," and sign in first_line))


def _with_points(text: str, delimiter: str) -> str:
    """Return a table with decimal points in cells that are numbers with a decimal comma; no length changes.

    >>> _with_points("a;0,5;1,25e-3\\n1,2,3;b,c;-7,5\\n", ";")
    'a;0.5;1.25e-3\\n1,2,3;b,c;-7.5\\n'
    """
    sign = re.escape(delimiter)
    return re.sub(rf"(?m)((?:^|(?<={sign})) *[+-]?\d*),(?=\d+(?:[eE][+-]?\d+)? *(?:{sign}|\r?$))", r"\1.", text)


def _plain_numbers(text: str, first_line: str, delimiter: str) -> np.ndarray | None:
    """Parse a body of nothing but numbers block by block; None when it is anything else."""
    head = [field.strip().strip('"') for field in first_line.strip().split(delimiter)]
    data = (text[len(first_line) :] if _is_header(head) else text).encode()
    parts = []
    for block in blocks(data):
        part = parse_block(block, delimiter.encode(), len(head))
        if part is None:
            return None
        parts.append(part)
    return np.concatenate(parts) if parts else None


def _is_header(row: list[str]) -> bool:
    """Names: no field is a number, or a usual name for labels stands among numbers."""
    numeric = [is_number(field) for field in row]
    named = any(field.strip().lower() in LABEL_NAMES for field in row)
    return not any(numeric) or (named and len(row) > 1)


def _refuse_ragged(rows: Table, header: list[str] | None, path: Path) -> None:
    n_columns = len(header or rows[0])
    if n_columns < 2 or n_columns > MAX_COLUMNS:
        raise DataError(f"{str(path)!r} has {n_columns} columns; expected a label and the pixels of one image per row")
    if isinstance(rows, np.ndarray):
        return
    refuse_rows(
        (i for i, row in enumerate(rows) if len(row) != n_columns),
        what=f"another number of fields than the {n_columns} of the first line",
        where=str(path),
    )


def _label_column(asked: str | None, header: list[str] | None, rows: Table, path: Path) -> tuple[int, str]:
    """Return the column of labels and how it was found."""
    n_columns = len(rows[0])
    titles = [name.strip() for name in header or ()]
    names = [title.lower() for title in titles]
    if asked is not None:
        return _asked_column(asked, names, n_columns, path), f"labels from column {asked!r}, as asked"
    usual = [names.index(name) for name in LABEL_NAMES if name in names]
    if usual and names.count(names[usual[0]]) > 1:
        raise DataError(f"{str(path)!r} has several columns {titles[usual[0]]!r}; say which, as in ?label=NUMBER")
    if usual:
        return usual[0], f"labels from the column named {titles[usual[0]]!r}"
    first, last = (_label_likeness(rows, i) for i in (0, n_columns - 1))
    if max(first, last) <= 0 or (min(first, last) > 0 and abs(first - last) < 0.05):
        raise DataError(
            f"{str(path)!r}: which column has the labels? say ?label=first, ?label=last, its name or its number"
        )
    column, word = (0, "first") if first > last else (n_columns - 1, "last")
    return column, f"labels from the {word} column, which looks like labels (say ?label= if that is wrong)"


def _asked_column(asked: str, names: list[str], n_columns: int, path: Path) -> int:
    if names.count(asked.strip().lower()) > 1:
        raise DataError(f"{str(path)!r} has {names.count(asked.strip().lower())} columns {asked!r}; say ?label=NUMBER")
    if asked.strip().lower() in names:
        return names.index(asked.strip().lower())
    if asked in ("first", "last"):
        return 0 if asked == "first" else n_columns - 1
    if number := whole_number(asked, n_columns):
        return number - 1
    raise DataError(
        f"{str(path)!r} has no column {asked[:80]!r}; name one, or say first, last or a number to {n_columns}"
    )


def _label_likeness(rows: Table, column: int) -> float:
    """1 minus the share of the commonest value: near 0 for a pixel in the corner; 0 for values that never repeat."""
    values = rows[:, column].tolist() if isinstance(rows, np.ndarray) else [row[column].strip() for row in rows]
    counts = np.unique(values, return_counts=True)[1]
    if len(counts) < 2 or (len(counts) > 0.5 * len(values) and len(values) > 20):
        return 0.0
    text = not isinstance(rows, np.ndarray) and not all(is_number(value) for value in values)
    return 1.0 if text else float(1 - counts.max() / len(values))


def _as_written(text: str, column: int, has_header: bool) -> list[str]:
    """Return the labels of a table of plain numbers as they are written: 007 is not 7."""
    text = text.lstrip("\r\n")
    first_line = text[: text.find("\n") + 1 or len(text)]
    delimiter = _delimiter(first_line)
    lines = (line for line in text[len(first_line) if has_header else 0 :].split("\n") if line.strip())
    return [line.split(delimiter, column + 1)[column].strip() for line in lines]


def _index_columns(header: list[str] | None, rows: Table) -> list[int]:
    """Return [0] when the first column is called like an index and counts 0, 1, 2 ... or 1, 2, 3 ..."""
    if not header or header[0].strip().lower() not in INDEX_NAMES:
        return []
    try:
        values = np.array([float(row[0]) for row in rows])
    except ValueError:
        return []
    return [0] if len(values) > 1 and values[0] in (0, 1) and (np.diff(values) == 1).all() else []


def _split_columns(
    rows: Table, column: int, dropped: list[int], *, first_row: int, where: str
) -> tuple[np.ndarray, np.ndarray | list[str]]:
    """Return pixels as numbers and labels as they stand."""
    n_columns = len(rows[0])
    kept = [i for i in range(n_columns) if i != column and i not in dropped]
    if not kept:
        raise DataError(f"{where}: no column is left for pixels")
    if isinstance(rows, np.ndarray):
        return rows[:, kept], rows[:, column]
    pixels = np.empty((len(rows), len(kept)), np.float32)
    for i, row in enumerate(rows):
        try:
            with np.errstate(over="raise"):
                pixels[i] = [row[j] for j in kept]
        except (ValueError, FloatingPointError) as error:
            bad = next(j for j in kept if not is_number(row[j]) or abs(float(row[j])) > LARGEST)
            raise DataError(
                f"{where}: row {i + first_row}, column {bad + 1} is {row[bad][:40]!r}; every pixel must be a number of "
                f"at most {LARGEST:.1e}"
            ) from error
    return pixels, [row[column] for row in rows]
