"""Systems with the Hessian against dense linear algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens.linear.kernels.choice import numpy_backend
from inklens.linear.methods.systems import ROWS_PER_COLUMN, build_metric, metric_at, solve_system, times_hessian
from inklens.linear.problem.penalties import penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows


def system(seed, n_samples=200, n_features=6, n_classes=3):
    """Return a problem, coefficients, the probabilities there, and the Hessian as a matrix."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, (n_samples, n_features)).astype(np.float32)
    codes, weights = rng.integers(0, n_classes, n_samples), rng.uniform(0.5, 2.0, n_samples)
    problem = Problem(Rows.of(X), codes, weights, n_classes, penalty_of(0.0))
    vector = rng.normal(size=(n_classes, n_features + 1)) / 4.0
    proba = problem.evaluate(np.ascontiguousarray(vector[:, :-1]), vector[:, -1], dtype=np.float64).proba
    curve = times_hessian(problem, proba)
    basis = np.eye(vector.size).reshape(-1, *vector.shape)
    return problem, vector, proba, np.array([curve(v).ravel() for v in basis])


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_large_value_keeps_its_curvature(seed):
    """Rows are sampled for the preconditioner; the few in which a pixel has ink at all must not be left out."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(4000, 30))
    X[:, 29] = 0.0
    X[rng.choice(4000, 5, replace=False), 29] = 60.0
    problem = Problem(Rows.of(X), rng.integers(0, 3, 4000), np.ones(4000), 3, penalty_of(0.0))
    proba = np.full((4000, 3), 1.0 / 3.0)
    metric = build_metric(problem, proba, n_rows=ROWS_PER_COLUMN * 31)
    assert ROWS_PER_COLUMN * 31 < 4000
    pushed = np.zeros((3, 31))
    pushed[:, 29] = 2.0, -1.0, -1.0
    exact = 1.0 + 5 * 60.0**2 * 2.0 / 9.0  # ridge and curvature p (1 - p)
    np.testing.assert_allclose(metric.solve(pushed)[0, 29], 2.0 / exact, rtol=0.5)


def centred(rng, shape):
    target = rng.normal(size=shape)
    return target - target.mean(axis=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_solutions_are_those_of_the_dense_system(seed):
    problem, vector, proba, H = system(seed)
    target = centred(np.random.default_rng(seed), vector.shape)
    found = solve_system(problem, proba, build_metric(problem, np.asarray(proba)), target, 1e-6)
    np.testing.assert_allclose(H @ found.ravel(), target.ravel(), atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=0), 0.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_stand_for_all_give_nearly_the_solution_of_all(seed, monkeypatch):
    """Preconditioned by half of the rows, drawn by weight, the matrix has a small condition number."""
    problem, vector, proba, H = system(seed, n_samples=2000)
    monkeypatch.setattr("inklens.linear.rows.rows.SUBSAMPLE_ROWS", 1000)
    made = RowArray(proba.parts, lambda *_: np.asarray(proba), proba.shape[1], proba.dtype)  # as if it were not held
    subsampled = metric_at(problem, vector, made)
    assert subsampled.problem.rows.n_samples == pytest.approx(1000, rel=0.2)
    assert subsampled.problem.weights.sum() == pytest.approx(problem.weights.sum(), rel=0.1)
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(20):
        v = centred(rng, vector.shape)
        again = subsampled.solve((H @ v.ravel()).reshape(v.shape))
        ratios.append(np.vdot(again, v) / np.vdot(v, v))
    assert 0.5 < min(ratios) <= max(ratios) < 2.0


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_symmetric_matrix_times_a_vector(n_threads):
    rng = np.random.default_rng(2)
    half, x = rng.normal(size=(37, 37)).astype(np.float32), rng.normal(size=37)
    H = half + half.T
    found = numpy_backend().symmetric_product(H, x, n_threads)
    np.testing.assert_allclose(found, H.astype(float) @ x, rtol=1e-12, atol=1e-12)
