"""The tutorial from the first look at the data to the last penalty, as numbers, figures and one page."""

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from inklens import __version__
from inklens.datasets import Dataset, Split
from inklens.datasets.describe import Description, constant_pixels, describe
from inklens.displays import ByHandDisplay
from inklens.errors import DataError, PhotoError
from inklens.evaluation import Evaluation
from inklens.workflow.models import Size, pixel_rows, scale_pixels, split_rows
from inklens.workflow.paper import paper_photo
from inklens.workflow.paths import PathRun, path_accuracies

READ_C = 0.1  # the gentle L2 penalty of the model that is read: on these digits it tests best of 1, 0.1, 0.03, 0.01
SPARSE_C = 1.0  # the tutorial's L1 fit
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # C down and C up, for L1; points of the path
POINTS = 20  # of the L1 path, from the C at which the first pixel enters
TIGHT, READABLE = 1e-4, 1e-3  # promised gaps: of the fits that are compared, of those along C
LOOSE_TOL = 0.1  # the tutorial's setting for saga
SECONDS_PER_FIT = 30.0  # then the best so far is shown, with its bound
SECONDS_PER_PATH = 120.0  # then the path ends early
SAMPLE = 33  # the tutorial's test image
RECIPES = {"tutorial": "the tutorial's recipe", "faithful": "the faithful recipe"}

Progress = Callable[[int, int, str], None]
Halves = tuple[Any, np.ndarray, Any, np.ndarray]  # X_train, y_train, X_test, y_test; X as pixels in [0, 1] or Rows


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A fitted softmax regression with what it cost and how often it is right."""

    title: str
    model: Any
    seconds: float
    train_accuracy: float
    test_accuracy: float
    objective: float
    lower_bound: float

    @property
    def coef(self) -> np.ndarray:
        """Coefficients (n_classes, n_features)."""
        return self.model.coef_

    @property
    def zeros(self) -> int:
        """How many coefficients are exactly zero."""
        return int(np.sum(self.coef == 0))

    @property
    def zero_share(self) -> float:
        """Share of coefficients that are exactly zero."""
        return self.zeros / self.coef.size

    @property
    def gap(self) -> float:
        """(objective - lower bound) / objective."""
        return (self.objective - self.lower_bound) / self.objective if self.objective > 0 else 0.0

    @property
    def separated(self) -> bool:
        """Whether the fit proved that no finite optimum exists."""
        return getattr(self.model, "status_", "") == "separated"

    def to_json(self) -> dict[str, Any]:
        """Return the numbers."""
        return {
            "title": self.title,
            "C": self.model.C if np.isfinite(self.model.C) else "inf",
            "l1_ratio": self.model.l1_ratio,
            "tol": self.model.tol,
            "status": getattr(self.model, "status_", "stopped"),
            "objective": self.objective,
            "lower_bound": self.lower_bound,
            "relative_gap": self.gap,
            "zeros": self.zeros,
            "coefficients": self.coef.size,
            "largest_coefficient": float(np.abs(self.coef).max()),
            "accuracy": {"train": self.train_accuracy, "test": self.test_accuracy},
            "seconds": self.seconds,
        }


@dataclass(frozen=True, eq=False)
class _PathPoint:
    """A point of the L1 path in an estimator's words."""

    C: float
    coef_: np.ndarray
    intercept_: np.ndarray
    classes_: np.ndarray
    converged_: bool
    l1_ratio: float = 1.0

    @property
    def tol(self) -> float:
        return READABLE

    @property
    def status_(self) -> str:
        return "certified" if self.converged_ else "stopped"


@dataclass(frozen=True, eq=False)
class RecipeReading:
    """What one recipe made of a picture, and what the model says after each step that has the model's shape."""

    recipe: str
    title: str
    steps: tuple[Any, ...]
    answers: list[str | None]
    frame: np.ndarray
    proba: np.ndarray
    label: str
    reasons: tuple[str, ...]

    @property
    def probability(self) -> float:
        """Probability of the answer."""
        return float(self.proba.max())


@dataclass(frozen=True, eq=False)
class OwnPicture:
    """The reader's picture, or one that was made from a held-out image."""

    origin: str
    made: bool
    truth: str | None
    shape: tuple[int, int]
    readings: dict[str, RecipeReading]
    refusal: str = ""


