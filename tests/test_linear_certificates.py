"""Proofs: bounds that never exceed an independent optimum, separation re-checked in exact integers, existence."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from test_laws_exact import exact_objective

from inklens import linear
from inklens.linear import deadline
from inklens.linear import driver as solvers
from inklens.linear.driver import FitInterrupted, solve
from inklens.linear.methods import newton
from inklens.linear.methods.method import GeneratorMethod
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, unpenalised
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.rows import Rows


def random_problem(seed, penalty, *, separable=False, collinear=False, dense=True):
    """A small problem of random shape: one feature, n < p, repeated columns and uneven weights occur."""
    rng = np.random.default_rng(seed)
    n, p, K = int(rng.integers(2, 60)), int(rng.integers(1, 12)), int(rng.integers(2, 6))
    X = rng.normal(size=(n, p)) * (rng.random((n, p)) < (1.0 if dense else 0.3))
    if collinear:
        X = np.column_stack([X, X[:, :1] * 2.0, np.full(n, 3.0), np.zeros(n)])
    truth = rng.normal(size=(K, X.shape[1])) * 3.0
    codes = (X @ truth.T + (0.0 if separable else 2.0) * rng.gumbel(size=(n, K))).argmax(axis=1)
    codes[:2] = [0, 1]
    _, codes = np.unique(codes, return_inverse=True)
    weights = rng.uniform(0.1, 3.0, n) * 10.0 ** rng.uniform(-1, 2)
    rows = Rows.of(sparse.csr_array(X) if seed % 2 else X)
    return X, Problem(rows, codes.astype(np.int32), weights, int(codes.max()) + 1, penalty)


def oracle(X, problem):
    """The objective, with 80 digits, where SciPy's trust-region Newton ends: an upper bound on the optimum.

    Its own value in float64 may lie below the optimum by more than a good bound does.
    """
    K, p = problem.n_classes, X.shape[1]
    indicator = np.eye(K)[problem.codes]
    with_one = np.column_stack([X, np.ones(len(X))])
    l2 = np.tile(np.append(np.full(p, problem.penalty.l2), 0.0), K)  # (W, b) class by class; b is not penalised

    def probabilities(v):
        z = with_one @ v.reshape(K, p + 1).T
        return z, softmax(z, axis=1)

    def objective(v):
        z, _ = probabilities(v)
        return problem.weights @ (logsumexp(z, axis=1) - (z * indicator).sum(axis=1)) + 0.5 * l2 @ v**2

    def gradient(v):
        residual = (probabilities(v)[1] - indicator) * problem.weights[:, None]
        return (residual.T @ with_one).ravel() + l2 * v

    def hessian(v):
        proba = probabilities(v)[1]
        spread = proba[:, :, None] * (np.eye(K) - proba[:, None, :]) * problem.weights[:, None, None]
        blocks = np.einsum("nkl,ni,nj->kilj", spread, with_one, with_one, optimize=True)
        return blocks.reshape(K * (p + 1), -1) + np.diag(l2)

    start = np.zeros(K * (p + 1))
    options = {"gtol": 1e-10, "maxiter": 500}
    found = minimize(objective, start, jac=gradient, hess=hessian, method="trust-exact", options=options).x
    W, b = np.split(found.reshape(K, p + 1), [p], axis=1)
    return float(exact_objective(X, problem.codes, problem.weights, problem.penalty, W, b[:, 0]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.floats(-3, 3), st.booleans(), st.booleans(), st.booleans())
def test_l2_is_certified_and_its_bound_is_below_the_optimum(seed, log_l2, separable, collinear, dense):
    X, problem = random_problem(
        seed, ElasticNet(0.0, 10.0**log_l2), separable=separable, collinear=collinear, dense=dense
    )
    solution = solve(problem, tol=1e-6, max_iter=200)
    assert solution.status == "certified"
    best = oracle(X, problem)
    assert solution.lower_bound <= best * (1 + 1e-12)
    assert solution.objective <= best * (1 + 2e-6) + 1e-12
    assert solution.objective - solution.lower_bound <= 1e-6 * solution.objective


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9), st.floats(-2, 2))
def test_any_point_and_any_direction_give_a_valid_bound(seed, log_l2):
    """Far from the optimum the bound is loose; it is never wrong."""
    rng = np.random.default_rng(seed)
    X, problem = random_problem(seed, ElasticNet(0.0, 10.0**log_l2))
    K, p = problem.n_classes, X.shape[1]
    W, b, D, d = (rng.normal(size=size) * rng.choice([0.1, 3.0]) for size in ((K, p), K, (K, p), K))
    best = oracle(X, problem)
    for dual in (None, DualPoint(W, b, D, d)):
        found = certificates.certify(problem, W, b, dual)
        assert found.lower_bound <= best * (1 + 1e-10)
        assert found.objective >= best * (1 - 1e-10)
        again = certificates.lower_bound(X, problem.codes, problem.weights, problem.penalty, found.dual)
        assert again == pytest.approx(found.lower_bound, rel=1e-9, abs=1e-9 * found.objective)


def exactly_separates(X, codes, coef, intercept):
    """Every row's own score is the largest, in rational arithmetic."""
    W = [[Fraction(float(v)) for v in row] for row in coef]
    b = [Fraction(float(v)) for v in intercept]
    for x, own in zip(X, codes, strict=True):
        x = [Fraction(float(v)) for v in x]
        z = [sum((w * v for w, v in zip(row, x, strict=True) if v), start=c) for row, c in zip(W, b, strict=True)]
        if any(z[own] <= value for k, value in enumerate(z) if k != own):
            return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_separation_is_proven_and_holds_in_exact_arithmetic(seed):
    X, problem = random_problem(seed, ElasticNet(0.0, 0.0), separable=True)
    solution = solve(problem, tol=1e-6, max_iter=300)
    if solution.separated:
        assert solution.status == "separated"
        assert solution.exists is False
        assert solution.separation.margin > 0.0
        assert exactly_separates(X, problem.codes, solution.separation.coef, solution.separation.intercept)
    else:  # codes[:2] was overwritten: this one may really overlap, or touch
        assert (solution.exists is False) == (solution.recession is not None)


