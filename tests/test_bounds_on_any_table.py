"""Rounding is counted as it can happen, two classes have one row, and all classes of a column move together."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize_scalar

from inklens.linear import Problem, Rows, solve
from inklens.linear.kernels import library
from inklens.linear.kernels.reference import Reference
from inklens.linear.methods import method, prox_newton, subproblem
from inklens.linear.methods.class_blocks import Blocks, Shifts
from inklens.linear.methods.columns import Columns
from inklens.linear.methods.faces import regular_factor
from inklens.linear.methods.grams import Grams
from inklens.linear.methods.points import Asked, Point
from inklens.linear.methods.subproblem import Pairs, least_penalised_shift
from inklens.linear.problem.penalties import ElasticNet, GroupLasso, of_one_row
from inklens.linear.proofs.certificates import gamma
from inklens.linear.proofs.dual import dual_value, flows, flows_added
from inklens.linear.rows.row_arrays import RowArray

COMPILED = pytest.mark.skipif(library.active() == "numpy", reason="no compiled kernels")
PENALTIES = [ElasticNet(1.0, 0.0), ElasticNet(0.5, 0.8), GroupLasso(1.0, 0.0), GroupLasso(0.7, 0.6)]
NAMES = ["l1", "elastic_net", "group", "group_ridge"]
TINY = 2.0**-53  # added to 1 it is lost


def table(n_samples, n_features, n_classes, scales=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    z = X @ rng.normal(size=(n_features, n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    X = X if scales is None else X * scales
    return X, z.argmax(axis=1)


# ---- rounding --------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "dense": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "bytes": lambda X: X.astype(np.uint8),
    "sparse": sparse.csr_array,
    "wide": lambda X: sparse.csr_array(sparse.hstack([X, sparse.csr_array((len(X), 20_000))])),
    "two blocks": lambda X: np.asarray(X),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_samples", [300, 20_000])
def test_a_sum_over_rows_loses_no_more_than_is_counted(layout, n_samples):
    """Terms that are each lost in the sum so far: the worst that rounding can do, and far less than n u is counted."""
    terms = np.full((n_samples, 3), TINY)
    terms[:: n_samples // 3] = 1.0
    rows = Rows.of(LAYOUTS[layout](np.ones((n_samples, 2))), n_threads=2)
    found = rows.transpose_product(terms)[:, :2]
    exact = sum(map(Fraction, terms[:, 0]))
    assert rows.n_added <= n_samples + 1
    lost = max(abs(Fraction(float(value)) - exact) / exact for value in found.ravel())
    assert lost <= Fraction(gamma(rows.n_added))
    if n_samples == 20_000 and layout != "wide" and library.active() != "numpy":
        assert rows.n_added < 1000


def test_the_reference_sums_in_any_order():
    rows = Rows.of(np.ones((500, 2)))
    assert Reference().n_added(rows.blocks[0].exact) == 500


def test_what_classes_gain_and_give_is_known_to_the_rounding_that_is_counted():
    n_samples, n_classes = 9_000, 3
    codes = np.arange(n_samples) % n_classes  # int64, as whoever calls has them
    proba = np.full((n_samples, n_classes), TINY)
    proba[:900] = 0.3
    proba[np.arange(n_samples), codes] = 0.4
    weights = np.where(np.arange(n_samples) % 2, 1.0, 0.75)
    array = RowArray.of(proba)
    found, n_added = flows(array, codes, weights), flows_added(array)
    assert n_added < 1000
    for own, k in itertools.permutations(range(n_classes), 2):
        rows = zip(weights[codes == own], proba[codes == own, k], strict=True)
        exact = sum(Fraction(w) * Fraction(p) for w, p in rows)
        assert abs(Fraction(float(found[own, k])) - exact) <= Fraction(gamma(n_added)) * exact


@pytest.mark.parametrize("n_classes", [2, 3])
def test_raw_tables_are_certified(n_classes):
    """Columns from 1e-3 to 1e6: rounding that is counted as n u hides the proof, and so do single coordinates."""
    X, y = table(6000, 20, n_classes, scales=10.0 ** np.linspace(-3.0, 6.0, 20))
    problem = Problem(Rows.of(X), y, np.ones(len(y)), n_classes, ElasticNet(1.0, 0.0))
    found = solve(problem, tol=1e-4, max_iter=40)
    assert found.status == "certified"


# ---- two classes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES, ids=NAMES)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_one_row_has_the_optimum_of_two(monkeypatch, penalty, is_sparse):
    X, y = table(300, 12, 2)
    X[np.random.default_rng(1).random(X.shape) < 0.8 * is_sparse] = 0.0
    if is_sparse:
        monkeypatch.setattr("inklens.linear.methods.columns.MAX_DENSITY", 1.0)
        monkeypatch.setattr(prox_newton, "matrix_seconds", lambda *size: np.inf)
    rows = Rows.of(sparse.csr_array(X) if is_sparse else X)
    problem = Problem(rows, y, np.ones(len(y)), 2, penalty)
    one = solve(problem, tol=1e-9, method=prox_newton.PROXIMAL_NEWTON)
    np.testing.assert_array_equal(one.coef[0], -one.coef[1])
    assert one.status == "certified"
    monkeypatch.setattr(method, "of_one_row", lambda penalty: None)
    two = solve(problem, tol=1e-9, method=prox_newton.PROXIMAL_NEWTON)
    assert one.objective == pytest.approx(two.objective, rel=2e-9)


@pytest.mark.parametrize("penalty", PENALTIES, ids=NAMES)
def test_one_row_costs_and_bounds_what_two_do(penalty):
    rng = np.random.default_rng(3)
    one, w = of_one_row(penalty), rng.normal(size=(1, 6))
    assert one.value(np.vstack([0 * w, w])) == pytest.approx(penalty.value(np.vstack([-w / 2, w / 2])), rel=1e-14)
    G = 0.6 * np.vstack([-w, w])
    assert one.conjugate(G) == pytest.approx(penalty.conjugate(G), rel=1e-12)
    assert one.largest_feasible_scale(G) == pytest.approx(penalty.largest_feasible_scale(G), rel=1e-12)
    assert not one.threshold_ratio(G)[0].any()
    X, y = table(50, 6, 2)
    problem = Problem(Rows.of(X), y, np.ones(50), 2, penalty)
    proba = problem.evaluate(np.zeros((2, 6)), np.zeros(2), dtype=np.float64).proba
    assert dual_value(problem.under(one), proba) == pytest.approx(dual_value(problem, proba), rel=1e-12)


def test_signs_keep_two_rows():
    assert of_one_row(ElasticNet(1.0, 0.0, signs=np.array([[-1.0], [1.0]]))) is None


@COMPILED
def test_a_column_step_holds_the_first_class(monkeypatch):
    monkeypatch.setattr("inklens.linear.methods.columns.MAX_DENSITY", 1.0)
    X, y = table(200, 8, 2)
    problem = Problem(Rows.of(sparse.csr_array(X)), y, np.ones(200), 2, of_one_row(ElasticNet(0.5, 0.5)))
    point = Point.of(problem, np.zeros((2, 8)), np.zeros(2), np.float64)
    step = Columns.of(problem).step(problem.penalty, point, Asked(1.0, 1e-4, 0.0, is_far=False))
    assert not step.coef[0].any()
    assert step.coef[1].any()


@pytest.mark.parametrize("own_rows", [(1,), (0, 1)])
def test_products_of_dense_matrices_make_the_hessian_of_two_classes(own_rows):
    X, y = table(3000, 7, 2)
    problem = Problem(Rows.of(X), y, np.linspace(0.5, 2.0, 3000), 2, ElasticNet(1.0, 0.0))
    rng = np.random.default_rng(1)
    proba = problem.evaluate(rng.normal(size=(2, 7)), rng.normal(size=2)).proba
    pairs = Pairs(*map(np.array, zip(*itertools.product(own_rows, (0, 2, 3, 6)), strict=True)))
    grams = Grams.of(problem)
    found, known = (
        subproblem.newton_model(problem.rows, proba, problem.weights, pairs, grams=one) for one in (grams, None)
    )
    size = np.abs(known.hessian).max()
    np.testing.assert_allclose(found.hessian, known.hessian, atol=1e-5 * size)
    np.testing.assert_allclose(found.intercept_response, known.intercept_response, rtol=1e-3, atol=1e-4)


# ---- all classes of a column -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("l2", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 7])
def test_the_shift_of_all_classes_is_the_least_penalised(n_classes, l2):
    rng = np.random.default_rng(n_classes)
    W = rng.normal(size=(n_classes, 12)) * (rng.random((n_classes, 12)) < 0.8)
    shift = least_penalised_shift(W, np.full(12, 0.7), np.full(12, l2))

    def cost(t, w):
        return 0.7 * np.abs(w - t).sum() + 0.5 * l2 * ((w - t) ** 2).sum()

    for w, t in zip(W.T, shift, strict=True):
        best = min([minimize_scalar(cost, args=(w,), bounds=(-4, 4), method="bounded").fun, *(cost(v, w) for v in w)])
        assert cost(t, w) <= best + 1e-9
        assert t == 0.0 or cost(t, w) < cost(0.0, w)


def test_a_solution_of_the_model_uses_no_column_for_all_classes():
    """Under L1 the signs of a column add up to 0 there, which three of them do not."""
    scales = 10.0 ** np.linspace(0.0, 3.0, 10)
    X, y = table(500, 10, 3, scales=scales)
    problem = Problem(Rows.of(X), y, np.ones(500), 3, ElasticNet(1.0, 0.0))
    pairs = Pairs(*map(np.ravel, np.indices((3, 10))))
    point = Point.of(problem, np.zeros((3, 10)), np.zeros(3), np.float64)
    model = subproblem.newton_model(problem.rows, point.at.proba, problem.weights, pairs)
    moving = ~model.is_intercept
    v, gradient = np.zeros(len(moving)), np.zeros(len(moving))
    # As far along (1, 1, 1) as a rough step may leave it.
    v[moving], gradient[moving] = np.tile(1.0 / scales, 3), point.at.gradient[pairs]
    u, _ = subproblem.minimise(model, problem.penalty, gradient, v, 1e-3)
    W = u[moving].reshape(3, 10)
    assert not (W != 0.0).all(axis=0).any()


def blocks_of(whole, has_intercept):
    """Return the blocks of matrices (n_classes, q + 1, q + 1), the intercept last."""
    n_classes, q = len(whole), whole.shape[1] - 1
    return Blocks.of(
        np.arange(q), lambda k: (whole[k, :q, :q], whole[k, :q, q], whole[k, q, q]), n_classes, has_intercept
    )


@pytest.mark.parametrize("has_intercept", [True, False])
@pytest.mark.parametrize("penalty", [GroupLasso(1.5, 0.0), GroupLasso(1.0, 0.5)], ids=["group", "group_ridge"])
def test_a_grouped_step_of_blocks_is_their_minimum(penalty, has_intercept):
    rng = np.random.default_rng(5)
    n_classes, q = 4, 6
    X = rng.normal(size=(n_classes, 30, q + 1))
    whole = np.einsum("kij,kil->kjl", X, X)
    blocks = blocks_of(whole, has_intercept)
    coef = rng.normal(size=(n_classes, q)) * (rng.random(q) < 0.5)
    gradient, sums = 3.0 * rng.normal(size=(n_classes, q)), has_intercept * rng.normal(size=n_classes)
    step, shift = blocks.grouped_step(penalty, coef, gradient, sums, 1e-9)
    end = gradient + np.einsum("kjl,kl->kj", whole[:, :q], np.column_stack([step, shift]))
    assert penalty.kkt_violation(coef + step, -end) <= 1e-3
    if has_intercept:
        left = sums + np.einsum("kl,kl->k", whole[:, q], np.column_stack([step, shift]))
        np.testing.assert_allclose(left, 0.0, atol=1e-9)


@pytest.mark.parametrize("has_intercept", [True, False])
@pytest.mark.parametrize("q", [7, 140])  # solved together, and one by one
def test_blocks_on_a_face_are_inverted(q, has_intercept):
    rng = np.random.default_rng(6)
    n_classes = 3
    X = rng.normal(size=(n_classes, 3 * q, q + 1))
    whole, face, added = np.einsum("kij,kil->kjl", X, X), rng.random((n_classes, q)) < 0.6, rng.random((n_classes, q))
    face[1] = False  # a class of which nothing is in use
    solve = blocks_of(whole, has_intercept).on_face(face, added, 1)
    v = rng.normal(size=(n_classes, q + 1)) * np.column_stack([face, np.full(n_classes, has_intercept)])
    found = solve(v)
    for k in range(n_classes):
        at = np.flatnonzero(np.append(face[k], has_intercept))
        matrix = whole[k] + np.diag(np.append(added[k], 0.0))
        np.testing.assert_allclose(matrix[np.ix_(at, at)] @ found[k, at], v[k, at], atol=1e-3 * np.abs(v).max())
        assert not np.delete(found[k], at).any()


def test_moves_of_all_classes_alike_have_the_curvature_of_the_loss():
    """Against the Hessian itself: of moves z of each feature's classes in use, z' H z is inverted."""
    rng = np.random.default_rng(7)
    n, q, n_classes = 300, 5, 4
    X, c, proba = rng.normal(size=(n, q)), rng.random(n) + 0.5, rng.dirichlet(np.ones(n_classes), n)
    face = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 0, 0, 1], [0, 1, 0, 1, 1]], dtype=bool)
    added = 0.1 * rng.random((n_classes, q))
    spread = np.einsum("ik,kl->ikl", proba, np.eye(n_classes)) - proba[:, :, None] * proba[:, None]
    H = np.einsum("i,ikm,ij,il->kjml", c, spread, X, X)
    Z = np.zeros((3, n_classes, q))  # features 0 to 2 have two classes in use, 3 one, 4 all: a move at no cost
    for place, j in enumerate((0, 1, 2)):
        Z[place, face[:, j], j] = 1.0
    shifts = Shifts.of(X[:, :4], proba, c, face[:, :4], added[:, :4], 1)
    np.testing.assert_array_equal(shifts.features, [0, 1, 2])
    v = rng.normal(size=(n_classes, 4))
    found = shifts.solve(v, face[:, :4])
    curved = np.einsum("akj,kjml,bml->ab", Z, H, Z) + np.diag([added[face[:, j], j].sum() for j in range(3)])
    expected = np.linalg.solve(curved, np.einsum("akj,kj->a", Z[:, :, :4], v))
    np.testing.assert_allclose(found, np.einsum("a,akj->kj", expected, Z[:, :, :4]), rtol=2e-2, atol=1e-5)
    assert Shifts.of(X[:, 3:4], proba, c, face[:, 3:4], added[:, 3:4], 1) is None
    free = Shifts.of(X, proba, c, face, np.zeros((n_classes, q)), 1).solve(np.ones((n_classes, q)), face)
    assert np.isfinite(free).all()  # the loss does not feel the move of feature 4 at all


def test_moves_at_no_cost_over_columns_of_any_size_have_a_factor():
    """All classes are in use: the curvature of every move is what float32 left of a difference of sums."""
    rng = np.random.default_rng(8)
    X = (rng.normal(size=(200, 30)) * 10.0 ** rng.uniform(-3, 3, 30)).astype(np.float32)
    proba = rng.dirichlet(np.ones(4), 200).astype(np.float32)
    face, v = np.ones((4, 30), dtype=bool), rng.normal(size=(4, 30))
    for added in (0.0, 1e-8, 1.0):
        found = Shifts.of(X, proba, np.ones(200, dtype=np.float32), face, np.full(face.shape, added), 1).solve(v, face)
        assert np.isfinite(found).all()
        assert np.vdot(found, v) > 0.0


@pytest.mark.parametrize("size", [1.5, 1e3, 1e9])
def test_a_ridge_grows_until_a_matrix_is_positive(size):
    matrix = np.full((6, 6), size, dtype=np.float32)
    np.fill_diagonal(matrix, 1.0)  # no entry of a positive matrix exceeds the diagonal
    found = regular_factor(matrix, np.arange(6), np.zeros(6), 1).solve(np.arange(6.0))
    assert np.isfinite(found).all()
    assert found @ np.arange(6.0) > 0.0
