"""Which rows: halves of a data set, rows as a linear model is fed, and those that a model was fitted on."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from inklens.datasets import Dataset, Split, load_dataset
from inklens.datasets.relabel import Relabelling
from inklens.errors import DataError, ParameterError
from inklens.linear.rows.rows import Rows
from inklens.model.scaling import PIXEL_SCALE, MinMax
from inklens.reader import DigitReader

Size = int | float | None


def split_rows(dataset: Dataset, *, train: Size = None, test: Size = None, seed: int = 9) -> Split:
    """Split as asked; a half that is not given takes the rows that are left (by default three quarters train)."""
    if len(dataset) < 2:
        raise DataError(f"{dataset.name!r} has one image; training and testing need one each; give more")
    if test is None:
        test = 0.25 if train is None else _remaining(dataset, train, np.floor, option="train")
    if train is None:
        train = _remaining(dataset, test, np.ceil, option="test")
    return dataset.split(train=train, test=test, seed=seed)


def _remaining(dataset: Dataset, size: int | float, rounding: Callable, *, option: str) -> int:
    taken = int(rounding(size * len(dataset))) if isinstance(size, float) else size
    if taken >= len(dataset):
        raise ParameterError(
            f"--{option} {size:g} leaves none for the other half, since {dataset.name!r} has {len(dataset)}; lower it"
        )
    return len(dataset) - taken


def with_added(rows: Split, folder: str | os.PathLike[str], image_shape: tuple[int, int]) -> tuple[Split, dict]:
    """Return the split with a folder's images behind its training rows, and what to remember of them."""
    added = load_dataset(f"folder:{os.fspath(folder)}")
    if added.image_shape != image_shape:
        raise DataError(
            f"{os.fspath(folder)!r} holds images of {added.image_shape[0]} x {added.image_shape[1]} pixels, the data "
            f"{image_shape[0]} x {image_shape[1]}; add images of the same size"
        )
    index = np.concatenate([rows.train_index, -1 - np.arange(len(added))])
    X, y = np.concatenate([rows.X_train, added.X]), np.concatenate([rows.y_train, added.y])
    record = {"folder": os.fspath(folder), "rows": len(added), "checksum": added.checksum}
    return rows._replace(X_train=X, y_train=y, train_index=index), {"add": record}


def feature_rows(X: np.ndarray, *, features: str, image_shape: tuple[int, int]) -> Rows:
    """Return what the linear model is fed: ready pixels without a copy, or features of every frame."""
    if features == "pixels":
        return pixel_rows(X)
    from inklens.photos import compute

    if image_shape != (28, 28):
        raise ParameterError(
            f"the features {features!r} are made for 28 x 28 pixels, but these images have {image_shape[0]} x "
            f"{image_shape[1]}; use --features pixels"
        )
    return Rows.of(compute(X.reshape(-1, *image_shape) / np.float32(PIXEL_SCALE), features).astype(np.float32))


def pixel_rows(X: np.ndarray) -> Rows:
    """Return uint8 ink as rows in [0, 1], without a copy."""
    return Rows.of(X, scale=1.0 / PIXEL_SCALE)


def scale_pixels(X: np.ndarray) -> np.ndarray:
    """Return uint8 ink as float64 in [0, 1]."""
    return X / PIXEL_SCALE


def as_fitted(reader: DigitReader, X: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return rows, coefficients and intercepts as the penalty saw them."""
    if reader.recorded("fit").get("scale") == "min-max":
        stretch = MinMax.of(X)
        return stretch.transform(X).astype(float), *stretch.from_ink(reader.coef, reader.intercept)
    return reader.transform(scale_pixels(X).reshape(-1, *reader.image_shape)), reader.coef, reader.intercept


def rows_of(
    reader: DigitReader, data: str | None, *, train=None, test=None, seed=None, progress=None, offline: bool = False
):
    """Load the data and split it as the model's fit did, unless told otherwise."""
    recorded = reader.recorded("data")
    spec = data or recorded.get("spec")
    if spec is None:
        raise ParameterError("this model does not say what it was fitted on; name the data with --data")
    dataset = load_dataset(spec, progress=progress, offline=offline)
    if dataset.image_shape != reader.image_shape:
        raise DataError(
            f"the model takes {reader.image_shape[0]} x {reader.image_shape[1]} pixels, but {dataset.name} has "
            f"{dataset.image_shape[0]} x {dataset.image_shape[1]}; evaluate on data of its kind"
        )
    same = dataset.checksum == recorded.get("checksum")
    if train is None and test is None and same:
        train, test = recorded["train"], recorded["test"]
        own = recorded.get("split") == "own" and seed is None
    else:
        own = False
    if own:
        rows = dataset.own_split(train)
    else:
        rows = split_rows(dataset, train=train, test=test, seed=recorded.get("seed", 9) if seed is None else seed)
    if same and "relabel" in recorded:
        changed = Relabelling.from_json(recorded["relabel"])
        rows = changed.apply(rows)
        dataset = replace(dataset, y=changed.new_labels(dataset.y))
    if same and "add" in recorded:
        rows, found = with_added(rows, recorded["add"]["folder"], dataset.image_shape)
        same = found["add"]["checksum"] == recorded["add"]["checksum"]
    if same:
        return dataset, rows, ()
    if "spec" in recorded:
        return dataset, rows, (f"{dataset.name} is not the data that this model was fitted on",)
    named = f"the model was fitted on {recorded['name']}" if "checksum" in recorded else None
    unnamed = named or "the model does not say which rows it was fitted on"
    return dataset, rows, (f"{unnamed}, so some of those of {dataset.name} may be among them",)
