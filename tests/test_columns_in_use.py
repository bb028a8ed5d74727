"""Few columns in use: their own optimum and those that want in, in turns, beside proximal Newton and NumPy."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from inklens import SoftmaxRegression
from inklens.linear.driver import choose, solve
from inklens.linear.methods import columns_in_use
from inklens.linear.methods.newton import log_odds
from inklens.linear.methods.prox_newton import PROXIMAL_NEWTON
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows

ENGINE = columns_in_use.COLUMNS_IN_USE
LAYOUTS = {
    "dense": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "sparse": lambda X: sparse.csr_matrix(X * (np.abs(X) > 1.0)),
    "bytes": lambda X: np.clip(60.0 * np.abs(X), 0, 255).astype(np.uint8),
}


def problem_of(n_classes=3, n_samples=90, n_features=400, penalty=None, layout="dense", seed=0, **options):
    """Some columns tell the classes, the others nothing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    scores = 2.0 * X[:, :6] @ rng.normal(size=(6, n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    codes, weights = scores.argmax(axis=1), rng.uniform(0.2, 2.0, n_samples)
    return Problem(Rows.of(LAYOUTS[layout](X)), codes, weights, n_classes, penalty or ElasticNet(9.0, 0.0), **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("penalty", [ElasticNet(6.0, 0.0), ElasticNet(5.0, 2.0)], ids=["l1", "elastic net"])
def test_both_engines_have_one_optimum(layout, n_classes, penalty):
    """Each bound lies below the other's objective, and the conditions hold in plain NumPy."""
    problem = problem_of(n_classes, penalty=penalty, layout=layout)
    if layout == "bytes":
        problem = problem.under(penalty.times(80.0))
    ours, others = (solve(problem, tol=1e-6, method=method) for method in (ENGINE, PROXIMAL_NEWTON))
    assert ours.status == others.status == "certified"
    assert ours.lower_bound <= others.objective * (1.0 + 1e-12)
    assert others.lower_bound <= ours.objective * (1.0 + 1e-12)
    assert 0 < np.count_nonzero(ours.coef.any(axis=0)) < 128
    at = problem.evaluate(ours.coef, ours.intercept, dtype=np.float64)
    assert problem.penalty.kkt_violation(ours.coef, -at.gradient) < 0.01


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_what_has_no_room_is_left_to_others(monkeypatch, fit_intercept):
    """A weak penalty wants more columns than a call takes: no copy has more, and the fit is certified all the same."""
    problem, widths = problem_of(penalty=ElasticNet(0.3, 0.0), fit_intercept=fit_intercept), []
    copied = columns_in_use.few_columns
    monkeypatch.setattr(
        columns_in_use, "few_columns", lambda rows, columns: widths.append(len(columns)) or copied(rows, columns)
    )
    found = solve(problem, tol=1e-5, method=ENGINE)
    assert found.status == "certified"
    assert np.count_nonzero(found.coef.any(axis=0)) > max(widths)
    assert max(widths) <= columns_in_use.room_of(problem) == 42


def test_a_start_at_the_optimum_ends_there_and_one_far_away_arrives():
    problem = problem_of()
    best = solve(problem, tol=1e-9, method=ENGINE)
    again = solve(problem, tol=1e-6, method=ENGINE, start=(best.coef, best.intercept))
    assert again.n_iter == 1
    far = np.where(np.arange(400) < 30, 5.0, 0.0) * np.array([[1.0], [-1.0], [0.0]])
    found = solve(problem, tol=1e-6, method=ENGINE, start=(far, np.zeros(3)))
    assert found.objective == pytest.approx(best.objective, rel=1e-6)


def test_nothing_moves_where_no_gradient_passes_its_threshold():
    problem = problem_of(penalty=ElasticNet(1e4, 0.0))
    found = solve(problem, method=ENGINE)
    assert found.status == "certified"
    assert not found.coef.any()
    counts = np.bincount(problem.codes, problem.weights) / problem.weights.sum()
    np.testing.assert_allclose(found.intercept, np.log(counts) - np.log(counts).mean(), atol=1e-8)


def test_it_serves_thresholds_of_few_classes_and_rows():
    problem = problem_of(n_features=4_000)
    assert choose(problem) is ENGINE
    assert ENGINE.accepts(problem)
    for other in (GroupLasso(9.0, 0.0), ElasticNet(0.0, 1.0), ElasticNet(9.0, 0.0).signed(np.ones((3, 1)))):
        assert not ENGINE.accepts(problem.under(other))
    assert not ENGINE.accepts(replace(problem, offset=np.zeros((90, 3))))
    assert not ENGINE.accepts(problem_of(n_classes=9))
    assert not ENGINE.accepts(problem_of(n_samples=200_000, n_features=20))


def test_the_least_columns_come_in_that_the_optimum_needs(monkeypatch):
    """Sets grow from those that want in most, twofold at most; none is as large as a quarter of the table."""
    problem, sets = problem_of(), []
    copied = columns_in_use.few_columns
    monkeypatch.setattr(columns_in_use, "few_columns", lambda rows, own: sets.append(own) or copied(rows, own))
    at = problem.evaluate(np.zeros((3, 400)), log_odds(problem), dtype=np.float64)
    found = solve(problem, tol=1e-6, method=ENGINE)
    ratio = problem.penalty.threshold_ratio(-at.gradient).max(axis=0)
    assert set(sets[0]) == set(np.argsort(-ratio)[: columns_in_use.FIRST])
    assert all(len(after) <= 3 * len(before) for before, after in pairwise(sets))
    assert set(np.flatnonzero(found.coef.any(axis=0))) <= set(sets[-1])


def test_a_path_follows_it():
    """Fits of two strengths of the penalty by the public estimator, sparse text-like rows."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((200, 5_000), density=0.01, rng=rng, format="csr")
    y = (X[:, :40].sum(axis=1) > np.median(X[:, :40].sum(axis=1))).astype(int)
    for C in (1.0, 10.0):
        model = SoftmaxRegression(l1_ratio=1.0, C=C, tol=1e-6).fit(X, y)
        assert model.status_ == "certified"
