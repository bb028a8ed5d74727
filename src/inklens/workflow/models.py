"""Fit a model from a data spec, and judge it: what ``inklens fit`` and ``inklens evaluate`` do."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inklens.datasets import Dataset, Split, load_dataset
from inklens.errors import DataError, ParameterError
from inklens.evaluation import Evaluation
from inklens.reader import DigitReader

Size = int | float | None
PIXEL_SCALE = 255.0  # uint8 ink to [0, 1], as the tutorial scales it


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model with its certificate and its accuracies."""

    reader: DigitReader
    objective: float
    lower_bound: float
    relative_gap: float
    status: str
    passes: int
    seconds: float
    zeros: int  # coefficients that are exactly 0
    accuracy: dict[str, float]
    model: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def to_json(self) -> dict:
        """Return the document of ``inklens fit --json``."""
        names = (
            "objective",
            "lower_bound",
            "relative_gap",
            "status",
            "passes",
            "seconds",
            "zeros",
            "accuracy",
            "model",
        )
        return {"schema_version": 1, **{name: getattr(self, name) for name in names}, "warnings": list(self.warnings)}


def split_rows(dataset: Dataset, *, train: Size = None, test: Size = None, seed: int = 9) -> Split:
    """Split as asked; a half that is not given takes the rows that are left (by default three quarters train)."""
    if train is None and test is None:
        train, test = 0.75, 0.25
    elif train is None:
        train = _remaining(dataset, test, np.ceil, option="test")
    elif test is None:
        test = _remaining(dataset, train, np.floor, option="train")
    return dataset.split(train=train, test=test, seed=seed)


def _remaining(dataset: Dataset, size: int | float, rounding: Callable, *, option: str) -> int:
    taken = int(rounding(size * len(dataset))) if isinstance(size, float) else size
    if taken >= len(dataset):
        raise ParameterError(
            f"--{option} {size:g} leaves no rows for the other half, since {dataset.name} has {len(dataset)}; lower it"
        )
    return len(dataset) - taken


def scale_pixels(X: np.ndarray) -> np.ndarray:
    """Return uint8 ink as float64 in [0, 1]."""
    return X / PIXEL_SCALE


def fit(
    data: str = "embedded",
    *,
    out: str | os.PathLike[str] | None = None,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    C: float = 1.0,
    l1_ratio: float = 0.0,
    tol: float = 1e-4,
    time_budget: float | None = None,
    progress: Callable | None = None,
    callback: Callable | None = None,
) -> Fit:
    """Load, split, scale, fit, judge and save.

    Parameters
    ----------
    data : str
        Data spec, such as ``"embedded"`` or ``"idx:DIR"``.
    out : path or None
        Where the model goes (`.inklens`); None keeps it in memory.
    train, test : int, float or None
        Rows of each half, or shares of all rows.
    callback : callable, optional
        Called with the best solution so far after each round of the solver.

    Raises
    ------
    ParameterError, DataError, OutputError
        Nothing is written then.

    Examples
    --------
    >>> result = fit("embedded", train=300, test=200, C=0.1, tol=1e-2)
    >>> result.status, result.accuracy["test"] > 0.7
    ('certified', True)
    """
    _check_parameters(C, l1_ratio, tol)
    dataset = load_dataset(data, progress=progress)
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    began = time.perf_counter()
    model, warnings = _fit_quietly(
        scale_pixels(rows.X_train), rows.y_train, callback, C=C, l1_ratio=l1_ratio, tol=tol, time_budget=time_budget
    )
    seconds = time.perf_counter() - began
    result = _judge(model, dataset, rows, seconds, {"spec": data, "seed": seed}, warnings)
    if out is not None:
        result.reader.save(out)
    return Fit(**{**vars(result), "model": None if out is None else str(out)})


def _check_parameters(C: float, l1_ratio: float, tol: float) -> None:
    if not C > 0.0:
        raise ParameterError(
            f"C must be greater than 0 (it divides the penalty), got {C:g}; try 1, or inf for no penalty"
        )
    if not 0.0 <= l1_ratio <= 1.0:
        raise ParameterError(f"the L1 share lies between 0 (L2) and 1 (L1), got {l1_ratio:g}")
    if not tol >= 0.0:
        raise ParameterError(f"tol is a relative gap and at least 0, got {tol:g}; 1e-4 is a good value")


