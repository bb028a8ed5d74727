"""What the zoo shows: a row a job, the numbers that are asked for, and a performance profile.

A ratio is the time of the best peer over ours. Where no peer got to the target it is at least what the most patient one
was given; where ours is not certified it counts as if it had taken its whole limit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from _zoo_jobs import Job
from _zoo_runs import ALL_PEERS, LATE, LAWS, OURS, PATIENCE, REACHED, SHORT, WITHOUT_OPTIMUM, Fit, Log
from results import table

SHORT_FIT = 0.05  # seconds; up to here a fit is never slow
FREE_MEMORY = 300e6  # bytes over the data that every fit may take
CHOICE_SLACK = 1.25  # an engine is well chosen where no other would have been faster by more
EARLY_FACTOR = 10.0  # by which an early bound may overstate the distance to the optimum
LATENESS = 1.05  # of its budget that a fit may take
SHARE_CERTIFIED = 0.98
GROUPS = {"L2": ("l2",), "L1 and elastic net": ("l1", "elasticnet"), "group": ("group",), "none": ("none",)}
ASKED = {"L2": 3.0, "L1 and elastic net": 5.0}  # times ahead of the best peer, geometric mean
PANELS = {"L2 and no penalty": ("l2", "none"), "L1, elastic net and group": ("l1", "elasticnet", "group")}
ABOUT = (
    "{n_jobs} jobs (`benchmarks/_zoo_jobs.py`), seeds {seeds}; half of the shapes are unseen: nobody looks at "
    "them while working on the solver. Seconds from the table in memory to our certificate of 1e-4, and of each "
    "peer, with its best number of threads, to an objective at most 1e-4 above ours; one referee judges all. `> "
    "5` was ended there, `short` never gets there. Ours measured at {commits}."
)


@dataclass(frozen=True)
class Row:
    """One job with its fits by solver."""

    job: Job
    fits: dict[str, Fit]

    @property
    def ours(self) -> Fit:
        """Our fit."""
        return self.fits[OURS]

    @property
    def seconds(self) -> float:
        """Ours; the whole limit where it is not certified."""
        return self.ours.seconds if self.ours.is_decided else self.ours.limit

    @cached_property
    def peers(self) -> list[Fit]:
        """Fits of other packages."""
        return [self.fits[peer] for peer in ALL_PEERS if peer in self.fits]

    @property
    def best(self) -> Fit | None:
        """The fastest peer that reached the target."""
        return min((fit for fit in self.peers if fit.outcome == REACHED), key=lambda fit: fit.seconds, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times longer the best peer took, at least; None without peers."""
        if not self.peers:
            return None
        return (self.best.seconds if self.best else max(fit.limit for fit in self.peers)) / self.seconds

    @property
    def is_slow(self) -> bool:
        """Whether a peer was faster, and we took long enough for it to matter."""
        return self.best is not None and self.seconds > max(SHORT_FIT, self.best.seconds)

    @property
    def second_engine(self) -> tuple[str, float, bool] | None:
        """The best of our other engines, how many times as long it took, and whether that is only a lower limit."""
        others = [
            (
                fit.solver.partition("/")[2],
                (fit.seconds if fit.is_decided else fit.limit) / self.seconds,
                fit.is_decided,
            )
            for solver, fit in self.fits.items()
            if solver.startswith(f"{OURS}/") and solver != f"{OURS}/{self.ours.engine}"
        ]
        name, times, is_decided = min(others, key=lambda other: (not other[2], other[1]), default=("", 0.0, False))
        return (name, times, not is_decided) if name else None

    @property
    def is_well_chosen(self) -> bool:
        """Whether no other engine would have been faster by far."""
        second = self.second_engine
        return second is None or second[2] or second[1] * CHOICE_SLACK >= 1.0 or self.seconds <= SHORT_FIT

    @property
    def is_monotone(self) -> bool:
        """Whether no looser tolerance took longer than the next one, by more than noise."""
        fits = [fit for solver, fit in self.fits.items() if solver == OURS or solver.startswith(f"{OURS} tol")]
        fits.sort(key=lambda fit: -fit.setting.get("tol", 0.0))
        times = [fit.seconds if fit.is_decided else fit.limit for fit in fits]
        return all(loose <= CHOICE_SLACK * tight + SHORT_FIT for loose, tight in pairwise(times))

    @property
    def has_early_bound(self) -> bool:
        """Whether a fit that is stopped after a second knows how far it is from the optimum, within a factor of ten."""
        early = self.fits[LAWS[-1].name]
        if early.is_decided or early.bound is None or not self.ours.is_decided:
            return early.is_decided
        return early.objective - early.bound <= EARLY_FACTOR * (early.objective - self.ours.bound)

    @property
    def is_frugal(self) -> bool:
        """Whether ours took no more memory than the best peer, or little."""
        theirs = (self.best.memory if self.best else None) or 0.0
        return (self.ours.memory or 0.0) <= max(theirs, FREE_MEMORY)


