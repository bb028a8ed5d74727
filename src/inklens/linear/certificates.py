"""Proofs about an iterate: a lower bound on the optimum, and separation of the classes.

With p_i in the simplex, R = Y - P and G = R' diag(c) X, weak duality gives for every P whose weighted column sums equal
those of Y (the intercept is not penalised)

    objective(W, b)  >=  sum_i c_i H(p_i) - g*(G),      H(p) = -sum_k p_k log p_k.

Shapes: proba, indicator (n_samples, n_classes), weights (n_samples,).
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import entr

from inklens.linear.problem import Problem


def lower_bound(problem: Problem, proba: np.ndarray) -> float:
    """Return a proven lower bound on the optimum from any row-stochastic `proba`.

    The loss and the penalty are never negative, so neither is the bound.
    """
    if problem.fit_intercept:
        proba = balance(problem, proba)
    residual = problem.indicator - proba
    G = (residual * problem.weights[:, None]).T @ problem.X
    penalty = problem.penalty

    def negative_dual(scale: float) -> float:
        mixed = problem.indicator - scale * residual
        return penalty.conjugate(scale * G) - float(problem.weights @ entr(mixed).sum(axis=1))

    largest = penalty.largest_feasible_scale(G)
    candidates = [negative_dual(largest)]
    if penalty.l2 > 0.0:
        candidates.append(minimize_scalar(negative_dual, bounds=(0.0, largest), method="bounded").fun)
    return max(0.0, -min(candidates))


def balance(problem: Problem, proba: np.ndarray) -> np.ndarray:
    """Move probability from over- to under-represented classes until the weighted class sums are exact.

    A row-stochastic (n_classes, n_classes) matrix does it, so rows stay in the simplex.
    """
    wanted = problem.weights @ problem.indicator
    present = problem.weights @ proba
    surplus = np.maximum(present - wanted, 0.0)
    shortage = np.maximum(wanted - present, 0.0)
    if surplus.sum() == 0.0:
        return proba
    share = np.divide(surplus, present, out=np.zeros_like(surplus), where=present > 0.0)
    return proba * (1.0 - share) + np.outer(proba @ share, shortage / shortage.sum())


def separates(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> bool:
    """Tell whether (coef, intercept) puts every row on the right side of every other class, rounding included.

    Such a direction proves that the unpenalised loss can be driven to 0 and attains no minimum (Albert and Anderson
    1984, Biometrika 71).
    """
    raw = problem.raw_prediction(coef, intercept)
    rows = np.arange(len(raw))
    own = raw[rows, problem.codes]
    raw[rows, problem.codes] = -np.inf
    size = np.asarray(abs(problem.X) @ np.abs(coef).max(axis=0)) + np.abs(intercept).max()
    rounding = 4.0 * (problem.X.shape[1] + 2) * np.finfo(float).eps * size
    return bool((own - raw.max(axis=1) > rounding).all())
