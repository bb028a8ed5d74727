"""Time to an objective, beside every other solver of the same problem, in one run on one machine.

    python benchmarks/solvers.py [--quick] [--limit SECONDS] [--peers PYTHON]

Each peer runs in its own process and in its own environment (`.venv-bench`, made from `requirements/bench.txt`; a peer
that cannot be installed is left out, and said so). A peer is given falling tolerances or rising step limits until the
objective, recomputed here in float64, is within the target of the optimum; the time of that fit counts. inklens runs
to its own certified stop. The optimum is known from both sides: an inklens fit whose proven bound is within 1e-6.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import _referee
import numpy as np
from _peers import write
from _zoo_jobs import Shape, text_rows
from results import ROOT, table, write_section

from inklens import SoftmaxRegression
from inklens.datasets import load_dataset
from inklens.linear.kernels import library as kernels
from inklens.linear.rows.rows import Rows

HERE = Path(__file__).parent
STEPS = {  # settings that each peer is given in turn
    "lbfgs": [{"max_iter": n, "tol": 1e-12} for n in (25, 50, 100, 200, 220, 240, 260, 300, 400)],
    "newton_cg": [{"max_iter": 100, "tol": tol} for tol in (1e-4, 1e-6)],
    "saga": [{"max_iter": n, "tol": 1e-12} for n in (100, 300, 500, 700)],
    "intelex": [{"max_iter": n, "tol": 1e-12} for n in (100, 150, 170, 200, 400)],
    "cyanure": [{"max_iter": 5000, "tol": tol} for tol in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)],
    "glmnet": [{"max_iter": 0, "tol": tol} for tol in (1e-4, 1e-6, 1e-8)],
    "adelie": [{"max_iter": 0, "tol": tol} for tol in (1e-5, 1e-7)],
    "sag": [{"max_iter": 100, "tol": 1e-12}],
    "newton_cholesky": [{"max_iter": 2, "tol": 1e-12}],
    "scipy_lbfgsb": [{"max_iter": n} for n in (300, 900)],
}
LARGE_STEPS = {  # those that the small job shows to be too loose are left out, to save hours
    "lbfgs": [{"max_iter": n, "tol": 1e-12} for n in (200, 400, 500, 700, 1000)],
    "intelex": [{"max_iter": n, "tol": 1e-12} for n in (200, 300, 400, 600)],
    "cyanure": [{"max_iter": 5000, "tol": tol} for tol in (1e-1, 1e-2, 1e-3)],
}
SMOOTH = ["lbfgs", "newton_cg", "newton_cholesky", "sag", "intelex", "cyanure"]
SPARSE = ["saga", "cyanure", "glmnet", "scipy_lbfgsb"]


@dataclass
class Job:
    """One problem, the accuracy that counts, and how far ahead of whom we must be."""

    name: str
    data: str
    penalty: str
    target: float  # relative suboptimality for the peers; our own fit is certified to it
    peers: list[str]
    ahead: dict[str, float]
    targets: dict[str, float] = field(default_factory=dict)  # where a peer is let off with less


JOBS = [
    Job("7,500 L2", "small", "l2", 1e-4, SMOOTH, {"lbfgs": 20, "intelex": 6, "cyanure": 10}),
    Job("7,500 L1", "small", "l1", 1e-3, SPARSE, {"cyanure": 8, "saga": 100}, {"saga": 6e-3}),
    Job(
        "7,500 elastic net", "small", "elasticnet", 1e-3, ["saga", "cyanure", "glmnet", "scipy_lbfgsb"], {"fastest": 5}
    ),
    Job("7,500 group", "small", "group", 1e-3, ["cyanure", "adelie"], {"fastest": 5}),
    Job("wide sparse L2", "wide", "l2", 1e-3, ["lbfgs", "cyanure"], {"fastest": 2}),
    Job("wide sparse L1", "wide", "l1", 1e-3, ["cyanure"], {"fastest": 2}),
    Job("60,000 L2", "large", "l2", 1e-4, ["lbfgs", "intelex", "cyanure"], {"lbfgs": 20, "intelex": 20, "cyanure": 8}),
    Job("60,000 L1", "large", "l1", 1e-3, ["cyanure"], {"cyanure": 15}),
]


# ---- data, referee ---------------------------------------------------------------------------------------------------


def pixels(n_train: int) -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST rows (INKLENS_MNIST names a folder of IDX files, else OpenML), or all embedded digits."""
    folder = os.environ.get("INKLENS_MNIST")
    try:
        dataset = load_dataset(f"idx:{folder}" if folder else "mnist")
    except OSError:
        print("MNIST cannot be had; using the 5,000 embedded digits", file=sys.stderr)
        dataset = load_dataset("embedded")
        n_train = min(n_train, 4000)
    rows = dataset.split(train=n_train, test=1000, seed=9)
    X = np.ascontiguousarray(np.asarray(rows.X_train).reshape(n_train, -1), dtype=np.uint8)
    return X, np.unique(rows.y_train, return_inverse=True)[1].astype(np.int64)


