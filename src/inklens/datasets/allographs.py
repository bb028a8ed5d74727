"""The 1,000 drawn digits inside the package: shapes that people write and MNIST has few of.

A 9 with a foot, a 1 with a long flag, a small 4 on a long stem, a bare bar, a 7 with a hook, 200 of each, dealt out in
turn; `scripts/make_allographs.py` draws them. The reader that ships has learned of them besides MNIST.
"""

from inklens.datasets.dataset import Dataset
from inklens.datasets.embedded import load_sheet
from inklens.datasets.options import LoadOptions
from inklens.progress import Progress

SHEET = "allographs.png"
LABELS = "allographs.txt"
CHECKSUM = "73f16f77b321c34d07a970236d73e463e3a6d55bbfa0880843ac1d1062e3a158"
LICENCE = "as the package; drawn by a program, no person's handwriting"
NOTES = (
    "strokes of a pen with random shapes, put into frames as photos are: a 9 with a foot, a 1 with a long flag, a "
    "small 4 on a long stem, a bare bar, a 7 with a hook, 200 of each",
    "only 1, 4, 7 and 9: for training besides other data, as inklens fit --add allographs does",
)


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load the drawn digits that ship with the package.

    >>> from inklens import load_dataset
    >>> drawn = load_dataset("allographs")
    >>> len(drawn), drawn.classes
    (1000, ('1', '4', '7', '9'))

    Raises
    ------
    DataError
        The files inside the package are missing or were changed.
    """
    return load_sheet(
        SHEET, LABELS, CHECKSUM, name="allographs", source="scripts/make_allographs.py", licence=LICENCE, notes=NOTES
    )
