"""Look for errors in the data: doubtful labels, their correction, mistakes and near-duplicates."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from inklens.datasets import Dataset, Split, load_dataset
from inklens.datasets.near import NearDuplicates, near_duplicates
from inklens.datasets.relabel import Relabelling, write_relabel
from inklens.errors import DataError, ParameterError
from inklens.evaluation import Evaluation
from inklens.explanations import Evidence, explain
from inklens.explanations.label_errors import LabelErrors, OutOfFold, out_of_fold
from inklens.reader import DigitReader
from inklens.tasks.model_rows import Size, feature_rows, rows_of, scale_pixels, split_rows

FOLD_TOL = 1e-3  # promised gap of the fits that judge labels
SECONDS_PER_FOLD = 120.0
LISTED = 1000  # suspects in a JSON document
WITH_WORDS = 50  # suspects whose evidence is put into words


@dataclass(frozen=True, eq=False)
class Doubts:
    """Rows of a data set, and what models that did not see them say of their labels."""

    reader: DigitReader
    dataset: Dataset
    relabelled: Relabelling
    errors: LabelErrors
    folds: OutOfFold
    index: np.ndarray  # (n_samples,) rows of the data set
    frames: np.ndarray  # (n_samples, rows, cols) uint8

    def frame(self, i: int) -> np.ndarray:
        """Return the frame of row i of those judged, in [0, 1]."""
        return scale_pixels(self.frames[i])

    def explain(self, i: int) -> Evidence:
        """Return the evidence on it by the model that did not see it."""
        return self.folds.explain(i, self.frame(i))

    def names(self, i: int) -> tuple[str, str]:
        """Return the given and the suggested label."""
        return self.errors.classes[self.errors.codes[i]], self.errors.classes[self.errors.suggested[i]]

    def entry(self, i: int, *, words: bool) -> dict:
        """Return one suspect as the JSON document lists it."""
        given, suggested = self.names(i)
        return {
            "row": int(self.index[i]),
            "given": given,
            "suggested": suggested,
            "probability_given": float(self.errors.self_confidence[i]),
            "probability_suggested": float(self.errors.proba[i, self.errors.suggested[i]]),
            "log_odds": float(self.errors.log_odds[i]),
            "why": self.explain(i).in_words(suggested, given) if words else [],
        }

    def to_json(self, *, most: int = LISTED) -> dict:
        """Return the document of ``inklens labels --json`` without the file name."""
        suspects = self.errors.suspects[:most].tolist()
        return {
            "n_rows": len(self.index),
            "n_suspects": len(self.errors.suspects),
            "folds": len(self.folds.models),
            "largest_gap": max(self.folds.gaps),
            "thresholds": dict(zip(self.errors.classes, self.errors.thresholds.tolist(), strict=True)),
            "joint": self.errors.joint.tolist(),
            "suspects": [self.entry(i, words=place < WITH_WORDS) for place, i in enumerate(suspects)],
        }

    def display(self, *, most: int = 12) -> Any:
        """Return the figure of the strongest suspects."""
        from inklens.displays import LabelErrorsDisplay

        shown = self.errors.suspects[:most]
        evidence = [self.explain(i).between(*self.names(i)[::-1]) for i in shown]
        return LabelErrorsDisplay(
            scale_pixels(self.frames[shown]),
            contributions=np.array(evidence).reshape(len(shown), *self.frames.shape[1:]),
            rows=self.index[shown].tolist(),
            given=[self.names(i)[0] for i in shown],
            suggested=[self.names(i)[1] for i in shown],
            proba_given=self.errors.self_confidence[shown],
            proba_suggested=self.errors.proba[shown, self.errors.suggested[shown]],
            n_suspects=len(self.errors.suspects),
            n_samples=len(self.index),
        )

    def save_table(self, path: str | os.PathLike[str]) -> Path:
        """Write the suspects as a relabel file, after the decisions that the model's own fit took over."""
        suggested = {int(self.index[i]): self.names(i)[1] for i in self.errors.suspects}
        write_relabel(path, self.dataset, suggested, decided=self.relabelled)
        return Path(path)


