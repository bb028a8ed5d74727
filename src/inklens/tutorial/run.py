"""The tutorial from the first look at the data to the last penalty, as numbers."""

import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from inklens import __version__
from inklens.datasets import Dataset, Split
from inklens.datasets.describe import Description, constant_pixels, describe
from inklens.displays import ByHandDisplay, MisclassifiedDisplay
from inklens.errors import DataError, ParameterError
from inklens.evaluation import Evaluation
from inklens.model.records import DataRecord, FitRecord
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.reprs import listed
from inklens.tasks.model_rows import Size, scale_pixels, split_rows
from inklens.tutorial.certainty import HowSure, how_sure
from inklens.tutorial.fits import SPARSE_C, Fits, fit_all, n_fit_steps
from inklens.tutorial.own_picture import Counterfactuals, UserPicture, counterfactuals, open_photo, read_own

if TYPE_CHECKING:
    from inklens.linear.estimators import SoftmaxRegression

CLOSE = 0.5  # probability of an answer, below which a misread image is a close call
OFTEN = 5  # pairs of classes
PIXEL_FILTER = 20.0  # the tutorial's percentile that becomes black


@dataclass(frozen=True, eq=False)
class Tutorial:
    """All that a run of the tutorial found out; `fits.l2` is the model that is judged and explained."""

    dataset: Dataset
    split: Split
    seed: int
    fits: Fits
    proba: np.ndarray  # (n_test, n_classes), of the model that is read
    evaluation: Evaluation
    by_hand: ByHandDisplay
    sample: int
    accuracy_three_ways: tuple[float, float, float]
    own: UserPicture
    counterfactuals: Counterfactuals
    sure: HowSure
    pixel_filter: float
    seconds: float
    spec: str = "embedded"  # of the data, as the command line takes it

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of all arrays."""
        return tuple(str(name) for name in self.fits.l2.model.classes_)

    @property
    def X_train(self) -> np.ndarray:
        """Training pixels in [0, 1]."""
        return scale_pixels(self.split.X_train)

    @property
    def X_test(self) -> np.ndarray:
        """Test pixels in [0, 1]."""
        return scale_pixels(self.split.X_test)

    @cached_property
    def constant_pixels(self) -> int:
        """Pixels that have the same value in all training images."""
        return int(np.sum(constant_pixels(self.split.X_train)))

    @cached_property
    def description(self) -> Description:
        """What the data set is, and its overlap between the halves."""
        return describe(self.dataset, self.split)

    @cached_property
    def mistakes(self) -> MisclassifiedDisplay:
        """Some of the misread test images."""
        return MisclassifiedDisplay.from_estimator(
            self.fits.l2.model, self.X_test, self.split.y_test, image_shape=self.dataset.image_shape
        )

    @property
    def picture(self) -> np.ndarray:
        """The frame that is explained: the reader's own picture as read, else the test image, (rows, cols)."""
        return self.by_hand.image if self.own.frame is None else self.own.frame

    @cached_property
    def reader(self) -> DigitReader:
        """The model that is read, with what is recorded of its fit."""
        data = DataRecord(
            self.dataset.name,
            self.spec,
            self.dataset.checksum,
            self.dataset.licence,
            len(self.split.y_train),
            len(self.split.y_test),
            self.seed,
        )
        fitted = self.fits.l2
        asked = FitRecord.of_estimator(fitted.model)
        accuracy = {"train": fitted.train_accuracy, "test": fitted.test_accuracy}
        return replace(
            DigitReader.from_estimator(fitted.model, image_shape=self.dataset.image_shape),
            provenance={
                "data": data.to_json(), "fit": None if asked is None else asked.to_json(), "accuracy": accuracy
            },
            dual=fitted.model.dual_point_,
        )  # fmt: skip

    @property
    def alpha(self) -> float:
        """Strength per image of the L1 fit, 1 / (C n)."""
        return 1 / (SPARSE_C * len(self.split.y_train))

    def numbers(self) -> dict[str, object]:
        """Return the run as JSON-ready numbers."""
        hand = self.by_hand
        return {
            "schema_version": 1,
            "inklens": __version__,
            "data": {
                "name": self.dataset.name,
                "checksum": self.dataset.checksum,
                "licence": self.dataset.licence,
                "images": len(self.dataset),
                "image_shape": list(self.dataset.image_shape),
                "counts": self.dataset.counts,
                "constant_pixels": self.constant_pixels,
                "overlap": self.description.overlap.n_test if self.description.overlap else 0,
            },
            "split": {"train": len(self.split.y_train), "test": len(self.split.y_test), "seed": self.seed},
            **self.fits.to_json(),
            "by_hand": {
                "test_image": self.sample,
                "true": hand.true,
                "label": hand.label,
                "z": dict(zip(self.classes, hand.scores.tolist(), strict=True)),
                "probabilities": dict(zip(self.classes, hand.softmax.tolist(), strict=True)),
                "difference_from_predict_proba": hand.difference,
            },
            "evaluation": self.evaluation.to_json(),
            "own": self.own.to_json(),
            "change_of_mind": self.counterfactuals.to_json(),
            "how_sure": self.sure.to_json(),
            "seconds": self.seconds,
        }