def text_like(n_samples=20_000, n_features=50_000, n_classes=20, density=0.002):
    """Return term weights as text has them, the same ones at every call."""
    shape = Shape(n_samples, n_features, n_classes)
    return text_rows(np.random.default_rng(0), shape, words_per_row=n_features * density)


def objective(coef, intercept, X, y, penalty) -> float:
    """Return the objective at C = 1; pixels count 1 / 255."""
    scale = 1.0 / 255.0 if X.dtype == np.uint8 else 1.0
    return _referee.objective(coef, intercept, X, y, penalty=penalty, scale=scale)


def our_model(penalty, tol):
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": 0.5, "group": 1.0}.get(penalty, 0.0)
    return SoftmaxRegression(C=np.inf if penalty == "none" else 1.0, l1_ratio=share, group=penalty == "group", tol=tol)


def our_fit(X, y, penalty, tol, callback=None):
    """Return seconds from raw data to a certified model, and the model; float copies are nobody's time."""
    given = X / 255.0 if X.dtype == np.uint8 else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        model = our_model(penalty, tol).fit(given, y, callback=callback)
        return time.perf_counter() - began, model


# ---- peers -----------------------------------------------------------------------------------------------------------


def peer_python(wanted: str | None) -> str | None:
    """Return the interpreter of the peers' environment; make it where it is missing."""
    if wanted:
        return wanted
    folder = ROOT / ".venv-bench"
    python = folder / "bin" / "python"
    if not python.exists():
        print("setting up .venv-bench", file=sys.stderr)
        if subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)]).returncode:
            return None
    ready = folder / ".ready"
    requirements = ROOT / "requirements/bench.txt"
    if not ready.exists() or ready.stat().st_mtime < requirements.stat().st_mtime:
        uv = Path(sys.executable).with_name("uv")
        for line in requirements.read_text().splitlines():
            if line and not line.startswith("#"):
                install = [str(uv), "pip", "install", "-q", "--python", str(python)]
                if not uv.exists():
                    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
                if subprocess.run([*install, line]).returncode:
                    print(f"left out: {line} cannot be installed here", file=sys.stderr)
        ready.touch()
    return str(python)


def peer_fit(python: str, peer: str, setting: dict, data: Path, job: Job, limit: float):
    """Return (seconds, coef, intercept), or a reason in words."""
    with tempfile.TemporaryDirectory() as scratch:
        answer, order = Path(scratch) / "answer.npz", Path(scratch) / "job.json"
        order.write_text(
            json.dumps(
                {"peer": peer, "penalty": job.penalty, "C": 1.0, "data": str(data), "answer": str(answer), **setting}
            )
        )
        try:
            done = subprocess.run(
                [python, str(HERE / "_peers.py"), str(order)], capture_output=True, text=True, timeout=limit + 20
            )
        except subprocess.TimeoutExpired:
            return f"over {limit:.0f} s"
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["failed"])[-1][:80]
        with np.load(answer) as found:
            return float(found["seconds"]), found["coef"], found["intercept"]


@dataclass
class Curve:
    """What one solver reached, and when: (seconds, suboptimality) in rising time."""

    solver: str
    points: list[tuple[float, float]]
    reason: str = ""

    def seconds_to(self, target: float) -> float | None:
        return next((seconds for seconds, sub in self.points if sub <= target), None)


def peer_curve(python, peer, data, X, y, job, optimum, limit) -> Curve:
    target = job.targets.get(peer, job.target)
    curve = Curve(peer, [])
    steps = LARGE_STEPS if job.data == "large" else STEPS
    for setting in steps.get(peer, STEPS[peer]):
        found = peer_fit(python, peer, setting, data, job, limit)
        if isinstance(found, str):
            curve.reason = found
            break
        seconds, coef, intercept = found
        sub = objective(coef, intercept, X, y, job.penalty) / optimum - 1.0
        curve.points.append((seconds, sub))
        print(f"  {peer:10} {setting} {seconds:8.2f} s  {sub:.1e}", file=sys.stderr)
        if sub <= target or seconds > limit:
            break
    return curve


