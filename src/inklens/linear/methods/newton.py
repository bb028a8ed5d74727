"""Newton for L2 and no penalty: truncated, `systems.py` solves for its steps, or direct (`direct.py`).

Vectors here are (n_classes, n_features + 1), the intercept in the last column.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from inklens.linear import deadline
from inklens.linear.methods import direct, dual_ascent, row_space
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.line_search import SUFFICIENT_SHARE, search
from inklens.linear.methods.method import GeneratorMethod, accuracy_of
from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.systems import (
    REBUILD_SHARE,
    Preconditioner,
    Preconditioning,
    conjugate_gradient,
    times_hessian,
)
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.dual import DualPoint, dual_value, linearised, softmax_gap
from inklens.linear.rows.drawing import sample

ROWS_PER_COLUMN = 20  # that are enough for dual ascent to find a start
ROWS_PER_COEFFICIENT = 10  # that stand for all; their optimum is wrong by half a coefficient's share of a row
REPRESENTED = 0.005  # of the rows at least: so few cost little
MANY_ROWS = 4  # times as many, from which a fit to these is worth its passes
LEAST_SHARE = 0.1  # of an even share of the weight, that a rare class has among them
LEAST_CLASS = 1e-6  # share of the weight that a class counts as, in intercepts that begin
SUBSAMPLE_GAP = 0.1  # relative gap of the fit to rows that stand for all, where a fit to all starts
JUDGES = 4  # one of so many rows that stand for all, where a fit to all starts, judges the fit to the others
FIRST_L2 = 1e-3  # of a problem without a penalty, in mean absolute column sums
L2_RATIO = 0.03  # of the penalty of a stage to that of the one before
N_STAGES = 7  # after which no penalty is left
EASY = 300.0  # mean c_i |x_i|^2 / l2 up to which a cold start needs no larger penalty first
STAGE_RATIO = 10.0  # by how much a larger penalty falls at most from one stage to the next
LARGER_PENALTY_GAP = 1.0  # relative, that ends the stage of a larger penalty
LARGER_PENALTY_START = 0.01  # the same of its dual ascent, an epoch of which costs less than a step
MAX_FINAL_STEPS = 60  # without a penalty: where neither separation nor an optimum is found in these, nothing is
STRAIGHT_ROWS = 10.0  # for each coefficient, from which no path comes first
STRAIGHT_STEPS, STRAIGHT_GAP = 30, 0.01  # by which steps are to have come so close
STAGE_GAP = 10.0  # relative, that ends a stage of a problem without a penalty
STAGE_FALL = 1e-4  # of the objective in a step, relative, below which a stage has told what it can
FLOAT32_FLOOR = 1e-6  # predicted relative decrease below which passes run in float64
LINEARISED_GAP = 20.0  # times tol: relative predicted decrease at which a step's dual point is worth its half pass
LAG = 100.0  # times tol: what the residual alone costs the bound of that dual point, from which on none is looked at

# ---- the method ------------------------------------------------------------------------------------------------------


def newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield Newton iterates for an L2 penalty; a cold start has something cheaper before that.

    Where rows are many, or not held, some that stand for all are fitted first; elsewhere dual ascent comes first, and
    larger penalties.
    """
    stages, is_cold = [problem], not coef.any() and not intercept.any()
    if is_cold:
        intercept = log_odds(problem)
    if is_cold and not direct.is_at_once(problem):
        is_read = not problem.rows.reads_quickly and not problem.rows.holds(problem.n_classes)
        part = None if is_read else _representatives(problem)
        starts: Iterator[Iterate] = iter(())
        if is_read:
            starts = _rehearsed(problem)
        elif part is not None:
            starts = _fitted_to(part, problem)
        elif not direct.suits(problem):
            if row_space.suits(problem):
                starts = row_space.iterates(problem, newton, tol)
            else:
                stages = _stages(problem)
                starts = _ascended(stages[0], 0.0 if stages[0] is problem else LARGER_PENALTY_START)
        for iterate in starts:
            yield _under(problem, stages[0], iterate)
            coef, intercept = iterate.coef, iterate.intercept
    for stage in stages:
        is_last = stage is problem
        for _, iterate in _iterate(stage, coef, intercept, None, tol if is_last else LARGER_PENALTY_GAP):
            coef, intercept = iterate.coef, iterate.intercept
            yield _under(problem, stage, iterate)
            if not is_last and iterate.gap <= LARGER_PENALTY_GAP * iterate.objective:
                break


