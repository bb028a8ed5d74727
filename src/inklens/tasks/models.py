"""Fit a model from a data spec: what ``inklens fit`` does."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from inklens.datasets import Split, load_dataset
from inklens.datasets.relabel import read_relabel
from inklens.errors import DataError, ParameterError
from inklens.linear.driver import FitInterrupted, Solution, solve
from inklens.linear.rows.rows import Rows
from inklens.model.records import Certificate, DataRecord, FitRecord
from inklens.model.scaling import MinMax
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.storage import check_file
from inklens.tasks.model_rows import Size, feature_rows, split_rows, with_added

Callback = Callable[[Solution], object]
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
    seconds_allowed: float | None = None

    @property
    def features_used(self) -> int:
        """Features (pixels, for a model on pixels) with a coefficient that is not 0 in some class."""
        return int((self.reader.coef != 0.0).any(axis=0).sum())

    def in_words(self) -> list[list[str]]:
        """Say what was fitted to what, as pairs of a name and its value."""
        asked, data = self.reader.require_fit_record(), self.reader.data_record
        added = f" + {data.added.rows:,} of {data.added.folder}" if data.added else ""
        used = f"{self.reader.features}, {self.features_used:,} of {self.reader.coef.shape[1]:,} used"
        if asked.is_stretched:
            used += ", each stretched to its range (min-max)"
        return [
            ["penalty", asked.penalty_in_words()],
            ["features", used],
            ["data", str(data.name)],
            ["rows", f"{data.train:,}{added} training, {data.test:,} test, shuffled with seed {data.seed}"],
        ]

    def stop_in_words(self) -> str:
        """Say where the fit stopped, and why there."""
        gap, tol = f"gap {self.relative_gap:.2e}", self.reader.require_fit_record().tol
        if self.status == "certified":
            return f"{gap}, proven to be at most tol = {tol:g} (certified)"
        if self.status == "separated":
            return f"{gap}: a direction separates the classes, so the objective has no smallest value (separated)"
        if self.interrupted:
            return f"{gap}, above tol = {tol:g}: by Ctrl-C (stopped)"
        if self.seconds_allowed is not None:
            return f"{gap}, above tol = {tol:g}: the time budget of {self.seconds_allowed:g} s was over (stopped)"
        return f"{gap}, above tol = {tol:g}: no further progress (stopped)"

    def fitted_json(self) -> dict[str, object]:
        """Return what was fitted to what, and why it stopped there."""
        asked, data = self.reader.require_fit_record(), self.reader.data_record
        return {
            "C": asked.C if asked.is_penalised else "inf",
            "l1_ratio": asked.l1_ratio,
            "group": asked.group,
            "tol": asked.tol,
            "penalty": asked.penalty_in_words(),
            "features": self.reader.features,
            "scale": asked.scale,
            "standardize": asked.standardize,
            "n_features": self.reader.coef.shape[1],
            "features_used": self.features_used,
            "rows": {"train": data.train, "test": data.test, "added": 0 if data.added is None else data.added.rows},
            "stopped": self.stop_in_words(),
        }

    def to_json(self) -> dict[str, object]:
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
        numbers = {name: getattr(self, name) for name in names}
        return {"schema_version": 1, **numbers, "fitted": self.fitted_json(), "warnings": list(self.warnings)}


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
    standardize: bool = False,
    tol: float = 1e-4,
    time_budget: float | None = None,
    progress: Progress | None = None,
    callback: Callback | None = None,
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
        Folder of further training images, one sub-folder a class; or ``"allographs"``, those inside the package.
    relabel : path or None
        Relabel file whose decisions correct the labels of both halves; see `inklens.datasets.relabel`.
    start : DigitReader or None
        A model of the same classes and features to start from.
    features : {"pixels", "upright", "strokes"}
        What the linear model is fed.
    scale : {"255", "min-max"}
        Divide pixels by 255, or stretch each to 0..1 by its own range in the training rows. The model that comes out
        reads plain ink either way.
    standardize : bool
        Penalise each coefficient times its column's standard deviation in the training rows.
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
    if out is not None:
        check_file(out)
    dataset = load_dataset(data, progress=progress)
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    n_train, n_test = len(rows.y_train), len(rows.y_test)
    relabelled = None if relabel is None else read_relabel(relabel, dataset)
    rows, added = rows if relabelled is None else relabelled.apply(rows), None
    if add is not None:
        rows, added = with_added(rows, add, dataset.image_shape)
    data_record = DataRecord(
        dataset.name, data, dataset.checksum, dataset.licence, n_train, n_test, seed, added=added, relabelled=relabelled
    )
    halves = _Halves.of(rows, features=features, image_shape=dataset.image_shape, scale=scale)
    if max_pixels is not None:
        C = _largest_C(halves, max_pixels, C=C, l1_ratio=l1_ratio, group=group, standardize=standardize, tol=tol)
    asked = FitRecord(C, l1_ratio, group, tol, "255" if halves.stretch is None else "min-max", standardize)
    fitted = _fit_rows(halves, asked, time_budget, callback, start)
    while max_pixels is not None and not fitted.interrupted and fitted.solution.coef.any(axis=0).sum() > max_pixels:
        asked = replace(asked, C=asked.C * STEP_DOWN)  # within `tol`, a fit may use a few pixels more than the path's
        fitted = _fit_rows(halves, asked, time_budget, callback)
    result = _judge(fitted, halves, data_record, image_shape=dataset.image_shape, features=features)
    if out is not None:
        result.reader.save(out)
    return replace(result, model=None if out is None else os.fspath(out), seconds_allowed=time_budget)


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


def _largest_C(
    halves: _Halves, max_pixels: int, *, C: float, l1_ratio: float, group: bool, standardize: bool, tol: float
) -> float:
    """Follow the path until a model would use too many pixels."""
    from inklens.linear.path import softmax_path

    if l1_ratio == 0.0:
        raise ParameterError("without L1 every pixel is used; give an --l1-ratio above 0 with --max-pixels, such as 1")
    if not np.isfinite(C):
        raise ParameterError("without a penalty every pixel is used; give a finite --C with --max-pixels")
    path = softmax_path(
        halves.X_train, halves.y_train,
        C=C, l1_ratio=l1_ratio, max_pixels=max_pixels, group=group, standardize=standardize, tol=tol,
    )  # fmt: skip
    return float(path.Cs[-1])


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What the solver found, and what was asked of it."""

    solution: Solution
    classes: np.ndarray
    asked: FitRecord
    seconds: float
    interrupted: bool  # by Ctrl-C

    def accuracy(self, rows: Rows, y: np.ndarray) -> float:
        """Return the share of rows whose largest score is their class's."""
        raw = rows.scores(self.solution.coef, self.solution.intercept, dtype=np.float64)
        return float((self.classes[raw.argmax(axis=1)] == y).mean())


