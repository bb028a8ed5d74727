"""A model with its rows: those that it was fitted and judged on, or others that it is asked about."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from inklens.classes import encode
from inklens.datasets import Dataset, Split, load_dataset
from inklens.errors import DataError, ParameterError
from inklens.linear.rows.rows import Rows
from inklens.model.records import DataRecord
from inklens.model.scaling import PIXEL_SCALE, MinMax
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.model_rows import Size, feature_rows, scale_pixels, split_rows, with_added

Part = Literal["test", "train", "all"]
Half = tuple[np.ndarray, np.ndarray, np.ndarray]  # X uint8 (n_samples, n_pixels), y (n_samples,), rows of the data set
Weights = tuple[np.ndarray, np.ndarray]  # coef, intercept


NO_ROWS = (  # true of the reader that ships, and of files by hand
    "this model does not say which rows it was fitted on; name data with --data, or make a model that does: "
    "inklens fit --C 0.1 -o dense.inklens, and then --model dense.inklens"
)
ROW_NAMES: dict[Part, str] = {"test": "test row", "train": "training row", "all": "row"}


def row_name(part: Part, sample: int) -> str:
    """Return what a person calls one row: its number within its half, counted from 0, as ``--sample`` takes it.

    >>> row_name("test", 33), row_name("train", 7)
    ('test row 33', 'training row 7')
    """
    return f"{ROW_NAMES[part]} {sample}"


@dataclass(frozen=True, eq=False)
class Session:
    """A model and a data set, split as the model's fit split it, or as asked.

    Parameters
    ----------
    reader : DigitReader
    dataset : Dataset
        With the corrected labels where the fit had them.
    split : Split
        Its training and test half; images that were added to the fit stand behind the training half.
    foreign : str
        In words, why these may not be the rows of the fit; empty where they are.
    """

    reader: DigitReader
    dataset: Dataset
    split: Split
    foreign: str = ""

    @classmethod
    def of(
        cls,
        reader: DigitReader,
        *,
        data: str | None = None,
        train: Size = None,
        test: Size = None,
        seed: int | None = None,
        progress: Progress | None = None,
        offline: bool = False,
    ) -> "Session":
        """Load the data and split it as the model's fit did, unless told otherwise.

        Raises
        ------
        ParameterError, DataError, DownloadError
            No data are named, they cannot be loaded, or are of another size.
        """
        record = reader.data_record
        spec = data or record.spec
        if spec is None:
            raise ParameterError(NO_ROWS)
        dataset = load_dataset(spec, progress=progress, offline=offline)
        _check_shape(reader, dataset)
        is_same = dataset.checksum == record.checksum
        split = _split(record if is_same else DataRecord(seed=record.seed), dataset, train, test, seed)
        if is_same and record.relabelled is not None:
            split = record.relabelled.apply(split)
            dataset = replace(dataset, y=record.relabelled.new_labels(dataset.y))
        if is_same and record.added is not None:
            split, added = with_added(split, record.added.folder, dataset.image_shape)
            is_same = added.checksum == record.added.checksum
        return cls(reader, dataset, split, "" if is_same else _foreign(record, dataset))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the rows, for stderr and JSON."""
        return (self.foreign,) if self.foreign else ()

    def require_rows_of_fit(self, remedy: str) -> None:
        """Raise `DataError` where these may not be the rows of the fit."""
        if self.foreign:
            raise DataError(f"{self.foreign}; {remedy}")

    def half(self, part: Part) -> Half:
        """Return images, labels and their rows in the data set (below 0: added) of a half, or of all."""
        rows = self.split
        if part == "test":
            return rows.X_test, rows.y_test, rows.test_index
        if part == "train":
            return rows.X_train, rows.y_train, rows.train_index
        return self.dataset.X, self.dataset.y, np.arange(len(self.dataset))

    def frames(self, part: Part) -> np.ndarray:
        """Return them as frames in [0, 1], (n_samples, rows, cols)."""
        X, _, _ = self.half(part)
        return scale_pixels(X).reshape(len(X), *self.dataset.image_shape)

    @property
    def training_codes(self) -> np.ndarray:
        """Training labels as class numbers; a label that the model does not know is a `DataError`."""
        return encode(self.split.y_train, self.reader.classes)

    def training_rows(self) -> tuple[Rows, Weights]:
        """Return the training rows and the coefficients as the penalty saw them."""
        reader, record = self.reader, self.reader.fit_record
        if record is not None and record.is_stretched:
            X, weights = self.exact_training_rows()
            return Rows.of(X), weights
        rows = feature_rows(self.split.X_train, features=reader.features, image_shape=reader.image_shape)
        return rows, (reader.coef, reader.intercept)

    def exact_training_rows(self) -> tuple[np.ndarray, Weights]:
        """Return the same in float64, computed without the compiled kernels."""
        reader, record, X = self.reader, self.reader.fit_record, self.split.X_train
        if record is not None and record.is_stretched:
            stretch = MinMax.of(X)
            return stretch.transform(X).astype(float), stretch.from_ink(reader.coef, reader.intercept)
        return reader.transform((X / PIXEL_SCALE).reshape(-1, *reader.image_shape)), (reader.coef, reader.intercept)


def _check_shape(reader: DigitReader, dataset: Dataset) -> None:
    if dataset.image_shape != reader.image_shape:
        raise DataError(
            f"the model takes {reader.image_shape[0]} x {reader.image_shape[1]} pixels, but {dataset.name} has "
            f"{dataset.image_shape[0]} x {dataset.image_shape[1]}; evaluate on data of its kind"
        )


def _split(record: DataRecord, dataset: Dataset, train: Size, test: Size, seed: int | None) -> Split:
    """Split as the record says where nothing else is asked for."""
    if train is None and test is None:
        if record.has_own_split and seed is None:
            return dataset.own_split(record.train)
        train, test = record.train, record.test
    return split_rows(dataset, train=train, test=test, seed=record.seed if seed is None else seed)


def _foreign(record: DataRecord, dataset: Dataset) -> str:
    if record.spec is not None:
        return f"{dataset.name} is not the data that this model was fitted on"
    fitted = "the model does not say which rows it was fitted on"
    if record.checksum is not None:
        fitted = f"the model was fitted on {record.name}"
    return f"{fitted}, so some of those of {dataset.name} may be among them"
