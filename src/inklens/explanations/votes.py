"""Votes: under an L2 penalty, a score is exactly a sum over the training rows.

At the optimum of C sum_i s_i loss_i + |W|^2 / 2 the gradient vanishes, so the weights are a sum over rows,

    W = C sum_i s_i (y_i - p_i) x_i',      z_k(x) = b_k + sum_i C s_i (y_ik - p_ik) (x_i . x) + remainder_k(x),

with y_i the one-hot label and p_i the model's probabilities of row i. A fit that stopped before the optimum leaves a
remainder, which is computed, not assumed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inklens.classes import encode
from inklens.errors import DataError, ParameterError
from inklens.linear.softmax import raw_prediction, softmax
from inklens.model.linear_model import LinearModel
from inklens.reprs import Shown

BLOCK_ROWS = 4096  # rows that are converted to float64 at a time
FULL_INK = 255.0


@dataclass(frozen=True, eq=False, repr=False)
class Votes(Shown):
    """What every training row adds to the scores of one frame.

    Parameters
    ----------
    classes : tuple of str
        Class names.
    similarity : array (n_samples,)
        x_i . x, the ink that row i shares with the frame.
    residual_weight : array (n_samples, n_classes)
        C s_i (y_ik - p_ik): the weighted residual of row i, positive for its own class.
    intercept, remainder : array (n_classes,)
        What the votes leave of z: z = intercept + sum of votes + remainder.
    """

    classes: tuple[str, ...]
    similarity: npt.NDArray[np.float64]
    residual_weight: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]
    remainder: npt.NDArray[np.float64]

    @property
    def z(self) -> npt.NDArray[np.float64]:
        """Raw predictions, summed from the votes."""
        return np.asarray(self.intercept + self.similarity @ self.residual_weight + self.remainder)

    def of(self, a: str, b: str | None = None) -> npt.NDArray[np.float64]:
        """Return each row's vote for class a, or for a against b, (n_samples,)."""
        weight = self.residual_weight[:, self._index(a)]
        weight = weight if b is None else weight - self.residual_weight[:, self._index(b)]
        return np.asarray(self.similarity * weight)

    def strongest(self, a: str, b: str | None = None, *, most: int = 20) -> tuple[np.ndarray, np.ndarray]:
        """Return the row numbers that push most for and most against, the strongest first."""
        votes = self.of(a, b)
        order = np.argsort(votes, kind="stable")
        return order[::-1][:most][votes[order[::-1][:most]] > 0.0], order[:most][votes[order[:most]] < 0.0]

    def shares(self, a: str, b: str | None = None) -> dict[str, float]:
        """Return the sum's parts: intercept, votes for, votes against, remainder, and the total."""
        votes = self.of(a, b)
        intercept, remainder = (self._part(values, a, b) for values in (self.intercept, self.remainder))
        adds, takes = float(votes[votes > 0.0].sum()), float(votes[votes < 0.0].sum())
        total = intercept + adds + takes + remainder
        return {"intercept": intercept, "for": adds, "against": takes, "remainder": remainder, "total": total}

    def _part(self, values: np.ndarray, a: str, b: str | None) -> float:
        return float(values[self._index(a)] - (0.0 if b is None else values[self._index(b)]))

    def _index(self, name: str) -> int:
        if name not in self.classes:
            raise ParameterError(f"expected a class out of {', '.join(self.classes)}, got {name!r}")
        return self.classes.index(name)


class Voters:
    """The training rows of an L2 model, ready to vote on any number of frames.

    Parameters
    ----------
    reader : LinearModel
        A model on pixels, fitted with an L2 penalty.
    X : uint8 array (n_samples, n_pixels)
        The rows that it was fitted on, ink 0..255.
    y : str array (n_samples,)
        Their labels.
    C : float
        Inverse penalty strength of the fit.
    sample_weight : array (n_samples,), optional
        Weights s_i of the fit; 1 by default.

    Raises
    ------
    ParameterError, DataError
        The model is not of that kind, or the rows are not of its shape.

    Examples
    --------
    >>> from inklens import DigitReader, SoftmaxRegression, load_dataset
    >>> rows = load_dataset("embedded").split(train=200, test=1, seed=0)
    >>> model = SoftmaxRegression(C=0.1, tol=1e-3).fit(rows.X_train / 255, rows.y_train)
    >>> reader = DigitReader(model.coef_, model.intercept_, tuple(model.classes_), (28, 28))
    >>> votes = Voters(reader, rows.X_train, rows.y_train, C=0.1).votes(rows.X_test.reshape(28, 28) / 255)
    >>> bool(np.allclose(votes.z, reader.raw_prediction(rows.X_test.reshape(1, 28, 28) / 255)[0]))
    True
    """

    def __init__(
        self, reader: LinearModel, X: np.ndarray, y: np.ndarray, *, C: float, sample_weight: np.ndarray | None = None
    ) -> None:
        _check(reader, X, y, C)
        self.reader = reader
        self.y = y
        self._pixels = np.ascontiguousarray(X.T)  # (n_pixels, n_samples): a frame needs only its inked pixels
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        self.residual_weight = np.empty((len(y), len(reader.classes)))
        represented = np.zeros_like(reader.coef)
        own = np.arange(len(reader.classes)) == encode(y, reader.classes)[:, None]
        for rows in _blocks(len(y)):
            block = X[rows] / FULL_INK
            proba = softmax(raw_prediction(block, reader.coef, reader.intercept))
            self.residual_weight[rows] = C * weights[rows, None] * (own[rows] - proba)
            represented += self.residual_weight[rows].T @ block
        self.unexplained = reader.coef - represented  # (n_classes, n_pixels); 0 at the optimum

    def votes(self, photo_or_frame: object) -> Votes:
        """Return every row's vote on one picture."""
        x = self.reader.frame(photo_or_frame).ravel()
        inked = np.flatnonzero(x)
        similarity = np.empty(len(self.y))
        for rows in _blocks(len(self.y)):
            similarity[rows] = (x[inked] / FULL_INK) @ self._pixels[inked, rows].astype(np.float64)
        remainder = self.unexplained @ x
        return Votes(self.reader.classes, similarity, self.residual_weight, self.reader.intercept, remainder)


def _blocks(n_samples: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK_ROWS, n_samples)) for start in range(0, n_samples, BLOCK_ROWS))


def _check(model: LinearModel, X: np.ndarray, y: np.ndarray, C: float) -> None:
    if model.features != "pixels":
        raise ParameterError(f"votes need a model on pixels, this one is on {model.features!r}")
    if not 0.0 < C < np.inf:
        raise ParameterError(f"votes exist under an L2 penalty of finite strength, got C={C:g}")
    if X.dtype != np.uint8 or X.shape != (len(y), model.coef.shape[1]):
        raise DataError(
            f"expected the training rows as uint8 of shape ({len(y)}, {model.coef.shape[1]}), got {X.dtype} {X.shape}"
        )
