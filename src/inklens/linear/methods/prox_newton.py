"""Working-set proximal Newton for L1, elastic net and group penalties.

Each round: the gradient tells which coefficients want to move (the working set), the exact Hessian over these is summed
over the class pairs that are still undecided (`pair_hessian.c`), the quadratic subproblem is solved in Gram form, and
the step is taken if the objective falls. Far from the optimum the penalty starts larger and comes down as fast as the
gradient allows; where rows are sure of their class the way goes on beyond a step, as the loss is nearly exponential and
Newton's steps too short by a logarithm. Near it, the step's own linearised dual point proves the bound (`dual.py`).

Lee, Sun, Saunders (2014), SIAM J. Optim. 24, for proximal Newton; Friedman, Hastie, Tibshirani (2010), section 2.5, for
working sets.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from inklens.linear.methods import sampling as saturation
from inklens.linear.methods import subproblem
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.quadratic import Quadratic, inner
from inklens.linear.methods.stalling import Progress
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint, dual_value, linearised
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Evaluation

PULL = 16.0  # thresholds: where the strongest pull starts; 8 takes two rounds more on 60,000 digits, 25 three
NEAR = 0.9  # a zero coefficient joins the working set when its pull exceeds this share of the threshold
GROWTH = 2.0  # the working set is at most this many times the non-zeros, while far
SMALLEST_SET = 300
COARSEST = 2.0  # breach of the subproblem's optimality conditions, in thresholds, while far
FORCING = 0.1  # and as a share of the violation, near
EXACT_BELOW = 0.02  # violation, in thresholds, from which passes run in float64
EXACT_NOISE = 30.0  # and in multiples of what rounding to float32 does to it
SHARE = 0.3  # of the gap to be proven may be lost to a rough solution of the model
CORRECTED_BELOW = 4.0  # violation, in thresholds, from which a step by a sampled Hessian is corrected by the true one
KEEP = 0.35  # a model whose step left this share of the violation serves for another
CORRECTIONS = 8  # of a step that may prove what is asked for
AIM = 0.5  # of the gap that is asked for: where corrections of a step that may prove it end
INNER = 0.3  # share of the breach that is left which an answer of the surrogate may leave
SLOWEST = 0.8  # two corrections that leave this share of the breach are the last
DAMPING = 4.0  # factor on the damping of the model after a step that had to be shortened; its inverse after a good one
LEAST_DAMPING = 0.01  # in units of the model's own curvature
GOOD = 0.5  # share of the fall that was foretold
EAGER = 1.05  # far away, a step that gained more than this times what was foretold is tried at greater lengths
LONGEST = 8.0  # times its own length
FARTHEST = 1e4  # a step moves nothing by more than this times the largest coefficient
SUFFICIENT = 1e-3  # share of the linear decrease that a step must keep (Armijo)
PATIENCE = 4  # rounds without any fall of the objective before the method gives up
LOST = 100  # rounds in which neither penalty, violation nor gap halve


class Point(NamedTuple):
    """Coefficients with what one pass tells about them."""

    coef: np.ndarray
    intercept: np.ndarray
    at: Evaluation

    @classmethod
    def of(cls, problem: Problem, coef: np.ndarray, intercept: np.ndarray, dtype: Any) -> "Point":
        """Evaluate the loss; one pass."""
        return cls(coef, intercept, problem.evaluate(coef, intercept, dtype=dtype))

    def objective(self, penalty: Any) -> float:
        """Return loss plus penalty."""
        return self.at.loss + penalty.value(self.coef)


class Step(NamedTuple):
    """A proximal Newton direction, and the fall of the objective that its model foretells."""

    coef: np.ndarray
    intercept: np.ndarray
    foretold: float
    slope: float  # directional derivative of the objective
    lag: float  # estimate of the gap that its dual point leaves


def proximal_newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield ever better points for a penalty with thresholds."""
    dtype: Any = np.float32
    point = Point.of(problem, np.where(problem.free, coef, 0.0), intercept, dtype)
    factor, stalled, damping, surrogate, progress = np.inf, 0, 0.0, None, Progress(LOST)
    noise = EXACT_NOISE * saturation.float32_noise(problem)
    for seed in count():
        factor = _continuation(problem.penalty, point, factor)
        penalty = problem.penalty.scaled(factor)
        violation = penalty.violation(point.coef, -point.at.gradient)
        if dtype == np.float32 and violation < max(EXACT_BELOW if factor == 1.0 else 0.0, noise / factor):
            dtype = np.float64
            point = Point.of(problem, point.coef, point.intercept, dtype)
        before = point.objective(problem.penalty)
        if surrogate is None or not surrogate.serves(penalty, point, factor, violation):
            surrogate = _surrogate(problem, penalty, point, factor, violation, seed, damping)
        surrogate = surrogate._replace(violation=violation)
        step = _newton_step(problem, penalty, point, surrogate, tol)
        whole = Point.of(problem, point.coef + step.coef, point.intercept + step.intercept, dtype)
        bound, dual = -np.inf, None
        if factor == 1.0 and step.lag <= max(tol, 1e-9) * before:
            bound = dual_value(problem, linearised(point.at, whole.at))
            dual = DualPoint(point.coef, point.intercept, step.coef, step.intercept)
        start, (point, length) = point, _search(problem, penalty, point, step, whole, dtype)
        if length < 1.0:
            damping, surrogate = max(DAMPING * damping, LEAST_DAMPING), None
        else:
            damping = _relaxed(damping, step, start.objective(penalty) - point.objective(penalty), before)
            if factor > 1.0:
                point = _lengthened(problem, penalty, start, step, point, dtype)
        objective = point.objective(problem.penalty)
        stalled = stalled + 1 if factor == 1.0 and before - objective <= 1e-13 * before else 0
        gap = objective - bound
        is_lost = progress.is_lost(factor, violation if factor == 1.0 else np.inf, gap)
        yield Iterate(point.coef, point.intercept, objective, gap, dual, stationary=stalled == PATIENCE or is_lost)


