"""Steps by columns and by classes solve the same model as the matrix does, and the same problems."""

import numpy as np
import pytest
from scipy import sparse

from inklens.linear import Problem, Rows, deadline, memory, solve
from inklens.linear.kernels import library
from inklens.linear.methods import accuracy, class_sums, prox_newton, sampling
from inklens.linear.methods import classes as classes_module
from inklens.linear.methods.class_sums import AllRows, DrawnRows
from inklens.linear.methods.classes import Classes, Turns
from inklens.linear.methods.columns import FARTHEST, Columns
from inklens.linear.methods.points import Asked, Point
from inklens.linear.methods.quadratic import Quadratic
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.proofs.dual import balance, entropy
from inklens.linear.rows.drawing import sample

COMPILED = pytest.mark.skipif(library.active() == "numpy", reason="no compiled kernels")
PENALTIES = [ElasticNet(1.0, 0.0), ElasticNet(0.5, 0.5), GroupLasso(1.0, 0.0), GroupLasso(0.7, 0.3)]
NAMES = ["l1", "elastic_net", "group", "group_ridge"]


def categories(n_samples=600, n_classes=5, n_variables=4, n_levels=12, seed=0):
    """Rows of dummy columns, some with a number, and classes that depend on them."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, n_levels, (n_samples, n_variables)) + n_levels * np.arange(n_variables)
    X = np.zeros((n_samples, n_levels * n_variables + 1))
    np.put_along_axis(X, level, 1.0, axis=1)
    X[:, -1] = rng.normal(size=n_samples) * (rng.random(n_samples) < 0.3)
    z = X @ rng.normal(0.0, 1.5, (X.shape[1], n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    return sparse.csr_array(X), z.argmax(axis=1)


def problem_of(penalty, C=3.0, **shape):
    X, y = categories(**shape)
    return Problem(Rows.of(X), y, np.full(len(y), C), int(y.max()) + 1, penalty)


def only(monkeypatch, name):
    """Let every step be made by one solver: columns, classes, or (matrix) none of them."""
    monkeypatch.setattr("inklens.linear.methods.columns.MAX_DENSITY", 1.0)
    monkeypatch.setattr("inklens.linear.methods.classes.MIN_CLASSES", 2)
    monkeypatch.setattr("inklens.linear.methods.class_sums.MIN_UNEVEN_CLASSES", 2)
    if name == "classes":
        monkeypatch.setattr(AllRows, "of", lambda problem: None)
    classes = Classes.of
    made = {"columns": Columns.of, "classes": classes, "all_rows": classes, "matrix": lambda problem: None}[name]
    monkeypatch.setattr(prox_newton, "_solvers", lambda problem: [s for s in (made(problem),) if s is not None])
    monkeypatch.setattr(prox_newton, "matrix_seconds", lambda *size: np.inf)
    monkeypatch.setattr("inklens.linear.driver.METHODS", (prox_newton.PROXIMAL_NEWTON,))


def classes_of(problem):
    return Classes(problem, DrawnRows(problem))


class Idle:
    """Finds no step, at no cost: rounding may do that to any solver."""

    is_rough = False

    def seconds(self, pairs, *, is_far):
        return 0.0

    def step(self, penalty, point, asked):
        return Quadratic(problem_of(penalty), penalty, point).step()


@pytest.mark.parametrize("penalty", PENALTIES, ids=NAMES)
def test_where_a_solver_finds_nothing_the_matrix_is_taken(monkeypatch, penalty):
    only(monkeypatch, "matrix")
    monkeypatch.setattr(prox_newton, "_solvers", lambda problem: [Idle()])
    found = solve(problem_of(penalty), tol=1e-4)
    assert found.status == "certified"
    assert found.n_iter < 30


@COMPILED
@pytest.mark.parametrize("penalty", PENALTIES, ids=NAMES)
@pytest.mark.parametrize("n_classes", [2, 5, 9, 20, 40])  # 4, 8, 16, 32 and 48 lanes
def test_a_step_by_columns_is_optimal_in_the_true_expansion(monkeypatch, penalty, n_classes):
    only(monkeypatch, "columns")
    problem = problem_of(penalty, n_classes=n_classes)
    rng = np.random.default_rng(1)
    coef = penalty.prox(0.5 * rng.normal(size=(n_classes, problem.rows.n_features)), 0.3)
    point = Point.of(problem, coef, np.zeros(n_classes), np.float64)
    step = Columns.of(problem).step(penalty, point, Asked(1e-2, 1e-4, 0.0, is_far=False))
    end = Quadratic(problem, penalty, point)
    assert end.add(step.coef, step.intercept) == 1.0  # no share of it would be better
    wanted, _ = accuracy.tolerances(problem, penalty, point, 1e-2, 1e-4)
    assert penalty.kkt_violation(coef + step.coef, -end.gradient) <= 1.5 * wanted
    assert np.abs(end.intercept_gradient).max() <= 0.02
    assert step.predicted_decrease > 0.0


@COMPILED
@pytest.mark.parametrize("penalty", PENALTIES[::2], ids=NAMES[::2])
def test_a_word_of_one_row_that_is_sure_of_a_wrong_class_does_not_run_away(monkeypatch, penalty):
    """Its loss has a slope and no curvature; without a ridge the model's minimum is nowhere."""
    only(monkeypatch, "columns")
    X, y = categories()
    word = np.zeros((len(y), 1))
    word[0] = 0.5
    problem = Problem(Rows.of(sparse.csr_array(np.hstack([X.toarray(), word]))), y, np.full(len(y), 8.0), 5, penalty)
    coef = np.zeros((5, problem.rows.n_features))
    coef[(y[0] + 1) % 5, -1] = 90.0  # odds of e^45
    point = Point.of(problem, coef, np.zeros(5), np.float64)
    step = Columns.of(problem).step(penalty, point, Asked(10.0, 1e-4, 0.0, is_far=False))
    assert 0.0 < step.predicted_decrease < 1e6
    assert 0.5 * np.abs(step.coef[:, -1]).max() <= FARTHEST
    assert solve(problem, start=(coef, np.zeros(5)), tol=1e-6).gap <= 1e-6