def rows_of(jobs: Iterable[Job], log: Log) -> list[Row]:
    """Return the jobs that ours has run."""
    found = ((job, log.of(job)) for job in jobs)
    return [Row(job, fits) for job, fits in found if OURS in fits]


def geometric_mean(ratios: Iterable[float | None]) -> float:
    """Return the geometric mean of those that are there; nan without any."""
    known = [ratio for ratio in ratios if ratio is not None]
    return float(np.exp(np.mean(np.log(known)))) if known else float("nan")


# ---- tables ----------------------------------------------------------------------------------------------------------


def body(rows: list[Row], figure: str) -> str:
    """Return the section of RESULTS.md."""
    seeds = ", ".join(map(str, sorted({row.job.seed for row in rows})))
    commits = sorted({fit.commit for row in rows for fit in row.fits.values() if fit.solver == OURS})
    return "\n\n".join(
        [
            ABOUT.format(n_jobs=len(rows), seeds=seeds, commits=", ".join(commits)),
            summary(rows),
            by_kind(rows),
            f"![performance profile]({figure})",
            failures(rows),
            full(rows),
        ]
    )


def summary(rows: list[Row]) -> str:
    """Return what is asked for beside what was measured, for seen and unseen jobs."""
    halves = [[row for row in rows if row.job.is_unseen == unseen] for unseen in (False, True)]

    def line(name: str, asked: str, measure: Callable[[list[Row]], str]) -> list[str]:
        return [name, asked, *[measure(half) if half else "" for half in halves]]

    def share(holds: Callable[[Row], bool]) -> Callable[[list[Row]], str]:
        return lambda half: f"{100 * np.mean([holds(row) for row in half]):.1f} %"

    def ahead(penalties: tuple[str, ...]) -> Callable[[list[Row]], str]:
        return lambda half: _mean_text([row for row in half if row.job.penalty in penalties])

    lines = [
        line(f"{name}: times ahead, geometric mean", f"{ASKED[name]:g}" if name in ASKED else "", ahead(penalties))
        for name, penalties in GROUPS.items()
    ]
    lines += [
        line("worst ratio of a fit over 50 ms", "1", _worst_text),
        line("fits over 50 ms that a peer beat", "0", lambda half: str(sum(row.is_slow for row in half))),
        line(
            "certified, or proven without optimum",
            f"{100 * SHARE_CERTIFIED:g} %",
            share(lambda row: row.ours.is_decided),
        ),
        line("ended within the budget, with a bound", "100 %", share(_is_within_budget)),
        line("memory within the best peer's or 300 MB", "100 %", share(lambda row: row.is_frugal)),
    ]
    if any(row.second_engine for row in rows):
        lines.append(line("no other engine faster by 25 %", "100 %", share(lambda row: row.is_well_chosen)))
    if any(law.name in row.fits for row in rows for law in LAWS):
        halves = [[row for row in half if all(law.name in row.fits for law in LAWS)] for half in halves]
        lines += [
            line("a looser tolerance takes no longer", "100 %", share(lambda row: row.is_monotone)),
            line("after 1 s the bound is within ten times", "100 %", share(lambda row: row.has_early_bound)),
        ]
    return table(["", "asked", "seen", "unseen"], lines)


