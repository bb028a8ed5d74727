"""Folds of small tables, fitted together: the optimum, and bounds that no optimum passes."""

import array_api_strict
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from inklens import SoftmaxRegressionCV
from inklens.linear import search
from inklens.linear.driver import solve
from inklens.linear.methods.stacked_newton import StackedNewton
from inklens.linear.problem.build import Penalizing
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.fits_by_rows import FitsByRows
from inklens.linear.proofs.stacked import StackedFits, lower_bounds
from inklens.linear.rows import layouts
from inklens.linear.rows.on_device import DeviceRows
from inklens.linear.rows.rows import Rows

GRID = np.geomspace(1e-3, 1e3, 3)
TABLES = {"iris": load_iris, "wine, raw": load_wine, "two classes": load_breast_cancer}


def table(name):
    X, y = TABLES[name](return_X_y=True)
    return (X if "raw" in name else (X - X.mean(axis=0)) / X.std(axis=0)), y


def five_folds(n):
    fold_of = np.random.default_rng(0).permutation(n) % 5
    return [search.Fold(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(5)]


def problem_of(X, y, *, fit_intercept=True, weights=None, single=False, factors=None):
    weights = np.ones(len(y)) if weights is None else weights
    asked = Penalizing(0.0, False, single, False, factors, False)
    return asked.problem(Rows.of(X, n_threads=1), y, weights, len(np.unique(y)), fit_intercept=fit_intercept)


@pytest.fixture
def never_alone(monkeypatch):
    def fail(*_):
        raise AssertionError("a fold was fitted alone")

    monkeypatch.setattr(search, "fold_path", fail)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("most_unknowns", [150, 0])  # systems solved directly, and by conjugate gradients
def test_fits_and_gaps_are_those_of_fits_one_by_one(name, fit_intercept, most_unknowns, never_alone, monkeypatch):
    monkeypatch.setattr("inklens.linear.methods.stacked_newton.MOST_UNKNOWNS", most_unknowns)
    X, y = table(name)
    weights = np.random.default_rng(1).uniform(0.1, 3.0, len(y))
    X = np.column_stack([X, np.full(len(X), 7.0)])  # a constant column, which is not free beside an intercept
    problem = problem_of(X, y, fit_intercept=fit_intercept, weights=weights, single=name == "two classes")
    folds = five_folds(len(y))
    paths = search.fold_paths(problem, folds, GRID, 1e-6)
    for fold, path in zip(folds[::3], paths[::3], strict=True):
        part = problem.over(fold.train, weights=weights[fold.train])
        for point, C in enumerate(GRID):
            at = part.at(C)
            proven = certificates.certify(at, path.coefs[point], path.intercepts[point])
            ours = (1.0 - path.gaps[point]) * proven.objective
            alone = solve(at, tol=1e-9)
            assert path.gaps[point] <= 1e-6
            assert ours <= alone.objective
            assert proven.objective == pytest.approx(alone.objective, rel=2e-6)
            assert abs(ours - proven.lower_bound) <= 1e-7 * proven.objective, (ours - proven.lower_bound, C)


def test_no_bound_passes_the_optimum_anywhere():
    X, y = table("iris")
    rng, folds = np.random.default_rng(2), five_folds(len(y))
    weights = np.zeros((5, len(y)))
    for own, fold in zip(weights, folds, strict=True):
        own[fold.train] = rng.uniform(0.1, 10.0, len(fold.train))
    ones = np.column_stack([X, np.ones(len(X))])
    fits, ridge = StackedFits(ones, y, weights, 3, True), np.append(rng.uniform(0.1, 10.0, 4), 0.0)

    def objective(flat, own):
        W = flat.reshape(3, 5)
        z = ones @ W.T
        z -= z.max(axis=1, keepdims=True)
        logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        residual = own[:, None] * (np.exp(logs) - np.eye(3)[y])
        loss = -(own * logs[np.arange(len(y)), y]).sum() + 0.5 * (ridge * W**2).sum()
        return loss, (residual.T @ ones + ridge * W).ravel()

    optima = np.array([minimize(objective, np.zeros(15), own, jac=True, tol=1e-12).fun for own in weights])
    for size in (0.0, 0.1, 1.0, 10.0, 1e4):
        W = size * rng.normal(size=(5, 3, 5))
        loss, proba = fits.loss_and_proba(W)
        assert (lower_bounds(fits, W, loss, proba, ridge) <= optima * (1.0 + 1e-9)).all()
    point = StackedNewton(fits).fit(ridge, 1e-9)
    reached = [objective(W.ravel(), own)[0] for W, own in zip(point.W, weights, strict=True)]
    np.testing.assert_allclose(reached, optima, rtol=1e-8)
    assert (point.gaps <= 1e-9).all()


def test_what_is_not_proven_together_is_fitted_alone(monkeypatch):
    X, y = table("iris")
    problem, folds = problem_of(X, y), five_folds(len(y))
    together = search.fold_paths(problem, folds, GRID, 1e-3)
    monkeypatch.setattr("inklens.linear.methods.stacked_newton.MOST_ROUNDS", 7)
    unproven = [path.gaps > 1e-3 for path in search._stacked(problem, folds, GRID, 1e-3)]
    assert np.any(unproven)
    assert not np.all(unproven)
    alone = search.fold_paths(problem, folds, GRID, 1e-3)
    for one, other in zip(together, alone, strict=True):
        assert (other.gaps <= 1e-3).all()
        np.testing.assert_allclose(one.coefs, other.coefs, atol=0.2 * np.abs(one.coefs).max())


@pytest.mark.parametrize("n_columns", [240, 40])
def test_a_path_along_axes_that_breaks_off_is_gone_on_with_alone(n_columns, monkeypatch):
    """What was found stays, and a fold goes on from there."""
    X, y = wide_table("sparse")
    problem, folds, begun = problem_of(X[:, :n_columns], y), five_folds(len(y)), []
    monkeypatch.setattr(search, "_is_small", lambda *_: False)
    whole = search.fold_paths(problem, folds, GRID, 1e-6)
    one_by_one, along = search.fold_path, search._points
    monkeypatch.setattr(search, "_points", lambda *given: along(*given)[:2])

    def noted(problem, fold, grid, tol, start=None):
        begun.append((grid.tolist(), start))
        return one_by_one(problem, fold, grid, tol, start)

    monkeypatch.setattr(search, "fold_path", noted)
    broken = search.fold_paths(problem, folds, GRID, 1e-6)
    assert [grid for grid, _ in begun] == [GRID[2:].tolist()] * 5
    for one, other, (_, start) in zip(whole, broken, begun, strict=True):
        assert (other.gaps <= 1e-6).all()
        np.testing.assert_array_equal(start[0], other.coefs[1])
        np.testing.assert_array_equal(other.coefs[:2], one.coefs[:2])
        np.testing.assert_allclose(other.coefs[2], one.coefs[2], atol=0.02 * np.abs(one.coefs[2]).max())


def test_separable_classes_under_weak_penalties_are_proven():
    X, y = table("iris")
    chosen = y < 2
    model = SoftmaxRegressionCV(Cs=np.geomspace(1e-2, 1e9, 6), l1_ratios=(0.0,)).fit(X[chosen], y[chosen])
    assert (model.path_gaps_ <= model.path_tol).all()


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_scores_are_those_of_fits_one_by_one(scoring, monkeypatch):
    X, y = table("wine, raw")
    made = {"Cs": GRID, "l1_ratios": (0.0,), "scoring": scoring, "path_tol": 1e-7}
    together = SoftmaxRegressionCV(**made).fit(X, y)
    monkeypatch.setattr(search, "_is_small", lambda *_: False)
    alone = SoftmaxRegressionCV(**made).fit(X, y)
    np.testing.assert_allclose(together.scores_, alone.scores_, atol=1e-3)
    assert together.C_ == alone.C_


def wide_table(kind):
    """Return fewer rows than columns: words of texts, or dense columns far from zero, with labels that they tell."""
    rng = np.random.default_rng(4)
    y = np.arange(90) % 3
    X = rng.poisson(np.where(rng.random((3, 240)) < 0.2, 0.5, 0.05)[y]).astype(float)
    if kind == "sparse":
        return sparse.csr_array(X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1.0)), y
    return X + rng.normal(3.0, 0.3, X.shape), y


