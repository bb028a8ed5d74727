"""The quadratic subproblem of a proximal Newton step, over chosen (feature, class) pairs.

    minimise over v:  -G_S'(v - w) + (v - w)' H_SS (v - w) / 2 + g(v)

Shapes: pairs are sorted by class; H (n_pairs, n_pairs) float32, vectors (n_pairs,).
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels.backend import Backend
from inklens.linear.kernels.choice import backend_of
from inklens.linear.methods import orthant
from inklens.linear.methods.faces import Faces, Factor
from inklens.linear.methods.grams import Grams
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

MAX_ROUNDS = 14  # of sweeps and face steps
SLOW_RATIO = 0.5  # of the KKT violation: sweeps that leave more of it are followed by a face step
FIRST_SWEEPS = 8  # find the signs
LATER_SWEEPS = 3  # after a face step, which needs less repair
MAX_SHRINKS = 8  # of a face step that does not lower the model
SHRINK_RATIO = 0.4
ROUGH = 1.0  # thresholds of KKT violation: where so much may be left, sweeps are enough
SHORT_SHRINKS = 4  # of one that is cut off at zero, before the least value on the face is looked for
SLACK = 1e-6  # thresholds, by which the slope of a coordinate at 0 may lead back to its face
SWEEP_ACCURACY = 0.25  # of the tolerance: coordinates are compared when their block is taken up, not at the end
INTERCEPT_RIDGE = 1e-6  # of the intercepts' mean curvature: their Hessian may be singular beyond the direction of ones


class Pairs(NamedTuple):
    """The coefficients that may move."""

    classes: np.ndarray  # (n_pairs,), ascending
    features: np.ndarray  # (n_pairs,)


class Model(NamedTuple):
    """The loss's Hessian over pairs with the intercepts eliminated.

    When the pairs move by d, the best intercepts move by -intercept_response' d - intercept_inverse g for their
    gradient g, and that changes the pairs' gradient by -intercept_response g. The intercepts' own rows stay in the
    matrix, unused: taking them out would copy it.
    """

    hessian: np.ndarray  # (n_pairs, n_pairs) float32, intercepts included
    pairs: Pairs  # sorted by class; the intercept of a class comes after its features, as feature number n_features
    is_intercept: np.ndarray  # (n_pairs,)
    intercept_response: np.ndarray  # (n_pairs, n_classes) float64, 0 for the intercepts
    intercept_inverse: np.ndarray  # (n_classes, n_classes): pseudo-inverse of the intercepts' own Hessian
    diagonal: np.ndarray  # (n_pairs,) as it was before the intercepts were eliminated
    n_threads: int
    faces: Faces


class Thresholds(Protocol):
    """A penalty l1 |v| + l2 |v|^2 / 2 of coefficients, or of the norms of each feature's coefficients."""

    @property
    def is_grouped(self) -> bool:
        """Whether a feature's coefficients are thresholded together."""

    @property
    def l1(self) -> float | np.ndarray:
        """A number, or one per feature."""

    @property
    def l2(self) -> float | np.ndarray:
        """A number, or one per feature."""

    @property
    def unit(self) -> float | np.ndarray:
        """What violations are measured in, a number, or one per feature: l1, or where that is 0 another."""

    @property
    def signs(self) -> np.ndarray | None:
        """The sign that a class's coefficients may have, (n_classes, 1); None for any."""


# ---- the Hessian -----------------------------------------------------------------------------------------------------


