"""Votes: under an L2 penalty, a score is exactly a sum over the training rows.

At the optimum of C sum_i s_i loss_i + |W|^2 / 2 the gradient vanishes, so the weights are a sum over rows,

    W = C sum_i s_i (y_i - p_i) x_i',      z_k(x) = b_k + sum_i C s_i (y_ik - p_ik) (x_i . x) + remainder_k(x),

with y_i the one-hot label and p_i the model's probabilities of row i. A fit that stopped before the optimum leaves a
remainder, which is computed, not assumed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inklens.classes import encode, labels_of
from inklens.errors import DataError, ParameterError
from inklens.linear.arrays import checked_weights
from inklens.linear.kernels.choice import residuals
from inklens.linear.rows.elsewhere import brought, require_room
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows
from inklens.model.linear_model import LinearModel
from inklens.reprs import Shown, listed

if TYPE_CHECKING:
    from inklens.linear.rows.opening import Matrix

FULL_INK = 255.0
INK_ROUNDING = 1e-6  # by which ink of 1 may seem to be more


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
            raise ParameterError(f"expected a class out of {listed(self.classes)}, got {name!r}")
        return self.classes.index(name)


class Voters:
    """The training rows of an L2 model, ready to vote on any number of frames.

    Parameters
    ----------
    reader : LinearModel
        A model on pixels, fitted with an L2 penalty.
    X : uint8 array (n_samples, n_pixels), data of Dask's workers, or `Rows`
        The rows that it was fitted on: bytes of ink 0..255, or `Rows` of ink from 0 to 1, such as
        ``Rows.of(table, scale=1 / 255)``. What workers hold stays there until `close`; residuals come here, and the
        similarities of each frame.
    y : str array (n_samples,)
        Their labels.
    C : float
        Inverse penalty strength of the fit.
    sample_weight : array (n_samples,), optional
        Weights s_i of the fit; 1 by default.

    Raises
    ------
    ParameterError, DataError
        The model is not of that kind, the rows are not of its shape, or too many for this process's memory.

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
        self,
        reader: LinearModel,
        X: "Matrix",
        y: npt.ArrayLike,
        *,
        C: float,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        _check_model(reader, C)
        self.reader = reader
        self.rows, self._is_ours = _rows(X), not isinstance(X, Rows)
        try:
            self._judge(y, C, sample_weight)
        except BaseException:
            self.close()
            raise

    def _judge(self, y: npt.ArrayLike, C: float, sample_weight: npt.ArrayLike | None) -> None:
        reader, rows = self.reader, self.rows
        labels, weights = (brought(values, rows.client) for values in (y, sample_weight))
        labels = labels_of(labels, rows.n_samples).ravel()
        _check_ink(reader, rows, len(labels), FULL_INK if self._is_ours else 1.0)
        if rows.client is not None:
            require_room((rows.n_samples, len(reader.classes)), "votes")
        codes = encode(labels, reader.classes)
        weights = C * checked_weights(weights, len(codes))
        at = rows.loss_and_gradient(reader.coef, reader.intercept, codes, weights, dtype=np.float64)
        self.residual_weight = np.asarray(RowArray.combine(residuals, at.proba, codes, weights))
        self.unexplained = reader.coef + at.gradient  # (n_classes, n_pixels); 0 at the optimum

    def votes(self, photo_or_frame: object) -> Votes:
        """Return every row's vote on one picture."""
        x = self.reader.frame(photo_or_frame).ravel()
        similarity = self.rows.scores(x[None], dtype=np.float64)[:, 0]
        remainder = self.unexplained @ x
        return Votes(self.reader.classes, similarity, self.residual_weight, self.reader.intercept, remainder)

    def close(self) -> None:
        """Give back what workers hold of the rows, unless these were `Rows` before; nobody votes any more."""
        if self._is_ours:
            self.rows.close()


def _rows(X: "Matrix") -> Rows:
    """Return bytes of ink as rows of ink from 0 to 1."""
    if isinstance(X, Rows):
        return X
    dtypes = {str(dtype) for dtype in getattr(X, "dtypes", [getattr(X, "dtype", None)]) if isinstance(dtype, np.dtype)}
    if not dtypes <= {"uint8"}:  # parts and files do not say
        raise DataError(
            f"expected the training rows as uint8, ink from 0 to 255, got {', '.join(sorted(dtypes))}; give ink from 0 "
            "to 1 as Rows.of(X)"
        )
    return Rows.of(X, scale=1.0 / FULL_INK)


def _check_model(model: LinearModel, C: float) -> None:
    if model.features != "pixels":
        raise ParameterError(f"votes need a model on pixels, this one is on {model.features!r}")
    if not 0.0 < C < np.inf:
        raise ParameterError(f"votes exist under an L2 penalty of finite strength, got C={C:g}")


def _check_ink(model: LinearModel, rows: Rows, n_labels: int, full: float) -> None:
    """Raise unless the rows are those of the model's pictures, with ink up to `full` as they were given."""
    if rows.shape != (n_labels, model.coef.shape[1]):
        raise DataError(f"expected training rows of shape ({n_labels}, {model.coef.shape[1]}), got {rows.shape}")
    low, high = full * float(rows.low.min()), full * float(rows.high.max())
    if low < 0.0 or high > full * (1.0 + INK_ROUNDING) or 0.0 < high <= 1.0 < full:
        raise DataError(
            f"expected bytes of ink from 0 to 255, or Rows of ink from 0 to 1, got values from {low:g} to {high:g}"
        )
