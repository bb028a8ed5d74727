"""Laws of single rules in `linear`, each against a definition that shares no code with it."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.model_selection import KFold
from sklearn.utils import compute_class_weight

from inklens import SoftmaxRegression, SoftmaxRegressionCV, softmax_path
from inklens.linear import softmax as model
from inklens.linear.conditioning import Conditioning
from inklens.linear.driver import solve
from inklens.linear.methods.systems import build_metric
from inklens.linear.path import fit_points
from inklens.linear.problem.penalties import ElasticNet, GroupLasso, penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, unpenalised
from inklens.linear.proofs.dual import DualPoint, balance
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

PENALTIES = [ElasticNet(0.7, 0.4), GroupLasso(0.7, 0.4), ElasticNet(0.0, 0.4)]


def noisy(n=90, p=5, K=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = (X[:, :K] + 1.5 * rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y, rng.uniform(0.2, 3.0, n)


def loss(X, codes, weights, W, b):
    z = X @ W.T + b
    return float(weights @ (logsumexp(z, axis=1) - z[np.arange(len(z)), codes]))


# ---- penalties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
def test_prox_is_the_minimiser_of_its_definition(penalty):
    rng = np.random.default_rng(0)
    W, step = rng.normal(size=(3, 4)) * 2.0, 0.6

    def objective(V):
        return ((V - W) ** 2).sum() / (2.0 * step) + penalty.value(V)

    found = penalty.prox(W, step)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(40):
            assert objective(found) <= objective(found + size * rng.normal(size=W.shape)) + 1e-14


@pytest.mark.parametrize("penalty", PENALTIES)
def test_conjugate_is_attained_at_the_proximal_point(penalty):
    """g*(G) = <G, W> - g(W) where G is a subgradient at W, and any other W gives less."""
    rng = np.random.default_rng(1)
    V = rng.normal(size=(3, 4)) * 2.0
    W = penalty.prox(V, 1.0)
    G = V - W  # a subgradient of g at its proximal point
    best = penalty.conjugate(G)
    assert best == pytest.approx(float((G * W).sum()) - penalty.value(W), rel=1e-12)
    for _ in range(40):
        other = W + rng.normal(size=W.shape)
        assert float((G * other).sum()) - penalty.value(other) <= best + 1e-12


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_in_other_units_is_the_same_number(penalty):
    rng = np.random.default_rng(2)
    W, scale = rng.normal(size=(3, 4)), rng.uniform(0.1, 10.0, 4)
    assert penalty.in_units(scale).value(W * scale) == pytest.approx(penalty.value(W), rel=1e-12)
    assert penalty.scaled(3.0).value(W) == pytest.approx(3.0 * penalty.value(W), rel=1e-12)


def test_shares_of_a_penalty_are_those_of_its_formula():
    W = np.array([[3.0, 0.0], [4.0, 1.0]])
    assert penalty_of(0.3).value(W) == pytest.approx(0.3 * 8.0 + 0.7 / 2 * 26.0)
    assert penalty_of(0.3, group=True).value(W) == pytest.approx(0.3 * 6.0 + 0.7 / 2 * 26.0)


def test_gradient_norm_is_zero_at_the_optimum_alone():
    X, codes, weights = noisy()
    problem = Problem(Rows.of(X), codes, weights, 3, ElasticNet(2.0, 1.0))
    solution = solve(problem, tol=1e-10)
    assert solution.gradient_norm < 1e-3
    assert certificates.certify(problem, solution.coef + 0.1, solution.intercept).gradient_norm > 0.01


# ---- the softmax, and coordinates ------------------------------------------------------------------------------------


def test_softmax_of_a_row_does_not_depend_on_the_others():
    z = np.array([[0.0, 1.0], [3000.0, 3001.0], [-3000.0, -3001.0]])
    expected = [[1 / (1 + np.e), np.e / (1 + np.e)]] * 2 + [[np.e / (1 + np.e), 1 / (1 + np.e)]]
    assert np.allclose(model.softmax(z), expected, rtol=1e-12)
    assert np.allclose(model.log_softmax(z), np.log(expected), rtol=1e-12)


def hostile():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=80), 1e6 * rng.normal(size=80), 5000.0 + rng.normal(size=80)])
    codes = (X[:, 0] + X[:, 2] - 5000.0 + rng.gumbel(size=80) > 0.5).astype(np.int32)
    return X, Problem(Rows.of(X), codes, np.ones(80), 2, ElasticNet(0.0, 0.1))


def test_other_coordinates_have_the_same_scores_on_the_way_there_and_back():
    X, problem = hostile()
    rng = np.random.default_rng(4)
    conditioning = Conditioning.of(problem)
    assert conditioning is not None
    W, b = rng.normal(size=(2, 3)), rng.normal(size=2)
    inside, start = conditioning.apply(problem), conditioning.start(W, b)
    assert np.allclose(inside.rows.scores(*start, dtype=np.float64), X @ W.T + b, rtol=1e-9)
    assert inside.penalty.value(start[0]) == pytest.approx(problem.penalty.value(W))
    dense = inside.rows.dense(dtype=np.float64)
    assert np.allclose(inside.rows.low, dense.min(axis=0))
    assert np.allclose(inside.rows.high, dense.max(axis=0))


def test_solutions_and_dual_points_of_hostile_columns_speak_of_the_data():
    X, problem = hostile()
    solution = solve(problem, tol=1e-8)
    value = loss(X, problem.codes, problem.weights, solution.coef, solution.intercept)
    assert value + problem.penalty.value(solution.coef) == pytest.approx(solution.objective, rel=1e-9)
    again = certificates.lower_bound(X, problem.codes, problem.weights, problem.penalty, solution.dual)
    assert again == pytest.approx(solution.lower_bound, rel=1e-7)


def test_a_dual_point_that_was_moved_is_the_same_in_the_data():
    _, problem = hostile()
    rng = np.random.default_rng(5)
    conditioning = Conditioning.of(problem)
    assert conditioning is not None
    parts = (rng.normal(size=shape) for shape in ((2, 3), (2,), (2, 3), (2,)))
    inside = DualPoint(*(0.1 * part for part in parts))
    there, here = inside.proba(conditioning.apply(problem).rows), conditioning.restore_dual(inside).proba(problem.rows)
    np.testing.assert_allclose(np.asarray(there), np.asarray(here), rtol=1e-7)


# ---- paths and searches ----------------------------------------------------------------------------------------------


def test_a_path_reports_c_times_loss_plus_penalty():
    X, y, weights = noisy()
    path = softmax_path(X, y, Cs=[0.05, 0.5], l1_ratio=0.5, sample_weight=weights, tol=1e-8)
    for C, W, b, objective, bound in zip(
        path.Cs, path.coefs, path.intercepts, path.objectives, path.lower_bounds, strict=True
    ):
        value = C * loss(X, y, weights, W, b) + 0.5 * np.abs(W).sum() + 0.25 * (W**2).sum()
        assert objective == pytest.approx(value, rel=1e-9)
        assert bound <= value <= bound * (1 + 1e-7)


def test_the_first_point_of_a_path_is_empty_though_classes_are_uneven():
    X, y, _ = noisy(n=200)
    y = np.where((y == 2) & (np.arange(200) % 4 > 0), 0, y)
    path = softmax_path(X, y, Cs=20, tol=1e-6)
    assert path.n_nonzeros[0] == 0
    assert path.n_nonzeros[1] > 0
    frequencies = np.bincount(y) / len(y)
    assert np.allclose(model.softmax(path.intercepts[:1])[0], frequencies, atol=1e-3)


def search(rule, **options):
    X, y, weights = noisy(n=150, p=8)
    found = SoftmaxRegressionCV(Cs=20, C_max=5.0, rule=rule, path_tol=1e-2, **options)
    return X, y, weights, found.fit(X, y, sample_weight=weights)


@pytest.mark.slow
def test_the_two_rules_differ_and_the_standard_error_is_what_parts_them():
    *_, best = search("best")
    *_, careful = search("one_se")
    assert careful.C_ < best.C_
    scores = best.scores_[:, 0].T
    mean, error = scores.mean(axis=1), scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    top = mean.argmax()
    assert best.Cs_[0, top] == best.C_
    assert min(C for C, m in zip(best.Cs_[0], mean, strict=True) if m >= mean[top] - error[top]) == careful.C_
    assert np.allclose(best.standard_errors_[0], error)


def test_scores_are_weighted_means_over_the_rows_that_a_splitter_holds_out():
    splitter = KFold(6)
    X, y, weights, found = search("best", cv=splitter)
    for fold, (train, test) in enumerate(splitter.split(X)):
        C = found.Cs_[0, 5]
        alone = SoftmaxRegression(C=C, l1_ratio=1.0, tol=1e-6).fit(X[train], y[train], sample_weight=weights[train])
        logs = log_softmax(X[test] @ alone.coef_.T + alone.intercept_, axis=1)[np.arange(len(test)), y[test]]
        assert found.scores_[fold, 0, 5] == pytest.approx(np.average(logs, weights=weights[test]), abs=0.05)
        unweighted = logs.mean()
        if abs(unweighted - np.average(logs, weights=weights[test])) > 0.1:
            assert abs(found.scores_[fold, 0, 5] - unweighted) > 0.05


# ---- the estimator and the driver ------------------------------------------------------------------------------------


def test_class_weights_multiply_sample_weights():
    X, y, weights = noisy()
    by_class = {0: 1.0, 1: 4.0, 2: 0.5}
    given = SoftmaxRegression(class_weight=by_class, tol=1e-8).fit(X, y, sample_weight=weights)
    product = weights * np.array([by_class[label] for label in y])
    assert np.allclose(given.coef_, SoftmaxRegression(tol=1e-8).fit(X, y, sample_weight=product).coef_, atol=1e-6)


def test_balanced_classes_count_sample_weights():
    X, y, weights = noisy()
    weights = np.where(y == 1, 5.0, weights)
    totals = np.array([weights[y == k].sum() for k in range(3)])
    expected = weights * (weights.sum() / (3 * totals))[y]
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=y, sample_weight=weights)
    assert np.allclose(theirs[y] * weights, expected)
    balanced = SoftmaxRegression(class_weight="balanced", tol=1e-8).fit(X, y, sample_weight=weights)
    assert np.allclose(balanced.coef_, SoftmaxRegression(tol=1e-8).fit(X, y, sample_weight=expected).coef_, atol=1e-6)


def test_a_warm_start_needs_the_same_classes():
    X, y, _ = noisy()
    names = np.array(["a", "b", "c"])
    estimator = SoftmaxRegression(warm_start=True).fit(X, names[y])
    assert estimator.fit(X, names[y]).n_iter_ <= 2
    others, seen, cold = np.array(["b", "c", "d"])[y], [], []
    estimator.fit(X, others, callback=seen.append)
    SoftmaxRegression().fit(X, others, callback=cold.append)
    assert len(seen) == len(cold)
    assert seen[0].history[0][2] == cold[0].history[0][2]


def test_bounds_over_balls_belong_to_their_own_point():
    """Without a proven optimum a bound speaks of coefficients up to a radius; the largest norm is not the first's."""
    X, codes, weights = noisy(n=60)
    problem = Problem(Rows.of(X), codes, weights, 3, ElasticNet(0.0, 0.0))
    optimum = minimize(
        lambda v: loss(X, codes, weights, v[:15].reshape(3, 5), v[15:]), np.zeros(18), method="BFGS", tol=1e-9
    )
    norm = np.abs(optimum.x[:15].reshape(3, 5) - optimum.x[:15].reshape(3, 5).mean(axis=0)).sum()
    rng = np.random.default_rng(0)
    for _ in range(5):
        proba = rng.dirichlet(np.ones(3), size=60)
        assert unpenalised.norm_bounded(problem, RowArray.of(proba), 1.01 * norm) <= optimum.fun
        near = model.softmax(X @ optimum.x[:15].reshape(3, 5).T + optimum.x[15:])
        tilted = 0.9 * near + 0.1 * proba
        assert unpenalised.norm_bounded(problem, RowArray.of(tilted), 1.01 * norm) <= optimum.fun


