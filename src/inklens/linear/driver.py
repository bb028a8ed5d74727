"""The driver: it chooses the method, and owns tolerance, limits, status and history.

A method is a generator of iterates and knows mathematics only. It tells with each iterate what it believes the gap to
be; the driver proves it.
"""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from inklens.errors import ClusterError
from inklens.linear import blas, deadline, memory
from inklens.linear.callbacks import asks_to_stop
from inklens.linear.conditioning import Conditioning, remark_on, unheard
from inklens.linear.coordinates import Coordinates, Filled
from inklens.linear.difficulties import difficulty
from inklens.linear.methods import columns_in_use, costs, few, newton, refining
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.method import Demand, Method
from inklens.linear.movable import Movable
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, recession, unpenalised
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.starts import Weights, begun

DISPLAY_SHARE = 0.1  # of the time may go into proofs that only the live display asks for
PROOF_HALF_PASSES = 6.0  # of the last proof, in float64: the loss, the dual point and its direction, their gradient
PROOF_RATE = 1e9  # multiply-adds per second and thread that these make at least, until a proof has been timed
MIN_STEP_SECONDS = 0.1  # for a first point, however small the time budget
MAX_RESERVED_SHARE = 0.5  # of a time budget, kept for the last proof
REFINED_SHARE = 0.15  # of a time budget, kept for a step that only serves the last proof
LONGEST_REFINED = 1.0  # times the seconds before it, for such a step where no time budget is given; it costs a round
LONGEST_MOVING = 0.5  # times them, where the method can go on without it: with thousands of coefficients a minute
MIN_REFINED_SECONDS, MIN_MOVING_SECONDS = 1.0, 3.0
REFINED_ROUNDS = 2.0  # times what all rounds so far have cost without their models, by estimate, that it may cost
REFINEMENTS = 3  # such steps in a row, each from the end of the one before, where the method stands still
UNHELD_ROUNDS = 2  # times as many where rows are not held: a step with every row costs a multiple of a round there
STILL_ROUNDS = 3  # in which neither objective (by the accuracy) nor believed gap fall: only a proof is missing
UNPROVEN_ROUNDS = 3  # that believe what is not proven: rounding is in the way
SLOW_ROUNDS, SLOW_SECONDS = 25, 5.0  # from which a fit says why
SURE_LEAD = 10.0  # of every row's own score, in coefficients that separate the classes
EXISTENCE_ROUNDS = 4  # beyond the gap that is asked for, until an unpenalised optimum is proven to exist
ROUNDING = 1e-14  # of an objective in float64: by less none is lower than another
VECTORS = 8.0  # as long as all coefficients, that any method holds at least
GAP_RATIO = 0.7  # of a believed gap to the one before it, up to which it falls
FIRST_ACCURACY, FIRST_ACCURACY_IF_SMOOTH = 1e-3, 1e-4  # of steps (`Demand`), whatever the gap that is asked for
ACCURACY_STEP = 0.1  # from one accuracy to the next
LEAST_ACCURACY = 1e-10  # float64 proves no more

# The first that accepts a problem solves it.
METHODS: tuple[Method, ...] = (
    few.FEW_COEFFICIENTS,
    columns_in_use.COLUMNS_IN_USE,
    *columns_in_use.OTHERS,
    newton.CONTINUATION,
    newton.NEWTON,
)


class Status(StrEnum):
    """How a fit ended; equal to its plain string. `Solution.remark` has the sentence, and what to try next."""

    CERTIFIED = "certified"  # within tol of the optimum, proven
    SEPARATED = "separated"  # the classes are, proven: without a penalty no optimum exists
    STOPPED = "stopped"  # a limit came first, or the method could get no further


