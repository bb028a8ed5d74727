"""What each part of the solver is worth: processor time without it, relative to the whole.

    python benchmarks/ablation.py [--quick] [--repeats N] [--only PART]

A part is left out by one change of a name in the package; fits with and without it take turns on the same rows, and the
ratio is the median over the turns. A part that no job defends should go. Rows are MNIST's (INKLENS_MNIST names a folder
of IDX files, else OpenML) and made up text; 1.00 means that nothing is lost without the part.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from results import table, write_section
from solvers import pixels, text_like

from inklens import SoftmaxRegression

BUDGET = 60.0  # seconds of one fit; what takes longer has no ratio, but is said
METHODS, PACKING = "inklens.linear.methods.", "inklens.linear.kernels.compiled_packing"


@dataclass(frozen=True)
class Job:
    """Rows, and the fit on them."""

    name: str
    rows: Callable[[], tuple]
    kind: str  # "L1" or "L2"
    C: float = 1.0
    tol: float = 1e-3


@dataclass(frozen=True)
class Part:
    """What is left out, and by which change: (module, name in it, value)."""

    name: str
    kinds: str
    changes: tuple[tuple[str, str, object], ...]


def mnist(n_rows: int) -> Callable[[], tuple]:
    """Return the maker of rows in [0, 1]."""

    def make():
        X, y = pixels(n_rows)
        return X / 255.0, y

    return make


def standardised(n_rows: int) -> Callable[[], tuple]:
    """Return the maker of pixels of mean 0 and deviation 1: those that are seldom lit reach 50."""

    def make():
        X, y = mnist(n_rows)()
        spread = X.std(axis=0)
        return (X - X.mean(axis=0))[:, spread > 0] / spread[spread > 0], y

    return make


def text() -> tuple:
    """Return term weights of 3,000 documents over 20,000 words, six classes."""
    return text_like(3000, 20_000, 6)


JOBS = [
    Job("7,500 L1", mnist(7500), "L1"),
    Job("7,500 L2", mnist(7500), "L2", tol=1e-4),
    Job("2,000 L1, C = 1e4", mnist(2000), "L1", C=1e4),
    Job("2,000 L2, C = 1e4", mnist(2000), "L2", C=1e4),
    Job("standardised L1, C = 0.01", standardised(7500), "L1", C=0.01),
    Job("standardised L2, C = 10", standardised(7500), "L2", C=10.0, tol=1e-4),
    Job("3,000 standardised L1, C = 0.1", standardised(3000), "L1", C=0.1),
    Job("7,500 L1, C = 100", mnist(7500), "L1", C=100.0),
    Job("text L1", text, "L1"),
    Job("text L2", text, "L2"),
    Job("60,000 L1", mnist(60_000), "L1"),
    Job("60,000 L1, C = 10", mnist(60_000), "L1", C=10.0),
    Job("60,000 L2", mnist(60_000), "L2", tol=1e-4),
]


def _nothing(*_: object, **__: object) -> Iterator:
    return iter(())


PARTS = [
    Part("sampled class pairs", "L1", ((METHODS + "sampling", "sampling_threshold", lambda *_, **__: 0.0),)),
    Part("penalty continuation", "L1", ((METHODS + "prox_newton", "START_RATIO", np.inf),)),
    Part("restored diagonal", "L1", ((METHODS + "prox_newton", "restore_diagonal", lambda *_: None),)),
    Part("lengthened steps", "L1", ((METHODS + "prox_newton", "MAX_LENGTH", 1.0),)),
    Part("kept models", "L1", ((METHODS + "prox_newton", "KEPT_VIOLATION", 0.0),)),
    Part("corrections", "L1", ((METHODS + "prox_newton", "MAX_CORRECTIONS", 0),)),
    Part("all corrections but one", "L1", ((METHODS + "prox_newton", "MAX_CORRECTIONS", 1),)),
    Part("bordered faces", "L1", ((METHODS + "faces", "MAX_CHANGED_SHARE", -1.0),)),
    Part("damping", "L1", ((METHODS + "prox_newton", "LEAST_DAMPING", 0.0),)),
    Part("dual ascent", "L2", ((METHODS + "dual_ascent", "ascend", _nothing),)),
    Part("larger penalties first", "L2", ((METHODS + "newton", "EASY", np.inf),)),
    Part("panels and transposed copies", "L1 L2", ((PACKING, "PANEL", 1 << 40),)),
    Part("transposed copies", "L1 L2", ((PACKING, "WIDE_BELOW", 0.0),)),
]


@contextmanager
def without(part: Part) -> Iterator[None]:
    """Leave a part out for a while."""
    kept = []
    for module, name, value in part.changes:
        home = import_module(module)
        kept.append((home, name, getattr(home, name)))
        setattr(home, name, value)
    try:
        yield
    finally:
        for home, name, value in kept:
            setattr(home, name, value)


def cost(job: Job, X, y) -> tuple[float, float, float]:
    """Return processor seconds, passes and gap of one fit."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SoftmaxRegression(C=job.C, l1_ratio=float(job.kind == "L1"), tol=job.tol, time_budget=BUDGET)
        model.fit(X, y)
    return time.process_time() - began, model.n_passes_, model.dual_gap_


def compare(job: Job, part: Part, X, y, repeats: int) -> str:
    """Return the median ratio of processor time without the part to that with it, and of passes."""
    ratios, passes, gap = [], [], 0.0
    for _ in range(repeats):
        whole = cost(job, X, y)
        with without(part):
            less = cost(job, X, y)
        ratios.append(less[0] / whole[0])
        passes.append(less[1] / whole[1])
        gap = max(gap, less[2])
    said = f"{np.median(ratios):.2f} ({np.median(passes):.2f})"
    return said if gap <= job.tol else f"{said}, gap {gap:.0e}"


def main() -> None:
    """Run the jobs that are asked for, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out the jobs of 60,000 rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help="a part's name")
    options = parser.parse_args()
    jobs = [job for job in JOBS if not (options.quick and job.name.startswith("60,000"))]
    parts = [part for part in PARTS if options.only in (None, part.name)]
    cells = {part.name: [""] * len(jobs) for part in parts}
    for column, job in enumerate(jobs):
        X, y = job.rows()
        cost(job, X, y)  # a first fit, which nobody counts
        for part in parts:
            if job.kind in part.kinds.split():
                cells[part.name][column] = compare(job, part, X, y, options.repeats)
                print(f"{job.name}: without {part.name}: {cells[part.name][column]}", file=sys.stderr)
    head = "Processor time without a part, relative to the whole; passes in brackets. With a gap: ended without proof."
    body = table(["without", *(job.name for job in jobs)], [[name, *row] for name, row in cells.items()])
    if options.only is None:
        write_section("Ablation", f"{head}\n\n{body}")
    print(body)


if __name__ == "__main__":
    main()
