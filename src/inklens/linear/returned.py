"""A solution in the form and type in which an estimator shows it, with the objective of exactly these numbers.

The lower bound is about the optimum, whatever the point, and stays.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from inklens.linear.driver import Solution, Status
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.softmax import per_class


def single(solution: Solution, penalty: Penalty) -> Solution:
    """Return the solution for two classes with one row w = w_1 - w_0; `penalty` is of (-w/2, w/2).

    The loss sees the difference alone, and no two rows with this difference are penalised less.
    """
    coef, intercept = (np.diff(part, axis=0) for part in (solution.coef, solution.intercept))
    saved = penalty.value(solution.coef) - penalty.value(per_class(coef, intercept)[0])
    return replace(solution, coef=coef, intercept=intercept, objective=solution.objective - max(saved, 0.0))


def is_float32(X: object) -> bool:
    """Tell whether all of X, an array, a sparse matrix or a table, is float32 in the memory of this machine."""
    if hasattr(X, "dtypes"):
        return all(dtype == np.float32 for dtype in X.dtypes)
    return isinstance(X, np.ndarray | sparse.sparray | sparse.spmatrix) and bool(X.dtype == np.float32)


def in_float32(solution: Solution, problem: Problem, tol: float) -> Solution:
    """Return the solution at coefficients rounded to float32, with their gap; as it was where that would exceed `tol`.

    A direction that separates keeps its proven margin, and float64.
    """
    if solution.status == Status.SEPARATED:
        return solution
    with np.errstate(over="ignore"):
        coef, intercept = (part.astype(np.float32) for part in (solution.coef, solution.intercept))
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return solution
    W, b = per_class(coef.astype(np.float64), intercept.astype(np.float64))
    objective = problem.evaluate(W, b, dtype=np.float64).loss + problem.penalty.value(W)
    rounded = replace(solution, coef=coef, intercept=intercept, objective=objective)
    return rounded if rounded.gap <= max(tol, solution.gap) else solution
