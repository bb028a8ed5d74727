"""Softmax regression whose penalty sees each pixel stretched by its own range in the rows of the fit."""

from typing import Self

import numpy.typing as npt

from inklens.linear.driver import FitInterrupted
from inklens.linear.estimators import SoftmaxRegression, all_or_nothing
from inklens.linear.rows.opening import Matrix
from inklens.linear.rows.rows import Rows
from inklens.linear.watching import Callback
from inklens.model.scaling import MinMax


class StretchedRegression(SoftmaxRegression):
    """`SoftmaxRegression` on stretched pixels; `coef_` and `intercept_` are those for the rows as they were given.

    The ranges are those of each fit's own rows. Everything that is proven (`objective_`, `lower_bound_`,
    `dual_point_`) speaks of the stretched problem.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 0.5], [0.2, 0.5], [0.4, 0.0], [0.6, 0.0]]), ["a", "a", "b", "b"]
    >>> model, plain = StretchedRegression(), SoftmaxRegression().fit(X / [0.6, 0.5], y)
    >>> bool(np.allclose(model.fit(X, y).coef_, plain.coef_ / [0.6, 0.5], atol=1e-4))
    True
    """

    def fit(
        self,
        X: Matrix,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        offset: npt.ArrayLike | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Fit to rows (n_samples, n_features), as `SoftmaxRegression.fit`."""
        rows = X if isinstance(X, Rows) else Rows.of(X)
        stretch = MinMax.of_rows(rows)
        with all_or_nothing(self):
            if hasattr(self, "coef_") and self.coef_.shape[1] == rows.n_features:
                self.coef_, self.intercept_ = stretch.from_ink(self.coef_, self.intercept_)
            try:
                super().fit(stretch.stretch(rows), y, sample_weight, offset=offset, callback=callback)
            except FitInterrupted:  # the best point so far is kept
                self._to_ink(stretch)
                raise
            self._to_ink(stretch)
        return self

    def _to_ink(self, stretch: MinMax) -> None:
        self.coef_, self.intercept_ = stretch.to_ink(self.coef_, self.intercept_)
