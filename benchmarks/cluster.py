"""Rows on Dask workers of this computer: beside one process, how workers add up, losses, and far more rows than MNIST.

    python benchmarks/cluster.py [--only PART ...] [--spark PYTHON]

Parts take from a minute to an hour. What a part found is kept in a folder (--results), so that a run that was broken
off goes on; a part that is named is measured again. `spark` needs an interpreter that has pyspark, and Java; `millions`
writes 6 GB, which stay there: both run where they are named only.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import streamed
from _many_digits import labels, part, write_files
from _on_workers import (
    PARTS,
    PENALTIES,
    TOL,
    bits,
    made_there,
    on,
    pids,
    rounds,
    single_threaded,
    solved,
    strength,
    together,
)
from results import table, write_section
from solvers import pixels

HERE = Path(__file__).parent
BACK = 30.0  # seconds for Dask to bring a killed worker back; else a new cluster is opened


def digits(n_rows=60_000):
    X, y = pixels(n_rows)
    return X, y.astype(np.int32)


def say(*words) -> None:
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


# ---- 60,000 rows -----------------------------------------------------------------------------------------------------


def beside(options) -> str:
    """60,000 rows on 1, 2 and 4 workers beside one process with two threads, in turns; rounds; bits."""
    from inklens import cluster
    from inklens.linear.rows.rows import Rows

    X, y = digits()
    local, lines, seen = Rows.of(X, n_threads=2), [], {name: set() for name in PENALTIES}
    for n_workers in (1, 2, 4):
        with cluster.opened(f"local:{n_workers}") as client:
            times = 1e3 * rounds(client)
            say(n_workers, "workers: a round takes", np.median(times), "ms")
            rows = on(client, X)
            for name in PENALTIES:
                own, far = [], []
                for _ in range(options.repeats):
                    own.append(solved(local, y, name))
                    before = rows.traffic.n_rounds, rows.traffic.n_bytes
                    far.append(solved(rows, y, name))
                    n_rounds, n_bytes = rows.traffic.n_rounds - before[0], rows.traffic.n_bytes - before[1]
                (there, seconds), (here, alone) = (min(some, key=lambda pair: pair[1]) for some in (far, own))
                seen[name].update(bits(solution) for solution, _ in far)
                lines.append(
                    [
                        name, n_workers, f"{np.median(times):.1f} / {np.quantile(times, 0.95):.1f}", n_rounds,
                        f"{n_bytes / 1e6:.0f}", f"{seconds:.2f}", f"{alone:.2f}", f"{seconds / alone:.2f}",
                        f"{there.gap:.0e}", f"{there.objective / here.objective - 1:+.0e}",
                    ]
                )  # fmt: skip
                say(*lines[-1])
            rows.close()
    head = ["penalty", "workers", "empty round ms, median / p95", "rounds", "MB", "seconds", "one process, two threads",
            "ratio", "certified", "objective beside it"]  # fmt: skip
    equal = ", ".join(f"{name}: {'the same' if len(found) == 1 else 'different'}" for name, found in seen.items())
    return (
        f"60,000 rows of MNIST as bytes, after they are there:\n\n{table(head, lines)}\n\nBits on 1, 2 and 4: {equal}."
    )


# ---- losses ----------------------------------------------------------------------------------------------------------


def losses(options) -> str:
    """Kill, or stop, one of two workers at a random moment of many fits; killed ones come back for the next fit."""
    from inklens import cluster

    X, y = digits()
    with cluster.opened("local:2") as client:
        rows = on(client, X)
        fits = [solved(rows, y, "L1") for _ in range(options.repeats)]
        rows.close()
        expected, usual = bits(fits[0][0]), min(seconds for _, seconds in fits)
    killed, stopped = [], []
    while len(killed) < options.kills:
        with cluster.opened("local:2") as client, contextlib.suppress(TimeoutError):
            while len(killed) < options.kills:
                killed.append(struck(client, X, y, usual, len(killed), signal.SIGKILL))
    for seed in range(options.stops):
        with cluster.opened("local:2") as client:
            stopped.append(struck(client, X, y, usual, seed, signal.SIGSTOP))
    lines = []
    for what, found in [("killed", killed), ("stopped", stopped)]:
        if not found:
            continue
        more = [seconds - usual for _, seconds, _ in found]
        same = sum(got == expected for got, _, _ in found)
        reading = np.median([reading for _, _, reading in found])
        lines.append([what, len(found), same, f"{np.median(more):.2f}", f"{max(more):.2f}", f"{reading:.2f}"])
        say(*lines[-1])
    head = ["worker", "fits", "the same bits", "s more, median", "most", "reading all rows, s"]
    lead = (
        f"One of two workers is lost at a random moment of a fit of 60,000 rows under L1 ({usual:.2f} s without that)"
    )
    return f"{lead}:\n\n{table(head, lines)}"


def struck(client, X, y, usual, seed, blow):
    """Return the bits of a fit that loses a worker (None where it failed), its seconds, and those of reading rows."""
    from inklens.linear.driver import FitLost

    rng, found = np.random.default_rng(seed), None
    client.wait_for_workers(2, timeout=BACK)  # once in 200 times Dask's nanny did not bring one back
    began = time.perf_counter()
    rows = on(client, X)
    reading = time.perf_counter() - began
    victim = int(rng.choice(pids(client)))
    timer = threading.Timer(rng.uniform(0.0, usual), os.kill, (victim, blow))
    timer.start()
    began = time.perf_counter()
    try:
        found = bits(solved(rows, y, "L1")[0])
    except FitLost as error:
        say(error)
    seconds = time.perf_counter() - began
    timer.cancel()
    rows.close()
    if blow == signal.SIGSTOP:
        os.kill(victim, signal.SIGKILL)  # so that the cluster can close
    say(blow.name, seed, f"{seconds:.2f} s, {rows.traffic.n_lost} lost")
    return found, seconds, reading


# ---- many rows -------------------------------------------------------------------------------------------------------


def efficiency(options) -> str:
    """A million rows, made where they live: two workers of one thread against one."""
    X, y = digits()
    found = {}
    for n_workers in (1, 2):
        with single_threaded(n_workers) as client:
            rows, codes = made_there(client, X, y, options.rows)
            for name in PENALTIES:
                found[name, n_workers] = solved(rows, codes, name)
                say(n_workers, "workers", name, f"{found[name, n_workers][1]:.1f} s")
            rows.close()
    lines = [
        [name, f"{one:.1f}", f"{two:.1f}", f"{one / two / 2:.0%}", f"{found[name, 2][0].gap:.0e}"]
        for name in PENALTIES
        for one, two in [[found[name, n][1] for n in (1, 2)]]
    ]
    head = ["penalty", "one worker, s", "two, s", "efficiency", "certified"]
    return f"{options.rows:,} rows, made where they live; workers of one thread:\n\n{table(head, lines)}"


def spark(options) -> str:
    """Two million rows beside Spark ML, which gets as many cores."""
    from inklens import cluster

    X, y = digits()
    n_rows = 2 * options.rows
    ours, lines = {}, []
    with cluster.opened("local:2") as client:
        rows, codes = made_there(client, X, y, n_rows)
        for name in PENALTIES:
            ours[name] = *solved(rows, codes, name), together(client)
            say("inklens", name, f"{ours[name][1]:.1f} s")
        rows.close()
    n_rows = len(codes)
    with tempfile.TemporaryDirectory(dir=options.results) as folder:
        write_parquet(Path(folder), X, codes, n_rows // PARTS)
        for name, (solution, seconds, memory) in ours.items():
            theirs = asked(options, Path(folder), name, n_rows)
            rival, C = objective(X, codes, name, theirs), strength(name, n_rows) * n_rows
            history, wanted = theirs["history"] * C, solution.objective * (1.0 + TOL)
            reached = int(np.argmax(history <= wanted)) if (history <= wanted).any() else None
            until = None if reached is None else float(theirs["seconds"]) * (reached + 1) / len(history)
            lines.append(
                [
                    name, f"{seconds:.1f}", f"{solution.gap:.0e}", f"{memory / 1e9:.1f}", f"{theirs['seconds']:.0f}",
                    len(history) - 1, f"{rival / solution.objective - 1:+.1e}",
                    "never" if until is None else f"{until:.0f}", f"{float(theirs['memory']) / 1e9:.1f}",
                    f"> {theirs['seconds'] / seconds:.1f}" if until is None else f"{until / seconds:.1f}",
                ]
            )  # fmt: skip
            say(*lines[-1])
    head = ["penalty", "inklens s", "certified", "GB, all processes", "Spark s", "iterations",
            "its objective beside ours", "s until ours x 1.001", "GB", "ratio"]  # fmt: skip
    return (
        f"{n_rows:,} rows, two workers of one thread; Spark ML (local[2]) on the same rows, its own standardising and "
        "block sizes, tol 1e-6, its data read and cached before the clock starts; its objective by our own sums at its "
        f"coefficients:\n\n{table(head, lines)}"
    )


def write_parquet(folder: Path, X, codes, size) -> None:
    """Write the same parts for Spark, which reads lists of numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number in range(PARTS):
        values = part(X, number, size)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        own = pa.array(codes[number * size : (number + 1) * size], pa.float64())
        pq.write_table(pa.table({"pixels": lists, "label": own}), folder / f"part-{number}.parquet")
        say("written", number + 1, "of", PARTS)


