"""Training labels that are probably wrong: what ``inklens labels`` does."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inklens.classes import encode
from inklens.datasets import Split
from inklens.datasets.relabel import NOTHING, write_relabel
from inklens.explanations import Evidence
from inklens.explanations.label_errors import LabelErrors, OutOfFold, out_of_fold
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.model_rows import feature_rows, scale_pixels
from inklens.tasks.session import Session

if TYPE_CHECKING:
    from inklens.displays import LabelErrorsDisplay

FOLD_TOL = 1e-3  # promised gap of the fits that judge labels
SECONDS_PER_FOLD = 120.0
LISTED = 1000  # suspects in a JSON document
WITH_WORDS = 50  # suspects whose evidence is put into words


@dataclass(frozen=True, eq=False)
class SuspectLabels:
    """Rows of a data set, and what models that did not see them say of their labels."""

    errors: LabelErrors
    folds: OutOfFold
    index: np.ndarray  # (n_samples,) rows of the data set
    frames: np.ndarray  # (n_samples, rows, cols) uint8
    samples: np.ndarray  # (n_samples,) their numbers among the training rows

    def frame(self, i: int) -> np.ndarray:
        """Return the frame of row i of those judged, in [0, 1]."""
        return scale_pixels(self.frames[i])

    def explain(self, i: int) -> Evidence:
        """Return the evidence on it by the model that did not see it."""
        return self.folds.explain(i, self.frame(i))

    def names(self, i: int) -> tuple[str, str]:
        """Return the given and the suggested label."""
        return self.errors.classes[self.errors.codes[i]], self.errors.classes[self.errors.suggested[i]]

    def entry(self, i: int, *, words: bool) -> dict[str, object]:
        """Return one suspect as the JSON document lists it."""
        given, suggested = self.names(i)
        return {
            "part": "train",
            "sample": int(self.samples[i]),
            "row": int(self.index[i]),
            "given": given,
            "suggested": suggested,
            "probability_given": float(self.errors.self_confidence[i]),
            "probability_suggested": float(self.errors.proba[i, self.errors.suggested[i]]),
            "log_odds": float(self.errors.log_odds[i]),
            "why": self.explain(i).in_words(suggested, given) if words else [],
        }

    def to_json(self, *, most: int = LISTED) -> dict[str, object]:
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

    def display(self, *, most: int = 12) -> "LabelErrorsDisplay":
        """Return the figure of the strongest suspects."""
        from inklens.displays import LabelErrorsDisplay

        shown = self.errors.suspects[:most]
        evidence = [self.explain(i).between(*self.names(i)[::-1]) for i in shown]
        return LabelErrorsDisplay(
            scale_pixels(self.frames[shown]),
            contributions=np.array(evidence).reshape(len(shown), *self.frames.shape[1:]),
            rows=self.samples[shown].tolist(),
            given=[self.names(i)[0] for i in shown],
            suggested=[self.names(i)[1] for i in shown],
            proba_given=self.errors.self_confidence[shown],
            proba_suggested=self.errors.proba[shown, self.errors.suggested[shown]],
            n_suspects=len(self.errors.suspects),
            n_samples=len(self.index),
        )

    def save_table(self, path: str | os.PathLike[str], session: Session) -> Path:
        """Write the suspects as a relabel file, after the decisions that the model's own fit took over."""
        suggested = {int(self.index[i]): self.names(i)[1] for i in self.errors.suspects}
        decided = session.reader.data_record.relabelled or NOTHING
        write_relabel(path, session.dataset, suggested, decided=decided)
        return Path(path)


def suspect_labels(
    session: Session, *, folds: int = 5, seed: int = 0, progress: Progress | None = None
) -> SuspectLabels:
    """Judge the label of every training row of a model by models like it that were fitted without the row.

    Raises
    ------
    DataError
        The model does not say how it was fitted, the rows are not those of its fit, or a class has a single row.
    """
    session.require_rows_of_fit("name its own data with --data, or fit a model on these")
    return judge_labels(session.reader, session.split, folds=folds, seed=seed, progress=progress)


def judge_labels(
    reader: DigitReader, split: Split, *, folds: int, seed: int, progress: Progress | None = None
) -> SuspectLabels:
    """Judge the labels of the training half of a split, those of the fit, as `suspect_labels`."""
    record = reader.require_fit_record()
    kept = np.flatnonzero(split.train_index >= 0)  # rows of --add have no place in the data set
    X, y = split.X_train[kept], split.y_train[kept]
    judged = out_of_fold(
        reader,
        feature_rows(X, features=reader.features, image_shape=reader.image_shape),
        y,
        estimator=record.estimator(tol=max(FOLD_TOL, record.tol), time_budget=SECONDS_PER_FOLD),
        folds=folds,
        seed=seed,
        progress=progress,
    )
    errors = LabelErrors(reader.classes, encode(y, reader.classes), judged.proba)
    return SuspectLabels(errors, judged, split.train_index[kept], X.reshape(-1, *reader.image_shape), kept)