def _relaxed(damping: float, step: Step, fell: float, scale: float) -> float:
    """Return the damping after a whole step: less where the objective fell as foretold, rounding aside."""
    if fell + 1e-7 * scale < GOOD * step.foretold:
        return damping
    return damping / DAMPING if damping > LEAST_DAMPING else 0.0


def _lengthened(problem: Problem, penalty: Any, start: Point, step: Step, point: Point, dtype: Any) -> Point:
    """Return the point after a step, or after several times the step where rows are sure and the objective falls on.

    Coefficients that reach zero stay there.
    """
    if start.objective(penalty) - point.objective(penalty) <= EAGER * step.foretold:
        return point
    more = 1.0
    while more < LONGEST and saturation.are_sure(problem, point.at.proba):
        target = point.coef + more * step.coef
        coef = np.where(np.sign(target) == np.sign(point.coef), target, 0.0)
        trial = Point.of(problem, coef, point.intercept + more * step.intercept, dtype)
        if trial.objective(penalty) >= point.objective(penalty):
            break
        point, more = trial, 2.0 * more
    return point


def _continuation(penalty: Any, point: Point, factor: float) -> float:
    """Return the factor on the penalty, at least 1, that leaves the strongest pull at PULL thresholds."""
    pull = point.at.gradient
    if np.isfinite(factor):
        pull = pull + factor * penalty.gradient(point.coef)
    return min(factor, max(1.0, float(penalty.strength(pull).max(initial=0.0)) / PULL))


