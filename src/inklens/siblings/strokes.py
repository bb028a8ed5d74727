"""Our softmax regression behind stroke features, as an estimator that takes plain ink."""

from typing import Self

import numpy as np
import numpy.typing as npt

from inklens.linear.estimators import SoftmaxRegression
from inklens.photos import compute

FULL_INK = 255.0


class StrokeSoftmax:
    """Softmax regression on the 520 oriented-gradient cells of 28 x 28 frames.

    The features are computed within ``fit`` and ``predict``, so that their time counts.

    Parameters
    ----------
    C, tol : float
        As for `SoftmaxRegression`.
    n_jobs : int
        Threads.

    Examples
    --------
    >>> from inklens import load_dataset
    >>> rows = load_dataset("embedded").split(train=300, test=100, seed=9)
    >>> model = StrokeSoftmax(tol=1e-2).fit(rows.X_train, rows.y_train)
    >>> bool(np.mean(model.predict(rows.X_test) == rows.y_test) > 0.85)
    True
    """

    def __init__(self, *, C: float = 0.01, tol: float = 1e-4, n_jobs: int = 1) -> None:
        self.C = C
        self.tol = tol
        self.n_jobs = n_jobs

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Learn from uint8 ink (n_samples, 784) and labels."""
        self.softmax_ = SoftmaxRegression(C=self.C, tol=self.tol, n_jobs=self.n_jobs).fit(_cells(X), y)
        self.classes_ = self.softmax_.classes_
        return self

    def predict(self, X: np.ndarray) -> npt.NDArray[np.str_]:
        """Return labels (n_samples,)."""
        return np.asarray(self.softmax_.predict(_cells(X)))

    def predict_proba(self, X: np.ndarray) -> npt.NDArray[np.float64]:
        """Return probabilities (n_samples, n_classes)."""
        return np.asarray(self.softmax_.predict_proba(_cells(X)))


def _cells(X: np.ndarray) -> np.ndarray:
    return compute(X.reshape(-1, 28, 28) / np.float32(FULL_INK), "strokes")
