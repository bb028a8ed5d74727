"""The minimum of a small quadratic with thresholds, in float64: coordinates find the signs, Newton steps do the rest.

    minimise over v:  G'(v - w) + (v - w)' H (v - w) / 2 + sum_j l1_j |v_j| + l2_j |v_j|^2 / 2

A face is what is not zero, with its signs: there the function is smooth. Coordinate descent (`thresholds.c`) and steps
on the face take turns. Steps go from zero to zero until one ends on its face: where columns nearly agree, sweeps hardly
move them against each other, and of many coefficients some reach zero together. Of three classes or more H has no
curvature, and G no slope, where all classes of a feature move alike: the loss does not feel it.

Shapes: coordinates (class, feature), classes outside, n = n_classes * q; l1, l2 (q,). `is_grouped`: |v_j| is the norm
of a feature's coefficients over the classes.
"""

from typing import NamedTuple

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels.choice import numpy_backend
from inklens.linear.methods.direct import RIDGES, solve_positive
from inklens.linear.methods.shrinking_face import ShrinkingFace, Tried
from inklens.linear.methods.subproblem import least_penalised_shift

MAX_FACES = 30
MAX_LOOKS = 12  # of sweeps before a step, each a few
SLOW_RATIO = 0.5  # of the violation, that sweeps and a step leave where they are slow
MAX_SLOW = 3  # in a row, before it is left as it is
FACE_RIDGES = RIDGES[1:]  # on a diagonal of ones: what has no curvature at all shall not lead too far
DAMPINGS = (1e-6, 1e-3, 0.3)  # the same, of steps that the function does not follow so far
FEWER = 4  # times fewer coefficients that come to zero at once, of the next end that is tried
GOOD_SHARE = 0.5  # of the gain that a face promises, from which a step is taken as it is
ROUNDING = 1e-12  # of a coefficient, that a step to zero may leave


class Quadratic(NamedTuple):
    """The function, as seen from w."""

    H: np.ndarray  # (n, n)
    gradient: np.ndarray  # (n,) G, at w
    l1: np.ndarray
    l2: np.ndarray
    is_grouped: bool

    def growth(self, own: np.ndarray, target: np.ndarray, feature: np.ndarray) -> float:
        """Return by how much the penalty grows where coefficients of some features move from own to target."""
        smooth = 0.5 * float(self.l2[feature] @ ((target - own) * (target + own)))
        if not self.is_grouped:
            return smooth + float(self.l1[feature] @ (np.abs(target) - np.abs(own)))
        before, after = (np.sqrt(np.bincount(feature, v * v, minlength=len(self.l1))) for v in (own, target))
        return smooth + float(self.l1 @ (after - before))


class Face(NamedTuple):
    """What is not zero, and the function's derivatives there, (m,) and (m, m)."""

    active: np.ndarray
    feature: np.ndarray
    own: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray


class Trial(NamedTuple):
    """The end of a step on a face."""

    gain: float  # by which the function is lower there
    target: np.ndarray  # (m,)
    change: np.ndarray  # (n,) of the gradient


