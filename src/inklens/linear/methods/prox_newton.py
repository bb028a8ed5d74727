"""Working-set proximal Newton for L1, elastic net and group penalties.

Each round: the gradient tells which coefficients want to move (the working set), the exact Hessian over these is summed
over the class pairs that are still undecided (`pair_hessian.c`), the quadratic subproblem is solved in Gram form, and
the step is taken if the objective falls. Far from the optimum the penalty starts larger and comes down as fast as the
gradient allows; where rows are saturated the way goes on beyond a step, as the loss is nearly exponential and
Newton's steps too short by a logarithm. Near it, the step's own linearised dual point proves the bound (`dual.py`).

Lee, Sun, Saunders (2014), SIAM J. Optim. 24, for proximal Newton; Friedman, Hastie, Tibshirani (2010), section 2.5, for
working sets.
"""

from collections.abc import Iterator
from itertools import count
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inklens.linear import deadline
from inklens.linear.methods import accuracy, reach, sampling
from inklens.linear.methods.classes import Classes
from inklens.linear.methods.columns import Columns
from inklens.linear.methods.faces import Faces
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.line_search import search
from inklens.linear.methods.matrices import Matrices, Round, matrix_seconds
from inklens.linear.methods.method import GeneratorMethod, accuracy_of, by_one_row
from inklens.linear.methods.newton import log_odds
from inklens.linear.methods.points import Asked, Point, Step
from inklens.linear.methods.quadratic import Quadratic, Surrogate, inner
from inklens.linear.methods.stalling import Progress
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.methods.working_sets import working_set
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint, dual_value, linearised

# The penalty on the way down to the one that is asked for.
START_RATIO = 16.0  # thresholds: where the largest gradient starts; 8 takes two rounds more on 60,000 digits, 25 three
SLOW_FALL = 0.05  # of what the penalty costs too much, below which a rough step has gained too little
NEXT_RATIO = 4.0  # by which the penalty then falls, whatever the gradient

# How well the model is solved, beside `accuracy.py`.
EXACT_RATIO = 0.01  # of a solution's KKT violation to the point's, where the model is summed over all rows
INNER_RATIO = 0.3  # of a solution's KKT violation to the one that is to be corrected

# Precision.
FLOAT64_VIOLATION = 0.02  # thresholds of KKT violation, from which passes run in float64
FLOAT64_NOISE = 30.0  # and in multiples of what rounding to float32 does to it
ROUNDING_FLOAT32 = 1e-7  # of the objective: differences below say nothing
FLOAT32_FLOOR = 1e-6  # the same of a step that has to be shortened: passes run in float64 then

# Corrections of a step by products with the true Hessian, where the model's is sampled.
CORRECTED_VIOLATION = 4.0  # thresholds of KKT violation, below which a step is corrected
MAX_CORRECTIONS = 8  # of a step that may prove what is asked for
TARGET_SHARE = 0.5  # of the gap that is asked for: where corrections of a step that may prove it end
SLOW_RATIO = 0.8  # two corrections that leave this share of the KKT violation are the last

# Damping and length of steps.
DAMPING_RATIO = 4.0  # of the damping after a step that had to be shortened; its inverse after a good one
LEAST_DAMPING = 0.01  # in units of the model's own curvature
ACCEPTED_RATIO = 0.5  # of the decrease to the predicted one, from which a step was good
LENGTHENED_RATIO = (
    1.05  # of the decrease to the predicted one, beyond which a step far away is tried at greater lengths
)
MAX_LENGTH = 8.0  # times the step's own
MAX_MOVE = 1e4  # times the largest coefficient: a step moves nothing by more
SUFFICIENT_SHARE = 1e-3  # of the linear decrease, that a step must keep (Armijo)

# A start on some rows, where there are very many.
SUBSAMPLE_ROWS = 20_000
ROWS_PER_COEFFICIENT = 10
SUBSAMPLE_RATIO = 8  # times as many rows as that, for a start on some to be worth it
MIN_CLASS_ROWS = 50  # of each class: an intercept of a class that is missing would run away
SUBSAMPLE_TOL = 1e-2
SUBSAMPLE_ROUNDS = 30

