"""Newton's rounds in one call (`rounds.c`): the same points as those of steps one by one, of any layout."""

from itertools import islice

import numpy as np
import pytest
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import deadline
from inklens.linear.driver import solve
from inklens.linear.kernels import library
from inklens.linear.methods import direct
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.rows import layouts
from inklens.linear.rows.rows import Rows

LAYOUTS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "bytes": lambda X: X.astype(np.uint8),
    "csr": sparse.csr_array,
}

pytestmark = pytest.mark.skipif(library.active() == "numpy", reason="the compiled kernels are not built here")


def made(
    layout="float64", n_classes=3, *, n=700, p=9, scale=1.0, l2=1.0, fit_intercept=True, n_threads=1, density=0.25
):
    """Return a problem with a column that is constant; labels depend on the others."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((n, p)) < density, rng.integers(1, 200, (n, p)), 0.0)
    X[:, p // 2] = 7.0
    scores = (X / 100.0) @ rng.normal(size=(p, n_classes))
    codes = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    rows = Rows.of(LAYOUTS[layout](X), scale=scale, n_threads=n_threads)
    weights = rng.uniform(0.5, 1.5, n)
    return Problem(rows, codes, weights, n_classes, ElasticNet(0.0, np.full(p, l2)), fit_intercept)


def one_by_one(problem, monkeypatch, n_points, start=None):
    """Return the points of steps in Python, each by its own passes and LAPACK's factor."""
    coef, intercept = start or (np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes))
    with monkeypatch.context() as patch:
        patch.setattr(direct, "goes_at_once", lambda problem: False)
        return list(islice(direct.iterates(problem, coef, intercept, 1e-9), n_points))


def at_once(problem, start=None):
    """Return the points up to one that is proven to 1e-9."""
    coef, intercept = start or (np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes))
    points = []
    for point in islice(direct.taken_at_once(problem, coef, intercept, 1e-9), 30):
        points.append(point)
        if point.gap <= 1e-9 * point.objective:
            return points
    raise AssertionError("thirty rounds prove nothing")


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.objective == pytest.approx(other.objective, rel=1e-10)
        assert one.gap == pytest.approx(other.gap, rel=1e-5, abs=1e-9 * other.objective)
        np.testing.assert_allclose(one.coef, other.coef, atol=1e-8 * np.abs(other.coef).max())
        np.testing.assert_allclose(one.intercept, other.intercept, atol=1e-8)
        assert (one.dual is None) == (other.dual is None)
        if one.dual is not None:
            np.testing.assert_allclose(one.dual.direction, other.dual.direction, atol=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_the_points_are_those_of_steps_one_by_one(layout, n_classes, monkeypatch):
    problem = made(layout, n_classes, scale=1 / 64, l2=0.3)
    assert direct.goes_at_once(problem)
    found = at_once(problem)
    assert_same(found, one_by_one(problem, monkeypatch, len(found)))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_and_intercepts_change_no_point(fit_intercept, n_threads, monkeypatch):
    problem = made(n_threads=n_threads, fit_intercept=fit_intercept, n=3000, scale=1 / 64)
    monkeypatch.setattr("inklens.linear.rows.rows.THREAD_WORK", 10)
    found = at_once(problem)
    assert_same(found, one_by_one(problem, monkeypatch, len(found)))


def test_steps_that_are_too_long_are_shortened(monkeypatch):
    """From far away the first whole step ends higher than it began."""
    problem, rng = made(scale=1 / 64), np.random.default_rng(3)
    start = rng.normal(0.0, 4.0, (3, 9)), np.zeros(3)
    start[0][:, 4] = 0.0
    start[0][...] -= start[0].mean(axis=0)  # as every point of theirs
    found = at_once(problem, start)
    step = found[0].dual
    moved = found[0].coef - start[0]
    assert np.abs(moved).max() < 0.9 * np.abs(step.direction).max(), "this start is to need shorter steps"
    assert_same(found, one_by_one(problem, monkeypatch, len(found), start))


def test_rows_of_several_blocks_are_one(monkeypatch):
    monkeypatch.setattr(layouts, "MOST_ROWS", 256)
    problem = made(scale=1 / 64, density=0.6)  # so many are not packed
    assert len(problem.rows.blocks) == 3
    assert direct.goes_at_once(problem)
    found = at_once(problem)
    assert_same(found, one_by_one(problem, monkeypatch, len(found)))
    halves = [np.array(block.exact.values) for block in problem.rows.blocks]
    assert not Rows.of(halves[::-1]).takes_rounds, "arrays that do not follow each other in memory"


def test_what_is_no_plain_ridge_goes_one_by_one():
    plain = made()
    assert direct.goes_at_once(plain)
    costless = np.ones(9)
    costless[0] = 0.0
    for penalty in (ElasticNet(0.0, costless), ElasticNet(0.5, 0.5), GroupLasso(1.0, 1.0), ElasticNet(0.0, 0.0)):
        assert not direct.goes_at_once(plain.under(penalty))
    fixed = Problem(plain.rows, plain.codes, plain.weights, 3, plain.penalty, offset=np.zeros((700, 3)))
    assert not direct.goes_at_once(fixed)
    assert not direct.goes_at_once(made(n_classes=6, p=40)), "more coefficients than a small factor is for"


def test_rows_that_are_changed_are_noticed():
    problem = made("float64", density=0.6)
    values = problem.rows.blocks[0].exact.values
    values[3, 2] = np.nan
    with pytest.raises(DataError, match="changed"):
        solve(problem)


def test_time_that_is_over_ends_the_rounds():
    problem = made()
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        at_once(problem)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e4])
def test_a_fit_is_certified_and_counts_its_rounds(C):
    problem = made(scale=1 / 64).at(C)
    found = solve(problem, tol=1e-6)
    assert found.status == "certified"
    assert found.gap <= 1e-6
    assert len(found.history) > found.n_iter >= 2
    seen = []
    solve(problem, tol=1e-6, callback=lambda solution: seen.append(solution.n_iter))
    assert seen == list(range(1, found.n_iter)), "a callback is called for each round but the last"


def test_sparse_rows_of_few_values():
    """Rows without any value, and columns that only one row has."""
    X = sparse.random_array((300, 12), density=0.03, rng=np.random.default_rng(5), format="csr")
    codes = np.arange(300) % 3
    problem = Problem(Rows.of(X), codes, np.ones(300), 3, ElasticNet(0.0, 1.0))
    assert solve(problem, tol=1e-8).status == "certified"