@pytest.mark.parametrize("n_columns", [240, 40])  # more than rows, and fewer
@pytest.mark.parametrize("kind", ["sparse", "dense"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_folds_along_axes_go_together_and_are_proven_as_they_are(
    n_columns, kind, fit_intercept, never_alone, monkeypatch
):
    monkeypatch.setattr(search, "_is_small", lambda *_: False)
    X, y = wide_table(kind)
    X = X[:, :n_columns]
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    problem, folds = problem_of(X, y, fit_intercept=fit_intercept, weights=weights), five_folds(len(y))
    paths = search.fold_paths(problem, folds, GRID, 1e-6)
    for fold, path in zip(folds[::2], paths[::2], strict=True):
        part = problem.over(fold.train, weights=weights[fold.train])
        for point, C in enumerate(GRID):
            at = part.at(C)
            proven = certificates.certify(at, path.coefs[point], path.intercepts[point])
            assert path.gaps[point] <= 1e-6
            assert (1.0 - path.gaps[point]) * proven.objective <= solve(at, tol=1e-9).objective
            assert abs((1.0 - path.gaps[point]) * proven.objective - proven.lower_bound) <= 1e-7 * proven.objective


def test_wide_folds_with_penalties_of_their_own_are_fitted_alone():
    X, y = wide_table("dense")
    problem = problem_of(X, y, factors=np.linspace(0.5, 2.0, X.shape[1]))
    assert not search._has_axes(problem, 5)
    assert search._has_axes(problem_of(X, y), 5)
    paths = search.fold_paths(problem, five_folds(len(y))[:2], GRID[:2], 1e-4)
    assert all((path.gaps <= 1e-4).all() for path in paths)


def test_wide_rows_that_are_lost_beside_their_mean_are_proven_all_the_same():
    """Products of rows far from zero tell nothing of what differs; such folds are fitted alone where that matters."""
    X, y = wide_table("sparse")
    far = X.toarray() + 1e6
    paths = search.fold_paths(problem_of(far, y), five_folds(len(y))[:2], np.array([1.0]), 1e-4)
    assert all((path.gaps <= 1e-4).all() for path in paths)


# ---- rows on a device ------------------------------------------------------------------------------------------------


@pytest.fixture
def on_device(monkeypatch):
    """A function that puts rows on a device that NumPy cannot look into, in two blocks."""
    monkeypatch.setattr(layouts, "BROUGHT_BELOW", 0)
    monkeypatch.setattr(layouts, "SHARE_MEMORY", False)
    device = array_api_strict.Device("device1")
    return lambda X: Rows.of([array_api_strict.asarray(part, device=device) for part in np.array_split(X, 2)])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("is_away", [True, False])
def test_what_rows_tell_of_many_fits_is_what_arrays_do(fit_intercept, is_away, on_device):
    X, y = table("wine, raw")
    rng = np.random.default_rng(0)
    X = np.column_stack([X / X.max(axis=0), np.full(len(X), 3.0)])
    weights = rng.uniform(0.0, 2.0, (4, len(y))) * (rng.random((4, len(y))) < 0.8)
    problem = problem_of(X, y, fit_intercept=fit_intercept)
    problem = Problem(on_device(X) if is_away else Rows.of(X), y, problem.weights, 3, problem.penalty, fit_intercept)
    free = X[:, problem.free]
    fits = StackedFits(
        np.column_stack([free, np.ones(len(X))]) if fit_intercept else free, y, weights, 3, fit_intercept
    )
    others = FitsByRows(problem, weights.T)
    assert (others.n_samples, others.n_features, others.n_classes) == (fits.n_samples, fits.n_features, 3)
    for name in ("magnitudes", "farthest", "totals", "wanted"):
        np.testing.assert_allclose(getattr(others, name), getattr(fits, name), rtol=1e-9)
    W, D = rng.normal(size=(2, 4, 3, fits.n_features))
    (loss, proba), (other_loss, other) = fits.loss_and_proba(W), others.loss_and_proba(W)
    np.testing.assert_allclose(other_loss, loss, rtol=1e-12)
    np.testing.assert_allclose(others.gradient(other), fits.gradient(proba), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(others.hessian(other)(D), fits.hessian(proba)(D), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(others.curvature(other), fits.curvature(proba), rtol=1e-12)
    ridge = np.append(np.ones(len(free.T)), np.zeros(int(fit_intercept)))
    bounds = lower_bounds(others, W, other_loss, other, ridge), lower_bounds(fits, W, loss, proba, ridge)
    np.testing.assert_allclose(*bounds, rtol=1e-9)
    small = 1e-3 * W
    near = [lower_bounds(each, small, *each.loss_and_proba(small), 1e3 * ridge) for each in (others, fits)]
    np.testing.assert_allclose(*near, rtol=1e-9)
    assert (near[0] > 0.0).all()
    mix, where = rng.dirichlet(np.ones(3), (4, 3)).swapaxes(1, 2), np.array([True, False, True, False])
    chosen = fits.either(proba, fits.mixed(proba, mix), where)
    by_rows = others.either(other, others.mixed(other, mix), where)
    np.testing.assert_allclose(others.entropy(by_rows), fits.entropy(chosen), rtol=1e-12)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_folds_on_a_device_are_fitted_together(name, fit_intercept, on_device, never_alone):
    """Each pass serves all folds, and the gaps are proven there."""
    X, y = table(name)
    X = X / X.std(axis=0)
    weights = np.random.default_rng(1).uniform(0.1, 3.0, len(y))
    here = problem_of(X, y, fit_intercept=fit_intercept, weights=weights)
    away = Problem(on_device(X), y, weights, here.n_classes, here.penalty, fit_intercept)
    assert isinstance(away.rows, DeviceRows)
    folds = five_folds(len(y))
    paths = search.fold_paths(away, folds, GRID[:2], 1e-5)
    for fold, path in zip(folds[::3], paths[::3], strict=True):
        part = here.over(fold.train, weights=weights[fold.train])
        for point, C in enumerate(GRID[:2]):
            alone = solve(part.at(C), tol=1e-9)
            proven = certificates.certify(part.at(C), path.coefs[point], path.intercepts[point])
            assert path.gaps[point] <= 1e-5
            assert (1.0 - path.gaps[point]) * proven.objective <= alone.objective
            assert proven.objective == pytest.approx(alone.objective, rel=2e-5)


def test_what_a_device_has_no_room_for_is_fitted_a_fold_at_a_time(on_device, monkeypatch):
    X, y = table("iris")
    here = problem_of(X, y)
    folds = five_folds(len(y))
    for name in ("MOST_AXES", "MOST_DEVICE_SCORES"):
        with monkeypatch.context() as context:
            context.setattr(search, name, 1)
            away = Problem(on_device(X), y, here.weights, 3, here.penalty)
            assert search._stacked_on_device(away, folds, GRID, 1e-4) == []
            assert all((path.gaps <= 1e-4).all() for path in search.fold_paths(away, folds, GRID[:1], 1e-4))


def test_columns_beyond_what_single_precision_squares_are_fitted_a_fold_at_a_time(on_device):
    X, y = table("iris")
    X = X * np.array([1.0, 1.0, 1.0, 1e22])
    here = problem_of(X, y)
    away = Problem(on_device(X), y, here.weights, 3, here.penalty)
    with np.errstate(over="ignore"):
        assert search._stacked_on_device(away, five_folds(len(y)), GRID, 1e-4) == []
