"""Newton's steps by the C library, some rounds in one call: `rounds.c`, `thresholded_rounds.c`."""

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels import library
from inklens.linear.kernels.buffers import lanes
from inklens.linear.kernels.rounds import LastRound, Rounds, Start
from inklens.linear.kernels.storage import Storage


class CompiledRounds:
    """A `NewtonRounds`."""

    def smooth(self, storage: Storage, start: Start, n_threads: int = 1) -> Rounds:
        (n_classes, n_features), n_rounds = start.coef.shape, start.n_rounds
        points = np.zeros((2 * n_rounds + 1, *_shape(start)))  # and the steps after them
        _begin(points[0], start)
        place, l2 = start.columns, start.l2
        if start.fit_intercept:
            place, l2 = np.append(place, n_features), np.append(l2, 0.0)
        told, counts = np.zeros((n_rounds + 1, 3)), np.zeros(2, dtype=np.int64)
        answer = library.call(
            "newton_rounds", library.describe(storage), start.codes, start.weights, n_classes, points.shape[-1],
            len(place), place, l2, n_rounds, float(start.tol), points, points[n_rounds + 1 :], told, counts, n_threads,
            deadline.remaining(),
        )  # fmt: skip
        _had_memory(answer)
        taken = int(counts[0])
        steps = points[n_rounds + 1 : n_rounds + 1 + taken, :, :n_classes]
        return Rounds(points[: taken + 1, :, :n_classes], steps, told[: taken + 1], int(counts[1]))

    def thresholded(self, storage: Storage, start: Start, n_threads: int = 1) -> LastRound:
        n_classes, point = len(start.coef), np.zeros(_shape(start))
        _begin(point, start)
        told, counts = np.zeros(1), np.zeros(2, dtype=np.int64)
        answer = library.call(
            "thresholded_rounds", library.describe(storage), start.codes, start.weights, n_classes, point.shape[-1],
            start.first, int(start.fit_intercept), len(start.columns), start.columns, start.l1, start.l2,
            start.n_rounds, float(start.tol), point, told, counts, n_threads, deadline.remaining(),
        )  # fmt: skip
        _had_memory(answer)
        coef, intercept = np.ascontiguousarray(point[:-1, :n_classes].T), point[-1, :n_classes].copy()
        return LastRound(coef, intercept, float(told[0]), int(counts[0]), int(counts[1]))


def _shape(start: Start) -> tuple[int, int]:
    """Return that of a point: (n_features + 1, lanes), the intercept in the last row."""
    return start.coef.shape[1] + 1, lanes(len(start.coef))


def _begin(point: np.ndarray, start: Start) -> None:
    n_classes = len(start.coef)
    point[:-1, :n_classes], point[-1, :n_classes] = start.coef.T, start.intercept


def _had_memory(answer: int) -> None:
    if answer == library.NO_MEMORY:
        raise MemoryError("no memory for the Hessian")