def test_touching_classes_are_not_called_separated():
    rows, codes = Rows.of(np.array([[0.0], [1.0], [1.0], [2.0]])), np.array([0, 0, 1, 1], np.int32)
    solution = solve(Problem(rows, codes, np.ones(4), 2, ElasticNet(0.0, 0.0)), tol=1e-6)
    assert not solution.separated
    assert (solution.status, solution.exists) == ("stopped", False)  # quasi-complete separation
    assert "separable in part" in solution.remark(1e-6)
    assert certificates.separation(rows, codes, np.array([[0.0], [1e9]]), np.array([0.0, -1e9])) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_existence_is_proven_only_where_no_direction_separates(seed):
    """The judge is a linear programme: the largest summed lead over a box, 0 if nothing separates even partly."""
    from scipy.optimize import linprog

    X, problem = random_problem(seed, ElasticNet(0.0, 0.0))
    solution = solve(problem, tol=1e-8, max_iter=300)
    K, (n, p) = problem.n_classes, X.shape
    augmented = np.column_stack([X, np.ones(n)])
    leads = []
    for x, own in zip(augmented, problem.codes, strict=True):
        for k in range(K):
            if k != own:
                row = np.zeros((K, p + 1))
                row[own], row[k] = x, -x
                leads.append(row.ravel())
    leads = np.array(leads)
    judged = linprog(-leads.sum(axis=0), A_ub=-leads, b_ub=np.zeros(len(leads)), bounds=(-1, 1))
    partly_separable = -judged.fun > 1e-7
    if solution.exists:
        assert not partly_separable
        assert solution.lower_bound <= oracle(X, problem) * (1 + 1e-9) + 1e-12
    if solution.exists is False:
        assert partly_separable


def test_existence_is_found_on_overlapping_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    codes = (X @ rng.normal(size=(4, 3)) + rng.gumbel(size=(400, 3))).argmax(axis=1).astype(np.int32)
    problem = Problem(Rows.of(X), codes, np.ones(400), 3, ElasticNet(0.0, 0.0))
    solution = solve(problem, tol=1e-8)
    assert (solution.status, solution.exists) == ("certified", True)
    assert oracle(X, problem) * (1 - 1e-7) <= solution.objective
    assert solution.lower_bound <= oracle(X, problem)


