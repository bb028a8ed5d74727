"""Laws of bounds and proofs: valid at any stop, near the truth near an optimum, and no later for a looser tolerance."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from test_laws_exact import exact_objective
from test_linear_certificates import random_problem

from inklens.errors import ParameterError
from inklens.linear import memory
from inklens.linear.difficulties import difficulty
from inklens.linear.driver import solve
from inklens.linear.methods import direct, refining, thresholded, working_sets
from inklens.linear.problem.penalties import ElasticNet, GroupLasso, penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, recession, unpenalised
from inklens.linear.rows.rows import Rows

PENALTIES = {
    "l2": ElasticNet(0.0, 1.0),
    "l1": ElasticNet(1.0, 0.0),
    "elastic net": ElasticNet(0.5, 0.5),
    "group": GroupLasso(1.0, 0.0),
}
TOLS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)


def tall(penalty, n=1500, p=8, K=4):
    """More rows than columns, which are correlated: a sure optimum, on which inner accuracy is what matters."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) @ (rng.normal(size=(p, p)) / 4 + np.eye(p))
    codes = (X @ rng.normal(0, 0.5, (p, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, Problem(Rows.of(X), codes, np.ones(n), K, penalty)


def ranged(penalty, n=400, p=6):
    """Columns that reach from 1e-2 to 1e3."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, p)) * 10.0 ** np.linspace(-2, 3, p)
    codes = (X / 10.0 ** np.linspace(-2, 3, p) @ rng.normal(size=(p, 3)) + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return X, Problem(Rows.of(X), codes, np.ones(n), 3, penalty)


# ---- bounds ----------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(sorted(PENALTIES)), st.floats(-2, 2), st.integers(1, 6))
def test_wherever_a_fit_stops_its_bound_is_below_every_objective(seed, name, log_strength, rounds):
    X, problem = random_problem(seed, PENALTIES[name].scaled(10.0**log_strength))
    stopped, best = solve(problem, tol=0.0, max_iter=rounds), solve(problem, tol=1e-6, max_iter=200)
    exact = float(exact_objective(X, problem.codes, problem.weights, problem.penalty, best.coef, best.intercept))
    assert 0.0 <= stopped.lower_bound <= exact * (1 + 1e-12)
    if stopped.dual is not None:
        again = certificates.lower_bound(X, problem.codes, problem.weights, problem.penalty, stopped.dual)
        assert again <= exact * (1 + 1e-12)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("job", [tall, ranged])
def test_a_fit_that_stops_near_the_optimum_has_a_bound_as_near(job, name, monkeypatch):
    """The softmax at such a point proves a gap of 1e-3 to 1, whatever is left to go.

    Rounds in one call would go on to the optimum, where there is no such point.
    """
    monkeypatch.setattr(thresholded, "goes_at_once", lambda problem: False)
    monkeypatch.setattr(direct, "goes_at_once", lambda problem: False)
    _, problem = job(PENALTIES[name])
    best = solve(problem, tol=1e-9)
    for rounds in range(2, 60):
        stopped = solve(problem, tol=0.0, max_iter=rounds)
        left = stopped.objective - best.lower_bound
        if left <= 1e-4 * best.objective:
            break
    assert 0.0 < left <= 1e-4 * best.objective
    assert stopped.objective - stopped.lower_bound <= 10.0 * left + 1e-9 * best.objective


@pytest.mark.parametrize("name", ["l2", "elastic net"])
def test_under_a_ridge_no_bound_is_nothing(name):
    """However large the gradient: a small share of any dual point proves something."""
    _, problem = ranged(PENALTIES[name])
    rng = np.random.default_rng(2)
    W, b = rng.normal(size=(3, 6)), np.zeros(3)
    assert certificates.certify(problem, W, b).lower_bound > 0.0


def test_the_best_of_two_dual_points_is_kept():
    _, problem = tall(PENALTIES["l2"])
    found = solve(problem, tol=1e-8)
    away = found.dual._replace(direction=np.full_like(found.coef, 3.0), intercept_direction=np.zeros(4))
    away = away._replace(direction=away.direction * np.arange(4.0)[:, None])
    proven = certificates.certify(problem, found.coef, found.intercept, away)
    assert proven.lower_bound >= found.objective * (1 - 1e-5)
    assert proven.dual.direction is None


def test_a_step_for_a_proof_without_room_is_none(monkeypatch):
    _, problem = tall(PENALTIES["l1"])
    found = solve(problem, tol=1e-4)
    assert refining.refined(problem, found.coef, found.intercept) is not None
    monkeypatch.setattr(refining, "max_pairs", lambda problem: 3)
    assert refining.refined(problem, found.coef, found.intercept) is None


@pytest.mark.parametrize(("name", "strength"), [("l1", 4e5), ("group", 2e5)])
def test_what_rounding_may_add_to_heavy_raw_columns_costs_no_proof(name, strength):
    """It is a good part of a threshold there: a dual point that is scaled back for it loses a fifth of the bound."""
    rng = np.random.default_rng(0)
    units = np.array([1.0, 3.0, 10.0, 30.0, 1e3, 3e3])
    Z = rng.normal(size=(1500, 6)) + 2.0 * rng.normal(size=(1500, 1))  # sweeps over single columns get on slowly
    codes = (Z @ rng.normal(size=(6, 3)) + rng.gumbel(size=(1500, 3))).argmax(axis=1)
    problem = Problem(Rows.of(np.abs(Z + 2.0) * units), codes, np.full(1500, strength), 3, PENALTIES[name])
    found = solve(problem, tol=1e-4)
    proba = problem.evaluate(found.coef, found.intercept, dtype=np.float64).proba
    assert certificates.gradient_rounding(problem, proba).max() > 0.2
    assert found.status == "certified"
    assert found.lower_bound <= found.objective


# ---- tolerances ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("job", [tall, ranged])
def test_a_looser_tolerance_takes_no_more_rounds(job, name):
    """Steps that were only as accurate as a tolerance of 1e-3 asked for once proved a gap of 0.1, and stopped."""
    found = [solve(job(PENALTIES[name])[1], tol=tol) for tol in TOLS]
    assert {str(solution.status) for solution in found} == {"certified"}
    assert all(looser.n_iter <= tighter.n_iter for looser, tighter in pairwise(found))
    proof = 6.0  # passes of one that fails
    assert all(looser.n_passes <= tighter.n_passes + proof for looser, tighter in pairwise(found))


# ---- no penalty ------------------------------------------------------------------------------------------------------


def without_penalty(X, codes, **options):
    codes = np.asarray(codes)
    problem = Problem(Rows.of(np.asarray(X, float)), codes, np.ones(len(codes)), codes.max() + 1, ElasticNet(0.0, 0.0))
    return problem, solve(problem, tol=1e-5, **options)


def touching_tables():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(120, 2))
    answer = (numbers[:, 0] + rng.logistic(size=120) > 0.0).astype(int)
    dummy = np.zeros(120)
    dummy[np.flatnonzero(answer == 1)[:15]] = 1.0
    a, b, three = (rng.integers(0, 3, 200) for _ in range(3))
    three[(a == 0) & (three == 2)] = 1
    sides = np.sign(numbers[:, 0]) * (0.2 + np.abs(numbers[:, 0]))
    between = np.vstack([np.column_stack([sides, numbers[:, 1]]), np.zeros((2, 2))])
    return {
        "touching": ([[0.0], [1.0], [1.0], [2.0]], [0, 0, 1, 1]),
        "a dummy of one class": (np.column_stack([numbers, dummy]), answer),
        "an empty cell": (np.column_stack([np.eye(3)[a], np.eye(3)[b]]), three),
        "one row with both labels": (between, np.append((sides > 0).astype(int), [0, 1])),
    }


@pytest.mark.parametrize("name", touching_tables())
def test_classes_that_touch_have_no_optimum(name):
    X, codes = touching_tables()[name]
    _, found = without_penalty(X, codes)
    assert (found.status, found.exists, found.separated) == ("stopped", False, False)
    assert "give a finite C" in found.remark(1e-5)


@pytest.mark.parametrize("name", ["touching", "a dummy of one class", "an empty cell"])
def test_no_row_falls_behind_along_the_direction_that_was_found(name):
    """In rational arithmetic; these directions are whole multiples of a power of two."""
    X, codes = touching_tables()[name]
    problem, _ = without_penalty(X, codes)
    found = recession.quasi_separation(problem)
    W, b = (
        [[Fraction(float(v)) for v in row] for row in np.atleast_2d(part)] for part in (found.coef, found.intercept)
    )
    leads = []
    for x, own in zip(np.asarray(X, float), codes, strict=True):
        z = [sum((w * Fraction(float(v)) for w, v in zip(row, x, strict=True)), b[0][k]) for k, row in enumerate(W)]
        leads += [z[own] - value for value in z]
    assert min(leads) == 0
    assert max(leads) > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_where_an_optimum_is_proven_no_direction_is(seed):
    """Two proofs that know nothing of each other: never both, and for most tables one."""
    _, problem = random_problem(seed, ElasticNet(0.0, 0.0))
    at = solve(problem, tol=1e-8, max_iter=100)
    proof = unpenalised.existence(problem, np.asarray(problem.evaluate(at.coef, at.intercept, dtype=np.float64).proba))
    found = recession.quasi_separation(problem)
    assert proof is None or found == recession.Overlap.OVERLAPS
    if isinstance(found, certificates.Separation):
        assert at.exists is not True


def first_cell(X, codes, weights, fit_intercept):
    """Whether all of a class hold one end of a column, as not all others do; row by row."""
    rows = [(x, k) for x, k, c in zip(np.asarray(X), codes, weights, strict=True) if c > 0.0]
    for column in range(np.shape(X)[1]):
        values = X[:, column]
        for end in {min(values), max(values)} if fit_intercept else {0.0} & {min(values), max(values)}:
            if any(all(x[column] == end for x, own in rows if own == k) for k in {k for _, k in rows}):
                return True
    return False


@pytest.mark.parametrize("entropy", [0.2, 1.5, 5.0, 9.0])
def test_no_dual_point_is_stretched_out_of_the_simplex(entropy):
    """Whatever a scale promises: 1 is the point itself, and beyond it there is none."""
    tried: list[float] = []

    def values(scales):
        tried.extend(scales)
        return [scale * entropy - scale**2 for scale in scales]

    found = certificates._best_scale(ElasticNet(0.0, 0.5), np.ones((1, 1)), values)
    assert 0.0 < min(tried) <= max(tried) <= 1.0
    assert found == max(scale * entropy - scale**2 for scale in tried)


@settings(max_examples=60, deadline=None)
@example(1917243, False, np.float64, False)  # its cell is in the last column, after four that are far from 0
@given(st.integers(0, 10**9), st.booleans(), st.sampled_from([np.float64, np.float32, np.uint8]), st.booleans())
def test_an_empty_cell_is_found_where_there_is_one_and_is_a_direction(seed, fit_intercept, dtype, is_sparse):
    """Of pixels, counts and numbers far from 0; every lead in rational arithmetic.

    (Ends are those of all rows: where only rows without weight reach them, the linear programme decides.)
    """
    rng = np.random.default_rng(seed)
    n, p, K = int(rng.integers(5, 30)), int(rng.integers(1, 6)), int(rng.integers(2, 5))
    values = rng.choice([0.0, 0.0, 1e-12, 1.0, 3.0, 200.0], (n, p)) + rng.choice([0.0, 0.0, 7.0], p)
    X = values.astype(dtype) if dtype == np.uint8 else (values * rng.choice([0.1, -1 / 3, 1e8], p)).astype(dtype)
    weights, codes = rng.choice([0.0, 1.0, 2.5], n, p=[0.2, 0.4, 0.4]), rng.integers(0, K, n)
    weights[0], none = 1.0, ElasticNet(0.0, 0.0)
    rows = Rows.of(sparse.csr_array(X) if is_sparse else X, scale=1.0 if dtype == np.float64 else 0.5)
    problem = Problem(rows, codes, weights, K, none, fit_intercept=fit_intercept)
    X = np.where(problem.free, X, 0)  # what cannot move is no cell, also where rows without weight differ
    found = recession.empty_cell(problem)
    is_varied = np.ptp(X[weights > 0.0].astype(float), axis=0) > 0.0
    if found is None:
        assert not first_cell(X[:, is_varied], codes, weights, fit_intercept)
        return
    assert fit_intercept or not found.intercept.any()
    leads = []
    for x, own, c in zip(np.asarray(X, float) * rows.scale, codes, weights, strict=True):
        z = [Fraction(b) + sum(Fraction(w) * Fraction(v) for w, v in zip(row, x, strict=True))
             for row, b in zip(found.coef.tolist(), found.intercept.tolist(), strict=True)]  # fmt: skip
        leads += [z[own] - value for value in z] if c > 0.0 else []
    assert min(leads) == 0
    assert max(leads) > 0


def test_a_fit_ends_where_only_an_empty_cell_goes_on(monkeypatch):
    """Where that is all that is left, steps prove no more, and each is as long as the one before."""
    rng = np.random.default_rng(5)
    ink = np.maximum(rng.normal(size=(4000, 6)), 0.0)
    codes = (ink @ rng.normal(size=(6, 3)) + rng.gumbel(size=(4000, 3))).argmax(axis=1)
    ink[codes == 1, 4] = 0.0
    _, proven = without_penalty(ink, codes)
    monkeypatch.setattr(unpenalised, "bound", lambda *_, **__: (0.0, False))
    _, found = without_penalty(ink, codes)
    for each in (proven, found):
        assert (each.status, each.exists) == ("stopped", False)
        assert "column 4 has its smallest value in all rows of class 1" in each.remark(1e-5)
    assert found.n_iter < proven.n_iter  # which went on as long as its bound rose
    assert found.objective == pytest.approx(proven.objective, rel=1e-4)


def test_rows_without_weight_do_not_keep_classes_apart_or_together():
    X, codes = [[0.0], [1.0], [1.0], [2.0], [5.0]], [0, 0, 1, 1, 0]
    problem, _ = without_penalty(X, codes)
    assert recession.quasi_separation(problem) == recession.Overlap.OVERLAPS
    weights = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    lighter = Problem(problem.rows, problem.codes, weights, 2, problem.penalty)
    assert isinstance(recession.quasi_separation(lighter), certificates.Separation)


def test_dummies_that_add_up_to_the_intercept_do_not_hide_an_optimum():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.eye(3)[rng.integers(0, 3, 150)], rng.normal(size=150)])
    _, found = without_penalty(X, rng.integers(0, 3, 150))
    assert (found.status, found.exists) == ("certified", True)


def test_a_rare_class_has_its_optimum():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(4000, 3))
    codes = (X[:, 0] + rng.gumbel(size=4000) > 1).astype(int)
    codes[:6] = 2
    _, found = without_penalty(X, codes)
    assert (found.status, found.exists) == ("certified", True)


def test_without_time_nothing_is_said_of_existence():
    problem, _ = without_penalty([[0.0], [1.0], [1.0], [2.0]], [0, 0, 1, 1])
    assert recession.quasi_separation(problem, seconds=0.0) == recession.Overlap.UNKNOWN


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_a_hessian_has_its_share_of_the_memory():
    _, problem = tall(PENALTIES["l1"])
    plenty = working_sets.max_pairs(problem)
    with memory.scope(1 << 26):
        n_pairs = working_sets.max_pairs(problem)
        assert 4 * (n_pairs + problem.n_classes) ** 2 <= 0.5 * (1 << 26)
        assert n_pairs < plenty
    assert solve(problem, tol=1e-6, memory_limit=1 << 26).status == "certified"


def test_the_limit_is_what_was_given_else_a_quarter_of_the_free(monkeypatch):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setattr(memory, "free", lambda: 4 << 30)
    assert memory.limit() == 1 << 30
    monkeypatch.setenv(memory.VARIABLE, "300 MB")
    assert memory.limit() == 300 << 20
    with memory.scope(1 << 27):
        assert memory.limit() == 1 << 27
    for wrong in ("much", "3", "-5G", ""):
        with pytest.raises(ParameterError, match=memory.VARIABLE):
            memory.parsed(wrong)
    with pytest.raises(ParameterError, match="at least"), memory.scope(1000):
        pass


def test_a_control_group_counts(tmp_path, monkeypatch):
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    limit.write_text("1000000000\n")
    used.write_text("400000000\n")
    monkeypatch.setattr(memory, "GROUPS", ((str(limit), str(used)),))
    monkeypatch.setattr(memory, "_seen", [])
    assert 0 < memory.free() <= 600_000_000
    limit.write_text("max\n")
    monkeypatch.setattr(memory, "_seen", [])
    assert memory.free() > 0


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_what_makes_a_problem_hard_is_named_with_the_remedy():
    rng = np.random.default_rng(5)
    X, codes = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)

    def said(X, penalty):
        return difficulty(Problem(Rows.of(X), codes, np.ones(200), 2, penalty))

    assert said(X, penalty_of(0.0)) == ""
    assert "standardize=True" in said(X * [1e-3, 1.0, 1e3], penalty_of(0.0))
    assert "smaller C" in said(X, ElasticNet(0.0, 1e-9))
    assert "smaller C" in said(X, ElasticNet(1e-9, 0.0))
    assert "sums of others" in said(np.column_stack([X, X[:, 0] + 1e-9 * X[:, 1]]), penalty_of(0.0))


def test_a_fit_that_takes_long_says_why_while_it_works(monkeypatch):
    from inklens.linear import driver

    monkeypatch.setattr(driver, "SLOW_ROUNDS", 2)
    rng = np.random.default_rng(6)
    X, codes = rng.normal(size=(300, 40)) * 10.0 ** np.linspace(-3, 3, 40), rng.integers(0, 3, 300)
    told = []
    problem = Problem(Rows.of(X), codes, np.ones(300), 3, penalty_of(1.0))
    found = solve(problem, tol=0.0, max_iter=4, callback=lambda solution: told.append(solution.difficulty))
    assert told[0] == ""
    assert "columns reach from" in told[-1]
    assert "columns reach from" in found.remark(0.0)
