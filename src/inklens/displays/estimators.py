"""What displays read from a fitted classifier: scikit-learn's names for it."""

from typing import Protocol

import numpy as np


class LinearWeights(Protocol):
    """Coefficients, intercepts and classes of a fitted linear classifier."""

    @property
    def coef_(self) -> np.ndarray:
        """(n_classes, n_features), or one row for two classes."""

    @property
    def intercept_(self) -> np.ndarray:
        """(n_classes,), or one value for two classes."""

    @property
    def classes_(self) -> np.ndarray:
        """(n_classes,)."""


class Classifier(Protocol):
    """A fitted classifier."""

    @property
    def classes_(self) -> np.ndarray:
        """(n_classes,)."""

    def predict(self, X: np.ndarray, /) -> np.ndarray:
        """Return one label per row."""

    def predict_proba(self, X: np.ndarray, /) -> np.ndarray:
        """Return probabilities (n_samples, n_classes)."""

    def score(self, X: np.ndarray, y: np.ndarray, /) -> float:
        """Return the share of right answers."""


class LinearClassifier(LinearWeights, Classifier, Protocol):
    """A fitted linear classifier that answers."""


class Penalised(LinearWeights, Classifier, Protocol):
    """A fitted linear classifier with the inverse strength of its penalty."""

    @property
    def C(self) -> float:
        """Inverse strength."""