def doubt_labels(
    reader: DigitReader,
    *,
    data: str | None = None,
    folds: int = 5,
    seed: int = 0,
    progress: Callable | None = None,
) -> Doubts:
    """Judge the label of every training row of a model by models like it that were fitted without the row.

    Raises
    ------
    ParameterError, DataError
        The model does not say what it was fitted on, `data` is other data, or a class has a single row.
    """
    dataset, rows, notes = rows_of(reader, data, progress=progress)
    if notes:
        raise DataError(f"{notes[0]}; name its own data with --data, or fit a model on these")
    kept = np.flatnonzero(rows.train_index >= 0)  # rows of --add have no place in the data set
    X, y = rows.X_train[kept], rows.y_train[kept]
    found = judge_labels(reader, X, y, folds=folds, seed=seed, progress=progress)
    relabelled = reader.recorded("data").get("relabel")
    return Doubts(
        reader,
        dataset,
        Relabelling({}) if relabelled is None else Relabelling.from_json(relabelled),
        *found,
        rows.train_index[kept],
        X.reshape(-1, *dataset.image_shape),
    )


def judge_labels(
    reader: DigitReader, X: np.ndarray, y: np.ndarray, *, folds: int, seed: int, progress: Callable | None = None
) -> tuple[LabelErrors, OutOfFold]:
    """Return what the labels y of the uint8 rows X look like to models of K folds, and these models."""
    from inklens.linear.estimators import SoftmaxRegression

    fitted = reader.recorded("fit")
    parameters = {
        "C": float(fitted.get("C", 1.0)),
        "l1_ratio": fitted.get("l1_ratio", 0.0),
        "group": fitted.get("group", False),
        "tol": max(FOLD_TOL, fitted.get("tol", 0.0)),
        "time_budget": SECONDS_PER_FOLD,
    }
    rows = feature_rows(X, features=reader.features, image_shape=reader.image_shape)
    fit = SoftmaxRegression(**parameters)
    judged = out_of_fold(reader, rows, y, estimator=fit, folds=folds, seed=seed, progress=progress)
    codes = np.searchsorted(np.array(reader.classes), y)
    return LabelErrors(reader.classes, codes, judged.proba), judged


# ------------------------------------------------------------------------------------------------- refit


@dataclass(frozen=True, eq=False)
class Refit:
    """A model before and after its labels were corrected, both judged on the corrected rows."""

    n_relabelled: int
    n_dropped: int
    before: dict[str, float]  # accuracy by half
    after: dict[str, float]
    answers_changed: dict[str, int]
    agrees: int  # relabelled training rows that the new model reads as their new label
    agreed: int  # and the old model did
    largest_change: float  # of a coefficient
    model: str

    def to_json(self) -> dict:
        """Return the document of ``inklens refit --json``."""
        return {"schema_version": 1, **self.__dict__}


def refit(
    reader: DigitReader,
    table: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    data: str | None = None,
    progress: Callable | None = None,
    callback: Callable | None = None,
) -> Refit:
    """Fit a model again with the labels of a relabel file, as it was fitted before, and say what changed.

    Raises
    ------
    ParameterError, DataError, OutputError
        The file, the data or the model do not fit together; nothing is written then.
    """
    from inklens.tasks.models import fit

    recorded, fitted = reader.recorded("data"), reader.recorded("fit")
    if "spec" not in recorded:
        raise ParameterError("this model does not say how it was fitted; fit one with inklens fit")
    result = fit(
        data or recorded["spec"],
        out=out,
        train=recorded["train"],
        test=recorded["test"],
        seed=recorded["seed"],
        add=recorded.get("add", {}).get("folder"),
        relabel=table,
        C=float(fitted["C"]),
        l1_ratio=fitted["l1_ratio"],
        group=fitted["group"],
        scale=fitted.get("scale", "255"),
        features=reader.features,
        tol=fitted["tol"],
        start=reader,
        progress=progress,
        callback=callback,
    )
    return _compare(reader, result.reader, data, os.fspath(out))


