"""The driver: it chooses the method, and owns tolerance, limits, status and history.

A method is a generator of iterates and knows mathematics only. It tells with each iterate what it believes the gap to
be; the driver proves it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from inklens.linear.conditioning import Conditioning
from inklens.linear.methods import newton
from inklens.linear.methods.iterate import Iterate
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.dual import DualPoint

PROOF_SHARE = 0.1  # of the time may go into proofs that only the live display asks for


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
    status: str = "stopped"
    separation: certificates.Separation | None = None
    exists: bool | None = None  # without a penalty: whether an optimum exists, None where that is undetermined
    dual: DualPoint | None = None
    exhausted: bool = False  # the method itself could get no further
    gradient_norm: float = np.nan
    n_iter: int = 0
    n_passes: float = 0.0
    seconds: float = 0.0
    method: str = ""
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
        return max(0.0, (self.objective - self.lower_bound) / self.objective)


def choose(problem: Problem, tol: float) -> Callable[..., Iterator[Iterate]]:
    """Return the method for a problem; nobody else has to choose."""
    if not problem.penalty.is_smooth:
        from inklens.linear.methods import interior

        return interior.proximal_then_interior if interior.is_small(problem) else interior.proximal_newton
    if not problem.is_penalised:
        return newton.continuation
    return newton.newton


def solve(
    problem: Problem,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
    time_budget: float | None = None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
    callback: Callable[[Solution], object] | None = None,
) -> Solution:
    """Minimise until (objective - lower bound) / objective <= tol, or a limit is reached.

    ``callback(solution)`` sees the best point so far after each step; when it returns True the fit stops there.

    Raises
    ------
    FitInterrupted
        On Ctrl-C once there is a point to return; it carries the solution.
    """
    if start is None:
        start = np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes)
    else:  # of a constant column the methods see no gradient: weight of other rows would stay there for ever
        start = np.where(problem.free, start[0], 0.0), start[1]
    conditioning = Conditioning.of(problem)
    if conditioning is not None:
        problem, start = conditioning.apply(problem), conditioning.start(*start)
    run = _Run(problem, tol, Solution(start[0], start[1], objective=np.inf), conditioning)
    method = choose(problem, tol)
    run.best.method = method.__name__
    try:
        for point in method(problem, *start, tol):
            run.take(point)
            run.best.exhausted = point.stationary
            if run.is_done(point):
                break
            if callback is not None:
                run.prove_for_display()
                if callback(run.restored()):
                    break
            if point.stationary or run.best.n_iter >= max_iter or run.is_late(time_budget):
                break
    except KeyboardInterrupt:
        if run.point is None:
            raise
        raise FitInterrupted(run.finish()) from None
    return run.finish()


class _Run:
    """The state of one fit: the best point, and the proofs about it."""

    def __init__(self, problem: Problem, tol: float, best: Solution, conditioning: Conditioning | None) -> None:
        self.problem, self.tol, self.best, self.conditioning = problem, tol, best, conditioning
        self.began = time.perf_counter()
        self.proving = 0.0  # seconds spent on proofs
        self.point: Iterate | None = None
        self.proven = False  # whether the best point's objective is the float64 one

    def take(self, point: Iterate) -> None:
        """Keep the lowest objective and the highest bound; both only ever improve."""
        best = self.best
        best.n_iter += 1
        if point.objective <= best.objective or self.proven is False:
            best.coef, best.intercept, best.objective = point.coef, point.intercept, point.objective
            self.point, self.proven = point, False
        self._record()

    def is_done(self, point: Iterate) -> bool:
        """Prove what the method believes; tell whether that is enough."""
        best = self.best
        if point.separation is not None:
            best.separation, best.exists, best.status = point.separation, False, "separated"
            return True
        if point.gap <= self.tol * max(point.objective, 0.0) or point.stationary:
            self.prove()
            if best.gap <= self.tol:
                best.status = "certified"
        return best.status == "certified"

    def prove(self) -> None:
        """Compute objective and bound of the best point in float64, rounding included."""
        if self.point is None or self.proven:
            return
        began = time.perf_counter()
        best, point = self.best, self.point
        if self.problem.is_penalised:
            found = certificates.certify(self.problem, point.coef, point.intercept, point.dual)
            best.objective, best.gradient_norm = found.objective, found.gradient_norm
            if found.lower_bound > best.lower_bound:
                best.lower_bound, best.dual = found.lower_bound, found.dual
        else:
            at = self.problem.evaluate(point.coef, point.intercept, dtype=np.float64)
            best.objective, best.gradient_norm = at.loss, certificates.violation(self.problem, point.coef, at)
            bound, exists = certificates.unpenalised_bound(self.problem, point.coef, at.proba)
            # Without existence a bound is about coefficients around its own point, so that of another does not count.
            best.lower_bound = max(best.lower_bound, bound) if exists else bound
            best.exists = exists or best.exists
        self.proven = True
        self.proving += time.perf_counter() - began
        self._record()

    def prove_for_display(self) -> None:
        """Prove the current point when proofs have cost little so far."""
        if self.proving <= PROOF_SHARE * self.seconds:
            self.prove()

    def finish(self) -> Solution:
        """Return the solution, proven."""
        if self.best.status == "separated":
            at = self.problem.evaluate(self.best.coef, self.best.intercept, dtype=np.float64)
            self.best.objective = at.loss
            self.best.gradient_norm = certificates.violation(self.problem, self.best.coef, at)
        else:
            self.prove()
            if self.best.gap <= self.tol:
                self.best.status = "certified"
        self.best.seconds = self.seconds
        return self.restored()

    def restored(self) -> Solution:
        """Return the best point in the coordinates of the data."""
        return self.best if self.conditioning is None else self.conditioning.restore(self.best)

    def is_late(self, time_budget: float | None) -> bool:
        """Tell whether the time budget is used up."""
        return time_budget is not None and self.seconds > time_budget

    @property
    def seconds(self) -> float:
        """Seconds since the fit began."""
        return time.perf_counter() - self.began

    def _record(self) -> None:
        best = self.best
        best.seconds, best.n_passes = self.seconds, self.problem.rows.n_passes
        best.history.append((best.seconds, best.n_passes, best.objective, best.lower_bound))
