"""Certified zeros: coefficients that are proven to be zero at the optimum, from any point and its dual.

-H is 1-strongly convex in the 1-norm (Pinsker), so a feasible dual point P with gap g has
sum_i c_i |p_i - p*_i|_1^2 <= 2 g. Rows of P - P* sum to zero, so each class's part is at most half of it and, by
Cauchy-Schwarz with columns centred (which the intercept's constraint allows), G moves by no more than
|G*_jk - G_jk| <= sqrt(g / 2) r_j and |G*_j - G_j|_2 <= sqrt(g) r_j with r_j^2 = sum_i c_i (x_ij - mean_j)^2. A
coefficient whose |G_jk| stays below its threshold is zero. After Ndiaye et al. (2017), J. Mach. Learn. Res. 18 (Gap
Safe rules); this radius is smaller by a factor of two.
"""

import numpy as np

from inklens.linear.problem.penalties import GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.certificates import balanced, gamma
from inklens.linear.proofs.dual import DualPoint, dual_gradient, entropy, offset_gain


def certified_zeros(problem: Problem, objective: float, dual: DualPoint) -> np.ndarray:
    """Return which coefficients are proven to be zero at the optimum, (n_classes, n_features).

    Parameters
    ----------
    problem : Problem
    objective : float
        Loss plus penalty at any coefficients, in float64.
    dual : DualPoint
        Any dual point; the closer to the optimum, the more zeros it proves.

    Examples
    --------
    >>> from inklens.linear.rows.rows import Rows
    >>> from inklens.linear.problem.penalties import penalty_of
    >>> from inklens.linear.driver import solve
    >>> X = np.column_stack([np.arange(8.0), [1, -1, 1, -1, -1, 1, -1, 1]])
    >>> codes = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=np.int32)
    >>> problem = Problem(Rows.of(X), codes, np.ones(8), 2, penalty_of(1.0))
    >>> solution = solve(problem, tol=1e-6)
    >>> certified_zeros(problem, solution.objective, solution.dual)
    array([[False,  True],
           [False,  True]])
    """
    problem = problem.near(dual.coef)
    penalty, weights = problem.penalty, problem.weights
    proba, leak = dual.proba(problem.rows, problem.offset), 0.0
    if problem.fit_intercept:
        proba, leak = balanced(proba, problem.codes, weights)
    relative = gamma(len(proba) + 8 * problem.n_classes + 20) + 2.0 * leak
    widest = penalty.farthest(dual_gradient(problem, proba), relative * problem.magnitudes) * problem.free
    scale = penalty.largest_feasible_scale(widest)
    gain, size = offset_gain(proba, problem.codes, weights, problem.offset)
    sure = entropy(proba, problem.codes, weights, scale) + scale * (gain - relative * size)
    slack = relative * problem.n_classes * (float(weights.sum()) + sure + objective)
    gap = max(0.0, objective - sure + penalty.conjugate(scale * widest) + slack)
    share = 1.0 if isinstance(penalty, GroupLasso) else 0.5
    reach = np.sqrt(share * gap) * _radii(problem) / np.where(penalty.l1 == 0.0, 1.0, penalty.l1)
    has_threshold = np.broadcast_to(np.asarray(penalty.l1) > 0.0, widest.shape)
    return np.asarray((penalty.threshold_ratio(scale * widest) + reach < 1.0) & has_threshold)


def _radii(problem: Problem) -> np.ndarray:
    """Return sqrt(sum_i c_i (x_ij - mean_j)^2), rounded up, (n_features,)."""
    squares = problem.rows.column_squares(problem.weights)
    if problem.fit_intercept:
        centre = problem.rows.column_sums(problem.weights) ** 2 / problem.weights.sum()
        squares = np.maximum(squares - centre, 0.0) + gamma(4 * problem.rows.n_samples) * squares
    return np.sqrt(squares * (1.0 + gamma(problem.rows.n_samples + 12)))
