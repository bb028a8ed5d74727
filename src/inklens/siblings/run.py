"""The race from beginning to end: rows, ours first, then the others, each outcome as it comes."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from inklens.datasets import Dataset, Split
from inklens.errors import DataError, ParameterError
from inklens.linear.softmax import raw_prediction
from inklens.progress import Progress
from inklens.reprs import listed
from inklens.siblings.cache import Cache, rows_hash, versions
from inklens.siblings.child import Job, PairJob, RowsOnDisk
from inklens.siblings.digits import Digit, choose_digits
from inklens.siblings.pair import Duelled
from inklens.siblings.race import Result, Step, race
from inklens.siblings.results import Outcome, Standing, standings
from inklens.siblings.roster import OURS, Sibling, choose
from inklens.tasks.model_rows import Size, split_rows

BUDGET_S = 60.0
QUICK_TRAIN, QUICK_TEST, QUICK_BUDGET_S = 1000, 500, 10.0
STROKE_SHAPE = (28, 28)  # what stroke features are made for
MOST_AT_ONCE = 2  # models fitted side by side: each has its rows in memory
PAIR = ("5", "6")


@dataclass(frozen=True)
class SupportFacts:
    """How our softmax regression reads the rows that a machine for two of its classes rests on."""

    on_support: float
    on_others: float
    n_support: int
    n_others: int


@dataclass
class Siblings:
    """A race, under way or done.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    seed : int
    siblings : list of Sibling
        All that take part.
    budget : float
        Seconds that one model may take to be fitted.
    n_jobs : int
        Models at a time.
    outcomes : dict
        Of those that are done, by key.
    duelled : Duelled or None
        The two classes in depth.
    support : SupportFacts or None
    notes : tuple of str
        What a reader should know of this race.
    seconds : float
        Since it began.
    finished, interrupted : bool
    """

    dataset: Dataset
    split: Split
    seed: int
    siblings: list[Sibling]
    budget: float
    n_jobs: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    duelled: Duelled | None = None
    support: SupportFacts | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    finished: bool = False
    interrupted: bool = False

    @property
    def ours(self) -> Outcome | None:
        """Our softmax regression's outcome, once there."""
        return self.outcomes.get(OURS)

    @property
    def digits(self) -> tuple[Digit, ...]:
        """Test rows that all are asked about."""
        return () if self.ours is None else self.ours.digits

    @property
    def standings(self) -> list[Standing]:
        """All that have answers, the most accurate first."""
        return standings(list(self.outcomes.values()), self.split.y_test, OURS)

    @property
    def without_answers(self) -> list[Outcome]:
        """Those that were stopped before they were fitted, or failed."""
        return [outcome for outcome in self.outcomes.values() if outcome.answers is None]

    @property
    def waiting(self) -> list[Sibling]:
        """Those that are not done."""
        return [sibling for sibling in self.siblings if sibling.key not in self.outcomes]

    def gap(self, outcome: Outcome) -> float | None:
        """Return how far an objective lies above the proven optimum at most, as a share of it."""
        ours = self.ours
        if outcome.objective is None or ours is None or ours.lower_bound is None:
            return None
        return (outcome.objective - ours.lower_bound) / outcome.objective

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens siblings --json``."""
        judged = {standing.outcome.key: standing for standing in self.standings}
        return {
            "schema_version": 1,
            "data": {
                "name": self.dataset.name,
                "train": len(self.split.y_train),
                "test": len(self.split.y_test),
                "seed": self.seed,
                "sha256": self.dataset.checksum,
            },
            "budget": self.budget,
            "jobs": self.n_jobs,
            "versions": versions(),
            "seconds": self.seconds,
            "finished": self.finished,
            "models": [self._model_json(outcome, judged.get(outcome.key)) for outcome in self._in_order()],
            "digits": [vars(digit) for digit in self.digits],
            "pairs": self._pairs(),
            "in_depth": None if self.duelled is None else self.duelled.to_json(),
            "softmax_on_support_vectors": None if self.support is None else vars(self.support),
            "notes": list(self.notes),
        }

    def _in_order(self) -> list[Outcome]:
        return [self.outcomes[sibling.key] for sibling in self.siblings if sibling.key in self.outcomes]

    def _model_json(self, outcome: Outcome, standing: Standing | None) -> dict[str, object]:
        document = outcome.to_json()
        document["name"] = document.pop("key")
        beside = None if standing is None else standing.beside_ours
        return {
            "name": document.pop("name"),
            "accuracy": None if standing is None else standing.accuracy.value,
            "interval": None if standing is None else [standing.accuracy.low, standing.accuracy.high],
            **document,
            "gap": self.gap(outcome),
            "beside_ours": None
            if beside is None or standing is None
            else {**beside.to_json(), "p_adjusted": standing.p_adjusted, "verdict": standing.verdict},
        }

    def _pairs(self) -> list[dict[str, object]]:
        """McNemar's test of every two models."""
        from inklens.evaluation import Comparison

        judged = self.standings
        return [
            {
                "a": a.outcome.key,
                "b": b.outcome.key,
                "only_a_right": len(found.only_a),
                "only_b_right": len(found.only_b),
                "p_value": found.p_value,
            }
            for number, a in enumerate(judged)
            for b in judged[number + 1 :]
            for found in [
                Comparison.from_predictions(self.split.y_test, np.array(a.outcome.answers), np.array(b.outcome.answers))
            ]
        ]

    def table(self) -> list[list[str]]:
        """Return name, accuracy, interval, time of the fit and verdict of every model, for a terminal."""
        judged = [
            [
                s.outcome.key,
                f"{s.accuracy.value:.1%}",
                f"{s.accuracy.low:.1%} to {s.accuracy.high:.1%}",
                "" if s.outcome.fit is None else f"{s.outcome.fit.cpu:.2f} s",
                "; ".join(filter(None, (s.verdict, s.outcome.stopped))),
            ]
            for s in self.standings
        ]
        return judged + [[o.key, "", "", "", o.failed or o.stopped or ""] for o in self.without_answers]


