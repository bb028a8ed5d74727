"""A model's answers on rows of a data set, and what they are worth: what ``inklens evaluate`` does."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inklens.errors import ParameterError
from inklens.evaluation import Evaluation
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.model_rows import Size, scale_pixels
from inklens.tasks.predictions import predictions_csv
from inklens.tasks.session import Part, Session


@dataclass(frozen=True, eq=False)
class Judgement:
    """Rows of a data set with the answers of a model.

    Parameters
    ----------
    reader : DigitReader
    index : int array (n_samples,)
        Rows of the data set; below 0 for images that were added to it.
    frames : array (n_samples, rows, cols)
        In [0, 1].
    y_true : str array (n_samples,)
    notes : tuple of str
        What a person should know of the rows.
    part : {"test", "train", "all"}
        Which half they are; a row's number is its place in it.
    """

    reader: DigitReader
    index: np.ndarray
    frames: np.ndarray
    y_true: np.ndarray
    notes: tuple[str, ...] = ()
    part: Part = "test"

    @cached_property
    def proba(self) -> np.ndarray:
        """Probabilities, (n_samples, n_classes)."""
        return self.reader.predict_proba(self.frames)

    @property
    def y_pred(self) -> np.ndarray:
        """Answers, (n_samples,)."""
        return np.asarray(np.array(self.reader.classes)[self.proba.argmax(axis=1)])

    @cached_property
    def evaluation(self) -> Evaluation:
        """What the answers are worth."""
        return Evaluation.from_predictions(self.y_true, self.y_pred, self.reader.classes)

    @property
    def predictions(self) -> str:
        """Every answer, as CSV."""
        return predictions_csv(self.y_true, self.proba, self.reader.classes, index=self.index)


def evaluate(
    reader: DigitReader,
    *,
    data: str | None = None,
    part: Part = "test",
    train: Size = None,
    test: Size = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Judgement:
    """Judge a model on rows of a data set; by default on the test rows of its own split.

    Parameters
    ----------
    part : {"test", "train", "all"}
        Which rows.
    """
    session = Session.of(reader, data=data, train=train, test=test, seed=seed, progress=progress)
    return judge(session, part)


def judge(session: Session, part: Part = "test") -> Judgement:
    """Judge the model of a session on a part of its rows."""
    _, y, index = session.half(part)
    return Judgement(session.reader, index, session.frames(part), y, session.notes, part)


def sample_frame(
    reader: DigitReader,
    sample: int,
    *,
    part: Part = "test",
    data: str | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, str]:
    """Return frame and label of one row of a half of the model's own split, or of `data` split the same way."""
    session = Session.of(reader, data=data, progress=progress)
    X, y, _ = session.half(part)
    if not 0 <= sample < len(y):
        raise ParameterError(f"--sample must lie in 0..{len(y) - 1} (--part {part}), got {sample}")
    return scale_pixels(X[sample]).reshape(session.dataset.image_shape), str(y[sample])
