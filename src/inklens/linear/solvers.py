"""The driver and the methods.

A method is a generator of iterates and knows mathematics only; the driver `solve` owns tolerance, limits, status and
history.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from inklens.linear import certificates
from inklens.linear.problem import Problem


class Iterate(NamedTuple):
    """A point that a method offers to the driver."""

    coef: np.ndarray  # (n_classes, n_features)
    intercept: np.ndarray  # (n_classes,)
    proba: np.ndarray  # (n_samples, n_classes)
    objective: float
    n_passes: int
    stationary: bool = False


@dataclass
class Solution:
    """The best point found, what is proven about it, and how it was reached."""

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    lower_bound: float = 0.0
    status: str = "stopped"
    separated: bool = False
    n_iter: int = 0
    n_passes: int = 0
    seconds: float = 0.0
    history: list[tuple[float, int, float, float]] = field(default_factory=list)  # seconds, passes, objective, bound

    @property
    def gap(self) -> float:
        """(objective - lower_bound) / objective; 0 where both are 0."""
        if self.objective <= 0.0:
            return 0.0
        return max(0.0, (self.objective - self.lower_bound) / self.objective)


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

    ``callback(solution)`` sees the best point so far after each check; when it returns True the fit stops there, as it
    does on Ctrl-C once there is a point to return.
    """
    began = time.perf_counter()
    n_classes, n_features = problem.n_classes, problem.X.shape[1]
    if start is None:
        start = np.zeros((n_classes, n_features)), np.zeros(n_classes)
    best = Solution(coef=start[0], intercept=start[1], objective=np.inf)
    unpenalised = problem.penalty.l1 == problem.penalty.l2 == 0.0
    method = accelerated_proximal if problem.penalty.l1 > 0.0 else quasi_newton
    try:
        for best.n_iter, point in enumerate(method(problem, *start), 1):
            _take(best, point, problem)
            best.seconds = time.perf_counter() - began
            best.history.append((best.seconds, point.n_passes, best.objective, best.lower_bound))
            if best.gap <= tol:
                best.status = "certified"
                break
            if unpenalised and certificates.separates(problem, best.coef, best.intercept):
                best.status, best.separated = "separated", True
                break
            stopped = callback is not None and callback(best)
            late = time_budget is not None and best.seconds > time_budget
            if stopped or late or point.stationary or best.n_iter >= max_iter:
                break
    except KeyboardInterrupt:
        if not np.isfinite(best.objective):
            raise
    return best


def _take(best: Solution, point: Iterate, problem: Problem) -> None:
    """Keep the lowest objective and the highest bound; both only ever improve."""
    best.n_passes = point.n_passes
    if point.objective <= best.objective:
        best.coef, best.intercept, best.objective = point.coef, point.intercept, point.objective
    best.lower_bound = max(best.lower_bound, certificates.lower_bound(problem, point.proba))


def quasi_newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> Iterator[Iterate]:
    """SciPy's L-BFGS in rounds of growing length, for smooth penalties."""
    n_classes, n_features = coef.shape
    passes = 0

    def split(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return vector[:-n_classes].reshape(n_classes, n_features), vector[-n_classes:]

    def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal passes
        passes += 1
        W, b = split(vector)
        at = problem.evaluate(W, b)
        gradient = at.coef_gradient + problem.penalty.gradient(W)
        return at.loss + problem.penalty.value(W), np.concatenate([gradient.ravel(), at.intercept_gradient])

    vector = np.concatenate([coef.ravel(), intercept])
    rounds = 20
    while True:
        result = minimize(
            objective,
            vector,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": rounds, "maxcor": 30, "ftol": 0.0, "gtol": 0.0, "maxls": 50},
        )
        stationary = bool(np.array_equal(result.x, vector)) or result.nit < rounds
        vector, rounds = result.x, rounds * 2
        W, b = split(vector)
        passes += 1
        yield Iterate(W, b, problem.evaluate(W, b).proba, float(result.fun), passes, stationary)


def accelerated_proximal(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> Iterator[Iterate]:
    """FISTA with adaptive restart (Beck and Teboulle 2009; O'Donoghue and Candes 2015), checked every 50 steps."""
    penalty = problem.penalty
    curvature = problem.curvature_bound() / 16.0
    W, b, V, v, momentum = coef, intercept, coef, intercept, 1.0
    passes = 0
    while True:
        for _ in range(50):
            at = problem.evaluate(V, v)
            passes += 1
            while True:
                W_next = penalty.prox(V - at.coef_gradient / curvature, 1.0 / curvature)
                b_next = v - at.intercept_gradient / curvature
                dW, db = W_next - V, b_next - v
                model = (
                    at.loss
                    + np.vdot(at.coef_gradient, dW)
                    + at.intercept_gradient @ db
                    + 0.5 * curvature * (np.vdot(dW, dW) + db @ db)
                )
                passes += 1
                if problem.evaluate(W_next, b_next).loss <= model * (1.0 + 1e-12):
                    break
                curvature *= 2.0
            uphill = np.vdot(V - W_next, W_next - W) + (v - b_next) @ (b_next - b) > 0.0
            momentum = 1.0 if uphill else momentum
            following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
            weight = 0.0 if uphill else (momentum - 1.0) / following
            still = bool(np.array_equal(W, W_next) and np.array_equal(b, b_next))
            V, v = W_next + weight * (W_next - W), b_next + weight * (b_next - b)
            W, b, momentum = W_next, b_next, following
        at = problem.evaluate(W, b)
        passes += 1
        yield Iterate(W, b, at.proba, at.loss + penalty.value(W), passes, still)