def log_odds(problem: Problem) -> np.ndarray:
    """Return the intercepts that are best without coefficients; zeros where rows have parts of scores already."""
    if not problem.fit_intercept or problem.offset is not None:
        return np.zeros(problem.n_classes)
    logs = np.log(np.maximum(problem.class_weights / problem.weights.sum(), LEAST_CLASS))
    return np.asarray(logs - logs.mean())


def _stages(problem: Problem) -> list[Problem]:
    """Return the problem under falling penalties, its own the last; the first is easy from a cold start."""
    free = problem.free
    l2 = np.broadcast_to(problem.penalty.l2, free.shape)
    free = free & (l2 > 0.0)  # of costless columns a larger penalty would be none
    l2, squares = l2[free], problem.rows.column_squares(problem.weights)[free]
    factor = float((squares / np.maximum(l2, np.finfo(float).tiny)).sum()) / problem.rows.n_samples / EASY
    n_steps = int(np.ceil(np.log(max(factor, 1.0)) / np.log(STAGE_RATIO)))
    return [*(problem.at(factor ** (k / n_steps - 1.0)) for k in range(n_steps)), problem]


def _under(problem: Problem, stage: Problem, iterate: Iterate) -> Iterate:
    """Return a stage's iterate as one of the problem."""
    if stage is problem:
        return iterate
    value = iterate.objective - stage.penalty.value(iterate.coef) + problem.penalty.value(iterate.coef)
    return Iterate(iterate.coef, iterate.intercept, value)


def _ascended(problem: Problem, enough: float) -> Iterator[Iterate]:
    """Yield points of dual ascent until a relative gap is `enough`, on some of the rows where these are many."""
    n_samples, n_wanted = problem.rows.n_samples, ROWS_PER_COLUMN * max(100, int(problem.free.sum()))
    if n_samples <= 2 * n_wanted:
        for iterate in dual_ascent.ascend(problem):
            yield iterate
            if iterate.gap <= enough * iterate.objective:
                return
        return
    part = problem.over(np.sort(np.random.default_rng(0).choice(n_samples, n_wanted, replace=False)))
    for iterate in dual_ascent.ascend(part):
        yield iterate._replace(objective=np.inf, gap=np.inf)
        if iterate.gap <= SUBSAMPLE_GAP * iterate.objective:
            break
    problem.rows.n_passes += part.rows.n_passes * part.rows.n_samples / n_samples


def _representatives(problem: Problem) -> Problem | None:
    """Return the problem on rows that stand for all, a few for each coefficient; None where that would be most."""
    n_wanted = ROWS_PER_COEFFICIENT * (int(problem.free.sum()) + 1) * problem.n_classes
    n_wanted = max(n_wanted, int(REPRESENTED * problem.rows.n_samples))
    if problem.rows.n_samples < MANY_ROWS * n_wanted:
        return None
    share = np.maximum(problem.class_weights, LEAST_SHARE * problem.weights.sum() / problem.n_classes)
    lift = share / np.maximum(problem.class_weights, np.finfo(float).tiny)  # rare classes must not be missed
    chosen, factor = sample(problem.weights * lift[problem.codes], n_wanted)
    return None if chosen is None else problem.over(chosen, weights=problem.weights[chosen] * factor)


def _rehearsed(problem: Problem) -> Iterator[Iterate]:
    """Yield points of a fit to some rows that stand for all, as long as others of them gain as well.

    Beyond, some rows are certain there that others are not, and Newton's steps from such a point are short: from the
    side of small coefficients they are whole.
    """
    some = problem.over(*problem.rows.drawn(problem.rows.n_larger_subsample))
    is_judge = np.arange(some.rows.n_samples) % JUDGES == 0
    part, judge = (some.over(np.flatnonzero(chosen)) for chosen in (~is_judge, is_judge))
    lowest = np.inf
    for iterate in _fitted_to(part, problem):
        value = judge.evaluate(iterate.coef, iterate.intercept).loss + problem.penalty.value(iterate.coef)
        if value > lowest:
            break
        lowest = value
        yield iterate


