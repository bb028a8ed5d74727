"""Judge two models on the same rows, none of which either has seen: what ``inklens compare`` does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inklens.errors import DataError, InklensError
from inklens.evaluation import Comparison
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.model_rows import Size, scale_pixels
from inklens.tasks.session import Session

if TYPE_CHECKING:
    from inklens.displays import ModelComparisonDisplay


@dataclass(frozen=True, eq=False)
class Versus:
    """Two models with their answers on the same rows.

    Parameters
    ----------
    names : (str, str)
    comparison : Comparison
    frames : array (n_samples, rows, cols)
    y_true : array (n_samples,)
    predictions : two arrays (n_samples,)
    sizes : two dicts
        Coefficients, those that are not zero, and pixels in use.
    data : str
        Whose rows they are.
    notes : tuple of str
        What was left out, and what could not be checked.
    """

    names: tuple[str, str]
    comparison: Comparison
    frames: np.ndarray
    y_true: np.ndarray
    predictions: tuple[np.ndarray, np.ndarray]
    sizes: tuple[dict[str, int], dict[str, int]]
    data: str
    notes: tuple[str, ...] = ()

    def to_json(self, *, most: int = 100) -> dict[str, object]:
        """Return the document of ``inklens compare --json`` without the file names."""
        found, (said_a, said_b) = self.comparison, self.predictions
        parting = {
            f"only_{name}": [
                {"row": int(i), "true": str(self.y_true[i]), "a": str(said_a[i]), "b": str(said_b[i])}
                for i in rows[:most]
            ]
            for name, rows in (("a", found.only_a), ("b", found.only_b))
        }
        return {
            "data": self.data,
            **found.to_json(),
            "sizes": dict(zip("ab", self.sizes, strict=True)),
            "disagreements": parting,
            "notes": list(self.notes),
        }

    def display(self) -> "ModelComparisonDisplay":
        """Return the figure: intervals, difference, and pictures on which the models part."""
        from inklens.displays import ModelComparisonDisplay

        return ModelComparisonDisplay.from_comparison(
            self.comparison,
            names=self.names,
            images=self.frames,
            y_true=self.y_true,
            predictions=self.predictions,
        )


def compare(
    a: DigitReader,
    b: DigitReader,
    *,
    names: tuple[str, str] = ("A", "B"),
    data: str | None = None,
    train: Size = None,
    test: Size = None,
    seed: int | None = None,
    progress: Progress | None = None,
    offline: bool = False,
) -> Versus:
    """Let both models answer the test rows of the first one's split, or of `data`, less all that either was fitted on.

    Rows are recognised by their pixels, so that a copy in another data set is found too.

    Raises
    ------
    DataError
        Different classes or image shapes, or no row is left.
    """
    _check_same_kind(a, b, names)
    session = Session.of(a, data=data, train=train, test=test, seed=seed, progress=progress, offline=offline)
    dataset, rows = session.dataset, session.split
    fresh = np.ones(len(rows.y_test), dtype=bool)
    notes: list[str] = []
    for reader, name in zip((a, b), names, strict=True):
        fresh &= _unseen(reader, name, rows.X_test, notes)
    if not fresh.any():
        raise DataError(
            f"{' or '.join(names)} was fitted on each of these {len(fresh):,} rows, so they cannot judge; name other "
            "data with --data, or other rows with --seed and --test"
        )
    X, y = rows.X_test[fresh], rows.y_test[fresh]
    frames = scale_pixels(X).reshape(-1, *dataset.image_shape)
    unknown = sorted(set(np.unique(y).tolist()) - set(a.classes))
    if unknown:
        raise DataError(f"{dataset.name} has labels {unknown[:5]} that the models do not know; compare on their kind")
    answers = a.predict(frames), b.predict(frames)
    return Versus(
        names,
        Comparison.from_predictions(y, *answers),
        frames,
        y,
        answers,
        (_size(a), _size(b)),
        f"{dataset.name}, {len(y):,} rows",
        tuple(notes),
    )


def _check_same_kind(a: DigitReader, b: DigitReader, names: tuple[str, str]) -> None:
    if set(a.classes) != set(b.classes):
        only = [sorted(set(x.classes) - set(y.classes))[:5] for x, y in ((a, b), (b, a))]
        raise DataError(
            f"the models tell different classes apart: only {names[0]} knows {only[0]}, only {names[1]} {only[1]}; "
            "compare models of the same classes"
        )
    if a.image_shape != b.image_shape:
        raise DataError(
            f"{names[0]} takes {a.image_shape[0]} x {a.image_shape[1]} pixels and {names[1]} {b.image_shape[0]} x "
            f"{b.image_shape[1]}; compare models of one image size"
        )


def _unseen(reader: DigitReader, name: str, X: np.ndarray, notes: list[str]) -> np.ndarray:
    """Return which rows the model was not fitted on, and add to the notes what was found."""
    try:
        seen = set(_training_rows(reader))
    except InklensError as error:
        notes.append(f"whether {name} was fitted on some of these rows cannot be checked: {error}")
        return np.ones(len(X), dtype=bool)
    fresh = np.array([row.tobytes() not in seen for row in X], dtype=bool)
    if not fresh.all():
        notes.append(f"{int((~fresh).sum()):,} of {len(X):,} rows were left out: {name} was fitted on them")
    return fresh


def _training_rows(reader: DigitReader) -> Iterator[bytes]:
    """Return the pixels of each row that a model was fitted on; nothing is downloaded for that."""
    session = Session.of(reader, offline=True)
    if session.foreign:
        raise DataError(f"{session.foreign}, or they have changed since")
    return (row.tobytes() for row in session.split.X_train)


def _size(reader: DigitReader) -> dict[str, int]:
    used = reader.coef != 0.0
    return {
        "coefficients": int(reader.coef.size),
        "nonzeros": int(used.sum()),
        "features_in_use": int(used.any(axis=0).sum()),
    }


def short_names(a: str, b: str) -> tuple[str, str]:
    """Return what to call two model files: their names without folder and suffix, or A and B where these are the same.

    >>> short_names("models/dense.inklens", "sparse.inklens"), short_names("a/m.inklens", "b/m.inklens")
    (('dense', 'sparse'), ('A', 'B'))
    """
    names = Path(a).stem, Path(b).stem
    return names if names[0] != names[1] else ("A", "B")