def _fit_quietly(X: np.ndarray, y: np.ndarray, callback: Callable | None, **parameters: Any):
    """Fit, and return the solver's warnings as texts."""
    import warnings

    from inklens.linear.estimators import SoftmaxRegression

    if len(np.unique(y)) < 2:
        raise DataError(f"the training rows hold only the class {y[0]!r}; take more rows, or another --seed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SoftmaxRegression(**parameters).fit(X, y, callback=callback)
    return model, tuple(str(warning.message) for warning in caught)


def _judge(model, dataset: Dataset, rows: Split, seconds: float, data: dict, warnings: tuple[str, ...]) -> Fit:
    accuracy = {
        "train": float(model.score(scale_pixels(rows.X_train), rows.y_train)),
        "test": float(model.score(scale_pixels(rows.X_test), rows.y_test)),
    }
    certificate = {
        "objective": model.objective_,
        "lower_bound": model.lower_bound_,
        "relative_gap": model.dual_gap_,
        "status": model.status_,
        "passes": int(model.n_passes_),
    }
    zeros = int((model.coef_ == 0.0).sum())
    parameters = {"C": model.C if np.isfinite(model.C) else "inf", "l1_ratio": model.l1_ratio, "tol": model.tol}
    split = {"train": len(rows.y_train), "test": len(rows.y_test)}
    reader = DigitReader(
        model.coef_,
        model.intercept_,
        tuple(str(label) for label in model.classes_),
        dataset.image_shape,
        provenance={
            "data": {**data, **split, "name": dataset.name, "checksum": dataset.checksum, "licence": dataset.licence},
            "fit": {**parameters, **certificate, "zeros": zeros},
            "accuracy": accuracy,
        },
    )
    return Fit(reader, **certificate, seconds=seconds, zeros=zeros, accuracy=accuracy, warnings=warnings)


@dataclass(frozen=True, eq=False)
class Judgement:
    """A model's answers on a set of rows."""

    evaluation: Evaluation
    proba: np.ndarray  # (n_samples, n_classes)
    y_true: np.ndarray
    y_pred: np.ndarray
    frames: np.ndarray  # (n_samples, rows, cols) in [0, 1]
    notes: tuple[str, ...] = ()


def evaluate(
    reader: DigitReader,
    *,
    data: str | None = None,
    part: str = "test",
    train: Size = None,
    test: Size = None,
    seed: int | None = None,
    progress: Callable | None = None,
) -> Judgement:
    """Judge a model on rows of a data set; by default on the test rows of its own split.

    Parameters
    ----------
    part : {"test", "train", "all"}
        Which rows.
    """
    dataset, rows, notes = _rows_of(reader, data, train=train, test=test, seed=seed, progress=progress)
    X, y = {
        "test": (rows.X_test, rows.y_test),
        "train": (rows.X_train, rows.y_train),
        "all": (dataset.X, dataset.y),
    }[part]
    frames = scale_pixels(X).reshape(len(X), *dataset.image_shape)
    proba = reader.predict_proba(frames)
    y_pred = np.array(reader.classes)[proba.argmax(axis=1)]
    return Judgement(Evaluation.from_predictions(y, y_pred, reader.classes), proba, y, y_pred, frames, notes)


def sample_frame(reader: DigitReader, sample: int, *, data: str | None = None, progress: Callable | None = None):
    """Return (frame, label) of one test row of the model's own split, or of `data` split the same way."""
    dataset, rows, _ = _rows_of(reader, data, progress=progress)
    if not 0 <= sample < len(rows.y_test):
        raise ParameterError(f"--sample must lie in 0..{len(rows.y_test) - 1} (the test rows), got {sample}")
    return scale_pixels(rows.X_test[sample]).reshape(dataset.image_shape), str(rows.y_test[sample])


def _rows_of(reader: DigitReader, data: str | None, *, train=None, test=None, seed=None, progress=None):
    """Load the data and split it as the model's fit did, unless told otherwise."""
    recorded = reader.provenance.get("data", {})
    spec = data or recorded.get("spec")
    if spec is None:
        raise ParameterError("this model does not say what it was fitted on; name the data with --data")
    dataset = load_dataset(spec, progress=progress)
    if dataset.image_shape != reader.image_shape:
        raise DataError(
            f"the model takes {reader.image_shape[0]} x {reader.image_shape[1]} pixels, but {dataset.name} has "
            f"{dataset.image_shape[0]} x {dataset.image_shape[1]}; evaluate on data of its kind"
        )
    same = dataset.checksum == recorded.get("checksum")
    if train is None and test is None and same:
        train, test = recorded["train"], recorded["test"]
    rows = split_rows(dataset, train=train, test=test, seed=recorded.get("seed", 9) if seed is None else seed)
    notes = () if same else (f"{dataset.name} is not the data that this model was fitted on",)
    return dataset, rows, notes
