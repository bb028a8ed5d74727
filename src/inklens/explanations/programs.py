"""The two small convex programs behind flips, solved exactly in the space of their few constraints.

A change d of the n pixels of a frame must lift m = n_classes - 1 score differences by at least r and keep the ink in
the box:

    minimise  cost(d)   subject to   A d >= r,   -erasable <= d <= addable.

Shapes: A (m, n), r and multipliers (m,), erasable, addable and d (n,). Every `Solved` carries multipliers >= 0; by
weak duality any multipliers prove a lower bound, so the proof does not depend on how they were found.
"""

from dataclasses import dataclass

import numpy as np

MAX_ROUNDS = 5000  # per program; ten classes need about ten
FEASIBLE = 1e-11  # by how much a pixel may leave its bounds and still count as inside
PIVOT = 1e-9  # smallest pivot, relative to the largest of its row
MAX_HALVINGS = 60  # of a step: beyond, it is below the rounding of the multipliers
SUFFICIENT_RISE = 1e-4  # of what the gradient predicts (Armijo)
RIDGE = 1e-14  # of the squared gains: keeps the dual's Hessian regular where no pixel is free
EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Program:
    """What must be reached, and what may change.

    Parameters
    ----------
    A : array (m, n)
        Gain of each score difference per unit of ink.
    r : array (m,)
        Gains that are needed.
    erasable, addable : array (n,)
        Largest change downward and upward, in [0, 1].
    magnitudes : array (m,)
        Sum of the absolute values of all terms that A d and r were computed from; it scales the rounding errors.
    """

    A: np.ndarray
    r: np.ndarray
    erasable: np.ndarray
    addable: np.ndarray
    magnitudes: np.ndarray

    def largest_gain(self, multipliers: np.ndarray) -> float:
        """Return the maximum of multipliers . A d over all allowed changes d."""
        g = multipliers @ self.A
        return float(self.addable @ np.maximum(g, 0.0) + self.erasable @ np.maximum(-g, 0.0))


@dataclass(frozen=True, eq=False)
class Solved:
    """A change, or why there is none.

    `change` is None when the bound reached `cutoff`, when `MAX_ROUNDS` were not enough, or when no change reaches r;
    in the last case `farkas` holds h >= 0 with h . r > max_d h . A d, which proves it.
    """

    change: np.ndarray | None
    multipliers: np.ndarray
    farkas: np.ndarray | None = None


# ------------------------------------------------------------------------------------------------- least ink


def least_ink(
    program: Program,
    *,
    cost_add: float | np.ndarray = 1.0,
    cost_erase: float | np.ndarray = 1.0,
    cutoff: float = np.inf,
) -> Solved:
    """Minimise sum_j cost_add_j max(d_j, 0) + cost_erase_j max(-d_j, 0), the ink changed when both costs are 1.

    Exact dual simplex with bound flipping. It starts from no change and multipliers 0, which is optimal for r <= 0.
    Each round takes the basic variable furthest outside its bounds (in units of its edge) and follows that edge of
    the piecewise linear dual to its top; every pixel passed on the way flips between untouched and fully changed.
    The dual only rises, so the solve ends as soon as it reaches `cutoff`.

    References
    ----------
    Koberstein (2005), The dual simplex method, techniques for a fast and stable implementation, sections 3.2
    (steepest edge) and 3.3 (bound flipping ratio test).
    """
    return _DualSimplex(program, cost_add, cost_erase).run(cutoff)