def _fit_rows(
    halves: _Halves,
    asked: FitRecord,
    time_budget: float | None,
    callback: Callback | None,
    start: DigitReader | None = None,
) -> _Fitted:
    """Fit the training half; scikit-learn, whose import takes longer than most fits, is not needed for it."""
    y, interrupted, began = halves.y_train, False, time.perf_counter()
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"the training rows hold only the class {y[0]!r}; take more rows, or another --seed")
    problem = asked.problem(halves.X_train, codes, len(classes))
    known = start is not None and start.coef.shape[1] == halves.X_train.n_features and start.classes == tuple(classes)
    begin = (start.coef, start.intercept) if start is not None and known else None
    try:
        solution = solve(problem, tol=asked.tol, time_budget=time_budget, start=begin, callback=callback)
    except FitInterrupted as interruption:
        solution, interrupted = interruption.solution, True
    return _Fitted(solution, classes, asked, time.perf_counter() - began, interrupted)


def _judge(fitted: _Fitted, halves: _Halves, data: DataRecord, *, image_shape: tuple[int, int], features: str) -> Fit:
    solution = fitted.solution
    accuracy = {
        "train": fitted.accuracy(halves.X_train, halves.y_train),
        "test": fitted.accuracy(halves.X_test, halves.y_test),
    }
    proven = Certificate(solution.objective, solution.lower_bound, solution.gap, solution.status.value)
    zeros = int((solution.coef == 0.0).sum())
    coef, intercept = solution.coef, solution.intercept
    if halves.stretch is not None:
        coef, intercept = halves.stretch.to_ink(coef, intercept)
    record = replace(fitted.asked, certificate=proven, passes=solution.n_passes, zeros=zeros)
    reader = DigitReader(
        coef,
        intercept,
        tuple(str(label) for label in fitted.classes),
        image_shape,
        features=features,
        provenance={"data": data.to_json(), "fit": record.to_json(), "accuracy": accuracy},
        dual=solution.dual,
    )
    remarks = "" if fitted.interrupted else solution.remark(fitted.asked.tol), solution.scale_remark
    return Fit(
        reader,
        proven.objective,
        proven.lower_bound,
        proven.relative_gap,
        proven.status,
        passes=solution.n_passes,
        zeros=zeros,
        accuracy=accuracy,
        seconds=fitted.seconds,
        warnings=tuple(filter(None, remarks)),
        interrupted=fitted.interrupted,
    )