# ---- rows ------------------------------------------------------------------------------------------------------------


def test_squares_of_scaled_bytes_are_those_of_the_values():
    rng = np.random.default_rng(5)
    pixels, weights = rng.integers(0, 256, (50, 6)).astype(np.uint8), rng.uniform(0.5, 2.0, 50)
    rows = Rows.of(pixels, scale=1 / 255)
    assert np.allclose(rows.column_squares(weights), weights @ (pixels / 255.0) ** 2, rtol=1e-12)
    assert np.allclose(rows.column_sums(weights), weights @ (pixels / 255.0), rtol=1e-12)


def test_some_rows_weigh_as_much_as_all():
    X, codes, weights = noisy()
    problem = Problem(Rows.of(X), codes, weights, 3, ElasticNet(0.0, 1.0))
    some = problem.over(np.arange(0, 90, 7))
    assert some.weights.sum() == pytest.approx(weights.sum(), rel=1e-12)
    assert np.allclose(some.weights / weights[::7], some.weights[0] / weights[0])


def test_absolute_values_of_a_file_reach_down_to_zero_where_signs_differ(tmp_path, monkeypatch):
    monkeypatch.setattr("inklens.linear.rows.layouts.PACK_UP_TO", 100)
    X = np.column_stack([np.linspace(-2.0, 5.0, 40), np.linspace(-9.0, -3.0, 40), np.linspace(1.0, 2.0, 40)])
    np.save(tmp_path / "rows.npy", X)
    rows = Rows.of(np.load(tmp_path / "rows.npy", mmap_mode="r")).absolute()
    assert all(block.is_streamed for block in rows.blocks)
    assert np.all(rows.low <= np.abs(X).min(axis=0))
    assert np.allclose(rows.high, np.abs(X).max(axis=0))


