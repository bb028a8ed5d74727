"""L2 problems of unusual shape: the row space, one factor for all classes, rows that stand for all."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from inklens.linear import Problem, Rows, solve
from inklens.linear.methods import costs, direct, newton, row_space
from inklens.linear.methods.systems import (
    BUY_SHARE,
    Metric,
    Preconditioning,
    SharedMetric,
    build_shared,
    solve_system,
    times_hessian,
)
from inklens.linear.problem.penalties import ElasticNet, penalty_of
from inklens.linear.rows import row_arrays
from inklens.linear.rows.row_arrays import RowArray


def wide(seed, n_samples=40, n_features=300, n_classes=3, kind="dense"):
    """Return rows with far more columns, a constant one and a repeated row among them, and labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) + rng.normal(size=(n_samples, 1))
    X[:, 5] = 2.0
    X[1] = X[0]
    if kind == "sparse":
        X = sparse.csr_matrix(np.where(rng.random(X.shape) < 0.2, X, 0.0))
    return X, rng.integers(0, n_classes, n_samples)


def problem_of(X, codes, C=1.0, penalty=None, weights=None, fit_intercept=True):
    weights = C * (np.ones(len(codes)) if weights is None else weights)
    return Problem(Rows.of(X), codes, weights, int(codes.max()) + 1, penalty or penalty_of(0.0), fit_intercept)


# ---- the row space ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(("C", "fit_intercept"), [(0.01, True), (1.0, False), (100.0, True)])
def test_the_row_space_holds_the_optimum(kind, C, fit_intercept, monkeypatch):
    """scikit-learn's optimum over all columns is that of the problem with a column for each row."""
    monkeypatch.setattr(row_space, "suits", lambda problem: True)
    monkeypatch.setattr(direct, "suits", lambda problem: problem.rows.n_features < 100)
    X, codes = wide(3, kind=kind)
    found = solve(problem_of(X, codes, C, fit_intercept=fit_intercept), tol=1e-9)
    peer = LogisticRegression(C=C, solver="newton-cg", tol=1e-9, max_iter=500, fit_intercept=fit_intercept).fit(
        X, codes
    )
    assert found.status == "certified"
    np.testing.assert_allclose(found.coef, peer.coef_, atol=2e-4)
    assert np.all(found.coef[:, 5] == 0.0) or not fit_intercept or kind == "sparse"


def test_the_row_space_knows_a_penalty_for_each_column(monkeypatch):
    """Its last point is the optimum over all columns, before any step over these."""
    X, codes = wide(4)
    problem = problem_of(X, codes, penalty=ElasticNet(0.0, np.random.default_rng(0).uniform(0.1, 10.0, X.shape[1])))
    *_, last = row_space.iterates(problem, newton.newton, 1e-9)
    monkeypatch.setattr(row_space, "suits", lambda problem: False)
    best = solve(problem, tol=1e-8)
    assert best.status == "certified"
    value = problem.evaluate(last.coef, last.intercept, dtype=np.float64).loss + problem.penalty.value(last.coef)
    assert value == pytest.approx(best.objective, rel=1e-7)


def test_the_row_space_keeps_offsets_and_weights(monkeypatch):
    """The optimum without the row space, with scores that rows bring along."""
    X, codes = wide(6)
    rng = np.random.default_rng(0)
    made = problem_of(X, codes, weights=rng.uniform(0.1, 3.0, len(codes)))
    made = replace(made, offset=rng.normal(size=(len(codes), 3)))
    values = []
    for suits in (True, False):
        monkeypatch.setattr(row_space, "suits", lambda problem, suits=suits: suits)
        monkeypatch.setattr(direct, "suits", lambda problem: problem.rows.n_features < 100)
        values.append(solve(made, tol=1e-8).objective)
    assert values[0] == pytest.approx(values[1], rel=2e-8)


def test_the_row_space_is_left_for_a_few_columns_or_free_ones():
    X, codes = wide(5, n_samples=60, n_features=2000)
    assert row_space.suits(problem_of(X, codes))
    assert not row_space.suits(problem_of(X[:, :90], codes))
    l2 = np.ones(2000)
    l2[7] = 0.0
    assert not row_space.suits(problem_of(X, codes, penalty=ElasticNet(0.0, l2)))


# ---- preconditioners -------------------------------------------------------------------------------------------------


def system(seed, n_classes=6):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 12)) @ (np.eye(12) + 0.5 * rng.normal(size=(12, 12)))
    problem = problem_of(X, rng.integers(0, n_classes, 400), weights=rng.uniform(0.1, 3.0, 400))
    vector = 0.2 * rng.normal(size=(n_classes, 13))
    return (
        problem,
        vector,
        problem.evaluate(np.ascontiguousarray(vector[:, :-1]), vector[:, -1], dtype=np.float64).proba,
    )