Changed = Callable[[Siblings], object]


def hurried(
    dataset: Dataset, *, train: Size = None, test: Size = None, budget: float | None = None, **rules: Any
) -> dict[str, Any]:
    """Return the rules of a race with fewer rows and less time, where they are not given."""
    few = len(dataset) >= QUICK_TRAIN + QUICK_TEST and train is None and test is None
    rows = {"train": QUICK_TRAIN, "test": QUICK_TEST} if few else {"train": train, "test": test}
    return {**rules, **rows, "budget": budget or QUICK_BUDGET_S}


def run_siblings(
    dataset: Dataset,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    only: Sequence[str] = (),
    named: Sequence[str] = (),
    budget: float | None = None,
    n_jobs: int | None = None,
    pair: tuple[str, str] | None = None,
    cached: bool = True,
    changed: Changed | None = None,
    progress: Progress | None = None,
) -> Siblings:
    """Fit every sibling to the same rows, in child processes, and judge all on the same test rows.

    Parameters
    ----------
    dataset : Dataset
    train, test : int, float or None
        Rows of each half, or their shares.
    seed : int
        Of the split.
    only : sequence of str
        Keys of the roster; ours always runs. All by default.
    named : sequence of str
        Further classifiers, as ``"sklearn.naive_bayes:GaussianNB()"``.
    budget : float, optional
        Seconds for each fit; 60 by default.
    n_jobs : int, optional
        Models at a time; by default two where there are two processors.
    pair : tuple of str, optional
        Two classes to be told apart in depth; by default 5 and 6, or the first two.
    cached : bool
        Whether outcomes of an earlier run of the same jobs may stand for a new one.
    changed : callable, optional
        Is given the race whenever something has come.
    progress : callable, optional

    Raises
    ------
    ParameterError, DataError
        Before anything is fitted.

    Examples
    --------
    >>> from inklens import load_dataset
    >>> done = run_siblings(load_dataset("embedded"), train=300, test=100, only=["knn"], cached=False)
    >>> [standing.outcome.key for standing in done.standings]
    ['knn', 'softmax']
    """
    budget = BUDGET_S if budget is None else budget
    if not 0 < budget < float("inf"):
        raise ParameterError(f"the budget of one model must be above 0 seconds, got {budget:g}")
    split = split_rows(dataset, train=train, test=test, seed=seed)
    _check_classes(split)
    siblings, notes = _taking_part(dataset, only, named)
    pair = _pair(split, pair)
    state = Siblings(dataset, split, seed, siblings, budget, n_jobs or _at_once(), notes=notes)
    with tempfile.TemporaryDirectory(prefix="inklens-siblings-") as folder:
        _Run(state, write_rows(split, dataset.image_shape, Path(folder)), pair, cached, changed, progress).go()
    return state


