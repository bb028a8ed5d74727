"""Fit a model from a data spec: what ``inklens fit`` does."""

import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from inklens.datasets import Split, load_dataset
from inklens.datasets.relabel import read_relabel
from inklens.errors import ClusterError, DataError, ParameterError
from inklens.linear.driver import FitInterrupted, FitLost, Solution, solve
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import n_right
from inklens.model.records import Certificate, DataRecord, FitRecord
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.storage import check_file
from inklens.tasks.checkpoints import Checkpoint, Point, Question
from inklens.tasks.fitted import Fit, OnWorkers
from inklens.tasks.halves import Halves
from inklens.tasks.interrupts import held_back
from inklens.tasks.model_rows import Size, split_rows, with_added

if TYPE_CHECKING:
    from distributed import Client

    from inklens.linear.rows.remote.remote_rows import RemoteRows

Callback = Callable[[Solution], object]
STEP_DOWN = 0.98  # of C, while a model still uses too many pixels


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
    cluster: "Callable[[], AbstractContextManager[Client]] | None" = None,
    resume: bool = False,
) -> Fit:
    """Load, split, scale, fit, judge and save.

    A fit that takes more than a moment keeps a checkpoint beside `out` (``FILE.checkpoint``) until it is done; Ctrl-C
    and the end of `time_budget` leave it. A fit that starts from a model, or with `max_pixels`, has none.

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
    cluster : callable, optional
        Returns a context manager of a `distributed.Client`, whose workers hold the training rows; called once the data
        are ready. None fits here. Either way the model is the same, to what its certificate says.
    resume : bool
        Go on from the checkpoint of a fit of the same data with the same settings that was broken off, if there is one.

    Raises
    ------
    ParameterError, DataError, OutputError, ModelFileError
        Nothing is written then.
    ClusterError
        The cluster is lost; the checkpoint has the best point so far.

    Examples
    --------
    >>> result = fit("embedded", train=300, test=200, C=0.1, tol=1e-2)
    >>> result.status, result.accuracy["test"] > 0.7
    ('certified', True)
    """
    check_parameters(C, l1_ratio, tol)
    if out is not None:
        check_file(out)
    if resume and (out is None or max_pixels is not None or start is not None):
        raise ParameterError(
            "a fit goes on from the checkpoint beside its model (-o); with --max-pixels it is many fits, without one"
        )
    rows, data_record, shape = _loaded(
        data, train=train, test=test, seed=seed, add=add, relabel=relabel, progress=progress
    )
    asked = FitRecord(C, l1_ratio, group, tol, "min-max" if scale == "min-max" else "255", standardize)
    classes, codes = _coded(rows.y_train)
    question = Question(data_record, asked, features, tuple(classes.tolist()))
    is_kept = out is not None and max_pixels is None and start is None
    checkpoint = Checkpoint.beside(out, question) if out is not None and is_kept else None
    begin = None if start is None or start.classes != question.classes else Point(start.coef, start.intercept)
    if resume:
        if checkpoint is None:
            raise ParameterError(f"{str(out)!r} is no file, and has no checkpoint beside it to go on from")
        begin = checkpoint.resume() or begin
    if cluster is not None and progress is not None:
        progress(0, None, f"sending {len(codes):,} rows to the workers of the cluster")
    with (
        nullcontext() if cluster is None else cluster() as client,
        closing(Halves.of(rows, features=features, image_shape=shape, scale=scale, client=client)) as halves,
    ):
        if checkpoint is not None:
            checkpoint.check_columns(halves.X_train.n_features)
        if max_pixels is not None:
            asked = replace(asked, C=_largest_C(halves, asked, max_pixels))
        follow = Following(halves.far, checkpoint, callback, progress)
        fitted = _fit_rows(halves, classes, codes, asked, time_budget, follow, begin)
        while max_pixels is not None and not fitted.interrupted and fitted.n_used > max_pixels:
            asked = replace(asked, C=asked.C * STEP_DOWN)  # within `tol`, a fit may use a few more than the path's
            fitted = _fit_rows(halves, classes, codes, asked, time_budget, follow)
        with held_back():
            result = _judge(fitted, halves, data_record, image_shape=shape, features=features)
            result = replace(result, seconds_allowed=time_budget, workers=OnWorkers.of(halves, fitted.solution))
            return _kept(result, fitted.solution, out, checkpoint)


def _kept(result: Fit, solution: Solution, out: str | os.PathLike[str] | None, checkpoint: Checkpoint | None) -> Fit:
    """Write the model; leave a checkpoint of what is not done, and none of what is."""
    if out is not None:
        result.reader.save(out)
        result = replace(result, model=os.fspath(out))
    if checkpoint is None:
        return result
    if result.interrupted or (result.seconds_allowed is not None and result.status == "stopped"):
        result = replace(result, checkpoint=checkpoint.keep(solution))
    else:
        checkpoint.remove()
    return replace(result, warnings=tuple(filter(None, (*result.warnings, checkpoint.warning))))