def _compare(old: DigitReader, new: DigitReader, data: str | None, out: str) -> Refit:
    dataset, rows, _ = rows_of(new, data)
    changed = Relabelling.from_json(new.provenance["data"]["relabel"])
    halves = {"train": (rows.X_train, rows.y_train), "test": (rows.X_test, rows.y_test)}
    answers = {
        half: [reader.predict(scale_pixels(X).reshape(-1, *dataset.image_shape)) for reader in (old, new)]
        for half, (X, _) in halves.items()
    }
    relabelled = np.isin(rows.train_index, list(changed.labels))
    agreed, agrees = (int((a == rows.y_train)[relabelled].sum()) for a in answers["train"])
    return Refit(
        n_relabelled=len(changed.labels),
        n_dropped=len(changed.dropped),
        before={half: float(np.mean(answers[half][0] == y)) for half, (_, y) in halves.items()},
        after={half: float(np.mean(answers[half][1] == y)) for half, (_, y) in halves.items()},
        answers_changed={half: int(np.sum(a != b)) for half, (a, b) in answers.items()},
        agrees=agrees,
        agreed=agreed,
        largest_change=float(np.abs(new.coef - old.coef).max()) if new.coef.shape == old.coef.shape else np.inf,
        model=out,
    )


# ------------------------------------------------------------------------------------------------- mistakes


@dataclass(frozen=True, eq=False)
class Cell:
    """The images of one cell of a confusion matrix, the surest answer first."""

    true: str
    answer: str
    against: str  # what the evidence compares the answer with
    rows: np.ndarray  # (n,) rows of the data set; below 0 for rows that were added to it
    frames: np.ndarray  # (n, rows, cols) in [0, 1]
    proba: np.ndarray  # (n, n_classes)
    n_true: int
    classes: tuple[str, ...]
    contributions: np.ndarray  # (rows, cols) mean of what the ink adds to the answer
    log_odds: float  # mean

    @property
    def probability(self) -> np.ndarray:
        """Probability of the answer, (n,)."""
        return self.proba[:, self.classes.index(self.answer)]

    def to_json(self) -> dict:
        """Return the document of ``inklens mistakes --json`` without the file name."""
        images = zip(self.rows.tolist(), self.probability.tolist(), strict=True)
        return {
            "true": self.true,
            "answer": self.answer,
            "against": self.against,
            "n_images": len(self.rows),
            "n_true": self.n_true,
            "log_odds": self.log_odds,
            "contributions": self.contributions.tolist(),
            "images": [{"row": row, "probability": probability} for row, probability in images],
        }

    def display(self, *, most: int = 20) -> Any:
        """Return the figure."""
        from inklens.displays import ConfusionCellDisplay
        from inklens.displays.probabilities import percent

        return ConfusionCellDisplay(
            self.frames[:most],
            mean_image=self.frames.mean(axis=0) if len(self.frames) else np.zeros(self.contributions.shape),
            mean_contributions=self.contributions,
            captions=[percent(float(p)) for p in self.probability[:most]],
            n_images=len(self.frames),
            n_true=self.n_true,
            names=(self.true, self.answer),
            against=self.against,
            log_odds=self.log_odds,
        )


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows of a data set with the answers of a model; opens cells of its confusion matrix."""

    reader: DigitReader
    rows: np.ndarray
    frames: np.ndarray
    y_true: np.ndarray
    notes: tuple[str, ...] = ()

    @cached_property
    def proba(self) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        return self.reader.predict_proba(self.frames)

    @property
    def evaluation(self) -> Evaluation:
        """What the answers are worth."""
        answers = np.array(self.reader.classes)[self.proba.argmax(axis=1)]
        return Evaluation.from_predictions(self.y_true, answers, self.reader.classes)

    def cell(self, true: str, answer: str) -> Cell:
        """Open one cell.

        Raises
        ------
        ParameterError
            The model has no such class.
        """
        names = self.reader.classes
        for name in (true, answer):
            if name not in names:
                raise ParameterError(f"expected a class out of {', '.join(names)}, got {name!r}")
        given = names.index(answer)
        inside = np.flatnonzero((self.y_true == true) & (self.proba.argmax(axis=1) == given))
        inside = inside[np.argsort(-self.proba[inside, given], kind="stable")]
        against = self._rival(inside, given) if true == answer else true
        evidence = [explain(self.reader, self.frames[i]) for i in inside]
        maps = [why.between(answer, against) for why in evidence]
        return Cell(
            true,
            answer,
            against,
            self.rows[inside],
            self.frames[inside],
            self.proba[inside],
            int((self.y_true == true).sum()),
            names,
            np.mean(maps, axis=0) if maps else np.zeros(self.frames.shape[1:]),
            float(np.mean([why.log_odds(answer, against) for why in evidence])) if evidence else 0.0,
        )

    def _rival(self, inside: np.ndarray, given: int) -> str:
        """Return the class that comes second on average."""
        means = self.proba[inside].mean(axis=0) if len(inside) else np.ones(len(self.reader.classes))
        means[given] = -1.0
        return self.reader.classes[int(means.argmax())]


def judged_rows(
    reader: DigitReader, *, data: str | None = None, part: str = "test", progress: Callable | None = None
) -> Judged:
    """Return a part ("test", "train" or "all") of a model's own split, or of `data`, for a look at cells."""
    dataset, split, notes = rows_of(reader, data, progress=progress)
    X, y, index = {
        "test": (split.X_test, split.y_test, split.test_index),
        "train": (split.X_train, split.y_train, split.train_index),
        "all": (dataset.X, dataset.y, np.arange(len(dataset))),
    }[part]
    return Judged(reader, index, scale_pixels(X).reshape(-1, *dataset.image_shape), y, notes)