@dataclass(frozen=True, eq=False)
class Tutorial:
    """All that a run of the tutorial found out.

    `plain` is the fit without a penalty, `gentle` the L2 fit that is read, `sparse` the L1 fit, `loose` scikit-learn's
    saga at the tutorial's tolerance, `path` the L1 path along C, `strengths` its points at round values.
    """

    dataset: Dataset
    split: Split
    seed: int
    plain: FittedModel
    gentle: FittedModel
    sparse: FittedModel
    loose: FittedModel
    path: PathRun
    strengths: tuple[FittedModel, ...]
    evaluation: Evaluation
    by_hand: ByHandDisplay
    sample: int
    accuracy_three_ways: tuple[float, float, float]
    own: OwnPicture
    seconds: float

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of all arrays."""
        return tuple(str(name) for name in self.gentle.model.classes_)

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

    @property
    def alpha(self) -> float:
        """Strength per image of the L1 fit, 1 / (C n)."""
        return 1 / (SPARSE_C * len(self.split.y_train))

    @property
    def fits(self) -> tuple[FittedModel, ...]:
        """The fits that the page compares."""
        return (self.plain, self.gentle, self.sparse, self.loose)

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
            "fits": {name: getattr(self, name).to_json() for name in ("plain", "gentle", "sparse", "loose")},
            "strengths": [fit.to_json() for fit in self.strengths],
            "path": self.path.to_json(),
            "by_hand": {
                "test_image": self.sample,
                "true": hand.true,
                "label": hand.label,
                "z": dict(zip(self.classes, hand.scores.tolist(), strict=True)),
                "probabilities": dict(zip(self.classes, hand.softmax.tolist(), strict=True)),
                "difference_from_predict_proba": hand.difference,
            },
            "evaluation": self.evaluation.to_json(),
            "own": {
                "origin": self.own.origin,
                "truth": self.own.truth,
                "refusal": self.own.refusal,
                "readings": {
                    name: {"label": reading.label, "probability": reading.probability, "reasons": list(reading.reasons)}
                    for name, reading in self.own.readings.items()
                },
            },
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
    progress: Progress | None = None,
) -> Tutorial:
    """Run the whole tutorial and write ``out/index.html``, ``out/figures/`` and ``out/numbers.json``.

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
    progress : callable, optional
        Called as ``progress(done, total, what_comes_next)``.

    Raises
    ------
    ParameterError, DataError, PhotoError, OutputError
        Nothing is written then, and an older report stays.
    """
    from inklens.report import replaced_folder
    from inklens.workflow.tutorial_page import write_page

    with replaced_folder(out) as folder:
        result = compute_tutorial(dataset, train=train, test=test, seed=seed, photo=photo, progress=progress)
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
    own_photo = _decode(photo)
    halves = (pixel_rows(rows.X_train), rows.y_train, pixel_rows(rows.X_test), rows.y_test)
    step("fitting without a penalty")
    plain = _fit("no penalty", halves, C=np.inf, tol=TIGHT)
    step("fitting with a gentle L2 penalty")
    gentle = _fit(f"L2, C = {READ_C:g}", halves, C=READ_C, tol=TIGHT)
    step("fitting with an L1 penalty")
    sparse = _fit(f"L1, C = {SPARSE_C:g}", halves, C=SPARSE_C, l1_ratio=1.0, tol=TIGHT)
    path = _follow(halves, dataset.image_shape, step)
    step("fitting as the tutorial does, with saga at tol = 0.1")
    floats = (scale_pixels(rows.X_train), rows.y_train, scale_pixels(rows.X_test), rows.y_test)
    loose = _fit_saga(floats, bound=sparse.lower_bound)
    step("reading the test images")
    X_test, y_test = floats[2:]
    y_pred = gentle.model.predict(X_test)
    sample = min(SAMPLE, len(y_test) - 1)
    result = Tutorial(
        dataset=dataset,
        split=rows,
        seed=seed,
        plain=plain,
        gentle=gentle,
        sparse=sparse,
        loose=loose,
        path=path,
        strengths=_at_strengths(path, sparse),
        evaluation=Evaluation.from_predictions(y_test, y_pred, tuple(str(c) for c in gentle.model.classes_)),
        by_hand=ByHandDisplay.from_estimator(
            gentle.model, X_test[sample], image_shape=dataset.image_shape, true=str(y_test[sample])
        ),
        sample=sample,
        accuracy_three_ways=_three_ways(gentle.model, X_test, y_test, y_pred),
        own=_read_own(gentle.model, own_photo, photo, dataset, rows),
        seconds=time.perf_counter() - began,
    )
    step("drawing the figures and writing the page")
    return result


def _steps() -> int:
    return 7 + POINTS


def _check_classes(dataset: Dataset, rows: Split) -> None:
    seen, needed = set(rows.y_train.tolist()), set(rows.y_test.tolist())
    if len(seen) < 2:
        raise DataError(
            f"{dataset.name} has only the class {next(iter(seen))!r} in its training rows; "
            "give data of at least two classes, or more rows"
        )
    if needed - seen:
        raise DataError(
            f"the test rows hold classes that no training row has: {', '.join(sorted(needed - seen)[:5])}; "
            "raise --train or change --seed"
        )


def _fit(title: str, halves: Halves, **parameters: Any) -> FittedModel:
    from inklens.linear.estimators import SoftmaxRegression

    model = SoftmaxRegression(time_budget=SECONDS_PER_FIT, **parameters)
    seconds = _timed_fit(model, halves)
    return _record(title, model, seconds, halves, model.objective_, model.lower_bound_)


def _follow(halves: Halves, image_shape: tuple[int, int], step: Callable[[str], None]) -> PathRun:
    """Follow the L1 penalty from the C at which the first pixel enters to a weak one."""
    from inklens.linear.path import softmax_path

    X_train, y_train, X_test, y_test = halves
    first = float(softmax_path(X_train, y_train, Cs=1, C=STRENGTHS[-1], tol=READABLE).Cs[0])
    Cs, began = _path_Cs(first), time.perf_counter()

    def follow_on(index: int, C: float, _: Any) -> bool:
        if index + 1 < len(Cs):
            step(f"following the L1 penalty, C = {Cs[index + 1]:.2g}")
        return time.perf_counter() - began > SECONDS_PER_PATH

    step(f"following the L1 penalty, C = {Cs[0]:.2g}")
    path = softmax_path(X_train, y_train, Cs=Cs, l1_ratio=1.0, tol=READABLE, callback=follow_on)
    return PathRun(path, path_accuracies(path, X_train, y_train), path_accuracies(path, X_test, y_test), image_shape)


def _path_Cs(first: float) -> list[float]:
    """Return POINTS values of C evenly spaced on a log scale, those next to a strength moved onto it."""
    Cs = np.geomspace(first, max(STRENGTHS[-1], 10 * first), POINTS)
    for C in STRENGTHS:
        if Cs[0] < C < Cs[-1]:
            Cs[1 + np.abs(np.log(Cs[1:-1] / C)).argmin()] = C
    return Cs.tolist()


def _at_strengths(run: PathRun, sparse: FittedModel) -> tuple[FittedModel, ...]:
    """Return the points of the path at round values of C, with the tighter fit in its place."""
    path, found = run.path, {SPARSE_C: sparse}
    for point, C in enumerate(path.Cs):
        if C in STRENGTHS and C != SPARSE_C:
            found[float(C)] = FittedModel(
                title=f"L1, C = {C:g}",
                model=_PathPoint(
                    float(C),
                    path.coefs[point],
                    path.intercepts[point],
                    path.classes,
                    bool(path.gaps[point] <= READABLE),
                ),
                seconds=path.seconds / len(path),
                train_accuracy=float(run.train_accuracy[point]),
                test_accuracy=float(run.test_accuracy[point]),
                objective=float(path.objectives[point]),
                lower_bound=float(path.lower_bounds[point]),
            )
    return tuple(found[C] for C in sorted(found))


def _fit_saga(halves: Halves, *, bound: float) -> FittedModel:
    """Fit as the tutorial does; the bound is that of the same problem, proven by the tight fit."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=SPARSE_C, l1_ratio=1.0, solver="saga", tol=LOOSE_TOL, random_state=0)
    seconds = _timed_fit(model, halves)
    X_train, y_train = halves[:2]
    log_proba = model.predict_log_proba(X_train)
    codes = np.searchsorted(model.classes_, y_train)
    loss = -float(log_proba[np.arange(len(codes)), codes].sum())
    # With two classes scikit-learn keeps one row w; its softmax, -w/2 and w/2, has the same L1 norm.
    objective = SPARSE_C * loss + float(np.abs(model.coef_).sum())
    title = f"scikit-learn's saga, tol = {LOOSE_TOL:g}"
    return _record(title, model, seconds, halves, objective, bound)