# Giving up.
MAX_STALLED_ROUNDS = 4  # without any fall of the objective
MAX_LOST_ROUNDS = 100  # in which neither penalty, KKT violation nor gap halve


def proximal_newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Return ever better points for a penalty with thresholds."""
    return by_one_row(_rounds, problem, coef, intercept, tol)


def _rounds(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    dtype: npt.DTypeLike = np.float32
    if not (coef.any() or intercept.any()):
        intercept = log_odds(problem)
    small = None if coef.any() else on_some_rows(problem)
    factor = np.inf if small is None else 1.0
    if small is not None:
        coef, intercept = end_of(_rounds(small, coef, intercept, SUBSAMPLE_TOL))
    point = Point.of(problem, np.where(problem.free, coef, 0.0), intercept, dtype)
    stalled, damping, progress = 0, 0.0, Progress(MAX_LOST_ROUNDS)
    means, fall = _means(problem), np.inf  # of the columns; of the objective in the last round, if its step was rough
    noise, is_raw = FLOAT64_NOISE * sampling.float32_noise(problem), problem.facts.is_raw
    solvers, matrices = _solvers(problem), Matrices(problem)
    for seed in count():
        deadline.check()
        factor = _continuation(problem.penalty, point, factor, fall, means, is_raw=is_raw)
        penalty = problem.penalty.scaled(factor)
        violation = penalty.kkt_violation(point.coef, -point.at.gradient)
        if dtype == np.float32 and violation < max(FLOAT64_VIOLATION if factor == 1.0 else 0.0, noise / factor):
            dtype = np.float64
            point = Point.of(problem, point.coef, point.intercept, dtype)
        before = point.objective(problem.penalty)
        if seed == 0 and violation == 0.0 and not point.coef.any():  # nothing wants to move
            yield Iterate(point.coef, point.intercept, before, 0.0)
        at = Round(point, penalty, factor, violation, damping)
        surrogate, step = matrices.serving(at), None
        if surrogate is None:
            working = working_set(problem, penalty, point, violation)
            n_face = 0 if at.is_far else int(np.count_nonzero(point.coef))
            of_matrix = matrix_seconds(problem, len(working.pairs.features), n_face)
            of_matrix = np.inf if working.is_partial else of_matrix
            solver, worth = _cheapest(solvers, working.pairs, of_matrix, is_far=at.is_far)
            if solver is not None:
                asked = Asked(violation, accuracy_of(tol), damping, at.is_far, worth)
                step = solver.step(penalty, point, asked)
        is_rough = step is not None and solver is not None and solver.is_rough
        if step is None or (damping == 0.0 and not step.predicted_decrease > 0.0):  # the same would be found again
            surrogate = matrices.made(at, working, seed) if surrogate is None else surrogate
            step = _newton_step(problem, penalty, point, surrogate, accuracy_of(tol))
        whole = step.from_point(problem, point, dtype)
        bound, dual = -np.inf, DualPoint(point.coef, point.intercept, step.coef, step.intercept)
        if factor == 1.0 and step.dual_lag <= max(tol, accuracy_of(tol), 1e-9) * before:
            bound = dual_value(problem.near(point.coef), linearised(point.at, whole.at))
        start = point
        point, length = search(problem, penalty, start, step, whole, sufficient_share=SUFFICIENT_SHARE, dtype=dtype)
        fall = start.objective(penalty) - point.objective(penalty) if is_rough else np.inf
        least = ROUNDING_FLOAT32 if length == 1.0 else FLOAT32_FLOOR
        if dtype == np.float32 and factor == 1.0 and step.predicted_decrease <= least * before:
            dtype = np.float64  # float32 cannot tell whether such a step is good
            point = Point.of(problem, point.coef, point.intercept, dtype)
        elif length < 1.0:
            damping = max(DAMPING_RATIO * damping, LEAST_DAMPING)
            matrices.forget()
        else:
            damping = _relaxed(damping, step, start.objective(penalty) - point.objective(penalty), before)
            if factor > 1.0:
                point = _lengthened(problem, penalty, start, step, point, dtype)
        objective = point.objective(problem.penalty)
        stalled = stalled + 1 if factor == 1.0 and before - objective <= 1e-13 * before else 0
        gap = objective - bound
        is_lost = progress.is_lost(factor, violation if factor == 1.0 else np.inf, gap)
        ends = stalled == MAX_STALLED_ROUNDS or is_lost
        yield Iterate(point.coef, point.intercept, objective, gap, dual, stationary=ends)


def on_some_rows(problem: Problem) -> Problem | None:
    """Return the problem on a share of very many rows, whose optimum is close; None where rows are few or rare."""
    rows, is_held = problem.rows, problem.rows.holds(problem.n_classes)
    n_wanted = max(SUBSAMPLE_ROWS, ROWS_PER_COEFFICIENT * problem.n_classes * int(problem.free.sum()))
    if rows.n_samples < SUBSAMPLE_RATIO * (n_wanted if is_held else rows.n_subsample):
        return None
    if is_held:
        drawn = np.random.default_rng(0).random(rows.n_samples) * rows.n_samples < n_wanted
        some = problem.over(np.flatnonzero(drawn))
    else:
        some = problem.subsample
    counts = np.bincount(some.codes, some.weights > 0.0, minlength=problem.n_classes)
    return some if counts.min() >= MIN_CLASS_ROWS else None


def end_of(iterates: Iterator[Iterate]) -> tuple[np.ndarray, np.ndarray]:
    """Return the first point that believes in SUBSAMPLE_TOL, or the last."""
    for number, point in enumerate(iterates, 1):
        if point.stationary or point.gap <= SUBSAMPLE_TOL * point.objective or number == SUBSAMPLE_ROUNDS:
            break
    return point.coef, point.intercept


def _relaxed(damping: float, step: Step, decrease: float, scale: float) -> float:
    """Return the damping after a whole step: less where the objective fell as predicted, rounding aside."""
    if decrease + ROUNDING_FLOAT32 * scale < ACCEPTED_RATIO * step.predicted_decrease:
        return damping
    return damping / DAMPING_RATIO if damping > LEAST_DAMPING else 0.0


def _lengthened(
    problem: Problem, penalty: Penalty, start: Point, step: Step, point: Point, dtype: npt.DTypeLike
) -> Point:
    """Return the point after a step, or after several times the step where rows are saturated and it still falls.

    The loss of saturated rows is nearly exponential along a step, and Newton's steps too short by a logarithm.
    Coefficients that reach zero stay there.
    """
    if start.objective(penalty) - point.objective(penalty) <= LENGTHENED_RATIO * step.predicted_decrease:
        return point
    more = 1.0
    while more < MAX_LENGTH and sampling.is_saturated(problem, point.at.proba):
        target = point.coef + more * step.coef
        coef = np.where(np.sign(target) == np.sign(point.coef), target, 0.0)
        trial = Point.of(problem, coef, point.intercept + more * step.intercept, dtype)
        if trial.objective(penalty) >= point.objective(penalty):
            break
        point, more = trial, 2.0 * more
    return point


def _means(problem: Problem) -> np.ndarray:
    """Return the mean of each column, (n_features,); zeros without an intercept, and where it takes a reading."""
    if not (problem.fit_intercept and problem.rows.holds(problem.n_classes)):
        return np.zeros(problem.rows.n_features)
    return np.asarray(problem.facts.sums / problem.weights.sum())


def _continuation(
    penalty: Penalty, point: Point, factor: float, fall: float, means: np.ndarray, *, is_raw: bool
) -> float:
    """Return the factor on the penalty, at least 1, that leaves the largest gradient at START_RATIO thresholds.

    The gradient is that of centred columns: what an intercept has still to make up for is nothing that coefficients
    want. Rough steps may never come so close: where the last one lowered the objective by little (`fall`) beside what
    the factor costs, the factor falls all the same.

    Of raw columns, what coefficients in use still violate counts for no more than their threshold: that of a column
    with large values is many thresholds after any step, and moves the others little.
    """
    gradient = point.at.gradient - np.outer(point.at.intercept_gradient, means)
    if not np.isfinite(factor):
        return max(1.0, float(penalty.threshold_ratio(-gradient).max(initial=0.0)) / START_RATIO)
    ratio = penalty.threshold_ratio(-gradient - factor * penalty.gradient(point.coef))
    if is_raw:
        ratio = np.where(penalty.support(point.coef), np.minimum(ratio, factor), ratio)
    is_slow = fall < SLOW_FALL * (factor - 1.0) * penalty.value(point.coef)
    lower = factor / NEXT_RATIO if factor > NEXT_RATIO**2 else 1.0
    most = lower if is_slow else factor
    return max(1.0, min(most, float(ratio.max(initial=0.0)) / START_RATIO))


# ---- steps without a matrix over all coefficients --------------------------------------------------------------------


class Solver(Protocol):
    """Solves a step's model without its matrix."""

    is_rough: bool  # whether a step may leave so much unsolved that the penalty's way down does not wait for it

    def seconds(self, pairs: Pairs, *, is_far: bool) -> float:
        """Return about how long a step takes in which some pairs move."""

    def step(self, penalty: Penalty, point: Point, asked: Asked) -> Step:
        """Return the step to the model's minimum."""


