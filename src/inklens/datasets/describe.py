"""What a data set is, in numbers and words, before anything is fitted."""

from dataclasses import asdict, dataclass, field

import numpy as np

from inklens.datasets.dataset import Dataset, Split
from inklens.datasets.pixels import paper_share
from inklens.reprs import Shown

WEAK_SHARE = 0.95  # of the images whose border holds less ink than the middle
MANY = 10  # row numbers kept as examples


@dataclass(frozen=True, repr=False)
class Overlap(Shown):
    """Images that are both in the training and in the test rows.

    Parameters
    ----------
    n_test : int
        Test rows that also occur, pixel by pixel, among the training rows.
    test_rows : tuple of int
        The first ten of them, counted from 0 within the test rows.
    n_conflicting : int or None
        Those of them with another label there; None when no labels were given.
    """

    n_test: int
    test_rows: tuple[int, ...]
    n_conflicting: int | None = None

    def __str__(self) -> str:
        if not self.n_test:
            return "no test image occurs among the training images"
        conflict = f", {self.n_conflicting} of them with another label" if self.n_conflicting else ""
        return f"{self.n_test} test images also occur among the training images{conflict}: accuracy looks too good"


@dataclass(frozen=True, repr=False)
class Description(Shown):
    """What `describe` saw.

    Parameters
    ----------
    name, source, licence, checksum : str
        As in `Dataset`.
    n_samples : int
        Images.
    image_shape : (int, int)
        Rows and columns.
    counts : dict
        Images per class, most frequent first.
    value_range : (int, int)
        Smallest and largest pixel, 0 = paper, 255 = full ink.
    mean_ink : float
        Mean of all pixels, 0 to 1.
    paper_border_share : float
        Share of images whose border holds less ink than the middle: how it was decided what is ink.
    polarity : {"ink is bright", "ink may be inverted", "unclear"}
        What that share says.
    n_constant : int
        Pixels with the same value in every image; their coefficients cannot be learned.
    n_duplicates : int
        Images that repeat an earlier one, pixel by pixel.
    n_conflicts : int
        Images that occur with two or more labels, each counted once.
    overlap : Overlap or None
        Train against test, where the data have halves or a split was given.
    notes : tuple of str
        What the loader noticed or changed.
    """

    name: str
    source: str
    licence: str
    checksum: str
    n_samples: int
    image_shape: tuple[int, int]
    counts: dict[str, int]
    value_range: tuple[int, int]
    mean_ink: float
    paper_border_share: float
    polarity: str
    n_constant: int
    n_duplicates: int
    n_conflicts: int
    overlap: Overlap | None = None
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        rows, cols = self.image_shape
        lines = [
            f"{self.name}: {self.n_samples:,} images of {rows} x {cols}, {len(self.counts)} classes",
            "images per class: " + ", ".join(f"{label} {count:,}" for label, count in self.counts.items()),
            f"pixels from {self.value_range[0]} to {self.value_range[1]}, mean ink {self.mean_ink:.1%}",
            f"{self.polarity}: the border holds less ink than the middle in {self.paper_border_share:.1%} of images",
            f"{self.n_constant} of {rows * cols} pixels never change: no coefficient can be learned for them",
            f"{self.n_duplicates} images repeat an earlier one; {self.n_conflicts} occur with more than one label",
            *([str(self.overlap)] if self.overlap else []),
            f"licence: {self.licence}",
            *self.notes,
        ]
        return "\n".join(lines)


def describe(dataset: Dataset, split: Split | None = None) -> Description:
    """Say what the data are: counts, range, ink, constant pixels, duplicates, overlap of train and test.

    Parameters
    ----------
    dataset : Dataset
        What to look at.
    split : Split, optional
        The split whose halves are compared; without it, the source's own halves where it has them.

    Examples
    --------
    >>> from inklens.datasets import load_dataset
    >>> description = describe(load_dataset())
    >>> description.n_samples, description.n_duplicates, description.polarity
    (5000, 0, 'ink is bright')
    """
    lighter, darker = paper_share(dataset.images())
    n_duplicates, n_conflicts = _repeats(dataset)
    low, high = dataset.X.min(axis=0), dataset.X.max(axis=0)
    return Description(
        name=dataset.name,
        source=dataset.source,
        licence=dataset.licence,
        checksum=dataset.checksum,
        n_samples=len(dataset),
        image_shape=dataset.image_shape,
        counts=dataset.counts,
        value_range=(int(low.min()), int(high.max())),
        mean_ink=float(dataset.X.mean() / 255),
        paper_border_share=lighter,
        polarity=_polarity(lighter, darker),
        n_constant=int(np.sum(low == high)),
        n_duplicates=n_duplicates,
        n_conflicts=n_conflicts,
        overlap=_overlap_of(dataset, split),
        notes=dataset.notes,
    )


def constant_pixels(X: np.ndarray) -> np.ndarray:
    """Return which pixels have one value in every row, bool (n_pixels,)."""
    constant: np.ndarray = X.min(axis=0) == X.max(axis=0)
    return constant


def overlap(
    X_train: np.ndarray, X_test: np.ndarray, y_train: np.ndarray | None = None, y_test: np.ndarray | None = None
) -> Overlap:
    """Count the test rows that also occur, value by value, among the training rows.

    >>> overlap(np.array([[0, 1], [2, 3]]), np.array([[2, 3], [4, 5]]))
    Overlap
      n_test         1
      test_rows      0
      n_conflicting  None
    """
    X_train, X_test = _same_type(X_train, X_test)
    labels: dict[bytes, set[str]] = {}
    for i, row in enumerate(X_train):
        labels.setdefault(row.tobytes(), set()).add("" if y_train is None else str(y_train[i]))
    shared = [i for i, row in enumerate(X_test) if row.tobytes() in labels]
    conflicting = None
    if y_train is not None and y_test is not None:
        conflicting = sum(str(y_test[i]) not in labels[X_test[i].tobytes()] for i in shared)
    return Overlap(len(shared), tuple(shared[:MANY]), conflicting)


def _same_type(X_train: np.ndarray, X_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring both to one type, so that equal values have equal bytes (adding 0 turns -0.0 into 0.0)."""
    common = np.result_type(X_train, X_test)
    if common.kind == "f":
        return X_train.astype(common) + 0, X_test.astype(common) + 0
    return X_train.astype(common, copy=False), X_test.astype(common, copy=False)


def _repeats(dataset: Dataset) -> tuple[int, int]:
    """Return how many rows repeat an earlier one, and how many distinct images have more than one label."""
    labels: dict[bytes, set[str]] = {}
    for row, label in zip(dataset.X, dataset.y.tolist(), strict=True):
        labels.setdefault(row.tobytes(), set()).add(label)
    return len(dataset) - len(labels), sum(len(found) > 1 for found in labels.values())


def _overlap_of(dataset: Dataset, split: Split | None) -> Overlap | None:
    if split is not None:
        return overlap(split.X_train, split.X_test, split.y_train, split.y_test)
    if dataset.n_train is None:
        return None
    n = dataset.n_train
    return overlap(dataset.X[:n], dataset.X[n:], dataset.y[:n], dataset.y[n:])


def _polarity(lighter: float, darker: float) -> str:
    if lighter >= WEAK_SHARE:
        return "ink is bright"
    return "ink may be inverted" if darker > lighter else "unclear"
