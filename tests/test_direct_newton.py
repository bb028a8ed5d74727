"""Newton's steps by a factor of the whole Hessian, and the kernels that it and proofs have of their own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.special import entr
from sklearn.linear_model import LogisticRegression

from inklens.errors import DataError
from inklens.linear import memory
from inklens.linear.driver import solve
from inklens.linear.kernels.choice import REFERENCE, numpy_backend
from inklens.linear.methods import costs, direct, newton
from inklens.linear.methods.points import Point
from inklens.linear.problem.penalties import ElasticNet, penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows

LAYOUTS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "bytes": lambda X: np.clip(np.abs(X) * 40.0, 0, 255).astype(np.uint8),
    "csr": sparse.csr_matrix,
    "dense with zeros": lambda X: X * (np.abs(X) > 1.0),
    "wide csr": lambda X: (
        sparse.csr_matrix((X.data, X.indices, X.indptr), X.shape)
        if sparse.issparse(X)
        else sparse.hstack([sparse.csr_matrix(X), sparse.csr_matrix((len(X), 70_000))], format="csr")
    ),
}


def table(seed=0, n_samples=203, n_features=13, n_classes=3, density=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * (rng.random((n_samples, n_features)) < density)
    return X, rng.integers(0, n_classes, n_samples), rng.uniform(0.1, 3.0, n_samples)


def problem_of(X, codes, weights, penalty=None, fit_intercept=True, n_threads=1):
    rows = Rows.of(X, n_threads=n_threads)
    return Problem(rows, codes, weights, int(codes.max()) + 1, penalty or penalty_of(0.0), fit_intercept)


# ---- the matrices of pairs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "wide csr"])
@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_matrix_of_a_pair_is_a_weighted_gram_matrix(layout, n_classes, n_threads):
    X, _, weights = table(n_classes=n_classes, density=0.3)
    X = LAYOUTS[layout](X)
    rng = np.random.default_rng(1)
    proba = rng.dirichlet(np.ones(n_classes), len(weights))
    found = Rows.of(X, scale=0.5, n_threads=n_threads).edge_grams(proba, weights)
    values = 0.5 * (X.toarray() if sparse.issparse(X) else X).astype(float)
    ones = np.column_stack([values, np.ones(len(values))])
    for gram, (k, m) in zip(found, np.transpose(np.triu_indices(n_classes, 1)), strict=True):
        np.testing.assert_allclose(gram, (ones * (weights * proba[:, k] * proba[:, m])[:, None]).T @ ones, atol=1e-11)


@pytest.mark.parametrize("n_features", [1, 3, 4, 15, 16, 31, 40])
def test_columns_of_any_number_fill_their_blocks(n_features):
    """Against the same sums by NumPy."""
    X, _, weights = table(n_features=n_features)
    proba = np.random.default_rng(1).dirichlet(np.ones(3), len(X))
    storage = Rows.of(X).blocks[0].exact
    expected = REFERENCE.edge_grams(storage, proba, weights)
    np.testing.assert_allclose(numpy_backend().edge_grams(storage, proba, weights, 2), expected, atol=1e-11)


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_the_reduced_hessian_is_that_of_the_objective(n_classes):
    """V' H V is the second derivative along W = A V: a difference of gradients, by products with the Hessian."""
    X, codes, weights = table(n_classes=n_classes)
    l2 = np.linspace(0.5, 2.0, X.shape[1])
    problem = problem_of(X, codes, weights, ElasticNet(0.0, l2))
    rng = np.random.default_rng(2)
    V = rng.normal(size=(n_classes - 1, X.shape[1] + 1))
    W = np.vstack([V, -V.sum(axis=0)])
    at = problem.evaluate(0.1 * W[:, :-1].copy(), W[:, -1], dtype=np.float64)
    grams = problem.rows.edge_grams(at.proba, weights)
    H = direct.reduced_hessian(grams, n_classes, np.append(l2, 0.0))
    product, sums = problem.rows.hessian_product(at.proba, weights, W[:, :-1].copy(), W[:, -1])
    curved = float((W[:, :-1] * (product + l2 * W[:, :-1])).sum() + W[:, -1] @ sums)
    assert V.ravel() @ H @ V.ravel() == pytest.approx(curved, rel=1e-10)
    np.testing.assert_allclose(H, H.T, atol=1e-12)


