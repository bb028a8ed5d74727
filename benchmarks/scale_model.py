"""What a fit on more workers than there are here would take, from what one, two and four of them take.

    python benchmarks/scale_model.py [--rows 400000]

One worker of one thread records the rounds of a fit: what was asked, how long it took, how many bytes it moved. An
empty round on 1, 2 and 4 workers tells what a round and a worker cost, and one that carries 16 MB what bytes cost. From
that the time of a fit is added up for any number of workers and rows,

    driver + sum over rounds of [round + worker * W + W * bytes / bandwidth + rows / W * seconds a row],

and held against fits on 1, 2 and 4 workers here, of which as many compute at once as there are cores. The figure of
docs/scale.rst is drawn from the same numbers.
"""

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from _on_workers import PENALTIES, TOL, made_there, on, rounds, single_threaded, solved
from results import cores, machine, table, write_section
from solvers import pixels

HERE = Path(__file__).parent
KNOWN = HERE / "scale_model.json"
FIGURE = HERE.parent / "docs/_static/scale.svg"
PAGE = HERE.parent / "docs/scale.inc"  # what docs/scale.rst includes
WORKERS_HERE = (1, 2, 4)
WORKERS = (10, 30, 100, 300, 1000)
ROWS = (10**7, 10**8, 10**9, 10**10)
LONG, N_LONG = 2_000_000, 20  # numbers that go there and back, and how often
N_FEATURES = 784
DRIVER_BYTES = 20  # a row: label and weight, and while a preconditioner is made how much the row counts for it
GIGABIT = 1e9 / 8  # bytes per second
NETWORK = 10  # gigabits per second
WORKER_BYTES = 64e9  # memory of a worker, for the least number of them


Table: TypeAlias = tuple[list[str], list[list]]


@dataclass
class Kind:
    """What one kind of question takes in a fit."""

    n_rounds: int
    seconds: float  # of the worker, for each row, over all rounds
    n_bytes: float  # to and from each worker, over all rounds


@dataclass
class Fit:
    """What a fit takes."""

    driver: float  # seconds between rounds
    kinds: dict[str, Kind]

    @property
    def n_rounds(self) -> int:
        return sum(kind.n_rounds for kind in self.kinds.values())


@dataclass
class Costs:
    """What was measured here."""

    round: float  # seconds of a round,
    worker: float  # and of each worker in it
    byte: float  # seconds of a byte on the loopback interface, pickled and unpickled
    fits: dict[str, Fit]


@dataclass
class Check:
    """What a fit took on some workers here."""

    name: str
    n_workers: int
    seconds: float


@dataclass
class Measurement:
    """All that was measured, of fits to so many rows, and where."""

    machine: str
    n_cores: int
    n_rows: int
    costs: Costs
    checks: list[Check]


# ---- the model -------------------------------------------------------------------------------------------------------


def seconds(costs: Costs, name: str, n_workers: int, n_rows: float, *, cores=np.inf, byte=None, shards=None):
    """Return the seconds of a fit on `n_workers`, of which `cores` compute at once and no more than have a shard."""
    fit, byte = costs.fits[name], costs.byte if byte is None else byte
    at_once = min(n_workers, cores, shards or n_workers)
    talking = min(n_workers, shards or n_workers)
    found = fit.driver + fit.n_rounds * (costs.round + costs.worker * talking)
    return found + sum(talking * kind.n_bytes * byte + n_rows / at_once * kind.seconds for kind in fit.kinds.values())


def network(costs: Costs, gigabits: float) -> float:
    """Return the seconds of a byte that goes over a network as well."""
    return max(costs.byte, 1.0 / (gigabits * GIGABIT))


# ---- what it is made of ----------------------------------------------------------------------------------------------


def measured(n_rows: int) -> Measurement:
    """Return the costs, and what fits on 1, 2 and 4 workers take."""
    X, y = pixels(60_000)
    y, empty, byte, fits, checks = y.astype(np.int32), {}, 0.0, {}, []
    for n_workers in WORKERS_HERE:
        with single_threaded(n_workers) as client:
            empty[n_workers] = float(np.median(rounds(client)))
            if n_workers == 1:
                byte = byte_seconds(client, empty[1])
            rows, codes = made_there(client, X, y, n_rows, n_threads=1)
            for name in PENALTIES:
                solution, took, log = recorded(rows, codes, name)
                checks.append(Check(name, n_workers, took))
                print(name, n_workers, "workers", f"{took:.1f} s, gap {solution.gap:.0e}", flush=True)
                if n_workers == 1:
                    fits[name] = fit_of(log, took, len(codes), empty[1], byte)
            rows.close()
    worker, base = np.polyfit(list(empty), list(empty.values()), 1)
    costs = Costs(max(float(base), 0.0), max(float(worker), 0.0), byte, fits)
    return Measurement(machine(), cores(), len(codes), costs, checks)