def newton_model(
    rows: Rows,
    proba: RowArray | np.ndarray,
    weights: np.ndarray,
    pairs: Pairs,
    *,
    fit_intercept: bool = True,
    sampling_threshold: float = 0.0,
    seed: int = 0,
    intercept_damping: float = 0.0,
    grams: Grams | None = None,
) -> Model:
    """Return the model of the loss at `proba`; lighter edges than `sampling_threshold` are sampled.

    An edge is a row's weight c_i p_ik p_il between two classes (see `pair_hessian.c`). `intercept_damping`, in units of
    the intercepts' mean curvature, is added to that along each. With `grams` these sum it up, over all rows.
    """
    n_classes = proba.shape[1]
    if fit_intercept:
        ends = np.searchsorted(pairs.classes, np.arange(n_classes), side="right")
        pairs = Pairs(
            np.insert(pairs.classes, ends, np.arange(n_classes)), np.insert(pairs.features, ends, rows.n_features)
        )
    if grams is not None:
        hessian = grams.hessian(proba, *pairs)
    else:
        hessian = pair_hessian(rows, proba, weights, pairs, sampling_threshold, seed)
    is_intercept = pairs.features == rows.n_features
    diagonal = hessian.diagonal().copy()
    if not fit_intercept:
        response, inverse = np.zeros((len(hessian), n_classes)), np.zeros((n_classes, n_classes))
        return Model(hessian, pairs, is_intercept, response, inverse, diagonal, rows.n_threads, Faces())
    border = np.ascontiguousarray(hessian[:, is_intercept], dtype=np.float64)
    inverse = intercept_inverse(border[is_intercept], intercept_damping)
    border[is_intercept] = 0.0
    response = border @ inverse
    backend_of(hessian).subtract_product(hessian, border, response.T, rows.n_threads)
    return Model(hessian, pairs, is_intercept, response, inverse, diagonal, rows.n_threads, Faces())


def intercept_inverse(hessian: np.ndarray, damping: float) -> np.ndarray:
    """Return the pseudo-inverse of the intercepts' own Hessian, which is 0 along (1, ..., 1)."""
    n_classes = len(hessian)
    size = np.trace(hessian) / n_classes + np.finfo(np.float32).tiny
    along_ones = size / n_classes  # added to every entry: makes it regular, and the centring takes it away again
    centring = np.eye(n_classes) - 1.0 / n_classes
    regular = hessian + along_ones + (INTERCEPT_RIDGE + damping) * size * np.eye(n_classes)
    return np.asarray(centring @ np.linalg.inv(regular) @ centring)