@pytest.mark.parametrize("seed", range(3))
def test_one_factor_for_all_classes_solves_systems(seed):
    """Near enough to the inverse that a system is solved, and a symmetric positive one on vectors that sum to zero."""
    problem, vector, proba = system(seed)
    metric = build_shared(problem, np.asarray(proba))
    u, v = np.random.default_rng(seed).normal(size=(2, *vector.shape))
    u, v = u - u.mean(axis=0), v - v.mean(axis=0)
    np.testing.assert_allclose(np.vdot(u, metric.solve(v)), np.vdot(v, metric.solve(u)), rtol=1e-3, atol=1e-6)
    assert np.vdot(v, metric.solve(v)) > 0.0
    found = solve_system(problem, proba, metric, v, 1e-6)
    np.testing.assert_allclose(times_hessian(problem, proba)(found), v, atol=1e-3)


def test_a_dearer_preconditioner_is_bought_when_products_have_paid_for_it(monkeypatch):
    problem, vector, proba = system(0)
    monkeypatch.setattr(costs, "metric_seconds", lambda *a: 100.0 * costs.pass_seconds(problem))
    preconditioning = Preconditioning(problem)
    assert isinstance(preconditioning.at(vector, proba), SharedMetric)
    preconditioning.count(int(100 * BUY_SHARE))
    assert isinstance(preconditioning.at(vector, proba), SharedMetric)
    preconditioning.count(1)
    assert isinstance(preconditioning.at(vector, proba), Metric)


def test_what_costs_little_is_bought_at_once():
    problem, vector, proba = system(0)
    assert isinstance(Preconditioning(problem).at(vector, proba), Metric)


# ---- rows that stand for all -----------------------------------------------------------------------------------------


def test_rare_classes_and_heavy_rows_are_among_those_that_stand_for_all():
    rng = np.random.default_rng(7)
    codes = (rng.random(20_000) < 0.3).astype(int)
    codes[[5, 500, 15_000]] = 2
    weights = np.ones(20_000)
    weights[77] = 1e4
    problem = problem_of(rng.normal(size=(20_000, 4)), codes, weights=weights)
    part = newton._representatives(problem)
    assert part.rows.n_samples < 2_000
    assert part.weights.max() == 1e4
    np.testing.assert_allclose(part.class_weights[2], 3.0, rtol=0.5)
    np.testing.assert_allclose(part.class_weights, problem.class_weights, rtol=0.5)


def test_a_tall_problem_takes_few_passes():
    """13 to 17; 24 and more without rows that stand for all."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30_000, 6)) @ (np.eye(6) + rng.normal(size=(6, 6)) / 4.0)
    codes = (X @ rng.normal(size=(6, 3)) + rng.gumbel(size=(30_000, 3))).argmax(axis=1)
    found = solve(problem_of(X, codes))
    assert found.status == "certified"
    assert found.n_passes <= 19


# ---- what they stand on ----------------------------------------------------------------------------------------------


def test_magnitudes_are_never_too_small():
    """Exact for columns of one sign, a bound for others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X[:, 0], X[:, 1] = np.abs(X[:, 0]), -np.abs(X[:, 1])
    weights = rng.uniform(0.0, 2.0, 300)
    truth = np.abs(X).T @ weights
    found = problem_of(X, rng.integers(0, 2, 300), weights=weights).magnitudes
    np.testing.assert_allclose(found[:2], truth[:2])
    assert (found >= truth).all()
    assert (found <= 1.5 * truth).all()


def test_row_arrays_in_pieces_are_those_at_once(monkeypatch):
    """Pieces of seven rows and a rest; spare lanes are zeros, which passes read."""
    rng = np.random.default_rng(0)
    z = RowArray.of(rng.normal(size=(45, 3)))
    at_once = np.asarray(RowArray.combine(lambda a: 2.0 * a, z))
    monkeypatch.setattr(row_arrays, "CACHED_ENTRIES", 21)
    pieces = RowArray.combine(lambda a: 2.0 * a, z)
    np.testing.assert_array_equal(np.asarray(pieces), at_once)
    assert [part.stop - part.start for part, _ in pieces.readings()] == [7] * 6 + [3]
    assert (pieces.held.base[:, 3:] == 0.0).all()
    assert np.asarray(RowArray.combine(lambda a: a.sum(axis=1), z)).shape == (45,)
