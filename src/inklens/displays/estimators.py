"""What displays read from a fitted classifier: scikit-learn's names for it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from inklens.model.estimators import LinearWeights as LinearWeights

if TYPE_CHECKING:
    from inklens.photos import Step


class Pictured(Protocol):
    """What knows the size of its images: a data set, a split, a reader."""

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Rows and columns."""


ImageShape: TypeAlias = tuple[int, int] | Pictured | None  # None: as the model says, else square


class Read(Protocol):
    """What a reader says of a photo."""

    @property
    def probabilities(self) -> Mapping[str, float]:
        """By class."""

    @property
    def frame(self) -> np.ndarray:
        """(rows, cols)."""

    @property
    def steps(self) -> "Sequence[Step]":
        """How the frame came about."""


class PhotoReader(Protocol):
    """A model that reads photos."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""

    def predict_proba(self, frames: np.ndarray, /) -> np.ndarray:
        """Return probabilities (n_frames, n_classes)."""

    def read(self, photo: object, /) -> Sequence[Read]:
        """Return what is on it."""


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


class Certified(LinearWeights, Protocol):
    """A fitted linear classifier with what was proven of it."""

    @property
    def objective_(self) -> float:
        """Where the fit stopped."""

    @property
    def lower_bound_(self) -> float:
        """What no coefficients can go below."""


class LinearClassifier(LinearWeights, Classifier, Protocol):
    """A fitted linear classifier that answers."""


class Penalised(LinearWeights, Classifier, Protocol):
    """A fitted linear classifier with the inverse strength of its penalty."""

    @property
    def C(self) -> float:
        """Inverse strength."""