def asked(options, folder: Path, name, n_rows) -> dict:
    """Return what Spark finds in a process of its own."""
    settings, _ = PENALTIES[name]
    answer = Path(options.results) / f"spark-{name}.npz"
    alpha, strong = settings.get("l1_ratio", 0.0), 1.0 / (strength(name, n_rows) * n_rows)
    order = [options.spark, str(HERE / "_spark.py"), str(folder), str(answer), str(strong), str(alpha)]
    order.append(str(options.iterations))
    subprocess.run(order, check=True)
    with np.load(answer) as stored:
        return dict(stored)


def objective(X, codes, name, theirs) -> float:
    """Return our objective at other coefficients, from the same rows made anew."""
    from inklens.linear.problem.penalties import penalty_of
    from inklens.linear.rows.rows import Rows

    size, loss = len(codes) // PARTS, 0.0
    for number in range(PARTS):
        own = codes[number * size : (number + 1) * size]
        rows = Rows.of(part(X, number, size), n_threads=2)
        at = rows.loss_and_gradient(theirs["coef"], theirs["intercept"], own, np.ones(size), dtype=np.float64)
        loss += at.loss
    penalty = penalty_of(PENALTIES[name][0].get("l1_ratio", 0.0))
    return strength(name, len(codes)) * loss + penalty.value(theirs["coef"])


