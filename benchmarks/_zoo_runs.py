"""The zoo's fits: one process each, written as JSON lines as they end, so that a run of hours can be resumed.

Ours runs to its own certificate. A peer is given falling tolerances until the referee finds its objective within
`ACCURACY` of ours, or a fit is late; it is tried with one thread and with two, and the better counts.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

import _referee
import numpy as np
from _peers import write
from _zoo_jobs import L1_RATIOS, Job
from results import ROOT, cores
from scipy import sparse

from inklens.linear.driver import METHODS
from inklens.linear.problem.build import make_problem
from inklens.linear.rows.rows import Rows

HERE = Path(__file__).parent
OURS = "inklens"
ACCURACY = 1e-4  # our certified gap, and how far above our objective a peer may be
READ_SECONDS = 120.0  # for a process to start, to read its table and to write its answer
MEMORY_LIMIT = 16 << 30  # bytes that a fit may allocate
PATIENCE = 20.0  # a peer may take as many times the best solver's time, unless told otherwise, and MIN_LIMIT at least
MAX_SPENT = 2.0  # limits, for all fits that a peer has had before the last
MIN_LIMIT = 2.0  # seconds
ENGINE_PATIENCE = 5.0  # the same for our other engines
SETTINGS = {  # falling tolerances; nothing else ends a fit before its limit
    "lbfgs": [{"tol": tol} for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)],
    "newton_cholesky": [{"tol": tol} for tol in (1e-2, 1e-4, 1e-6, 1e-8)],
    "saga": [{"tol": tol} for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)],
    "cyanure": [{"tol": tol} for tol in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)],
    "glmnet": [{"tol": tol} for tol in (1e-3, 1e-5, 1e-7, 1e-9)],
}
MAX_ITER = 1_000_000
ROUNDING = 1e-3  # of a gap, where the referee sums in another order
REPEATS = 5  # of fits that are short; the shortest counts
THREADS = {"lbfgs": (1, 2), "newton_cholesky": (1, 2), "saga": (1,), "cyanure": (1, 2), "glmnet": (1,)}
PEERS = {  # those that solve it, the likely fastest first: the others need not outlast it by far
    "none": ("lbfgs", "newton_cholesky", "cyanure", "saga"),
    "l2": ("lbfgs", "newton_cholesky", "cyanure", "glmnet", "saga"),
    "l1": ("cyanure", "glmnet", "saga"),
    "elasticnet": ("cyanure", "glmnet", "saga"),
    "group": ("cyanure",),
}
ALL_PEERS = tuple(SETTINGS)
REACHED, LATE, SHORT, STOPPED = "reached", "late", "short", "stopped"
WITHOUT_OPTIMUM = "separated", "touching"  # proven


@dataclass(frozen=True)
class Fit:
    """How one solver did on one job.

    `outcome` is reached (the target, for ours a certificate), late (over the limit), short (the last tolerance ends
    above the target), stopped (ours, at its budget), separated or touching (ours, proven: there is no optimum) or the
    reason of a failure in words.
    """

    job: str
    solver: str  # a peer, "inklens", or the name of one of its variants
    outcome: str
    limit: float  # seconds that it might take
    seconds: float | None = None
    objective: float | None = None
    memory: int | None = None  # bytes over the data
    threads: int | None = None
    setting: dict = field(default_factory=dict)
    gap: float | None = None  # what follows is ours alone
    bound: float | None = None
    engine: str | None = None
    commit: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether the fit did what was asked."""
        return self.outcome in (REACHED, *WITHOUT_OPTIMUM)


@dataclass(frozen=True)
class Variant:
    """Another way to call ours."""

    name: str
    method: str | None = None  # an engine instead of the chosen one
    tol: float = ACCURACY
    limit: float | None = None  # seconds, instead of the limit of all


AS_CALLED = Variant(OURS)
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-6, 1e-8)  # beside ACCURACY
AFTER = 1.0  # second, when a bound has to say something
LAWS = (*(Variant(f"{OURS} tol {tol:g}", tol=tol) for tol in TOLERANCES), Variant(f"{OURS} stopped", limit=AFTER))