@COMPILED
def test_a_column_of_zeros_has_a_reach(monkeypatch):
    only(monkeypatch, "columns")
    X, y = categories()
    X = sparse.csr_array(sparse.hstack([X, sparse.csr_array((len(y), 1))]))
    problem = Problem(Rows.of(X), y, np.ones(len(y)), 5, PENALTIES[0])
    assert np.isfinite(Columns.of(problem).reach).all()


def test_rows_that_weigh_nothing_are_not_drawn():
    """Where the others have room, all of these are certain: what the share of the rest would be is 0."""
    importance = np.zeros(100, dtype=np.float32)
    importance[[4, 30, 77]] = 1e3
    rows, factor = sample(importance, 10)
    np.testing.assert_array_equal(rows, [4, 30, 77])
    np.testing.assert_array_equal(factor, 1.0)


@COMPILED
@pytest.mark.parametrize("penalty", PENALTIES, ids=NAMES)
def test_a_step_by_columns_ends_where_it_has_cost_what_a_matrix_would(monkeypatch, penalty):
    """It is a step still, if a shorter one; and what it took to read is what the next is expected to take."""
    only(monkeypatch, "columns")
    problem = problem_of(penalty, C=300.0)
    point = Point.of(problem, np.zeros((5, problem.rows.n_features)), np.zeros(5), np.float64)
    pairs = Pairs(*np.nonzero(np.ones((5, problem.rows.n_features))))
    expected = []
    for worth in (0.0, np.inf):
        columns = Columns.of(problem)
        untried = columns.seconds(pairs, is_far=False)
        step = columns.step(penalty, point, Asked(1e-3, 1e-8, 0.0, is_far=False, worth=worth))
        end = Quadratic(problem, penalty, point)
        assert end.add(step.coef, step.intercept) > 0.0
        assert step.slope < 0.0
        expected.append(columns.seconds(pairs, is_far=False))
        assert columns.seconds(pairs, is_far=True) < untried
    assert untried == expected[0] < expected[1]


