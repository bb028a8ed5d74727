"""The contract of a source of labelled images, and the one way from what it holds to a `Dataset`.

A source is a module with a function `load`; the table in `registry` names them all. It reads pixels and labels of any
kind into `RawImages`; what is ink, how large an image is and how labels are written is decided here, for all alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.labels import as_labels
from inklens.datasets.options import AS_FOUND, LoadOptions, PixelOptions
from inklens.datasets.pixels import as_ink
from inklens.progress import Progress


class Source(Protocol):
    """One kind of data spec."""

    def load(self, place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
        """Load what stands after the colon of a spec: a path, or a name.

        Raises
        ------
        DataError
            Missing, damaged or unusable data.
        """


@dataclass(frozen=True, eq=False)
class RawImages:
    """Labelled images as a source holds them.

    Parameters
    ----------
    pixels : array (n, n_pixels), (n, rows, cols) or (n, rows, cols, 1)
        Numbers of any type and range.
    labels : sequence or array (n,), or one-hot rows (n, n_classes)
        Text or whole numbers.
    where : str
        Names the source in errors.
    name, source, licence, n_train
        As in `Dataset`.
    notes : tuple of str
        What was noticed on the way.
    transposed : bool
        Rows and columns are known to be exchanged (unless the user says otherwise).
    """

    pixels: np.ndarray
    labels: Sequence[object] | np.ndarray
    where: str
    name: str
    source: str
    licence: str = "not stated"
    notes: tuple[str, ...] = ()
    n_train: int | None = None
    transposed: bool = False

    def dataset(self, options: PixelOptions = AS_FOUND) -> Dataset:
        """Return uint8 ink and text labels.

        Raises
        ------
        DataError
            Pixels or labels that cannot be used.
        """
        if self.transposed and options.transpose is None:
            options = replace(options, transpose=True)
        y = as_labels(self.labels, where=self.where)
        X, shape, notes = as_ink(self.pixels, y, options=options, where=self.where)
        return Dataset(
            X,
            y,
            image_shape=shape,
            name=self.name,
            source=self.source,
            licence=self.licence,
            notes=(*self.notes, *notes),
            n_train=self.n_train,
        )
