"""Newton's steps under thresholds by the whole Hessian: the quadratic's minimum, the model, and the fits."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from inklens.linear import memory
from inklens.linear.driver import choose, solve
from inklens.linear.kernels.choice import REFERENCE, numpy_backend
from inklens.linear.methods import direct, face_descent, few, interior, prox_newton, thresholded, whole_steps
from inklens.linear.methods.direct import RIDGES
from inklens.linear.methods.face_descent import Quadratic, minimise
from inklens.linear.methods.newton import log_odds
from inklens.linear.methods.points import Point
from inklens.linear.methods.shrinking_face import ShrinkingFace
from inklens.linear.methods.whole_hessian import Slopes, model_at
from inklens.linear.methods.whole_steps import Aim, Hessians, corrected_step, newton_step
from inklens.linear.problem.penalties import ElasticNet, GroupLasso, of_one_row
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows

PENALTIES = {
    "l1": ElasticNet(1.0, 0.0), "elastic net": ElasticNet(0.5, 0.5), "group": GroupLasso(1.0, 0.0),
    "group with ridge": GroupLasso(0.7, 0.3),
}  # fmt: skip
LAYOUTS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "bytes": lambda X: np.clip(np.abs(X) * 40.0, 0, 255).astype(np.uint8),
    "csr": lambda X: sparse.csr_matrix(X * (np.abs(X) > 0.8)),
}


def table(n_classes=3, n_samples=240, n_features=9, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    codes = (X @ rng.normal(size=(n_features, n_classes)) + 2.0 * rng.gumbel(size=(n_samples, n_classes))).argmax(
        axis=1
    )
    return X, codes, rng.uniform(0.1, 3.0, n_samples)


def problem_of(X, codes, weights, penalty, **options):
    return Problem(Rows.of(X), codes, weights, int(codes.max()) + 1, penalty, **options)


def violation(f, w, v):
    """The largest distance from the subdifferential, feature by feature, in thresholds; 0 at the minimum alone."""
    slope, q, worst = f.gradient + f.H @ (v - w), len(f.l1), 0.0
    for j in range(q):
        g, own = slope[j::q] + f.l2[j] * v[j::q], v[j::q]
        if f.is_grouped:
            size = np.linalg.norm(own)
            off = np.linalg.norm(g + f.l1[j] * own / size) if size else max(np.linalg.norm(g) - f.l1[j], 0.0)
        else:
            off = np.where(own == 0.0, np.maximum(np.abs(g) - f.l1[j], 0.0), np.abs(g + f.l1[j] * np.sign(own))).max()
        worst = max(worst, off / f.l1[j])
    return worst


def quadratic(*, is_grouped, n_classes=3, q=8, rank=30, ridge=0.0, seed=0, twins=0.0):
    """A quadratic that may be singular; `twins`: by how much the second half of the columns differs from the first."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(rank, n_classes, q))
    columns -= columns.mean(axis=1, keepdims=True) if n_classes > 1 else 0.0  # no curvature where classes move alike
    if twins:
        columns[:, :, q // 2 :] = columns[:, :, : q // 2] + twins * columns[:, :, q // 2 :]
    factor = columns.reshape(rank, -1)
    l1 = rng.uniform(0.5, 2.0, q) * np.where(np.arange(q) % 4, 1.0, 1e4)  # some features stay at zero
    return Quadratic(factor.T @ factor, 6.0 * factor.T @ rng.normal(size=rank), l1, np.full(q, ridge), is_grouped)


# ---- the quadratic's minimum -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("rank", [12, 30, 200])
def test_the_minimum_obeys_its_conditions(is_grouped, ridge, rank):
    """Where curvature is missing as well, and from a start that is far."""
    f = quadratic(is_grouped=is_grouped, rank=rank, ridge=ridge)
    start = np.random.default_rng(5).normal(size=len(f.gradient))
    v, gradient, left = minimise(f, start, 1e-8)
    assert left <= 1e-8
    assert violation(f, start, v) <= 1e-7
    np.testing.assert_allclose(gradient, f.gradient + f.H @ (v - start), atol=1e-8 * np.abs(f.H).max())
    assert (v == 0.0).any()


def test_columns_that_nearly_agree_are_told_apart():
    """Sweeps move them against each other by a millionth; steps from zero to zero do."""
    f = quadratic(is_grouped=False, n_classes=1, q=40, rank=200, twins=1e-3)
    v, _, left = minimise(f, np.zeros(40), 1e-6)
    assert left <= 1e-6
    assert violation(f, np.zeros(40), v) <= 1e-5
    sweeps = numpy_backend().threshold_descent(
        f.H, f.gradient.copy(), np.zeros(40), f.l1, f.l2, is_grouped=False, tolerance=1e-6, max_looks=12
    )
    assert sweeps > 1e-3


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(3, 24))
def test_a_face_that_shrinks_has_the_directions_of_what_is_left(seed, size):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size + 3, size))
    curvature, slope = factor.T @ factor, rng.normal(size=size)
    face, own, left = ShrinkingFace(curvature, slope, RIDGES), rng.normal(size=size), np.arange(size)
    while len(left) > 1:
        step = np.zeros(size)
        step[left] = rng.normal(size=len(left))
        tried = face.tried(own, own + step)
        assert tried.gain == pytest.approx(-step @ slope - 0.5 * step @ curvature @ step)
        face.take(tried)
        own, slope = tried.ends, slope + curvature @ step
        gone = rng.choice(left, rng.integers(1, len(left)), replace=False)
        face.lose(gone)
        left = np.setdiff1d(left, gone)
        expected = np.zeros(size)
        expected[left] = -np.linalg.solve(curvature[np.ix_(left, left)], slope[left])
        np.testing.assert_allclose(face.newton(), expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_of_many_columns_that_nearly_agree_one_of_two_is_left():
    """A hundred coefficients come to zero one after the other; with sixty at most the fit took 150 rounds."""
    rng = np.random.default_rng(4)
    half = rng.normal(size=(1200, 40))
    codes = (half @ rng.normal(size=(40, 4)) / 2.0 + rng.gumbel(size=(1200, 4))).argmax(axis=1)
    X = np.hstack([half, half + 10.0 ** rng.uniform(-6, -2, 40) * rng.normal(size=half.shape)])
    found = solve(problem_of(X, codes, np.full(1200, 100.0), PENALTIES["l1"]), tol=1e-5, max_iter=20)
    assert found.status == "certified"
    assert np.count_nonzero(found.coef) < 0.6 * found.coef.size


@pytest.mark.parametrize("backend", [numpy_backend(), REFERENCE], ids=lambda backend: backend.name)
@pytest.mark.parametrize("is_grouped", [False, True])
def test_descent_tells_what_it_leaves(backend, is_grouped):
    f = quadratic(is_grouped=is_grouped, rank=100)
    g, v = f.gradient.copy(), np.zeros(len(f.gradient))
    left = backend.threshold_descent(f.H, g, v, f.l1, f.l2, is_grouped=is_grouped, tolerance=1e-9, max_looks=1)
    np.testing.assert_allclose(g, f.gradient + f.H @ v, atol=1e-9)
    assert left == pytest.approx(violation(f, np.zeros(len(v)), v), rel=1e-9)
    left = backend.threshold_descent(f.H, g, v, f.l1, f.l2, is_grouped=is_grouped, tolerance=1e-9, max_looks=500)
    assert left <= 1e-9 or not is_grouped
    assert left < violation(f, np.zeros(len(v)), np.zeros(len(v)))


def test_what_is_no_number_is_left():
    """A violation that is none never counts as small."""
    f = quadratic(is_grouped=False)
    g = f.gradient.copy()
    g[3] = np.nan
    left = numpy_backend().threshold_descent(
        f.H, g, np.zeros(len(g)), f.l1, f.l2, is_grouped=False, tolerance=1e-3, max_looks=2
    )
    assert not left <= 1e-3


# ---- the model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_model_is_the_losss_expansion_with_the_best_intercepts(n_classes, fit_intercept):
    """By products with the Hessian: the same growth along any direction, and no slope along the intercepts."""
    X, codes, weights = table(n_classes)
    X[:, 4] = 2.0  # a constant column: the intercept's, where there is one
    penalty = of_one_row(PENALTIES["l1"]) if n_classes == 2 else PENALTIES["l1"]
    problem = problem_of(X, codes, weights, penalty, fit_intercept=fit_intercept)
    rng = np.random.default_rng(1)
    coef = 0.3 * rng.normal(size=(n_classes, X.shape[1])) * problem.free
    coef[: 1 if n_classes == 2 else 0] = 0.0
    point = Point.of(problem, coef, np.zeros(n_classes), np.float64)
    model, slopes = model_at(problem, point), Slopes(point.at.gradient, point.at.intercept_gradient)
    quadratic = model.quadratic(penalty, slopes)
    d = rng.normal(size=len(quadratic.gradient))
    direction, step = model.step(d, slopes)
    np.testing.assert_array_equal(direction[model.moving].ravel(), d)
    assert np.count_nonzero(direction) == len(d)
    product, sums = problem.rows.hessian_product(point.at.proba, weights, direction, step)
    growth = float(((point.at.gradient + 0.5 * product) * direction).sum())
    growth += float((point.at.intercept_gradient + 0.5 * sums) @ step)
    still = model.step(np.zeros_like(d), slopes)[1]  # what the intercepts gain by themselves
    constant = growth - float(quadratic.gradient @ d + 0.5 * d @ quadratic.H @ d)
    assert constant == pytest.approx(0.5 * float(point.at.intercept_gradient @ still), abs=1e-9 * abs(growth))
    if fit_intercept:
        np.testing.assert_allclose(point.at.intercept_gradient + sums, 0.0, atol=1e-8)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_a_step_promises_what_the_objective_does_nearby(penalty):
    """At an optimum moved a little the objective falls as predicted, up to third order."""
    X, codes, weights = table()
    problem = problem_of(X, codes, weights, penalty)
    best = solve(problem, tol=1e-10)
    ratios = []
    for size in (1e-2, 1e-3):
        point = Point.of(problem, (1.0 + size) * best.coef, best.intercept, np.float64)
        step, left = newton_step(problem, point, model_at(problem, point), Aim.at(problem, point, 1e-10))
        assert left.is_little
        fall = point.objective(penalty) - step.from_point(problem, point, np.float64).objective(penalty)
        ratios.append(abs(fall / step.predicted_decrease - 1.0))
    assert ratios[0] < 0.05
    assert ratios[1] < 0.2 * ratios[0]


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("layout", ["float64", "bytes", "csr"])
def test_one_matrix_tells_all_pairs_without_coefficients(layout, n_classes):
    X, codes, weights = table(n_classes)
    problem = problem_of(LAYOUTS[layout](X), codes, weights, PENALTIES["l1"])
    intercept = np.random.default_rng(1).normal(size=n_classes)
    for offset in (None, np.random.default_rng(2).normal(size=(len(X), n_classes))):
        own = replace(problem, offset=offset)
        point = Point.of(own, np.zeros((n_classes, X.shape[1])), intercept, np.float64)
        found, told = direct.edge_grams(own, point), own.rows.edge_grams(point.at.proba, weights)
        np.testing.assert_allclose(found, told, rtol=1e-12, atol=1e-12 * np.abs(told).max())


# ---- a Hessian that serves again -------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_corrections_lead_to_the_minimum_of_the_points_own_model(penalty, n_classes):
    """With the Hessian of another point: the step is the same, and so is what it promises."""
    X, codes, weights = table(n_classes)
    own = of_one_row(penalty) if n_classes == 2 else None
    problem = problem_of(X, codes, weights, own or penalty)
    best = solve(problem_of(X, codes, weights, penalty), tol=1e-9)
    coef = best.coef - best.coef[0] if own else best.coef
    near, far = (Point.of(problem, size * coef, best.intercept, np.float64) for size in (0.97, 0.8))
    aim = Aim.at(problem, near, 1e-9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole_steps, "FORCING_RATIO", 0.0)
        patch.setattr(whole_steps, "KEPT_FORCING_RATIO", 0.0)
        patch.setattr(whole_steps, "MAX_CORRECTIONS", 60)
        patch.setattr(whole_steps, "SLOW_RATIO", 2.0)
        exact, _ = newton_step(problem, near, model_at(problem, near), aim)
        corrected, left = corrected_step(problem, near, model_at(problem, far), aim)
    assert not left.is_own
    assert corrected.n_products > 2
    ours, true = (step.coef - step.coef.mean(axis=0) for step in (corrected, exact))  # thresholds leave a shift open
    np.testing.assert_allclose(ours, true, atol=1e-4 * np.abs(true).max())
    np.testing.assert_allclose(corrected.intercept, exact.intercept, atol=1e-4 * np.abs(exact.coef).max())
    assert corrected.predicted_decrease == pytest.approx(exact.predicted_decrease, rel=1e-6)
    assert corrected.slope == pytest.approx(exact.slope, rel=1e-4)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("C", [0.1, 30.0])
def test_fits_whose_hessians_serve_again_have_the_same_optimum(monkeypatch, penalty, n_classes, C):
    """Each bound lies below the other's objective, fewer Hessians are summed, and as much is believed as proven."""
    X, codes, weights = table(n_classes, n_samples=600)
    problem = problem_of(X, codes, C * weights, penalty)
    monkeypatch.setattr(thresholded, "goes_at_once", lambda problem: False)
    found, counts = [], []
    for dear in (np.inf, 0.0):
        monkeypatch.setattr(whole_steps, "DEAR_PASSES", dear)
        summed = []
        monkeypatch.setattr(whole_steps, "model_at", lambda *at, n=summed: n.append(at) or model_at(*at))
        found.append(solve(problem, tol=1e-8, method=few.FEW_COEFFICIENTS))
        counts.append(len(summed))
    own, kept = found
    assert own.status == kept.status == "certified"
    assert own.lower_bound <= kept.objective * (1.0 + 1e-12)
    assert kept.lower_bound <= own.objective * (1.0 + 1e-12)
    assert counts[1] < counts[0]
    assert kept.n_iter <= 2 * own.n_iter


def test_a_hessian_serves_near_where_it_was_summed_alone(monkeypatch):
    monkeypatch.setattr(whole_steps, "DEAR_PASSES", 0.0)
    X, codes, weights = table()
    problem = problem_of(X, codes, weights, PENALTIES["l1"])
    best = solve(problem, tol=1e-9)
    hessians = Hessians(problem)
    is_own = [
        hessians.step(Point.of(problem, size * best.coef, best.intercept, np.float64), 1e-4)[1].is_own
        for size in (0.9, 0.99, 0.5, 0.99)
    ]
    assert is_own == [True, False, True, False]
    hessians.forget()
    assert hessians.step(Point.of(problem, best.coef, best.intercept, np.float64), 1e-4)[1].is_own


def test_a_point_that_violates_nothing_has_a_step_of_its_own(monkeypatch):
    """As where a strong penalty has taken everything to zero: there is nothing to correct."""
    monkeypatch.setattr(whole_steps, "DEAR_PASSES", 0.0)
    X, codes, weights = table()
    problem = problem_of(X, codes, weights, ElasticNet(1e4, 0.0))
    hessians, zeros = Hessians(problem), np.zeros((3, 9))
    hessians.step(Point.of(problem, zeros + 1.0, np.zeros(3), np.float64), 1e-4)
    point = Point.of(problem, zeros, log_odds(problem), np.float64)
    assert problem.penalty.kkt_violation(point.coef, -point.at.gradient) == 0.0
    step, left = hessians.step(point, 1e-4)
    assert left.is_own
    assert not step.coef.any()


def test_only_hessians_that_cost_many_passes_are_kept():
    narrow, wide = (problem_of(*table(5, 4_000, n_features=q), PENALTIES["l1"]) for q in (5, 200))
    assert not Hessians(narrow).is_dear
    assert Hessians(wide).is_dear


# ---- the fits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("C", [0.02, 1.0, 300.0])
def test_engines_have_one_optimum(penalty, n_classes, C):
    """Each bound lies below the other's objective."""
    X, codes, weights = table(n_classes)
    problem = problem_of(X, codes, C * weights, penalty)
    assert choose(problem) is few.FEW_COEFFICIENTS
    ours, walls = solve(problem, tol=1e-7), solve(problem, tol=1e-5, method=interior.INTERIOR_POINT)
    assert ours.status == walls.status == "certified"
    assert ours.lower_bound <= walls.objective * (1.0 + 1e-12)
    assert walls.lower_bound <= ours.objective * (1.0 + 1e-12)
    assert ours.n_iter <= 12


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_points_of_two_classes_are_symmetric_and_cost_what_they_say(penalty):
    X, codes, weights = table(2)
    problem = problem_of(X, codes, weights, penalty)
    for point in few.thresholded_newton(problem, np.zeros((2, 9)), np.zeros(2), 1e-6):
        np.testing.assert_allclose(point.coef.sum(axis=0), 0.0, atol=1e-12)
        at = problem.evaluate(point.coef, point.intercept, dtype=np.float64)
        assert point.objective == pytest.approx(at.loss + penalty.value(point.coef), rel=1e-12)
        if point.gap <= 1e-6 * point.objective:
            break


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_rows_of_any_layout_are_fitted(layout, fit_intercept):
    X, codes, weights = table()
    problem = problem_of(LAYOUTS[layout](X), codes, weights, PENALTIES["l1"], fit_intercept=fit_intercept)
    ours, others = (solve(problem, tol=1e-6, method=m) for m in (few.FEW_COEFFICIENTS, prox_newton.PROXIMAL_NEWTON))
    assert ours.status == others.status == "certified"
    assert ours.objective == pytest.approx(others.objective, rel=2e-6)
    assert fit_intercept or not ours.intercept.any()


def test_offsets_are_parts_of_the_scores():
    X, codes, weights = table()
    offset = np.random.default_rng(0).normal(size=(len(X), 3))
    problem = replace(problem_of(X, codes, weights, PENALTIES["l1"]), offset=offset)
    ours, others = (solve(problem, tol=1e-6, method=m) for m in (few.FEW_COEFFICIENTS, prox_newton.PROXIMAL_NEWTON))
    assert ours.objective == pytest.approx(others.objective, rel=2e-6)


def test_a_start_at_the_optimum_ends_there():
    X, codes, weights = table()
    problem = problem_of(X, codes, weights, PENALTIES["l1"])
    best = solve(problem, tol=1e-9)
    again = solve(problem, tol=1e-6, start=(best.coef, best.intercept))
    assert again.n_iter <= 2  # rounds that find nothing, and one that proves it
    assert again.objective <= best.objective * (1.0 + 1e-9)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_dummies_that_add_up_and_columns_that_agree_are_certified(penalty):
    """Faces without curvature: levels that sum to the intercept, a column twice, one almost twice."""
    X, codes, weights = table()
    level = np.random.default_rng(3).integers(0, 4, len(X))
    X = np.column_stack([X, np.eye(4)[level], X[:, 0], X[:, 1] + 1e-4 * X[:, 2]])
    found = solve(problem_of(X, codes, weights, penalty), tol=1e-5)
    assert found.status == "certified"
    assert found.n_iter <= 15


def test_very_many_rows_start_near_the_optimum_of_some(monkeypatch):
    X, codes, weights = table(n_samples=8_000)
    problem = problem_of(X, codes, weights, PENALTIES["l1"])
    monkeypatch.setattr(thresholded, "goes_at_once", lambda problem: False)
    whole = solve(problem, tol=1e-6)
    monkeypatch.setattr(prox_newton, "SUBSAMPLE_ROWS", 500)
    monkeypatch.setattr(prox_newton, "ROWS_PER_COEFFICIENT", 1)
    some = solve(problem, tol=1e-6)
    assert some.objective == pytest.approx(whole.objective, rel=1e-6)
    assert some.n_iter < whole.n_iter
    first, first_of_whole = (found.history[0][2] / whole.objective - 1.0 for found in (some, whole))
    assert first < 0.1 * first_of_whole


def test_a_fit_of_many_rows_holds_few_numbers_for_each():
    """Six arrays of probabilities at most, of four lanes each, beside the data; no copy of these in float32."""
    X, codes, weights = table(n_samples=60_000, n_features=12)
    tracemalloc.start()
    found = solve(problem_of(X, codes, weights, PENALTIES["l1"]), tol=1e-4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.status == "certified"
    assert peak < 6 * X.shape[0] * 4 * 8


def test_models_that_stay_unsolved_are_left_to_others(monkeypatch):
    X, codes, weights = table()
    problem = problem_of(X, codes, weights, PENALTIES["l1"])
    whole = face_descent.minimise

    def rough(f, w, tolerance):
        v, gradient, _ = whole(f, w, 10.0)
        return v, gradient, 10.0

    monkeypatch.setattr(whole_steps, "minimise", rough)
    monkeypatch.setattr(thresholded, "goes_at_once", lambda problem: False)
    assert len(list(thresholded.iterates(problem, np.zeros((3, 9)), np.zeros(3), 1e-6))) == thresholded.MAX_UNSOLVED
    assert solve(problem, tol=1e-6).status == "certified"


def test_few_coefficients_are_solved_so_and_many_are_not(monkeypatch):
    penalty = PENALTIES["l1"]
    small, wide = (problem_of(*table(n_features=q), penalty) for q in (9, 300))
    assert few.has_few(small)
    assert not few.has_few(wide)
    assert not few.has_few(small.under(ElasticNet(0.0, 1.0)))
    assert not few.has_few(small.under(penalty.signed(np.ones((3, 1)))))
    assert not few.has_few(small.under(penalty.times(np.arange(9.0))))
    monkeypatch.setattr(few.costs, "whole_step_seconds", lambda *_: 0.0)
    with memory.scope(memory.LEAST):
        assert few.has_few(small)
        assert not few.has_few(problem_of(*table(n_features=2000, n_samples=30), penalty))


def test_many_classes_are_left_to_rounds_that_need_no_whole_hessian(monkeypatch):
    """A step by a matrix over all pairs would cost more than a whole Hessian; one by classes costs less."""
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(3000, 25)), np.arange(3000, dtype=np.int32) % 24
    problem = problem_of(X, codes, np.ones(3000), PENALTIES["l1"])
    assert not few.has_few(problem)
    monkeypatch.setattr(few.Classes, "of", lambda problem: None)
    assert few.has_few(problem)


def test_where_a_share_of_many_pairs_is_in_use_rounds_come_first():
    """Of 4,000 pairs over 30,000 rows a round of all costs what a whole Hessian does, one of a quarter far less."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((30_000, 400)) < 0.2, rng.integers(1, 256, (30_000, 400)), 0).astype(np.uint8)
    problem = problem_of(X, np.arange(30_000, dtype=np.int32) % 10, np.ones(30_000), PENALTIES["l1"])
    of_all = few._rounds_seconds(problem, 4000)
    assert few.costs.whole_step_seconds(problem, 4000) < of_all  # which alone would be no reason
    assert not few.has_few(problem)


# ---- more coefficients: rounds of proximal Newton first --------------------------------------------------------------


def blurred(n_classes=3, C=1e4):
    """Neighbouring columns correlate, and nothing is left out: what float32 and few rows cannot tell apart."""
    rng = np.random.default_rng(3)
    X = np.cumsum(rng.normal(size=(300, 40)), axis=1)
    codes = (X[:, ::4] @ rng.normal(size=(10, n_classes)) / 4.0 + rng.gumbel(size=(300, n_classes))).argmax(axis=1)
    return problem_of(X, codes.astype(np.int32), np.full(300, C), PENALTIES["l1"])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_whole_steps_end_what_rounds_take_long_for(n_classes):
    problem = blurred(n_classes)
    ours = solve(problem, tol=1e-8, method=few.PROXIMAL_THEN_WHOLE)
    rounds = solve(problem, tol=1e-8, method=prox_newton.PROXIMAL_NEWTON, max_iter=40)
    assert ours.status == "certified"
    assert ours.n_iter < 0.8 * rounds.n_iter
    assert ours.lower_bound <= rounds.objective * (1.0 + 1e-12)
    assert rounds.lower_bound <= ours.objective * (1.0 + 1e-12)
    if n_classes == 2:
        np.testing.assert_allclose(ours.coef.sum(axis=0), 0.0, atol=1e-12 * np.abs(ours.coef).max())


def test_rounds_that_prove_what_is_asked_for_are_the_last(monkeypatch):
    """An easy problem never comes to whole steps, and takes the points that it took without them."""
    monkeypatch.setattr(few, "thresholded_newton", lambda *_: pytest.fail("a whole step"))
    X, codes, weights = table()
    problem = problem_of(X, codes, weights, PENALTIES["l1"])
    monkeypatch.setattr(few, "LAST_STEPS", 1e3)
    found = [solve(problem, tol=1e-6, method=m) for m in (few.PROXIMAL_THEN_WHOLE, prox_newton.PROXIMAL_NEWTON)]
    np.testing.assert_array_equal(found[0].coef, found[1].coef)


def test_whole_hessians_without_room_are_not_begun(monkeypatch):
    from inklens.linear.methods import direct

    problem = blurred()
    assert few.has_room(problem)
    assert not few.has_room(problem.under(ElasticNet(0.0, 1.0)))
    monkeypatch.setattr(direct, "MAX_BYTES", direct.memory_of(problem) - 1)
    assert not few.has_room(problem)
