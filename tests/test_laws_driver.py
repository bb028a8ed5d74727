"""Laws of the driver: what it keeps of the points that a method yields, and what their bounds are about."""

import numpy as np
import pytest

from inklens import SoftmaxRegression
from inklens.linear import deadline, driver
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.method import GeneratorMethod
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows


def solved_by(monkeypatch, problem, points, tol, believed=0.0):
    """Solve by a method that yields these points, each time believing in a gap, and then gives up."""

    def method(problem, coef, intercept, tol):
        for number, (coef, intercept) in enumerate(points):
            at = problem.evaluate(coef, intercept, dtype=np.float64)
            objective = at.loss + problem.penalty.value(coef)
            yield Iterate(coef, intercept, objective, gap=believed, stationary=number == len(points) - 1)

    monkeypatch.setattr(driver, "METHODS", (GeneratorMethod(method, lambda problem: True),))
    return driver.solve(problem, tol=tol)


def test_a_worse_point_does_not_take_the_place_of_a_proven_one(monkeypatch):
    X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    problem = Problem(Rows.of(X), np.array([0, 1, 1, 0]), np.ones(4), 2, ElasticNet(0.0, 1.0))
    good = driver.solve(problem, tol=1e-3)
    monkeypatch.setattr(driver.refining, "refined", lambda *arguments: None)
    far = good.coef + 1.0
    found = solved_by(monkeypatch, problem, [(good.coef, good.intercept), (far, good.intercept)], tol=0.0)
    np.testing.assert_array_equal(found.coef, good.coef)
    assert found.lower_bound <= found.objective <= good.objective * (1 + 1e-12)


def test_what_is_believed_and_not_proven_gets_a_step_for_a_proof(monkeypatch):
    """A method that claims to be done, each time a little nearer to the optimum than the proofs it offers can tell."""
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(80, 4)), np.arange(80) % 3
    problem = Problem(Rows.of(X), codes, np.ones(80), 3, ElasticNet(1.0, 0.0))
    best = driver.solve(problem, tol=1e-10)
    points = [((1.0 + 1e-3 * 0.9**k) * best.coef, best.intercept) for k in range(40)]
    found = solved_by(monkeypatch, problem, points, tol=1e-8)
    assert found.status == "certified"
    assert found.n_iter == driver.UNPROVEN_ROUNDS


def test_a_step_for_a_proof_may_take_no_longer_than_the_way_to_it(monkeypatch):
    """With thousands of coefficients in use it took a minute, where the way had taken ten seconds."""
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(80, 4)), np.arange(80) % 3
    problem = Problem(Rows.of(X), codes, np.ones(80), 3, ElasticNet(1.0, 0.0))
    left = []

    def endless(*arguments):
        left.append(deadline.remaining())
        raise deadline.OutOfTime

    monkeypatch.setattr(driver.refining, "refined", endless)
    points = [(np.zeros((3, 4)), np.full(3, 1e-9 * k)) for k in range(20)]
    found = solved_by(monkeypatch, problem, points, tol=1e-12)
    assert found.status == "stopped"
    *before, at_the_end, in_the_last_proof = left
    assert before
    assert max(*before, in_the_last_proof) <= max(driver.MIN_MOVING_SECONDS, found.seconds)
    assert np.isinf(at_the_end)  # the method itself gets no further


def test_a_step_for_a_proof_waits_where_it_costs_more_than_rounds_do(monkeypatch):
    """With four thousand coefficients in use it took three times as long as the fit, which needed none in the end."""
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(80, 4)), np.arange(80) % 3
    problem = Problem(Rows.of(X), codes, np.ones(80), 3, ElasticNet(1.0, 0.0))
    points = [(np.zeros((3, 4)), np.full(3, 1e-9 * k)) for k in range(12)]
    asked = []
    monkeypatch.setattr(driver.refining, "refined", lambda *arguments: asked.append(1))
    numbers = []
    for seconds in (0.0, 1e3):
        monkeypatch.setattr(driver.refining, "seconds", lambda problem, coef, s=seconds: s)
        solved_by(monkeypatch, problem, points, tol=1e-12, believed=np.inf)
        numbers.append(len(asked))
        asked.clear()
    cheap, dear = numbers
    assert cheap > dear >= 1  # the method ends, and then nothing else is left


def test_without_a_penalty_a_bound_is_about_its_own_point(monkeypatch):
    """Separable rows: a bound among small coefficients is far above the loss of large ones."""
    problem = Problem(Rows.of(np.array([[0.0], [1.0]])), np.array([0, 1]), np.ones(2), 2, ElasticNet(0.0, 0.0))
    direction, middle = np.array([[-1.0], [1.0]]), np.array([0.5, -0.5])
    points = [(size * direction, size * middle) for size in (1e-3, 3.0)]
    found = solved_by(monkeypatch, problem, points, tol=1e-12)
    np.testing.assert_array_equal(found.coef, points[1][0])
    assert found.lower_bound <= found.objective


def test_the_decision_of_two_classes_is_positive_for_the_second():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=60) > 0.0, "yes", "no")
    model = SoftmaxRegression().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.classes_[(model.decision_function(X) > 0.0).astype(int)])


def test_passes_are_those_of_the_fit():
    rng = np.random.default_rng(0)
    rows, y = Rows.of(rng.random((300, 20))), rng.integers(0, 3, 300)
    first, second = (SoftmaxRegression().fit(rows, y) for _ in range(2))
    assert first.n_passes_ == second.n_passes_ > 0.0
    assert first.history_[-1][1] == second.history_[-1][1]


STARTED = [ElasticNet(0.0, 1.0), ElasticNet(0.0, 0.0), ElasticNet(1.0, 0.0), GroupLasso(1.0, 0.0)]


@pytest.mark.parametrize("penalty", STARTED)
@pytest.mark.parametrize("shape", [(90, 5, 3), (30, 120, 3)])
def test_any_start_leads_to_the_optimum(penalty, shape):
    """What all classes share of a start is invisible to the loss, and to every Newton direction of a smooth penalty."""
    n, p, n_classes = shape
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(n, p)), np.arange(n) % n_classes
    problem = Problem(Rows.of(X), codes, np.ones(n), n_classes, penalty)
    best = driver.solve(problem, tol=1e-6)
    anywhere, near = (rng.normal(size=(n_classes, p)), rng.normal(size=n_classes)), (best.coef, best.intercept)
    for (coef, intercept), size in [(anywhere, 0.1), (anywhere, 30.0), (near, 0.3)]:
        start = coef + size, intercept
        found = driver.solve(problem, tol=1e-6, start=start)
        assert found.status == best.status
        if best.status != "separated":  # else there is none
            assert found.objective == pytest.approx(best.objective, rel=2e-6)