class Surrogate(NamedTuple):
    """The loss's Newton model over a working set, kept for as long as its steps do well."""

    pairs: Pairs  # without the intercepts
    model: subproblem.Model
    factor: float  # on the penalty, when it was built
    violation: float  # at the last point that it served
    damped: bool
    curvature: np.ndarray | None  # the true Hessian's diagonal, (n_classes, n_features), where the model's is sampled

    def serves(self, penalty: Any, point: Point, factor: float, violation: float) -> bool:
        """Tell whether the last step with it did well, and nothing outside the working set wants to move."""
        if self.damped or factor != self.factor or not 0.0 < violation <= KEEP * self.violation:
            return False
        pull = np.where(penalty.support(point.coef), 0.0, penalty.strength(point.at.gradient))
        pull[self.pairs] = 0.0
        return float(pull.max(initial=0.0)) <= 1.0

    def corrections(self, violation: float) -> int:
        """Return how often a step may be corrected by products with the true Hessian."""
        if self.curvature is None or self.factor > 1.0 or violation >= CORRECTED_BELOW:
            return 0
        return 1 if self.damped else CORRECTIONS


def _surrogate(
    problem: Problem, penalty: Any, point: Point, factor: float, violation: float, seed: int, damping: float
) -> Surrogate:
    pairs = _working_set(problem, penalty, point, violation)
    light = saturation.lightest(problem, point.at.proba, len(pairs.classes), violation, is_far=factor > 1.0)
    model = subproblem.newton_model(
        problem.rows,
        point.at.proba,
        problem.weights,
        pairs,
        fit_intercept=problem.fit_intercept,
        sampling_threshold=light,
        seed=seed,
        intercept_damping=damping,
    )
    curvature = _restore_curvature(problem, point, model) if light > 0.0 else None
    model.hessian.ravel()[:: len(model.diagonal) + 1] += (damping * model.diagonal).astype(np.float32)
    return Surrogate(pairs, model, factor, violation, damping > 0.0, curvature)


def _restore_curvature(problem: Problem, point: Point, model: subproblem.Model) -> np.ndarray:
    """Raise the diagonal to what it is without sampling: a rare pixel whose rows were dropped must not run away.

    Returns the true diagonal over all coefficients.
    """
    curvature = RowArray.combine(
        lambda part, p: p * (1.0 - p) * problem.weights[part, None].astype(p.dtype), point.at.proba
    )
    exact = problem.rows.transpose_product(curvature, squared=True)
    moving = ~model.is_intercept
    lost = exact[model.pairs.classes[moving], model.pairs.features[moving]] - model.diagonal[moving]
    model.hessian.ravel()[:: len(moving) + 1][moving] += np.maximum(lost, 0.0).astype(np.float32)
    return exact


@np.errstate(over="ignore", invalid="ignore")  # of a model without curvature somewhere: its step is cut below
def _newton_step(problem: Problem, penalty: Any, point: Point, surrogate: Surrogate, tol: float) -> Step:
    """Return the minimiser of the model plus penalty over the working set, as a step; roughly while far."""
    objective, value = point.objective(penalty), penalty.value(point.coef)
    finest = _breach_that_costs(SHARE * tol * objective, penalty, point, len(surrogate.model.is_intercept))
    tolerance = max(min(COARSEST, FORCING * surrogate.violation), finest, 1e-6)
    model = Quadratic(problem, penalty, point)
    limit = surrogate.corrections(surrogate.violation)
    foretold, lag = _follow(model, surrogate, (tolerance, finest), limit, tol * objective)
    direction, moves = model.direction, model.moves
    grown = penalty.value(point.coef + direction) - value
    reach = FARTHEST * (1.0 + max(np.abs(point.coef).max(), np.abs(point.intercept).max()))
    longest = max(np.abs(direction).max(), np.abs(moves).max())
    if not longest <= reach:  # a model without curvature somewhere; NaN lands here as well
        shorter = reach / longest if np.isfinite(longest) else 0.0
        direction, moves = (shorter * np.nan_to_num(part, posinf=0.0, neginf=0.0) for part in (direction, moves))
        grown, foretold, lag = penalty.value(point.coef + direction) - value, np.inf, np.inf
    slope = inner(point.at.gradient, direction) + float(point.at.intercept_gradient @ moves) + grown
    return Step(direction, moves, foretold, slope, lag)