def compute_tutorial(
    dataset: Dataset,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    photo: str | os.PathLike[str] | None = None,
    label: str | None = None,
    anyway: bool = False,
    pixel_filter: float = PIXEL_FILTER,
    spec: str = "embedded",
    progress: Progress | None = None,
) -> Tutorial:
    """Carry out the tutorial's steps and return what they found; nothing is written.

    Parameters
    ----------
    dataset : Dataset
        Any labelled images of at least two classes.
    train, test : int, float or None
        Rows of each half, or shares; by default three quarters and the rest.
    seed : int
        Of the split and of the random choices in figures.
    photo : path, optional
        A picture of one character by the reader's own hand.
    label : str, optional
        The class that the picture was meant to be.
    anyway : bool, default=False
        Take that picture even where no digit is found on it.
    pixel_filter : float
        Percentile of that picture that becomes black in the tutorial's recipe.
    spec : str
        What `load_dataset` was given, for the model's file and the printed commands.
    progress : Progress, optional
        Called as ``progress(done, total, what_comes_next)``.

    Raises
    ------
    ParameterError, DataError, PhotoError
        Settings, data or picture that the tutorial cannot use.
    """
    began = time.perf_counter()
    ticks = iter(range(n_steps()))

    def step(what: str) -> None:
        if progress is not None:
            progress(next(ticks), n_steps(), what)

    step("splitting the data")
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    _check_classes(dataset, rows)
    if not 0 <= pixel_filter <= 100:
        raise ParameterError(
            f"the pixel filter is a percentile from 0 to 100, got {pixel_filter:g}; 20 is the tutorial's"
        )
    _check_label(label, photo, dataset.classes)
    picture = open_photo(photo, classes=dataset.classes, anyway=anyway)
    fits = fit_all(rows, dataset.image_shape, step)
    step("reading the test images")
    model, X_test, y_test = fits.l2.model, scale_pixels(rows.X_test), rows.y_test
    y_pred, proba = model.predict(X_test), model.predict_proba(X_test)
    evaluation = Evaluation.from_predictions(y_test, y_pred, tuple(str(c) for c in model.classes_))
    sample = close_call(y_test, y_pred, proba)
    by_hand = ByHandDisplay.from_estimator(
        model, X_test[sample], image_shape=dataset.image_shape, true=str(y_test[sample])
    )
    step("fitting again on other images")
    sure = how_sure(fits.l2, fits.l1, dataset, rows)
    own = read_own(model, dataset, rows, picture=picture, pixel_filter=pixel_filter, truth=label)
    result = Tutorial(
        dataset=dataset,
        split=rows,
        seed=seed,
        fits=fits,
        proba=proba,
        evaluation=evaluation,
        by_hand=by_hand,
        sample=sample,
        accuracy_three_ways=_three_ways(model, X_test, y_test, y_pred),
        own=own,
        counterfactuals=counterfactuals(model, by_hand.image if own.frame is None else own.frame),
        sure=sure,
        pixel_filter=pixel_filter,
        seconds=time.perf_counter() - began,
        spec=spec,
    )
    step("drawing the figures and writing the page")
    return result


def close_call(y_true: np.ndarray, y_pred: np.ndarray, proba: np.ndarray) -> int:
    """Return the test image that is worked out by hand: one that was nearly read rightly.

    The first one that was misread with a probability below `CLOSE`, of the `OFTEN` pairs of classes that are mixed up
    most often; of any pair, if there is none; else the least sure one. On MNIST, 7,500 and 2,500 rows by seed 9, it is
    image 33, a 4 read as 9.

    >>> proba = np.array([[0.1, 0.9, 0.0], [0.3, 0.4, 0.3], [0.2, 0.0, 0.8]])  # of 4, 9 and 7
    >>> close_call(np.array(["4", "4", "7"]), np.array(["9", "9", "7"]), proba)
    1
    """
    best, wrong = proba.max(axis=1), np.flatnonzero(y_true != y_pred)
    pairs = [frozenset((str(y_true[row]), str(y_pred[row]))) for row in wrong]
    often = {pair for pair, _ in Counter(pairs).most_common(OFTEN)}
    close = [(int(row), pair in often) for row, pair in zip(wrong, pairs, strict=True) if best[row] < CLOSE]
    if not close:
        return int(best.argmin())
    return next((row for row, is_often in close if is_often), close[0][0])


def n_steps() -> int:
    """Return how many steps `compute_tutorial` tells its progress of."""
    return 4 + n_fit_steps()


def _check_label(label: str | None, photo: object, classes: tuple[str, ...]) -> None:
    if label is None:
        return
    if photo is None:
        raise ParameterError("a label says what a photo was meant to be; name the photo too")
    if label not in classes:
        raise ParameterError(f"the photo was meant to be one of {listed(classes)}, got {label!r}")


def _check_classes(dataset: Dataset, rows: Split) -> None:
    seen, needed = set(rows.y_train.tolist()), set(rows.y_test.tolist())
    if len(seen) < 2:
        raise DataError(
            f"{dataset.name!r} has only the class {next(iter(seen))!r} in its training rows; "
            "give data of at least two classes, or more rows"
        )
    if needed - seen:
        raise DataError(
            f"the test rows hold classes that no training row has: {', '.join(sorted(needed - seen)[:5])}; "
            "raise --train or change --seed"
        )


def _three_ways(
    model: "SoftmaxRegression", X: np.ndarray, y: np.ndarray, y_pred: np.ndarray
) -> tuple[float, float, float]:
    from sklearn.metrics import accuracy_score

    return float(np.mean(y == y_pred)), float(accuracy_score(y, y_pred)), float(model.score(X, y))