def byte_seconds(client, of_round: float) -> float:
    """Return the seconds of a byte that goes to a worker or comes back, with its pickle."""
    rows, times = on(client, np.zeros((LONG, 1), np.uint8)), []
    for number in range(N_LONG):
        values, before = np.full((LONG, 1), float(number)), rows.traffic.n_bytes
        began = time.perf_counter()
        np.asarray(rows.array(values))
        times.append((time.perf_counter() - began - of_round) / (rows.traffic.n_bytes - before))
    rows.close()
    return float(np.median(times))


def recorded(rows, codes, name):
    """Return solution, seconds, and of each round its kind, seconds and bytes."""
    log, ask = [], rows.shards._ask

    def noted(operation, by):
        began, before = time.perf_counter(), rows.traffic.n_bytes
        answer = ask(operation, by)
        log.append((type(operation).__name__, time.perf_counter() - began, rows.traffic.n_bytes - before))
        return answer

    rows.shards._ask = noted
    try:
        solution, took = solved(rows, codes, name)
    finally:
        rows.shards._ask = ask
    return solution, took, log


def fit_of(log, took, n_rows, empty, byte) -> Fit:
    """Return what a fit takes, from the rounds of one on one worker."""
    counts, times, sizes = Counter(), Counter(), Counter()
    for kind, elapsed, n_bytes in log:
        counts[kind] += 1
        sizes[kind] += n_bytes
        times[kind] += max(elapsed - empty - n_bytes * byte, 0.0)
    kinds = {kind: Kind(counts[kind], times[kind] / n_rows, float(sizes[kind])) for kind in counts}
    return Fit(took - sum(elapsed for _, elapsed, _ in log), kinds)


# ---- what it says ----------------------------------------------------------------------------------------------------


def lead(costs: Costs) -> str:
    """Return what was measured beside the rounds of fits."""
    drivers = ", ".join(f"{fit.driver:.1f} s ({name})" for name, fit in costs.fits.items())
    return (
        f"A round takes {1e3 * costs.round:.1f} ms, and {1e3 * costs.worker:.2f} ms for each worker; a byte "
        f"{1e9 * costs.byte:.2f} ns on the loopback interface ({1e-9 / costs.byte:.1f} GB/s, with pickles); between "
        f"rounds the driver takes {drivers}."
    )


QUESTIONS = {
    "LossPass": "loss, gradient",
    "HessianProduct": "Hessian times direction",
    "TransposeProduct": "residuals times rows",
    "PairHessian": "Hessian of pairs",
    "Total": "sum over rows",
    "Stored": "some rows, fetched",
    "Values": "a number for each row",
}


def constants(costs: Costs) -> Table:
    """Return what each kind of question takes."""
    rows = 1e9 / N_FEATURES  # of a gigabyte
    lines = [
        [name, QUESTIONS.get(kind, kind), n, f"{one.seconds / n * rows:.2f}", f"{one.n_bytes / n / 1e6:.2f}"]
        for name, fit in costs.fits.items()
        for kind, one in sorted(fit.kinds.items(), key=lambda item: -item[1].seconds)
        for n in [one.n_rounds]
    ]
    return ["penalty", "question", "rounds", "s a round and GB", "MB a round and worker"], lines


def checked(found: Measurement) -> Table:
    """Return predictions beside what fits here took."""
    lines = []
    for check in found.checks:
        said = seconds(found.costs, check.name, check.n_workers, found.n_rows, cores=found.n_cores)
        off = said / check.seconds - 1.0
        lines.append(
            [
                check.name,
                check.n_workers,
                f"{check.seconds:.1f}",
                f"{said:.1f}",
                f"{off:+.0%}".replace("-0%", "0%").replace("+0%", "0%"),
            ]
        )
    return ["penalty", "workers here", "seconds", "predicted", "off by"], lines


def predicted(costs: Costs) -> Table:
    """Return the time of a fit by rows and workers, on a network of NETWORK gigabits a second."""
    from inklens.linear.rows.remote.sources import n_shards

    lines = []
    for name in costs.fits:
        for n_rows in ROWS:
            least, shards = n_rows * N_FEATURES / WORKER_BYTES, n_shards(n_rows, 1)
            times = [seconds(costs, name, n, n_rows, byte=network(costs, NETWORK), shards=shards) for n in WORKERS]
            cells = [shown(took) if n >= least else "-" for n, took in zip(WORKERS, times, strict=True)]
            lines.append([name, f"{n_rows / 1e6:,.0f}", *cells])
    return ["penalty", "million rows", *(f"W = {n}" for n in WORKERS)], lines