# ---- files on one machine --------------------------------------------------------------------------------------------


def from_file(options) -> str:
    """Rows that stay in a file against the same rows in memory, L2, each in a process of its own."""
    n_rows, lines = int(0.6 * options.rows), []
    with tempfile.TemporaryDirectory(dir=options.results) as scratch:
        file, codes = streamed.write_rows(Path(scratch), n_rows)
        for where in ("file", "memory"):
            command = [sys.executable, "-c", streamed.FIT, str(file), str(codes), str(n_rows), "0", where]
            done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            lines.append([where, *map(float, done)])
            say(*lines[-1])
    ratio = lines[0][1] / lines[1][1]
    shown = [
        [where, f"{seconds:.1f}", f"{n_passes:.0f}", f"{gap:.0e}", f"{objective:.2f}", f"{kilobytes / 1024:.0f}"]
        for where, seconds, kilobytes, gap, n_passes, objective in lines
    ]
    head = ["lie in", "seconds", "passes", "certified", "objective", "MB over the data"]
    lead = (
        f"{n_rows:,} rows of a file on one machine, L2, C = 1 (pixels / 255); the file takes {ratio:.2f} times as long"
    )
    return f"{lead}:\n\n{table(head, shown)}"


MILLIONS = """
import sys, time
import numpy as np
from _on_workers import peak, solved
from inklens.linear.rows.rows import Rows

codes, name, *files = sys.argv[1:]
rows, y = Rows.of([np.load(file, mmap_mode="r") for file in files]), np.load(codes)
open("/proc/self/clear_refs", "w").write("5")
before = peak()
def tell(found):
    print(f"{time.perf_counter() - began:.0f} s, {found.n_passes:.0f} passes, {found.objective:.6g}", file=sys.stderr)
began = time.perf_counter()
solution, seconds = solved(rows, y, name, tell)
print(seconds, peak() - before, solution.gap, solution.n_passes, solution.objective)
"""


