"""One shape for all data: `Dataset`, and its split into training and test rows."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import NamedTuple

import numpy as np

from inklens.errors import DataError, ParameterError

# X       (n_samples, n_pixels)  uint8, 0 = paper, 255 = full ink, C-contiguous, read-only
# y       (n_samples,)           str
# indices (n_train,), (n_test,)  int64, rows of X


class Split(NamedTuple):
    """Training and test rows with the row numbers they came from."""

    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray
    train_index: np.ndarray
    test_index: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
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
        if self.X.ndim != 2 or self.X.dtype != np.uint8 or self.X.shape[1] != rows * cols:
            raise DataError(
                f"expected uint8 pixels of shape (n, {rows * cols}), got {self.X.dtype} {self.X.shape}; "
                "give one row per image and its image_shape"
            )
        if self.y.shape != (len(self.X),):
            raise DataError(f"{len(self.X)} images but labels of shape {self.y.shape}; give one label per image")
        object.__setattr__(self, "X", _read_only(self.X))
        object.__setattr__(self, "y", _read_only(self.y.astype(str)))

    def __len__(self) -> int:
        return len(self.X)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(str(label) for label in np.unique(self.y))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of images per label, most frequent first."""
        labels, counts = np.unique(self.y, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {str(labels[i]): int(counts[i]) for i in order}

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
        return Split(self.X[train], self.X[test], self.y[train], self.y[test], train, test)


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
