"""Fit a model from a data spec, and judge it: what ``inklens fit`` and ``inklens evaluate`` do."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inklens.datasets import Dataset, Split, load_dataset
from inklens.datasets.relabel import read_relabel
from inklens.errors import DataError, ParameterError
from inklens.evaluation import Evaluation
from inklens.linear.driver import FitInterrupted, Solution, solve
from inklens.linear.fitting import make_problem, remark
from inklens.linear.rows.rows import Rows
from inklens.model.scaling import MinMax
from inklens.reader import DigitReader
from inklens.tasks.model_rows import Size, feature_rows, rows_of, scale_pixels, split_rows, with_added
from inklens.tasks.predictions import predictions_csv

STEP_DOWN = 0.98  # of C, while a model still uses too many pixels


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model with its certificate and its accuracies."""

    reader: DigitReader
    objective: float
    lower_bound: float
    relative_gap: float
    status: str
    passes: float
    zeros: int  # coefficients that are exactly 0
    accuracy: dict[str, float]
    seconds: float = 0.0
    model: str | None = None
    warnings: tuple[str, ...] = ()
    interrupted: bool = False  # by Ctrl-C: the best model so far

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


def fit(
    data: str = "embedded",
    *,
    out: str | os.PathLike[str] | None = None,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    add: str | os.PathLike[str] | None = None,
    relabel: str | os.PathLike[str] | None = None,
    start: DigitReader | None = None,
    C: float = 1.0,
    l1_ratio: float = 0.0,
    group: bool = False,
    max_pixels: int | None = None,
    features: str = "pixels",
    scale: str = "255",
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
    add : path or None
        Folder of further training images, one sub-folder a class.
    relabel : path or None
        Relabel file whose decisions correct the labels of both halves; see `inklens.datasets.relabel`.
    start : DigitReader or None
        A model of the same classes and features to start from.
    features : {"pixels", "upright", "strokes"}
        What the linear model is fed.
    scale : {"255", "min-max"}
        Divide pixels by 255, or stretch each to 0..1 by its own range in the training rows. The model that comes out
        reads plain ink either way.
    max_pixels : int or None
        Use the largest C, up to the given one, whose model needs at most so many pixels.
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
    check_parameters(C, l1_ratio, tol)
    dataset = load_dataset(data, progress=progress)
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    sizes = {"train": len(rows.y_train), "test": len(rows.y_test)}
    added: dict[str, Any] = {}
    if relabel is not None:
        changed = read_relabel(relabel, dataset)
        rows, added = changed.apply(rows), {"relabel": changed.to_json()}
    if add is not None:
        rows, record = with_added(rows, add, dataset.image_shape)
        added |= record
    halves = _Halves.of(rows, features=features, image_shape=dataset.image_shape, scale=scale)
    if max_pixels is not None:
        C = _largest_C(halves, max_pixels, C=C, l1_ratio=l1_ratio, group=group, tol=tol)
    parameters: dict[str, Any] = {"l1_ratio": l1_ratio, "group": group, "tol": tol, "time_budget": time_budget}
    fitted = _fit_rows(halves, {"C": C, **parameters}, callback, start)
    while max_pixels is not None and not fitted.interrupted and fitted.solution.coef.any(axis=0).sum() > max_pixels:
        C *= STEP_DOWN  # within `tol`, a fit may use a few pixels more than the path's
        fitted = _fit_rows(halves, {"C": C, **parameters}, callback)
    result = _judge(fitted, dataset, halves, {"spec": data, "seed": seed, **sizes, **added}, features=features)
    if out is not None:
        result.reader.save(out)
    return replace(result, model=None if out is None else os.fspath(out))


def check_parameters(C: float, l1_ratio: float, tol: float) -> None:
    """Refuse parameters outside their range, in the words of the command line."""
    if not C > 0.0:
        raise ParameterError(
            f"C must be greater than 0 (it divides the penalty), got {C:g}; try 1, or inf for no penalty"
        )
    if not 0.0 <= l1_ratio <= 1.0:
        raise ParameterError(f"the L1 share lies between 0 (L2) and 1 (L1), got {l1_ratio:g}")
    if not tol >= 0.0:
        raise ParameterError(f"tol is a relative gap and at least 0, got {tol:g}; 1e-4 is a good value")


@dataclass(frozen=True, eq=False)
class _Halves:
    """Features and labels of the two halves, and how pixels were stretched for them, if they were."""

    X_train: Rows
    y_train: np.ndarray
    X_test: Rows
    y_test: np.ndarray
    stretch: MinMax | None = None

    @classmethod
    def of(cls, rows: Split, *, features: str, image_shape: tuple[int, int], scale: str) -> "_Halves":
        if scale == "255":
            made = (feature_rows(X, features=features, image_shape=image_shape) for X in (rows.X_train, rows.X_test))
            return cls(next(made), rows.y_train, next(made), rows.y_test)
        if scale != "min-max" or features != "pixels":
            raise ParameterError(
                f"expected the scale 255, or min-max with the features pixels, got {scale!r} with {features!r}"
            )
        stretch = MinMax.of(rows.X_train)
        made = (Rows.of(stretch.transform(X)) for X in (rows.X_train, rows.X_test))
        return cls(next(made), rows.y_train, next(made), rows.y_test, stretch)


def _largest_C(halves: _Halves, max_pixels: int, *, C: float, l1_ratio: float, **options: Any) -> float:
    """Follow the path until a model would use too many pixels."""
    from inklens.linear.path import softmax_path

    if l1_ratio == 0.0:
        raise ParameterError("without L1 every pixel is used; give an --l1-ratio above 0 with --max-pixels, such as 1")
    if not np.isfinite(C):
        raise ParameterError("without a penalty every pixel is used; give a finite --C with --max-pixels")
    path = softmax_path(halves.X_train, halves.y_train, C=C, l1_ratio=l1_ratio, max_pixels=max_pixels, **options)
    return float(path.Cs[-1])


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What the solver found, and what was asked of it."""

    solution: Solution
    classes: np.ndarray
    parameters: dict[str, Any]
    seconds: float
    interrupted: bool  # by Ctrl-C

    def accuracy(self, rows: Rows, y: np.ndarray) -> float:
        """Return the share of rows whose largest score is their class's."""
        raw = rows.scores(self.solution.coef, self.solution.intercept, dtype=np.float64)
        return float((self.classes[raw.argmax(axis=1)] == y).mean())


def _fit_rows(
    halves: _Halves, parameters: dict[str, Any], callback: Callable | None, start: DigitReader | None = None
) -> _Fitted:
    """Fit the training half; scikit-learn, whose import takes longer than most fits, is not needed for it."""
    y, interrupted, began = halves.y_train, False, time.perf_counter()
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"the training rows hold only the class {y[0]!r}; take more rows, or another --seed")
    limits = {name: parameters[name] for name in ("tol", "time_budget")}
    penalty = {name: value for name, value in parameters.items() if name not in limits}
    problem = make_problem(halves.X_train, codes, np.ones(len(y)), len(classes), **penalty)
    known = start is not None and start.coef.shape[1] == halves.X_train.n_features and start.classes == tuple(classes)
    try:
        solution = solve(
            problem, **limits, start=(start.coef, start.intercept) if start and known else None, callback=callback
        )
    except FitInterrupted as interruption:
        solution, interrupted = interruption.solution, True
    return _Fitted(solution, classes, parameters, time.perf_counter() - began, interrupted)