def _fitted_to(part: Problem, problem: Problem) -> Iterator[Iterate]:
    """Yield points of a rough fit to rows that stand for all."""
    zeros = np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes)
    try:
        for iterate in newton(part, *zeros, 0.0):
            yield iterate._replace(objective=np.inf, gap=np.inf)
            is_near = np.isfinite(iterate.gap) and iterate.gap <= SUBSAMPLE_GAP * iterate.objective
            if is_near or iterate.stationary:
                break
    finally:  # whoever ends it
        problem.rows.n_passes += part.rows.n_passes * part.rows.n_samples / problem.rows.n_samples


def _iterate(
    problem: Problem, coef: np.ndarray, intercept: np.ndarray, preconditioning: Preconditioning | None, tol: float
) -> Iterator[tuple[Preconditioning, Iterate]]:
    """Yield Newton iterates, each with what preconditions their systems."""
    penalty = problem.penalty
    dtype: npt.DTypeLike = np.float32
    stalled, preconditioning = 0, preconditioning or Preconditioning(problem)
    preconditioning.forget_counts()
    if direct.suits(problem):  # before anything is read in float32
        yield from ((preconditioning, iterate) for iterate in direct.iterates(problem, coef, intercept, tol))
        return
    point = Point.of(problem, np.require(coef, requirements=["C", "A"]), intercept, dtype)
    while True:
        if direct.pays(problem, preconditioning.n_unsolved):
            for iterate in direct.iterates(problem, point.coef, point.intercept, tol):
                yield preconditioning, iterate
            return
        deadline.check()
        before = point.objective(penalty)
        metric = preconditioning.at(np.column_stack([point.coef, point.intercept]), point.at.proba)
        step = _newton_step(problem, point, metric, 0.1 * accuracy_of(tol) * before)
        preconditioning.count(step.n_products)
        whole = step.from_point(problem, point, dtype)
        gap, dual = np.inf, DualPoint(point.coef, point.intercept, step.coef, step.intercept)
        if not problem.is_penalised:
            gap = step.predicted_decrease - min(whole.objective(penalty), before)
        elif (
            step.predicted_decrease <= max(LINEARISED_GAP * max(tol, accuracy_of(tol)), 1e-8) * before
            and step.dual_lag <= LAG * max(tol, accuracy_of(tol)) * before
        ):
            gap = -dual_value(problem.near(point.coef), linearised(point.at, whole.at))
        point, _ = search(problem, penalty, point, step, whole, sufficient_share=SUFFICIENT_SHARE, dtype=dtype)
        after = point.objective(penalty)
        stalled = 0 if after < before * (1.0 - 1e-14) else stalled + 1
        gap = gap + after
        if problem.is_penalised:
            gap = min(gap, softmax_gap(problem.near(point.coef).penalty, point.coef, point.at.gradient))
        believed = gap <= tol * after
        if dtype == np.float32 and not believed and (stalled or step.predicted_decrease <= FLOAT32_FLOOR * before):
            dtype, stalled = np.float64, 0
            point = Point.of(problem, point.coef, point.intercept, dtype)
        yield preconditioning, Iterate(point.coef, point.intercept, after, gap, dual, stalled >= 2)
        if dtype == np.float32 and believed:  # and not proven: float32 tells no more
            dtype = np.float64
            point = Point.of(problem, point.coef, point.intercept, dtype)


# ---- one step --------------------------------------------------------------------------------------------------------


def _newton_step(problem: Problem, point: Point, metric: Preconditioner, accuracy: float) -> Step:
    penalty, gradient = problem.penalty, point.gradient(problem.penalty)
    near, lag = problem.near(point.coef).penalty, np.inf
    l2 = np.maximum(penalty.l2, np.finfo(float).tiny)
    if near is not penalty:  # columns without a penalty cost the bound what their ball allows
        l2 = np.where(np.asarray(penalty.l2) > 0.0, l2, np.inf)

    def is_close(residual: np.ndarray, size: float) -> bool:
        """The model is minimal up to `accuracy`, and so is the gap of the dual point that the step gives."""
        nonlocal lag
        if not problem.is_penalised:  # any residual costs a bound everything
            return False
        lag = float((residual[:, :-1] ** 2 / l2).sum())
        if near is not penalty:
            lag += 2.0 * near.conjugate(np.where(np.isinf(l2), residual[:, :-1], 0.0))
        return size <= accuracy and lag <= accuracy

    scale = max(point.objective(penalty), np.finfo(float).tiny)
    product = times_hessian(problem, point.at.proba)
    direction, n_products = conjugate_gradient(product, metric.solve, -gradient, is_close, scale)
    return Step.along(direction, gradient, n_products, 0.5 * lag)


