"""A linear model of pictures: coefficients, intercepts, and the pictures and classes that they are for.

This is what explanations and evaluation need to know of a model; where photos come from and what the fit proved is
known above.

Shapes: frames (n_frames, rows, cols) in [0, 1], coef (n_classes, n_features), intercept (n_classes,).
"""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from inklens.errors import DataError
from inklens.linear.softmax import raw_prediction, softmax


class LinearClassifier(Protocol):
    """What scikit-learn's linear classifiers have once they are fitted."""

    @property
    def coef_(self) -> np.ndarray:
        """(n_classes, n_features), or one row for two classes."""

    @property
    def intercept_(self) -> np.ndarray:
        """(n_classes,), or one number for two classes."""

    @property
    def classes_(self) -> np.ndarray:
        """(n_classes,)."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Softmax regression on frames of one size.

    Parameters
    ----------
    coef : array (n_classes, n_features)
    intercept : array (n_classes,)
    classes : tuple of str
        Names, in the order of the rows of `coef`.
    image_shape : (int, int)
        Rows and columns of a frame.
    features : {"pixels", "upright", "strokes"}
        What the linear model is fed.

    Raises
    ------
    DataError
        The shapes do not fit each other, or a coefficient is not finite.

    Examples
    --------
    >>> model = LinearModel(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2))
    >>> model.predict_proba(np.array([[[1.0, 0.0], [0.0, 0.0]]])).round(3)
    array([[0.731, 0.269]])
    """

    coef: np.ndarray
    intercept: np.ndarray
    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    features: str = "pixels"

    @classmethod
    def from_estimator(
        cls, estimator: "LinearClassifier", *, image_shape: tuple[int, int], features: str = "pixels"
    ) -> Self:
        """Return a fitted linear classifier, such as scikit-learn's, as a model of frames.

        Parameters
        ----------
        estimator : LinearClassifier
            With `coef_`, `intercept_` and `classes_`. A two-class model with one row w, as scikit-learn's, is the
            softmax of -w/2 and w/2.
        image_shape, features
            What `estimator` was fitted on: frames in [0, 1], or features of them.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
        >>> fitted = LogisticRegression().fit(X, ["right", "left", "left", "right"])
        >>> model = LinearModel.from_estimator(fitted, image_shape=(1, 2))
        >>> bool(np.allclose(model.predict_proba(X[:, None]), fitted.predict_proba(X)))
        True
        """
        coef, intercept = np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_)
        classes = tuple(str(name) for name in estimator.classes_)
        if len(coef) == 1 and len(classes) == 2:
            coef, intercept = np.vstack([-coef / 2, coef / 2]), np.append(-intercept / 2, intercept / 2)
        return cls(coef, intercept, classes, image_shape, features)

    def __post_init__(self) -> None:
        n_classes, n_features = len(self.classes), self._count_features()
        if self.coef.shape != (n_classes, n_features) or self.intercept.shape != (n_classes,):
            raise DataError(
                f"{n_classes} classes on {self.features} of {self.image_shape[0]} x {self.image_shape[1]} pixels "
                f"need coefficients of "
                f"shape ({n_classes}, {n_features}), got {self.coef.shape} and intercepts {self.intercept.shape}"
            )
        if not (np.isfinite(self.coef).all() and np.isfinite(self.intercept).all()):
            raise DataError("the coefficients hold NaN or infinity; fit the model again")

    def _count_features(self) -> int:
        if self.features == "pixels":
            return self.image_shape[0] * self.image_shape[1]
        from inklens.photos import compute

        return int(compute(np.zeros((1, *self.image_shape)), self.features).shape[1])

    def transform(self, frames: np.ndarray) -> np.ndarray:
        """Return features (n_frames, n_features) of frames."""
        if self.features == "pixels":
            return np.asarray(frames, dtype=np.float64).reshape(len(frames), -1)
        from inklens.photos import compute

        return np.asarray(compute(frames, self.features), dtype=np.float64)

    def raw_prediction(self, frames: np.ndarray) -> np.ndarray:
        """Return scores z (n_frames, n_classes)."""
        return np.asarray(raw_prediction(self.transform(frames), self.coef, self.intercept))

    def predict_proba(self, frames: np.ndarray) -> np.ndarray:
        """Return probabilities (n_frames, n_classes)."""
        return np.asarray(softmax(self.raw_prediction(frames)))

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Return labels (n_frames,)."""
        return np.asarray(np.array(self.classes)[self.raw_prediction(frames).argmax(axis=1)])

    def frame(self, photo_or_frame: object) -> np.ndarray:
        """Return a ready frame as float64.

        Raises
        ------
        DataError
            It has another shape, or values outside [0, 1].
        """
        if not self.is_frame(photo_or_frame):
            raise DataError(
                f"expected a ready frame, an array of {self.image_shape[0]} x {self.image_shape[1]} pixels; photos are "
                "read by a DigitReader"
            )
        frame = np.asarray(photo_or_frame).astype(np.float64)
        if not (np.isfinite(frame).all() and frame.min() >= 0.0 and frame.max() <= 1.0):
            raise DataError("a frame holds ink from 0 (paper) to 1; divide 0..255 pixels by 255")
        return frame

    def is_frame(self, photo_or_frame: object) -> bool:
        """Tell whether this is an array of the model's shape, and no photo."""
        return isinstance(photo_or_frame, np.ndarray) and photo_or_frame.shape == self.image_shape
