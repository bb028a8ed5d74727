"""Laws of fits whose rows are sure of their class: weak penalties, on problems of every size."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from inklens.linear import driver as solvers
from inklens.linear.driver import solve
from inklens.linear.kernels import library as kernels
from inklens.linear.methods import interior, prox_newton, sampling
from inklens.linear.methods.stalling import Progress
from inklens.linear.methods.subproblem import Pairs, pair_hessian
from inklens.linear.problem.penalties import penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.screening import certified_zeros
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import softmax

PENALTIES = {"l1": penalty_of(1.0), "net": penalty_of(0.5), "group": penalty_of(1.0, group=True)}


def digits_problem(n_samples, C, penalty, scale=1.0, n_classes=3):
    X, y = load_digits(n_class=n_classes, return_X_y=True)
    return Problem(Rows.of(X[:n_samples] * scale), y[:n_samples], np.full(n_samples, C), n_classes, penalty)


def solve_by(method, problem, monkeypatch, **limits):
    with monkeypatch.context() as patch:
        patch.setattr(solvers, "choose", lambda *_: method)
        return solve(problem, **limits)


def sure_rows(lead, n_samples=3000, n_features=8, n_classes=4):
    """Return rows, and probabilities whose doubts are about exp(-lead)."""
    rng = np.random.default_rng(0)
    X = rng.random((n_samples, n_features)) * (rng.random((n_samples, n_features)) < 0.5)
    codes = rng.integers(0, n_classes, n_samples).astype(np.int32)
    z = rng.normal(size=(n_samples, n_classes))
    z[np.arange(n_samples), codes] += lead
    problem = Problem(Rows.of(X), codes, rng.uniform(0.5, 2.0, n_samples), n_classes, PENALTIES["l1"])
    return problem, softmax(z)


# ---- the fits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("C", "scale"), [(1e2, 1.0), (1e4, 1.0), (1e4, 1 / 16)])
def test_working_sets_reach_weak_penalties_alone(C, scale, penalty, monkeypatch):
    """Without the interior-point method, which is the judge: each bound lies below the other's objective."""
    problem = digits_problem(120, C, PENALTIES[penalty], scale)
    sets = solve_by(prox_newton.PROXIMAL_NEWTON, problem, monkeypatch, tol=1e-3, max_iter=100)
    assert sets.status == "certified", sets.gap
    walls = solve_by(interior.INTERIOR_POINT, problem, monkeypatch, tol=1e-4, max_iter=60)
    assert walls.status == "certified"
    assert sets.lower_bound <= walls.objective * (1.0 + 1e-12)
    assert walls.lower_bound <= sets.objective * (1.0 + 1e-12)
    assert sets.objective <= walls.objective * (1.0 + 1e-3)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_wide_pictures_under_weak_penalties_are_certified(penalty):
    """Beyond the size at which the interior-point method would help."""
    rng = np.random.default_rng(3)
    ink = rng.random((10, 300)) < 0.3
    codes = np.arange(200) % 10
    X = np.where(rng.random((200, 300)) < 0.1, ~ink[codes], ink[codes]) * rng.random((200, 300))
    problem = Problem(Rows.of(np.round(X * 255).astype(np.uint8), scale=1 / 255), codes, np.full(200, 1e4), 10,
                      PENALTIES[penalty])  # fmt: skip
    assert not interior.is_small(problem)
    solution = solve(problem, tol=1e-3, max_iter=100)
    assert solution.status == "certified", solution.gap


@pytest.mark.parametrize("penalty", PENALTIES)
def test_certified_zeros_are_zero_at_an_independent_optimum(penalty, monkeypatch):
    """At the optimum of the other method they are as good as zero, and cost nothing to leave out."""
    proven = 0
    for C, n_samples in ((0.05, 120), (1.0, 90), (100.0, 60)):
        problem = digits_problem(n_samples, C, PENALTIES[penalty], 1 / 16)
        optimum = solve_by(interior.INTERIOR_POINT, problem, monkeypatch, tol=1e-9, max_iter=200)
        assert optimum.status == "certified"
        for tol in (1e-2, 1e-4, 1e-6):
            solution = solve(problem, tol=tol)
            zeros = certified_zeros(problem, solution.objective, solution.dual)
            assert np.abs(optimum.coef[zeros]).max(initial=0.0) <= 1e-5 * np.abs(optimum.coef).max()
            without = np.where(zeros, 0.0, optimum.coef)
            at = problem.evaluate(without, optimum.intercept, dtype=np.float64)
            assert at.loss + problem.penalty.value(without) <= optimum.objective * (1.0 + 1e-8)
        proven += int(zeros.sum())
    assert proven > 50