def millions(options) -> str:
    """As many rows as Infimnist's 8.1 million, from files on one machine."""
    X, y = digits()
    size, lines = options.millions // PARTS, []
    folder = Path(options.results) / "rows"
    folder.mkdir(exist_ok=True)
    files = write_files(folder, X, PARTS, size)
    np.save(folder / "labels.npy", labels(y, PARTS, size))
    for name in PENALTIES:
        command = [sys.executable, "-c", MILLIONS, str(folder / "labels.npy"), name, *map(str, files)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE).stdout.split()
        seconds, n_bytes, gap, n_passes, value = map(float, done)
        lines.append(
            [name, f"{seconds / 60:.1f}", f"{n_passes:.0f}", f"{gap:.0e}", f"{value:.6g}", f"{n_bytes / 1e6:.0f}"]
        )
        say(*lines[-1])
    head = ["penalty", "minutes", "passes", "certified", "objective", "MB over the pages"]
    gigabytes = PARTS * size * X.shape[1] / 1e9
    return f"{PARTS * size:,} rows ({gigabytes:.1f} GB) in {PARTS} files on one machine:\n\n{table(head, lines)}"


MEASURED = (beside, losses, efficiency, from_file, spark, millions)
NAMED_ONLY = ("spark", "millions")


def main(arguments=None) -> None:
    """Measure the parts that are wanted, and write the section of all that are known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {measured.__name__.replace("_", "-"): measured for measured in MEASURED}
    parser.add_argument("--only", nargs="+", choices=parts, default=[], metavar="PART", help=", ".join(parts))
    parser.add_argument("--kills", type=int, default=100, help="fits in which a worker is killed")
    parser.add_argument("--stops", type=int, default=10, help="and stopped")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows that are made on workers")
    parser.add_argument("--millions", type=int, default=8_100_000, help="rows of the part of that name")
    parser.add_argument("--repeats", type=int, default=3, help="of a short fit, whose shortest time counts")
    parser.add_argument("--spark", help="a Python that has pyspark and numpy")
    parser.add_argument("--iterations", type=int, default=500, help="of Spark, at most")
    parser.add_argument("--results", type=Path, default=HERE / ".cluster", help="folder of what was found, and of rows")
    options = parser.parse_args(arguments)
    if "spark" in options.only and options.spark is None:
        parser.error("the part 'spark' needs --spark, a Python that has pyspark and numpy (and Java on the PATH)")
    options.results.mkdir(exist_ok=True)
    for name, measured in parts.items():
        kept = options.results / f"{name}.md"
        if name in options.only or not (options.only or kept.exists() or name in NAMED_ONLY):
            say(name)
            kept.write_text(measured(options), encoding="utf-8")
    found = [kept.read_text(encoding="utf-8") for name in parts if (kept := options.results / f"{name}.md").exists()]
    write_section("Rows on Dask workers", "\n\n".join(filter(None, found)))


if __name__ == "__main__":
    main()