class Log:
    """Fits by job and solver, kept in a file of JSON lines; the last line of each counts."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.fits: dict[tuple[str, str], Fit] = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            try:
                fit = Fit(**json.loads(line))
            except ValueError:  # a run that was killed while it wrote
                continue
            self.fits[fit.job, fit.solver] = fit

    def add(self, fit: Fit) -> Fit:
        """Keep a fit, at once."""
        self.fits[fit.job, fit.solver] = fit
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(fit)) + "\n")
        return fit

    def of(self, job: Job) -> dict[str, Fit]:
        """Return the fits of a job by solver."""
        return {solver: fit for (name, solver), fit in self.fits.items() if name == job.name}

    def forget(self, solvers: Iterable[str]) -> None:
        """Let solvers run again; "inklens" stands for its variants, too."""
        for key in [key for key in self.fits if key[1].replace("/", " ").split()[0] in set(solvers)]:
            del self.fits[key]


class Servers:
    """Processes that have imported what fits need, one for each interpreter and number of threads."""

    def __init__(self) -> None:
        self.running: dict[tuple[str, int | None], subprocess.Popen] = {}

    def ask(self, python: str, threads: int | None, order: Path, seconds: float) -> str:
        """Have one order answered; return nothing, `LATE`, or a failure in words."""
        key = python, threads
        if key not in self.running:
            self.running[key] = subprocess.Popen(
                [python, str(HERE / "_peers.py"), "--serve"], env=environment(threads), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        server = self.running[key]
        server.stdin.write(f"{order}\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], seconds)[0]:  # the fork hangs beyond its alarm
            self.stop(key)
            return LATE
        line = server.stdout.readline()
        if not line:
            self.stop(key)
            return "the server of fits ended"
        ended = json.loads(line)
        if ended["signal"]:
            return LATE if ended["signal"] == signal.SIGALRM else signal.Signals(ended["signal"]).name
        return ended["error"]

    def stop(self, key: tuple[str, int | None]) -> None:
        """End a server with its forks."""
        server = self.running.pop(key)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self.running):
            self.stop(key)


@dataclass(frozen=True)
class Limits:
    """How long fits may take."""

    seconds: float = 60.0  # any of them
    patience: float = PATIENCE  # a peer, in times of the best solver's seconds


class Bench:
    """One job with its table on disk, and what is asked of its fits."""

    def __init__(self, job: Job, folder: Path, servers: Servers, python: str | None, limits: Limits) -> None:
        self.job, self.folder, self.servers, self.python, self.limits = job, folder, servers, python, limits
        self.table = job.data()
        self.file = folder / "table.npz"
        write(self.file, self.table.X, self.table.y, self.table.weights)

    def ours(self, variant: Variant = AS_CALLED, limit: float | None = None) -> Fit:
        """Fit by our solver to its certificate."""
        limit = variant.limit or limit or self.limits.seconds
        order = {"tol": variant.tol, "limit": limit, "kill_after": 1.5 * limit + 5.0, "method": variant.method}
        return replace(self.fit(OURS, sys.executable, order, limit), solver=variant.name)

    def peer(self, peer: str, target: float, best: float) -> Fit:
        """Return the first fit within the target, else the last; with the better number of threads."""
        limit = min(self.limits.seconds, max(MIN_LIMIT, self.limits.patience * best))
        threads, *others = (count for count in THREADS[peer] if count <= cores())
        found, spent = None, 0.0
        for setting in SETTINGS[peer]:
            if spent > MAX_SPENT * limit:
                return replace(found, outcome=LATE)
            found = self.peer_fit(peer, setting, threads, limit, target)
            spent += found.seconds or limit
            if found.outcome in (REACHED, LATE) and others:
                other = self.peer_fit(peer, setting, others.pop(), limit, target)
                if (other.outcome != LATE, -(other.seconds or 0.0)) > (found.outcome != LATE, -(found.seconds or 0.0)):
                    found, threads = other, other.threads
            if found.outcome != SHORT:
                break
        return found

    def peer_fit(self, peer: str, setting: dict, threads: int, limit: float, target: float) -> Fit:
        """Fit once by another package."""
        order = {**setting, "max_iter": MAX_ITER, "threads": threads, "kill_after": limit}
        return self.fit(peer, self.python, order, limit, target)

    def fit(self, solver: str, python: str, order: dict, limit: float, target: float = np.inf) -> Fit:
        """Run one process; judge its answer."""
        threads, setting = order.get("threads"), {"tol": order["tol"]}
        fit = Fit(self.job.name, solver, LATE, limit, threads=threads, setting=setting, commit=commit())
        answer, file = self.folder / "answer.npz", self.folder / "order.json"
        answer.unlink(missing_ok=True)
        file.write_text(json.dumps(order | self.problem(solver, answer)))
        words = self.servers.ask(python, threads, file, order["kill_after"] + READ_SECONDS)
        if words:
            return replace(fit, outcome=words)
        return self.judged(fit, answer, target)

    def problem(self, solver: str, answer: Path) -> dict:
        """Return the part of an order that all solvers of the job have in common."""
        C = self.job.C if np.isfinite(self.job.C) else 1.0
        return {"peer": solver, "penalty": self.job.penalty, "C": C, "data": str(self.file), "answer": str(answer),
                "as_it_is": True, "repeats": REPEATS, "memory_limit": MEMORY_LIMIT}  # fmt: skip

    def judged(self, fit: Fit, answer: Path, target: float) -> Fit:
        """Read an answer; the objective is the referee's, and what ours says of itself is kept beside it."""
        with np.load(answer) as found:
            facts = json.loads(str(found["facts"]))
            value, seconds = self.objective(found["coef"], found["intercept"]), float(found["seconds"])
        fit = replace(fit, seconds=seconds, objective=value, memory=facts["memory"])
        if "status" not in facts:
            return replace(fit, outcome=REACHED if value <= target else SHORT)
        gap = max(0.0, 1.0 - facts["bound"] / value) if value > 0.0 else 0.0
        outcome = facts["status"]
        if outcome == "certified":
            outcome = REACHED if gap <= fit.setting["tol"] * (1.0 + ROUNDING) else f"a gap of {gap:.1e} by the referee"
        return replace(fit, outcome=outcome, gap=gap, bound=facts["bound"], engine=facts["method"])

    def objective(self, coef: np.ndarray, intercept: np.ndarray) -> float:
        """Ask the referee; coefficients that are no numbers are worth nothing."""
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return float("inf")
        table, job = self.table, self.job
        return _referee.objective(
            coef, intercept, table.X, table.y, penalty=job.penalty, C=job.C, weights=table.weights
        )


