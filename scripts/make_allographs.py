"""Draw the sheet of 1,000 allographs that ships in the package, from a fixed seed.

    python scripts/make_allographs.py src/inklens/datasets

Strokes of a pen (`benchmarks/_allographs.py`) are put into frames as a photo's ink is, with 16 greys, which keeps the
sheet small. It ships rather than is drawn anew so that the certificate of the reader can be proven again wherever
another version of the drawing libraries sets a pixel otherwise.
"""

import argparse
from pathlib import Path

import make_reader
import numpy as np
from make_embedded import label_lines, sheet_png

import inklens.datasets.allographs as sheet
from inklens.datasets.embedded import read_sheet
from inklens.storage import write_bytes, write_text

import _allographs as allographs  # isort: skip  (make_reader knows where it lies)

SEED = 2027
PER_SHAPE = 200
GREYS = 16


def drawn_frames() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (n, 784) and labels (n,), one of each shape after the other."""
    shapes = [frames_of(shape, np.random.default_rng([SEED, number])) for number, shape in enumerate(allographs.SHAPES)]
    labels = [label for label, _ in allographs.SHAPES.values()]
    X = np.stack(shapes, axis=1).reshape(-1, 28 * 28)
    return X, np.tile(labels, PER_SHAPE)


def frames_of(shape: str, rng: np.random.Generator) -> np.ndarray:
    """Return digits of one shape, uint8 (n, 28, 28)."""
    frames: list[np.ndarray] = []
    while len(frames) < PER_SHAPE:
        frame = make_reader.frame_of(allographs.drawn(shape, rng) > 0.5)
        if frame is not None:
            frames.append(np.rint(frame * (GREYS - 1)) * (255 // (GREYS - 1)))
    return np.array(frames, np.uint8)


def main() -> None:
    """Draw, write sheet and labels, and read them back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the sheet and the labels go")
    folder = parser.parse_args().folder
    X, y = drawn_frames()
    write_bytes(folder / sheet.SHEET, sheet_png(X))
    write_text(folder / sheet.LABELS, label_lines(y))
    X_read, y_read = read_sheet(folder, sheet.SHEET, sheet.LABELS)
    if not (np.array_equal(X, X_read) and np.array_equal(y, y_read)):
        raise SystemExit("the sheet does not read back as it was written")
    print(f"{len(X)} digits, {(folder / sheet.SHEET).stat().st_size} bytes")


if __name__ == "__main__":
    main()