def rare_class(n_samples=4000, n_rare=6):
    """Two classes of which one is rare, in columns of very different units."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n_samples, 5))
    codes = np.zeros(n_samples, dtype=np.int32)
    codes[np.argsort(X[:, 0] + 2.0 * rng.normal(size=n_samples))[-n_rare:]] = 1
    X = X * 10.0 ** np.arange(-2, 3)
    return X, Problem(Rows.of(X), codes, np.ones(n_samples), 2, ElasticNet(0.0, 0.0))


def test_the_bound_of_a_point_whose_gradient_is_not_zero_lies_below_the_optimum():
    """Probabilities that are a little too even have more entropy than the optimum has loss."""
    X, problem = rare_class()
    best = solve(problem, tol=1e-10)
    proba = np.asarray(problem.evaluate(best.coef, best.intercept, dtype=np.float64).proba)
    lowest = oracle(X, problem)
    found = {}
    for evenness in (1e-8, 1e-5, 1e-3, 3e-3, 1e-2, 3e-2):
        even = proba ** (1.0 - evenness)
        even /= even.sum(axis=1, keepdims=True)
        found[evenness] = unpenalised.existence(problem, even)
        assert found[evenness] is None or found[evenness] <= lowest
    assert found[1e-8] >= lowest * (1.0 - 1e-5)
    assert found[1e-3] is not None


def test_rare_classes_are_certified_without_a_penalty():
    found = solve(rare_class()[1], tol=1e-6)
    assert (found.status, found.exists) == ("certified", True)


@pytest.mark.parametrize("smallest", [1.0, 1e-4, 1e-8])
def test_an_inverse_form_is_bounded_from_above_and_closely(smallest):
    """The judge is rational arithmetic; the error that is allowed for is added to the matrix, or taken away."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    Q = (turn * np.geomspace(1.0, smallest, 5)) @ turn.T
    Q, g = 0.5 * (Q + Q.T), rng.normal(size=5)
    exact = float(solved_exactly(Q, g))
    least = 0.9 * smallest
    found = unpenalised.inverse_form(Q, g, least, 0.0)
    assert exact <= found <= exact * (1.0 + 1e-6)
    error = 0.01 * smallest
    wider = unpenalised.inverse_form(Q, g, least, error)
    for sign in (1.0, -1.0):
        assert float(solved_exactly(Q + sign * error * np.eye(5), g)) <= wider


def solved_exactly(Q, g):
    """g' Q^-1 g by elimination in rational numbers."""
    A = [[Fraction(value) for value in [*row, entry]] for row, entry in zip(Q.tolist(), g.tolist(), strict=True)]
    for i in range(len(A)):
        A[i] = [value / A[i][i] for value in A[i]]
        for j in range(len(A)):
            if j != i:
                A[j] = [a - A[j][i] * b for a, b in zip(A[j], A[i], strict=True)]
    return sum(Fraction(value) * row[-1] for value, row in zip(g.tolist(), A, strict=True))


