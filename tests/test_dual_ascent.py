"""Dual ascent: its invariants row by row, its optimum, and that fits under tiny penalties arrive."""

import numpy as np
import pytest
from scipy import optimize, sparse
from scipy.special import entr, logsumexp, softmax

from inklens import SoftmaxRegression
from inklens.linear.kernels import library
from inklens.linear.kernels.choice import REFERENCE
from inklens.linear.methods import dual_ascent
from inklens.linear.methods.dual_ascent import _Ascent, ascend
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows

pytestmark = pytest.mark.skipif(library.active() == "numpy", reason="a compiled method")


def made(kind="text", n_samples=120, n_features=60, n_classes=4, l2=1.0, fit_intercept=True, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples, dtype=np.int32) % n_classes
    X = rng.normal(size=(n_samples, n_features)) + rng.normal(size=(n_classes, n_features))[codes]
    X *= rng.random(X.shape) < {"text": 0.08, "ink": 0.3, "dense": 1.0, "bytes": 0.3}[kind]
    X[:, 3] = 1.0  # a constant column has no coefficient beside an intercept
    if kind == "bytes":
        X = (40.0 * np.abs(X)).astype(np.uint8)
    given = sparse.csr_matrix(X) if kind == "text" else X
    rows = Rows.of(given, scale=1 / 255 if kind == "bytes" else 1.0)
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], n_samples)
    return Problem(rows, codes, weights, n_classes, ElasticNet(0.0, l2), fit_intercept), np.asarray(X) * rows.scale


def dual_parts(state):
    """Return float64 probabilities and (Y - Q)' diag(c) of a state."""
    problem = state.problem
    proba = state.dual.proba[:, : problem.n_classes].astype(np.float64)
    residual = -proba
    residual[np.arange(len(proba)), problem.codes] += 1.0
    return proba, residual * problem.weights[:, None]


@pytest.mark.parametrize("n_classes", [2, 5, 17, 33, 70])
@pytest.mark.parametrize("kind", ["text", "ink", "dense", "bytes"])
def test_coefficients_are_those_of_the_dual_probabilities(kind, n_classes):
    problem, X = made(kind, n_samples=150, n_classes=n_classes, l2=0.3)
    state = _Ascent.of(problem)
    for _ in range(3):
        state.visit_all()
        coef, _ = state.point()
        proba, residual = dual_parts(state)
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-5)
        assert (proba >= 0.0).all()
        assert (state.dual.proba[:, n_classes:] == 0.0).all()
        np.testing.assert_allclose(
            coef, np.where(problem.free, residual.T @ X / 0.3, 0.0), atol=3e-4 * max(1.0, np.abs(coef).max())
        )


def test_a_visit_of_one_row_maximises_the_dual():
    rng = np.random.default_rng(3)
    x, weight, l2, n_classes = rng.normal(size=7), 2.0, 0.4, 5
    X = np.vstack([x, np.zeros(7)])
    rows = Rows.of(X)
    problem = Problem(
        rows, np.array([1, 0], dtype=np.int32), np.array([weight, 0.0]), n_classes, ElasticNet(0.0, l2), False
    )
    state = _Ascent.of(problem)
    state.visit_all()

    def negative_dual(logits):
        q = softmax(logits)
        residual = -q
        residual[1] += 1.0
        return weight * -entr(q).sum() + (weight * np.linalg.norm(x) * np.linalg.norm(residual)) ** 2 / (2.0 * l2)

    best = optimize.minimize(negative_dual, np.zeros(n_classes), method="BFGS", options={"gtol": 1e-10})
    np.testing.assert_allclose(state.dual.proba[0, :n_classes], softmax(best.x), atol=2e-5)


@pytest.mark.parametrize("kind", ["text", "ink"])
@pytest.mark.parametrize("l2", [10.0, 0.1, 1e-3])
def test_the_dual_never_falls(kind, l2):
    problem, _ = made(kind, l2=l2, fit_intercept=False)
    state, values = _Ascent.of(problem), []
    for _ in range(8):
        state.visit_all()
        proba, residual = dual_parts(state)
        G = problem.rows.transpose_product(residual)
        values.append(problem.weights @ entr(proba).sum(axis=1) - problem.penalty.conjugate(G[:, problem.free]))
    assert (np.diff(values) >= -1e-4 * np.abs(values[-1])).all()


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_text_ends_at_the_optimum(fit_intercept):
    problem, X = made("text", n_samples=200, n_features=300, l2=0.5, fit_intercept=fit_intercept)
    *_, last = ascend(problem)

    def primal(vector):
        W, b = vector[:-4].reshape(4, -1), vector[-4:] * fit_intercept
        z = X @ W.T + b
        loss = problem.weights @ (logsumexp(z, axis=1) - z[np.arange(len(z)), problem.codes])
        residual = softmax(z, axis=1)
        residual[np.arange(len(z)), problem.codes] -= 1.0
        residual *= problem.weights[:, None]
        return loss + 0.25 * (W * W).sum(), np.append(residual.T @ X + 0.5 * W, residual.sum(axis=0) * fit_intercept)

    best = optimize.minimize(primal, np.zeros(4 * X.shape[1] + 4), jac=True, method="L-BFGS-B",
                             options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9})  # fmt: skip
    assert best.fun * (1.0 - 1e-6) <= last.objective <= best.fun * (1.0 + 1e-3)
    assert last.objective - last.gap <= best.fun * (1.0 + 1e-5)


def test_rows_of_one_block_and_of_many_reach_the_same_optimum(monkeypatch):
    monkeypatch.setattr(dual_ascent, "SLOW_RATIO", np.inf)
    problem, X = made("text", n_samples=240, n_features=200)
    blocks = Rows.of([sparse.csr_matrix(X[:100]), sparse.csr_matrix(X[100:101]), X[101:]])
    whole = [*ascend(problem)][-1]
    parts = [*ascend(Problem(blocks, problem.codes, problem.weights, 4, problem.penalty))][-1]
    assert abs(whole.objective - parts.objective) <= 1e-4 * whole.objective


def test_numpy_kernels_and_missing_penalties_go_without(monkeypatch):
    problem, _ = made(l2=0.0)
    assert [*ascend(problem)] == []
    monkeypatch.setattr("inklens.linear.rows.layouts.backend_of", lambda _: REFERENCE)
    assert [*ascend(made()[0])] == []


@pytest.mark.parametrize("C", [1e-4, 1.0, 1e4, 1e8])
def test_tiny_penalties_are_certified(C):
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(300, 80)), np.arange(300) % 4
    model = SoftmaxRegression(C=C, tol=1e-6).fit(X, y)
    assert model.status_ == "certified"


@pytest.mark.parametrize("name", ["dual_squares", "dual_epoch"])
def test_memory_that_ran_out_is_an_error_and_no_wrong_start(name, monkeypatch):
    problem, _ = made()
    call = library.call
    monkeypatch.setattr(library, "call", lambda f, *arguments: 1 if f == name else call(f, *arguments))
    with pytest.raises(MemoryError):
        next(ascend(problem))
