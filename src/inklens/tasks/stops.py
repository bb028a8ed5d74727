"""What a solver has in hand when it stops early: one L1 problem, stop after stop, judged by a proven bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets import Split
from inklens.displays.base import class_weights
from inklens.errors import ParameterError
from inklens.progress import Progress
from inklens.quiet import quiet
from inklens.tasks.model_rows import pixel_rows, scale_pixels

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

TOLS = (0.1, 0.03, 0.01)  # of saga, from the tutorial's on; each further digit takes about ten times as long
EPOCHS = (1, 2, 7, 24, 70)  # looked at as well, up to the last stop
PROVEN_TOL = 1e-4  # of the optimum that all stops are measured against
MOST_EPOCHS = 1000


@dataclass(frozen=True, eq=False)
class StopRun:
    """Coefficients of scikit-learn's saga after so many epochs, the proven optimum last.

    Parameters
    ----------
    C : float
        Of the problem, whose penalty is L1.
    epochs : tuple of int or None
        Passes of the solver over the rows; None for the proven optimum.
    tols : tuple of float or None
        The tolerance at which scikit-learn stops there, where it is one of those tried.
    classes : array (n_classes,)
    coefs, intercepts : array (n_points, n_classes, n_features), (n_points, n_classes)
    objectives : array (n_points,)
        Sums of C * loss + |W|.
    lower_bound : float
        Proven: no coefficients reach a smaller sum.
    train_accuracy, test_accuracy : array (n_points,)
    """

    C: float
    epochs: tuple[int | None, ...]
    tols: tuple[float | None, ...]
    classes: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    objectives: np.ndarray
    lower_bound: float
    train_accuracy: np.ndarray
    test_accuracy: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """(objective - lower bound) / objective of each stop, (n_points,)."""
        return np.maximum(0.0, 1.0 - self.lower_bound / self.objectives)


def early_stops(
    rows: Split, *, C: float = 1.0, tols: Sequence[float] = TOLS, progress: Progress | None = None
) -> StopRun:
    """Fit with saga as far as each tolerance lets it go, and look at it on the way.

    Every stop is a fit from the start with the same random numbers, so it is what anybody gets who stops there.

    Parameters
    ----------
    tols : sequence of float
        Tolerances of scikit-learn.

    Raises
    ------
    ParameterError
        C or a tolerance is not positive.

    Examples
    --------
    >>> from inklens.datasets import load_dataset
    >>> stops = early_stops(load_dataset("embedded").split(train=200, test=100, seed=9), C=0.1, tols=(0.1,))
    >>> stops.tols[-2:], stops.epochs[-1], bool((np.diff(stops.objectives) < 0).all())
    ((0.1, None), None, True)
    """
    from inklens.linear.estimators import SoftmaxRegression

    if not (C > 0.0 and np.isfinite(C) and len(tols) and all(tol > 0.0 for tol in tols)):
        raise ParameterError(f"expected a positive C and positive tolerances, got {C} and {tuple(tols)}")
    X, X_test = scale_pixels(rows.X_train), scale_pixels(rows.X_test)
    fitted: dict[int, tuple[float | None, LogisticRegression]] = {}
    for number, tol in enumerate(sorted(tols, reverse=True)):
        _tell(progress, number, len(tols) + 2, f"saga, tol = {tol:g}")
        model = _saga(X, rows.y_train, C, tol=tol, epochs=MOST_EPOCHS)
        fitted.setdefault(int(model.n_iter_.max()), (tol, model))
    _tell(progress, len(tols), len(tols) + 2, "saga, on its way")
    for epochs in EPOCHS:
        if epochs < max(fitted) and epochs not in fitted:
            fitted[epochs] = None, _saga(X, rows.y_train, C, tol=0.0, epochs=epochs)
    _tell(progress, len(tols) + 1, len(tols) + 2, "the proven optimum")
    optimum = SoftmaxRegression(C=C, l1_ratio=1.0, binary="softmax", tol=PROVEN_TOL)
    with quiet():  # its gap is among the numbers
        optimum.fit(pixel_rows(rows.X_train), rows.y_train)
    order = sorted(fitted)
    weights = [class_weights(fitted[epochs][1])[:2] for epochs in order] + [(optimum.coef_, optimum.intercept_)]
    coefs, intercepts = (np.stack([pair[part] for pair in weights]) for part in (0, 1))
    scores = [(X @ coef.T + b, X_test @ coef.T + b) for coef, b in weights]
    classes = np.asarray(optimum.classes_)
    return StopRun(
        C=C,
        epochs=(*order, None),
        tols=(*(fitted[epochs][0] for epochs in order), None),
        classes=classes,
        coefs=coefs,
        intercepts=intercepts,
        objectives=np.array(
            [C * _loss(z, rows.y_train, classes) + np.abs(W).sum() for (z, _), W in zip(scores, coefs, strict=True)]
        ),
        lower_bound=float(optimum.lower_bound_),
        train_accuracy=np.array([_accuracy(z, rows.y_train, classes) for z, _ in scores]),
        test_accuracy=np.array([_accuracy(z, rows.y_test, classes) for _, z in scores]),
    )


def _tell(progress: Progress | None, done: int, total: int, what: str) -> None:
    if progress is not None:
        progress(done, total, what)


def _saga(X: np.ndarray, y: np.ndarray, C: float, *, tol: float, epochs: int) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C, l1_ratio=1.0, solver="saga", tol=tol, max_iter=epochs, random_state=0)
    with quiet():  # that it has not converged is the point
        return model.fit(X, y)


def _loss(z: np.ndarray, y: np.ndarray, classes: np.ndarray) -> float:
    """Return the sum of -log p of the true classes."""
    shifted = z - z.max(axis=1, keepdims=True)
    true = shifted[np.arange(len(y)), np.searchsorted(classes, y)]
    return float((np.log(np.exp(shifted).sum(axis=1)) - true).sum())


def _accuracy(z: np.ndarray, y: np.ndarray, classes: np.ndarray) -> float:
    return float(np.mean(classes[z.argmax(axis=1)] == y))