# ---- jobs ------------------------------------------------------------------------------------------------------------


def run_job(job: Job, X, y, python, limit) -> tuple[list[list], list[Curve]]:
    """Return table rows and curves."""
    print(job.name, file=sys.stderr)
    _, exact = our_fit(X, y, job.penalty, 1e-6)
    optimum = exact.lower_bound_
    assert objective(exact.coef_, exact.intercept_, X, y, job.penalty) <= optimum * (1 + 2e-5)
    times = [our_fit(X, y, job.penalty, job.target) for _ in range(3)]
    seconds, model = min(times, key=lambda pair: pair[0])
    sub = objective(model.coef_, model.intercept_, X, y, job.penalty) / optimum - 1.0
    ours = Curve("inklens", [(s, max(p / optimum - 1.0, 1e-9)) for s, _, p, _ in model.history_ if np.isfinite(p)])
    print(f"  inklens {seconds:.3f} s, gap {model.dual_gap_:.1e}, suboptimality {sub:.1e}", file=sys.stderr)
    rows = [[job.name, "inklens", f"certified {model.dual_gap_:.0e}", f"{seconds:.2f}", "", "", ""]]
    curves = [ours]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data.npz"
        write(data, X, y)
        for peer in job.peers if python else []:
            curves.append(peer_curve(python, peer, data, X, y, job, optimum, limit))
    reached = {c.solver: c.seconds_to(job.targets.get(c.solver, job.target)) for c in curves[1:]}
    fastest = min((s for s in reached.values() if s is not None), default=None)
    for curve in curves[1:]:
        rows.append(peer_row(job, curve, seconds, reached[curve.solver], fastest))
    return rows, curves


def peer_row(job: Job, curve: Curve, ours: float, reached: float | None, fastest: float | None) -> list:
    target = job.targets.get(curve.solver, job.target)
    demand = job.ahead.get(curve.solver)
    if demand is None and reached is not None and reached == fastest:
        demand = job.ahead.get("fastest")
    if reached is None:
        last = max((s for s, _ in curve.points), default=0.0)
        best = min((sub for _, sub in curve.points), default=np.nan)
        text, ratio, ok = (
            f"{last:.1f} (only {best:.0e}) {curve.reason}",
            f"> {last / ours:.0f}",
            demand is None or last / ours >= demand,
        )
    else:
        text, ratio, ok = f"{reached:.2f}", f"{reached / ours:.1f}", demand is None or reached / ours >= demand
    missed = "not shown" if reached is None else "**falls short**"  # a peer that was stopped early decides nothing
    verdict = "" if demand is None else ("reached" if ok else missed)
    return [job.name, curve.solver, f"{target:.0e}", text, ratio, "" if demand is None else f"{demand:g}", verdict]


def best_of(work, repeats=7) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def one_pass(X, y) -> list[str]:
    """Compare the fused pass with two float32 matrix products."""
    rows, weights, codes = Rows.of(X, scale=1 / 255), np.ones(len(y)), y.astype(np.int32)
    coef = np.random.default_rng(0).normal(size=(10, X.shape[1])) / 100
    fused = best_of(lambda: rows.loss_and_gradient(coef, np.zeros(10), codes, weights))
    free = ~rows.constant
    dense, W = (X[:, free] / np.float32(255)).astype(np.float32), coef.T[free].astype(np.float32)
    R = np.random.default_rng(1).normal(size=(len(y), 10)).astype(np.float32)
    products = best_of(lambda: (dense @ W, R.T @ dense))
    return [f"fused pass, {X.shape[0]:,} x {free.sum()} x 10, uint8", f"{1e3 * fused:.2f} ms",
            f"two float32 products {1e3 * products:.2f} ms", f"{products / fused:.1f} (asked 6)"]  # fmt: skip


def small_jobs() -> list[list[str]]:
    """Compare tiny fits with scikit-learn's default, in this process."""
    from sklearn.datasets import load_digits, load_iris
    from sklearn.linear_model import LogisticRegression

    rows = []
    for name, load in (("iris", load_iris), ("8x8 digits", load_digits)):
        X, y = load(return_X_y=True)
        X = X / X.max()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = best_of(lambda X=X, y=y: SoftmaxRegression().fit(X, y))
            theirs = best_of(lambda X=X, y=y: LogisticRegression(max_iter=1000).fit(X, y))
        rows.append([name, f"{1e3 * ours:.1f} ms", f"lbfgs {1e3 * theirs:.1f} ms", f"{theirs / ours:.1f}"])
    return rows


