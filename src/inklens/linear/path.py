"""Regularisation path: one proven fit after the other, from a penalty that zeroes everything down to a chosen C.

Shapes: coefs (n_points, n_classes, n_features), intercepts (n_points, n_classes).
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import numpy.typing as npt

from inklens.classes import labels_of
from inklens.errors import DataError, ParameterError, ScaleWarning
from inklens.linear import arrays
from inklens.linear.blas import threads_of
from inklens.linear.callbacks import asks_to_stop
from inklens.linear.coordinates import Filled
from inklens.linear.driver import Solution, solve
from inklens.linear.problem.build import Penalizing
from inklens.linear.problem.problem import Problem, check_strength
from inklens.linear.rows.elsewhere import brought
from inklens.linear.rows.opening import Matrix, given_back
from inklens.linear.rows.rows import Rows
from inklens.linear.starts import Weights, ahead
from inklens.reprs import Card, Shown, listed

N_BISECTIONS = 8  # refinements of C when the number of features is limited
BOUNDARY_SHARE = (
    1e-6  # of C: the first point keeps this distance from where a feature enters, so that rounding lets nothing in
)
EMPTY_TOL = 1e-6  # of the fit at which no penalised coefficient is used, where that is not known beforehand
FIRST_SHARE = 1e-4  # of its largest C, where a path without L1 starts: it never zeroes anything


@dataclass(frozen=True, eq=False, repr=False)
class SoftmaxPath(Shown):
    """Fits along a path of C, weakest fit first.

    Attributes
    ----------
    Cs : ndarray (n_points,)
        Inverse penalty strengths, ascending.
    coefs, intercepts : ndarray (n_points, n_classes, n_features), (n_points, n_classes)
    objectives, lower_bounds : ndarray (n_points,)
        Value of C * loss + penalty at each point, and a proven bound below each optimum.
    classes : ndarray (n_classes,)
    l1_ratio, group : float, bool
        The penalty.
    seconds, n_passes : float
        Time for all points, and loss-and-gradient evaluations over all rows.
    """

    Cs: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    objectives: np.ndarray
    lower_bounds: np.ndarray
    classes: np.ndarray
    l1_ratio: float
    group: bool
    seconds: float
    n_passes: float

    def __len__(self) -> int:
        return len(self.Cs)

    def _card(self) -> Card:
        used, points = self.n_features_used, np.unique(np.linspace(0, len(self) - 1, 8).round().astype(int))
        first, last = self.Cs[0], self.Cs[-1]
        facts = {
            "penalty": f"{'group, ' if self.group else ''}l1_ratio={self.l1_ratio:g}",
            "classes": listed(self.classes.tolist()),
            "features in use": listed([f"{used[k]} at C={self.Cs[k]:.3g}" for k in points]),
            "proven": f"every point within {self.gaps.max():.1e} of its optimum",
            "work": f"{self.seconds:.2f} seconds, {self.n_passes:.0f} passes over the rows",
        }
        return Card(f"SoftmaxPath: {len(self)} fits from C={first:.3g} to C={last:.3g}", facts)

    @property
    def gaps(self) -> np.ndarray:
        """Proven (objective - lower bound) / objective of each point, (n_points,)."""
        return np.asarray(
            np.maximum(0.0, self.objectives - self.lower_bounds) / np.maximum(self.objectives, np.finfo(float).tiny)
        )

    @property
    def in_use(self) -> np.ndarray:
        """Which features have a coefficient that is not zero, (n_points, n_features)."""
        return np.asarray((self.coefs != 0.0).any(axis=1))

    @property
    def n_features_used(self) -> np.ndarray:
        """Number of features in use at each point, (n_points,)."""
        return np.asarray(self.in_use.sum(axis=1))

    @property
    def n_nonzeros(self) -> np.ndarray:
        """Number of coefficients that are not zero, (n_points,)."""
        return np.asarray(np.count_nonzero(self.coefs, axis=(1, 2)))

    @property
    def entry_order(self) -> np.ndarray:
        """Features in the order in which they enter, first the first; those that never do are left out.

        Features that enter at the same point are ordered by the size of their coefficients there.
        """
        used = self.in_use
        entered = np.flatnonzero(used.any(axis=0))
        first = used[:, entered].argmax(axis=0)
        size = np.abs(self.coefs[first, :, entered]).sum(axis=1)
        return entered[np.lexsort((-size, first))]

    def point_within(self, max_features: int) -> int:
        """Return the index of the last point that uses at most `max_features` features."""
        return int(np.flatnonzero(self.n_features_used <= max_features)[-1])


def softmax_path(
    X: Matrix,
    y: npt.ArrayLike,
    *,
    Cs: int | Sequence[float] = 60,
    C: float = 1.0,
    l1_ratio: float = 1.0,
    group: bool = False,
    tol: float = 1e-3,
    max_pixels: int | None = None,
    standardize: bool = False,
    penalty_factor: npt.ArrayLike | None = None,
    positive: bool = False,
    fit_intercept: bool = True,
    sample_weight: npt.ArrayLike | None = None,
    offset: npt.ArrayLike | None = None,
    n_jobs: int | None = None,
    callback: Callable[[int, float, Solution], object] | None = None,
) -> SoftmaxPath:
    r"""Fit softmax regressions along a path of C, each warm-started from the one before and proven to `tol`.

    Every point minimises :math:`C \sum_i s_i \, \mathrm{loss}_i + \rho \|W\|_1 + \frac{1-\rho}{2}\|W\|^2`.

    Parameters
    ----------
    X : array-like or sparse matrix (n_samples, n_features), Rows, or what Dask's workers read (`Rows.of`)
    y : array-like (n_samples,)
        At least two different labels.
    Cs : int or sequence of float, default=60
        Number of points, spaced geometrically from the largest C that zeroes every coefficient up to `C`; or values.
    C : float, default=1.0
        The last point, where `Cs` is a number.
    l1_ratio : float, default=1.0
        :math:`\rho` in [0, 1].
    group : bool, default=False
        Whether :math:`\sum_j \|W_{\cdot j}\|_2` takes the place of :math:`\|W\|_1`.
    tol : float, default=1e-3
        Promise on (objective - lower bound) / objective, for every point.
    max_pixels : int or None, default=None
        End with the largest C found (to 1 part in 1000 or so) whose fit uses at most this many features.
    standardize, penalty_factor, positive
        As for `SoftmaxRegression`; coefficients are those of the columns as given.
    fit_intercept : bool, default=True
    sample_weight : array-like (n_samples,), default=None
        Positive weights.
    offset : array-like (n_samples, n_classes), default=None
        Fixed part of each score.
    n_jobs : int or None, default=None
        Number of threads; None and -1 use all cores.
    callback : callable, default=None
        Called as ``callback(index, C, solution)`` after each point, with a copy; ends the path when it returns True.

    Warns
    -----
    ConvergenceWarning
        Where points stopped short of `tol`; `SoftmaxPath.gaps` has what is proven of each.
    ScaleWarning
        Where columns are too small in their units to be used even at the last point.

    Raises
    ------
    DataError
        One class only, labels or weights that do not fit the rows, a C that is not positive.

    References
    ----------
    Friedman, Hastie, Tibshirani (2010), J. Stat. Softw. 33(1), section 2.5; Tibshirani et al. (2012), J. R. Stat. Soc.
    B 74, for the strong rule behind the working sets.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> path = softmax_path(*load_iris(return_X_y=True), Cs=10)
    >>> len(path), int(path.n_nonzeros[0]), bool((path.gaps <= 1e-3).all())
    (10, 0, True)
    >>> path.entry_order
    array([2, 3, 0])
    """
    _require_settings(C, l1_ratio, tol, max_pixels, n_jobs, callback)
    asked = Penalizing(l1_ratio, group, False, standardize, penalty_factor, positive)
    rows = X if isinstance(X, Rows) else Rows.of(X, n_threads=threads_of(n_jobs))
    with given_back(rows, X):
        problem, classes = _problem(rows, y, asked, fit_intercept, sample_weight, offset)
        grid = path_grid(problem, Cs, C)
        began, passes = time.perf_counter(), problem.rows.n_passes
        found: list[tuple[float, Solution]] = []
        for index, (value, solution) in enumerate(fit_points(problem, grid, tol)):
            if max_pixels is not None and _n_features_used(solution) > max_pixels:
                found += _refined(problem, found, value, tol, max_pixels)
                break
            found.append((value, replace(solution, dual=None)))  # as long as three times the coefficients
            if callback is not None and asks_to_stop(callback(index, value, solution.copy())):
                break
        warn_of_gaps(np.array([value for value, _ in found]), np.array([solution.gap for _, solution in found]), tol)
        if found and (remark := found[-1][1].scale_remark):  # of the weakest penalty
            warnings.warn(remark, ScaleWarning, stacklevel=2)
        return SoftmaxPath(
            Cs=np.array([value for value, _ in found]),
            coefs=np.stack([solution.coef for _, solution in found]),
            intercepts=np.stack([solution.intercept for _, solution in found]),
            objectives=np.array([value * solution.objective for value, solution in found]),
            lower_bounds=np.array([value * solution.lower_bound for value, solution in found]),
            classes=classes,
            l1_ratio=l1_ratio,
            group=group,
            seconds=time.perf_counter() - began,
            n_passes=problem.rows.n_passes - passes,
        )


def _require_settings(
    C: object, l1_ratio: object, tol: object, max_pixels: object, n_jobs: object, callback: object
) -> None:
    """Refuse what is of another type than a setting has; ranges are looked at where they matter."""
    arrays.require_number(C, name="C", expected="a positive number")
    arrays.require_number(l1_ratio, name="l1_ratio", expected="a number between 0 and 1")
    arrays.require_number(tol, name="tol", expected="a number of at least 0")
    if max_pixels is not None:
        arrays.require_number(max_pixels, name="max_pixels", expected="a number of pixels or None")
    if not (n_jobs is None or isinstance(n_jobs, Integral)):
        raise ParameterError(f"expected a number of threads or None as n_jobs, got {n_jobs!r:.60}")
    if not (callback is None or callable(callback)):
        raise ParameterError(f"expected a function (index, C, solution) as callback, got {callback!r:.60}")


def fit_points(
    problem: Problem, grid: np.ndarray, tol: float, start: Weights | None = None
) -> Iterator[tuple[float, Solution]]:
    """Yield (C, solution of loss + penalty / C) for ascending C; `problem` holds the penalty at C = 1.

    Each begins where the one before ended, or, on a path without corners, where the two before lead.
    """
    change = Filled.of(problem)
    inner = problem if change is None else change.apply(problem)
    if start is None:
        start = np.zeros((inner.n_classes, inner.rows.n_features)), _empty_intercept(inner)
    elif change is not None:
        start = change.start(*start)
    past: list[tuple[float, Weights]] = []
    for value in grid:
        at, passes = float(np.log(value)), inner.rows.n_passes
        if inner.penalty.is_smooth and len(past) > 1:
            start = ahead(past[0], past[1], at)
        solution = solve(inner.at(value), tol=tol, start=start)
        start = solution.coef, solution.intercept
        past = [*past[-1:], (at, start)]
        if change is not None:
            problem.rows.n_passes += inner.rows.n_passes - passes
            solution = solution.restored(change)
        yield float(value), solution


def warn_of_gaps(Cs: np.ndarray, gaps: np.ndarray, tol: float) -> None:
    """Warn where fits on the way, one a value of C, are proven less than promised."""
    open_ = gaps > tol
    if open_.any():
        from sklearn.exceptions import ConvergenceWarning  # here, where it is needed: scikit-learn loads slowly

        warnings.warn(
            f"{open_.sum()} of {len(gaps)} fits stopped short of tol={tol:.1e}, the worst at C={Cs[gaps.argmax()]:.3g} "
            f"with a proven gap of {gaps.max():.1e}; raise tol, end at a smaller C, or bring columns to similar sizes",
            ConvergenceWarning,
            stacklevel=3,
        )


def path_grid(problem: Problem, Cs: int | Sequence[float], C: float) -> np.ndarray:
    """Return the values of C, ascending."""
    if not (np.isfinite(C) and C > 0.0):
        raise DataError(f"a path ends at a positive and finite C, got {C}")
    if isinstance(Cs, int | np.integer) and Cs >= 1:
        grid = np.geomspace(min(emptiest_C(problem, C), C), C, int(Cs))
    elif (given := arrays.real_numbers(Cs, name="Cs", expected="positive numbers")).ndim > 0:
        grid = np.unique(given)
    else:
        raise DataError(f"Cs must be a number of points, at least 1, or a sequence of values, got {Cs!r}")
    if not (len(grid) and np.isfinite(grid).all() and (grid > 0.0).all()):
        raise DataError(f"every C on a path must be positive and finite, got {grid.tolist()}")
    check_strength(float(grid[-1]), problem.weights)
    check_strength(float(grid[0]), problem.weights)
    return grid


def emptiest_C(problem: Problem, C: float) -> float:
    """Return the largest C at which no feature enters; for a penalty without thresholds a small share of `C`."""
    if problem.penalty.is_smooth:
        return C * FIRST_SHARE
    filled = Filled.of(problem)
    problem = problem if filled is None else filled.apply(problem)
    coef, intercept = np.zeros((problem.n_classes, problem.rows.n_features)), _empty_intercept(problem)
    if problem.unpenalised is not None or problem.offset is not None:  # what costs nothing moves at every C
        found = solve(problem.at(C * FIRST_SHARE**2), tol=EMPTY_TOL)
        coef, intercept = found.coef, found.intercept
    at = problem.evaluate(coef, intercept, dtype=np.float64)
    largest = float(problem.penalty.threshold_ratio(-at.gradient).max(initial=0.0))
    return (1.0 - BOUNDARY_SHARE) / largest if largest > 0.0 else C


def _empty_intercept(problem: Problem) -> np.ndarray:
    """Return the intercepts that are optimal without features: log class frequencies, centred."""
    if not problem.fit_intercept:
        return np.zeros(problem.n_classes)
    logs = np.log(problem.class_weights)
    return np.asarray(logs - logs.mean())


def _problem(
    rows: Rows,
    y: npt.ArrayLike,
    asked: Penalizing,
    fit_intercept: bool,
    sample_weight: npt.ArrayLike | None,
    offset: npt.ArrayLike | None,
) -> tuple[Problem, np.ndarray]:
    """Return the problem at C = 1, and the classes."""
    arrays.require_plain(y=y)
    y, sample_weight, offset = (
        brought(y, rows.client),
        brought(sample_weight, rows.client),
        brought(offset, rows.client),
    )
    labels = labels_of(arrays.to_numpy(y) if arrays.is_foreign(y) else y, rows.n_samples).ravel()
    classes, codes = np.unique(labels, return_inverse=True)
    weights = arrays.checked_weights(sample_weight, rows.n_samples)
    if len(classes) < 2:
        raise DataError(f"a path needs at least two classes, got only {classes.tolist()}")
    if not weights.all():
        raise DataError("sample weights must be positive and finite; leave rows of weight 0 out")
    if not 0.0 <= asked.l1_ratio <= 1.0:
        raise DataError(f"l1_ratio must lie between 0 and 1, got {asked.l1_ratio}")
    return asked.problem(rows, codes, weights, len(classes), fit_intercept=fit_intercept, offset=offset), classes


def _n_features_used(solution: Solution) -> int:
    return int(np.count_nonzero(solution.coef.any(axis=0)))


def _refined(
    problem: Problem, found: list[tuple[float, Solution]], too_many: float, tol: float, max_pixels: int
) -> list[tuple[float, Solution]]:
    """Bisect between the last point within the limit and the first beyond it; return the points within, ascending."""
    low, start = found[-1] if found else (too_many / 2.0, None)
    within = []
    for _ in range(N_BISECTIONS):
        middle = float(np.sqrt(low * too_many))
        solution = solve(problem.at(middle), tol=tol, start=None if start is None else (start.coef, start.intercept))
        if _n_features_used(solution) <= max_pixels:
            within, low, start = [(middle, solution)], middle, solution
        else:
            too_many = middle
    return within
