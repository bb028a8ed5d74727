"""Few columns in use, of however many: their own optimum, then the columns that want in, in turns.

Under thresholds most tables of many columns leave a handful in use. Newton's rounds over these go in one call, on a
dense copy of them (`thresholded_rounds.c`), where a round of proximal Newton takes milliseconds of Python. A pass over
all columns tells which others want in: those whose gradients exceed their thresholds most come in, twice as many as
there are at most (working sets as in Massias, Gramfort and Salmon 2018, ICML). What has no room, or gets no lower, is
left to other methods, from where it stands.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from inklens.linear import deadline
from inklens.linear.methods import costs, direct, few
from inklens.linear.methods.interior import PROXIMAL_THEN_INTERIOR
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.method import GeneratorMethod, accuracy_of, by_one_row
from inklens.linear.methods.newton import log_odds
from inklens.linear.methods.points import Point
from inklens.linear.methods.prox_newton import PROXIMAL_NEWTON
from inklens.linear.methods.whole_steps import Aim
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Facts, Problem
from inklens.linear.rows.at_once import thresholded_rounds
from inklens.linear.rows.filled import few_columns

LEAST_ROOM = 16  # columns
LONGEST_ROUND = 0.003  # seconds, with no room left; a call may take ten
MANY = 2.0  # times the room, at least, of all columns
MOST_WANTING = 32  # times the room, at the start: of so many that want in, too many stay
FIRST = 10  # columns that come in where none is in use
GROWTH = 2.0  # times those in use, that come in at most
ROUNDS_TOL = 1e-9  # of rounds in one call: the softmax at their end proves what it can

OTHERS = few.PROXIMAL_THEN_WHOLE, PROXIMAL_THEN_INTERIOR, PROXIMAL_NEWTON  # the first that accepts a problem


def may_be_few(problem: Problem) -> bool:
    """Tell whether thresholds are all there is, and a round over the columns that have room is short."""
    penalty = problem.penalty
    if not isinstance(penalty, ElasticNet) or penalty.signs is not None or not np.all(penalty.l1):
        return False
    room, n_classes = room_of(problem), problem.n_classes
    work = 0.5 * n_classes * (n_classes - 1) * problem.rows.n_samples * room**2 / 2.0
    is_short = work <= LONGEST_ROUND * costs.DENSE_EDGE_GRAM
    if problem.offset is not None or room < LEAST_ROOM or np.count_nonzero(problem.free) < MANY * room or not is_short:
        return False
    return problem.rows.takes_rounds


def room_of(problem: Problem) -> int:
    """Return how many columns a call has room for; of two classes one row moves."""
    return direct.MOST_AT_ONCE // (problem.n_classes if problem.n_classes > 2 else 1)


def columns_in_use(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield the optima over growing sets of columns, and others' points after them where these find no room."""
    for point in by_one_row(_turns, problem, coef, intercept, tol):
        coef, intercept = point.coef, point.intercept
        yield point
    method = next(other for other in OTHERS if other.accepts(problem))
    yield from method.iterates(problem, coef, intercept, tol)


def _turns(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    penalty, before = problem.penalty, np.inf
    if not (coef.any() or intercept.any()):
        intercept = log_odds(problem)
    point = Point.of(problem, np.where(problem.free, coef, 0.0), intercept, np.float64)
    columns = _columns(problem, point)
    while columns is not None and point.objective(penalty) < before:
        deadline.check()
        before = point.objective(penalty)
        if len(columns):
            point = _optimum_over(problem, point, columns)
        aim = Aim.at(problem, point, accuracy_of(tol))
        yield Iterate(point.coef, point.intercept, point.objective(penalty), aim.cost(aim.violation))
        columns = _columns(problem, point)


def _columns(problem: Problem, point: Point) -> np.ndarray | None:
    """Return the columns in use, and those that come in; None where there is no room for any that has to."""
    penalty, room = problem.penalty, room_of(problem)
    is_used = penalty.support(point.coef).any(axis=0)
    n_used, ratio = int(np.count_nonzero(is_used)), penalty.threshold_ratio(-point.at.gradient).max(axis=0)
    wanting = np.flatnonzero((ratio > 1.0) & problem.free & ~is_used)
    n_new = min(len(wanting), max(FIRST, int(GROWTH * n_used)), room - n_used)
    if n_new < min(1, len(wanting)) or len(wanting) > MOST_WANTING * room:
        return None
    wanting = wanting[np.argsort(-ratio[wanting], kind="stable")[:n_new]]
    return np.union1d(np.flatnonzero(is_used), wanting)


def _optimum_over(problem: Problem, point: Point, columns: np.ndarray) -> Point:
    """Return the point where only these columns have moved, to their optimum."""
    rows = few_columns(problem.rows, columns)
    known = Facts(rows, problem.codes, problem.weights, problem.n_classes, problem.fit_intercept, problem.free[columns])
    part = replace(problem, rows=rows, penalty=problem.penalty.over(columns), known=known)
    last = thresholded_rounds(rows, direct.start_of(part, point.coef[:, columns], point.intercept, ROUNDS_TOL))
    coef = np.zeros_like(point.coef)
    coef[:, columns] = last.coef
    return Point.of(problem, coef, last.intercept, np.float64)


COLUMNS_IN_USE = GeneratorMethod(columns_in_use, may_be_few)
