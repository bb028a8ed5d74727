"""Relabel files: a table of rows with doubtful labels that a person decides on, and what a fit makes of it.

A file is CSV with one line a row: ``row`` (counted from 0 in the data set), ``given``, ``suggested``, ``decision`` and
``data`` (the beginning of the data set's checksum, on every line, so that sorting or cutting the table loses nothing).
The decision is a class name, ``drop``, or empty: keep the label.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from inklens.datasets.dataset import Dataset, Split
from inklens.errors import DataError
from inklens.names import whole_number
from inklens.reprs import Shown, listed
from inklens.storage import write_text

COLUMNS = ("row", "given", "suggested", "decision", "data")
DROP = "drop"
MARK = "sha256:"  # keeps spreadsheets from taking a checksum for a number
MARK_DIGITS = 16
MAX_FILE_BYTES = 16 * 2**20
MAX_CHANGES = 20_000  # a model file remembers each


class RelabellingJson(TypedDict):
    """What a model file keeps: new labels by row, and rows left out."""

    labels: dict[str, str]
    dropped: list[int]


@dataclass(frozen=True, repr=False)
class Relabelling(Shown):
    """New labels for some rows of a data set, and rows to leave out.

    >>> changed = Relabelling({7: "4"}, frozenset({9}))
    >>> Relabelling.from_json(changed.to_json()) == changed, len(changed)
    (True, 2)
    """

    labels: dict[int, str]
    dropped: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.labels) + len(self.dropped)

    def to_json(self) -> RelabellingJson:
        """Return what a model file keeps."""
        return {"labels": {str(row): label for row, label in self.labels.items()}, "dropped": sorted(self.dropped)}

    @classmethod
    def from_json(cls, document: RelabellingJson) -> "Relabelling":
        """Take back what `to_json` gave."""
        labels = {int(row): str(label) for row, label in document["labels"].items()}
        return cls(labels, frozenset(int(row) for row in document["dropped"]))

    def apply(self, split: Split) -> Split:
        """Return the split with the new labels and without the dropped rows."""
        X_train, y_train, train_index = self._half(split.X_train, split.y_train, split.train_index)
        X_test, y_test, test_index = self._half(split.X_test, split.y_test, split.test_index)
        halves = Split(X_train, X_test, y_train, y_test, train_index, test_index)
        return halves.of_images(split.image_shape)

    def _half(self, X: np.ndarray, y: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = self.new_labels(y, index)
        if not self.dropped:
            return X, labels, index
        kept = ~np.isin(index, list(self.dropped))
        return X[kept], labels[kept], index[kept]

    def new_labels(self, y: np.ndarray, index: np.ndarray | None = None) -> np.ndarray:
        """Return labels y of rows `index` (by default 0, 1, ...) with the changes made."""
        rows = np.arange(len(y)) if index is None else index
        return np.array(
            [self.labels.get(row, label) for row, label in zip(rows.tolist(), y.tolist(), strict=True)], str
        )


NOTHING = Relabelling({})


def write_relabel(
    path: str | os.PathLike[str],
    dataset: Dataset,
    suggested: Mapping[int, str],
    *,
    decided: Relabelling = NOTHING,
) -> None:
    """Write a relabel file: first the rows that are `decided`, then those with a suggestion, not decided yet.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    decisions = {**decided.labels, **dict.fromkeys(sorted(decided.dropped), DROP)}
    for row in [*decisions, *(row for row in suggested if row not in decisions)]:
        decision = decisions.get(row, "")
        table.writerow([row, dataset.y[row], suggested.get(row, decision), decision, mark(dataset)])
    write_text(path, text.getvalue())


def read_relabel(path: str | os.PathLike[str], dataset: Dataset) -> Relabelling:
    """Read the decisions of a relabel file.

    Raises
    ------
    DataError
        No such file, not such a table, made for other data, or a row, label or decision that the data do not have;
        the text names the line.
    """
    labels: dict[int, str] = {}
    dropped: set[int] = set()
    seen: dict[int, int] = {}
    for line, entry in _table(Path(path)):
        where = f"{str(path)!r}, line {line}"
        row = _row(entry, dataset, where)
        if row in seen:
            raise DataError(f"{where}: row {row} stands on line {seen[row]} already; keep one of them")
        seen[row] = line
        decision = entry["decision"].strip()
        if decision in dataset.classes:
            if decision != dataset.y[row]:
                labels[row] = decision
        elif decision == DROP:
            dropped.add(row)
        elif decision:
            raise DataError(
                f"{where}: the decision {decision!r} is no class; expected one of {listed(dataset.classes)}, "
                f"{DROP!r} to leave the row out, or nothing to keep its label"
            )
    found = Relabelling(labels, frozenset(dropped))
    if len(found) > MAX_CHANGES:
        raise DataError(f"{str(path)!r} changes {len(found):,} rows; at most {MAX_CHANGES:,} are taken")
    return found


def mark(dataset: Dataset) -> str:
    """Return what a relabel file says of its data set."""
    return MARK + dataset.checksum[:MARK_DIGITS]


def _table(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    """Yield line number and cells of every line; commas, semicolons and tabs separate, as spreadsheets like."""
    from inklens.datasets.sources.tables import decode_text
    from inklens.datasets.unpack import existing, read_file

    text = decode_text(read_file(existing(path, kind="file"), limit=MAX_FILE_BYTES), name=str(path))
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not set(COLUMNS) <= set(header):
            missing = next(name for name in COLUMNS if name not in header)
            raise DataError(
                f"{str(path)!r} is no relabel file: its first line lacks {missing!r}; make one with inklens labels"
            )
        for cells in reader:
            if any(cell.strip() for cell in cells):
                padded = cells + [""] * (len(header) - len(cells))
                yield reader.line_num, dict(zip(header, padded, strict=False))
    except csv.Error as error:
        raise DataError(f"{str(path)!r}, line {reader.line_num}: {error}; save the table as CSV again") from error


def _row(entry: dict[str, str], dataset: Dataset, where: str) -> int:
    """Return the row number of a line, after checking that the line is about this data set."""
    if entry["data"].strip() != mark(dataset):
        raise DataError(
            f"{where}: the table was made for other data ({entry['data'].strip() or 'none named'}, these are "
            f"{mark(dataset)}); name its own data with --data"
        )
    text = entry["row"].strip()
    row = whole_number(text, len(dataset) - 1)
    if row is None:
        raise DataError(f"{where}: expected a row from 0 to {len(dataset) - 1}, got {text[:40]!r}")
    if entry["given"].strip() != dataset.y[row]:
        raise DataError(
            f"{where}: row {row} is labelled {str(dataset.y[row])!r}, not {entry['given'].strip()!r}; the given label "
            "only reminds, write the new one into the column decision"
        )
    return row
