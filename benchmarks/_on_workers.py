"""What benchmarks of rows on Dask workers share: penalties, fits, rounds, and clusters of this computer."""

import os
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _many_digits import labels, part

PENALTIES = {"L2": ({}, 0.06 / 255**2), "L1": ({"l1_ratio": 1.0}, 0.025 / 255)}  # C on bytes, for ROWS of them
ROWS, N_CLASSES = 60_000, 10
TOL = 1e-3
PARTS = 16  # of rows that are made on workers


def strength(name: str, n_rows: int) -> float:
    """Return C that weighs loss and penalty as it does for ROWS rows."""
    return PENALTIES[name][1] * ROWS / n_rows


def solved(rows, y, name, callback=None):
    """Return the solution, and seconds."""
    from inklens.linear.driver import solve
    from inklens.linear.problem.build import make_problem

    settings, _ = PENALTIES[name]
    problem = make_problem(rows, y, np.ones(len(y)), N_CLASSES, C=strength(name, len(y)), **settings)
    began = time.perf_counter()
    solution = solve(problem, tol=TOL, callback=callback)
    return solution, time.perf_counter() - began


def bits(solution) -> bytes:
    return solution.coef.tobytes() + solution.intercept.tobytes()


def on(client, X, n_threads=2):
    """Return rows of this process on workers, cut as Dask does by itself."""
    import dask.array as da

    from inklens.linear.rows.remote.remote_rows import RemoteRows

    return RemoteRows.on_workers(da.from_array(X), client=client, n_threads=n_threads)


def made_there(client, X, y, n_rows, n_threads=2):
    """Return many rows, each part made where it lives, and their labels."""
    import dask

    from inklens.linear.rows.remote.remote_rows import RemoteRows

    shared, size = client.scatter(X, broadcast=True), n_rows // PARTS
    parts = [dask.delayed(part)(shared, number, size) for number in range(PARTS)]
    return RemoteRows.on_workers(parts, client=client, n_threads=n_threads), labels(y, PARTS, size)


def rounds(client, n_rounds=200):
    """Return the seconds of rounds that carry coefficients out and sums back, and compute next to nothing."""
    X = np.random.default_rng(0).integers(0, 256, (PARTS, 784)).astype(np.uint8)
    rows, W, weights, times = on(client, X), np.ones((N_CLASSES, 784)), np.ones(PARTS), []
    proba = rows.array(np.full((PARTS, N_CLASSES), 1.0 / N_CLASSES))
    for _ in range(n_rounds):
        began = time.perf_counter()
        rows.hessian_product(proba, weights, W, np.zeros(N_CLASSES))
        times.append(time.perf_counter() - began)
    rows.close()
    return np.array(times)


@contextmanager
def single_threaded(n_workers):
    """Start workers with one thread each, however many cores there are."""
    import dask
    import distributed

    from inklens import cluster

    with (
        dask.config.set(cluster.SPARING),
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as own,
        distributed.Client(own, direct_to_workers=True, set_as_default=False) as client,
    ):
        yield client


def peak() -> int:
    """Return the most bytes of memory that this process had so far (Linux only)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def together(client) -> int:
    """Return the peaks of this process and all workers, added up."""
    return peak() + sum(client.run(peak).values())


def pids(client) -> list[int]:
    return list(client.run(os.getpid, on_error="ignore").values())  # one that is gone has none
