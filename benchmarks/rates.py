"""The rates that `inklens.linear.methods.costs` counts with, beside what this machine does, with one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/rates.py

What matters is the ratio of a preconditioner to a pass: a choice is wrong where that is off by more than two.
"""

import time
from collections.abc import Callable

import numpy as np

from inklens.linear import Problem, Rows
from inklens.linear.methods import costs, direct, systems
from inklens.linear.methods.points import Point
from inklens.linear.problem.penalties import penalty_of

SHAPES = (  # rows, columns, classes, share of non-zeros
    (2_000, 30, 3, 1.0),
    (20_000, 20, 2, 1.0),
    (20_000, 100, 5, 1.0),
    (300_000, 20, 5, 1.0),
    (5_000, 768, 10, 1.0),
    (20_000, 100, 200, 1.0),
    (7_500, 669, 10, 0.2),
    (1_500, 1_500, 20, 0.3),
)


MOST_DIRECT = 0.5  # seconds of a direct step that is measured


def best_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU seconds."""
    found = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def row(n_samples: int, n_features: int, n_classes: int, density: float) -> str:
    """Return one line: a pass, and both preconditioners in passes, as counted and as measured."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features)) * (rng.random((n_samples, n_features)) < density)
    codes = rng.integers(0, n_classes, n_samples)
    problem = Problem(Rows.of(X, n_threads=1), codes, np.ones(n_samples), n_classes, penalty_of(0.0))
    coef, intercept = np.zeros((n_classes, n_features)), np.zeros(n_classes)
    proba = problem.evaluate(coef, intercept).proba
    one = best_of(lambda: problem.rows.hessian_product(proba, problem.weights, coef, intercept))
    size = min(n_features + 1, systems.MAX_BLOCK_COLUMNS)
    n_rows = systems.n_gram_rows(problem, size, n_classes)
    counted = costs.metric_seconds(problem, n_rows, size, n_classes) / costs.pass_seconds(problem)
    blocks = best_of(lambda: systems.build_metric(problem, np.asarray(proba)), 2) / one
    shared = best_of(lambda: systems.build_shared(problem, np.asarray(proba)), 2) / one
    step = "-"
    if costs.direct_seconds(problem) <= MOST_DIRECT:
        point = Point.of(problem, coef, intercept, np.float64)
        step = f"{1e3 * best_of(lambda: direct.newton_step(problem, point).from_point(problem, point, np.float64)):.1f}"
    shape = f"{n_samples:,} x {n_features:,}, {n_classes} classes, {density:.0%}"
    cells = (
        f"{1e3 * costs.pass_seconds(problem):.1f}",
        f"{1e3 * one:.1f}",
        f"{counted:.0f}",
        f"{blocks:.0f}",
        f"{shared:.0f}",
        f"{1e3 * costs.direct_seconds(problem):.1f}",
        step,
    )
    return f"| {shape} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print(
        "| rows | pass, ms, counted | measured | factors a class, passes, counted | measured | one factor, measured "
        "| direct step, ms, counted | measured |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        print(row(*shape))
