"""Newton's steps under thresholds by the whole Hessian, in float64: where coefficients are few.

On a small table proximal Newton (`prox_newton.py`) spends its time in Python, on choosing what to sum up. Here every
round sums the Hessian over all coefficients (`curvature.c`), and minimises its quadratic with the thresholds as exactly
as a proof needs (`face_descent.py`).

With the Laplacian L of the classes' pairs (`direct.py`), and the intercepts' part C and border B of it, the model is

    minimise over v:  G'(v - w) + (v - w)' H (v - w) / 2 + g(v),     H = L - B' C^-1 B

where the best intercepts follow the coefficients. Coordinates are (class, feature) pairs, classes outside: n of them.
Of two classes under the penalty of one row (`of_one_row`) only the second moves.

The smallest tables have all rounds but the last in one call (`thresholded_rounds.c`), which is trusted with nothing: a
round of this module starts anew from its point, and its step makes the proof.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from inklens.linear import deadline, memory
from inklens.linear.kernels.rounds import LastRound
from inklens.linear.methods import accuracy, costs, direct
from inklens.linear.methods.direct import n_held, pairs_of, solve_positive
from inklens.linear.methods.face_descent import Quadratic, minimise
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.line_search import search
from inklens.linear.methods.method import accuracy_of
from inklens.linear.methods.newton import log_odds
from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.prox_newton import SUBSAMPLE_TOL, end_of, on_some_rows
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.at_once import thresholded_rounds

SUFFICIENT_SHARE = 1e-3  # of the linear decrease, that a step must keep (Armijo)
FORCING_RATIO = 1e-3  # of a solution's KKT violation to the point's
FINEST_SHARE = 0.1  # of the violation that costs a bound more than it may
MIN_TOLERANCE = 1e-10  # thresholds: what float64 can tell
CURVED_RATIO = 4.0  # of a dual point's gap to what the objective differs from the model by: both are of third order
MAX_STALLED_ROUNDS = 3  # in which the objective does not fall
AT_ONCE_TOL = 1e-4  # at most, of rounds in one call: what a step promises that is left for a proof
MAX_UNSOLVED = 2  # models that keep a violation


class Model(NamedTuple):
    """A point's quadratic over the coefficients that may move, and the intercepts that go with them."""

    quadratic: Quadratic
    response: np.ndarray  # (n_intercepts, n): the last intercepts move by -response d - offset
    offset: np.ndarray  # (n_intercepts,)

    def intercept_step(self, d: np.ndarray, n_classes: int) -> np.ndarray:
        """Return how the intercepts move when the coefficients do by d; their sum stays."""
        step = np.zeros(n_classes)
        if len(self.offset):
            step[-len(self.offset) :] = -(self.response @ d) - self.offset
        return np.asarray(step - step.mean())


class Left(NamedTuple):
    """What a step leaves of its model's minimum."""

    cost: float  # of its dual point's bound
    is_little: bool


def solves(problem: Problem) -> bool:
    """Tell whether every coefficient has a threshold and may have any sign, and whether there is room for Hessians."""
    penalty = problem.penalty
    if penalty.signs is not None or not np.all(penalty.l1) or not problem.rows.holds(problem.n_classes):
        return False
    return direct.memory_of(problem) <= memory.limit()