@COMPILED
@pytest.mark.parametrize("n_classes", [4, 5])
@pytest.mark.parametrize("penalty", PENALTIES[:2], ids=NAMES[:2])
def test_columns_are_centred_where_the_penalty_is_least(monkeypatch, penalty, n_classes):
    """The loss does not feel all classes of a column move alike, so no such move may lower the penalty."""
    only(monkeypatch, "columns")
    problem = problem_of(penalty, C=1000.0, n_classes=n_classes)
    coef = np.random.default_rng(2).normal(size=(n_classes, problem.rows.n_features)) + 5.0  # far from centred
    point = Point.of(problem, coef, np.zeros(n_classes), np.float64)
    step = Columns.of(problem).step(penalty, point, Asked(1e-2, 1e-4, 0.0, is_far=False))
    W, slack = coef + step.coef, 1e-4 * n_classes * accuracy.tolerances(problem, penalty, point, 1e-2, 1e-4)[0]
    for shift in [*(-W), np.full(W.shape[1], 1e-4), np.full(W.shape[1], -1e-4)]:
        assert all(penalty.value(W[:, [j]] + shift[j]) >= penalty.value(W[:, [j]]) - slack for j in range(W.shape[1]))


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=COMPILED) for name in ("columns", "all_rows")), "classes"])
@pytest.mark.parametrize("penalty", PENALTIES, ids=NAMES)
def test_solvers_prove_each_other(monkeypatch, name, penalty):
    found = {}
    for each in ("matrix", name):
        only(monkeypatch, each)
        found[each] = solve(problem_of(penalty, C=5.0), tol=1e-6, max_iter=60)
        assert found[each].gap <= 1e-6
    assert found[name].objective == pytest.approx(found["matrix"].objective, rel=1e-6)


@COMPILED
def test_without_intercepts_none_moves(monkeypatch):
    only(monkeypatch, "columns")
    X, y = categories()
    problem = Problem(Rows.of(X), y, np.ones(len(y)), 5, PENALTIES[0], fit_intercept=False)
    found = solve(problem, tol=1e-5, max_iter=40)
    assert found.gap <= 1e-5
    assert not found.intercept.any()


@COMPILED
def test_a_step_by_columns_keeps_its_deadline(monkeypatch):
    only(monkeypatch, "columns")
    problem = problem_of(PENALTIES[0])
    point = Point.of(problem, np.zeros((5, problem.rows.n_features)), np.zeros(5), np.float64)
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        Columns.of(problem).step(PENALTIES[0], point, Asked(1.0, 1e-4, 0.0, is_far=False))


# ---- how well a model has to be solved -------------------------------------------------------------------------------