def shown(took: float) -> str:
    return f"{took:.0f} s" if took < 600 else f"{took / 60:.0f} min" if took < 36_000 else f"{took / 3600:.0f} h"


def report(found: Measurement) -> list[str | Table]:
    """Return all of it, a paragraph or table after the other."""
    from inklens.linear.rows.remote.sources import MOST_SHARDS, ROWS_A_SHARD, SHARDS

    costs = found.costs
    return [
        f"{found.n_rows:,} rows of {N_FEATURES} bytes, ten classes, certified to {TOL}; workers of one thread.",
        lead(costs),
        constants(costs),
        "Predicted from one worker, and measured on as many as there are here:",
        checked(found),
        f"Predicted for W workers on {NETWORK} Gbit/s, with {SHARDS} shards or one for each {ROWS_A_SHARD:,} rows, "
        f"{MOST_SHARDS} at most; no time where the rows do not fit into the memory of the workers, "
        f"{WORKER_BYTES / 1e9:.0f} GB each. The driver holds {DRIVER_BYTES} bytes a row besides:",
        predicted(costs),
    ]


def as_page(part: str | Table) -> str:
    """Return a paragraph or table in reStructuredText."""
    if isinstance(part, str):
        return part
    head, lines = part
    cells = ("\n".join("   " + ", ".join(f'"{cell}"' for cell in line) for line in lines)).replace('"-"', '"–"')
    names = ", ".join(f'"{name}"' for name in head)
    return f".. csv-table::\n   :header: {names}\n\n{cells}"


def draw(costs: Costs) -> None:
    """Draw seconds by workers, one curve for each number of rows; dashed on a network of 1 Gbit/s."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    workers = np.unique(np.geomspace(1, 1000, 60).astype(int))
    style = {"svg.fonttype": "none", "svg.hashsalt": "inklens", "font.size": 9}
    with mpl.rc_context(style):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True, layout="constrained")
        for ax, name in zip(axes, costs.fits, strict=True):
            for n_rows, colour in zip(ROWS, ("#0072b2", "#009e73", "#d55e00", "#7a4a9a"), strict=True):
                for gigabits, line in ((NETWORK, "-"), (1, ":")):
                    times = [seconds(costs, name, n, n_rows, byte=network(costs, gigabits)) for n in workers]
                    ax.loglog(workers, times, line, color=colour)
                alone = seconds(costs, name, 1, n_rows)
                label = f"$10^{{{np.log10(n_rows):.0f}}}$ rows"
                ax.text(0.85, alone, label, color=colour, ha="right", va="center", fontsize=8)
            ax.set(title=name, xlabel="workers of one thread", xlim=(0.13, 1000), xticks=[1, 10, 100, 1000])
            for at, text in ((60, "a minute"), (3600, "an hour"), (86_400, "a day")):
                ax.axhline(at, color="0.85", linewidth=0.8, zorder=0)
                if ax is axes[-1]:  # beyond the curves
                    ax.annotate(
                        text, (1.02, at), xycoords=("axes fraction", "data"), color="0.4", va="center", fontsize=8
                    )
            ax.spines[["top", "right"]].set_visible(False)
        axes[0].set_ylabel("seconds, predicted")
        figure.savefig(FIGURE, metadata={"Date": None})


def stored(found: Measurement) -> None:
    KNOWN.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")


def known() -> Measurement:
    """Return the last measurement."""
    said = json.loads(KNOWN.read_text(encoding="utf-8"))
    costs, checks = said.pop("costs"), said.pop("checks")
    fits = {
        name: Fit(fit["driver"], {kind: Kind(**one) for kind, one in fit["kinds"].items()})
        for name, fit in costs.pop("fits").items()
    }
    return Measurement(**said, costs=Costs(**costs, fits=fits), checks=[Check(**check) for check in checks])


def main(arguments=None) -> None:
    """Measure, check, predict and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000, help="rows of the fits that are measured")
    parser.add_argument("--again", action="store_true", help="only write and draw what was measured last")
    options = parser.parse_args(arguments)
    if not options.again:
        stored(measured(options.rows))
    found = known()
    draw(found.costs)
    parts = report(found)
    PAGE.write_text("\n\n".join([found.machine, *map(as_page, parts)]) + "\n", encoding="utf-8")
    body = [part if isinstance(part, str) else table(*part) for part in parts]
    write_section("More workers than there are here, predicted", "\n\n".join(body))


if __name__ == "__main__":
    main()