class FitLost(ClusterError):
    """The workers that hold the rows are lost; `solution` is the best point so far, with what had been proven of it."""

    def __init__(self, message: str, solution: "Solution") -> None:
        super().__init__(message)
        self.solution = solution


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C during a fit; `solution` is the best point so far, with its proven bound."""

    def __init__(self, solution: "Solution") -> None:
        super().__init__("fit interrupted")
        self.solution = solution


@dataclass
class Solution:
    """The best point found, what is proven about it, and how it was reached."""

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    lower_bound: float = 0.0
    status: Status = Status.STOPPED
    separation: certificates.Separation | None = None
    exists: bool | None = None  # without a penalty: whether an optimum exists, None where that is undetermined
    recession: certificates.Separation | None = None  # along which the unpenalised loss only falls, where not all leads
    dual: DualPoint | None = None
    difficulty: str = ""  # of a fit that takes long, or that stopped: what makes it slow, and what would help
    exhausted: bool = False  # the method itself could get no further
    gradient_norm: float = np.nan
    n_iter: int = 0
    n_passes: float = 0.0
    seconds: float = 0.0
    method: str = ""
    is_penalised: bool = True
    unheard: np.ndarray | None = None  # which columns are too small to be used under the penalty, (n_features,)
    history: list[tuple[float, float, float, float]] = field(default_factory=list)  # seconds, passes, objective, bound

    @property
    def separated(self) -> bool:
        """Whether the classes are proven to be separable."""
        return self.separation is not None

    @property
    def gap(self) -> float:
        """(objective - lower_bound) / objective; 0 where both are 0."""
        if self.objective <= 0.0:
            return 0.0
        gap = (self.objective - self.lower_bound) / self.objective
        return np.inf if np.isnan(gap) else max(0.0, gap)

    @property
    def scale_remark(self) -> str:
        """What a person should know of columns too small to be used under the penalty; else nothing."""
        return "" if self.unheard is None else remark_on(self.unheard)

    def restored(self, change: Coordinates) -> "Solution":
        """Return a solution in other coordinates in those of the data."""
        coef, intercept = change.restore(self.coef, self.intercept)
        return replace(
            self,
            coef=coef,
            intercept=intercept,
            dual=change.restore_dual(self.dual),
            separation=change.restore_separation(self.separation),
            recession=change.restore_separation(self.recession),
            unheard=change.restore_columns(self.unheard),
        )

    def copy(self) -> "Solution":
        """Return a solution of its own, for those who may write into it."""
        return replace(deepcopy(replace(self, history=[])), history=list(self.history))

    def remark(self, tol: float) -> str:
        """Return what a person should know of a fit that did not end at a certified optimum; else nothing."""
        if self.status == Status.STOPPED:
            remedy = (
                "more rounds prove no more in float64: raise tol, or bring columns and weights to similar sizes"
                if self.exhausted
                else "raise max_iter or time_budget, or tol"
            )
            if self.recession is not None:
                return (
                    f"the classes are separable in part (proven: {_in_words(self.recession)}): without a penalty no "
                    "finite optimum exists; give a finite C"
                )
            if not self.is_penalised and not self.exists:
                remedy += "; whether an optimum exists without a penalty is undetermined: a finite C has one"
            if self.difficulty:
                remedy += f"; {self.difficulty}"
            return (
                f"stopped at a proven gap of {self.gap:.1e} instead of tol={tol:.1e} "
                f"(gradient {self.gradient_norm:.1e}); {remedy}"
            )
        if self.separation is not None:
            return (
                f"the classes are linearly separable (proven, margin {self.separation.margin:.3g}): without a penalty "
                "no finite optimum exists; give a finite C (the documentation's page on tol, How a fit ends)"
            )
        return ""


def _in_words(direction: certificates.Separation) -> str:
    """Return why the loss only falls along a direction."""
    cells = np.argwhere(direction.coef)
    if len(cells) != 1:
        return "along some direction no row's own score falls behind, and some lead for ever"
    ((code, column),) = cells
    end = "smallest" if direction.coef[code, column] < 0.0 else "largest"
    return (
        f"column {column} has its {end} value in all rows of class {code}, both counted from 0, and not in all others"
    )


def choose(problem: Problem) -> Method:
    """Return the method for a problem; nobody else has to choose."""
    return next(method for method in METHODS if method.accepts(problem))


def solve(
    problem: Problem,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
    time_budget: float | None = None,
    method: Method | None = None,
    start: Weights | None = None,
    callback: Callable[[Solution], object] | None = None,
    memory_limit: int | None = None,
) -> Solution:
    """Minimise until (objective - lower bound) / objective <= tol, or a limit is reached.

    ``callback(solution)`` gets a copy of the best point so far after each step; when it returns True the fit ends. A
    time budget ends steps in the middle; the last proof, for which time is kept, is always made. ``memory_limit`` is in
    bytes, beside the data; by default it is that of `inklens.linear.memory`. Benchmarks name a `method` to compare it
    with the chosen one; nobody else has to.

    Raises
    ------
    FitInterrupted
        On Ctrl-C; it carries the best solution so far, the start if there is no better one.
    FitLost
        Where rows live on workers, and these are lost; likewise.
    """
    with memory.scope(memory_limit), blas.scope(1), _usual_arithmetic():
        run, method, start = _prepared(problem, tol, start, time_budget, method)
        try:
            try:
                run.follow(method, start, max_iter, callback)
                return run.finish()
            except KeyboardInterrupt:  # during the last proof, too; a second one is not waited for
                raise FitInterrupted(run.finish()) from None
        except ClusterError as error:
            raise FitLost(str(error), run.restored()) from error
        finally:
            if run.problem.rows is not problem.rows:  # in other coordinates
                problem.rows.n_passes += run.problem.rows.n_passes - run.passes_before


def _usual_arithmetic() -> np.errstate:
    """Return NumPy's own ways with what overflows or vanishes, whatever the program has asked for."""
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def _prepared(
    problem: Problem,
    tol: float,
    start: Weights | None,
    time_budget: float | None,
    method: Method | None,
) -> tuple["_Run", Method, Weights]:
    """Return the run of a fit, its method and where that starts."""
    began = time.perf_counter()
    start, as_given = begun(problem, start), problem
    changes: list[Coordinates] = []
    for kind in (Filled, Movable, Conditioning):
        change = kind.of(problem)
        if change is not None:
            problem, start = change.apply(problem), change.start(*start)
            changes.append(change)
    memory.require(
        VECTORS * 8.0 * problem.n_classes * problem.rows.n_features,
        f"{problem.n_classes} classes of {problem.rows.n_features:,} columns",
        "leave columns out, or classes",
    )
    method = method or choose(problem)
    best = Solution(
        coef=start[0], intercept=start[1], objective=np.inf, method=method.name, is_penalised=problem.is_penalised
    )
    return _Run(problem, tol, best, changes, began, time_budget, as_given), method, start