def _loaded(
    data: str,
    *,
    train: Size,
    test: Size,
    seed: int,
    add: str | os.PathLike[str] | None,
    relabel: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> tuple[Split, DataRecord, tuple[int, int]]:
    """Return the halves with corrected labels and added images, the record of both, and the size of one image."""
    dataset = load_dataset(data, progress=progress)
    rows, added, relabelled = split_rows(dataset, train=train, test=test, seed=seed), None, None
    record = DataRecord(
        dataset.name, data, dataset.checksum, dataset.licence, len(rows.y_train), len(rows.y_test), seed
    )
    if relabel is not None:
        relabelled = read_relabel(relabel, dataset)
        rows = relabelled.apply(rows)
    if add is not None:
        rows, added = with_added(rows, add, dataset.image_shape)
    return rows, replace(record, added=added, relabelled=relabelled), dataset.image_shape


def check_parameters(C: float, l1_ratio: float, tol: float) -> None:
    """Refuse parameters outside their range, in the words of the command line."""
    if not C > 0.0:
        raise ParameterError(
            f"C must be greater than 0 (it divides the penalty), got {C:g}; try 1, or inf for no penalty"
        )
    if not 0.0 <= l1_ratio <= 1.0:
        raise ParameterError(f"the L1 share lies between 0 (L2) and 1 (L1), got {l1_ratio:g}")
    if not 0.0 <= tol < math.inf:
        raise ParameterError(f"tol is a finite relative gap and at least 0, got {tol:g}; 1e-4 is a good value")


def _largest_C(halves: Halves, asked: FitRecord, max_pixels: int) -> float:
    """Follow the path until a model would use too many pixels."""
    from inklens.linear.path import softmax_path

    if asked.l1_ratio == 0.0:
        raise ParameterError("without L1 every pixel is used; give an --l1-ratio above 0 with --max-pixels, such as 1")
    if not asked.is_penalised:
        raise ParameterError("without a penalty every pixel is used; give a finite --C with --max-pixels")
    path = softmax_path(
        halves.X_train, halves.y_train, max_pixels=max_pixels,
        C=asked.C, l1_ratio=asked.l1_ratio, group=asked.group, standardize=asked.standardize, tol=asked.tol,
    )  # fmt: skip
    return float(path.Cs[-1])


def _coded(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, and the number of each row's."""
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"the training rows hold only the class {y[0]!r}; take more rows, or another --seed")
    return classes, codes


@dataclass(frozen=True, eq=False)
class Following:
    """Those that follow a fit: its checkpoint, whoever shows it, and, of rows on workers, what their cluster does."""

    far: "RemoteRows | None"
    checkpoint: Checkpoint | None
    callback: Callback | None
    progress: Progress | None

    def __call__(self, solution: Solution) -> object:
        """Pass the best point so far on to all of them."""
        if self.checkpoint is not None:
            self.checkpoint(solution)
        if self.far is not None and self.progress is not None:
            self.progress(0, None, self.far.progress(solution))
        return None if self.callback is None else self.callback(solution)

    def lost(self, error: FitLost) -> ClusterError:
        """Keep the best point of a fit whose workers are lost, and return an error that says where it is."""
        if self.checkpoint is None:
            return error
        self.checkpoint.keep(error.solution)
        return ClusterError(f"{error}; {self.checkpoint.remedy}")


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What the solver found, and what was asked of it."""

    solution: Solution
    classes: np.ndarray
    asked: FitRecord
    seconds: float
    interrupted: bool  # by Ctrl-C
    before: Point | None = None  # where it began

    @property
    def n_used(self) -> int:
        """Features with a coefficient that is not 0."""
        return int(self.solution.coef.any(axis=0).sum())

    def accuracy(self, rows: Rows, y: np.ndarray) -> float:
        """Return the share of rows whose largest score is their class's; scores stay where the rows are."""
        codes = np.where(np.isin(y, self.classes), np.searchsorted(self.classes, y), -1)
        scores = rows.row_scores(self.solution.coef, self.solution.intercept, dtype=np.float64)
        return cast(float, RowArray.total(n_right, scores, codes)) / len(y)


def _fit_rows(
    halves: Halves,
    classes: np.ndarray,
    codes: np.ndarray,
    asked: FitRecord,
    time_budget: float | None,
    follow: Following,
    begin: Point | None = None,
) -> _Fitted:
    """Fit the training half; scikit-learn, whose import takes longer than most fits, is not needed for it."""
    interrupted, began = False, time.perf_counter()
    if begin is not None and begin.coef.shape[1] != halves.X_train.n_features:
        begin = None  # of a model of other features
    start = None if begin is None else (begin.coef, begin.intercept)
    problem = asked.problem(halves.X_train, codes, len(classes))
    try:
        solution = solve(problem, tol=asked.tol, time_budget=time_budget, start=start, callback=follow)
    except FitInterrupted as interruption:
        solution, interrupted = interruption.solution, True
    except FitLost as error:
        raise follow.lost(error) from error
    return _Fitted(solution, classes, asked, time.perf_counter() - began, interrupted, begin)


def _judge(fitted: _Fitted, halves: Halves, data: DataRecord, *, image_shape: tuple[int, int], features: str) -> Fit:
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
    before = Point(coef, intercept) if fitted.before is None else fitted.before
    passes = before.passes + solution.n_passes
    record = replace(fitted.asked, certificate=proven, passes=passes, zeros=zeros)
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
        passes=passes,
        zeros=zeros,
        accuracy=accuracy,
        seconds=before.seconds + fitted.seconds,
        passes_before=before.passes,
        warnings=tuple(filter(None, remarks)),
        interrupted=fitted.interrupted,
    )