def _judge(fitted: _Fitted, dataset: Dataset, halves: _Halves, data: dict, *, features: str) -> Fit:
    solution, asked = fitted.solution, fitted.parameters
    accuracy = {
        "train": fitted.accuracy(halves.X_train, halves.y_train),
        "test": fitted.accuracy(halves.X_test, halves.y_test),
    }
    certificate: dict[str, Any] = {
        "objective": solution.objective,
        "lower_bound": solution.lower_bound,
        "relative_gap": solution.gap,
        "status": solution.status,
        "passes": solution.n_passes,
    }
    zeros = int((solution.coef == 0.0).sum())
    names = ("l1_ratio", "group", "tol")
    parameters = {"C": asked["C"] if np.isfinite(asked["C"]) else "inf", **{name: asked[name] for name in names}}
    coef, intercept = solution.coef, solution.intercept
    if halves.stretch is not None:
        parameters["scale"] = "min-max"
        coef, intercept = halves.stretch.to_ink(coef, intercept)
    reader = DigitReader(
        coef,
        intercept,
        tuple(str(label) for label in fitted.classes),
        dataset.image_shape,
        features=features,
        provenance={
            "data": {**data, "name": dataset.name, "checksum": dataset.checksum, "licence": dataset.licence},
            "fit": {**parameters, **certificate, "zeros": zeros},
            "accuracy": accuracy,
        },
        dual=solution.dual,
    )
    text = "" if fitted.interrupted else remark(solution, asked["tol"])
    return Fit(
        reader, **certificate, zeros=zeros, accuracy=accuracy, seconds=fitted.seconds,
        warnings=(text,) if text else (), interrupted=fitted.interrupted,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Judgement:
    """A model's answers on a set of rows."""

    evaluation: Evaluation
    proba: np.ndarray  # (n_samples, n_classes)
    y_true: np.ndarray
    y_pred: np.ndarray
    frames: np.ndarray  # (n_samples, rows, cols) in [0, 1]
    index: np.ndarray  # (n_samples,) rows of the data set
    notes: tuple[str, ...] = ()

    @property
    def predictions(self) -> str:
        """Every answer, as CSV."""
        return predictions_csv(self.y_true, self.proba, self.evaluation.classes, index=self.index)


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
    dataset, rows, notes = rows_of(reader, data, train=train, test=test, seed=seed, progress=progress)
    X, y, index = {
        "test": (rows.X_test, rows.y_test, rows.test_index),
        "train": (rows.X_train, rows.y_train, rows.train_index),
        "all": (dataset.X, dataset.y, np.arange(len(dataset))),
    }[part]
    frames = scale_pixels(X).reshape(len(X), *dataset.image_shape)
    proba = reader.predict_proba(frames)
    y_pred = np.array(reader.classes)[proba.argmax(axis=1)]
    return Judgement(Evaluation.from_predictions(y, y_pred, reader.classes), proba, y, y_pred, frames, index, notes)


def sample_frame(reader: DigitReader, sample: int, *, data: str | None = None, progress: Callable | None = None):
    """Return (frame, label) of one test row of the model's own split, or of `data` split the same way."""
    dataset, rows, _ = rows_of(reader, data, progress=progress)
    if not 0 <= sample < len(rows.y_test):
        raise ParameterError(f"--sample must lie in 0..{len(rows.y_test) - 1} (the test rows), got {sample}")
    return scale_pixels(rows.X_test[sample]).reshape(dataset.image_shape), str(rows.y_test[sample])