class _DualSimplex:
    """Columns: ink added, ink erased, slacks; a column is basic, or nonbasic at 0 or at its width (`full`)."""

    def __init__(self, program: Program, cost_add: float | np.ndarray, cost_erase: float | np.ndarray) -> None:
        A, m = program.A, len(program.r)
        used = np.abs(A).max(axis=0) > 0.0
        self.adds = np.flatnonzero(used & (program.addable > 0.0))
        self.erases = np.flatnonzero(used & (program.erasable > 0.0))
        n_pixels, k = A.shape[1], len(self.adds) + len(self.erases)
        self.columns = np.concatenate([A[:, self.adds], -A[:, self.erases], -np.eye(m)], axis=1)
        self.widths = np.concatenate([program.addable[self.adds], program.erasable[self.erases], np.full(m, np.inf)])
        self.reduced = np.zeros(k + m)  # reduced costs; negative only where full
        self.reduced[: len(self.adds)] = np.broadcast_to(cost_add, n_pixels)[self.adds]
        self.reduced[len(self.adds) : k] = np.broadcast_to(cost_erase, n_pixels)[self.erases]
        self.basis = np.arange(k, k + m)
        self.nonbasic, self.full = np.ones(k + m, dtype=bool), np.zeros(k + m, dtype=bool)
        self.nonbasic[self.basis] = False
        self.rest = program.r.astype(float)  # r minus what the full columns gain
        self.multipliers, self.value, self.n_pixels = np.zeros(m), 0.0, n_pixels

    def run(self, cutoff: float) -> Solved:
        for _ in range(MAX_ROUNDS):
            inverse = np.linalg.inv(self.columns[:, self.basis])
            values = inverse @ self.rest
            outside = np.maximum(-values, values - self.widths[self.basis])
            if outside.max() <= FEASIBLE:
                return Solved(self._change(values), self._proof(self.multipliers))
            edge = np.where(outside > FEASIBLE, outside, 0.0) ** 2 / (inverse**2).sum(axis=1)
            leaving = int(edge.argmax())
            sign = 1.0 if values[leaving] < 0.0 else -1.0  # +1: below 0, leaves empty; -1: above, leaves full
            if not self._follow_edge(leaving, sign * inverse[leaving], sign, float(outside[leaving])):
                return Solved(None, self._proof(self.multipliers), farkas=self._proof(-sign * inverse[leaving]))
            if self.value >= cutoff:
                break
        return Solved(None, self._proof(self.multipliers))

    def _follow_edge(self, leaving: int, edge: np.ndarray, sign: float, slope: float) -> bool:
        """Move the multipliers along -edge to the top of the dual and pivot; False where the dual has no top."""
        row = edge @ self.columns
        falling = np.where(self.full, row, -row)  # how fast each |reduced cost| falls
        passed = np.flatnonzero((falling > PIVOT * np.abs(row).max()) & self.nonbasic)
        steps = np.abs(self.reduced[passed]) / falling[passed]
        order = np.argsort(steps, kind="stable")
        passed, steps = passed[order], steps[order]
        slopes = slope - np.cumsum(falling[passed] * self.widths[passed])
        top = int(np.argmax(slopes <= 0.0)) if len(slopes) and slopes[-1] <= 0.0 else -1
        if top < 0:
            return False
        before = np.concatenate([[slope], slopes[:top]])  # slope of the dual between one kink and the next
        self.value += float(before @ np.diff(steps[: top + 1], prepend=0.0))
        self.multipliers -= steps[top] * edge
        self.reduced += steps[top] * row
        self._flip(passed[:top])
        self._exchange(leaving, int(passed[top]), full=sign < 0.0)
        return True

    def _flip(self, columns: np.ndarray) -> None:
        gains = np.where(self.full[columns], -1.0, 1.0) * self.widths[columns]
        self.rest -= self.columns[:, columns] @ gains
        self.full[columns] ^= True

    def _exchange(self, leaving: int, entering: int, *, full: bool) -> None:
        if self.full[entering]:
            self._flip(np.array([entering]))
        out = self.basis[leaving]
        self.basis[leaving] = entering
        self.nonbasic[entering], self.nonbasic[out] = False, True
        self.reduced[entering] = 0.0
        if full:
            self._flip(np.array([out]))

    def _change(self, values: np.ndarray) -> np.ndarray:
        amounts = np.where(self.full, self.widths, 0.0)
        amounts[self.basis] = np.clip(values, 0.0, self.widths[self.basis])
        change = np.zeros(self.n_pixels)
        change[self.adds] = amounts[: len(self.adds)]
        change[self.erases] -= amounts[len(self.adds) : len(self.adds) + len(self.erases)]
        return change

    @staticmethod
    def _proof(multipliers: np.ndarray) -> np.ndarray:
        """Return multipliers that prove a bound: none may be negative, not even by rounding."""
        return np.asarray(np.maximum(multipliers, 0.0))