def write_rows(split: Split, shape: tuple[int, int], folder: Path) -> RowsOnDisk:
    """Scale the rows as scikit-learn's MinMaxScaler does, by the training rows, and write them for the children."""
    scaler = MinMaxScaler().fit(split.X_train)
    return RowsOnDisk.write(
        folder,
        X_train=scaler.transform(split.X_train),
        X_test=scaler.transform(split.X_test),
        ink_train=split.X_train,
        ink_test=split.X_test,
        y_train=np.asarray(split.y_train, dtype=str),
        y_test=np.asarray(split.y_test, dtype=str),
        shape=np.array(shape),
    )


class _Run:
    """Jobs in their order, their results into the state."""

    def __init__(
        self,
        state: Siblings,
        rows: RowsOnDisk,
        pair: tuple[str, str],
        cached: bool,
        changed: Changed | None,
        progress: Progress | None,
    ) -> None:
        self.state, self.rows, self.pair = state, rows, pair
        split = state.split
        names = np.array(state.dataset.image_shape)
        self.cache = (
            Cache(rows_hash(split.X_train, split.y_train, split.X_test, split.y_test, names)) if cached else None
        )
        self._changed, self._progress = changed, progress
        self._begun = time.perf_counter()

    def go(self) -> None:
        """Run all; on Ctrl-C, tell once more what there is."""
        try:
            self._tell("softmax")
            ours, *others = self.state.siblings
            self._do([self._job(ours, None)])
            self._do(self._second_half(others))
            self.state.finished = True
        except KeyboardInterrupt:
            self.state.interrupted = True
            raise
        finally:
            self._tell("")

    def _second_half(self, others: Sequence[Sibling]) -> list[Job | PairJob]:
        ours = self.state.ours
        if ours is None or ours.coef is None:
            reason = "it is not there" if ours is None else ours.failed or ours.stopped
            raise DataError(f"our softmax regression could not be fitted, and all are judged beside it: {reason}")
        jobs: list[Job | PairJob] = [self._job(sibling, ours.digits) for sibling in others]
        row = closest_call(self.rows, ours, self.pair)
        depth = [] if row is None else [PairJob(str(self.rows.folder), self.pair, row)]
        return [*jobs[:2], *depth, *jobs[2:]]

    def _job(self, sibling: Sibling, digits: tuple[Digit, ...] | None) -> Job:
        return Job(sibling, str(self.rows.folder), self.state.budget * sibling.share, digits)

    def _do(self, jobs: Sequence[Job | PairJob]) -> None:
        """Take from the cache what is there, and race the rest."""
        new: list[Job | PairJob] = []
        for job in jobs:
            found = None if self.cache is None else self.cache.get(job)
            if found is None:
                new.append(job)
            else:
                self._take(found)
        by_key = {job.sibling.key if isinstance(job, Job) else None: job for job in new}
        for event in race(new, n_jobs=self.state.n_jobs):
            if isinstance(event, Step):
                self._count(f"{event.key}, round {event.done} of {event.total}")
                continue
            self._take(event)
            if self.cache is not None:
                self.cache.put(by_key[event.key if isinstance(event, Outcome) and event.key in by_key else None], event)
            self._tell("")

    def _take(self, result: Result) -> None:
        if isinstance(result, Duelled):
            self.state.duelled = result
            assert self.state.ours is not None
            self.state.support = support_facts(self.rows, self.state.ours, result)
        elif result.title == result.key == "pair":
            self.state.notes = (*self.state.notes, "The two classes in depth are missing: their process ended early.")
        else:
            self.state.outcomes[result.key] = result

    def _tell(self, what: str) -> None:
        self.state.seconds = time.perf_counter() - self._begun
        self._count(what or ", ".join(sibling.key for sibling in self.state.waiting[: self.state.n_jobs]))
        if self._changed is not None:
            self._changed(self.state)

    def _count(self, what: str) -> None:
        if self._progress is not None:
            self._progress(len(self.state.outcomes), len(self.state.siblings), what)