def iterates(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield Newton's points, with the gap that a step's dual point is believed to have; end where models stay unsolved.

    These are such of columns that nearly agree.
    """
    penalty, n_unsolved, n_stalled = problem.penalty, 0, 0
    if not (coef.any() or intercept.any()):
        intercept = log_odds(problem)
        some = on_some_rows(problem)
        if some is not None:
            coef, intercept = end_of(iterates(some, coef, intercept, SUBSAMPLE_TOL))
    coef = np.where(problem.free, coef, 0.0)
    n_taken = direct.ROUNDS_AT_ONCE if goes_at_once(problem) else 0
    while n_taken == direct.ROUNDS_AT_ONCE:
        last = taken_at_once(problem, coef, intercept, tol)
        if not np.isfinite(last.objective):  # rows that were changed, which a pass of its own will say
            break
        coef, intercept, n_taken = last.coef, last.intercept, last.n_rounds
        yield Iterate(coef, intercept, last.objective, np.inf, None)
    point = Point.of(problem, coef, intercept, np.float64)
    while n_unsolved < MAX_UNSOLVED and n_stalled < MAX_STALLED_ROUNDS:
        deadline.check()
        start, before = point, point.objective(penalty)
        step, left = newton_step(problem, start, accuracy_of(tol))
        whole = step.from_point(problem, start, np.float64)
        point, length = search(
            problem, penalty, start, step, whole, sufficient_share=SUFFICIENT_SHARE, dtype=np.float64
        )
        after, gap = point.objective(penalty), np.inf
        if length == 1.0:
            off = abs(before - step.predicted_decrease - after)
            gap = min(CURVED_RATIO * off, 2.0 * step.predicted_decrease) + left.cost
        n_stalled = 0 if after < before * (1.0 - 1e-14) else n_stalled + 1
        n_unsolved += not left.is_little
        dual = DualPoint(start.coef, start.intercept, step.coef, step.intercept)
        point = point.without_scores(problem)  # a proof wants the memory
        del start, whole
        yield Iterate(point.coef, point.intercept, after, gap, dual)


def goes_at_once(problem: Problem) -> bool:
    """Tell whether rounds fit into one call: coefficients are few, and rows take little time."""
    penalty = problem.penalty
    if not isinstance(penalty, ElasticNet) or problem.offset is not None or not problem.rows.takes_rounds:
        return False
    n_moving = (problem.n_classes - n_held(penalty)) * int(np.count_nonzero(problem.free))
    return 0 < n_moving <= direct.MOST_AT_ONCE and costs.direct_seconds(problem) <= direct.LONGEST_AT_ONCE


def taken_at_once(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> LastRound:
    """Return where up to ROUNDS_AT_ONCE steps lead: close to the optimum, whose next step is the proof."""
    return thresholded_rounds(problem.rows, direct.start_of(problem, coef, intercept, min(tol, AT_ONCE_TOL)))


def newton_step(problem: Problem, point: Point, tol: float) -> tuple[Step, Left]:
    """Return the step to the minimum of the point's model, and what is left to it."""
    penalty, at = problem.penalty, point.at
    model, moving = model_at(problem, point)
    bearable = accuracy.LOSS_SHARE * tol * point.objective(penalty)
    finest = accuracy.violation_that_costs(bearable, problem, penalty, point)
    violation = penalty.kkt_violation(point.coef, -at.gradient)
    tolerance = max(FORCING_RATIO * violation, FINEST_SHARE * finest, MIN_TOLERANCE)
    w = point.coef[moving].ravel()
    v, gradient, left = minimise(model.quadratic, w, tolerance)
    direction, d = np.zeros_like(point.coef), v - w
    direction[moving] = d.reshape(direction[moving].shape)
    intercept_step = model.intercept_step(d, problem.n_classes)
    growth = penalty.value(point.coef + direction) - penalty.value(point.coef)
    of_intercepts = float(at.intercept_gradient @ intercept_step)
    slope = float(np.vdot(at.gradient, direction)) + of_intercepts + growth
    constant = 0.5 * float(at.intercept_gradient[-len(model.offset) :] @ model.offset) if len(model.offset) else 0.0
    decrease = constant - 0.5 * float((model.quadratic.gradient + gradient) @ d) - growth
    # what a violation costs starts with a line, or where there is a ridge with a parabola
    cost = bearable * left / finest * max(1.0, left / finest)
    return Step(direction, intercept_step, decrease, slope), Left(cost, left <= tolerance)


def model_at(problem: Problem, point: Point) -> tuple[Model, tuple[np.ndarray, np.ndarray]]:
    """Return the model at a point, and the classes (n_moving, 1) and columns (q,) that may move."""
    penalty, n_classes, n_features = problem.penalty, problem.n_classes, problem.rows.n_features
    columns, first = np.flatnonzero(problem.free), n_held(penalty)
    moving = np.arange(first, n_classes)[:, None], columns
    l1, l2 = (np.broadcast_to(size, n_features)[columns].astype(float) for size in (penalty.l1, penalty.l2))
    grams, q = problem.rows.edge_grams(point.at.proba, problem.weights), len(columns)
    if q < n_features:
        place = np.append(columns, n_features)
        grams = grams[:, place[:, None], place]
    inside, last, n = slice(None, -1), slice(-1, None), len(moving[0]) * q

    def between(rows: slice, columns: slice) -> np.ndarray:
        some = grams[:, rows, columns]
        return np.ascontiguousarray(some[0]) if first else laplacian(some, n_classes)

    H, gradient = between(inside, inside), point.at.gradient[moving].ravel()
    response, offset = np.zeros((0, n)), np.zeros(0)
    if problem.fit_intercept:
        own = slice(1 - first, None)  # all but one of the intercepts
        border, corner = between(last, inside)[own], between(last, last)[own, own]
        solved = solve_positive(corner, np.column_stack([border, point.at.intercept_gradient[1:]]))
        response, offset = solved[:, :-1], solved[:, -1]
        H -= border.T @ response
        gradient = gradient - border.T @ offset
    return Model(Quadratic(H, gradient, l1, l2, penalty.is_grouped), response, offset), moving


def laplacian(grams: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the Hessian over all classes, (n_classes * r, n_classes * s), from the pairs' blocks (n_pairs, r, s)."""
    n_rows, n_columns = grams.shape[1:]
    L = np.zeros((n_classes, n_rows, n_classes, n_columns))
    for gram, a, b in zip(grams, *pairs_of(n_classes), strict=True):
        L[a, :, b] = L[b, :, a] = -gram
        L[a, :, a] += gram
        L[b, :, b] += gram
    return L.reshape(n_classes * n_rows, n_classes * n_columns)
