"""The child's side of the race: fit one model, take its times, let it answer, and ask how it decides the digits."""

import os
import pickle
import signal
import statistics
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from inklens.displays.base import class_weights
from inklens.errors import InklensError
from inklens.linear.estimators import SoftmaxRegression
from inklens.linear.softmax import raw_prediction
from inklens.siblings.decisions import decide
from inklens.siblings.digits import Digit, choose_digits
from inklens.siblings.pair import Duelled, duel_in_depth
from inklens.siblings.recipes import Classifier
from inklens.siblings.results import Outcome, Seconds
from inklens.siblings.roster import Sibling
from inklens.siblings.rounds import fit_in_rounds
from inklens.siblings.tree_ways import importances

REPEATS = 3  # of an answer to all test rows, for its median
LONG_S = 2.0  # an answer that takes longer is not repeated
MOST_NOTES = 3
MOST_LETTERS = 300  # of a warning


@dataclass(frozen=True)
class Job:
    """One model to be fitted on the rows in a folder (see `RowsOnDisk`)."""

    sibling: Sibling
    folder: str
    budget: float  # seconds for the fit
    digits: tuple[Digit, ...] | None = None  # None: those that this model itself misreads


@dataclass(frozen=True)
class PairJob:
    """Two classes to be told apart in depth."""

    folder: str
    pair: tuple[str, str]
    row: int  # test row that is decided


@dataclass(frozen=True, eq=False)
class RowsOnDisk:
    """Training and test rows of one race, as files that every child reads.

    Parameters
    ----------
    folder : Path
        Holds NAME.npy for each array below.
    """

    folder: Path

    @classmethod
    def write(cls, folder: Path, **arrays: np.ndarray) -> "RowsOnDisk":
        """Write X_train, X_test (scaled), ink_train, ink_test (uint8), y_train, y_test, shape."""
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        return cls(folder)

    def __getitem__(self, name: str) -> np.ndarray:
        """Read an array."""
        array: np.ndarray = np.load(self.folder / f"{name}.npy", allow_pickle=False)
        return array