def tall(n_samples, seed=0):
    """Many rows, few columns: the loss outweighs the penalty ten thousand times."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 8)) @ (rng.normal(size=(8, 8)) / 3 + np.eye(8))
    z = X @ rng.normal(0.0, 0.5, (8, 4)) + rng.gumbel(size=(n_samples, 4))
    return Problem(Rows.of(X), z.argmax(axis=1), np.ones(n_samples), 4, ElasticNet(1.0, 0.0))


@pytest.mark.parametrize("make", [lambda: tall(4000), lambda: problem_of(PENALTIES[0])], ids=["tall", "categories"])
def test_what_a_violation_costs_the_bound_is_known(make):
    """At an optimum, scaling the dual point back by 1 / (1 + v) costs about what was allowed."""
    problem = make()
    found = solve(problem, tol=1e-7)
    point = Point.of(problem, found.coef, found.intercept, np.float64)
    proba = balance(point.at.proba, problem.codes, problem.weights)
    for share in (1e-6, 1e-4, 1e-2):
        allowed = share * found.objective
        v = accuracy.violation_that_costs(allowed, problem, problem.penalty, point)
        whole, scaled = (entropy(proba, problem.codes, problem.weights, s) for s in (1.0, 1.0 / (1.0 + v)))
        assert allowed / 10.0 <= whole - scaled <= 3.0 * allowed


def test_a_looser_tolerance_takes_no_longer():
    rounds = [solve(tall(5000), tol=tol).n_iter for tol in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)]
    assert all(loose <= tight + 1 for i, loose in enumerate(rounds) for tight in rounds[i:]), rounds


def test_columns_of_unequal_sizes_are_certified_in_few_rounds():
    """Numbers in the thousands beside dummies, as tables have them: 24 rounds, where 102 were taken once."""
    rng = np.random.default_rng(0)
    sizes = np.array([2900.0, 150.0, 14.0, 270.0, 46.0, 2300.0])
    numbers, dummies = np.abs(rng.normal(size=(3000, 6))), np.eye(20)[rng.integers(0, 20, 3000)]
    S = np.column_stack([numbers, dummies])
    z = S @ rng.normal(0.0, 0.7, (26, 4)) + rng.gumbel(size=(3000, 4))
    X = np.column_stack([numbers * sizes, dummies])
    found = solve(Problem(Rows.of(X), z.argmax(axis=1), np.ones(3000), 4, ElasticNet(1.0, 0.0)), tol=1e-4, max_iter=45)
    assert found.status == "certified"


def test_very_many_rows_start_on_some(monkeypatch):
    monkeypatch.setattr("inklens.linear.driver.METHODS", (prox_newton.PROXIMAL_NEWTON,))
    problem = tall(12_000)
    whole = solve(problem, tol=1e-5)
    for name, number in (("SUBSAMPLE_ROWS", 500), ("ROWS_PER_COEFFICIENT", 1), ("MIN_CLASS_ROWS", 20)):
        monkeypatch.setattr(prox_newton, name, number)
    some = solve(problem, tol=1e-5)
    assert some.gap <= 1e-5
    assert some.objective == pytest.approx(whole.objective, rel=1e-5)
    first, first_of_whole = (found.history[0][2] / whole.objective - 1.0 for found in (some, whole))
    assert first < 5e-3 < first_of_whole


def test_rows_without_a_class_are_no_start():
    """The intercept of a class that some rows lack would run away on them."""
    codes = np.zeros(400_000, dtype=np.int32)
    codes[:5], codes[5:200_000] = 2, 1
    X = np.random.default_rng(0).normal(size=(400_000, 1)).astype(np.float32)
    problem = Problem(Rows.of(X), codes, np.ones(len(codes)), 3, ElasticNet(1.0, 0.0))
    assert prox_newton.on_some_rows(problem) is None
    two = Problem(problem.rows, np.minimum(codes, 1), problem.weights, 2, problem.penalty)
    small = prox_newton.on_some_rows(two)
    assert small is not None
    assert small.weights.sum() == pytest.approx(two.weights.sum())


def many_columns(n_samples, p=40, K=5, scale=1.0):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(n_samples, p)) * scale
    codes = (rng.normal(size=(p, K)).T @ X.T + rng.gumbel(size=(K, n_samples))).argmax(axis=0)
    return Problem(Rows.of(X), codes, np.full(n_samples, 2.0), K, ElasticNet(1.0, 0.0))


def even(problem):
    """Return the probabilities of zero coefficients."""
    zeros = np.zeros((problem.n_classes, problem.rows.n_features))
    return Point.of(problem, zeros, np.zeros(problem.n_classes), np.float64).at.proba


@pytest.mark.parametrize("violation", [0.01, 1.0, 50.0])
def test_no_more_class_pairs_are_kept_than_are_enough_however_many_rows(violation):
    """Of rows that weigh 2, so that a threshold in units of C shows."""
    kept = []
    for n_samples in (20_000, 80_000):
        problem = many_columns(n_samples)
        threshold = sampling.sampling_threshold(problem, even(problem), 200, violation, is_far=False)
        kept.append(2.0 * n_samples * 10 * 0.04 / threshold)  # ten class pairs of a row, p_k p_l = 0.04 each
    assert kept[1] == pytest.approx(200 * sampling.ENOUGH_PER_COEFFICIENT)
    assert kept[0] <= kept[1] * 1.001


def test_what_is_cheap_to_sum_or_of_raw_columns_is_summed():
    problem = many_columns(40_000)
    proba = even(problem)
    assert sampling.sampling_threshold(problem, proba, 3, 1.0, is_far=False) == 0.0
    assert sampling.sampling_threshold(problem, proba, 200, sampling.UNSAMPLED_VIOLATION, is_far=False) == 0.0
    raw = many_columns(40_000, scale=10.0 ** np.linspace(-2.0, 2.0, 40))
    assert sampling.sampling_threshold(raw, proba, 90, 1.0, is_far=False) == 0.0


def test_few_class_pairs_still_lead_to_the_optimum(monkeypatch):
    monkeypatch.setattr("inklens.linear.driver.METHODS", (prox_newton.PROXIMAL_NEWTON,))
    problem = many_columns(6_000)
    whole = solve(problem, tol=1e-7)
    monkeypatch.setattr(sampling, "ENOUGH_PER_COEFFICIENT", 10.0)
    monkeypatch.setattr(sampling, "WHOLE_ROUNDS", 0.0)
    some = solve(problem, tol=1e-7)
    assert (whole.status, some.status) == ("certified", "certified")
    assert some.objective == pytest.approx(whole.objective, rel=2e-7)
    assert not np.array_equal(some.coef, whole.coef)  # the sampled one took another way


def test_columns_that_depend_on_each_other_take_no_more_passes_by_classes(monkeypatch):
    """Thirty columns of rank 16: along what has no curvature a step on the face is kept short, and signs stay."""
    only(monkeypatch, "classes")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 24, 1500)
    X = (rng.normal(size=(24, 16))[y] + rng.normal(size=(1500, 16))) @ rng.normal(size=(16, 30))
    problem = Problem(Rows.of(X / X.std(axis=0)), y, np.ones(1500), 24, ElasticNet(1.0, 0.0))
    found = solve(problem, tol=1e-4, max_iter=20)
    assert found.status == "certified"
    assert found.n_passes < 500  # it took 810 without a ridge


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_ridge_of_faces_follows_their_steps(monkeypatch, share):
    """It grows after a step of which a share was taken, and falls after one that stays on its face."""
    problem = problem_of(PENALTIES[0], n_classes=20, n_samples=300)
    classes, point = classes_of(problem), Point.of(problem, np.zeros((20, 49)), np.zeros(20), np.float32)
    turns = Turns(classes, Quadratic(problem, problem.penalty, point), 0.0)
    turns.add_proximal_step(0.0)
    before = classes.ridge
    monkeypatch.setattr(Quadratic, "add", lambda *_: share)
    monkeypatch.setattr("inklens.linear.methods.classes.STAYING", 1.0)
    assert turns.add_face_step()
    assert (classes.ridge < before) == (share == 1.0)
    assert (classes.ridge > before) == (share < 1.0)


def off_centre(by, n_samples=800, n_features=40, K=4):
    """Pixels without zeros whose means are many times their deviations, all moved by as much; C is large."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n_samples, n_features)) + rng.normal(size=(n_samples, 3)) @ rng.normal(size=(3, n_features))
    y = (X @ rng.normal(size=(n_features, K)) + 2.0 * rng.gumbel(size=(n_samples, K))).argmax(axis=1)
    return Problem(Rows.of(X + by), y, np.full(n_samples, 30.0), K, ElasticNet(1.0, 0.0))