def test_existence_is_proven_where_columns_nearly_agree():
    """One eigenvalue of 1e-8 is no reason against it where the gradient has nothing along it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    codes = (X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(300, 3))).argmax(axis=1).astype(np.int32)
    X = np.column_stack([X, X[:, 0] + 1e-4 * rng.normal(size=300)])
    problem = Problem(Rows.of(X), codes, np.ones(300), 3, ElasticNet(0.0, 0.0))
    best = solve(problem, tol=1e-8)
    at = problem.evaluate(best.coef, best.intercept, dtype=np.float64)
    even = np.asarray(at.proba) ** (1.0 - 1e-4)
    found = unpenalised.existence(problem, even / even.sum(axis=1, keepdims=True))
    assert found is not None
    assert found <= best.objective


# ---- the driver ------------------------------------------------------------------------------------------------------


def slow_problem():
    rng = np.random.default_rng(0)
    X = rng.random((400, 60))
    codes = rng.integers(0, 5, 400).astype(np.int32)
    return Problem(Rows.of(X), codes, np.ones(400), 5, ElasticNet(0.0, 1e-3))


def test_history_only_ever_improves():
    solution = solve(slow_problem(), tol=1e-8, callback=lambda solution: None)
    seconds, passes, _, bounds = np.array(solution.history).T
    assert (np.diff(seconds) >= 0).all()
    assert (np.diff(passes) >= 0).all()
    assert (np.diff(bounds) >= 0).all()
    assert solution.status == "certified"


def test_time_budget_returns_the_best_point_with_its_bound(monkeypatch):
    monkeypatch.setattr("inklens.linear.driver.MIN_STEP_SECONDS", 60.0)  # a busy machine takes its first step, too
    problem = slow_problem()
    solution = solve(problem, tol=0.0, time_budget=1e-9)
    assert solution.status == "stopped"
    assert solution.n_iter == 1
    assert 0.0 <= solution.lower_bound <= solution.objective < len(problem.codes) * np.log(5)


def test_interrupt_keeps_the_best_point():
    def interrupt(solution):
        if solution.n_iter == 2:
            raise KeyboardInterrupt

    with pytest.raises(FitInterrupted) as caught:
        solve(slow_problem(), tol=0.0, callback=interrupt)
    solution = caught.value.solution
    assert solution.n_iter == 2
    assert solution.lower_bound <= solution.objective < 400 * np.log(5)


def method_of(points):
    """A method that yields what a generator function of (problem, coef, intercept, tol) does, on any problem."""
    return GeneratorMethod(points, lambda problem: True)


def test_a_step_that_never_ends_is_cut_by_the_time_budget(monkeypatch):
    """Whether points came before it or none did: the best so far comes back, with a bound that holds."""

    def endless(n_points):
        def points(problem, coef, intercept, tol):
            yield from islice(newton.newton(problem, coef, intercept, tol), n_points)
            while True:
                deadline.check()

        return points

    problem = slow_problem()
    optimum = solve(problem, tol=1e-8)
    objectives = []
    for n_points in (0, 1, 3):
        monkeypatch.setattr(solvers, "METHODS", (method_of(endless(n_points)),))
        solution = solve(problem, tol=1e-8, time_budget=0.5)
        assert solution.status == "stopped"
        assert solution.n_iter == n_points
        assert solution.seconds < 5.0
        assert 0.0 <= solution.lower_bound <= optimum.objective <= solution.objective
        objectives.append(solution.objective)
    assert objectives[0] == pytest.approx(len(problem.codes) * np.log(5), rel=1e-12)
    assert objectives[0] > objectives[1] > objectives[2]
    assert deadline.remaining() == np.inf


@pytest.mark.parametrize("n_points", [0, 2])
def test_interrupt_inside_a_step_keeps_the_best_point(monkeypatch, n_points):
    def interrupted(problem, coef, intercept, tol):
        yield from islice(newton.newton(problem, coef, intercept, tol), n_points)
        raise KeyboardInterrupt

    monkeypatch.setattr(solvers, "METHODS", (method_of(interrupted),))
    with pytest.raises(FitInterrupted) as caught:
        solve(slow_problem(), tol=0.0)
    solution = caught.value.solution
    assert (solution.n_iter, solution.status) == (n_points, "stopped")
    assert 0.0 <= solution.lower_bound <= solution.objective <= 400 * np.log(5) * (1 + 1e-12)


def test_without_a_penalty_a_start_that_nothing_followed_is_never_certified(monkeypatch):
    """A bound over the coefficients near zero says nothing of the others."""

    def nothing(problem, coef, intercept, tol):
        return iter(())

    X = np.arange(12.0).reshape(6, 2)
    problem = Problem(Rows.of(X), np.arange(6) % 2, np.ones(6), 2, ElasticNet(0.0, 0.0))
    monkeypatch.setattr(solvers, "METHODS", (method_of(nothing),))
    assert solve(problem, tol=1e-3).status == "stopped"


def test_the_proof_of_existence_ends_with_its_time():
    rng = np.random.default_rng(0)
    problem = Problem(Rows.of(rng.normal(size=(200, 3))), np.arange(200) % 3, np.ones(200), 3, ElasticNet(0.0, 0.0))
    found = solve(problem, tol=1e-8)
    proba = problem.evaluate(found.coef, found.intercept, dtype=np.float64).proba
    assert unpenalised.bound(problem, found.coef, [proba])[1] is True
    bound, exists = unpenalised.bound(problem, found.coef, [proba], seconds=0.0)
    assert exists is None
    assert 0.0 < bound <= found.objective


def test_status_is_its_string_and_the_remark_says_what_to_try():
    problem = slow_problem()
    stopped, certified = solve(problem, tol=0.0, max_iter=1), solve(problem, tol=1e-3)
    assert (str(stopped.status), f"{certified.status}") == ("stopped", "certified")
    assert json.dumps([stopped.status, certified.status]) == '["stopped", "certified"]'
    assert "raise max_iter or time_budget, or tol" in stopped.remark(0.0)
    assert certified.remark(1e-3) == ""


def test_problems_made_of_one_share_its_facts_and_others_do_not():
    problem = slow_problem()
    assert problem.at(2.0).facts is problem.facts
    half = problem.over(np.arange(0, 400, 2))
    assert half.weights.sum() == pytest.approx(problem.weights.sum())
    np.testing.assert_array_equal(half.free, problem.free)
    np.testing.assert_allclose(half.magnitudes, problem.rows.dense(dtype=np.float64)[::2].sum(axis=0) * 2)
    heavier = replace(problem.at(2.0), weights=3.0 * problem.weights)
    np.testing.assert_allclose(heavier.magnitudes, 3.0 * problem.magnitudes)
    np.testing.assert_allclose(heavier.class_weights, 3.0 * problem.class_weights)


def test_the_face_of_the_numerical_core_names_what_there_is():
    for name in linear.__all__:
        assert getattr(linear, name).__name__ == name
    with pytest.raises(AttributeError):
        linear.no_such_name


def test_callback_stops():
    assert solve(slow_problem(), tol=0.0, callback=lambda solution: solution.n_iter >= 3).n_iter == 3


def test_the_engine_follows_from_the_problem():
    """Decision 20: the counts of a dense Hessian, n (K (q + 1))^2 + (K (q + 1))^3 / 3, decide."""
    from inklens.linear.methods import columns_in_use, few, interior, prox_newton
    from inklens.linear.problem.penalties import GroupLasso

    def problem(n_samples, n_features, penalty):
        rng = np.random.default_rng(0)
        codes = np.arange(n_samples, dtype=np.int32) % 3
        return Problem(Rows.of(rng.random((n_samples, n_features))), codes, np.ones(n_samples), 3, penalty)

    def size(n_samples, n_features):
        entries = 3 * (n_features + 1)
        return n_samples * entries**2 + entries**3 / 3

    for penalty in (ElasticNet(1.0, 0.0), ElasticNet(0.5, 0.5), GroupLasso(1.0, 0.0)):
        for shape in ((30, 4), (3000, 400), (30, 2000)):
            small, made = size(*shape) <= 5e9, problem(*shape, penalty)
            method = solvers.choose(made)
            expected = interior.PROXIMAL_THEN_INTERIOR if small else prox_newton.PROXIMAL_NEWTON
            expected = few.PROXIMAL_THEN_WHOLE if few.has_room(made) else expected
            if method is columns_in_use.COLUMNS_IN_USE:  # which leaves what has no room to others
                method = next(other for other in columns_in_use.OTHERS if other.accepts(made))
            assert method is (few.FEW_COEFFICIENTS if shape == (30, 4) else expected), shape
    assert solvers.choose(problem(30, 4, ElasticNet(0.0, 1.0))) is newton.NEWTON
    assert solvers.choose(problem(30, 4, ElasticNet(0.0, 0.0))) is newton.CONTINUATION
    for shape in ((150, 4), (1000, 50), (2000, 60), (3000, 30)):
        assert interior.is_tiny(problem(*shape, ElasticNet(0.0, 1.0))) == (size(*shape) <= 3e7), shape