# ---- what they rest on -----------------------------------------------------------------------------------------------


def test_class_pair_weight_is_what_the_class_pairs_weigh():
    problem, proba = sure_rows(2.0, n_samples=20)
    pairs = [(k, m) for k in range(4) for m in range(k)]
    expected = sum(problem.weights @ (proba[:, k] * proba[:, m]) for k, m in pairs)
    assert sampling.class_pair_weight(problem, RowArray.of(proba)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.skipif(kernels.active() == "numpy", reason="NumPy's Hessians are never sampled")
@pytest.mark.parametrize("lead", [0.0, 4.0, 8.0, 12.0])
def test_sampling_keeps_the_curvature_of_sure_rows(lead):
    """However small the doubts, a sampled Hessian has no direction without curvature."""
    problem, proba = sure_rows(lead)
    features, classes = np.tile(np.arange(8), 4), np.repeat(np.arange(4), 8)
    pairs = Pairs(classes, features)
    light = sampling.sampling_threshold(problem, RowArray.of(proba), len(features), 10.0, is_far=True)
    assert light > 0.0
    exact = pair_hessian(problem.rows, proba, problem.weights, pairs).astype(float)
    sampled = pair_hessian(problem.rows, proba, problem.weights, pairs, sampling_threshold=light, seed=1).astype(float)
    values, vectors = np.linalg.eigh(exact)
    curved = vectors[:, values > 1e-3 * values.max()]  # not those in which all classes move alike
    least = np.linalg.eigvalsh(
        curved.T @ sampled @ curved / np.sqrt(np.outer(*[values[values > 1e-3 * values.max()]] * 2))
    )
    assert curved.shape[1] >= 24
    assert least[0] > 0.1


@pytest.mark.parametrize("lead", [0.0, 6.0, 12.0])
def test_hessians_of_sure_rows_are_semidefinite(lead):
    """Curvature is a difference of numbers near 1, and must not be taken as one."""
    problem, proba = sure_rows(lead)
    pairs = Pairs(np.repeat(np.arange(4), 8), np.tile(np.arange(8), 4))
    hessian = pair_hessian(problem.rows, proba.astype(np.float32), problem.weights, pairs).astype(float)
    values = np.linalg.eigvalsh(hessian)
    assert values[0] >= -1e-5 * values[-1]
    np.testing.assert_allclose(hessian.reshape(4, 8, 4, 8).sum(axis=2), 0.0, atol=1e-5 * np.abs(hessian).max())


@pytest.mark.parametrize("lead", [4.0, 8.0, 12.0])
def test_rounding_probabilities_to_float32_costs_a_gradient_what_is_foretold(lead):
    problem, proba = sure_rows(lead)
    rounding = (proba - proba.astype(np.float32)) * problem.weights[:, None]
    off = float(problem.penalty.threshold_ratio(problem.rows.transpose_product(rounding)).max())
    noise = sampling.float32_noise(problem)
    assert 0.02 * noise <= off <= 3.0 * noise
    assert sampling.float32_noise(problem.at(2.0)) == pytest.approx(2.0 * noise, rel=1e-12)


# ---- giving up -------------------------------------------------------------------------------------------------------


def test_a_fit_that_gets_nowhere_ends_with_its_bound(monkeypatch):
    """Steps that are a thousandth of what they should be: it must not run for ever."""
    whole = prox_newton._newton_step

    def tiny(*arguments):
        step = whole(*arguments)
        return step._replace(coef=step.coef * 1e-3, intercept=step.intercept * 1e-3)

    problem = digits_problem(100, 100.0, PENALTIES["l1"])
    monkeypatch.setattr(prox_newton, "_newton_step", tiny)
    monkeypatch.setattr(prox_newton, "MAX_LOST_ROUNDS", 20)
    lost = solve_by(prox_newton.PROXIMAL_NEWTON, problem, monkeypatch, tol=1e-6, max_iter=3000)
    assert (lost.status, lost.exhausted) == ("stopped", True)
    assert lost.n_iter < 3000
    monkeypatch.undo()
    assert 0.0 <= lost.lower_bound <= solve(problem, tol=1e-6).objective <= lost.objective
    assert "raise tol" in lost.remark(1e-6)


def test_progress_counts_rounds_since_anything_halved():
    progress = Progress(most_rounds=3)
    assert not any(progress.is_lost(factor, np.inf) for factor in 2.0 ** -np.arange(50.0))
    assert not any(progress.is_lost(1.0, 0.3**k) for k in range(50))
    assert [progress.is_lost(1.0, 0.3**49) for _ in range(3)] == [False, False, True]
