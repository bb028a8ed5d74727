"""The interior-point method: the optimum of the working-set method, and proofs where that one gets nowhere."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from test_sparse_newton import PENALTIES, SHAPES, oracle, random_problem

from inklens import SoftmaxRegression
from inklens.linear import driver as solvers
from inklens.linear.driver import solve
from inklens.linear.methods import interior, prox_newton
from inklens.linear.methods.direct import solve_positive


def solve_by(method, problem, monkeypatch, **limits):
    with monkeypatch.context() as patch:
        patch.setattr(solvers, "choose", lambda *_: method)
        return solve(problem, **limits)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_bound_is_below_and_objective_at_the_oracle_s_optimum(name, shape, monkeypatch):
    problem = random_problem(3, shape, PENALTIES[name])
    solution = solve_by(interior.INTERIOR_POINT, problem, monkeypatch, tol=1e-7, max_iter=300)
    best = oracle(problem)
    assert solution.status == "certified", solution.gap
    assert solution.lower_bound <= best * (1.0 + 1e-12)
    assert solution.objective <= best * (1.0 + 1e-6) + 1e-12


def cross_examine(problem, monkeypatch):
    """Two methods that share nothing but the formula: each one's bound lies below the other's objective."""
    walls = solve_by(interior.INTERIOR_POINT, problem, monkeypatch, tol=1e-7, max_iter=300)
    sets = solve_by(prox_newton.PROXIMAL_NEWTON, problem, monkeypatch, tol=1e-7, max_iter=300)
    assert walls.lower_bound <= sets.objective * (1.0 + 1e-12)
    assert sets.lower_bound <= walls.objective * (1.0 + 1e-12)
    return walls, sets


@pytest.mark.parametrize("name", PENALTIES)
def test_two_methods_prove_each_other(name, monkeypatch):
    for seed in range(10):
        problem = random_problem(seed, SHAPES[seed % len(SHAPES)], PENALTIES[name])
        walls, sets = cross_examine(problem, monkeypatch)
        assert walls.status == sets.status == "certified"
        assert walls.objective == pytest.approx(sets.objective, rel=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_two_methods_prove_each_other_on_problems_of_every_shape(name, shape, monkeypatch):
    for seed in range(100, 102):
        cross_examine(random_problem(seed, shape, PENALTIES[name]), monkeypatch)


@pytest.mark.parametrize("penalty", [{"l1_ratio": 1.0}, {"l1_ratio": 0.5}, {"l1_ratio": 1.0, "group": True}], ids=str)
@pytest.mark.parametrize("C", [100.0, 1e4])
@pytest.mark.parametrize("load", [load_iris, load_wine, pytest.param(load_breast_cancer, marks=pytest.mark.slow)])
def test_weak_penalties_on_raw_columns_are_certified(load, C, penalty):
    X, y = load(return_X_y=True)
    model = SoftmaxRegression(C=C, tol=1e-3, **penalty).fit(X, y)  # a warning would be an error
    assert model.status_ == "certified"
    better = SoftmaxRegression(C=C, tol=1e-4, **penalty).fit(X, y)
    assert model.lower_bound_ <= better.objective_ <= model.objective_ * (1.0 + 1e-9) or better.dual_gap_ <= 1e-4
    assert better.lower_bound_ <= model.objective_
    ridge = SoftmaxRegression(C=C).fit(X, y)
    loss = ridge.objective_ - 0.5 * (ridge.coef_**2).sum()
    W, l1 = ridge.coef_, penalty["l1_ratio"]
    size = np.linalg.norm(W, axis=0).sum() if penalty.get("group") else np.abs(W).sum()
    assert model.lower_bound_ <= loss + l1 * size + 0.5 * (1.0 - l1) * (W**2).sum()  # of any point


def test_weak_penalties_keep_exact_zeros():
    X, y = load_wine(return_X_y=True)
    model = SoftmaxRegression(C=1e4, l1_ratio=1.0, tol=1e-4).fit(X, y)
    assert (model.coef_ == 0.0).mean() > 0.4
    assert ((model.coef_ == 0.0).any(axis=0)).all()  # each column's median is 0: else shifting it would cost less


def test_extreme_class_weights_are_certified():
    X, y = load_iris(return_X_y=True)
    for penalty in ({}, {"l1_ratio": 1.0}, {"l1_ratio": 0.5}, {"l1_ratio": 1.0, "group": True}):
        model = SoftmaxRegression(class_weight={0: 1000, 1: 1e-4, 2: 1}, tol=1e-3, **penalty).fit(X, y)
        assert model.status_ == "certified"


def test_separable_in_part_is_said_with_the_remedy():
    """Weights of 1000 against 1e-4: class 0 lies apart, the others overlap; float64 cannot tell how low the loss is."""
    X, y = load_iris(return_X_y=True)
    hostile = {"class_weight": {0: 1000, 1: 1e-4, 2: 1}, "tol": 1e-3}
    with pytest.warns(ConvergenceWarning, match="separable in part .* give a finite C"):
        model = SoftmaxRegression(C=np.inf, **hostile).fit(X, y)
    assert model.status_ == "stopped"
    assert model.mle_exists_ is False
    assert 0.0 <= model.lower_bound_ <= model.objective_
    assert SoftmaxRegression(C=1e6, **hostile).fit(X, y).status_ == "certified"


def test_positive_systems_of_any_scale_are_solved():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(6, 6))
    scale = 10.0 ** np.array([-140, -8, 0, 3, 9, 140.0])
    matrix, x = (A @ A.T + np.eye(6)) * scale * scale[:, None], rng.normal(size=6) / scale
    np.testing.assert_allclose(solve_positive(matrix, matrix @ x), x, rtol=1e-8)
    singular = np.outer([1.0, 1.0], [1.0, 1.0])
    np.testing.assert_allclose(singular @ solve_positive(singular, np.array([2.0, 2.0])), [2.0, 2.0], rtol=1e-6)
