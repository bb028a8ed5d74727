"""Rounds under thresholds in one call (`thresholded_rounds.c`): they end at the optimum, of any layout and penalty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import log_softmax, softmax

from inklens.linear import deadline
from inklens.linear.driver import solve
from inklens.linear.kernels import library
from inklens.linear.methods import thresholded
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows

LAYOUTS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "bytes": lambda X: X.astype(np.uint8),
    "csr": sparse.csr_array,
}
HELD = np.array([[True], [False]])

pytestmark = pytest.mark.skipif(library.active() == "numpy", reason="the compiled kernels are not built here")


def made(layout="float64", n_classes=3, *, n=400, p=8, l1=20.0, l2=0.0, fit_intercept=True, seed=0, n_threads=1):
    """Return a problem, the rows as they count, and the sizes of its thresholds and ridges, one for each column."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, p)) < 0.4, rng.integers(1, 200, (n, p)), 0.0)
    X[:, p // 2] = 7.0
    scores = (X / 100.0) @ rng.normal(size=(p, n_classes)) + rng.normal(size=n_classes)
    codes = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    codes[:n_classes] = np.arange(n_classes)
    sizes = rng.uniform(0.5, 1.5, p) * l1, rng.uniform(0.5, 1.5, p) * l2
    rows = Rows.of(LAYOUTS[layout](X), scale=1 / 64, n_threads=n_threads)
    weights = rng.uniform(0.5, 1.5, n)
    return Problem(rows, codes, weights, n_classes, ElasticNet(*sizes), fit_intercept), X / 64, sizes


def taken(problem, tol=1e-12):
    coef, intercept = np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes)
    for _ in range(5):
        last = thresholded.taken_at_once(problem, coef, intercept, tol)
        coef, intercept = last.coef, last.intercept
    return last


def assert_optimal(problem, X, sizes, last, tol=1e-5):
    """Check the optimality conditions in NumPy alone: |G| <= l1 at zero, G = l1 sign + l2 w elsewhere."""
    scores = X @ last.coef.T + last.intercept
    off = (np.eye(problem.n_classes)[problem.codes] - softmax(scores, axis=1)) * problem.weights[:, None]
    G, (l1, l2) = off.T @ X, sizes
    first = thresholded.n_held(problem.penalty)
    violation = np.where(
        last.coef != 0.0, np.abs(G - l1 * np.sign(last.coef) - l2 * last.coef), np.maximum(np.abs(G) - l1, 0.0)
    )
    assert (violation[first:] <= tol * l1).all()
    if problem.fit_intercept:
        assert np.abs(off.sum(axis=0)).max() <= tol * problem.weights.sum()
    else:
        assert not last.intercept.any()
    loss = -(problem.weights * log_softmax(scores, axis=1)[np.arange(len(X)), problem.codes]).sum()
    penalty = (l1 * np.abs(last.coef)).sum() + 0.5 * (l2 * last.coef**2).sum()
    assert last.objective == pytest.approx(loss + penalty, rel=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_rounds_end_at_the_optimum(layout, n_classes):
    problem, X, sizes = made(layout, n_classes)
    assert thresholded.goes_at_once(problem)
    last = taken(problem)
    assert_optimal(problem, X, sizes, last)
    assert 0 < np.count_nonzero(last.coef) < last.coef.size


@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(2, 5),
    l1=st.floats(0.5, 200.0),
    l2=st.sampled_from([0.0, 5.0]),
    fit_intercept=st.booleans(),
)
def test_rounds_end_at_the_optimum_of_any_problem(seed, n_classes, l1, l2, fit_intercept):
    problem, X, sizes = made(n=120, p=5, n_classes=n_classes, l1=l1, l2=l2, fit_intercept=fit_intercept, seed=seed)
    assert_optimal(problem, X, sizes, taken(problem), tol=1e-3)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_change_no_point(n_threads, monkeypatch):
    monkeypatch.setattr("inklens.linear.rows.rows.THREAD_WORK", 10)
    alone, others = (taken(made(n=2000, n_threads=threads)[0]) for threads in (1, n_threads))
    np.testing.assert_allclose(others.coef, alone.coef, atol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_of_two_classes_one_row_may_move(fit_intercept):
    problem, X, sizes = made(n_classes=2, fit_intercept=fit_intercept)
    held = problem.under(ElasticNet(*sizes, held=HELD))
    last = taken(held)
    assert not last.coef[0].any()
    assert_optimal(held, X, sizes, last)


def test_a_column_that_an_intercept_replaces_stays_at_zero():
    problem, X, _ = made(l1=0.1)
    assert not problem.free[X.shape[1] // 2]
    assert not taken(problem).coef[:, X.shape[1] // 2].any()


def test_what_they_do_not_do_is_left_to_steps_one_by_one():
    problem = made()[0]
    assert not thresholded.goes_at_once(problem.under(GroupLasso(1.0, 0.0)))
    wide, *_ = made(n=150, p=60)
    assert not thresholded.goes_at_once(wide)


def test_a_fit_by_rounds_is_as_good_as_one_by_steps(monkeypatch):
    problem = made()[0]
    result = solve(problem, tol=1e-6)
    monkeypatch.setattr(thresholded, "goes_at_once", lambda problem: False)
    other = solve(problem, tol=1e-6)
    assert result.status == other.status == "certified"
    assert result.objective == pytest.approx(other.objective, rel=2e-6)
    assert result.lower_bound <= other.objective
    assert other.lower_bound <= result.objective


def test_time_that_is_over_ends_the_rounds():
    problem, *_ = made(n=5000)
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        list(thresholded.iterates(problem, np.zeros((3, 8)), np.zeros(3), 1e-9))