def _solvers(problem: Problem) -> list[Solver]:
    if problem.penalty.signs is not None or not np.all(problem.penalty.l1):  # these know thresholds only
        return []
    found: tuple[Solver | None, ...] = Columns.of(problem), Classes.of(problem)
    return [solver for solver in found if solver is not None]


def _cheapest(solvers: list[Solver], pairs: Pairs, of_matrix: float, *, is_far: bool) -> tuple[Solver | None, float]:
    """Return the solver that takes least time, or None where a matrix over the pairs does; and what the next takes."""
    ways: list[tuple[float, Solver | None]] = [(solver.seconds(pairs, is_far=is_far), solver) for solver in solvers]
    first, *others = sorted([(of_matrix, None), *ways], key=lambda way: way[0])
    return first[1], others[0][0] if others else np.inf


# ---- steps by a matrix over the working set --------------------------------------------------------------------------


def _n_corrections(surrogate: Surrogate) -> int:
    """Return how often a step may be corrected by products with the true Hessian."""
    if surrogate.curvature is None or surrogate.factor > 1.0 or surrogate.kkt_violation >= CORRECTED_VIOLATION:
        return 0
    return 1 if surrogate.is_damped else MAX_CORRECTIONS


def _newton_step(problem: Problem, penalty: Penalty, point: Point, surrogate: Surrogate, tol: float) -> Step:
    """Return the step to the minimum of model and penalty over the working set, as far as coefficients may go.

    Where the way there leads nowhere within reach, the model has directions without curvature: damping gives them some,
    for this step.
    """
    step = _model_step(problem, penalty, point, surrogate, tol)
    if reach.within(problem, point, step.coef) is step.coef:
        return step
    model, diagonal = surrogate.model, surrogate.model.hessian.diagonal().copy()
    try:
        for damping in reach.DAMPINGS:
            if damping > 0.0:
                np.fill_diagonal(model.hessian, diagonal + np.float32(damping) * model.diagonal)
                surrogate = surrogate._replace(is_damped=True, model=model._replace(faces=Faces()))
                step = _model_step(problem, penalty, point, surrogate, tol)
            near = reach.within(problem, point, step.coef)
            if near is step.coef:
                return step
            bounded, share = reach.step_along(problem, penalty, point, surrogate, near)
            if share >= reach.LEAST_SHARE:
                return bounded
    finally:  # the model may serve again
        np.fill_diagonal(model.hessian, diagonal)
    return bounded if share > 0.0 else step