def least_ink_bound(
    program: Program,
    multipliers: np.ndarray,
    *,
    cost_add: float | np.ndarray = 1.0,
    cost_erase: float | np.ndarray = 1.0,
) -> float:
    """Return the lower bound on `least_ink` that the multipliers prove, less what rounding could have added.

    multipliers . r - sum_j addable_j max(g_j - cost_add_j, 0) + erasable_j max(-g_j - cost_erase_j, 0), g = A' lambda.
    """
    g = multipliers @ program.A
    gained = multipliers @ program.r
    spent = program.addable @ np.maximum(g - cost_add, 0.0) + program.erasable @ np.maximum(-g - cost_erase, 0.0)
    return float(gained - spent - rounding(program, multipliers))


# ---------------------------------------------------------------------------------------------- least energy


def least_energy(program: Program, *, cutoff: float = np.inf) -> Solved:
    """Minimise sum_j d_j^2, the squared distance, by projected semismooth Newton steps on the dual.

    For fixed multipliers the best change is d = clip(g / 2, -erasable, addable) with g = A' lambda; the dual is
    concave and piecewise quadratic, so that a full step from the right piece is exact.

    References
    ----------
    Bertsekas (1982), Projected Newton methods for optimization problems with simple constraints, SIAM J. Control
    Optim. 20(2), section 2.
    """
    multipliers = np.zeros(len(program.r))
    largest = float(np.maximum(program.addable, program.erasable) @ np.maximum(program.addable, program.erasable))
    value = 0.0
    for _ in range(MAX_ROUNDS):
        g = multipliers @ program.A / 2.0
        change = np.clip(g, -program.erasable, program.addable)
        missing = program.r - program.A @ change  # gradient of the dual
        active = (multipliers > 0.0) | (missing > 0.0)
        if np.all(np.where(multipliers > 0.0, np.abs(missing), missing) <= 4.0 * EPS * program.magnitudes):
            return Solved(change, multipliers)
        if value > largest:  # dearer than any change that is allowed: none reaches r
            return Solved(None, multipliers, farkas=multipliers)
        if value >= cutoff:
            break
        free = (g >= -program.erasable) & (g <= program.addable)
        moved = multipliers + _newton_step(program.A[active], free, missing, active)
        multipliers, rise = _ascend(program, multipliers, moved, missing, value)
        if rise <= 0.0:  # no further progress in float64
            return Solved(change, multipliers)
        value += rise
    return Solved(None, multipliers)


def _newton_step(A: np.ndarray, free: np.ndarray, missing: np.ndarray, active: np.ndarray) -> np.ndarray:
    hessian = A[:, free] @ A[:, free].T / 2.0
    ridge = RIDGE * max(float((A**2).sum()), EPS)  # of all pixels: where none is free, the dual is linear
    step = np.zeros(len(missing))
    step[active] = np.linalg.solve(hessian + ridge * np.eye(len(hessian)), missing[active])
    return step


def _ascend(
    program: Program, start: np.ndarray, end: np.ndarray, gradient: np.ndarray, value: float
) -> tuple[np.ndarray, float]:
    """Backtrack along the projected step until the dual rises enough (Armijo)."""
    fraction = 1.0
    for _ in range(MAX_HALVINGS):
        multipliers = np.maximum(start + fraction * (end - start), 0.0)
        rise = _energy_dual(program, multipliers) - value
        if rise >= SUFFICIENT_RISE * float(gradient @ (multipliers - start)) and rise > 0.0:
            return multipliers, rise
        fraction /= 2.0
    return start, 0.0


def _energy_dual(program: Program, multipliers: np.ndarray) -> float:
    g = multipliers @ program.A
    d = np.clip(g / 2.0, -program.erasable, program.addable)
    return float(multipliers @ program.r - (g - d) @ d)


def least_energy_bound(program: Program, multipliers: np.ndarray) -> float:
    """Return the lower bound on `least_energy` that the multipliers prove, less what rounding could have added.

    multipliers . r - sum_j max_d (g_j d - d^2), over the box, g = A' lambda.
    """
    return _energy_dual(program, multipliers) - rounding(program, multipliers)


def rounding(program: Program, multipliers: np.ndarray) -> float:
    """Return more than float64 rounding can add to a bound: gamma_n times the sum of all absolute terms.

    Higham (2002), Accuracy and Stability of Numerical Algorithms, eq. 3.3 and 3.5.
    """
    m, n = program.A.shape
    return float(4.0 * (n + m + 10) * EPS * (multipliers @ program.magnitudes))