def test_a_warm_start_of_a_path_point_is_of_its_own_scale():
    X, codes, weights = noisy()
    problem = Problem(Rows.of(X), codes, weights, 3, penalty_of(1.0))
    for C, solution in fit_points(problem, np.array([0.01, 0.1, 1.0]), 1e-8):
        alone = solve(Problem(Rows.of(X), codes, C * weights, 3, penalty_of(1.0)), tol=1e-8)
        assert C * solution.objective == pytest.approx(alone.objective, rel=1e-7)


# ---- the preconditioner ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [6, 13, 21, 37])
def test_the_preconditioner_is_the_inverse_of_its_blocks(p):
    """Few enough rows that all are used: one block [X 1]' diag(h) [X 1] + l2 per class, between two projections."""
    rng = np.random.default_rng(p)
    n, K, l2 = 3 * p, 3, 0.5
    X, proba, weights = rng.normal(size=(n, p)), rng.dirichlet(np.ones(K), size=n), rng.uniform(0.5, 2.0, n)
    codes = np.r_[np.arange(K), rng.integers(0, K, n - K)].astype(np.int32)
    problem = Problem(Rows.of(X), codes, weights, K, ElasticNet(0.0, l2))
    v = rng.normal(size=(K, p + 1))
    X1, expected = np.column_stack([X, np.ones(n)]), np.empty_like(v)
    centred = v - v.mean(axis=0)
    for k in range(K):
        block = (X1 * (proba[:, k] * (1 - proba[:, k]) * weights)[:, None]).T @ X1
        expected[k] = np.linalg.solve(block + np.diag(np.r_[np.full(p, l2), 1e-3 * block[-1, -1]]), centred[k])
    expected -= expected.mean(axis=0)
    found = build_metric(problem, proba).solve(v)
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
    assert np.abs(found.sum(axis=0)).max() <= 1e-6 * np.abs(found).max()