def test_what_a_face_step_cuts_off_moves_no_mean_score(monkeypatch):
    """A coefficient that stays at 0 leaves a column's mean out of the scores, which the intercept takes."""
    problem = off_centre(20.0)
    point = Point.of(problem, np.zeros((4, 40)), np.zeros(4), np.float64)
    turns = Turns(classes_of(problem), Quadratic(problem, problem.penalty, point), 0.0)
    turns.add_proximal_step(0.1)
    added, conjugate_gradient = [], classes_module.conjugate_gradient
    monkeypatch.setattr(classes_module, "conjugate_gradient", lambda *args, **options: found_by(conjugate_gradient(
        *args, **options)))  # fmt: skip

    def found_by(solution):
        added.append(solution[0])
        return solution

    monkeypatch.setattr(Turns, "_add", lambda self, own, intercept_step: added.append((own, intercept_step)) or 1.0)
    assert turns.add_face_step()
    whole, (own, intercept_step) = added
    mean = turns.blocks.border / turns.blocks.corner[:, None]
    assert not np.array_equal(own, whole[:, :-1])  # some signs would have changed
    before = (mean * whole[:, :-1]).sum(axis=1) + whole[:, -1]
    np.testing.assert_allclose((mean * own).sum(axis=1) + intercept_step, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("by", [20.0, 100.0])
def test_columns_far_from_zero_take_about_as_many_rounds_by_classes(monkeypatch, by):
    only(monkeypatch, "classes")
    near, far = (solve(off_centre(by), tol=1e-4, max_iter=200) for by in (0.0, by))
    assert (near.status, far.status) == ("certified", "certified")
    assert far.objective == pytest.approx(near.objective, rel=2e-4)
    assert far.n_iter <= 2.0 * near.n_iter  # 85 rounds for 16 were needed, where curvature was counted from 0


def test_where_columns_lie_does_not_tell_how_strong_the_penalty_stays():
    """What an intercept has still to make up for is nothing that coefficients want."""
    rng = np.random.default_rng(0)
    W, b = 0.01 * rng.normal(size=(4, 40)), rng.normal(size=4)
    factors = []
    for by in (0.0, 20.0):
        problem = off_centre(by)
        point = Point.of(problem, W, b - by * W.sum(axis=1), np.float64)
        means = prox_newton._means(problem)
        factors.append(prox_newton._continuation(problem.penalty, point, 1e9, np.inf, means, is_raw=False))
    assert factors[0] == pytest.approx(factors[1], rel=1e-9)
    assert factors[0] > 1.0


def test_a_penalty_on_its_way_down_does_not_wait_for_rough_steps():
    problem = off_centre(20.0)
    rng = np.random.default_rng(0)
    point = Point.of(problem, rng.normal(size=(4, 40)), np.zeros(4), np.float64)
    cost = problem.penalty.value(point.coef)
    found = [prox_newton._continuation(problem.penalty, point, factor, fall, np.zeros(40), is_raw=False)
             for factor, fall in ((80.0, 79.0 * cost), (80.0, 0.79 * cost), (8.0, 0.07 * cost))]  # fmt: skip
    assert found == [80.0, 80.0 / prox_newton.NEXT_RATIO, 1.0]


@pytest.mark.parametrize("penalty", PENALTIES[2:], ids=NAMES[2:])
def test_groups_that_are_out_of_use_leave_the_others_their_face(penalty):
    """The norm of a group that is 0 has no direction, and is no part of the face."""
    problem = many_columns(1_000)
    point = Point.of(problem, np.zeros((5, 40)), np.zeros(5), np.float64)
    problem = problem.under(penalty.scaled(float(np.median(penalty.threshold_ratio(-point.at.gradient)))))
    turns = Turns(classes_of(problem), Quadratic(problem, problem.penalty, point), 0.0)
    turns.add_proximal_step(1e-2)
    used = turns.at.any(axis=0)
    before = turns.quadratic.predicted_decrease()
    assert 0 < np.count_nonzero(used) < 40
    assert turns.add_face_step()
    assert turns.quadratic.predicted_decrease() > before
    np.testing.assert_array_equal(turns.at.any(axis=0), used)


def test_moves_of_all_classes_alike_spare_products(monkeypatch):
    """The loss hardly feels them, and blocks take them to be steep: of columns that correlate, where C is large."""
    only(monkeypatch, "classes")
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1000, 10)) @ rng.normal(size=(10, 80)) + rng.normal(size=(1000, 80))
    X /= X.std(axis=0)
    y = (X @ rng.normal(size=(80, 10)) + rng.gumbel(size=(1000, 10))).argmax(axis=1)
    problem = Problem(Rows.of(X), y, np.full(1000, 50.0), 10, PENALTIES[0])
    passes = []
    for shifts in (DrawnRows.shifts, lambda *_: None):
        monkeypatch.setattr(DrawnRows, "shifts", shifts)
        found = solve(problem, tol=1e-4)
        assert found.status == "certified"
        passes.append(found.n_passes)
    assert passes[0] < 0.8 * passes[1]


