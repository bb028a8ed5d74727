"""Rounds of Newton's method that a kernel takes in one call: where they start, and what they come to."""

from typing import NamedTuple, Protocol

import numpy as np

from inklens.linear.kernels.storage import Storage


class Start(NamedTuple):
    """Where rounds begin, what moves in them, and when they end."""

    coef: np.ndarray  # (n_classes, n_features), float64, 0 in columns that do not move
    intercept: np.ndarray  # (n_classes,)
    codes: np.ndarray  # (n_samples,) int32
    weights: np.ndarray  # (n_samples,) float64
    columns: np.ndarray  # (q,) int64: those that move
    l1: np.ndarray  # (q,) thresholds of these columns
    l2: np.ndarray  # (q,) ridges
    fit_intercept: bool
    n_rounds: int  # at most
    tol: float  # in shares of the objective
    first: int = 0  # class whose coefficients move, and those of all after it

    def of_stored(self, scale: float) -> "Start":
        """Return the same for rows that count `scale` times what is stored."""
        return self._replace(coef=self.coef * scale, l1=self.l1 / scale, l2=self.l2 / scale**2)


class Rounds(NamedTuple):
    """Newton's points, one more than steps, each (n_features + 1, n_classes) with the intercept in the last row."""

    points: np.ndarray  # (n_rounds + 1, n_features + 1, n_classes), the start first
    steps: np.ndarray  # (n_rounds, n_features + 1, n_classes): whole ones, of which a share may have been taken
    told: np.ndarray  # (n_rounds + 1, 3): objective, gap of the softmax, decrease that the step to there was to bring
    n_readings: int  # of all rows


class LastRound(NamedTuple):
    """Where rounds under thresholds end."""

    coef: np.ndarray  # (n_classes, n_features)
    intercept: np.ndarray
    objective: float
    n_rounds: int
    n_readings: int  # of all rows


class NewtonRounds(Protocol):
    """What takes Newton's steps by whole Hessians, some rounds in one call."""

    def smooth(self, storage: Storage, start: Start, n_threads: int = 1) -> Rounds:
        """Return the points of `methods/direct.py` up to one whose gap is `tol`, or that falls no further: no l1.

        There are less rounds, too, where rounding leaves a Hessian indefinite.
        """

    def thresholded(self, storage: Storage, start: Start, n_threads: int = 1) -> LastRound:
        """Return the point after the steps of `methods/thresholded.py` that promise more than `tol`, and fall."""