def _mean_text(rows: list[Row]) -> str:
    """Return the geometric mean, and what it is over the jobs that some peer finished."""
    everywhere = geometric_mean(row.ratio for row in rows)
    finished = geometric_mean(row.ratio for row in rows if row.best)
    return "" if np.isnan(everywhere) else f"{_times(everywhere)} ({_times(finished)} where a peer got there)"


def _worst_text(rows: list[Row]) -> str:
    slow = [row for row in rows if row.seconds > SHORT_FIT and row.best]
    worst = min(slow, key=lambda row: row.ratio, default=None)
    return "" if worst is None else f"{_times(worst.ratio)} ({worst.job.name}, {worst.best.solver})"


def _is_within_budget(row: Row) -> bool:
    ours = row.ours
    in_time = ours.seconds is not None and ours.seconds <= LATENESS * ours.limit
    return in_time and (ours.is_decided or (ours.bound or 0.0) > 0.0)


def by_kind(rows: list[Row]) -> str:
    """Return a line a kind."""
    lines = []
    for kind in dict.fromkeys(row.job.kind for row in rows):
        own = [row for row in rows if row.job.kind == kind]
        means = [
            geometric_mean(row.ratio for row in own if row.job.penalty in penalties) for penalties in PANELS.values()
        ]
        worst = min((row.ratio for row in own if row.best), default=np.nan)
        lines.append(
            [kind, f"{sum(row.ours.is_decided for row in own)} of {len(own)}",
             *["" if np.isnan(mean) else _times(mean) for mean in [*means, worst]],
             f"{max((row.ours.memory or 0) for row in own) / 1e6:.0f}"]
        )  # fmt: skip
    return table(["kind", "certified", *[f"{name}: times ahead" for name in PANELS], "worst ratio", "most MB"], lines)


def failures(rows: list[Row]) -> str:
    """Name each job that fell short, and why."""
    reasons: list[tuple[str, Callable[[Row], bool]]] = [
        ("not certified", lambda row: not row.ours.is_decided),
        ("a peer was faster", lambda row: row.ours.is_decided and row.is_slow),
        ("memory", lambda row: not row.is_frugal),
        ("another engine was faster", lambda row: not row.is_well_chosen),
        ("a looser tolerance took longer", lambda row: not row.is_monotone),
        ("no bound after 1 s", lambda row: LAWS[-1].name in row.fits and not row.has_early_bound),
    ]
    lines = []
    for words, holds in reasons:
        names = [row.job.name for row in rows if holds(row)]
        lines.append(f"- {words} ({len(names)}): {'; '.join(names) if names else 'none'}")
    return "Falls short:\n\n" + "\n".join(lines)


def full(rows: list[Row]) -> str:
    """Return a row a job."""
    header = [
        "job",
        "",
        "inklens",
        "status, gap",
        "MB",
        "engine",
        "second engine",
        *ALL_PEERS,
        "MB of the best",
        "ratio",
    ]
    return table(header, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    ours, best, second = row.ours, row.best, row.second_engine
    status = ours.outcome if ours.gap is None or ours.outcome in WITHOUT_OPTIMUM else f"{ours.outcome} {ours.gap:.0e}"
    mark = "" if row.ratio is None else "> " * (best is None)
    return [
        row.job.name,
        "unseen" if row.job.is_unseen else "",
        _seconds(ours.seconds) if ours.seconds is not None else f"> {ours.limit:.0f}",
        status.replace(REACHED, "certified"),
        _megabytes(ours.memory),
        ours.engine or "",
        "" if second is None else f"{second[0]} {'> ' * second[2]}{_times(second[1])}x",
        *[_peer_cell(row.fits.get(peer), ours) for peer in ALL_PEERS],
        _megabytes(best.memory if best else None),
        "" if row.ratio is None else mark + _times(row.ratio) + (" **slower**" if row.is_slow else ""),
    ]


def _peer_cell(fit: Fit | None, ours: Fit) -> str:
    if fit is None:
        return ""
    if fit.outcome == REACHED:
        return _seconds(fit.seconds)
    if fit.outcome == LATE:
        return f"> {fit.limit:.0f}"
    if fit.outcome == SHORT:
        return f"short {fit.objective / ours.objective - 1.0:.0e}"
    return fit.outcome.split(":")[0].strip("_").replace("|", "/")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}"