def test_blocks_know_of_every_row_how_steep_a_column_is(monkeypatch):
    """Of a column that two rows in three thousand carry, drawn ones tell nothing; its step would run away."""
    monkeypatch.setattr("inklens.linear.methods.class_sums.ROWS_PER_COLUMN", 2)
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(3000, 8)), np.zeros(3000)])
    X[[7, 1600], -1] = 2.0
    problem = Problem(Rows.of(X), rng.integers(0, 3, 3000), np.ones(3000), 3, ElasticNet(0.1, 0.0))
    point = Point.of(problem, np.zeros((3, 9)), np.zeros(3), np.float32)
    blocks = classes_of(problem).blocks_at(point.at.proba, 0.0)
    p = np.asarray(point.at.proba)
    curvature = p * (1.0 - p)
    about_mean = curvature.T @ X**2 - (curvature.T @ X) ** 2 / curvature.sum(axis=0)[:, None]
    np.testing.assert_array_less(0.999 * about_mean, blocks.matrices.diagonal(axis1=1, axis2=2))


@pytest.mark.parametrize("seed", range(10))
def test_steps_by_classes_end_on_dense_tables_of_any_kind(monkeypatch, seed):
    """Columns of sizes from 1e-3 to 1e3, repeated, constant and off centre; rows without weight; all penalties.

    Off centre, of unequal sizes and without an intercept they alone take hundreds of rounds; others take over.
    """
    rng = np.random.default_rng(seed)
    n, p, K = (int(rng.integers(*ends)) for ends in ((30, 400), (3, 60), (3, 10)))
    X = rng.normal(size=(n, p)) * 10.0 ** (rng.uniform(-3, 3, p) * (seed % 2)) + 4.0 * (seed % 3 == 2)
    X[:, 0], X[:, 1] = 7.5, X[:, 2]
    y = np.append(np.arange(K), rng.integers(0, K, n - K))
    weights = 10.0 ** rng.uniform(-1, 2) * np.where(np.arange(n) < K, 1.0, rng.random(n) * (rng.random(n) < 0.8))
    problem = Problem(Rows.of(X), y, weights, K, PENALTIES[seed % 4], fit_intercept=seed % 5 > 0)
    chosen = solve(problem, tol=1e-5)
    only(monkeypatch, "classes")
    found = solve(problem, tol=1e-5, max_iter=60)
    assert chosen.status == "certified"
    assert found.objective <= chosen.objective * (1.0 + 1e-3)
    assert found.lower_bound <= chosen.objective * (1.0 + 1e-12)
    assert chosen.lower_bound <= found.objective * (1.0 + 1e-12)


