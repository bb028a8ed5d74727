"""Paths over C on the training rows of each fold, every point with its proven gap.

Shapes: coefs (n_Cs, n_classes, n_features), intercepts (n_Cs, n_classes), gaps and n_iter (n_Cs,).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from scipy import linalg, sparse

from inklens.linear.methods.stacked_newton import Axes, StackedNewton, StackedPoint
from inklens.linear.path import fit_points
from inklens.linear.problem.problem import Facts, Problem
from inklens.linear.proofs.fits_by_rows import FitsByRows
from inklens.linear.proofs.stacked import StackedFits, lower_bounds
from inklens.linear.rows.on_device import DeviceRows
from inklens.linear.starts import Weights

NEVER = -1e300  # the intercept of a class without rows: its best is minus infinity, which files and sums do not survive
# What folds may take together: beyond, a fit's own work outweighs the milliseconds that Python needs to start it.
MOST_VALUES = 1 << 18  # of the rows, in float64
MOST_SCORES = 1 << 18  # of all folds
MOST_COLUMNS = 150
MOST_AXES = 1000  # of rows or columns, whichever are fewer: their products are made and brought to their axes
MOST_AXIS_VALUES = 1 << 22  # of such tables, and of all coefficients there
MOST_AXIS_WORK = 1 << 26  # multiply-adds to make the scores of all folds along axes
MOST_FILLED_WORK = 1 << 24  # the same of sparse rows whose axes are those of the columns: there they have no zeros
MOST_DEVICE_SCORES = 1 << 26  # of all folds on a device: 512 MB, a few times
INDEPENDENT = 1e-12  # of all squares: axes of less are rounding
SHARES_BELIEVED = 0.5, 1e-3  # of the gap, along axes, before it is proven over the columns; these need not be centred

Back = Callable[[np.ndarray], np.ndarray]
P = TypeVar("P")  # see `stacked.Fits`


@dataclass(frozen=True, eq=False)
class Fold:
    """Sorted numbers of the rows to fit, and of those to judge."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class FoldPath:
    """The fits of one fold, weakest first."""

    coefs: np.ndarray
    intercepts: np.ndarray
    gaps: np.ndarray
    n_iter: np.ndarray

    def up_to(self, n_points: int, rest: "FoldPath") -> "FoldPath":
        """Return the first points of this path, and after them those of another."""
        names = [part.name for part in fields(self)]
        return FoldPath(*(np.concatenate([getattr(self, name)[:n_points], getattr(rest, name)]) for name in names))


