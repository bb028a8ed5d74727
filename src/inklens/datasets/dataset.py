"""One shape for all data: `Dataset`, and its split into training and test rows."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import NamedTuple, Self

import numpy as np

from inklens.classes import of_one_kind
from inklens.errors import DataError, ParameterError
from inklens.names import beyond_unicode
from inklens.reprs import Card, Shown, Tile, ink_tile, listed

# X       (n_samples, n_pixels)  uint8, 0 = paper, 255 = full ink, C-contiguous, read-only
# y       (n_samples,)           str
# indices (n_train,), (n_test,)  int64, rows of X


class _Halves(NamedTuple):
    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray
    train_index: np.ndarray
    test_index: np.ndarray


class Split(Shown, _Halves):
    """Training and test rows with the row numbers they came from; a tuple of six arrays.

    Attributes
    ----------
    X_train, X_test : uint8 array (n_train, n_pixels), (n_test, n_pixels)
    y_train, y_test : str array (n_train,), (n_test,)
    train_index, test_index : int array (n_train,), (n_test,)
        Rows of the data set.
    image_shape : (int, int) or None
        Rows and columns of one image; None where whoever made the split did not say.
    """

    image_shape: tuple[int, int] | None = None

    def of_images(self, image_shape: tuple[int, int] | None) -> Self:
        """Return the split with the size of its images; it stays a tuple of six arrays."""
        split = type(self)(*self)
        split.image_shape = image_shape
        return split

    def _card(self) -> Card:
        n_train, n_test = len(self.y_train), len(self.y_test)
        return Card(
            f"Split: {n_train:,} training and {n_test:,} test images{_size(self.image_shape)}",
            {
                "training": _counts_in_words(_counts(self.y_train)),
                "test": _counts_in_words(_counts(self.y_test)),
                "pixels": _pixels_in_words(self.X_train),
            },
            [] if self.image_shape is None else _examples(self.X_train, self.y_train, self.image_shape),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Shown):
    """Labelled small images.

    Parameters
    ----------
    X : uint8 array (n_samples, n_pixels)
        Ink from 0 (paper) to 255, row by row.
    y : str array (n_samples,)
        Labels.
    image_shape : (int, int)
        Rows and columns of one image.
    name, source, licence : str
        What it is, where it came from, and who may use it.
    notes : tuple of str
        What the loader noticed or changed, in words.
    n_train : int or None
        Rows of the source's own training half, which come first; None where the source has no halves.
    """

    X: np.ndarray
    y: np.ndarray
    image_shape: tuple[int, int]
    name: str
    source: str = ""
    licence: str = "not stated"
    notes: tuple[str, ...] = ()
    n_train: int | None = None

    def __post_init__(self) -> None:
        rows, cols = self.image_shape
        if not (isinstance(self.X, np.ndarray) and isinstance(self.y, np.ndarray)):
            raise DataError(f"expected NumPy arrays, got {type(self.X).__name__} and {type(self.y).__name__}")
        if self.X.ndim != 2 or self.X.dtype != np.uint8 or self.X.shape[1] != rows * cols:
            raise DataError(
                f"expected uint8 pixels of shape (n, {rows * cols}), got {self.X.dtype} {self.X.shape}; "
                "give one row per image and its image_shape"
            )
        if self.y.shape != (len(self.X),):
            raise DataError(f"{len(self.X)} images but labels of shape {self.y.shape}; give one label per image")
        y = np.asarray(of_one_kind(self.y))
        if y.dtype.kind == "f" and np.isnan(y).any():
            raise DataError(f"row {np.isnan(y).argmax()} has no label (nan); leave it out, or give it one")
        if beyond_unicode(self.y).any():
            raise DataError(f"row {beyond_unicode(self.y).argmax()} has characters that are none in its label")
        object.__setattr__(self, "X", _read_only(self.X))
        object.__setattr__(self, "y", _read_only(y.astype(str)))

    def __len__(self) -> int:
        return len(self.X)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(str(label) for label in np.unique(self.y))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of images per label, most frequent first."""
        return _counts(self.y)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over pixels and labels, in order."""
        digest = hashlib.sha256(np.ascontiguousarray(self.X).data)
        digest.update("\n".join(self.y.tolist()).encode())
        return digest.hexdigest()

    def subset(self, half: str) -> "Dataset":
        """Return the source's own training or test half, or all.

        Parameters
        ----------
        half : {"all", "train", "test"}
            Which rows.

        Raises
        ------
        ParameterError
            Another word, or the source has no halves.
        """
        if half not in ("all", "train", "test"):
            raise ParameterError(f"expected subset 'all', 'train' or 'test', got {half!r}")
        if half == "all":
            return self
        if self.n_train is None:
            raise ParameterError(
                f"{self.name} has no training and test halves of its own; use split() or --train, --test"
            )
        rows = slice(None, self.n_train) if half == "train" else slice(self.n_train, None)
        return replace(self, X=self.X[rows], y=self.y[rows], name=f"{self.name} ({half} half)", n_train=None)

    def only(self, *labels: object) -> "Dataset":
        """Return the images with one of these labels, in their order.

        Raises
        ------
        ParameterError
            No label was given, or one that does not occur.

        Examples
        --------
        >>> from inklens.datasets import load_dataset
        >>> load_dataset().only("5", "6").counts
        {'5': 500, '6': 500}
        """
        names = [str(label) for label in labels]
        unknown = [name for name in names if name not in self.classes]
        if unknown or not names:
            got = ", ".join(map(repr, unknown)) or "none"
            raise ParameterError(f"expected labels of {self.name} ({listed(self.classes)}), got {got}")
        kept = np.isin(self.y, names)
        n_train = None if self.n_train is None else int(kept[: self.n_train].sum())
        return replace(
            self, X=self.X[kept], y=self.y[kept], name=f"{self.name} ({listed(names)} only)", n_train=n_train
        )

    def images(self, index: np.ndarray | slice | int = slice(None)) -> np.ndarray:
        """Return pixels as pictures (..., rows, cols)."""
        return self.X[index].reshape(*self.X[index].shape[:-1], *self.image_shape)

    def split(self, *, train: int | float, test: int | float, seed: int) -> Split:
        """Split as scikit-learn's ``train_test_split(X, y, random_state=seed, ...)`` does.

        Parameters
        ----------
        train, test : int or float
            Numbers of rows, or shares of all rows between 0 and 1.
        seed : int
            Seed of NumPy's Mersenne Twister, 0 to 2**32 - 1.

        Raises
        ------
        ParameterError
            A size below 1 row, more rows than there are, or no such seed.

        Examples
        --------
        >>> from inklens.datasets import load_dataset
        >>> split = load_dataset().split(train=0.7, test=0.3, seed=9)
        >>> split.X_train.shape, split.X_test.shape
        ((3500, 784), (1500, 784))
        """
        if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
            raise ParameterError(f"the seed must be a whole number from 0 to {2**32 - 1}, got {seed!r}")
        n = len(self)
        n_test = _count(test, n, name="test", rounding=np.ceil)
        n_train = _count(train, n, name="train", rounding=np.floor)
        if n_train + n_test > n:
            raise ParameterError(
                f"{n_train} training and {n_test} test rows were asked for, but {self.name} has only {n}; "
                "lower --train or --test"
            )
        order = np.random.RandomState(seed).permutation(n)
        return self._rows(order[n_test : n_test + n_train], order[:n_test])

    def own_split(self, n_train: int | None = None) -> Split:
        """Split into the source's own halves; `n_train` where the source does not say how many come first.

        Raises
        ------
        ParameterError
            The source has no halves, and no number was given.
        """
        n_train = n_train or self.n_train
        if not n_train or n_train >= len(self):
            raise ParameterError(f"{self.name} has no training and test halves of its own; use split()")
        return self._rows(np.arange(n_train), np.arange(n_train, len(self)))

    def _rows(self, train: np.ndarray, test: np.ndarray) -> Split:
        halves = Split(self.X[train], self.X[test], self.y[train], self.y[test], train, test)
        return halves.of_images(self.image_shape)

    def _card(self) -> Card:
        facts: dict[str, object] = {
            "classes": _counts_in_words(self.counts),
            "pixels": _pixels_in_words(self.X),
            "source": self.source or "not stated",
            "licence": self.licence,
        }
        if self.n_train is not None:
            facts["own halves"] = f"{self.n_train:,} training and {len(self) - self.n_train:,} test images"
        facts |= {f"note {number}": note for number, note in enumerate(self.notes, 1)}
        title = f"Dataset {self.name}: {len(self):,} images{_size(self.image_shape)}"
        return Card(title, facts, _examples(self.X, self.y, self.image_shape))


def _counts(y: np.ndarray) -> dict[str, int]:
    """Return the number of rows of each label, most frequent first."""
    labels, counts = np.unique(y, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(labels[i]): int(counts[i]) for i in order}


def _counts_in_words(counts: dict[str, int]) -> str:
    if len(set(counts.values())) == 1:
        return f"{len(counts)}, each {next(iter(counts.values())):,} times: {listed(list(counts))}"
    return f"{len(counts)}: {listed([f'{label} ({count:,})' for label, count in counts.items()], most=10)}"


def _pixels_in_words(X: np.ndarray) -> str:
    return f"{X.dtype} array {X.shape}, 0 = paper, 255 = full ink"


def _size(image_shape: tuple[int, int] | None) -> str:
    return "" if image_shape is None else f" of {image_shape[0]} x {image_shape[1]} pixels"


def _examples(X: np.ndarray, y: np.ndarray, image_shape: tuple[int, int]) -> Sequence[Tile]:
    """Return the first image of each class."""
    labels, first = np.unique(y, return_index=True)
    return [
        ink_tile(X[row].reshape(image_shape), str(label), alt=f"an image of {label}")
        for label, row in zip(labels, first, strict=True)
    ]


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only view; the caller's array stays as it is."""
    view = np.ascontiguousarray(array).view(np.ndarray)[:]
    view.flags.writeable = False
    return view


def _count(size: int | float, n: int, *, name: str, rounding: Callable[[float], float]) -> int:
    """Return a number of rows from a number or a share, rounded as scikit-learn does."""
    count = 0
    if isinstance(size, float) and 0 < size < 1:
        count = int(rounding(size * n))
    elif isinstance(size, Integral):
        count = int(size)
    if count < 1:
        raise ParameterError(f"--{name} must be at least 1 row, or a share between 0 and 1, got {size}")
    return count
