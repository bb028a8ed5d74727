"""A linear model of pictures: coefficients, intercepts, and the pictures and classes that they are for.

This is what explanations and evaluation need to know of a model; where photos come from and what the fit proved is
known above.

Shapes: frames (n_frames, rows, cols) in [0, 1], coef (n_classes, n_features), intercept (n_classes,).
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from inklens.classes import encode_names, labels_of
from inklens.errors import DataError
from inklens.linear.arrays import as_array, in_float64
from inklens.linear.rows.mapped import require_whole
from inklens.linear.softmax import raw_prediction, softmax
from inklens.model.estimators import weights_of
from inklens.model.scaling import PIXEL_SCALE
from inklens.names import check_names
from inklens.reprs import MAP_NOTE, Card, Shown, listed, map_tiles

MAX_WEIGHT = 1e100  # beyond, squares of differences of scores, which flips need, leave float64
PHOTO_SHAPE = (28, 28)  # what photos are normalised to


def are_weights(values: np.ndarray) -> bool:
    """Tell whether all numbers are finite and of a size that can be computed with."""
    return float(np.max(np.abs(values), initial=0.0)) <= MAX_WEIGHT  # NaN is the largest, and not below


def square_shape(n_pixels: int) -> tuple[int, int]:
    """Return rows and columns of square pictures, which pictures are where nothing else is said.

    Raises
    ------
    DataError
        No square has so many pixels.

    Examples
    --------
    >>> square_shape(784)
    (28, 28)
    """
    side = math.isqrt(n_pixels)
    if side * side != n_pixels:
        raise DataError(f"{n_pixels} pixels make no square picture; give image_shape=(rows, columns)")
    return side, side


@dataclass(frozen=True, eq=False, repr=False)
class LinearModel(Shown):
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
        The shapes do not fit each other, a coefficient is not finite, or there are fewer than two classes.

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
        cls,
        estimator: object,
        *,
        image_shape: tuple[int, int] | None = None,
        features: str = "pixels",
        full_ink: float | None = None,
    ) -> Self:
        """Return a fitted linear classifier, such as scikit-learn's, as a model of frames.

        Parameters
        ----------
        estimator : SoftmaxRegression, LogisticRegression, or a Pipeline of column scalers that ends in one
            Scalers (`MinMaxScaler`, `StandardScaler`, `MaxAbsScaler`, `RobustScaler`, a `FunctionTransformer` such as
            X / 255) are folded into the coefficients. A two-class model with one row w is the softmax of -w/2 and w/2.
        image_shape : (int, int), optional
            Rows and columns of a frame; a square if not given.
        features : {"pixels", "upright", "strokes"}
            What the rows of the fit were.
        full_ink : float, optional
            The value of full ink in them; if not given, 255 where the first step of a Pipeline shows that it saw values
            above 1, else 1.

        Raises
        ------
        DataError
            Another kind of model, one that is not fitted, or pictures of another size.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
        >>> fitted = LogisticRegression().fit(X, ["right", "left", "left", "right"])
        >>> model = LinearModel.from_estimator(fitted, image_shape=(1, 2))
        >>> bool(np.allclose(model.predict_proba(X), fitted.predict_proba(X)))
        True
        """
        found = weights_of(estimator, full_ink=full_ink)
        if image_shape is None:
            image_shape = square_shape(found.coef.shape[1]) if features == "pixels" else PHOTO_SHAPE
        return cls(found.coef, found.intercept, found.classes, image_shape, features)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        check_names(self.classes)
        if len(self.classes) < 2:
            raise DataError(
                f"a model has at least two classes to choose from, and this one has only {self.classes[0]!r}"
            )
        n_classes, n_features = len(self.classes), self._count_features()
        if self.coef.shape != (n_classes, n_features) or self.intercept.shape != (n_classes,):
            raise DataError(
                f"{n_classes} classes on {self.features} of {self.image_shape[0]} x {self.image_shape[1]} pixels "
                f"need coefficients of "
                f"shape ({n_classes}, {n_features}), got {self.coef.shape} and intercepts {self.intercept.shape}"
            )
        if not (are_weights(self.coef) and are_weights(self.intercept)):
            raise DataError(f"the coefficients hold NaN, infinity or numbers beyond {MAX_WEIGHT:g}; fit it again")

    def _count_features(self) -> int:
        if self.features == "pixels":
            return self.image_shape[0] * self.image_shape[1]
        from inklens.photos import compute

        if self.image_shape != PHOTO_SHAPE:  # before a frame is made of a size that some file states
            rows, cols = self.image_shape
            raise DataError(f"{self.features} are features of frames of 28 x 28 pixels, and these have {rows} x {cols}")
        return int(compute(np.zeros((1, *self.image_shape)), self.features).shape[1])

    @property
    def coef_(self) -> np.ndarray:
        """As scikit-learn calls `coef`, so that a model goes where a fitted classifier does."""
        return self.coef

    @property
    def intercept_(self) -> np.ndarray:
        """As scikit-learn calls `intercept`."""
        return self.intercept

    @property
    def classes_(self) -> np.ndarray:
        """As scikit-learn calls `classes`."""
        return np.array(self.classes)

    def transform(self, frames: np.ndarray) -> np.ndarray:
        """Return features (n_frames, n_features) of frames.

        Parameters
        ----------
        frames : array (n_frames, rows, cols) or (n_frames, rows * cols), or one frame as (rows, cols) or (rows * cols,)
            Ink in [0, 1], or uint8 ink from 0 to 255 as data sets hold it.

        Raises
        ------
        DataError
            Another shape.
        """
        stack = self.stack(frames)
        if self.features == "pixels":
            return stack.reshape(len(stack), self._count_features())
        from inklens.photos import compute

        return np.asarray(compute(stack, self.features), dtype=np.float64)

    def raw_prediction(self, frames: np.ndarray) -> np.ndarray:
        """Return scores z (n_frames, n_classes); frames as for `transform`.

        Raises
        ------
        DataError
            A frame holds what is no number: the largest of scores that are none would be the first class.
        """
        with np.errstate(invalid="ignore"):
            z = np.asarray(raw_prediction(self.transform(frames), self.coef, self.intercept))
        if not (is_number := np.isfinite(z).all(axis=1)).all():
            raise DataError(f"frame {is_number.argmin()} holds NaN or infinity; ink is a number from 0 (paper) to 1")
        return z

    def predict_proba(self, frames: np.ndarray) -> np.ndarray:
        """Return probabilities (n_frames, n_classes); frames as for `transform`."""
        return np.asarray(softmax(self.raw_prediction(frames)))

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Return labels (n_frames,); frames as for `transform`."""
        return np.asarray(np.array(self.classes)[self.raw_prediction(frames).argmax(axis=1)])

    def score(self, frames: np.ndarray, y: np.ndarray) -> float:
        """Return the share of frames whose label is predicted right.

        Raises
        ------
        DataError
            Labels that the model does not know, not one for each frame, or no frames.
        """
        predicted = self.raw_prediction(frames).argmax(axis=1)
        if not len(predicted):
            raise DataError("there are no frames to be judged; give one or more, each with its label")
        return float(np.mean(predicted == encode_names(labels_of(y, len(predicted)).ravel(), self.classes)))

    def frame(self, photo_or_frame: object) -> np.ndarray:
        """Return a ready frame as float64, (rows, cols).

        Parameters
        ----------
        photo_or_frame : array (rows, cols), (rows * cols,) or (1, rows * cols)
            Ink in [0, 1]; a flat row may be uint8 ink from 0 to 255, as data sets hold it.

        Raises
        ------
        DataError
            It has another shape, or values outside [0, 1].
        """
        if not isinstance(photo_or_frame, np.ndarray) or not self.is_frame(photo_or_frame):
            raise DataError(
                f"expected a ready frame, an array of {self.image_shape[0]} x {self.image_shape[1]} pixels; photos are "
                "read by a DigitReader"
            )
        is_row = photo_or_frame.shape != self.image_shape
        frame = photo_or_frame.reshape(self.image_shape).astype(np.float64)
        if photo_or_frame.dtype == np.uint8 and is_row:
            frame /= PIXEL_SCALE
        if not (np.isfinite(frame).all() and frame.min() >= 0.0 and frame.max() <= 1.0):
            raise DataError("a frame holds ink from 0 (paper) to 1; divide 0..255 pixels by 255")
        return frame

    def is_frame(self, photo_or_frame: object) -> bool:
        """Tell whether this is one image of the model's shape, or its pixels in a row, and no photo."""
        n_pixels = self.image_shape[0] * self.image_shape[1]
        shapes = (self.image_shape, (n_pixels,), (1, n_pixels))
        return isinstance(photo_or_frame, np.ndarray) and photo_or_frame.shape in shapes

    def stack(self, frames: np.ndarray) -> np.ndarray:
        """Return frames, in any form that `transform` takes, as float64 (n_frames, rows, cols) in [0, 1]."""
        given, n_pixels = as_array(frames), self.image_shape[0] * self.image_shape[1]
        is_many = given.ndim == 3 and given.shape[1:] == self.image_shape
        if not (is_many or self.is_frame(given) or (given.ndim == 2 and given.shape[1] == n_pixels)):
            rows, cols = self.image_shape
            raise DataError(
                f"expected frames of {rows} x {cols} pixels, as an array (n, {rows}, {cols}) or (n, {n_pixels}), got "
                f"{given.shape}"
            )
        require_whole(given)
        stack = in_float64(given).reshape(-1, *self.image_shape)
        return stack / PIXEL_SCALE if given.dtype == np.uint8 else stack

    def _card(self) -> Card:
        rows, cols = self.image_shape
        zeros = int((self.coef == 0.0).sum())
        facts = {
            "classes": listed(self.classes),
            "images": f"{rows} x {cols} pixels",
            "coefficients": f"{len(self.coef)} x {self.coef.shape[1]}, {zeros:,} of them exactly zero",
            **self._proof(),
        }
        tiles = []
        if self.features == "pixels":
            tiles = map_tiles(self.coef.reshape(-1, rows, cols), self.classes, what="coefficients of class")
        return Card(f"{type(self).__name__}: {len(self.classes)} classes on {self.features}", facts, tiles, MAP_NOTE)

    def _proof(self) -> dict[str, str]:
        """Return what is known of the fit, for the card."""
        return {}