def fold_paths(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the path of each fold; folds of small tables are fitted together, where a ridge makes that one method's.

    From the first point on that these steps do not prove, a fold is fitted by `fold_path`.
    """
    complete = [len(np.unique(problem.codes[fold.train])) == problem.n_classes for fold in folds]
    together = [fold for fold, has_all in zip(folds, complete, strict=True) if has_all]
    found: dict[int, FoldPath] = {}
    if len(together) > 1 and _is_smooth(problem):
        paths: list[FoldPath] = []
        if isinstance(problem.rows, DeviceRows):
            paths = _stacked_on_device(problem, together, grid, tol)
        elif _is_small(problem, len(together)):
            paths = _stacked(problem, together, grid, tol)
        elif _has_axes(problem, len(together)):
            paths = _stacked_on_axes(problem, together, grid, tol)
        found = {id(fold): path for fold, path in zip(together, paths, strict=bool(paths))}
    return [_completed(problem, fold, found.get(id(fold)), grid, tol) for fold in folds]


def _completed(problem: Problem, fold: Fold, begun: FoldPath | None, grid: np.ndarray, tol: float) -> FoldPath:
    """Return the path of a fold, of which some points may be proven already."""
    n_proven = 0 if begun is None else int(np.append(begun.gaps > tol, True).argmax())
    if begun is None or n_proven == 0:
        return fold_path(problem, fold, grid, tol)
    if n_proven == len(grid):
        return begun
    last = begun.coefs[n_proven - 1], begun.intercepts[n_proven - 1]
    return begun.up_to(n_proven, fold_path(problem, fold, grid[n_proven:], tol, last))


def _is_smooth(problem: Problem) -> bool:
    """Tell whether every coefficient has a ridge and nothing else."""
    penalty = problem.penalty
    return penalty.is_smooth and bool(np.all(penalty.l2)) and problem.offset is None


def _is_small(problem: Problem, n_folds: int) -> bool:
    """Tell whether folds can be fitted together, and gain from it."""
    n_columns = int(problem.free.sum()) + problem.fit_intercept
    n_scores = n_folds * problem.n_classes * problem.rows.n_samples
    is_small = n_columns <= MOST_COLUMNS and problem.rows.n_samples * n_columns <= MOST_VALUES
    return n_columns > 0 and is_small and n_scores <= MOST_SCORES


def _has_axes(problem: Problem, n_folds: int) -> bool:
    """Tell whether the same goes for folds along the axes of the rows: these are few, and columns penalised alike."""
    rows, n_columns = problem.rows, int(problem.free.sum())
    n_axes, n_scores = min(rows.n_samples, n_columns), n_folds * problem.n_classes * rows.n_samples
    n_values = rows.n_nonzeros if rows.is_sparse else rows.n_samples * n_columns
    if not rows.holds(problem.n_classes) or n_values > MOST_AXIS_VALUES:
        return False
    most_work = MOST_FILLED_WORK if rows.is_sparse and n_columns <= rows.n_samples else MOST_AXIS_WORK
    if not 0 < n_axes <= MOST_AXES or n_scores * n_axes > most_work:
        return False
    return np.ptp(problem.penalty.l2) == 0.0 and n_folds * problem.n_classes * n_columns <= MOST_AXIS_VALUES


def _stacked(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the paths of folds that have every class, fitted together; none where no fit could be proven."""
    free = np.flatnonzero(problem.free)
    X = problem.rows.dense(free, dtype=np.float64)
    ridge = np.broadcast_to(problem.penalty.l2, problem.rows.n_features)[free].astype(np.float64)
    if problem.fit_intercept:
        X, ridge = np.column_stack([X, np.ones(len(X))]), np.append(ridge, 0.0)
    newton = StackedNewton(_fits(problem, folds, X))
    points = _points(newton, ridge, grid, tol)
    return _paths(problem, points)


def _stacked_on_axes(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the same with rows along the axes of their own spread, whose squares precondition alone."""
    free = np.flatnonzero(problem.free)
    rows, l2 = problem.rows, float(np.max(problem.penalty.l2))
    X = rows.csr(free, dtype=np.float64).matrix if rows.is_sparse else rows.dense(free, dtype=np.float64)
    Z, back = _axes(X, is_centred=problem.fit_intercept)
    if not Z.shape[1]:
        return []
    squares, ridge = np.einsum("ij,ij->j", Z, Z), np.full(Z.shape[1], l2)
    if problem.fit_intercept:
        X, Z, squares, ridge = _with_ones(X), _with_ones(Z), np.append(squares, len(Z)), np.append(ridge, 0.0)
    newton = StackedNewton(_fits(problem, folds, Z), squares, proves=False)
    fits = _fits(problem, folds, X)
    points = _points(newton, ridge, grid, tol, lambda point, C: _of_columns(fits, point, back, l2 / C))
    return _paths(problem, points)


def _stacked_on_device(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the same with rows that stay on a device: each pass there is one product with the folds side by side."""
    free, rows, n_rows = np.flatnonzero(problem.free), problem.rows, problem.rows.n_samples
    n_columns, l2 = len(free), np.asarray(problem.penalty.l2)
    n_scores = len(folds) * problem.n_classes * n_rows
    if not 0 < n_columns <= MOST_AXES or n_scores > MOST_DEVICE_SCORES or np.ptp(l2) != 0.0:
        return []
    grams = np.zeros((1, n_columns + 1, n_columns + 1), dtype=np.float32)
    rows.add_class_grams(free, None, np.ones((n_rows, 1), dtype=np.float32), grams)
    products = np.tril(grams[0]).astype(np.float64)
    mean = products[-1, :-1] / n_rows if problem.fit_intercept else None
    products = products[:-1, :-1]
    if mean is not None:
        products -= n_rows * np.outer(mean, mean)
    if not np.isfinite(products).all():  # squares that float32 cannot hold
        return []
    squares, Q = linalg.eigh(products, lower=True, driver="evd", overwrite_a=True)
    ridge, squares = np.full(n_columns, float(l2.max())), np.maximum(squares, 0.0)
    if problem.fit_intercept:
        ridge, squares = np.append(ridge, 0.0), np.append(squares, n_rows)
    fits = FitsByRows(problem, _fold_weights(problem, folds).T)
    newton = StackedNewton(fits, squares, axes=Axes(Q, mean))
    return _paths(problem, _points(newton, ridge, grid, tol))


def _axes(X: np.ndarray | sparse.csr_array, *, is_centred: bool) -> tuple[np.ndarray, Back]:
    """Return rows in coordinates where columns are orthogonal, and what makes coefficients W of those V there.

    With products (X - 1 m')' (X - 1 m') = Q L Q' the coordinates are (X - 1 m') Q, and W = V Q'. Of fewer rows than
    columns, optima are sums: their residuals sum to zero where there is an intercept, so sums of centred rows will do.
    With the products of these, Q L Q', coordinates are Q L^(1/2), and W = V L^(-1/2) Q' X. Either way a ridge on W is
    one on V.
    """
    is_wide = X.shape[0] < X.shape[1]
    products = X @ X.T if is_wide else X.T @ X
    products = np.asarray(products.toarray() if sparse.issparse(products) else products)
    least, mean = INDEPENDENT * float(np.trace(products)), np.asarray(X.mean(axis=0)).ravel()
    if is_centred and is_wide:
        products -= products.mean(axis=0)
        products -= products.mean(axis=1, keepdims=True)
    elif is_centred:
        products -= X.shape[0] * np.outer(mean, mean)
    squares, Q = linalg.eigh(products, driver="evd", overwrite_a=True)
    if not is_wide:
        Z = np.asarray(X @ Q)
        return (Z - mean @ Q if is_centred else Z), lambda V: V @ Q.T
    squares, Q = squares[squares > least], Q[:, squares > least]
    return Q * np.sqrt(squares), lambda V: np.asarray((V / np.sqrt(squares)) @ Q.T @ X)


def _of_columns(fits: StackedFits, point: StackedPoint, back: Back, l2: float) -> StackedPoint:
    """Return fits along axes as those of the columns, with what is proven of these."""
    V = point.W[..., :-1] if fits.fit_intercept else point.W
    W = back(V.reshape(-1, V.shape[2])).reshape(*V.shape[:2], -1)
    ridge = np.full(W.shape[2], l2)
    if fits.fit_intercept:
        mean = np.asarray(fits.X.mean(axis=0)).ravel()[:-1]
        W = np.concatenate([W, (point.W[..., -1] - W @ mean)[..., None]], axis=2)
        ridge = np.append(ridge, 0.0)
    loss, proba = fits.loss_and_proba(W)
    objective = loss + 0.5 * (W * (ridge * W)).sum(axis=(1, 2))
    gaps = np.maximum(0.0, objective - lower_bounds(fits, W, loss, proba, ridge)) / objective
    return replace(point, W=W, gaps=np.where(np.isnan(gaps), np.inf, gaps))


def _with_ones(X: np.ndarray | sparse.csr_array) -> np.ndarray | sparse.csr_array:
    """Return [X 1]."""
    ones = np.ones((X.shape[0], 1))
    return sparse.csr_array(sparse.hstack([X, ones])) if sparse.issparse(X) else np.hstack([X, ones])


def _fits(problem: Problem, folds: list[Fold], X: np.ndarray | sparse.csr_array) -> StackedFits:
    """Return the fits of the folds, of which all see all rows: those left out weigh nothing."""
    return StackedFits(X, problem.codes, _fold_weights(problem, folds), problem.n_classes, problem.fit_intercept)


def _fold_weights(problem: Problem, folds: list[Fold]) -> np.ndarray:
    """Return what rows weigh in each fold, 0 where it leaves them out, (n_folds, n_samples)."""
    weights = np.zeros((len(folds), problem.rows.n_samples))
    for fold, own in zip(folds, weights, strict=True):
        own[fold.train] = problem.weights[fold.train]
    return weights


def _points(
    newton: StackedNewton[P],
    ridge: np.ndarray,
    grid: np.ndarray,
    tol: float,
    proven: Callable[[StackedPoint, float], StackedPoint] | None = None,
) -> list[StackedPoint]:
    """Return the fits of ascending C, `proven` elsewhere or where they are; as far as any is found."""
    points: list[StackedPoint] = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what overflows is not proven
        for C in grid:
            for share in (1.0,) if proven is None else SHARES_BELIEVED:
                point = newton.fit(ridge / C, share * tol)
                if (point.gaps > share * tol).all():
                    return points
                point = point if proven is None else proven(point, C)
                if (point.gaps <= tol).all():
                    break
            if (point.gaps > tol).all():
                return points
            points.append(point)
    return points


def _paths(problem: Problem, points: list[StackedPoint]) -> list[FoldPath]:
    """Return fits of each C to all folds as the path of each fold."""
    if not points:
        return []
    free = np.flatnonzero(problem.free)
    W = np.stack([point.W for point in points], axis=1)
    coefs = np.zeros((*W.shape[:3], problem.rows.n_features))
    coefs[..., free] = W[..., : len(free)]
    intercepts = W[..., -1].copy() if problem.fit_intercept else np.zeros(W.shape[:3])
    gaps, n_iter = (np.stack([getattr(point, name) for point in points], axis=1) for name in ("gaps", "n_iter"))
    return [FoldPath(*of_fold) for of_fold in zip(coefs, intercepts, gaps, n_iter, strict=True)]


def fold_path(problem: Problem, fold: Fold, grid: np.ndarray, tol: float, start: Weights | None = None) -> FoldPath:
    """Return the fits of ascending C to the fold's training rows; `problem` is that of all rows at C = 1.

    A `start` is of a fold that has every class.

    A class that the fold lacks has coefficients of 0 and is never predicted, which is the limit of its optima; without
    intercepts its coefficients have an optimum as all others have.
    """
    codes = problem.codes[fold.train]
    present = np.unique(codes)
    if len(present) == problem.n_classes or not problem.fit_intercept:
        return _followed(_on(problem, fold, codes), grid, tol, start)
    if len(present) > 1:
        some = _followed(_on(problem, fold, np.searchsorted(present, codes), present), grid, tol)
    else:
        nothing = np.zeros((len(grid), 1, problem.rows.n_features))
        some = FoldPath(nothing, nothing[:, :, 0], np.zeros(len(grid)), np.zeros(len(grid), dtype=np.int32))
    coefs = np.zeros((len(grid), problem.n_classes, problem.rows.n_features))
    intercepts = np.full((len(grid), problem.n_classes), NEVER)
    coefs[:, present], intercepts[:, present] = some.coefs, some.intercepts
    return replace(some, coefs=coefs, intercepts=intercepts)


def _on(problem: Problem, fold: Fold, codes: np.ndarray, present: np.ndarray | None = None) -> Problem:
    """Return the problem on a fold's training rows, of the classes that are present there."""
    part = problem.over(fold.train, weights=problem.weights[fold.train])
    if present is None:
        return part
    penalty, n_classes = problem.penalty, len(present)
    if penalty.signs is not None:
        penalty = penalty.signed(penalty.signs[present])
    known = Facts(part.rows, codes, part.weights, n_classes, problem.fit_intercept, problem.free)
    return replace(part, codes=codes, n_classes=n_classes, penalty=penalty, known=known)


def _followed(problem: Problem, grid: np.ndarray, tol: float, start: Weights | None = None) -> FoldPath:
    found = [replace(solution, dual=None) for _, solution in fit_points(problem, grid, tol, start)]
    return FoldPath(
        np.stack([solution.coef for solution in found]),
        np.stack([solution.intercept for solution in found]),
        np.array([solution.gap for solution in found]),
        np.array([solution.n_iter for solution in found], dtype=np.int32),
    )
