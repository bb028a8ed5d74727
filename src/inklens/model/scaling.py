"""Each pixel stretched from 0 to 1 by its own range in the training rows, and models carried back to plain ink.

With x in [0, 1] as ink, x' = (x - low) / span gives the same scores for

    w = w' / span,    b = b' - w . low

so a model that was fitted on x' reads plain pictures, and zero coefficients stay zero.
"""

from dataclasses import dataclass

import numpy as np

from inklens.linear.rows.rows import Rows

PIXEL_SCALE = 255.0  # uint8 ink to [0, 1], as the tutorial scales it


@dataclass(frozen=True, eq=False)
class MinMax:
    """Least value and range of each pixel, as ink in [0, 1]; a pixel that never changes has range 0 and becomes 0.

    Examples
    --------
    >>> X = np.array([[0, 51], [255, 102]], dtype=np.uint8)
    >>> stretch = MinMax.of(X)
    >>> stretch.transform(X).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    >>> coef, intercept = stretch.to_ink(np.array([[1.0, 1.0]]), np.array([0.0]))
    >>> (X / 255 @ coef.T + intercept).round(9).ravel().tolist()
    [0.0, 2.0]
    """

    low: np.ndarray  # (n_pixels,)
    span: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray) -> "MinMax":
        """Find the ranges of the training rows (n_samples, n_pixels), uint8."""
        low, high = X.min(axis=0) / PIXEL_SCALE, X.max(axis=0) / PIXEL_SCALE
        return cls(low, high - low)

    @classmethod
    def of_rows(cls, rows: Rows) -> "MinMax":
        """Find the ranges of rows of ink in [0, 1]."""
        return cls(rows.low, rows.high - rows.low)

    def stretch(self, rows: Rows) -> Rows:
        """Return the rows that the ranges were found in, stretched."""
        return rows.standardised(self.low, np.where(self.span > 0, self.span, 1.0))

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return uint8 rows stretched, float32; test rows may leave [0, 1]."""
        return np.asarray((X / PIXEL_SCALE - self.low) * self._inverse, dtype=np.float32)

    def to_ink(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercepts for plain ink from those for stretched pixels."""
        plain = coef * self._inverse
        return plain, intercept - plain @ self.low

    def from_ink(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercepts for stretched pixels from those for plain ink."""
        return coef * self.span, np.asarray(intercept + coef @ self.low)

    @property
    def _inverse(self) -> np.ndarray:
        return np.asarray(np.divide(1.0, self.span, out=np.zeros_like(self.span), where=self.span > 0))