def _timed_fit(model: Any, halves: Halves) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # status, bound and separation are reported from the model itself
        began = time.perf_counter()
        model.fit(*halves[:2])
        return time.perf_counter() - began


def _record(title: str, model: Any, seconds: float, halves: Halves, objective: float, bound: float) -> FittedModel:
    X_train, y_train, X_test, y_test = halves
    return FittedModel(
        title=title,
        model=model,
        seconds=seconds,
        train_accuracy=float(model.score(X_train, y_train)),
        test_accuracy=float(model.score(X_test, y_test)),
        objective=float(objective),
        lower_bound=float(bound),
    )


def _three_ways(model: Any, X: np.ndarray, y: np.ndarray, y_pred: np.ndarray) -> tuple[float, float, float]:
    from sklearn.metrics import accuracy_score

    return float(np.mean(y == y_pred)), float(accuracy_score(y, y_pred)), float(model.score(X, y))


def _decode(photo: str | os.PathLike[str] | None) -> Any:
    """Read the user's picture before any long work, so that a bad file is said at once."""
    from inklens.photos import decode

    return None if photo is None else decode(photo)


def _read_own(
    model: Any, picture: Any, photo: str | os.PathLike[str] | None, dataset: Dataset, rows: Split
) -> OwnPicture:
    from inklens.photos import decode

    truth = None
    if picture is not None and photo is not None:
        origin = Path(photo).name
    else:
        number = _readable_image(model, rows)
        truth = str(rows.y_test[number])
        origin = f"test image {number}, class {truth}"
        picture = decode(paper_photo(scale_pixels(rows.X_test[number]).reshape(dataset.image_shape)))
    readings = {}
    refusal = ""
    if dataset.image_shape == (28, 28):
        for recipe in RECIPES:
            try:
                readings[recipe] = _read_with(recipe, model, picture)
            except PhotoError as error:
                refusal = str(error)
    else:
        refusal = "the recipes make frames of 28 x 28 pixels, and these images have another size"
    return OwnPicture(origin, photo is None, truth, picture.gray.shape, readings, refusal)


