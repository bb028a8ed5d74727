"""Certified zeros where the radius decides: at even odds Pinsker's and Cauchy-Schwarz's inequalities are equalities."""

import numpy as np
import pytest

from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.proofs.screening import certified_zeros
from inklens.linear.rows.rows import Rows


@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize("distance", [0.01, 0.05, 0.1])
def test_a_coefficient_in_use_is_never_called_zero(is_grouped, distance):
    """Rows at 1 and -1: with chance q of the wrong class the gradient is 2 q, and the optimum has 2 q = threshold."""
    X, codes, threshold = np.array([[1.0], [-1.0]]), np.array([0, 1], np.int32), 0.98
    norm = np.sqrt(2.0) if is_grouped else 1.0  # two classes in one group
    penalty = GroupLasso(threshold * norm, 0.0) if is_grouped else ElasticNet(threshold, 0.0)
    problem = Problem(Rows.of(X), codes, np.ones(2), 2, penalty)

    def coefficients(gradient):
        wrong = gradient / 2.0
        half = 0.5 * np.log((1.0 - wrong) / wrong)
        return np.array([[half], [-half]]) / 1.0

    optimum = coefficients(threshold)
    objective = problem.evaluate(optimum, np.zeros(2), dtype=np.float64).loss + penalty.value(optimum)
    near = DualPoint(coefficients(threshold - distance), np.zeros(2))
    assert not certified_zeros(problem, objective, near).any()
