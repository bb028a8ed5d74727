"""Paths over C on the training rows of each fold, every point with its proven gap.

Shapes: coefs (n_Cs, n_classes, n_features), intercepts (n_Cs, n_classes), gaps and n_iter (n_Cs,).
"""

from dataclasses import dataclass, replace

import numpy as np

from inklens.linear.methods.stacked_newton import StackedNewton, StackedPoint
from inklens.linear.path import fit_points
from inklens.linear.problem.problem import Facts, Problem
from inklens.linear.proofs.stacked import StackedFits

NEVER = -1e300  # the intercept of a class without rows: its best is minus infinity, which files and sums do not survive
# What folds may take together: beyond, a fit's own work outweighs the milliseconds that Python needs to start it.
MOST_VALUES = 1 << 18  # of the rows, in float64
MOST_SCORES = 1 << 18  # of all folds
MOST_COLUMNS = 150


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
    if len(together) > 1 and _is_small(problem, len(together)):
        paths = _stacked(problem, together, grid, tol)
        found = {id(fold): path for fold, path in zip(together, paths, strict=bool(paths))}
    return [
        found[id(fold)]
        if id(fold) in found and (found[id(fold)].gaps <= tol).all()
        else fold_path(problem, fold, grid, tol)
        for fold in folds
    ]


def _is_small(problem: Problem, n_folds: int) -> bool:
    """Tell whether folds can be fitted together, and gain from it."""
    penalty, n_columns = problem.penalty, int(problem.free.sum()) + problem.fit_intercept
    if not penalty.is_smooth or not np.all(penalty.l2) or problem.offset is not None or n_columns == 0:
        return False
    n_scores = n_folds * problem.n_classes * problem.rows.n_samples
    return n_columns <= MOST_COLUMNS and n_scores <= MOST_SCORES and problem.rows.n_samples * n_columns <= MOST_VALUES


def _stacked(problem: Problem, folds: list[Fold], grid: np.ndarray, tol: float) -> list[FoldPath]:
    """Return the paths of folds that have every class, fitted together; none where no fit could be proven."""
    free = np.flatnonzero(problem.free)
    X = problem.rows.dense(free, dtype=np.float64)
    ridge = np.broadcast_to(problem.penalty.l2, problem.rows.n_features)[free].astype(np.float64)
    if problem.fit_intercept:
        X, ridge = np.column_stack([X, np.ones(len(X))]), np.append(ridge, 0.0)
    weights = np.zeros((len(folds), len(X)))
    for fold, own in zip(folds, weights, strict=True):
        own[fold.train] = problem.weights[fold.train]
    newton = StackedNewton(StackedFits(X, problem.codes, weights, problem.n_classes, problem.fit_intercept))
    points: list[StackedPoint] = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what overflows is not proven
        for C in grid:
            points.append(newton.fit(ridge / C, tol))
            if (points[-1].gaps > tol).all():
                return []
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
    found = [solution for _, solution in fit_points(problem, grid, tol)]
    return FoldPath(
        np.stack([solution.coef for solution in found]),
        np.stack([solution.intercept for solution in found]),
        np.array([solution.gap for solution in found]),
        np.array([solution.n_iter for solution in found], dtype=np.int32),
    )
