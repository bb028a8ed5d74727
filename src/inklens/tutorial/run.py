"""The tutorial from the first look at the data to the last penalty, as numbers, figures and one page."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from inklens import __version__
from inklens.datasets import Dataset, Split
from inklens.datasets.describe import Description, constant_pixels, describe
from inklens.displays import ByHandDisplay, MisclassifiedDisplay
from inklens.errors import DataError, ParameterError
from inklens.evaluation import Evaluation
from inklens.tasks.model_rows import Size, scale_pixels, split_rows
from inklens.tutorial.certainty import HowSure, how_sure
from inklens.tutorial.fits import SPARSE_C, Fits, fit_all, n_fit_steps
from inklens.tutorial.own_picture import MindChange, OwnPicture, change_mind, open_photo, read_own

SAMPLE = 33  # the tutorial's test image
PIXEL_FILTER = 20.0  # the tutorial's percentile that becomes black

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Tutorial:
    """All that a run of the tutorial found out; `fits.gentle` is the model that is judged and explained."""

    dataset: Dataset
    split: Split
    seed: int
    fits: Fits
    proba: np.ndarray  # (n_test, n_classes), of the model that is read
    evaluation: Evaluation
    by_hand: ByHandDisplay
    sample: int
    accuracy_three_ways: tuple[float, float, float]
    own: OwnPicture
    mind: MindChange
    sure: HowSure
    pixel_filter: float
    seconds: float

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of all arrays."""
        return tuple(str(name) for name in self.fits.gentle.model.classes_)

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
            self.fits.gentle.model, self.X_test, self.split.y_test, image_shape=self.dataset.image_shape
        )

    @property
    def alpha(self) -> float:
        """Strength per image of the L1 fit, 1 / (C n)."""
        return 1 / (SPARSE_C * len(self.split.y_train))

    def numbers(self) -> dict[str, Any]:
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
            "change_of_mind": self.mind.to_json(),
            "how_sure": self.sure.to_json(),
            "seconds": self.seconds,
        }


def run_tutorial(
    dataset: Dataset,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    out: str | os.PathLike[str],
    photo: str | os.PathLike[str] | None = None,
    pixel_filter: float = PIXEL_FILTER,
    progress: Progress | None = None,
) -> Tutorial:
    """Run the whole tutorial and write index.html, numbers.json, predictions.csv and figures/ into the folder `out`.

    Parameters
    ----------
    dataset : Dataset
        Any labelled images of at least two classes.
    train, test : int, float or None
        Rows of each half, or shares; by default three quarters and the rest.
    seed : int
        Of the split and of the random choices in figures.
    out : path
        A new or empty folder, or one with an older report, which is replaced as a whole at the end.
    photo : path, optional
        A picture of one character by the reader's own hand.
    pixel_filter : float
        Percentile of that picture that becomes black in the tutorial's recipe.
    progress : callable, optional
        Called as ``progress(done, total, what_comes_next)``.

    Raises
    ------
    ParameterError, DataError, PhotoError, OutputError
        Nothing is written then, and an older report stays.
    """
    from inklens.pages import replaced_folder
    from inklens.tutorial.page import write_page

    with replaced_folder(out) as folder:
        result = compute_tutorial(
            dataset, train=train, test=test, seed=seed, photo=photo, pixel_filter=pixel_filter, progress=progress
        )
        write_page(result, folder)
        if progress is not None:
            progress(_steps(), _steps(), "done")
    return result


def compute_tutorial(
    dataset: Dataset,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    photo: str | os.PathLike[str] | None = None,
    pixel_filter: float = PIXEL_FILTER,
    progress: Progress | None = None,
) -> Tutorial:
    """Carry out the tutorial's steps without writing anything; parameters as for `run_tutorial`."""
    began = time.perf_counter()
    ticks = iter(range(_steps()))

    def step(what: str) -> None:
        if progress is not None:
            progress(next(ticks), _steps(), what)

    step("splitting the data")
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    _check_classes(dataset, rows)
    if not 0 <= pixel_filter <= 100:
        raise ParameterError(
            f"the pixel filter is a percentile from 0 to 100, got {pixel_filter:g}; 20 is the tutorial's"
        )
    picture = open_photo(photo)
    fits = fit_all(rows, dataset.image_shape, step)
    step("reading the test images")
    model, X_test, y_test = fits.gentle.model, scale_pixels(rows.X_test), rows.y_test
    y_pred = model.predict(X_test)
    sample = min(SAMPLE, len(y_test) - 1)
    by_hand = ByHandDisplay.from_estimator(
        model, X_test[sample], image_shape=dataset.image_shape, true=str(y_test[sample])
    )
    step("fitting again on other images")
    sure = how_sure(fits.gentle, fits.sparse, dataset, rows)
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
        mind=change_mind(model, by_hand.image if own.frame is None else own.frame),
        sure=sure,
        pixel_filter=pixel_filter,
        seconds=time.perf_counter() - began,
    )
    step("drawing the figures and writing the page")
    return result


def _steps() -> int:
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


def _three_ways(model: Any, X: np.ndarray, y: np.ndarray, y_pred: np.ndarray) -> tuple[float, float, float]:
    from sklearn.metrics import accuracy_score

    return float(np.mean(y == y_pred)), float(accuracy_score(y, y_pred)), float(model.score(X, y))
