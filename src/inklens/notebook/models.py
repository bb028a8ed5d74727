"""What each widget shows, as bytes for the browser, whether or not Python hears from it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inklens.datasets import Dataset, Split
from inklens.errors import DataError, ParameterError
from inklens.linear.path import SoftmaxPath
from inklens.reader import DigitReader
from inklens.tasks.model_rows import pixel_rows
from inklens.tasks.paths import PathRun, path_accuracies
from inklens.web.payload import Half, samples, web_model

CELL_IMAGES = 600  # images of a confusion matrix that travel to the browser: about 150 kB


class Rows(Protocol):
    """Images with labels: a `Split`, of which the test half is taken."""

    @property
    def X_test(self) -> np.ndarray: ...
    @property
    def y_test(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class TestHalf:
    """The test half of a split, as `inklens.web.payload.samples` asks for it."""

    rows: Rows

    def half(self, part: str) -> Half:
        """Return images, labels, and numbers below 0: a split does not say which rows of a data set they are."""
        return self.rows.X_test, self.rows.y_test, -1 - np.arange(len(self.rows.y_test))

    @property
    def dataset(self) -> Dataset:
        """Raise `DataError`: there is none."""
        raise DataError("a split does not say which data set it is of; correct labels with inklens labels")


def model_alone(reader: DigitReader) -> bytes:
    """Return a model without rows."""
    return web_model(reader)


def model_with_path(path: SoftmaxPath | PathRun, split: Split | None) -> tuple[PathRun, DigitReader, bytes]:
    """Return a path with its accuracies, its last point as a reader, and both as bytes.

    Raises
    ------
    ParameterError
        A path without accuracies, and no rows to count them on.
    """
    run = path if isinstance(path, PathRun) else _judged(path, split)
    last = run.path
    reader = DigitReader(last.coefs[-1], last.intercepts[-1], tuple(map(str, last.classes)), run.image_shape)
    return run, reader, web_model(reader, path=run)


def _judged(path: SoftmaxPath, split: Split | None) -> PathRun:
    if split is None:
        raise ParameterError("expected the rows that the accuracies are counted on; write CSlider(path, split)")
    side = round(split.X_train.shape[1] ** 0.5)
    halves = ((split.X_train, split.y_train), (split.X_test, split.y_test))
    train, test = (path_accuracies(path, pixel_rows(X), y) for X, y in halves)
    return PathRun(path, train, test, (side, split.X_train.shape[1] // side))


def model_with_rows(reader: DigitReader, rows: Rows) -> bytes:
    """Return a model with test rows, the mistakes first."""
    return web_model(reader, samples=samples(reader, TestHalf(rows), n=CELL_IMAGES))
