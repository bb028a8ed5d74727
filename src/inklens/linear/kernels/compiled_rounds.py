"""Newton's steps by the C library, some rounds in one call: `rounds.c`, `thresholded_rounds.c`."""

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels import library
from inklens.linear.kernels.backend import LastRound, Rounds
from inklens.linear.kernels.buffers import lanes
from inklens.linear.kernels.storage import Storage


class CompiledRounds:
    """A `NewtonRounds`."""

    def take(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        place: np.ndarray,
        l2: np.ndarray,
        *,
        n_rounds: int,
        tol: float,
        n_threads: int = 1,
    ) -> Rounds:
        (n_classes, n_features), width = coef.shape, lanes(len(coef))
        points = np.zeros((2 * n_rounds + 1, n_features + 1, width))  # and the steps after them
        points[0, :-1, :n_classes], points[0, -1, :n_classes] = coef.T, intercept
        told, counts = np.zeros((n_rounds + 1, 3)), np.zeros(2, dtype=np.int64)
        result = library.call(
            "newton_rounds", library.describe(storage), codes, weights, n_classes, width, len(place), place, l2,
            n_rounds, float(tol), points, points[n_rounds + 1 :], told, counts, n_threads, deadline.remaining(),
        )  # fmt: skip
        if result == library.NO_MEMORY:
            raise MemoryError("no memory for the Hessian")
        taken = int(counts[0])
        steps = points[n_rounds + 1 : n_rounds + 1 + taken, :, :n_classes]
        return Rounds(points[: taken + 1, :, :n_classes], steps, told[: taken + 1], int(counts[1]))

    def take_thresholded(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        place: np.ndarray,
        l1: np.ndarray,
        l2: np.ndarray,
        *,
        first: int,
        fit_intercept: bool,
        n_rounds: int,
        tol: float,
        n_threads: int = 1,
    ) -> LastRound:
        (n_classes, n_features), width = coef.shape, lanes(len(coef))
        point = np.zeros((n_features + 1, width))
        point[:-1, :n_classes], point[-1, :n_classes] = coef.T, intercept
        told, counts = np.zeros(2), np.zeros(2, dtype=np.int64)
        result = library.call(
            "thresholded_rounds", library.describe(storage), codes, weights, n_classes, width, first,
            int(fit_intercept), len(place), place, l1, l2, n_rounds, float(tol), point, told, counts, n_threads,
            deadline.remaining(),
        )  # fmt: skip
        if result == library.NO_MEMORY:
            raise MemoryError("no memory for the Hessian")
        return LastRound(
            np.ascontiguousarray(point[:-1, :n_classes].T), point[-1, :n_classes].copy(), float(told[0]),
            int(counts[0]), int(counts[1]),
        )  # fmt: skip
