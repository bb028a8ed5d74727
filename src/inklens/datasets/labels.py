"""Labels of every origin, as one kind: strings."""

import math
import re
import string
from collections.abc import Iterable, Sequence

import numpy as np

from inklens.datasets.unpack import MAX_TEXT_RATIO, check_burst
from inklens.errors import DataError
from inklens.names import MOST_CHARACTERS, beyond_unicode, unshowable

EXACT = 2.0**53  # from here on, neighbouring whole numbers are one float64
WHOLE = re.compile(r"([+-]?\d+)\.0+")
ZERO = re.compile(r"[+-]0+")


def as_labels(values: Sequence[object] | np.ndarray, *, where: str) -> np.ndarray:
    """Return labels as strings: 3, 3.0, ``" 3"`` and ``b"3"`` all become ``"3"``.

    One-hot rows become their column number. `where` names the source in errors.

    >>> as_labels([3, 3.0, " 3", b"3", "three"], where="example").tolist()
    ['3', '3', '3', '3', 'three']

    Raises
    ------
    DataError
        A label is missing, no whole number (or one that a float cannot tell from the next), longer than 200 characters,
        or not text; or two texts, such as 3 and 3.0, would become one label.
    """
    values = _one_per_row(values, where)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        widest = max(len(str(values.min())), len(str(values.max()))) if len(values) else 1
        return values.astype(f"U{widest}")  # by itself, NumPy takes 84 bytes for each int64
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        most = 2.0 ** (np.finfo(values.dtype).nmant + 1)  # from here on, neighbouring whole numbers are one
        values = [float(value) if abs(value) < most and value % 1 == 0 else math.nan for value in values]
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":  # some of them are whole numbers to `tolist`
        values = [None] * len(values)
    if isinstance(values, np.ndarray):
        refuse_rows(np.flatnonzero(beyond_unicode(values)), what="characters that are none in the label", where=where)
    labels = [_label(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]
    refuse_rows(
        (row for row, label in enumerate(labels) if label is None),
        what="no usable label (empty, not a number, or neither text nor a whole number)",
        where=where,
    )
    refuse_rows(
        (row for row, label in enumerate(labels) if len(label or "") > MOST_CHARACTERS),
        what=f"a label longer than {MOST_CHARACTERS} characters",
        where=where,
    )
    refuse_merged(values, where=where)
    check_written_out(len(labels), set(labels), sum(map(len, filter(None, labels))), where=where)
    hidden = {label for label in set(labels) if unshowable(label or "")}
    obeyed = (row for row, label in enumerate(labels) if label in hidden)
    refuse_rows(obeyed, what="control characters in the label", where=where)
    return np.array(labels, dtype=str)


def check_written_out(n_rows: int, names: Iterable[str | None], n_characters: int, *, where: str) -> None:
    """Refuse labels, most of them short, that an array would hold as wide as the longest: 4 bytes a character.

    Raises
    ------
    DataError
        Over 100 MB, and over 20 times what is written.
    """
    widest = 4 * n_rows * max((len(name or "") for name in names), default=0)
    check_burst(widest, 4 * n_characters, name=f"{where}: labels of very different lengths", ratio=MAX_TEXT_RATIO)


def refuse_merged(written: Iterable[object], *, where: str) -> None:
    """Raise a DataError where two texts would become one label: 3 and 3.0 may have been two classes.

    Blanks around a text are those of the table that it stood in; any other white space was written as a part of it.

    >>> refuse_merged(["3.0", " 3.0", "4"], where="example")
    """
    first: dict[str | None, str] = {}
    texts = (_decoded(text) if isinstance(text, bytes) else text for text in written)
    for text in sorted({text.strip(string.whitespace) for text in texts if isinstance(text, str)}):
        other = first.setdefault(_label(text), text)
        if other != text:
            raise DataError(f"{where}: labels {other!r} and {text!r} would become one; write them alike, or apart")


def refuse_rows(rows: Iterable[int], *, what: str, where: str) -> None:
    """Raise a DataError that names the first rows, counted from 1."""
    rows = list(rows)
    if rows:
        named = ", ".join(str(row + 1) for row in rows[:10]) + (", ..." if len(rows) > 10 else "")
        raise DataError(f"{where}: {len(rows)} rows have {what}: row {named}; correct or remove them")


def _one_per_row(values: Sequence[object] | np.ndarray, where: str) -> Sequence[object] | np.ndarray:
    """Flatten a column vector and decode one-hot rows."""
    if not isinstance(values, np.ndarray) or values.ndim == 1:
        return values
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim == 2 and values.dtype.kind in "biuf" and _is_one_hot(values):
        return values.argmax(axis=1)
    raise DataError(f"{where}: expected one label per image, got an array of shape {values.shape}")


def _is_one_hot(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def _label(value: object) -> str | None:
    """Return the label as text, or None when it is missing or no label."""
    if isinstance(value, bytes):
        value = _decoded(value)
    if isinstance(value, str):
        text = value.strip()
        whole = WHOLE.fullmatch(text)
        if whole:
            return "0" if ZERO.fullmatch(whole[1]) else whole[1]
        return None if text.lower() in ("", "nan") else text
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else None
    return str(value) if isinstance(value, int) else None


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