class _Run:
    """The state of one fit: the best point, and the proofs about it."""

    def __init__(
        self,
        problem: Problem,
        tol: float,
        best: Solution,
        changes: Sequence[Coordinates],
        began: float,
        time_budget: float | None,
        as_given: Problem,
    ) -> None:
        self.as_given = as_given  # in the coordinates of the data
        self.problem, self.tol, self.best, self.changes = problem, tol, best, changes
        self.began, self.time_budget = began, time_budget
        self.proving = 0.0  # seconds spent on proofs
        self.passes_before = problem.rows.n_passes  # by other fits on the same rows
        self.reserved = 0.0 if time_budget is None else _proof_seconds(problem)  # for the last proof
        first = FIRST_ACCURACY_IF_SMOOTH if problem.penalty.is_smooth else FIRST_ACCURACY
        self.demand = Demand(tol, accuracy=first)
        self.point = Iterate(best.coef, best.intercept, np.inf)
        self.proven = False  # whether the best point's objective is the float64 one
        self.last, self.believed = np.inf, np.inf  # objective and gap of the method's last point, as it sees them
        self.n_still = 0  # rounds in a row without news
        is_held = problem.rows.holds(problem.n_classes)
        self.next_refined = STILL_ROUNDS * (
            1 if is_held else UNHELD_ROUNDS
        )  # of these, before a step for a proof; twice as many before the next
        self.n_unproven = 0  # rounds whose gap was believed to be small enough, and was not
        self.n_stuck = 0  # of these, those after which the proven gap had not fallen, either
        self.is_refined = False  # whether the best point has had such a step
        self.has_looked = False  # for what makes the problem hard
        self.n_looks = 0  # proofs of an unpenalised point so far
        self.n_waited = 0  # rounds beyond the gap, for a proof of existence

    def follow(
        self,
        method: Method,
        start: Weights,
        max_iter: int,
        callback: Callable[[Solution], object] | None,
    ) -> None:
        """Take the method's points until one is proven, or a limit comes first; a step that is late is given up."""
        points = method.iterates(self.problem, *start, self.demand)
        while self.best.n_iter < max_iter:
            try:
                with deadline.scope(self.seconds_for_steps):
                    point = next(points, None)
            except deadline.OutOfTime:
                return
            if point is None:
                return
            self.take(point)
            self.best.exhausted = point.stationary
            if self.is_done(point):
                return
            self.tighten(point)
            if self.best.n_iter == SLOW_ROUNDS or self.seconds >= SLOW_SECONDS:
                self.say_why()
            if callback is not None:
                self.prove_for_display()
                if asks_to_stop(callback(self.restored().copy())):
                    return
            if point.stationary or self.is_late:
                return

    def take(self, point: Iterate) -> None:
        """Keep the point unless one that is no worse is proven already; bounds only ever improve.

        Of two that rounding cannot tell apart the one with the smaller gap is better.
        """
        best = self.best
        best.n_iter += 1
        falls = np.isinf(self.last) or self.last - point.objective > self.demand.accuracy * abs(self.last)
        proves = np.isfinite(point.gap) and point.gap <= GAP_RATIO * self.believed
        self.n_still = 0 if falls or proves else self.n_still + 1
        self.last, self.believed = point.objective, point.gap
        is_level = point.gap < self.point.gap and point.objective <= best.objective + ROUNDING * abs(best.objective)
        if point.objective <= best.objective or is_level or not self.proven:
            best.coef, best.intercept, best.objective = point.coef, point.intercept, point.objective
            self.point, self.proven, self.is_refined = point, False, False
        self._record()

    def is_done(self, point: Iterate) -> bool:
        """Prove what the method believes; tell whether that is enough."""
        best = self.best
        if point.separation is not None:
            best.separation, best.exists, best.status = point.separation, False, Status.SEPARATED
            return True
        is_still = self.n_still >= self.next_refined and self.can_afford_refining()
        is_believed = np.isfinite(point.gap) and point.gap <= self.tol * max(point.objective, 0.0)
        if is_believed or point.stationary or is_still:
            before = best.gap
            self.prove()
            self.n_unproven += is_believed and best.gap > self.tol
            is_stuck = is_believed and best.gap > max(self.tol, GAP_RATIO * before)
            self.n_stuck += is_stuck
            is_still = is_still or self.n_unproven == UNPROVEN_ROUNDS
            if best.gap > self.tol and (point.stationary or is_still):
                patience = np.inf if point.stationary else max(MIN_MOVING_SECONDS, LONGEST_MOVING * self.seconds)
                self.refine(patience, moves=True)
                self.n_still, self.next_refined = 0, 2 * self.next_refined
            if best.gap <= self.tol and (point.stationary or not self.waits_for_existence()):
                best.status = Status.CERTIFIED
            elif is_stuck and self.n_stuck == UNPROVEN_ROUNDS and self.has_empty_cell():
                return True
        return best.status == Status.CERTIFIED

    def can_afford_refining(self) -> bool:
        """Tell whether an exact step costs little beside the steps so far; else these go on, and may need none."""
        spent = self.best.n_iter * (costs.ROUND_CALL + costs.round_seconds(self.problem))
        return refining.seconds(self.problem, self.best.coef) <= REFINED_ROUNDS * spent

    def say_why(self) -> None:
        """Look once for what makes the problem hard."""
        if not self.has_looked:
            self.has_looked, self.best.difficulty = True, difficulty(self.as_given)

    def waits_for_existence(self) -> bool:
        """Tell whether a few rounds more may prove that an optimum exists; they are short by then."""
        if self.problem.is_penalised or self.best.exists or not unpenalised.may_prove_existence(self.problem):
            return False
        self.n_waited += 1
        return self.n_waited <= EXISTENCE_ROUNDS

    def has_empty_cell(self) -> bool:
        """Look for the plainest reason why an unpenalised optimum does not exist."""
        if self.problem.is_penalised or self.best.exists:
            return False
        self.best.recession = recession.empty_cell(self.problem)
        return self.best.recession is not None

    def tighten(self, point: Iterate) -> None:
        """Ask for more accurate steps where these have proven what they can, or get no further."""
        believed = point.gap / max(point.objective, np.finfo(float).tiny)
        if believed <= self.demand.accuracy or self.n_still >= STILL_ROUNDS - 1:
            accuracy = ACCURACY_STEP * min(self.demand.accuracy, max(believed, 0.0))
            self.demand.accuracy = max(LEAST_ACCURACY, accuracy)

    def prove(self) -> None:
        """Compute objective and bound of the best point in float64, rounding included."""
        if self.proven:
            return
        began = time.perf_counter()
        best, point = self.best, self.point
        if self.problem.is_penalised:
            found = certificates.certify(self.problem, point.coef, point.intercept, point.dual, tol=self.tol)
            best.objective, best.gradient_norm = found.objective, found.gradient_norm
            best.unheard = unheard(self.problem, found.gradient)
            # A bound among unpenalised coefficients near a point is not about those near another.
            if found.lower_bound > best.lower_bound or self.problem.unpenalised is not None:
                best.lower_bound, best.dual = found.lower_bound, found.dual
        else:
            at = self.problem.evaluate(point.coef, point.intercept, dtype=np.float64)
            best.objective = at.loss
            best.gradient_norm = certificates.proximal_gradient_norm(self.problem, point.coef, at)
            probas = (
                [at.proba]
                if point.dual is None
                else [point.dual.proba(self.problem.rows, self.problem.offset), at.proba]
            )
            enough = (1.0 - self.tol) * best.objective
            bound, exists = unpenalised.bound(
                self.problem, point.coef, probas, self.seconds_left, enough=enough, looks_for_existence=self.looks()
            )
            # Without existence a bound is about coefficients around its own point, so that of another does not count.
            best.lower_bound = max(best.lower_bound, bound) if exists else bound
            best.exists = exists or best.exists
        self.proven = True
        took = time.perf_counter() - began
        self.proving += took
        self.reserved = took
        self._record()

    def looks(self) -> bool:
        """Tell whether the next proof looks for existence: the first does, the second, the fourth, and so on.

        Where columns add up, or a class never meets a category, every look fails, and costs more than a step.
        """
        self.n_looks += 1
        return self.n_looks & (self.n_looks - 1) == 0

    def refine(self, seconds: float, *, moves: bool = False) -> None:
        """Prove the best point anew with the dual point of an exact Newton step there, if that is made in time.

        With `moves` the end of the step takes the point's place where it is lower, and has a step in its turn.
        """
        if not self.problem.is_penalised:
            return
        for _ in range(REFINEMENTS if moves else 1):
            if self.is_refined or self.best.gap <= self.tol:
                return
            self.is_refined, before = True, self.best.gap
            try:
                with deadline.scope(seconds if self.seconds_left is None else min(seconds, self.seconds_left)):
                    dual = refining.refined(self.problem, self.best.coef, self.best.intercept, self.tol)
            except deadline.OutOfTime:
                self.is_refined = False  # with more time it may be
                return
            if dual is None:
                return
            self.point, self.proven = self.point._replace(dual=dual), False
            self.prove()
            if moves and self.best.gap > self.tol:
                coef, intercept = refining.end_of(dual)
                self.move((self.problem.penalty.feasible(coef), intercept))
            if self.best.gap > GAP_RATIO * before:
                return

    def move(self, to: tuple[np.ndarray, np.ndarray]) -> None:
        """Let the best point be another, where the objective is lower there."""
        at = self.problem.evaluate(*to, dtype=np.float64)
        objective = at.loss + self.problem.penalty.value(to[0])
        if objective < self.best.objective:
            self.best.coef, self.best.intercept = to
            self.point = Iterate(*to, objective, dual=self.point.dual)
            self.proven = self.is_refined = False
            self.prove()

    def prove_for_display(self) -> None:
        """Prove the current point when proofs have cost little so far."""
        if self.proving <= DISPLAY_SHARE * self.seconds:
            self.prove()

    def finish(self) -> Solution:
        """Return the solution, proven."""
        best = self.best
        if best.status != Status.SEPARATED:
            self.prove()
            self.refine(max(MIN_REFINED_SECONDS, LONGEST_REFINED * self.seconds))
            # Without a penalty the bound at a start of zeros is about zeros alone, and proves nothing.
            may_exist = self.problem.is_penalised or (best.n_iter > 0 and self.may_exist())
            if best.separation is None:
                best.status = Status.CERTIFIED if best.gap <= self.tol and may_exist else Status.STOPPED
            if best.status == Status.STOPPED and best.exhausted:
                self.say_why()
        if best.separation is not None:
            at = self.problem.evaluate(best.coef, best.intercept, dtype=np.float64)
            best.objective = at.loss
            best.gradient_norm = certificates.proximal_gradient_norm(self.problem, best.coef, at)
        best.seconds = self.seconds
        return self.restored()

    def may_exist(self) -> bool:
        """Tell whether nothing speaks against an unpenalised optimum: where none is proven, classes may touch."""
        best, problem = self.best, self.problem
        if best.exists:
            return True
        found = best.recession or recession.quasi_separation(problem, self.seconds_left)
        if not isinstance(found, certificates.Separation):
            return found != recession.Overlap.SUSPECTED
        best.exists, best.recession = False, found
        whole = certificates.separation(problem.rows, problem.codes, found.coef, found.intercept)
        if whole is not None:
            size = SURE_LEAD / whole.margin
            best.coef, best.intercept = size * found.coef, size * found.intercept
            best.separation, best.recession, best.status = whole, None, Status.SEPARATED
        return False

    def restored(self) -> Solution:
        """Return the best point in the coordinates of the data."""
        found = self.best
        for change in reversed(self.changes):
            found = found.restored(change)
        return found

    @property
    def seconds(self) -> float:
        """Seconds since the fit began."""
        return time.perf_counter() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time budget is used up; None without one."""
        return None if self.time_budget is None else self.time_budget - self.seconds

    @property
    def seconds_for_steps(self) -> float | None:
        """Seconds that steps may take, less what the last proof will."""
        if self.time_budget is None:
            return None
        reserved = self.reserved + REFINED_SHARE * self.time_budget * self.problem.is_penalised
        left = self.time_budget - min(reserved, MAX_RESERVED_SHARE * self.time_budget) - self.seconds
        return left if self.best.n_iter else max(left, MIN_STEP_SECONDS)

    @property
    def is_late(self) -> bool:
        """Whether no time is left for steps."""
        left = self.seconds_for_steps
        return left is not None and left <= 0.0

    def _record(self) -> None:
        best = self.best
        best.seconds, best.n_passes = self.seconds, self.problem.rows.n_passes - self.passes_before
        best.history.append((best.seconds, best.n_passes, best.objective, best.lower_bound))


def _proof_seconds(problem: Problem) -> float:
    """Return about how long a proof will take, before one has been timed."""
    return PROOF_HALF_PASSES * problem.rows.cost(problem.n_classes) / (PROOF_RATE * problem.rows.n_threads)
