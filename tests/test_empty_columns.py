"""Columns that hold nothing change nothing: not the optimum, not the proof, and hardly the time."""

import numpy as np
import pytest
from scipy import sparse

from inklens import SoftmaxRegression, SoftmaxRegressionCV, softmax_path
from inklens.linear import memory
from inklens.linear.coordinates import Filled
from inklens.linear.driver import FitInterrupted, solve
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.rows.rows import Rows

N_FEATURES, N_CLASSES = 40, 3
PLACES = np.sort(np.random.default_rng(1).choice(5 * N_FEATURES, N_FEATURES, replace=False))
PENALTIES = {
    "L2": ElasticNet(0.0, 0.5),
    "L1": ElasticNet(1.0, 0.0),
    "elastic net": ElasticNet(0.5, 0.25),
    "groups": GroupLasso(1.0, 0.1),
    "none": ElasticNet(0.0, 0.0),
}


def data(n=120, seed=0):
    """Return rows, the same with empty columns between, and labels."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, N_FEATURES)) * (rng.random((n, N_FEATURES)) < 0.3)
    X[0] = 1.0  # no column is empty
    y = (X[:, :N_CLASSES] * 4.0 + rng.gumbel(size=(n, N_CLASSES))).argmax(axis=1)
    wide = np.zeros((n, 5 * N_FEATURES))
    wide[:, PLACES] = X
    return sparse.csr_array(X), sparse.csr_array(wide), y


def problem(X, y, penalty):
    return Problem(Rows.of(X), y, np.ones(len(y)), N_CLASSES, penalty)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_fit_is_the_one_without_them(name):
    X, wide, y = data()
    whole = problem(wide, y, PENALTIES[name])
    narrow, found = solve(problem(X, y, PENALTIES[name]), tol=1e-8), solve(whole, tol=1e-8)
    assert whole.rows.n_passes >= found.n_passes > 0.0
    assert found.coef.shape == (N_CLASSES, 5 * N_FEATURES)
    assert np.array_equal(found.coef[:, PLACES], narrow.coef)
    assert not np.delete(found.coef, PLACES, axis=1).any()
    assert (found.status, found.lower_bound, found.n_passes) == (narrow.status, narrow.lower_bound, narrow.n_passes)


@pytest.mark.parametrize("name", [name for name in PENALTIES if name != "none"])
def test_its_proof_holds_over_all_columns(name):
    """What is shown of the dual point proves the bound where nobody knows of columns that are left out."""
    _, wide, y = data()
    whole = problem(wide, y, PENALTIES[name])
    found = solve(whole, tol=1e-8)
    proven = certificates.certify(whole, found.coef, found.intercept, dual=found.dual)
    assert proven.lower_bound == pytest.approx(found.lower_bound, rel=1e-7)


def test_a_direction_that_separates_is_one_of_all_columns():
    X, wide, y = data(n=25)
    narrow, found = (solve(problem(each, y, PENALTIES["none"])) for each in (X, wide))
    assert found.status == narrow.status == "separated"
    z = wide @ found.separation.coef.T + found.separation.intercept
    own = z[np.arange(len(y)), y]
    z[np.arange(len(y)), y] = -np.inf
    assert (own - z.max(axis=1) >= found.separation.margin * (1.0 - 1e-9)).all()


def test_weights_of_single_columns_and_a_start_find_their_columns():
    X, wide, y = data()
    factor = np.random.default_rng(3).uniform(0.5, 2.0, N_FEATURES)
    spread = np.ones(5 * N_FEATURES)
    spread[PLACES] = factor
    settings = {"C": 0.5, "l1_ratio": 0.5, "tol": 1e-8, "standardize": True, "warm_start": True}
    narrow = SoftmaxRegression(penalty_factor=factor, **settings).fit(X, y)
    found = SoftmaxRegression(penalty_factor=spread, **settings).fit(wide, y)
    np.testing.assert_allclose(found.coef_[:, PLACES], narrow.coef_, atol=1e-9)
    before = found.coef_
    np.testing.assert_allclose(found.fit(wide, y).coef_, before, atol=1e-5)


def test_a_start_is_taken_along_and_brought_back():
    _, wide, y = data()
    filled = Filled.of(problem(wide, y, PENALTIES["L2"]))
    W, b = np.random.default_rng(2).normal(size=(N_CLASSES, 5 * N_FEATURES)), np.arange(3.0)
    inside = filled.start(W, b)
    assert np.array_equal(inside[0], W[:, PLACES])
    back, intercept = filled.restore(*inside)
    assert np.array_equal(back[:, PLACES], W[:, PLACES])
    assert np.array_equal(intercept, b)


def test_paths_and_folds_are_the_same():
    X, wide, y = data()
    narrow, found = (softmax_path(each, y, Cs=6, C=1.0) for each in (X, wide))
    assert np.array_equal(found.coefs[:, :, PLACES], narrow.coefs)
    assert found.n_passes == narrow.n_passes > 0.0
    narrow, found = (SoftmaxRegressionCV(Cs=4, cv=3, l1_ratios=(1.0,)).fit(each, y) for each in (X, wide))
    assert narrow.C_ == found.C_
    np.testing.assert_allclose(found.coef_[:, PLACES], narrow.coef_, atol=1e-5)


def test_who_watches_sees_all_columns():
    _, wide, y = data()
    shapes = []

    def interrupt(solution):
        shapes.append(solution.coef.shape)
        raise KeyboardInterrupt

    with pytest.raises(FitInterrupted) as caught:
        solve(problem(wide, y, PENALTIES["L2"]), callback=interrupt)
    assert shapes == [caught.value.solution.coef.shape] == [(N_CLASSES, 5 * N_FEATURES)]


def test_small_columns_are_named_by_their_own_numbers():
    """A column of some information in tiny units is told of, by its place among all."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    wide = np.zeros((300, 30))
    wide[:, 17] = y * 1e-6
    wide[:, 4] = rng.random(300)
    found = solve(Problem(Rows.of(sparse.csr_array(wide)), y, np.ones(300), 2, ElasticNet(0.0, 1.0)))
    assert np.flatnonzero(found.unheard).tolist() == [17]


@pytest.mark.parametrize(
    "X", [np.eye(3, 40), sparse.csr_array((5, 40)), sparse.csr_array(np.ones((5, 4)))], ids=["dense", "zeros", "full"]
)
def test_other_rows_stay_as_they_are(X):
    X = np.ones_like(X) if isinstance(X, np.ndarray) else X
    assert (
        Filled.of(
            Problem(Rows.of(X), np.arange(len(range(X.shape[0]))) % 2, np.ones(X.shape[0]), 2, ElasticNet(0.0, 1.0))
        )
        is None
    )


def test_more_columns_than_memory_holds_are_refused_before_anything_is_made(monkeypatch):
    X, wide, y = data()
    monkeypatch.setattr(memory, "free", lambda: 8 * N_CLASSES * 2 * N_FEATURES)
    with pytest.raises(MemoryError, match=r"3 classes of 40 columns take about .* are free; leave columns out"):
        solve(problem(X, y, PENALTIES["L2"]))
    monkeypatch.setattr(memory, "free", lambda: 100 * 8 * N_CLASSES * N_FEATURES)
    assert solve(problem(wide, y, PENALTIES["L2"])).status == "certified"  # most of them hold nothing