@np.errstate(over="ignore", invalid="ignore")  # of a model without curvature somewhere: its step is cut below
def _model_step(problem: Problem, penalty: Penalty, point: Point, surrogate: Surrogate, tol: float) -> Step:
    """Return the minimiser of the model plus penalty over the working set, as a step; roughly while far."""
    objective, value = point.objective(penalty), penalty.value(point.coef)
    tolerance, finest = accuracy.tolerances(problem, penalty, point, surrogate.kkt_violation, tol)
    if surrogate.curvature is None and surrogate.factor == 1.0:  # the model is worth it, and small
        tolerance = max(min(tolerance, EXACT_RATIO * surrogate.kkt_violation), finest, accuracy.MIN_TOLERANCE)
    quadratic = Quadratic(problem, penalty, point)
    n_corrections = _n_corrections(surrogate)
    decrease, lag = _solve_corrected(quadratic, surrogate, (tolerance, finest), n_corrections, tol * objective)
    direction, intercept_step = quadratic.direction, quadratic.intercept_step
    growth = penalty.value(point.coef + direction) - value
    farthest = MAX_MOVE * (1.0 + max(np.abs(point.coef).max(), np.abs(point.intercept).max()))
    longest = max(np.abs(direction).max(), np.abs(intercept_step).max())
    if not longest <= farthest:  # a model without curvature somewhere; NaN lands here as well
        shorter = farthest / longest if np.isfinite(longest) else 0.0
        direction, intercept_step = (
            shorter * np.nan_to_num(part, posinf=0.0, neginf=0.0) for part in (direction, intercept_step)
        )
        growth, decrease, lag = penalty.value(point.coef + direction) - value, np.inf, np.inf
    slope = inner(point.at.gradient, direction) + float(point.at.intercept_gradient @ intercept_step) + growth
    return Step(direction, intercept_step, decrease, slope, lag)


