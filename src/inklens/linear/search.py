"""Paths over C on the training rows of each fold, every point with its proven gap.

Shapes: coefs (n_Cs, n_classes, n_features), intercepts (n_Cs, n_classes), gaps and n_iter (n_Cs,).
"""

from dataclasses import dataclass, replace

import numpy as np

from inklens.linear.path import fit_points
from inklens.linear.problem.problem import Facts, Problem

NEVER = -1e300  # the intercept of a class without rows: its best is minus infinity, which files and sums do not survive


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