def test_a_dual_point_without_direction_is_the_softmax():
    X, _, _ = noisy()
    W, b = np.random.default_rng(6).normal(size=(3, 5)), np.array([0.3, -0.1, 0.0])
    proba = np.asarray(DualPoint(W, b).proba(Rows.of(X)))
    assert np.allclose(proba, np.exp(log_softmax(X @ W.T + b, axis=1)), rtol=1e-12)


def test_balanced_probabilities_have_the_sums_of_the_labels():
    _, codes, weights = noisy(n=200, K=4)
    codes[codes == 3] = 0  # a class that no row has
    proba = np.random.default_rng(1).dirichlet(np.ones(4), 200)
    found = np.asarray(balance(RowArray.of(proba), codes, weights))
    assert np.allclose(weights @ found, np.bincount(codes, weights, minlength=4), atol=1e-10)
    assert np.allclose(found.sum(axis=1), 1.0)
    assert found.min() >= 0.0


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_no_probabilities_prove_an_optimum_where_classes_are_separable(fit_intercept):
    """However they are chosen: the curvature is positive here, only the distance to a dual point is too large."""
    rng = np.random.default_rng(2)
    codes = np.arange(120) % 3
    X = np.eye(3)[codes] + 0.1 * rng.random((120, 3))
    problem = Problem(Rows.of(X), codes, np.ones(120), 3, ElasticNet(0.0, 0.0), fit_intercept)
    for sharpness in (0.0, 1.0, 3.0):
        for _ in range(5):
            z = sharpness * X + 0.3 * rng.normal(size=(120, 3))
            assert unpenalised.existence(problem, softmax(z, axis=1)) is None
