"""The least value of a quadratic among coordinates that keep their signs, against SciPy's least squares with bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from inklens.linear.methods import orthant, subproblem
from inklens.linear.methods.orthant import least, within


class Plain:
    """A matrix, and what it was asked."""

    def __init__(self, matrix):
        self.matrix, self.diagonal, self.n_solutions = matrix, matrix.diagonal(), 0

    def times(self, step):
        return self.matrix @ step

    def solve(self, free, ridge, target):
        self.n_solutions += 1
        return np.linalg.solve(self.matrix[np.ix_(free, free)] + np.diag(ridge), target)


def problem(seed, size, *, twins=0.0):
    """Return (A, b, own): |A x - b|^2 / 2 is to be least among the signs of own."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(3 * size, size))
    if twins:
        A[:, size // 2 :] = A[:, : size - size // 2] + twins * A[:, size // 2 :]
    return A, rng.normal(size=3 * size) * 5.0, rng.choice([-1.0, 1.0], size) * rng.uniform(0.1, 2.0, size)


def bounded(A, b, own, may_turn=False):
    """Return SciPy's answer."""
    low = np.where((own > 0.0) & ~np.asarray(may_turn), 0.0, -np.inf)
    high = np.where((own < 0.0) & ~np.asarray(may_turn), 0.0, np.inf)
    return lsq_linear(A, b, (low, high), tol=1e-12).x


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 30))
def test_it_is_the_least_value_among_the_signs(seed, size):
    A, b, own = problem(seed, size)
    may_turn = np.random.default_rng(seed).random(size) < 0.2
    for free in (np.zeros(size, bool), may_turn):
        found = least(Plain(A.T @ A), A.T @ (A @ own - b), own, may_turn=free)
        assert (found * own)[~free].min(initial=0.0) >= 0.0
        np.testing.assert_allclose(found, bounded(A, b, own, free), atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("twins", [1e-2, 1e-4, 1e-6])
def test_hundreds_of_columns_that_nearly_agree_take_some_solutions(twins):
    """The end is the least value under one of the ridges, with a proximal term that is judged as more rows."""
    A, b, own = problem(5, 300, twins=twins)
    curvature = Plain(A.T @ A)
    found = least(curvature, A.T @ (A @ own - b), own)
    assert curvature.n_solutions < 60
    above = []
    for ridge in orthant.RIDGES:
        root = np.sqrt(ridge * curvature.diagonal)
        near, target = np.vstack([A, np.diag(root)]), np.append(b, root * own)
        values = [0.5 * np.sum((near @ x - target) ** 2) for x in (own, found, bounded(near, target, own))]
        above.append((values[1] - values[2]) / (values[0] - values[2]))
    assert min(above) < 1e-6


def test_without_an_end_there_is_none(monkeypatch):
    monkeypatch.setattr(orthant, "MAX_EXCHANGES", 1)
    monkeypatch.setattr(orthant, "RIDGES", (1e-6,))
    A, b, own = problem(1, 20)
    assert least(Plain(A.T @ A), A.T @ (A @ own - b), own) is None


def test_a_matrix_that_cannot_be_factored_is_met_with_a_larger_ridge():
    class Rounded(Plain):
        def solve(self, free, ridge, target):
            return None if ridge.max() < 1e-3 * self.diagonal.max() else super().solve(free, ridge, target)

    A, b, own = problem(2, 12)
    slope = A.T @ (A @ own - b)
    moved = least(Rounded(A.T @ A), slope, own) - own
    assert moved @ slope + 0.5 * moved @ A.T @ A @ moved < 0.0


def test_what_is_cut_off_at_zero_is_zero():
    own, end = np.array([1.0, -1.0, 2.0, -3.0]), np.array([1e-13, 0.5, 3.0, -1.0])
    assert within(own, end).tolist() == [0.0, 0.0, 3.0, -1.0]
    assert within(own, end, np.array([False, True, False, False])).tolist() == [0.0, 0.5, 3.0, -1.0]


@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3])
def test_a_quadratic_with_thresholds_over_near_twins_is_solved(noise):
    """Sweeps hardly move twins against each other, and steps that are cut off at zero lead uphill."""
    rng = np.random.default_rng(3)
    half = rng.normal(size=(400, 60))
    X = np.hstack([half, half + noise * rng.normal(size=half.shape)])
    H, target = (X.T @ X).astype(np.float32), X.T @ (half @ rng.normal(size=60) + rng.normal(size=400))
    gradient, w, l1 = -target, np.zeros(120), np.full(120, 20.0)
    v, g = subproblem.solve_elementwise(H, gradient, w, l1, np.zeros(120), tolerance=1e-4)
    assert subproblem.kkt_violation(g, v, l1, np.zeros(120)) <= 1e-4
    np.testing.assert_allclose(g, H.astype(float) @ v - target, atol=1e-3)