def work(connection: Connection, job: Job | PairJob) -> None:
    """Do a job and send what came of it; messages before it tell rounds. Ends when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    connection.send(None)  # it begins now
    with threadpool_limits(1):  # every model has one thread, so that times compare
        if isinstance(job, PairJob):
            connection.send(_pair(job))
        else:
            connection.send(run(job, lambda done, total: connection.send((done, total))))


def _end_with_parent(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)


def run(job: Job, tell: Callable[[int, int], None] = lambda done, total: None) -> Outcome:
    """Fit, measure, answer, explain; what goes wrong is part of the outcome."""
    sibling = job.sibling
    outcome = Outcome(sibling.key, sibling.title, str(sibling.recipe), measured=datetime.now(UTC).date().isoformat())
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            outcome = _measured(job, outcome, tell)
        except InklensError as error:
            outcome = replace(outcome, failed=str(error))
        except MemoryError:
            outcome = replace(outcome, failed="there is not enough memory for it")
        except Exception as error:  # a classifier that a person names may do anything
            traceback.print_exc()
            outcome = replace(outcome, failed=f"{type(error).__name__}: {error}"[:MOST_LETTERS])
    notes = dict.fromkeys(_first_sentence(str(w.message)) for w in warned)
    return replace(outcome, notes=tuple(notes)[:MOST_NOTES])


def _measured(job: Job, outcome: Outcome, tell: Callable[[int, int], None]) -> Outcome:
    rows, sibling = RowsOnDisk(Path(job.folder)), job.sibling
    kind = "X" if sibling.rows == "scaled" else "ink"
    X, y, X_test = rows[f"{kind}_train"], rows["y_train"], rows[f"{kind}_test"]
    deadline = time.perf_counter() + job.budget
    watch = Stopwatch()
    model, done, total = fit_in_rounds(sibling.recipe.build(), X, y, deadline=deadline, tell=tell)
    fitted = watch.read()
    answers, predict = timed(lambda: model.predict(X_test))
    proba = timed(lambda: model.predict_proba(X_test))[1] if hasattr(model, "predict_proba") else None
    ink, shape = rows["ink_test"], tuple(map(int, rows["shape"]))
    digits = _misread(model, X_test, rows["y_test"]) if job.digits is None else job.digits
    decisions = tuple(
        decide(model, X_test[digit.row], ink[digit.row].reshape(shape) / 255.0, X, y, digit) for digit in digits
    )
    linear, (objective, lower_bound) = _linear_parts(model), _objective(model, X, y)
    return replace(
        outcome,
        fit=fitted,
        predict=predict,
        predict_proba=proba,
        size_bytes=len(pickle.dumps(model)),
        answers=[str(label) for label in answers],
        rounds=None if done is None or total is None else (done, total),
        stopped=None if done == total else f"stopped at round {done} of {total} after {job.budget:g} s",
        digits=tuple(digits),
        decisions=decisions,
        importances=_picture(importances(model), shape),
        coef=None if linear is None else linear[0].tolist(),
        intercept=None if linear is None else linear[1].tolist(),
        objective=objective,
        lower_bound=lower_bound,
    )


def _misread(model: Classifier, X_test: np.ndarray, y_test: np.ndarray) -> list[Digit]:
    assert isinstance(model, SoftmaxRegression)  # only ours is asked before the digits are known
    coef, intercept, names = class_weights(model)
    return choose_digits(raw_prediction(X_test, coef, intercept), y_test, names)


class Stopwatch:
    """Time by the clock and by the processor since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Seconds:
        """Return both."""
        return Seconds(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def timed(answer: Callable[[], np.ndarray]) -> tuple[np.ndarray, Seconds]:
    """Return what is answered, and the median time that it takes."""
    times: list[Seconds] = []
    while len(times) < REPEATS and (not times or times[-1].wall < LONG_S):
        watch = Stopwatch()
        result = answer()
        times.append(watch.read())
    return result, Seconds(statistics.median(t.wall for t in times), statistics.median(t.cpu for t in times))


def _picture(values: np.ndarray | None, shape: tuple[int, ...]) -> list[list[float]] | None:
    if values is None:
        return None
    rows: list[list[float]] = values.reshape(shape).tolist()
    return rows


def _linear_parts(model: Classifier) -> tuple[np.ndarray, np.ndarray] | None:
    if not isinstance(model, SoftmaxRegression | LogisticRegression | LinearSVC):
        return None
    return class_weights(model)[:2]


def _objective(model: Classifier, X: np.ndarray, y: np.ndarray) -> tuple[float | None, float | None]:
    """Return C sum loss + |w|^2 / 2 of softmax regressions under that penalty, and of ours what is proven of it."""
    if isinstance(model, SoftmaxRegression) and model.l1_ratio == 0.0:
        return float(model.objective_), float(model.lower_bound_)
    if not isinstance(model, LogisticRegression) or len(model.classes_) < 3:
        return None, None
    if not np.isfinite(model.C) or getattr(model, "l1_ratio", 0.0) not in (0.0, None):
        return None, None
    z = raw_prediction(X, model.coef_, model.intercept_)
    own = np.searchsorted(model.classes_, y)
    highest = z.max(axis=1)
    losses = highest + np.log(np.exp(z - highest[:, None]).sum(axis=1)) - z[np.arange(len(y)), own]
    return float(model.C * losses.sum() + 0.5 * (model.coef_**2).sum()), None


def _pair(job: PairJob) -> Duelled:
    rows = RowsOnDisk(Path(job.folder))
    return duel_in_depth(rows["X_train"], rows["y_train"], rows["X_test"], rows["y_test"], pair=job.pair, row=job.row)


def _first_sentence(text: str) -> str:
    """Return the first line of a warning, cut where it is long.

    >>> _first_sentence("\\nlbfgs failed to converge:\\nSee there")
    'lbfgs failed to converge'
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "").rstrip(":")
    return line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 1] + "…"