def test_blocks_that_memory_does_not_hold_are_not_made():
    problem = many_columns(1_000, p=400, K=60)
    assert Classes.of(problem) is not None
    with memory.scope(memory.LEAST):
        assert Classes.of(problem) is None


@COMPILED
def test_sums_over_all_rows_are_those_of_the_hessian():
    """Blocks within the classes, their intercepts eliminated, and damped."""
    problem = problem_of(PENALTIES[0])
    n_classes, n_features = 5, problem.rows.n_features
    rng = np.random.default_rng(0)
    point = Point.of(problem, rng.normal(size=(n_classes, n_features)), np.zeros(n_classes), np.float64)
    X, p, c = problem.rows.dense(dtype=np.float64), np.asarray(point.at.proba), problem.weights
    sums, ones = AllRows.of(problem), np.column_stack([X, np.ones(len(X))])
    blocks = sums.blocks((p * (1.0 - p) * c[:, None]).astype(np.float32), 0.5)
    for k, matrix in enumerate(blocks.matrices):
        whole = ones.T @ (ones * (c * p[:, k] * (1.0 - p[:, k]))[:, None])
        whole[np.diag_indices(len(whole))] *= 1.5
        eliminated = whole[:-1, :-1] - np.outer(whole[-1, :-1], whole[-1, :-1]) / whole[-1, -1]
        np.testing.assert_allclose(matrix, eliminated, atol=1e-4 * whole.max())


