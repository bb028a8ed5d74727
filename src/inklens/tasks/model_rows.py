"""Halves of a data set, and rows as a linear model is fed."""

import os
from collections.abc import Callable

import numpy as np

from inklens.datasets import Dataset, Split, load_dataset
from inklens.errors import DataError, ParameterError
from inklens.linear.rows.rows import Rows
from inklens.model.records import AddedRecord
from inklens.model.scaling import PIXEL_SCALE

Size = int | float | None
DRAWN = "allographs"  # the name of the data inside the package that may be added as a folder may


def split_rows(dataset: Dataset, *, train: Size = None, test: Size = None, seed: int = 9) -> Split:
    """Split as asked; a half that is not given takes the rows that are left (by default three quarters train)."""
    if len(dataset) < 2:
        raise DataError(f"{dataset.name!r} has one image; training and testing need one each; give more")
    if test is None:
        test = 0.25 if train is None else _remaining(dataset, train, np.floor, option="train")
    if train is None:
        train = _remaining(dataset, test, np.ceil, option="test")
    return dataset.split(train=train, test=test, seed=seed)


def _remaining(dataset: Dataset, size: int | float, rounding: Callable[[float], float], *, option: str) -> int:
    taken = int(rounding(size * len(dataset))) if isinstance(size, float) else size
    if taken >= len(dataset):
        raise ParameterError(
            f"--{option} {size:g} leaves none for the other half, since {dataset.name!r} has {len(dataset)}; lower it"
        )
    return len(dataset) - taken


def with_added(rows: Split, folder: str | os.PathLike[str], image_shape: tuple[int, int]) -> tuple[Split, AddedRecord]:
    """Return the split with a folder's images behind its training rows, and what to remember of them.

    The folder may be `DRAWN`, the drawn digits inside the package; a folder of that name is ``./allographs``.
    """
    added = load_dataset(DRAWN if os.fspath(folder) == DRAWN else f"folder:{os.fspath(folder)}")
    if added.image_shape != image_shape:
        raise DataError(
            f"{os.fspath(folder)!r} holds images of {added.image_shape[0]} x {added.image_shape[1]} pixels, the data "
            f"{image_shape[0]} x {image_shape[1]}; add images of the same size"
        )
    index = np.concatenate([rows.train_index, -1 - np.arange(len(added))])
    X, y = np.concatenate([rows.X_train, added.X]), np.concatenate([rows.y_train, added.y])
    record = AddedRecord(os.fspath(folder), len(added), added.checksum)
    return rows._replace(X_train=X, y_train=y, train_index=index), record


def feature_values(X: np.ndarray, *, features: str, image_shape: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Return what the linear model is fed, and what that is to be multiplied by: pixels as they are, or features."""
    if features == "pixels":
        return X, 1.0 / PIXEL_SCALE
    from inklens.photos import compute

    if image_shape != (28, 28):
        raise ParameterError(
            f"the features {features!r} are made for 28 x 28 pixels, but these images have {image_shape[0]} x "
            f"{image_shape[1]}; use --features pixels"
        )
    frames = X.reshape(-1, *image_shape) / np.float32(PIXEL_SCALE)
    return compute(frames, features).astype(np.float32), 1.0


def feature_rows(X: np.ndarray, *, features: str, image_shape: tuple[int, int]) -> Rows:
    """Return what the linear model is fed: ready pixels without a copy, or features of every frame."""
    values, scale = feature_values(X, features=features, image_shape=image_shape)
    return Rows.of(values, scale=scale)


def pixel_rows(X: np.ndarray) -> Rows:
    """Return uint8 ink as rows in [0, 1], without a copy."""
    return Rows.of(X, scale=1.0 / PIXEL_SCALE)


def scale_pixels(X: np.ndarray) -> np.ndarray:
    """Return uint8 ink as float64 in [0, 1]."""
    return np.asarray(X / PIXEL_SCALE)
