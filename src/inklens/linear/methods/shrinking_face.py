"""Newton's directions on a face that loses one coordinate after the other, by one factor of its first curvature C.

Let D be what is lost. The direction that leaves it at rest is

    x = u + W y,    u = -C^-1 slope,    W = C^-1 E_D,    W_D y = -u_D

(Nocedal, Wright (2006), Numerical Optimization, section 16.2: the Schur complement). A step z turns the slope into
slope + C z, and u into u - z: a coordinate that is lost costs one solution by the factor, and no new one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg

from inklens.linear.methods.direct import inverse_of

LOST_SHARE = 0.25  # of the coordinates, from which a new factor is worth its time


class Tried(NamedTuple):
    """A step, and by how much it lowers the quadratic."""

    gain: float
    ends: np.ndarray
    step: np.ndarray
    product: np.ndarray  # with the curvature


class ShrinkingFace:
    """A quadratic's slope (m,) and curvature (m, m) on a face, m of whose coordinates are left to move.

    >>> face = ShrinkingFace(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([-2.0, 0.0]), [1e-15])
    >>> face.newton().round(9).tolist()
    [1.333333333, -0.666666667]
    >>> face.lose(np.array([1]))
    >>> face.newton().round(9).tolist()
    [1.0, 0.0]
    """

    def __init__(self, curvature: np.ndarray, slope: np.ndarray, ridges: Sequence[float]) -> None:
        self.curvature, self.slope, self.ridges = curvature, slope.copy(), ridges
        self.left = np.arange(len(slope))
        self.lost = np.zeros(0, dtype=np.int64)  # D, places in what is left
        self._factor()

    def _factor(self) -> None:
        """Factor the curvature of what is left, without what was lost since the last factor."""
        self.left = np.delete(self.left, self.lost)
        self.inverse = inverse_of(self.curvature[self.left[:, None], self.left], self.ridges)
        self.free = -self.inverse(self.slope[self.left])  # u
        self.lost = self.lost[:0]
        self.towards = np.zeros((len(self.left), 0))  # W

    def newton(self) -> np.ndarray:
        """Return the direction (m,) to the minimum over what is left."""
        x = self.free
        if len(self.lost):
            _, held, info = linalg.lapack.dposv(self.towards[self.lost], -x[self.lost])
            if info:
                self._factor()
                return self.newton()
            x = x + self.towards @ held
            x[self.lost] = 0.0
        whole = np.zeros_like(self.slope)
        whole[self.left] = x
        return whole

    def tried(self, own: np.ndarray, ends: np.ndarray) -> Tried:
        """Return what comes of a step from own to its ends, (m,)."""
        step = ends - own
        product = self.curvature @ step
        return Tried(-float(step @ (self.slope + 0.5 * product)), ends, step, product)

    def take(self, tried: Tried) -> None:
        """Take a step."""
        self.slope += tried.product
        self.free = self.free - tried.step[self.left]

    def lose(self, places: np.ndarray) -> None:
        """Let coordinates rest from now on."""
        self.lost = np.append(self.lost, np.searchsorted(self.left, places))
        if len(self.lost) > LOST_SHARE * len(self.left):
            self._factor()
            return
        unit = np.zeros((len(self.left), len(places)))
        unit[self.lost[-len(places) :], np.arange(len(places))] = 1.0
        self.towards = np.hstack([self.towards, self.inverse(unit)])