def minimise(f: Quadratic, w: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the minimiser (n,), the quadratic's gradient there, and the KKT violation left, in thresholds.

    >>> f = Quadratic(np.array([[2.0]]), np.array([-5.0]), np.ones(1), np.zeros(1), is_grouped=False)
    >>> w, gradient, left = minimise(f, np.zeros(1), 1e-9)
    >>> w.tolist(), gradient.tolist(), float(left)
    ([2.0], [-1.0], 0.0)
    """
    g, v, left, n_slow = f.gradient.copy(), w.copy(), np.inf, 0
    backend, q = numpy_backend(), max(1, len(f.l1))
    is_whole = len(v) > 2 * q and not f.is_grouped
    for _ in range(MAX_FACES):
        before, left = (
            left,
            backend.threshold_descent(
                f.H, g, v, f.l1, f.l2, is_grouped=f.is_grouped, tolerance=tolerance, max_looks=MAX_LOOKS
            ),
        )
        n_slow = n_slow + 1 if left > SLOW_RATIO * before else 0
        if left <= tolerance or n_slow > MAX_SLOW:
            break
        if is_whole:  # all classes of a feature may move alike at no cost to the loss
            V = v.reshape(-1, q)
            V -= least_penalised_shift(V, f.l1, f.l2)
        step = _step_of_groups if f.is_grouped else _from_zero_to_zero
        if not step(f, g, v):
            break
    return v, g, left


def _step_of_groups(f: Quadratic, g: np.ndarray, v: np.ndarray) -> bool:
    """Move v and g by a step on a face of groups; tell whether they moved."""
    face = _face_at(f, g, v)
    newton = solve_positive(face.curvature, -face.slope, FACE_RIDGES)
    best = _tried(f, g, face, newton)
    if not best.gain >= -0.5 * GOOD_SHARE * float(face.slope @ newton):
        trials = [_tried(f, g, face, solve_positive(face.curvature, -face.slope, (r, 1.0))) for r in DAMPINGS]
        best = max(best, *trials, key=lambda trial: trial.gain)
    return _taken(g, v, face, best)


def _taken(g: np.ndarray, v: np.ndarray, face: Face, trial: Trial) -> bool:
    if not trial.gain > 0.0:
        return False
    v[face.active] = trial.target
    g += trial.change
    return True


def _from_zero_to_zero(f: Quadratic, g: np.ndarray, v: np.ndarray) -> bool:
    """Move v and g on the face, coefficients coming to zero one after the other or many at once, until a step stays.

    Of columns that nearly agree one keeps a coefficient, and of the levels of a category some reach zero together.
    """
    face = _face_at(f, g, v)
    own, shrinking = face.own.copy(), ShrinkingFace(face.curvature, face.slope, FACE_RIDGES)
    for _ in range(len(own)):
        deadline.check()
        newton = shrinking.newton()
        best = shrinking.tried(own, _cut(own, newton))
        stays = best.gain >= -0.5 * GOOD_SHARE * float(shrinking.slope @ newton)
        if not stays:
            best = _turned(shrinking, own, newton, best)
        if not best.gain > 0.0:
            break
        shrinking.take(best)
        lost = np.flatnonzero((own != 0.0) & (best.ends == 0.0))
        own = best.ends
        if stays or not len(lost):
            break
        shrinking.lose(lost)
    return _taken(g, v, face, _tried(f, g, face, own - face.own))


def _turned(shrinking: ShrinkingFace, own: np.ndarray, newton: np.ndarray, whole: Tried) -> Tried:
    """Return the best of a step's ends: the whole, and where less and less of what is to change its sign is at zero."""
    turns = newton * own < 0.0
    times = np.sort(-own[turns] / newton[turns])
    best, n_turned = whole, np.searchsorted(times, 1.0)
    while n_turned:
        n_turned //= FEWER
        tried = shrinking.tried(own, _cut(own, newton * min(1.0, float(times[n_turned]))))
        if best.gain > max(0.0, tried.gain):
            break
        best = max(best, tried, key=lambda end: end.gain)
    return best


def _cut(own: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the end of a step, 0 where a coefficient would change its sign."""
    target = own + direction
    target[target * own <= ROUNDING * own**2] = 0.0
    return np.asarray(target)


def _face_at(f: Quadratic, g: np.ndarray, v: np.ndarray) -> Face:
    V = v.reshape(-1, len(f.l1))
    active = np.flatnonzero(np.broadcast_to((V != 0.0).any(axis=0), V.shape) if f.is_grouped else v)
    feature = active % len(f.l1)
    own, l1, l2 = v[active], f.l1[feature], f.l2[feature]
    curvature = f.H[active[:, None], active]
    if f.is_grouped:  # the norm's Hessian is (I - v_j v_j' / |v_j|^2) / |v_j|
        norms = np.linalg.norm(V, axis=0)[feature]
        unit, bend = own / norms, l1 / norms
        curvature -= np.where(feature[:, None] == feature, bend * unit * unit[:, None], 0.0)
    else:
        unit, bend = np.sign(own), np.zeros(len(own))
    curvature.ravel()[:: len(active) + 1] += l2 + bend
    return Face(active, feature, own, g[active] + l1 * unit + l2 * own, curvature)


def _tried(f: Quadratic, g: np.ndarray, face: Face, direction: np.ndarray) -> Trial:
    """Return the end of a step, cut off at 0 where a coefficient changes its sign, or a group turns round."""
    own, target = face.own, face.own + direction
    kept = target * own
    if f.is_grouped:
        kept = np.bincount(face.feature, kept, minlength=len(f.l1))[face.feature]
    target[kept <= ROUNDING * own**2] = 0.0
    step = np.zeros_like(g)
    step[face.active] = target - own
    change = f.H @ step
    gain = -float(step @ (g + 0.5 * change)) - f.growth(own, target, face.feature)
    return Trial(gain, target, change)
