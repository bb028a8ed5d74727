"""From any start, however far, a fit proves the same optimum; from a good one it has less to do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens.linear.driver import solve
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows
from inklens.linear.starts import begun, nowhere

TOL = 1e-8
N_CLASSES, N_FEATURES = 3, 5


def problem(penalty, **options):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, N_FEATURES))
    codes = (X[:, :N_CLASSES] + 2.0 * rng.gumbel(size=(len(X), N_CLASSES))).argmax(axis=1)
    return Problem(Rows.of(X), codes, rng.uniform(0.5, 2.0, len(X)), N_CLASSES, penalty, **options)


OFFSET = np.random.default_rng(6).normal(size=(80, N_CLASSES)) * 3.0
PROBLEMS = {
    "L2": problem(ElasticNet(0.0, 0.5)),
    "L1": problem(ElasticNet(1.0, 0.0)),
    "elastic net": problem(ElasticNet(0.5, 0.25)),
    "groups": problem(GroupLasso(1.0, 0.0)),
    "none": problem(ElasticNet(0.0, 0.0)),
    "not of every column": problem(ElasticNet(np.array([0.0, 1.0, 1.0, 1.0, 1.0]), 0.0)),
    "positive": problem(ElasticNet(0.5, 0.25, signs=np.ones((N_CLASSES, 1)))),
    "offset": problem(ElasticNet(0.0, 0.5), offset=OFFSET),
    "no intercept": problem(ElasticNet(1.0, 0.0), fit_intercept=False),
}
SIZES = st.sampled_from([0.0, 1e-8, 1.0, 10.0, 1e2, 1e3, 1e8, 1e30, 1e150, 1e200, 1e308])


@pytest.mark.parametrize("name", PROBLEMS)
@settings(max_examples=25)
@given(size=SIZES, of_intercept=SIZES, seed=st.integers(0, 99))
def test_every_start_leads_to_the_proven_optimum(name, size, of_intercept, seed):
    rng = np.random.default_rng(seed)
    coef = size * rng.uniform(-1.0, 1.0, (N_CLASSES, N_FEATURES))
    intercept = of_intercept * rng.uniform(-1.0, 1.0, N_CLASSES) * PROBLEMS[name].fit_intercept
    found = solve(PROBLEMS[name], tol=TOL, start=(coef, intercept))
    known = solve(PROBLEMS[name], tol=TOL)
    assert found.status == known.status == "certified", found.remark(TOL)
    assert max(found.lower_bound, known.lower_bound) <= min(found.objective, known.objective) * (1.0 + 1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_start_at_the_optimum_is_kept(name):
    known = solve(PROBLEMS[name], tol=TOL)
    kept = begun(PROBLEMS[name], (known.coef, known.intercept))
    assert objective(PROBLEMS[name], *kept) <= known.objective * (1.0 + 1e-12)


@pytest.mark.parametrize("name", ["none", "not of every column"])
@given(size=st.floats(0.0, 20.0), of_intercept=st.floats(0.0, 20.0), seed=st.integers(0, 999))
def test_where_no_penalty_tells_no_start_is_higher_than_none(name, size, of_intercept, seed):
    rng, each = np.random.default_rng(seed), PROBLEMS[name]
    start = (
        size * rng.uniform(-1.0, 1.0, (N_CLASSES, N_FEATURES)) ** 3,
        of_intercept * rng.uniform(-1.0, 1.0, N_CLASSES),
    )
    level, there = objective(each, *nowhere(each)), objective(each, *begun(each, start))
    assert there <= level * (1.0 + 1e-12)


def test_a_start_below_none_is_kept_though_its_parts_look_high():
    """Without a centre, large intercepts belong to the weights of columns that are far from 0."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) + 1e3
    codes = (X[:, 0] > 1e3).astype(int)
    far = Problem(Rows.of(X), codes, np.ones(60), 2, ElasticNet(0.0, 1e-3))
    known = solve(far, tol=1e-6)
    assert np.abs(known.intercept).max() > 100.0
    kept = begun(far, (known.coef, known.intercept))
    assert np.array_equal(kept[1], known.intercept)


def objective(each, coef, intercept):
    return each.evaluate(coef, intercept, dtype=np.float64).loss + each.penalty.value(coef)
