"""Paths over C on the training rows of each fold, every point with its proven gap.

Shapes: coefs (n_Cs, n_classes, n_features), intercepts (n_Cs, n_classes), gaps and n_iter (n_Cs,).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, sparse

from inklens.linear.methods.stacked_newton import StackedNewton, StackedPoint
from inklens.linear.path import fit_points
from inklens.linear.problem.problem import Facts, Problem
from inklens.linear.proofs.stacked import StackedFits, lower_bounds

NEVER = -1e300  # the intercept of a class without rows: its best is minus infinity, which files and sums do not survive
# What folds may take together: beyond, a fit's own work outweighs the milliseconds that Python needs to start it.
MOST_VALUES = 1 << 18  # of the rows, in float64
MOST_SCORES = 1 << 18  # of all folds
MOST_COLUMNS = 150
MOST_WIDE_ROWS = 1000  # of tables with more columns than rows, whose products are made and brought to their axes
MOST_WIDE_VALUES = 1 << 22  # of these tables
INDEPENDENT = 1e-12  # of the largest square: axes below are rounding
SHARE_IN_ROW_SPACE = 0.9  # of the gap: what is left is for the same proof in the space of the columns


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


def fold_paths(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the path of each fold; folds of small tables are fitted together, where a ridge makes that one method's.

    What these steps do not prove is fitted by `fold_path`.
    """
    complete = [len(np.unique(problem.codes[fold.train])) == problem.n_classes for fold in folds]
    together = [fold for fold, has_all in zip(folds, complete, strict=True) if has_all]
    found: dict[int, FoldPath] = {}
    if len(together) > 1 and _is_smooth(problem):
        paths: list[FoldPath] = []
        if _is_small(problem, len(together)):
            paths = _stacked(problem, together, grid, tol)
        elif _is_wide(problem, len(together)):
            paths = _stacked_in_row_space(problem, together, grid, tol)
        found = {id(fold): path for fold, path in zip(together, paths, strict=bool(paths))}
    return [
        found[id(fold)]
        if id(fold) in found and (found[id(fold)].gaps <= tol).all()
        else fold_path(problem, fold, grid, tol)
        for fold in folds
    ]


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


def _is_wide(problem: Problem, n_folds: int) -> bool:
    """Tell whether the same goes for folds in the space of the rows: these are few, and columns penalised alike."""
    n_samples, n_columns = problem.rows.n_samples, int(problem.free.sum())
    if not n_samples < n_columns or n_samples > MOST_WIDE_ROWS or n_samples * n_columns > MOST_WIDE_VALUES:
        return False
    return np.ptp(problem.penalty.l2) == 0.0 and n_folds * problem.n_classes * n_samples <= MOST_SCORES


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


def _stacked_in_row_space(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the same where columns are more than rows: optima are sums of rows, W = A (X - 1 m').

    The residuals of an optimum sum to zero where there is an intercept, so sums of centred rows will do. With their
    products (X - 1 m') (X - 1 m')' = Q L Q' and A = V L^(-1/2) Q' a ridge on W is one on V, the coefficients of the
    columns Q L^(1/2). These are orthogonal, and their squares L precondition. Points are proven as those of W and X.
    """
    X = problem.rows.dense(np.flatnonzero(problem.free), dtype=np.float64)
    X = sparse.csr_array(X) if problem.rows.is_sparse else X
    products = np.asarray((X @ X.T).toarray() if sparse.issparse(X) else X @ X.T)
    least, l2 = INDEPENDENT * float(np.trace(products)), float(np.max(problem.penalty.l2))
    if problem.fit_intercept:
        products -= products.mean(axis=0)
        products -= products.mean(axis=1, keepdims=True)
    squares, Q = linalg.eigh(products, driver="evd", overwrite_a=True)
    squares, Q = squares[squares > least], Q[:, squares > least]
    Z, to_rows, ridge = Q * np.sqrt(squares), (Q / np.sqrt(squares)).T, np.full(len(squares), l2)
    if problem.fit_intercept:
        Z, squares, ridge = _with_ones(Z), np.append(squares, len(Z)), np.append(ridge, 0.0)
    points = _points(StackedNewton(_fits(problem, folds, Z), squares), ridge, grid, SHARE_IN_ROW_SPACE * tol)
    fits = _fits(problem, folds, _with_ones(X) if problem.fit_intercept else X)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        proven = [_of_columns(fits, point, to_rows, l2 / C) for C, point in zip(grid, points, strict=bool(points))]
    return _paths(problem, proven)


def _of_columns(fits: StackedFits, point: StackedPoint, to_rows: np.ndarray, l2: float) -> StackedPoint:
    """Return fits in the space of the rows as those of the columns, with what is proven of these."""
    A = point.W[..., : len(to_rows)] @ to_rows
    W = np.asarray(A.reshape(-1, A.shape[2]) @ fits.X).reshape(*A.shape[:2], -1)
    ridge = np.full(W.shape[2], l2)
    if fits.fit_intercept:
        W[..., -1], ridge[-1] = 0.0, 0.0
        mean = np.asarray(fits.X.mean(axis=0)).ravel()
        W[..., -1] = point.W[..., -1] - W @ mean
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
    weights = np.zeros((len(folds), X.shape[0]))
    for fold, own in zip(folds, weights, strict=True):
        own[fold.train] = problem.weights[fold.train]
    return StackedFits(X, problem.codes, weights, problem.n_classes, problem.fit_intercept)


def _points(newton: StackedNewton, ridge: np.ndarray, grid: np.ndarray, tol: float) -> list[StackedPoint]:
    """Return the fits of ascending C; none where of some C none is proven."""
    points: list[StackedPoint] = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what overflows is not proven
        for C in grid:
            points.append(newton.fit(ridge / C, tol))
            if (points[-1].gaps > tol).all():
                return []
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


def fold_path(problem: Problem, fold: Fold, grid: np.ndarray, tol: float) -> FoldPath:
    """Return the fits of ascending C to the fold's training rows; `problem` is that of all rows at C = 1.

    A class that the fold lacks has coefficients of 0 and is never predicted, which is the limit of its optima; without
    intercepts its coefficients have an optimum as all others have.
    """
    codes = problem.codes[fold.train]
    present = np.unique(codes)
    if len(present) == problem.n_classes or not problem.fit_intercept:
        return _followed(_on(problem, fold, codes), grid, tol)
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


def _followed(problem: Problem, grid: np.ndarray, tol: float) -> FoldPath:
    found = [replace(solution, dual=None) for _, solution in fit_points(problem, grid, tol)]
    return FoldPath(
        np.stack([solution.coef for solution in found]),
        np.stack([solution.intercept for solution in found]),
        np.array([solution.gap for solution in found]),
        np.array([solution.n_iter for solution in found], dtype=np.int32),
    )
