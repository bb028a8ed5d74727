"""Rows on Dask workers of this computer: rounds, fits beside one process, bits, losses, and how workers add up.

    python benchmarks/cluster.py [--kills 30] [--rows 1000000]

The rows are MNIST's, as bytes; for more rows than it has, each part is made where it lives, moved by up to two pixels.
"""

import argparse
import os
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
from results import table, write_section
from solvers import pixels

PENALTIES = {"L2": ({}, 0.06 / 255**2), "L1": ({"l1_ratio": 1.0}, 0.025 / 255)}  # C on bytes, for 60,000 rows
TOL = 1e-3
PARTS = 16
ROUNDS = 200


def solved(rows, y, name, n_scale=1.0, callback=None):
    from inklens.linear.driver import solve
    from inklens.linear.problem.build import make_problem

    settings, C = PENALTIES[name]
    problem = make_problem(rows, y, np.ones(len(y)), 10, C=C / n_scale, **settings)
    began = time.perf_counter()
    solution = solve(problem, tol=TOL, callback=callback)
    return solution, time.perf_counter() - began


def bits(solution):
    return solution.coef.tobytes() + solution.intercept.tobytes()


def on(client, X):
    import dask.array as da

    from inklens.linear.rows.remote.remote_rows import RemoteRows

    return RemoteRows.on_workers(da.from_array(X, chunks=(-(-len(X) // PARTS), -1)), client=client, n_threads=2)


def round_seconds(client, n_classes=10):
    """Return the median time of a round that carries coefficients out and sums back, and computes next to nothing."""
    X = np.random.default_rng(0).integers(0, 256, (PARTS, 784)).astype(np.uint8)
    rows, W, weights = on(client, X), np.ones((n_classes, 784)), np.ones(PARTS)
    proba = rows.array(np.full((PARTS, n_classes), 1.0 / n_classes))
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        rows.hessian_product(proba, weights, W, np.zeros(n_classes))
        times.append(time.perf_counter() - began)
    rows.close()
    return float(np.median(times)), float(np.quantile(times, 0.95))


def fits(client, X, y):
    """Return solution, seconds and rounds of each penalty, the better of two."""
    rows, found = on(client, X), {}
    for name in PENALTIES:
        for _ in range(2):
            before = rows.traffic.n_rounds
            solution, seconds = solved(rows, y, name)
            if name not in found or seconds < found[name][1]:
                found[name] = solution, seconds, rows.traffic.n_rounds - before
    rows.close()
    return found


def killed(client, X, y, n_kills, name="L1"):
    """Kill a worker at a random moment of each fit; return seconds without and with, and how many ended the same."""
    rng, rows = np.random.default_rng(0), on(client, X)
    expected, usual = solved(rows, y, name)
    extra, same = [], 0
    for _ in range(n_kills):
        client.wait_for_workers(2, timeout=120)
        rows.close()
        rows = on(client, X)
        victim = int(rng.choice(list(client.run(os.getpid).values())))
        timer = threading.Timer(rng.uniform(0.0, usual), os.kill, (victim, signal.SIGKILL))
        timer.start()
        solution, seconds = solved(rows, y, name)
        timer.cancel()
        same += bits(solution) == bits(expected)
        extra.append(seconds - usual)
    rows.close()
    return usual, np.array(extra), same


def moved(X, seed):
    """Return a copy of some rows, each moved by up to two pixels."""
    images, rng = X.reshape(-1, 28, 28), np.random.default_rng(seed)
    out, kind = np.empty_like(images), rng.integers(0, 25, len(images))
    for place in range(25):
        own = kind == place
        out[own] = np.roll(images[own], (place // 5 - 2, place % 5 - 2), axis=(1, 2))
    return out.reshape(len(X), -1)


def large(client, X, y, n_rows, name):
    """Return seconds of a fit to rows that are made on their workers."""
    import dask

    from inklens.linear.rows.remote.remote_rows import RemoteRows

    shared, size = client.scatter(X, broadcast=True), n_rows // PARTS
    parts = [dask.delayed(moved)(dask.delayed(cut)(shared, size * k, size), k) for k in range(PARTS)]
    labels = np.concatenate([y[(size * k + np.arange(size)) % len(y)] for k in range(PARTS)])
    rows = RemoteRows.on_workers(parts, client=client, n_threads=2)
    solution, seconds = solved(rows, labels, name, n_rows / len(y))
    rows.close()
    return solution, seconds


@contextmanager
def single_threaded(n_workers):
    """Start workers with one thread each, however many cores there are."""
    import distributed

    with distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as own, distributed.Client(own, direct_to_workers=True, set_as_default=False) as client:  # fmt: skip
        yield client


def cut(X, first, size):
    """Return so many rows from one on, beginning again at the end."""
    return X[(first + np.arange(size)) % len(X)]


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="fits in which a worker is killed")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows that are made on workers; 0: none")
    options = parser.parse_args(arguments)
    from inklens import cluster
    from inklens.linear.rows.rows import Rows

    X, y = pixels(60_000)
    y = y.astype(np.int32)
    local = Rows.of(X)
    alone = {name: min((solved(local, y, name) for _ in range(2)), key=lambda pair: pair[1]) for name in PENALTIES}
    lines, seen, sizes = [], {name: set() for name in PENALTIES}, {}
    for n_workers in (1, 2, 4):
        with cluster.opened(f"local:{n_workers}") as client:
            median, late = round_seconds(client)
            found = fits(client, X, y)
            for name, (solution, seconds, n_rounds) in found.items():
                seen[name].add(bits(solution))
                lines.append(
                    [
                        name, n_workers, f"{1e3 * median:.1f} / {1e3 * late:.1f}", n_rounds, f"{seconds:.2f}",
                        f"{alone[name][1]:.2f}", f"{seconds / alone[name][1]:.2f}", f"{solution.gap:.1e}",
                        f"{solution.objective:.6f}", f"{alone[name][0].objective:.6f}",
                    ]
                )  # fmt: skip
            if n_workers == 2 and options.kills:
                usual, extra, same = killed(client, X, y, options.kills)
    for n_workers in (1, 2) if options.rows else ():
        with single_threaded(n_workers) as client:
            sizes[n_workers] = {name: large(client, X, y, options.rows, name) for name in PENALTIES}
    text = table(
        ["penalty", "workers", "round ms, median / p95", "rounds", "seconds", "one process", "ratio", "gap",
         "objective", "one process"],
        lines,
    )  # fmt: skip
    equal = ", ".join(f"{name}: {'the same' if len(found) == 1 else 'different'}" for name, found in seen.items())
    text += f"\n\nBits on 1, 2 and 4 workers: {equal}.\n"
    if options.kills:
        text += (
            f"\nA worker killed (SIGKILL) at a random moment of {options.kills} fits under L1 of {usual:.2f} s, "
            f"restarted by its nanny: {same} of {options.kills} ended with the same bits; "
            f"{np.median(extra):.2f} s more in the median, {extra.max():.2f} s at most.\n"
        )
    if options.rows:
        rows = [
            [name, *(f"{sizes[n][name][1]:.1f}" for n in (1, 2)), f"{sizes[1][name][1] / sizes[2][name][1] / 2:.0%}",
             f"{sizes[2][name][0].gap:.1e}"]
            for name in PENALTIES
        ]  # fmt: skip
        text += f"\n{options.rows:,} rows, made where they live; workers of one thread:\n\n"
        text += table(["penalty", "one worker, s", "two, s", "efficiency", "gap"], rows)
    write_section("Rows on Dask workers", text)


if __name__ == "__main__":
    main()
