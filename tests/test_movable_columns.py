"""Columns that cannot move under thresholds are left out of a fit, of its optimum nothing is."""

import numpy as np
import pytest
from scipy import sparse

from inklens import SoftmaxRegression
from inklens.linear import driver
from inklens.linear.driver import solve
from inklens.linear.movable import Movable
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.rows.rows import Rows

PENALTIES = {
    "L1": ElasticNet(1.0, 0.0),
    "elastic net": ElasticNet(0.7, 0.25),
    "signs": ElasticNet(1.0, 0.0, signs=np.array([[1.0], [-1.0], [1.0], [1.0]])),
    "groups": GroupLasso(1.0, 0.1),
    "factors": ElasticNet(np.where(np.arange(150) % 10, np.linspace(0.3, 2.0, 150), 0.0), 0.0),
}


def words(seed, *, weights=False, signed=False, n=150, p=150, n_classes=4):
    """Return few words in each row, most of them rare, their labels and weights."""
    rng = np.random.default_rng(seed)
    rate = np.minimum(0.5, 30.0 / np.arange(1, p + 1) ** 2)
    X = (rng.random((n, p)) < rate) * rng.uniform(0.1, 1.0, (n, p))
    if signed:
        X *= rng.choice([-1.0, 1.0], (n, p))
    y = (X[:, :n_classes] * 5.0 + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    return sparse.csr_array(X), y, rng.uniform(0.1, 2.0, n) if weights else np.ones(n)


def problem(name, seed, **kinds):
    X, y, weights = words(seed, **kinds)
    offset = np.random.default_rng(seed).normal(size=(len(y), 4)) if seed % 2 else None
    return Problem(Rows.of(X), y, weights, 4, PENALTIES[name], offset=offset)


@pytest.mark.parametrize("kinds", [{}, {"weights": True}, {"signed": True}], ids=["plain", "weights", "signed"])
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_without_a_column_that_is_left_out_no_objective_is_larger(name, kinds, seed):
    """Of coefficients of all sizes: large ones make residuals that reach their bound."""
    given, rng = problem(name, seed, **kinds), np.random.default_rng(seed)
    found = Movable.of(given)
    if found is None:
        assert "signed" in kinds  # of which the sums of |x| are known roughly
        return
    out = np.setdiff1d(np.arange(150), found.columns)
    assert len(out) > 75
    for size in (1e-3, 0.1, 1.0, 30.0, 1e3):
        W, b = size * rng.normal(size=(4, 150)), size * rng.normal(size=4)
        W = given.penalty.feasible(W)
        for j in rng.choice(out, 12):
            without = W.copy()
            without[:, j] = 0.0
            before, after = (
                given.evaluate(each, b, dtype=np.float64).loss + given.penalty.value(each) for each in (W, without)
            )
            assert after <= before * (1.0 + 1e-12)


@pytest.mark.parametrize("penalty", [ElasticNet(1.0, 0.0), GroupLasso(1.0, 0.0)], ids=["L1", "groups"])
def test_what_stays_may_move_indeed(penalty):
    """Each row has a column of its own, and scores so wrong that its residual is as large as residuals get."""
    sizes, y = np.linspace(0.55, 1.15, 40), np.arange(40) % 2
    X = sparse.csr_array((sizes, (np.arange(40), np.arange(40))), (40, 120))
    given = Problem(Rows.of(X), y, np.ones(40), 3, penalty)
    b = np.array([30.0, 0.0, 0.0])  # all rows are taken for class 0
    moves = []
    for j in range(1, 40, 2):
        W = np.zeros((3, 120))
        W[:2, j] = (-1e-6, 1e-6) if penalty.is_grouped else (-1e-6, 0.0)
        gained = given.evaluate(0.0 * W, b, dtype=np.float64).loss - given.evaluate(W, b, dtype=np.float64).loss
        moves.append(gained > penalty.value(W))
    assert 0 < sum(moves) < 20
    assert np.isin(np.arange(1, 40, 2), Movable.of(given).columns).tolist() == moves


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_fit_is_the_one_over_all_columns(name, seed, monkeypatch):
    given = problem(name, seed, weights=True)
    found = solve(given, tol=1e-9)
    out = np.setdiff1d(np.arange(150), Movable.of(given).columns)
    proven = certificates.certify(given, found.coef, found.intercept, dual=found.dual)
    assert proven.lower_bound == pytest.approx(found.lower_bound, rel=1e-7)
    monkeypatch.setattr(driver, "Movable", type("Nobody", (), {"of": staticmethod(lambda _: None)}))
    whole = solve(given, tol=1e-9)
    assert found.status == whole.status == "certified"
    assert not found.coef[:, out].any()
    assert not whole.coef[:, out].any()
    assert whole.lower_bound <= found.objective * (1.0 + 1e-12)
    assert found.lower_bound <= whole.objective * (1.0 + 1e-12)
    assert found.objective == pytest.approx(whole.objective, rel=1e-8)


def test_rows_of_which_little_would_be_spared_stay_as_they_are():
    X, y, weights = words(0)
    L1, L2 = PENALTIES["L1"], ElasticNet(0.0, 1.0)
    assert Movable.of(Problem(Rows.of(X), y, weights, 4, L1)) is not None
    for rows, penalty in ((X, L2), (X, ElasticNet(1e-3, 0.0)), (X, ElasticNet(1e3, 0.0)), (X.toarray(), L1)):
        assert Movable.of(Problem(Rows.of(rows), y, weights, 4, penalty)) is None
    long = sparse.vstack([X] * 40, format="csr")  # far more numbers than coefficients
    assert Movable.of(Problem(Rows.of(long), np.tile(y, 40), np.tile(weights, 40) / 40.0, 4, L1)) is None


def test_a_column_whose_units_forbid_it_is_named_still():
    X, y, weights = words(0)
    X = sparse.hstack([X, sparse.csr_array((y == 1)[:, None] * 1e-3)], format="csr")
    found = solve(Problem(Rows.of(X), y, weights, 4, PENALTIES["L1"]))
    assert Movable.of(Problem(Rows.of(X), y, weights, 4, PENALTIES["L1"])) is not None
    assert np.flatnonzero(found.unheard).tolist() == [150]


def test_a_start_that_uses_them_ends_at_the_same_optimum():
    X, y, _ = words(3)
    model = SoftmaxRegression(l1_ratio=1.0, tol=1e-8, warm_start=True).fit(X, y)
    optimum = model.objective_
    model.coef_ = np.random.default_rng(0).normal(size=model.coef_.shape)
    assert model.fit(X, y).objective_ == pytest.approx(optimum, rel=1e-7)