# ------------------------------------------------------------------------------------------------- near-duplicates


@dataclass(frozen=True, eq=False)
class Twins:
    """Near-duplicates across a split, with the rows that they are in the data set."""

    found: NearDuplicates
    halves: Split
    image_shape: tuple[int, int]

    @property
    def pairs(self) -> list[dict]:
        """All pairs, the closest first."""
        return [
            {
                "test_row": int(self.halves.test_index[i]),
                "train_row": int(self.halves.train_index[j]),
                "test_label": str(self.halves.y_test[i]),
                "train_label": str(self.halves.y_train[j]),
                "distance": float(distance),
                "shift": [int(down), int(right)],
            }
            for i, j, distance, (down, right) in zip(
                self.found.test_rows, self.found.train_rows, self.found.distances, self.found.shifts, strict=True
            )
        ]

    @property
    def n_conflicting(self) -> int:
        """Pairs with different labels."""
        return sum(pair["test_label"] != pair["train_label"] for pair in self.pairs)

    def to_json(self) -> dict:
        """Return the document of ``inklens data twins --json`` without the data's name."""
        return {
            "n_test": self.found.n_test,
            "n_train": len(self.halves.X_train),
            "n_pairs": len(self.found),
            "n_equal": self.found.n_equal,
            "n_conflicting": self.n_conflicting,
            "pairs": self.pairs,
        }

    def display(self, *, most: int = 12) -> Any:
        """Return the figure of the closest pairs."""
        from inklens.displays import NearDuplicatesDisplay

        return NearDuplicatesDisplay.from_near(
            self.found, self.halves.X_train, self.halves.X_test, self.image_shape, most=most
        )


def find_twins(
    data: str,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    progress: Callable | None = None,
    **options: Any,
) -> Twins:
    """Look for test images that nearly repeat a training image; the source's own halves where no split is asked for.

    Parameters
    ----------
    closest, shift
        As for `near_duplicates`.
    """
    dataset = load_dataset(data, progress=progress)
    if train is None and test is None and dataset.n_train is not None:
        n = dataset.n_train
        X, y, index = dataset.X, dataset.y, np.arange(len(dataset))
        halves = Split(X[:n], X[n:], y[:n], y[n:], index[:n], index[n:])
    else:
        halves = split_rows(dataset, train=train, test=test, seed=seed)
    return Twins(
        near_duplicates(halves.X_train, halves.X_test, dataset.image_shape, **options), halves, dataset.image_shape
    )