def _times(factor: float) -> str:
    return f"{factor:.1f}" if factor >= 0.95 else f"{factor:.2g}"


def _megabytes(memory: int | None) -> str:
    return "" if memory is None else f"{memory / 1e6:.0f}"


# ---- figure ----------------------------------------------------------------------------------------------------------


def profile(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return factors, rising, and for each solver the share of jobs that it solved within that factor of the best.

    ``times`` (n_jobs, n_solvers) in seconds, infinite where a solver failed. Dolan, More (2002), Mathematical
    Programming 91, 201-213, equation (2.1).

    >>> factors, shares = profile(np.array([[1.0, 2.0], [1.0, np.inf]]))
    >>> factors.tolist(), shares.tolist()
    ([1.0, 2.0], [[1.0, 0.0], [1.0, 0.5]])
    """
    best = times.min(axis=1, keepdims=True)
    ratios = np.full_like(times, np.inf)
    np.divide(times, best, out=ratios, where=np.isfinite(times))
    factors = np.unique(np.append(ratios[np.isfinite(ratios)], 1.0))
    return factors, (ratios[None] <= factors[:, None, None]).mean(axis=1)


def times_of(rows: list[Row], solvers: list[str]) -> np.ndarray:
    """Return seconds (n_jobs, n_solvers) of fits that did what was asked."""
    fits = [[row.fits.get(solver) for solver in solvers] for row in rows]
    return np.array([[fit.seconds if fit and fit.is_decided else np.inf for fit in line] for line in fits])


def figure(rows: list[Row], file: Path) -> None:
    """Draw a profile a panel; a curve further up and to the left is better."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

    picture = Figure(figsize=(10.4, 4.0), layout="constrained")
    dashes = ("--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1)))  # colours alone are not told apart by all
    styles = {OURS: ("#0b5fa5", "-")} | {
        peer: (f"C{place + 1}", dash) for place, (peer, dash) in enumerate(zip(ALL_PEERS, dashes, strict=True))
    }
    axes_of = picture.subplots(1, len(PANELS), sharey=True)
    for axes, (name, penalties) in zip(axes_of, PANELS.items(), strict=True):
        own = [row for row in rows if row.job.penalty in penalties and row.peers]
        solvers = [solver for solver in styles if any(solver in row.fits for row in own)]
        if own:
            factors, shares = profile(times_of(own, solvers))
            within = factors <= PATIENCE
            for solver, share in zip(solvers, shares.T, strict=True):
                x, y = np.append(factors[within], PATIENCE), np.append(share[within], share[within][-1])
                colour, dash = styles[solver]
                axes.step(x, y, where="post", color=colour, linestyle=dash, label=solver,
                          linewidth=2.4 if solver == OURS else 1.4)  # fmt: skip
        axes.set(title=f"{name} ({len(own)} jobs)", xscale="log", xlim=(1.0, PATIENCE), ylim=(0.0, 1.02))
        axes.set_xlabel("times the fastest solver's seconds, at most")
        axes.xaxis.set_major_locator(_fixed((1, 2, 3, 5, 10, 20)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda factor, _: f"{factor:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.3)
    axes_of[0].set_ylabel("share of the jobs solved")
    lines = {line.get_label(): line for axes in axes_of for line in axes.get_lines()}
    picture.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=len(lines) or 1, fontsize=9)
    picture.savefig(file, dpi=110)


def _fixed(places):
    from matplotlib.ticker import FixedLocator

    return FixedLocator(places)