# ---- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_both_ways_to_a_step_have_one_optimum(n_classes, fit_intercept, monkeypatch):
    """A factor of the whole Hessian, and conjugate gradients; scikit-learn has it, too."""
    X, codes, weights = table(n_classes=n_classes)
    X[:, 5] = 2.0  # a constant column
    values = []
    for suits in (True, False):
        monkeypatch.setattr(direct, "suits", lambda problem, suits=suits: suits)
        found = solve(problem_of(X, codes, weights, fit_intercept=fit_intercept), tol=1e-9)
        assert found.status == "certified"
        values.append(found)
    assert values[0].objective == pytest.approx(values[1].objective, rel=1e-8)
    np.testing.assert_allclose(values[0].coef, values[1].coef, atol=1e-3)
    C = 2.0 if n_classes == 2 else 1.0  # of two classes it has one row
    peer = LogisticRegression(C=C, tol=1e-8, solver="newton-cg", fit_intercept=fit_intercept)
    peer.fit(X, codes, sample_weight=weights)
    coef = np.vstack([-peer.coef_, peer.coef_]) / 2.0 if n_classes == 2 else peer.coef_
    kept = [j for j in range(X.shape[1]) if j != 5]
    np.testing.assert_allclose(values[0].coef[:, kept], coef[:, kept], atol=1e-4)


def test_a_step_is_newtons():
    """At its end the gradient of the model is 0: H d = -g, by products with the Hessian."""
    X, codes, weights = table(n_classes=4)
    problem = problem_of(X, codes, weights, ElasticNet(0.0, np.linspace(0.0, 2.0, X.shape[1])))
    point = Point.of(problem, np.zeros((4, X.shape[1])), newton.log_odds(problem), np.float64)
    step = direct.newton_step(problem, point)
    product, sums = problem.rows.hessian_product(point.at.proba, weights, step.coef, step.intercept)
    gradient = point.gradient(problem.penalty)
    np.testing.assert_allclose(product + problem.penalty.gradient(step.coef), -gradient[:, :-1], atol=1e-10)
    np.testing.assert_allclose(sums, -gradient[:, -1], atol=1e-10)
    np.testing.assert_allclose(step.coef.sum(axis=0), 0.0, atol=1e-12)


def test_offsets_are_parts_of_the_scores(monkeypatch):
    X, codes, weights = table()
    made = replace(problem_of(X, codes, weights), offset=np.random.default_rng(0).normal(size=(len(X), 3)))
    values = []
    for suits in (True, False):
        monkeypatch.setattr(direct, "suits", lambda problem, suits=suits: suits)
        values.append(solve(made, tol=1e-9).objective)
    assert values[0] == pytest.approx(values[1], rel=1e-8)


def test_few_coefficients_are_solved_directly_and_many_are_not(monkeypatch):
    """Twice the classes are four times the matrices; what memory does not hold is not begun."""
    few, many = (problem_of(*table(n_features=p, n_classes=k)) for p, k in ((13, 3), (150, 12)))
    assert direct.suits(few)
    assert not direct.suits(many)
    assert costs.direct_seconds(many) > 10.0 * costs.direct_seconds(few)
    wide = problem_of(LAYOUTS["wide csr"](table()[0]), *table()[1:])
    monkeypatch.setattr(costs, "direct_seconds", lambda problem: 0.0)
    with memory.scope(memory.LEAST):
        assert direct.suits(few)
        assert not direct.suits(wide)