def run(
    job: Job,
    log: Log,
    servers: Servers,
    python: str | None,
    limits: Limits,
    *,
    engines: bool = True,
    laws: bool = False,
) -> None:
    """Run what a job still lacks: ours, its other `engines`, its tolerances and bounds (`laws`), and the peers."""
    known = {solver: fit for solver, fit in log.of(job).items() if not is_stale(fit, log.of(job).get(OURS))}
    peers = [peer for peer in peers_of(job) if python and peer not in known]
    wanted = [*(engines_of(job) if engines else []), *(LAWS if laws else [])]
    variants = [variant for variant in wanted if variant.name not in known]
    if OURS in known and not is_lacking(known[OURS], peers, variants):
        return
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(job, Path(scratch), servers, python, limits)
        ours = known.get(OURS) or log.add(bench.ours())
        patience = min(limits.seconds, max(MIN_LIMIT, ENGINE_PATIENCE * (ours.seconds or limits.seconds)))
        for variant in variants:
            if variant.method is None:
                log.add(bench.ours(variant))
            elif variant.method != ours.engine:
                log.add(bench.ours(variant, patience))
        if not has_target(ours):
            return
        best = ours.seconds if ours.is_decided else limits.seconds
        for peer in peers:
            found = log.add(bench.peer(peer, ours.objective * (1.0 + ACCURACY), best))
            best = min(best, found.seconds) if found.outcome == REACHED else best


def is_stale(fit: Fit, ours: Fit | None) -> bool:
    """Tell whether a peer reached a target of ours that we left behind since."""
    if ours is None or not has_target(ours) or fit.outcome != REACHED:
        return False
    return fit.solver in SETTINGS and fit.objective > ours.objective * (1.0 + 2.0 * ACCURACY)


def is_lacking(ours: Fit, peers: list[str], variants: list[Variant]) -> bool:
    """Tell whether a job has fits to run beside ours."""
    return bool(peers and has_target(ours)) or any(variant.method != ours.engine for variant in variants)


def has_target(ours: Fit) -> bool:
    """Tell whether there is an objective that peers can be asked for: not where classes are separated, or touch."""
    return ours.objective is not None and ours.outcome not in WITHOUT_OPTIMUM


def peers_of(job: Job) -> tuple[str, ...]:
    """Return the peers that solve a job: Cyanure takes no weights."""
    return tuple(peer for peer in PEERS[job.penalty] if peer != "cyanure" or job.kind != "weighted")


def engines_of(job: Job) -> list[Variant]:
    """Return our engines as variants."""
    return [Variant(f"{OURS}/{name}", method=name) for name in engines_for(job.penalty)]


@cache
def engines_for(penalty: str) -> tuple[str, ...]:
    """Return the engines that accept some small problem with this penalty: tall, wide, sparse or of many classes."""
    rng = np.random.default_rng(0)
    shapes = ((60, 4, 2), (60, 4, 3), (12, 300, 3), (200, 30, 60))
    problems = []
    for n_samples, n_features, n_classes in shapes:
        X, y = rng.normal(size=(n_samples, n_features)), np.arange(n_samples) % n_classes
        for matrix in (X, sparse.csr_matrix(X * (rng.random(X.shape) < 0.1))):
            problems.append(
                make_problem(
                    Rows.of(matrix), y, np.ones(n_samples), n_classes, C=np.inf if penalty == "none" else 1.0,
                    l1_ratio=L1_RATIOS.get(penalty, 0.0), group=penalty == "group",
                )
            )  # fmt: skip
    return tuple(method.name for method in METHODS if any(method.accepts(problem) for problem in problems))


@cache
def commit() -> str:
    """Name the commit that is measured."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def environment(threads: int | None) -> dict[str, str]:
    """Return the environment of a child; ours (None) is run as a user has it."""
    if threads is None:
        return dict(os.environ)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}