def _follow(
    model: Quadratic, surrogate: Surrogate, tolerances: tuple[float, float], limit: int, wanted: float
) -> tuple[float, float]:
    """Let the surrogate answer the slope; return what the step foretells to gain, and the gap it may leave.

    With `limit` the first answer is corrected once by the true slope after it. A step that may prove the gap `wanted`
    is corrected until its breach of the conditions costs no more than that: the last answers cost less than a round.
    """
    rough, finest = tolerances
    before, breach, is_provable = np.inf, surrogate.violation, False
    for turn in range(limit + 1):
        tolerance = max(min(rough, INNER * breach), finest / 2.0, 1e-6) if is_provable else rough
        direction, moves, gain = model.answer(surrogate, tolerance, outside=is_provable)
        if turn == limit or (turn and not is_provable):
            foretold = model.fall() + gain
            model.end_at(direction, moves)
            return foretold, 2.0 * foretold
        share = model.add(direction, moves)
        last, before, breach = before, breach, model.breach(surrogate.pairs.features)
        lag = 2.0 * model.fall()
        is_provable = not model.penalty.is_grouped and lag <= (1.0 - 2.0 * SHARE) * wanted
        size = 0.0 if np.any(model.penalty.l2) else model.value
        enough = max(finest, (AIM * wanted - lag) / size) if size > 0.0 else finest
        if share == 0.0 or (is_provable and breach <= enough) or (turn and breach > SLOWEST * last):
            break
    return model.fall(), lag + size * breach / (1.0 + breach)


def _breach_that_costs(bound: float, penalty: Any, point: Point, n_pairs: int) -> float:
    """Return the breach of optimality, in thresholds, that lowers the bound of a step's dual point by `bound`.

    Scaling the dual point back costs the penalty's share of it; under a ridge it need not be scaled, and the conjugate
    costs at most n_pairs (l1 breach)^2 / (2 l2).
    """
    value, ridge = penalty.value(point.coef), float(np.min(penalty.l2))
    scaled = bound / value if value > 0.0 else COARSEST
    return max(scaled, np.sqrt(2.0 * ridge * bound / max(1, n_pairs)) / float(np.max(penalty.l1)))


def _working_set(problem: Problem, penalty: Any, point: Point, violation: float) -> Pairs:
    """Return the non-zeros and the zeros with the strongest pull, sorted by class."""
    pull = np.where(penalty.support(point.coef), np.inf, penalty.strength(point.at.gradient))
    pull[:, ~problem.free] = 0.0
    least = NEAR
    if violation > 1.0:
        limit = max(SMALLEST_SET, int(GROWTH * np.count_nonzero(point.coef)))
        if np.count_nonzero(pull > least) > limit:
            least = np.partition(pull.ravel(), -limit)[-limit]
    return Pairs(*np.nonzero(pull >= least))


def _search(problem: Problem, penalty: Any, point: Point, step: Step, whole: Point, dtype: Any) -> tuple[Point, float]:
    """Return the point after the whole step or the share of it that lets the objective fall (Armijo), and the share."""
    before = point.objective(penalty)
    rounding = 1e-14 * before if dtype == np.float64 else 1e-7 * before
    if whole.objective(penalty) <= before + SUFFICIENT * step.slope + rounding:
        return whole, 1.0
    for t in 0.5 ** np.arange(1, 30):
        coef = point.coef + t * step.coef
        loss = problem.loss_between(point.at.scores, whole.at.scores, t)
        if loss + penalty.value(coef) <= before + SUFFICIENT * t * step.slope:
            return Point.of(problem, coef, point.intercept + t * step.intercept, dtype), t
    return point, 0.0