def separation(X, y) -> list[str]:
    """Time the proof that the classes are separable, and saga's fit at tol = 0.1, which proves nothing."""
    from sklearn.linear_model import LogisticRegression

    seconds, model = our_fit(X, y, "none", 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saga = LogisticRegression(C=np.inf, solver="saga", tol=0.1)
        theirs = best_of(lambda: saga.fit(X / 255.0, y), 1)
    proof = f"{model.status_}, margin {model.margin_:.2g}" if model.separated_ else model.status_
    return [
        f"{len(y):,} none: {proof}",
        f"{seconds:.2f} s",
        f"saga (tol 0.1) {theirs:.2f} s",
        f"{theirs / seconds:.1f} (asked 1)",
    ]


def saga_s_own_stop(X, y) -> list[str]:
    """Time to the objective at which the tutorial's own call stops: saga, L1, C = 1, tol = 0.1."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saga = LogisticRegression(C=1.0, l1_ratio=1.0, solver="saga", tol=0.1, random_state=0)
        given = X / 255.0
        theirs = best_of(lambda: saga.fit(given, y), 2)
    stop = objective(saga.coef_, saga.intercept_, X, y, "l1")
    reached = []
    for _ in range(3):
        _, model = our_fit(X, y, "l1", 1e-3)
        reached.append(next(seconds for seconds, _, value, _ in model.history_ if value <= stop))
    return ["7,500 L1 to saga's own stop", f"{min(reached):.3f} s to {stop:.0f}",
            f"saga (tol 0.1) {theirs:.2f} s", f"{theirs / min(reached):.1f} (asked 10)"]  # fmt: skip


def whole_path(X, y, curves: dict[str, list[Curve]]) -> list[str]:
    """Time 60 certified points, beside Cyanure's single fit at C = 1."""
    from inklens import softmax_path

    given = X / 255.0
    began = time.perf_counter()
    path = softmax_path(given, y)
    seconds = time.perf_counter() - began
    single = next((c for c in curves.get("7,500 L1", []) if c.solver == "cyanure"), None)
    theirs = None if single is None else single.seconds_to(1e-3)
    beside = "" if theirs is None else f"Cyanure's single fit to 1e-3: {theirs:.1f} s"
    ratio = "" if theirs is None else f"{theirs / seconds:.1f} (asked 1)"
    return [f"{len(path)}-point L1 path, largest gap {path.gaps.max():.0e}", f"{seconds:.1f} s", beside, ratio]


MEMORY = """
import sys, numpy as np
from inklens import SoftmaxRegression
from inklens.linear.rows.rows import Rows

def high_water():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

with np.load(sys.argv[1]) as stored:
    rows, y = Rows.of(stored["X"], scale=1 / 255), stored["y"]
open("/proc/self/clear_refs", "w").write("5")  # the high-water mark starts again from what is resident now
before = high_water()
SoftmaxRegression(l1_ratio=float(sys.argv[2]), tol=1e-3).fit(rows, y)
print(high_water() - before)
"""


def memory(X, y) -> list[list[str]]:
    """Measure what a fit takes over the data, resident, in a process of its own; Linux only."""
    lines: list[list[str]] = []
    if not Path("/proc/self/clear_refs").exists():
        return lines
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "data.npz"
        np.savez(file, X=X, y=y)
        for name, share in (("L2", 0), ("L1", 1)):
            command = [sys.executable, "-c", MEMORY, str(file), str(share)]
            kilobytes = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            lines.append(
                [f"memory over the data, {len(y):,} {name}", f"{kilobytes / 1024:.0f} MB", "", "(asked < 300 MB)"]
            )
    return lines


def scaling(X, y) -> str:
    """Return a table of fits against rows, columns and classes."""
    rows = []
    sizes = [n for n in (2000, 7500, 30_000) if n <= len(y)]
    cases = [(f"{n:,} rows", slice(0, n), slice(None), 10) for n in sizes]
    cases += [("7,500 rows, every second column", slice(0, 7500), slice(None, None, 2), 10)]
    cases += [(f"7,500 rows, {k} classes", slice(0, 7500), slice(None), k) for k in (2, 5)]
    for name, part, columns, k in cases:
        A, codes = X[part][:, columns], y[part]
        A, codes = np.ascontiguousarray(A[codes < k]), codes[codes < k]
        line = [f"{name} ({len(codes):,} x {A.shape[1]} x {k})"]
        for penalty, tol in (("l2", 1e-4), ("l1", 1e-3)):
            seconds, model = our_fit(A, codes, penalty, tol)
            line.append(f"{seconds:.2f} s, {model.n_passes_:.0f} passes")
        rows.append(line)
    return table(["cost against", "L2 to 1e-4", "L1 to 1e-3"], rows)


def _decades(found: list[Curve]) -> float:
    """Return over how many powers of ten the times of a panel reach."""
    seconds = [s for curve in found for s, _ in curve.points]
    return float(np.log10(max(seconds) / min(seconds))) if seconds else 1.0


def figure(curves: dict[str, list[Curve]], file: Path) -> None:
    """Draw time against suboptimality, one panel per job."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    n_columns = min(2, len(curves))
    n_rows = -(-len(curves) // n_columns)
    picture = Figure(figsize=(5.2 * n_columns, 3.4 * n_rows), layout="constrained")
    solvers = sorted({c.solver for found in curves.values() for c in found}, key=lambda s: (s != "inklens", s))
    marks = "osD^vP*X<>dhp"
    style = {s: ("#0b5fa5" if s == "inklens" else f"C{i}", marks[i % len(marks)]) for i, s in enumerate(solvers)}
    for place, (name, found) in enumerate(curves.items()):
        axes = picture.add_subplot(n_rows, n_columns, place + 1)
        for curve in found:
            if not curve.points:
                continue
            seconds, sub = np.array(curve.points).T
            colour, marker = style[curve.solver]
            axes.loglog(seconds, np.maximum(sub, 1e-8), marker=marker, markersize=5, color=colour, label=curve.solver,
                        linewidth=2.4 if curve.solver == "inklens" else 1.2)  # fmt: skip
        axes.set_title(name, fontsize=11)
        axes.set_xlabel("seconds")
        axes.set_ylabel("objective above optimum, relative")
        axes.xaxis.set_minor_formatter(NullFormatter())  # within one decade the minor labels overlap
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if _decades(found) < 2.5 else (1.0,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        axes.grid(alpha=0.3)
    lines = {line.get_label(): line for axes in picture.axes for line in axes.get_lines()}
    known = [solver for solver in solvers if solver in lines]
    picture.legend([lines[s] for s in known], known, loc="outside upper center", ncols=min(6, len(known)), fontsize=9)
    picture.savefig(file, dpi=110)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the 60,000 rows and the wide sparse jobs")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that one fit of a peer may take")
    parser.add_argument("--peers", help="interpreter of an environment that holds the peers")
    parser.add_argument("--title", default="Solvers", help="section of RESULTS.md, and name of the figure")
    parser.add_argument("--jobs", nargs="*", help="names of jobs to run, all by default")
    options = parser.parse_args(arguments)
    python = peer_python(options.peers)
    data = {"small": pixels(7500)}
    jobs = [
        job
        for job in JOBS
        if (job.data == "small" or not options.quick) and (not options.jobs or job.name in options.jobs)
    ]
    if any(job.data == "wide" for job in jobs):
        data["wide"] = text_like()
    if any(job.data == "large" for job in jobs):
        data["large"] = pixels(60_000)
    rows, curves = [], {}
    for job in jobs:
        found, curves[job.name] = run_job(job, *data[job.data], python, options.limit)
        rows += found
    short = [f"{row[0]} against {row[1]}" for row in rows if "short" in str(row[-1])]
    small, large = data["small"], data.get("large", data["small"])
    lines = [separation(*small), saga_s_own_stop(*small), whole_path(*small, curves), one_pass(*large)]
    lines += [*memory(*large), *small_jobs()]
    file = HERE / f"{options.title.lower().replace(' ', '-').replace(',', '')}.png"
    figure(curves, file)
    body = [
        "Seconds from the data in memory to a model within the target of the optimum; inklens to its own certificate, "
        f"which it proves in that time. Kernels: {kernels.active()}. A ratio above 1: inklens is faster.",
        table(["job", "solver", "target", "seconds", "ratio", "asked", ""], rows),
        "Rows that fall short: " + (", ".join(short) if short else "none") + ".",
        table(["also", "inklens", "beside it", "ratio"], lines),
        scaling(*large),
        f"![time to suboptimality]({file.name})",
    ]
    write_section(options.title, "\n\n".join(body))


if __name__ == "__main__":
    main()