# ---- no penalty ------------------------------------------------------------------------------------------------------


def continuation(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield points until separation is proven or an optimum found; their loss is reported.

    Rows that are many seldom separate the classes: Newton's steps go straight to the optimum. Where rows are few, and
    where these steps lead nowhere, an L2 path whose penalty falls to nothing comes before the last ones; on separable
    data the last point separates the classes.
    """
    scale = problem.rows.absolute().column_sums(problem.weights)[problem.free]
    first = FIRST_L2 * float(scale.mean()) if scale.any() else 1.0
    preconditioning = Preconditioning(problem.under(ElasticNet(0.0, first)), REBUILD_SHARE)
    if _are_many(problem):
        for n_steps, iterate in enumerate(
            _unpenalised(problem, *_start(problem, coef, intercept), preconditioning, tol), 1
        ):
            is_near = iterate.gap <= STRAIGHT_GAP * iterate.objective
            leads_on = is_near or not (iterate.stationary or n_steps == STRAIGHT_STEPS)
            yield iterate._replace(stationary=iterate.stationary and is_near)
            if not leads_on:
                break
        preconditioning = Preconditioning(preconditioning.problem, REBUILD_SHARE)
    for l2 in first * L2_RATIO ** np.arange(N_STAGES):
        stage, before = problem.under(ElasticNet(0.0, l2)), np.inf
        for latest, iterate in _iterate(stage, coef, intercept, preconditioning, 0.1):
            preconditioning, coef, intercept = latest, iterate.coef, iterate.intercept
            loss = iterate.objective - stage.penalty.value(coef)
            yield Iterate(coef, intercept, loss, separation=_separation(problem, coef, intercept, loss))
            is_slow = iterate.objective > (1.0 - STAGE_FALL) * before
            if iterate.stationary or is_slow or iterate.gap <= STAGE_GAP * iterate.objective:
                break
            before = iterate.objective
    yield from _unpenalised(problem, coef, intercept, preconditioning, tol)


def _unpenalised(
    problem: Problem, coef: np.ndarray, intercept: np.ndarray, preconditioning: Preconditioning, tol: float
) -> Iterator[Iterate]:
    """Yield Newton's points without a penalty."""
    stage = problem.under(ElasticNet(0.0, 0.0))
    for n_steps, (_, iterate) in enumerate(_iterate(stage, coef, intercept, preconditioning, tol)):
        proof = _separation(problem, iterate.coef, iterate.intercept, iterate.objective)
        ends = iterate.stationary or n_steps == MAX_FINAL_STEPS
        yield iterate._replace(stationary=ends, separation=proof)
        if iterate.stationary:
            break


def _separation(
    problem: Problem, coef: np.ndarray, intercept: np.ndarray, loss: float
) -> certificates.Separation | None:
    """Return the proof that coefficients separate the classes; separated rows can lose less than log 2 each."""
    if loss >= problem.weights.sum():
        return None
    return certificates.separation(problem.rows, problem.codes, coef, intercept)


def _are_many(problem: Problem) -> bool:
    """Tell whether rows are many times as many as coefficients."""
    size = (problem.n_classes - 1) * (int(problem.free.sum()) + problem.fit_intercept)
    return problem.rows.n_samples >= STRAIGHT_ROWS * size


def _start(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the start, or of a cold one the optimum of rows that stand for all, where these have one."""
    if coef.any() or intercept.any():
        return coef, intercept
    intercept = log_odds(problem)
    part = _representatives(problem) if problem.rows.holds(problem.n_classes) else None
    if part is None or direct.is_at_once(problem):
        return coef, intercept
    for iterate in continuation(part, coef, np.zeros_like(intercept), SUBSAMPLE_GAP):
        if iterate.separation is not None or iterate.stationary:
            break
        if iterate.gap <= SUBSAMPLE_GAP * iterate.objective:
            return iterate.coef, iterate.intercept
    return coef, intercept


NEWTON = GeneratorMethod(newton, lambda problem: problem.penalty.is_smooth and problem.is_penalised)
CONTINUATION = GeneratorMethod(continuation, lambda problem: not problem.is_penalised)