@COMPILED
@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n_values", "is_found"),
    [(3000, 600, 6, True), (3000, 600, 60, False), (600, 2000, 6, False)],  # many values a row; blocks of few rows
)
def test_all_rows_are_summed_where_each_has_few_values(n_rows, n_columns, n_values, is_found):
    rng = np.random.default_rng(0)
    X = np.zeros((n_rows, n_columns))
    np.put_along_axis(X, rng.permuted(np.tile(np.arange(n_columns), (n_rows, 1)), axis=1)[:, :n_values], 1.0, axis=1)
    problem = Problem(Rows.of(X), np.arange(n_rows) % 5, np.ones(n_rows), 5, ElasticNet(1.0, 0.0))
    assert (AllRows.of(problem) is not None) == is_found
    assert AllRows.of(problem.under(PENALTIES[2])) is None


@pytest.mark.parametrize("penalty", PENALTIES[:2], ids=NAMES[:2])
def test_a_proximal_step_ends_where_moves_of_all_classes_alike_cost_least(penalty):
    """The loss does not feel them, so the objective is lowest there; coefficients of zero come of it."""
    problem = many_columns(1_000).under(penalty)
    point = Point.of(problem, np.random.default_rng(0).normal(size=(5, 40)), np.zeros(5), np.float64)
    turns = Turns(classes_of(problem), Quadratic(problem, penalty, point), 0.0)
    turns.add_proximal_step(1.0)
    end, before = turns.at, turns.quadratic.predicted_decrease()
    for shift in (1e-3, -1e-3):
        for column in range(40):
            assert penalty.value(end[:, [column]] + shift) >= penalty.value(end[:, [column]])
    assert np.count_nonzero(end == 0.0) >= (40 if penalty.l2 == 0.0 else 0)
    fresh = Quadratic(problem, penalty, point)
    fresh.add(turns.quadratic.direction, turns.quadratic.intercept_step)
    assert before == pytest.approx(fresh.predicted_decrease())


@COMPILED
def test_sums_over_all_rows_are_not_made_where_their_copies_have_no_room(monkeypatch):
    problem = problem_of(PENALTIES[0], n_samples=3000)
    blocks = 4 * problem.n_classes * int(problem.free.sum()) ** 2
    for room, is_found in ((class_sums.COPIES * blocks, True), (class_sums.COPIES * blocks - 1, False)):
        monkeypatch.setattr(class_sums, "MAX_BYTES", room)
        assert isinstance(class_sums.sums_of(problem), AllRows) == is_found


@pytest.mark.parametrize("n_classes", [5, 16])
def test_columns_whose_values_stand_out_are_told(n_classes):
    """Drawn rows miss what few rows carry; of many classes there is no other way."""
    rng = np.random.default_rng(0)
    even = rng.normal(size=(400, 6))
    rare = 0.01 * even
    rare[0] = 30.0
    for X, is_found in ((even, True), (rare, n_classes == 16)):
        problem = Problem(Rows.of(X), np.arange(400) % n_classes, np.ones(400), n_classes, ElasticNet(1.0, 0.0))
        assert (Classes.of(problem) is not None) == is_found
