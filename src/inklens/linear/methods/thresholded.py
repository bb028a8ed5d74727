"""Newton's steps under thresholds by the whole Hessian, in float64: where coefficients are few.

On a small table proximal Newton (`prox_newton.py`) spends its time in Python, on choosing what to sum up. Here a round
sums the Hessian over all coefficients (`whole_hessian.py`), and minimises

    over v:  G'(v - w) + (v - w)' H (v - w) / 2 + g(v)

with the thresholds as exactly as a proof needs (`whole_steps.py`, `face_descent.py`).

The smallest tables have all rounds but the last in one call (`thresholded_rounds.c`), which is trusted with nothing: a
round of this module starts anew from its point, and its step makes the proof.
"""

from collections.abc import Iterator

import numpy as np

from inklens.linear import deadline, memory
from inklens.linear.kernels.rounds import LastRound
from inklens.linear.methods import costs, direct
from inklens.linear.methods.direct import n_held
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.line_search import search
from inklens.linear.methods.method import accuracy_of
from inklens.linear.methods.newton import log_odds
from inklens.linear.methods.points import Point
from inklens.linear.methods.prox_newton import SUBSAMPLE_TOL, end_of, on_some_rows
from inklens.linear.methods.whole_steps import Hessians
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.at_once import thresholded_rounds

SUFFICIENT_SHARE = 1e-3  # of the linear decrease, that a step must keep (Armijo)
CURVED_RATIO = 4.0  # of a dual point's gap to what the objective differs from the model by: both are of third order
MAX_STALLED_ROUNDS = 3  # in which the objective does not fall
AT_ONCE_TOL = 1e-4  # at most, of rounds in one call: what a step promises that is left for a proof
MAX_UNSOLVED = 2  # models that keep a violation


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
    point, hessians = Point.of(problem, coef, intercept, np.float64), Hessians(problem)
    while n_unsolved < MAX_UNSOLVED and n_stalled < MAX_STALLED_ROUNDS:
        deadline.check()
        start, before = point, point.objective(penalty)
        step, left = hessians.step(start, accuracy_of(tol))
        whole = step.from_point(problem, start, np.float64)
        point, length = search(
            problem, penalty, start, step, whole, sufficient_share=SUFFICIENT_SHARE, dtype=np.float64
        )
        after, gap = point.objective(penalty), np.inf
        if length == 1.0:
            off = abs(before - step.predicted_decrease - after)
            gap = min(CURVED_RATIO * off, 2.0 * step.predicted_decrease) + left.cost
        falls = after < before * (1.0 - 1e-14)
        n_stalled = 0 if falls else n_stalled + left.is_own
        n_unsolved += left.is_own and not left.is_little
        if length < 1.0 or not falls:
            hessians.forget()
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
