"""The tutorial from the first look at the data to the last penalty, as numbers."""

import os
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from inklens import __version__
from inklens.datasets import Dataset, Split
from inklens.datasets.describe import Description, constant_pixels, describe
from inklens.displays import ByHandDisplay, MisclassifiedDisplay
from inklens.errors import DataError, ParameterError
from inklens.evaluation import Evaluation
from inklens.progress import Progress
from inklens.tasks.model_rows import Size, scale_pixels, split_rows
from inklens.tutorial.certainty import HowSure, how_sure
from inklens.tutorial.fits import SPARSE_C, Fits, fit_all, n_fit_steps
from inklens.tutorial.own_picture import Counterfactuals, UserPicture, counterfactuals, open_photo, read_own

if TYPE_CHECKING:
    from inklens.linear.estimators import SoftmaxRegression

SAMPLE = 33  # the tutorial's test image
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
    anyway: bool = False,
    pixel_filter: float = PIXEL_FILTER,
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
    anyway : bool, default=False
        Take that picture even where no digit is found on it.
    pixel_filter : float
        Percentile of that picture that becomes black in the tutorial's recipe.
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
    picture = open_photo(photo, classes=dataset.classes, anyway=anyway)
    fits = fit_all(rows, dataset.image_shape, step)
    step("reading the test images")
    model, X_test, y_test = fits.l2.model, scale_pixels(rows.X_test), rows.y_test
    y_pred = model.predict(X_test)
    sample = min(SAMPLE, len(y_test) - 1)
    by_hand = ByHandDisplay.from_estimator(
        model, X_test[sample], image_shape=dataset.image_shape, true=str(y_test[sample])
    )
    step("fitting again on other images")
    sure = how_sure(fits.l2, fits.l1, dataset, rows)
    own = read_own(model, dataset, rows, picture=picture, pixel_filter=pixel_filter)
    result = Tutorial(
        dataset=dataset,
        split=rows,
        seed=seed,
        fits=fits,
        proba=model.predict_proba(X_test),
        evaluation=Evaluation.from_predictions(y_test, y_pred, tuple(str(c) for c in model.classes_)),
        by_hand=by_hand,
        sample=sample,
        accuracy_three_ways=_three_ways(model, X_test, y_test, y_pred),
        own=own,
        counterfactuals=counterfactuals(model, by_hand.image if own.frame is None else own.frame),
        sure=sure,
        pixel_filter=pixel_filter,
        seconds=time.perf_counter() - began,
    )
    step("drawing the figures and writing the page")
    return result


def n_steps() -> int:
    """Return how many steps `compute_tutorial` tells its progress of."""
    return 4 + n_fit_steps()


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