def pair_hessian(
    rows: Rows,
    proba: RowArray | np.ndarray,
    weights: np.ndarray,
    pairs: Pairs,
    sampling_threshold: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Return sum_i c_i x_ij x_il p_ik (1[k = m] - p_im) over pairs (j, k), (l, m); feature n_features is all ones."""
    return rows.pair_hessian(proba, weights, *pairs, sampling_threshold=sampling_threshold, seed=seed)


# ---- its minimum -----------------------------------------------------------------------------------------------------


def minimise(
    model: Model, penalty: Thresholds, gradient: np.ndarray, w: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimiser of the quadratic model plus penalty over the model's pairs, and the model's gradient there.

    `gradient` is that of the model at w. Intercepts stay at 0. The KKT violation at the minimiser is at most
    `tolerance`, in units of the threshold.
    """
    l1, l2, unit = (_per_pair(size, model) for size in (penalty.l1, penalty.l2, penalty.unit))
    l1[model.is_intercept] = np.inf
    side = np.zeros(len(l1)) if penalty.signs is None else penalty.signs.ravel()[model.pairs.classes].astype(float)
    if penalty.is_grouped:
        q = np.count_nonzero(model.pairs.classes == 0)  # every class has the same features in the working set
        return solve_grouped(model.hessian, gradient, w, l1[:q], l2[:q], tolerance=tolerance, n_threads=model.n_threads)
    return solve_elementwise(
        model.hessian, gradient, w, l1, l2,
        tolerance=tolerance, n_threads=model.n_threads, faces=model.faces, unit=unit, side=side,
        whole_columns=None if penalty.signs is not None or np.any(penalty.l2) else _whole_columns(model),
    )  # fmt: skip


def _whole_columns(model: Model) -> np.ndarray:
    """Return the places of the features that have pairs of every class, (n_classes, n_whole)."""
    n_classes, (classes, features) = model.intercept_response.shape[1], model.pairs
    found, counts = np.unique(features[~model.is_intercept], return_counts=True)
    places = np.flatnonzero(np.isin(features, found[counts == n_classes]) & ~model.is_intercept)
    return places[np.lexsort((features[places], classes[places]))].reshape(n_classes, -1)


def _per_pair(size: float | np.ndarray, model: Model) -> np.ndarray:
    """Return a number per feature, or one for all, as a number per pair."""
    if np.ndim(size) == 0:
        return np.full(len(model.is_intercept), float(size))
    return np.asarray(np.append(size, 0.0)[model.pairs.features])


# ---- its descent: elementwise penalty --------------------------------------------------------------------------------


def solve_elementwise(
    hessian: np.ndarray,
    gradient: np.ndarray,
    w: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    *,
    tolerance: float,
    n_threads: int = 1,
    faces: "Faces | None" = None,
    unit: np.ndarray | None = None,
    side: np.ndarray | None = None,
    whole_columns: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimiser v up to a KKT violation of `tolerance`, in units of l1, and the quadratic's gradient there.

    `unit` takes the place of l1 where violations are measured; `side` is the sign that v_j may have, 0 for any.

    Coordinate descent finds the signs; then Newton steps on their face (one Cholesky each), cut off where a coefficient
    would change its sign, with sweeps between them. Coordinates of infinite l1 stay at 0. `whole_columns` (n_classes,
    n_whole) are coordinates of one feature in all classes, which may move alike at no cost to the loss.
    """
    g, v = gradient.copy(), w.copy()
    faces, backend = Faces() if faces is None else faces, backend_of(hessian)
    unit, side = l1 if unit is None else unit, np.zeros(len(v)) if side is None else side
    crosses = (l1 == 0.0) & (side == 0.0)  # zero without a bend of the function there

    def descend(sweeps: int) -> float:
        backend.gram_descent(
            hessian, g, v, l1, l2,
            tolerance=SWEEP_ACCURACY * tolerance, max_sweeps=sweeps, n_threads=n_threads, unit=unit, side=side,
        )  # fmt: skip
        return kkt_violation(g, v, l1, l2, unit, side)

    def step() -> bool:
        is_centred = whole_columns is not None and _centre(backend, hessian, g, v, l1, l2, whole_columns, n_threads)
        face = _OnFace.of(hessian, g, v, l1, l2, n_threads)
        may_turn = crosses[face.active]
        if _face_step(face, g, may_turn, faces):
            return True
        return (tolerance < ROUGH and _least_step(face, g, SLACK * l1[face.active], may_turn)) or is_centred

    _alternate(descend, step, tolerance)
    return v, g


def _alternate(descend: Callable[[int], float], face_step: Callable[[], bool], tolerance: float) -> None:
    """Sweep while that shrinks the KKT violation quickly, else step on the face, until it is within tolerance."""
    before, now = np.inf, descend(FIRST_SWEEPS)
    for _ in range(MAX_ROUNDS):
        if now <= tolerance:
            return
        deadline.check()
        slow = now > SLOW_RATIO * before
        stepped = slow and face_step()
        before, now = (np.inf if slow else now), descend(LATER_SWEEPS if stepped else FIRST_SWEEPS)


def kkt_violation(
    gradient: np.ndarray,
    v: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    unit: np.ndarray | None = None,
    side: np.ndarray | None = None,
) -> float:
    """Return the largest violation of the optimality conditions (KKT), in units of l1, or in `unit`."""
    moves = np.isfinite(l1)
    unit, side = l1 if unit is None else unit, np.zeros(len(v)) if side is None else side
    gradient, v, l1, l2, unit, side = (vector[moves] for vector in (gradient, v, l1, l2, unit, side))
    slope = gradient + l2 * v
    pull = np.where(slope * side > 0.0, 0.0, np.abs(slope))  # of a zero, to a sign that it may have
    violations = np.where(v != 0.0, np.abs(slope + l1 * np.sign(v)), np.maximum(pull - l1, 0.0)) / unit
    return float(violations.max(initial=0.0))


def _centre(
    backend: Backend,
    hessian: np.ndarray,
    g: np.ndarray,
    v: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    whole_columns: np.ndarray,
    n_threads: int,
) -> bool:
    """Move all classes of a feature alike to where the penalty is least, and tell whether any moved.

    The loss does not feel it, and single coordinates hardly find it: each moves alone against the whole curvature. A
    face on which all classes of a feature are in use has a singular Hessian where there is no ridge.
    """
    W, own = v[whole_columns], whole_columns[0]
    shift = least_penalised_shift(W, l1[own], l2[own])
    if not shift.any():
        return False
    step = np.zeros_like(v)
    step[whole_columns] = -shift
    change = backend.symmetric_product(hessian, step, n_threads)  # almost none; where the model is damped, some
    growth = l1[own] * (np.abs(W - shift) - np.abs(W)) + 0.5 * l2[own] * shift * (shift - 2.0 * W)
    if step @ g + 0.5 * step @ change + growth.sum() >= 0.0:
        return False
    v += step
    g += change
    return True


def least_penalised_shift(W: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> np.ndarray:
    """Return t with the least l1 |w - t|_1 + l2/2 |w - t|^2 for each column w of W, (n_columns,); 0 where that is one.

    Under L1 a median (Friedman et al. 2010, section 4.1); with a ridge where l2 sum (w - t) = l1 (n_below - n_above).

    >>> least_penalised_shift(np.array([[1.0, 1.0], [2.0, 2.0], [9.0, 9.0]]), np.ones(2), np.array([0.0, 1.0]))
    array([2.        , 3.66666667])
    """
    n_classes, total = len(W), W.sum(axis=0)
    ordered, place = np.sort(W, axis=0), np.arange(n_classes)[:, None]
    off = l2 * total + l1 * np.sign(W).sum(axis=0)  # minus the slope at t = 0, between those of the zeros
    left = l2 * (n_classes * ordered - total) + l1 * (2 * place - n_classes)  # slope before each value
    first = (left + 2.0 * l1 >= 0.0).argmax(axis=0)  # value after which it rises
    columns = np.arange(W.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (total - l1 * (2 * first - n_classes) / l2) / n_classes
    found = np.where(left[first, columns] > 0.0, between, ordered[first, columns])
    return np.where((np.abs(off) <= l1 * (W == 0.0).sum(axis=0)) | ~np.isfinite(found), 0.0, found)


class _OnFace(NamedTuple):
    """The quadratic on the face of v, (m,) and (m, m)."""

    v: np.ndarray
    hessian: np.ndarray
    active: np.ndarray
    slope: np.ndarray
    l2: np.ndarray
    n_threads: int

    @classmethod
    def of(
        cls, hessian: np.ndarray, g: np.ndarray, v: np.ndarray, l1: np.ndarray, l2: np.ndarray, n_threads: int
    ) -> "_OnFace":
        """Return it for a gradient (n_pairs,)."""
        active = np.flatnonzero(v)
        slope = g[active] + l1[active] * np.sign(v[active]) + l2[active] * v[active]
        return cls(v, hessian, active, slope, l2[active], n_threads)

    @property
    def own(self) -> np.ndarray:
        """What v is."""
        return np.asarray(self.v[self.active])

    @property
    def diagonal(self) -> np.ndarray:
        """That of the curvature."""
        return np.asarray(self.hessian.diagonal()[self.active] + self.l2)

    def whole(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a step (n_pairs,), and what it changes the gradient by without l2."""
        every = np.zeros_like(self.v)
        every[self.active] = step
        change = backend_of(self.hessian).symmetric_product(self.hessian, every, self.n_threads)
        return every, np.asarray(change)

    def times(self, step: np.ndarray) -> np.ndarray:
        """Return the product of the curvature with a step."""
        return np.asarray(self.whole(step)[1][self.active] + self.l2 * step)

    def solve(self, free: np.ndarray, ridge: np.ndarray, target: np.ndarray) -> np.ndarray | None:
        """Return the solution over some places, with a ridge."""
        factor = Factor.of(self.hessian, self.active[free], self.l2[free] + ridge, self.n_threads)
        return None if factor is None else factor.solve(target)

    def moves(self, g: np.ndarray, end: np.ndarray) -> bool:
        """Move v and g to an end on the face if it is lower; tell whether it is."""
        step = end - self.own
        every, change = self.whole(step)
        if not step @ (self.slope + 0.5 * (change[self.active] + self.l2 * step)) < 0.0:
            return False
        self.v[:] += every
        g += change
        return True


def _face_step(face: _OnFace, g: np.ndarray, may_turn: np.ndarray, faces: Faces) -> bool:
    """Take Newton's step, cut off at zero and shortened until the model falls; tell whether there was one."""
    newton = faces.solve(face.hessian, face.active, face.l2, -face.slope, face.n_threads)
    if newton is None:
        return False
    ends = (face.own + SHRINK_RATIO**n * newton for n in range(SHORT_SHRINKS))
    return any(face.moves(g, orthant.within(face.own, end, may_turn)) for end in ends)


def _least_step(face: _OnFace, g: np.ndarray, slack: np.ndarray, may_turn: np.ndarray) -> bool:
    """Take the step to the least value among the signs of v; tell whether there was one.

    Of two columns that nearly agree a step that is cut off at zero moves one without the other, and leads uphill.
    """
    least = orthant.least(face, face.slope, face.own, slack, may_turn)
    return least is not None and face.moves(g, least)


# ---- its descent: one group per feature ------------------------------------------------------------------------------


def solve_grouped(
    hessian: np.ndarray,
    gradient: np.ndarray,
    w: np.ndarray,
    group: np.ndarray,
    l2: np.ndarray,
    *,
    tolerance: float,
    n_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimiser for the penalty sum_j group_j |v_j|, up to a KKT violation of `tolerance` in its units.

    `group` and `l2` hold one number per feature (q,), the other vectors (n_classes * q,) in order of the classes. Block
    descent finds the features; Newton steps on the smooth function over these follow (one Cholesky each).
    """
    g, v, backend = gradient.copy(), w.copy(), backend_of(hessian)
    if len(group) == 0:
        return v, g

    def descend(sweeps: int) -> float:
        backend.group_descent(
            hessian, g, v, group, l2, tolerance=SWEEP_ACCURACY * tolerance, max_sweeps=sweeps, n_threads=n_threads
        )
        return group_kkt_violation(g, v, group, l2)

    _alternate(descend, lambda: _group_face_step(backend, hessian, g, v, group, l2, n_threads), tolerance)
    return v, g


def group_kkt_violation(gradient: np.ndarray, v: np.ndarray, group: np.ndarray, l2: np.ndarray) -> float:
    """Return the largest violation of the optimality conditions (KKT), in units of `group`."""
    moves = np.isfinite(group)
    g, v = (vector.reshape(-1, len(group))[:, moves] for vector in (gradient, v))
    norms, slope = np.linalg.norm(v, axis=0), g + l2[moves] * v
    unit = np.divide(v, norms, out=np.zeros_like(v), where=norms > 0.0)
    inside = np.linalg.norm(slope + group[moves] * unit, axis=0)
    outside = np.maximum(np.linalg.norm(slope, axis=0) - group[moves], 0.0)
    return float((np.where(norms > 0.0, inside, outside) / group[moves]).max(initial=0.0))


def _group_face_step(
    backend: Backend,
    hessian: np.ndarray,
    g: np.ndarray,
    v: np.ndarray,
    group: np.ndarray,
    l2: np.ndarray,
    n_threads: int,
) -> bool:
    """Take a Newton step over the features in use, shortened until the model falls; tell whether there was one."""
    q = len(group)
    used = np.flatnonzero(v.reshape(-1, q).any(axis=0))
    active = (np.arange(len(v) // q)[:, None] * q + used).ravel()
    blocks = v[active].reshape(-1, len(used))
    norms = np.linalg.norm(blocks, axis=0)
    unit, steepness = blocks / norms, group[used] / norms  # the norm's Hessian is group / |v_j| (I - unit unit')
    slope = (g[active].reshape(blocks.shape) + group[used] * unit + l2[used] * blocks).ravel()
    curvature = steepness * unit[:, None] * unit[None]
    factor = Factor.of(hessian, active, np.tile(l2[used] + steepness, len(blocks)), n_threads, curvature)
    if factor is None:
        return False
    direction = factor.solve(-slope)
    for shrink in range(MAX_SHRINKS):
        step = np.zeros_like(v)
        step[active] = SHRINK_RATIO**shrink * direction
        change, moved = backend.symmetric_product(hessian, step, n_threads), step[active].reshape(blocks.shape)
        longer = group[used] @ (np.linalg.norm(blocks + moved, axis=0) - norms)
        smooth = (g[active] + 0.5 * change[active]) @ step[active] + (l2[used] * moved * (blocks + 0.5 * moved)).sum()
        if longer + smooth < 0.0:
            v += step
            g += change
            return True
    return False
