"""Robustness radii: how far a frame is from another answer, exactly, for one digit or a whole data set.

The answer to x stays the same until some class t draws level with the present one, s. For a linear model that is one
half-space a . d >= z_s - z_t with a = w_t - w_s per class t, so the radius is the least of n_classes - 1 distances:

    L1: need / max|a|     L2: need / ||a||_2     Linf: need / ||a||_1        (ink may leave 0..1)

and, where ink must stay in 0..1, the root of a concave piecewise linear function.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inklens.errors import DataError, ParameterError
from inklens.model.linear_model import LinearModel
from inklens.reprs import Shown

STEP_TOL = 1e-15  # relative; a smaller Newton step is below the rounding of the root
MEASURES = ("l1", "l2", "linf")
MAX_STEPS = 200  # of Newton's method, which ends by itself after as many steps as pixels saturate one after another


@dataclass(frozen=True, eq=False, repr=False)
class Robustness(Shown):
    """Radii of frames: no smaller change gives another answer, and a slightly larger one does.

    Parameters
    ----------
    boxed : dict of str to array (n_frames,)
        Radii in "l1" (total ink), "l2" (root of the sum of squares) and "linf" (largest change of a pixel) among the
        changes that keep the ink in 0..1; infinity where no such change gives another answer.
    free : dict of str to array (n_frames,)
        The same without the box.
    """

    boxed: dict[str, np.ndarray]
    free: dict[str, np.ndarray]

    def quantiles(self, levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> dict[str, dict[float, float]]:
        """Return quantiles of the boxed radii: such a proportion of the frames does not exceed them."""
        if not len(self.boxed["l1"]):
            raise DataError("radii of no frame have no quantiles; give one frame or more")
        return {
            name: {level: float(np.quantile(radii, level, method="lower")) for level in levels}
            for name, radii in self.boxed.items()
        }

    def to_json(self) -> dict[str, dict[str, list[float]]]:
        """Return all radii, by whether the ink must stay in 0..1."""
        return {
            kind: {name: radii.tolist() for name, radii in part.items()}
            for kind, part in (("boxed", self.boxed), ("free", self.free))
        }


def robustness(reader: LinearModel, frames: np.ndarray) -> Robustness:
    """Return the exact robustness radii of frames (n_frames, rows, cols) in [0, 1].

    References
    ----------
    Moosavi-Dezfooli, Fawzi, Frossard (2016), DeepFool, CVPR, eq. 5 to 7, for the distances without the box.

    Examples
    --------
    >>> from inklens import DigitReader
    >>> reader = DigitReader(np.array([[4.0, 0.0], [0.0, 2.0]]), np.zeros(2), ("a", "b"), (1, 2))
    >>> radii = robustness(reader, np.array([[[0.5, 0.0]]]))
    >>> {name: round(float(r[0]), 3) for name, r in radii.boxed.items()}
    {'l1': 0.5, 'l2': 0.447, 'linf': 0.333}
    """
    if reader.features != "pixels":
        raise ParameterError(f"exact radii need a model on pixels, this one is on {reader.features!r}")
    frames = reader.stack(frames)
    z = reader.raw_prediction(frames)
    X = frames.reshape(z.shape[0], reader.coef.shape[1])
    found = Robustness(*({name: np.full(len(X), np.inf) for name in MEASURES} for _ in range(2)))
    for source in np.unique(z.argmax(axis=1)):
        rows = np.flatnonzero(z.argmax(axis=1) == source)
        needs = z[rows, source][:, None] - z[rows]  # (n_rows, n_classes)
        for name in MEASURES:
            free, boxed = _radii(reader.coef - reader.coef[source], X[rows], needs, int(source), name)
            found.free[name][rows], found.boxed[name][rows] = free, boxed
    return found


def _radii(
    gains: np.ndarray, X: np.ndarray, needs: np.ndarray, source: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Take the least distance over all targets; the boxed one is computed only where the free one could win."""
    others = [k for k in range(len(gains)) if k != source]
    sizes = {"l1": np.abs(gains).max(axis=1), "l2": np.linalg.norm(gains, axis=1), "linf": np.abs(gains).sum(axis=1)}
    with np.errstate(divide="ignore", invalid="ignore"):
        free = np.where(needs > 0.0, needs / sizes[name], 0.0)  # (n_rows, n_classes)
    boxed = np.full(len(X), np.inf)
    for rank in range(len(others)):
        nearest = np.argsort(free[:, others], axis=1, kind="stable")[:, rank]
        for position, target in enumerate(others):
            rows = np.flatnonzero((nearest == position) & (free[:, target] < boxed))
            if len(rows):
                distances = _BOXED[name](gains[target], X[rows], needs[rows, target])
                boxed[rows] = np.minimum(boxed[rows], distances)
    return free[:, others].min(axis=1), boxed


def _boxed_l1(gain: np.ndarray, X: np.ndarray, needs: np.ndarray) -> np.ndarray:
    """Spend the box of the steepest pixel first, then of the next, until the need is met."""
    order = np.argsort(-np.abs(gain), kind="stable")
    slopes, widths = np.abs(gain[order]), _widths(gain, X)[:, order]
    gained = np.cumsum(slopes * widths, axis=1)
    last = (gained < needs[:, None]).sum(axis=1)  # pixels that are spent wholly
    met = last < len(gain)
    last = np.minimum(last, len(gain) - 1)
    rows = np.arange(len(X))
    spent = np.cumsum(widths, axis=1)[rows, last] - widths[rows, last]
    missing = needs - (gained[rows, last] - (slopes * widths)[rows, last])
    return np.where(met, spent + missing / np.where(slopes[last] > 0.0, slopes[last], 1.0), np.inf)


def _boxed_l2(gain: np.ndarray, X: np.ndarray, needs: np.ndarray) -> np.ndarray:
    widths, slopes = _widths(gain, X), np.abs(gain)
    scale = _root(slopes, slopes, widths, needs)
    changes = np.minimum(np.where(np.isfinite(scale), scale, 0.0)[:, None] * slopes, widths)
    return np.where(np.isfinite(scale), np.linalg.norm(changes, axis=1), np.inf)


def _boxed_linf(gain: np.ndarray, X: np.ndarray, needs: np.ndarray) -> np.ndarray:
    return _root(np.abs(gain), np.ones_like(gain), _widths(gain, X), needs)


def _widths(gain: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return how far each pixel can go in the direction that helps."""
    return np.where(gain > 0.0, 1.0 - X, X)


def _root(slopes: np.ndarray, rates: np.ndarray, widths: np.ndarray, needs: np.ndarray) -> np.ndarray:
    """Return t with sum_j slope_j min(t rate_j, width_j) = need for each row, infinity where the box is too small.

    The sum is concave in t, so Newton's method from 0 rises towards the root and meets it after finitely many steps.
    """
    t = np.zeros(len(needs))
    t[widths @ slopes < needs] = np.inf
    for _ in range(MAX_STEPS):
        rows = np.flatnonzero(np.isfinite(t))
        reached = t[rows, None] * rates
        growing = reached < widths[rows]
        value = np.where(growing, reached, widths[rows]) @ slopes
        rise = growing @ (slopes * rates)
        step = np.where(rise > 0.0, (needs[rows] - value) / np.where(rise > 0.0, rise, 1.0), 0.0)
        t[rows] += np.maximum(step, 0.0)
        if not np.any(step > STEP_TOL * t[rows]):
            break
    return t


_BOXED = {"l1": _boxed_l1, "l2": _boxed_l2, "linf": _boxed_linf}
