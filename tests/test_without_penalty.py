"""Newton's steps without a penalty: straight to the optimum where rows are many, by an L2 path elsewhere."""

import numpy as np
import pytest
from scipy import optimize

from inklens.linear.driver import solve
from inklens.linear.methods import newton, systems
from inklens.linear.methods.iterate import Iterate
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax


def problem_of(n_samples=600, n_features=5, n_classes=3, noise=1.0, seed=0):
    """Classes that overlap by `noise`; without any they are separable."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * 10.0 ** rng.uniform(-2.0, 2.0, n_features)
    scores = (X / X.std(axis=0)) @ rng.normal(size=(n_features, n_classes))
    codes = (scores + noise * rng.gumbel(size=scores.shape)).argmax(axis=1)
    weights = rng.uniform(0.2, 3.0, n_samples)
    return Problem(Rows.of(X), codes, weights, n_classes, ElasticNet(0.0, 0.0)), X


def by_scipy(problem, X):
    Z, K = np.column_stack([X / X.std(axis=0), np.ones(len(X))]), problem.n_classes

    def loss(w):
        logs = log_softmax(Z @ w.reshape(K, -1).T)
        residual = (np.exp(logs) - np.eye(K)[problem.codes]) * problem.weights[:, None]
        return -float(problem.weights @ logs[np.arange(len(Z)), problem.codes]), (residual.T @ Z).ravel()

    return optimize.minimize(loss, np.zeros(K * Z.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).fun


@pytest.mark.parametrize("n_classes", [2, 4])
def test_both_ways_lead_to_the_optimum_and_the_straight_one_in_fewer_steps(monkeypatch, n_classes):
    problem, X = problem_of(n_classes=n_classes)
    straight = solve(problem, tol=1e-8)
    monkeypatch.setattr(newton, "STRAIGHT_ROWS", np.inf)
    path = solve(problem, tol=1e-8)
    assert straight.status == path.status == "certified"
    assert straight.exists
    assert straight.objective == pytest.approx(path.objective, rel=1e-8)
    assert straight.objective == pytest.approx(by_scipy(problem, X), rel=1e-6)
    assert straight.n_iter < path.n_iter


def test_steps_that_lead_nowhere_are_followed_by_the_path(monkeypatch):
    problem, _ = problem_of()
    whole = solve(problem, tol=1e-6)
    monkeypatch.setattr(newton, "STRAIGHT_STEPS", 2)
    monkeypatch.setattr(newton, "STRAIGHT_GAP", 0.0)
    zeros = np.zeros((3, 5)), np.zeros(3)
    points = newton.continuation(problem, *zeros, 1e-6)
    losses = [next(points).objective for _ in range(3)]
    assert losses[1] < losses[0] < losses[2]  # the path begins anew, under a strong penalty
    found = solve(problem, tol=1e-6)
    assert found.status == "certified"
    assert found.objective == pytest.approx(whole.objective, rel=1e-6)


def test_a_stage_that_falls_no_more_is_left(monkeypatch):
    """Its gap may stay far too large: of 60,000 digits every step takes seconds, and half an hour was not enough."""
    problem, _ = problem_of()
    begun = []

    def crawl(stage, coef, intercept, preconditioning, tol):
        begun.append(float(stage.penalty.l2))
        for step in range(200):
            yield preconditioning, Iterate(coef, intercept, 100.0 * (1.0 - 1e-6 * step), np.inf)

    monkeypatch.setattr(newton, "_iterate", crawl)
    monkeypatch.setattr(newton, "STRAIGHT_ROWS", np.inf)
    n_steps = sum(1 for _ in newton.continuation(problem, np.zeros((3, 5)), np.zeros(3), 1e-6))
    assert len(begun) == newton.N_STAGES + 1
    assert n_steps <= 3 * newton.N_STAGES + 200


def test_very_many_rows_start_near_the_optimum_of_some(monkeypatch):
    problem, _ = problem_of(n_samples=40_000, n_features=20, noise=3.0)
    some = solve(problem, tol=1e-8)
    monkeypatch.setattr(newton, "_representatives", lambda problem: None)
    none = solve(problem, tol=1e-8)
    assert some.objective == pytest.approx(none.objective, rel=1e-8)
    assert some.n_iter < none.n_iter


@pytest.mark.parametrize("n_samples", [40, 4_000, 40_000])
def test_classes_that_can_be_separated_are(n_samples):
    problem, _ = problem_of(n_samples=n_samples, noise=0.0)
    found = solve(problem)
    assert found.status == "separated"
    z = problem.rows.scores(found.coef, found.intercept, dtype=np.float64)
    assert (np.asarray(z).argmax(axis=1) == problem.codes).all()


def test_no_step_overflows(monkeypatch, recwarn):
    monkeypatch.setattr(newton.direct, "suits", lambda problem: False)
    problem, _ = problem_of(n_samples=3_000, n_features=100, noise=10.0)
    assert solve(problem).status == "certified"
    assert not recwarn.list


def test_a_factor_that_rounding_has_spoilt_is_made_again_with_a_larger_ridge(monkeypatch):
    problem, _ = problem_of()
    proba, whole, ridges = np.full((600, 3), 1.0 / 3.0), systems.backend_of(np.zeros(1)), []
    added = systems._add_ridges

    class Spoiling:
        def factor_blocks(self, grams, n_threads):
            whole.factor_blocks(grams, n_threads)
            if len(ridges) < 3:
                grams[0, 2, 1] = np.nan

    monkeypatch.setattr(systems, "backend_of", lambda array: Spoiling())
    monkeypatch.setattr(
        systems, "_add_ridges", lambda grams, l2, share: ridges.append(share) or added(grams, l2, share)
    )
    assert np.isfinite(systems.build_metric(problem, proba).factors).all()
    assert len(ridges) == 3
    assert ridges == sorted(ridges)


def test_columns_that_add_up_do_not_run_away():
    """Splines of a feature sum to one in each row: without a penalty many coefficients are one function."""
    rng = np.random.default_rng(0)
    X = np.hstack([np.maximum(0.0, 1.0 - np.abs(10.0 * rng.random((3_000, 1)) - np.arange(11))) for _ in range(8)])
    codes = (X @ rng.normal(size=(88, 3)) + 2.0 * rng.gumbel(size=(3_000, 3))).argmax(axis=1)
    found = solve(Problem(Rows.of(X), codes, np.ones(3_000), 3, ElasticNet(0.0, 0.0)))
    assert found.status == "certified"
    assert np.abs(found.coef).max() < 100.0
