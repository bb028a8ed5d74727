"""Steps of proximal Newton by matrix, columns and classes: how much slower than the best is the one that is chosen?

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/steps.py [KIND ...]

Every solver that knows a problem takes all of its steps, on one seen shape of each kind and every penalty with
thresholds. Seconds of the processor, one thread, to a certified gap of 1e-4. A choice is right within 25 %.
"""

import sys
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from _zoo_jobs import KINDS, L1_RATIOS, Shape, made

from inklens.linear import Problem, Rows, solve
from inklens.linear.methods import prox_newton
from inklens.linear.methods.classes import Classes
from inklens.linear.methods.columns import Columns
from inklens.linear.problem.build import make_problem

LIMIT = 10.0  # seconds of a fit
SLACK = 1.25  # times the best, up to which a choice is right
SOLVERS: dict[str, Callable[[Problem], prox_newton.Solver | None]] = {
    "matrix": lambda problem: None,
    "columns": Columns.of,
    "classes": Classes.of,
}


def seconds(problem: Problem, name: str | None) -> float | None:
    """Return the processor's seconds with one solver for all steps, None: as chosen; None where it is late."""

    def only(own: Problem) -> list[prox_newton.Solver]:
        found = SOLVERS[name](own) if name else None
        return [] if found is None else [found]

    forced = [mock.patch.object(prox_newton, "_solvers", only)] if name else []
    if name not in (None, "matrix"):
        forced.append(mock.patch.object(prox_newton, "matrix_seconds", return_value=np.inf))
    began = time.process_time()
    for each in forced:
        each.start()
    try:
        found = solve(problem, tol=1e-4, time_budget=LIMIT, method=prox_newton.PROXIMAL_NEWTON)
    finally:
        for each in forced:
            each.stop()
    return time.process_time() - began if found.status == "certified" else None


def row(kind: str, shape: Shape, penalty: str) -> str:
    """Return one line: the seconds of each solver, as chosen, and whether the choice was right."""
    table = made(kind, shape, 0)
    X = table.X / 255.0 if table.X.dtype == np.uint8 else table.X
    weights = np.ones(len(table.y)) if table.weights is None else table.weights
    rows = Rows.of(X, n_threads=1)
    problem = make_problem(
        rows, table.y, weights, table.n_classes, C=1.0, l1_ratio=L1_RATIOS[penalty], group=penalty == "group"
    )
    each = {name: seconds(problem, name) for name, make in SOLVERS.items() if name == "matrix" or make(problem)}
    if len(each) == 1:
        return ""
    chosen = seconds(problem, None)
    best = min((took for took in each.values() if took is not None), default=LIMIT)
    times = " ".join(f"{name} {'late' if took is None else f'{took:.2f}'}" for name, took in each.items())
    ratio = LIMIT / best if chosen is None else chosen / best
    return f"{kind} {shape} {penalty}: {times}, chosen {ratio:.2f} times the best{'' if ratio <= SLACK else ' (wrong)'}"


if __name__ == "__main__":
    for kind in sys.argv[1:] or KINDS:
        shape = min(KINDS[kind].shapes[::2], key=lambda shape: shape.size)
        for penalty in L1_RATIOS:
            if line := row(kind, shape, penalty):
                print(line, flush=True)
