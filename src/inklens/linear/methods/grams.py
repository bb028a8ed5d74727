"""The Hessian over pairs of two classes: one product of dense matrices, as both classes share their edge p_0 p_1.

H_kk = X_k' E X_k and H_01 = -X_0' E X_1 with E = diag(c p_0 p_1), over the columns of each class's pairs. The kernel that
sums edges (`pair_hessian.c`) packs every row for every class anew, which costs more where columns are few.
"""

from functools import cached_property

import numpy as np

from inklens.linear import deadline, memory
from inklens.linear.methods import costs
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray

ENTRIES_AT_ONCE = 1 << 17  # of the rows that are multiplied: they stay in the cache
MEMORY_SHARE = 0.25  # of what a fit may take, for the rows
MAX_BYTES = 1 << 27


class Grams:
    """Dense rows, and what products of them cost."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @classmethod
    def of(cls, problem: Problem) -> "Grams | None":
        """Return None where there are more classes, or dense rows too large."""
        n_bytes = 4 * problem.rows.n_samples * (problem.rows.n_features + 1)
        fits = n_bytes <= memory.share(MEMORY_SHARE, MAX_BYTES) and problem.rows.holds(problem.n_classes)
        return cls(problem) if problem.n_classes == 2 and fits else None

    @cached_property
    def X(self) -> np.ndarray:
        """The rows, the last column ones, (n_samples, n_features + 1) float32."""
        X = np.ones((self.problem.rows.n_samples, self.problem.rows.n_features + 1), dtype=np.float32)
        X[:, :-1] = self.problem.rows.dense()
        return X

    def seconds(self, features: np.ndarray) -> float:
        """Return about how long a Hessian takes over pairs of these features."""
        return costs.gram_seconds(
            self.problem, self.problem.rows.n_samples, len(np.unique(features)) + 1, 1, dense=True
        )

    def hessian(self, proba: RowArray, classes: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return the Hessian over pairs sorted by class, (n_pairs, n_pairs) float32; feature n_features is all ones."""
        p, weights = np.asarray(proba), self.problem.weights
        used, place = np.unique(features, return_inverse=True)
        used = slice(None) if len(used) == self.X.shape[1] else used
        total = np.zeros((len(np.unique(place)),) * 2)
        step = max(1, ENTRIES_AT_ONCE // self.X.shape[1])
        for start in range(0, len(self.X), step):
            deadline.check()
            part = slice(start, start + step)
            edges = np.sqrt(weights[part] * p[part, 0] * p[part, 1]).astype(np.float32)
            Z = self.X[part, used] * edges[:, None]
            total += Z.T @ Z
        sign = np.where(classes == 0, 1.0, -1.0)
        return np.asarray((total[np.ix_(place, place)] * sign[:, None] * sign).astype(np.float32))
