"""Rows of the table: one for each picture, with named columns, as Parquet.

=================  ==========================================================================================
Column             What it holds
=================  ==========================================================================================
``path``           the file, absolute; bytes that are no UTF-8 are escaped
``size``           bytes of the file
``modified``       when it was changed last (UTC)
``text``           all labels in reading order, lines separated by a space; null where it could not be read
``n_digits``       how many were found
``probability``    of the least sure digit; null without one
``like_training``  of the digit least like the training data, 1 to 0; null without one
``accepted``       whether every digit was accepted, and there is one
``reasons``        why not, in words, separated by "; "; null where accepted
``error_code``     stable short name of why the file could not be read (``truncated``, ``corrupt``, ...), else null
``error``          the same in words
``digits``         each digit as ``read --json`` has it: label, probability, probabilities by class, box, ...
=================  ==========================================================================================
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from pyarrow import parquet

from inklens.reader import Reading
from inklens.tasks.bulk.found import Found
from inklens.tasks.reading import PictureReading

NOTED = b"inklens"  # key of what a part says of its origin, in the metadata of the schema
BOX = ("left", "top", "right", "bottom")  # pixels of the picture


class Outcomes(NamedTuple):
    """How many pictures of some rows were answered, refused, or could not be read."""

    answered: int = 0
    refused: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    def plus(self, other: "Outcomes") -> "Outcomes":
        """Add counts."""
        return Outcomes(*(a + b for a, b in zip(self, other, strict=True)))


def schema(classes: Sequence[str], noted: Mapping[str, object]) -> pa.Schema:
    """Return the columns; `noted` tells which model read, and how.

    >>> schema(("0", "1"), {}).names[:4]
    ['path', 'size', 'modified', 'text']
    """
    real, word = pa.float64(), pa.string()
    digit = pa.struct(
        [
            ("label", word),
            ("probability", real),
            ("probabilities", pa.struct([(name, real) for name in classes])),
            ("box", pa.struct([(edge, real) for edge in BOX])),
            ("like_training", real),
            ("accepted", pa.bool_()),
            ("reasons", pa.list_(word)),
        ]
    )
    columns = [
        ("path", word),
        ("size", pa.int64()),
        ("modified", pa.timestamp("ns", tz="UTC")),
        ("text", word),
        ("n_digits", pa.int32()),
        ("probability", real),
        ("like_training", real),
        ("accepted", pa.bool_()),
        ("reasons", word),
        ("error_code", word),
        ("error", word),
        ("digits", pa.list_(digit)),
    ]
    return pa.schema(columns, metadata={NOTED: json.dumps(noted, sort_keys=True).encode()})


def row(found: Found, read: PictureReading) -> dict[str, object]:
    """Return the row of one picture."""
    digits = read.digits
    reasons = dict.fromkeys(reason for digit in digits for reason in digit.reasons)
    return {
        "path": found.path,
        "size": found.size,
        "modified": found.modified,
        "text": None if read.error else " ".join(read.text_lines),
        "n_digits": len(digits),
        "probability": min((digit.probability for digit in digits), default=None),
        "like_training": min((digit.like_training for digit in digits), default=None),
        "accepted": bool(digits) and all(digit.accepted for digit in digits),
        "reasons": "; ".join(reasons) or None,
        "error_code": read.error["code"] if read.error else None,
        "error": read.error["message"] if read.error else None,
        "digits": [_digit(reading) for reading in digits],
    }


def to_parquet(content: Iterable[Mapping[str, object]] | pa.Table, columns: pa.Schema) -> bytes:
    """Return rows as the bytes of one Parquet file; the same rows give the same bytes."""
    table = content if isinstance(content, pa.Table) else pa.Table.from_pylist(list(content), schema=columns)
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def to_table(part: bytes) -> pa.Table:
    """Read back what `to_parquet` made."""
    return parquet.ParquetFile(io.BytesIO(part)).read()


def outcomes(table: pa.Table) -> Outcomes:
    """Count what became of the pictures."""
    failed = len(table) - table["error_code"].null_count
    answered = sum(table["accepted"].to_pylist())
    return Outcomes(answered, len(table) - failed - answered, failed)


def _digit(reading: Reading) -> dict[str, object]:
    return {
        "label": reading.label,
        "probability": reading.probability,
        "probabilities": reading.probabilities,
        "box": dict(zip(BOX, map(float, reading.box), strict=True)),
        "like_training": reading.like_training,
        "accepted": reading.accepted,
        "reasons": list(reading.reasons),
    }