def twice(n_samples=1500, n_columns=25, n_classes=4, noise=1e-4):
    """Columns, and the same again with a little noise; labels from a softmax model of them."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n_samples, n_columns))
    codes = (X @ rng.normal(size=(n_columns, n_classes)) + rng.gumbel(size=(n_samples, n_classes))).argmax(axis=1)
    X = np.hstack([X, X + noise * rng.normal(size=X.shape)])
    return problem_of(X, codes.astype(np.int32), np.ones(n_samples), ElasticNet(0.0, 0.0))


def test_what_conjugate_gradients_cannot_solve_is_solved_by_a_factor(monkeypatch):
    """No preconditioner in float32 tells columns apart that agree to 1e-4: system after system was given up."""
    monkeypatch.setattr(direct, "suits", lambda problem: False)
    found = solve(twice(), tol=1e-5)
    assert found.status == "certified"
    assert found.n_passes < 700


def test_a_factor_pays_where_products_have_cost_as_much(monkeypatch):
    problem = twice()
    price = int(np.ceil(costs.direct_seconds(problem) / costs.product_seconds(problem)))
    assert direct.pays(problem, price)
    assert not direct.pays(problem, price - 1)
    monkeypatch.setattr(costs, "direct_seconds", lambda problem: 0.0)
    assert not direct.pays(problem, 0)
    monkeypatch.setattr(direct, "MAX_BYTES", direct.memory_of(problem) - 1)
    assert not direct.pays(problem, price)


def test_the_log_odds_are_the_best_intercepts():
    X, codes, weights = table()
    problem = problem_of(X, codes, weights)
    at = problem.evaluate(np.zeros((3, X.shape[1])), newton.log_odds(problem), dtype=np.float64)
    np.testing.assert_allclose(at.intercept_gradient, 0.0, atol=1e-10)
    assert not newton.log_odds(problem_of(X, codes, weights, fit_intercept=False)).any()


# ---- rows of probabilities -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 7])
def test_rows_of_probabilities_mean_the_same_to_all_kernels(dtype, n_classes):
    """By their formulas in NumPy: flows, residuals, entropy, and a point moved along a direction."""
    _, codes, weights = table(n_classes=n_classes)
    codes = codes.astype(np.int32)
    rng = np.random.default_rng(3)
    laid = np.zeros((len(codes), 8), dtype)  # with lanes to spare, as passes have them
    proba = laid[:, :n_classes]
    proba[:] = rng.dirichlet(np.full(n_classes, 0.1), len(codes))
    along = rng.normal(size=proba.shape).astype(dtype) * 2.0
    ours, plain = numpy_backend(), REFERENCE
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-6}
    for own in (codes, codes.astype(np.int64), np.repeat(codes, 2)[::2]):
        np.testing.assert_allclose(ours.flows(proba, own, weights), plain.flows(proba, codes, weights), **close)
    np.testing.assert_allclose(
        ours.residual(proba, codes, weights), plain.residual(proba, codes, weights), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(ours.moved(proba, along), plain.moved(proba, along), rtol=1e-4, atol=1e-6)
    scales = np.array([1.0, 0.3])
    (sums, largest), expected = (
        ours.entropies(proba, codes, weights, scales, None),
        plain.entropies(proba, codes, weights, scales, None),
    )
    np.testing.assert_allclose(sums, expected[0], rtol=1e-12)
    assert largest == pytest.approx(expected[1], rel=1e-12)
    whole = proba.astype(np.float64)
    whole[np.arange(len(codes)), codes] = 0.0
    whole[np.arange(len(codes)), codes] = np.maximum(1.0 - whole.sum(axis=1), 0.0)
    assert sums[0] == pytest.approx(float(weights @ entr(whole).sum(axis=1)), rel=1e-6)


def test_what_is_no_number_proves_nothing():
    """A bound of such rows is no number either, whoever sums it."""
    proba, codes, weights = np.array([[0.5, 0.5], [np.nan, 0.5]]), np.array([0, 1], dtype=np.int32), np.ones(2)
    for backend in (numpy_backend(), REFERENCE):
        assert np.isnan(backend.entropies(proba, codes, weights, np.ones(1), None)[0]).all()
        assert np.isnan(backend.residual(proba, codes, weights)).any()
        found, _ = backend.entropies(np.array([[-0.1, 1.1]]), codes[1:], weights[:1], np.ones(1), None)
        assert found == -np.inf


# ---- columns of sparse rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["csr", "wide csr"])
def test_extremes_of_sparse_columns_count_the_zeros_between(layout):
    X = table(density=0.5)[0]
    X[:, 2], X[:, 3], X[:, 4] = 0.0, np.abs(X[:, 3]) + 1.0, -np.abs(X[:, 4]) - 1.0
    rows = Rows.of(LAYOUTS[layout](X))
    np.testing.assert_array_equal(rows.low[:13], X.min(axis=0))
    np.testing.assert_array_equal(rows.high[:13], X.max(axis=0))
    assert not rows.low[13:].any()
    assert not rows.high[13:].any()


def test_what_is_no_number_is_found_in_sparse_rows():
    X = sparse.csr_matrix(table(density=0.5)[0])
    X.data[7] = np.nan
    with pytest.raises(DataError, match="contains NaN in row"):
        Rows.of(X)