def closest_call(rows: RowsOnDisk, ours: Outcome, pair: tuple[str, str]) -> int | None:
    """Return the test row of two classes that our softmax regression misreads most as the other of them."""
    y, names = rows["y_test"], sorted(set(rows["y_train"].tolist()))
    among = np.flatnonzero(np.isin(y, pair))
    if not len(among):
        return None
    z = raw_prediction(rows["X_test"][among], np.array(ours.coef), np.array(ours.intercept))
    two = z[:, [names.index(name) for name in pair]]
    return int(among[choose_digits(two, y[among], pair, most=1)[0].row])


def support_facts(rows: RowsOnDisk, ours: Outcome, duelled: Duelled) -> SupportFacts:
    """Count how many of the support vectors, and of the other rows of their classes, our softmax regression reads."""
    y = rows["y_train"]
    names = np.array(sorted(set(y.tolist())))
    among = np.flatnonzero(np.isin(y, duelled.pair))
    z = raw_prediction(rows["X_train"][among], np.array(ours.coef), np.array(ours.intercept))
    right = names[z.argmax(axis=1)] == y[among]
    holds = np.isin(among, duelled.support)
    return SupportFacts(
        float(right[holds].mean()),
        float(right[~holds].mean()) if (~holds).any() else float("nan"),
        int(holds.sum()),
        int((~holds).sum()),
    )


def _taking_part(dataset: Dataset, only: Sequence[str], named: Sequence[str]) -> tuple[list[Sibling], tuple[str, ...]]:
    siblings = choose(only, named)
    if dataset.image_shape == STROKE_SHAPE:
        return siblings, ()
    rows, cols = dataset.image_shape
    reason = f"stroke features are made for 28 x 28 pixels, these images have {rows} x {cols}"
    if "strokes" in only:
        raise ParameterError(f"{reason}; leave strokes out")
    return [sibling for sibling in siblings if sibling.key != "strokes"], (
        f"The model on strokes is left out: {reason}.",
    )


def _check_classes(split: Split) -> None:
    known = set(np.asarray(split.y_train, dtype=str).tolist())
    if len(known) < 2:
        raise DataError(f"the {len(split.y_train)} training rows have one class; give rows of two classes at least")
    unknown = sorted(set(np.asarray(split.y_test, dtype=str).tolist()) - known)
    if unknown:
        raise DataError(f"no training row has the class {unknown[0]!r} of the test rows; give more training rows")


def _pair(split: Split, pair: tuple[str, str] | None) -> tuple[str, str]:
    names = sorted(set(np.asarray(split.y_train, dtype=str).tolist()))
    if pair is None:
        return PAIR if set(PAIR) <= set(names) else (names[0], names[1])
    if pair[0] == pair[1] or not set(pair) <= set(names):
        raise ParameterError(f"expected two classes out of {listed(names)}, got {pair[0]!r} and {pair[1]!r}")
    return pair


def _at_once() -> int:
    counted = getattr(os, "process_cpu_count", os.cpu_count)() or 1
    affine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else counted
    return max(1, min(MOST_AT_ONCE, counted, affine))
