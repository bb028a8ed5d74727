"""The fits that the tutorial compares: without a penalty, gently, with few pixels, along C, and stopped early."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from inklens.datasets import Split
from inklens.displays.estimators import LinearWeights
from inklens.linear.rows.rows import Rows
from inklens.quiet import quiet
from inklens.tasks.model_rows import pixel_rows, scale_pixels
from inklens.tasks.paths import PathRun, path_accuracies

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

    from inklens.linear.estimators import SoftmaxRegression

READ_C = 0.1  # the gentle L2 penalty of the model that is read: on these digits it tests best of 1, 0.1, 0.03, 0.01
SPARSE_C = 1.0  # the tutorial's L1 fit
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # C down and C up, for L1; points of the path
POINTS = 20  # of the L1 path, from the C at which the first pixel enters
TIGHT, READABLE = 1e-4, 1e-3  # promised gaps: of the fits that are compared, of those along C
LOOSE_TOL = 0.1  # the tutorial's setting for saga
SECONDS_PER_FIT = 30.0  # then the best so far is shown, with its bound
SECONDS_PER_PATH = 120.0  # then the path ends early

Halves = tuple[Rows | np.ndarray, np.ndarray, Rows | np.ndarray, np.ndarray]  # X_train, y_train, X_test, y_test
RowHalves = tuple[Rows, np.ndarray, Rows, np.ndarray]


class PenalisedModel(LinearWeights, Protocol):
    """A fitted linear classifier and what it was told to minimise."""

    @property
    def C(self) -> float:
        """Inverse strength of the penalty."""

    @property
    def l1_ratio(self) -> float:
        """Share of L1 in it."""

    @property
    def tol(self) -> float:
        """When to stop."""


class Estimator(PenalisedModel, Protocol):
    """One that can be fitted and scored."""

    def fit(self, X: Rows | np.ndarray, y: np.ndarray, /) -> object:
        """Fit."""

    def score(self, X: Rows | np.ndarray, y: np.ndarray, /) -> float:
        """Return the share of right answers."""


Model = TypeVar("Model", bound=PenalisedModel, covariant=True)
Scored = TypeVar("Scored", bound=Estimator)


@dataclass(frozen=True, eq=False)
class FittedModel(Generic[Model]):
    """A fitted softmax regression with what it cost and how often it is right."""

    title: str
    model: Model
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

    def to_json(self) -> dict[str, object]:
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
class Fits:
    """All fits of a run.

    `l2` is the model that the page reads, `saga` scikit-learn's solver at the tutorial's tolerance on the problem of
    `l1`, `path` the L1 path along C, `strengths` its points at round values.
    """

    unpenalised: "FittedModel[SoftmaxRegression]"
    l2: "FittedModel[SoftmaxRegression]"
    l1: "FittedModel[SoftmaxRegression]"
    saga: "FittedModel[LogisticRegression]"
    path: PathRun
    strengths: tuple[FittedModel[PenalisedModel], ...]

    @property
    def compared(self) -> dict[str, FittedModel[PenalisedModel]]:
        """The four fits by their names in ``numbers.json``, in the order of the page."""
        return {"plain": self.unpenalised, "gentle": self.l2, "sparse": self.l1, "loose": self.saga}

    def to_json(self) -> dict[str, object]:
        """Return the numbers of every fit."""
        return {
            "fits": {name: fit.to_json() for name, fit in self.compared.items()},
            "strengths": [fit.to_json() for fit in self.strengths],
            "path": self.path.to_json(),
        }


def n_fit_steps() -> int:
    """Return how often `fit_all` calls `step`."""
    return 4 + POINTS


def fit_all(rows: Split, image_shape: tuple[int, int], step: Callable[[str], None]) -> Fits:
    """Fit every model of the tutorial; `step` is told what comes next."""
    halves = (pixel_rows(rows.X_train), rows.y_train, pixel_rows(rows.X_test), rows.y_test)
    step("fitting without a penalty")
    unpenalised = _fit("no penalty", halves, C=np.inf, tol=TIGHT)
    step("fitting with a gentle L2 penalty")
    l2 = _fit(f"L2, C = {READ_C:g}", halves, C=READ_C, tol=TIGHT)
    step("fitting with an L1 penalty")
    l1 = _fit(f"L1, C = {SPARSE_C:g}", halves, C=SPARSE_C, l1_ratio=1.0, tol=TIGHT)
    path = _follow(halves, image_shape, step)
    step("fitting as the tutorial does, with saga at tol = 0.1")
    floats = (scale_pixels(rows.X_train), rows.y_train, scale_pixels(rows.X_test), rows.y_test)
    saga = _fit_saga(floats, bound=l1.lower_bound)
    return Fits(unpenalised, l2, l1, saga, path, _at_strengths(path, l1))


def _fit(
    title: str, halves: Halves, *, C: float, tol: float, l1_ratio: float = 0.0
) -> "FittedModel[SoftmaxRegression]":
    from inklens.linear.estimators import SoftmaxRegression

    model = SoftmaxRegression(C=C, l1_ratio=l1_ratio, binary="softmax", tol=tol, time_budget=SECONDS_PER_FIT)
    seconds = _timed_fit(model, halves)
    return _record(title, model, seconds, halves, model.objective_, model.lower_bound_)


def _follow(halves: RowHalves, image_shape: tuple[int, int], step: Callable[[str], None]) -> PathRun:
    """Follow the L1 penalty from the C at which the first pixel enters to a weak one."""
    from inklens.linear.path import softmax_path

    X_train, y_train, X_test, y_test = halves
    first = float(softmax_path(X_train, y_train, Cs=1, C=STRENGTHS[-1], tol=READABLE).Cs[0])
    Cs, began = _path_Cs(first), time.perf_counter()

    def follow_on(index: int, C: float, _: object) -> bool:
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


def _at_strengths(run: PathRun, l1: "FittedModel[SoftmaxRegression]") -> tuple[FittedModel[PenalisedModel], ...]:
    """Return the points of the path at round values of C, with the tighter fit in its place."""
    path = run.path
    found: dict[float, FittedModel[PenalisedModel]] = {SPARSE_C: l1}
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


def _fit_saga(halves: Halves, *, bound: float) -> "FittedModel[LogisticRegression]":
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


def _timed_fit(model: Estimator, halves: Halves) -> float:
    with quiet():  # status, bound and separation are reported from the model itself
        began = time.perf_counter()
        model.fit(*halves[:2])
        return time.perf_counter() - began


def _record(
    title: str, model: Scored, seconds: float, halves: Halves, objective: float, bound: float
) -> FittedModel[Scored]:
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