def _readable_image(model: Any, rows: Split) -> int:
    """Choose the first test image that is read rightly and surely, else the surest."""
    proba = model.predict_proba(scale_pixels(rows.X_test))
    right = model.classes_[proba.argmax(axis=1)] == rows.y_test
    sure = np.flatnonzero(right & (proba.max(axis=1) > 0.9))
    return int(sure[0]) if len(sure) else int(np.where(right, proba.max(axis=1), 0).argmax())


def _read_with(recipe: str, model: Any, picture: Any) -> RecipeReading:
    from inklens.photos import normalise

    made = normalise(picture, recipe=recipe)
    proba = model.predict_proba(made.frame.reshape(1, -1))[0]
    return RecipeReading(
        recipe=recipe,
        title=RECIPES[recipe],
        steps=tuple(made.steps),
        answers=[_answer(model, step.picture, made.frame.shape) for step in made.steps],
        frame=made.frame,
        proba=proba,
        label=str(model.classes_[proba.argmax()]),
        reasons=tuple(made.reasons),
    )


def _answer(model: Any, picture: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """What the model says of a step's picture, if it has the size of a frame."""
    from inklens.displays.probabilities import percent

    if picture.shape != shape:
        return None
    proba = model.predict_proba(np.clip(picture, 0, 1).reshape(1, -1))[0]
    return f"{model.classes_[proba.argmax()]}: {percent(float(proba.max()))}"