def _solve_corrected(
    quadratic: Quadratic,
    surrogate: Surrogate,
    tolerances: tuple[float, float],
    n_corrections: int,
    wanted: float,
) -> tuple[float, float]:
    """Add solutions of the surrogate to the step; return its predicted decrease, and the gap it may leave.

    With corrections the first solution is corrected once by the true gradient after it. A step that may prove the gap
    `wanted` is corrected until its KKT violation costs no more than that: corrections cost less than a round.
    """
    rough, finest = tolerances
    before, violation, is_provable = np.inf, surrogate.kkt_violation, False
    for turn in range(n_corrections + 1):
        tolerance = (
            max(min(rough, INNER_RATIO * violation), finest / 2.0, accuracy.MIN_TOLERANCE) if is_provable else rough
        )
        direction, intercept_step, decrease = quadratic.solve_model(surrogate, tolerance, outside=is_provable)
        if turn == n_corrections or (turn and not is_provable):
            decrease = quadratic.predicted_decrease() + decrease
            quadratic.add_unevaluated(direction, intercept_step)
            return decrease, 2.0 * decrease
        share = quadratic.add(direction, intercept_step)
        last, before, violation = before, violation, quadratic.kkt_violation(surrogate.pairs.features)
        lag = 2.0 * quadratic.predicted_decrease()
        is_provable = not quadratic.penalty.is_grouped and lag <= (1.0 - 2.0 * accuracy.LOSS_SHARE) * wanted
        size = 0.0 if np.any(quadratic.penalty.l2) else quadratic.penalty_value
        enough = max(finest, (TARGET_SHARE * wanted - lag) / size) if size > 0.0 else finest
        if share == 0.0 or (is_provable and violation <= enough) or (turn and violation > SLOW_RATIO * last):
            break
    return quadratic.predicted_decrease(), lag + size * violation / (1.0 + violation)


PROXIMAL_NEWTON = GeneratorMethod(proximal_newton, lambda problem: not problem.penalty.is_smooth)
