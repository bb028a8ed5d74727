"""The images of one cell of a confusion matrix: what ``inklens mistakes`` does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inklens.errors import ParameterError
from inklens.explanations import explain
from inklens.reprs import listed
from inklens.tasks.judging import Judgement
from inklens.tasks.session import Part

if TYPE_CHECKING:
    from inklens.displays import ConfusionCellDisplay


@dataclass(frozen=True, eq=False)
class Cell:
    """The images of one cell of a confusion matrix, the surest answer first."""

    true: str
    answer: str
    against: str  # what the evidence compares the answer with
    part: Part  # the half that they are of
    samples: np.ndarray  # (n,) their numbers in that half
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
        return np.asarray(self.proba[:, self.classes.index(self.answer)])

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens mistakes --json`` without the file name."""
        images = zip(self.samples.tolist(), self.rows.tolist(), self.probability.tolist(), strict=True)
        return {
            "true": self.true,
            "answer": self.answer,
            "against": self.against,
            "n_images": len(self.rows),
            "n_true": self.n_true,
            "log_odds": self.log_odds,
            "contributions": self.contributions.tolist(),
            "part": self.part,
            "images": [{"sample": i, "row": row, "probability": probability} for i, row, probability in images],
        }

    def display(self, *, most: int = 20) -> "ConfusionCellDisplay":
        """Return the figure."""
        from inklens.displays import ConfusionCellDisplay
        from inklens.displays.numbers import percent

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


def open_cell(judged: Judgement, true: str, answer: str) -> Cell:
    """Open one cell of the confusion matrix of a model's answers.

    Raises
    ------
    ParameterError
        The model has no such class.
    """
    names = judged.reader.classes
    for name in (true, answer):
        if name not in names:
            raise ParameterError(f"expected a class out of {listed(names)}, got {name!r}")
    read_as = names.index(answer)
    inside = np.flatnonzero((judged.y_true == true) & (judged.proba.argmax(axis=1) == read_as))
    inside = inside[np.argsort(-judged.proba[inside, read_as], kind="stable")]
    against = _rival(judged, inside, read_as) if true == answer else true
    evidence = [explain(judged.reader, judged.frames[i]) for i in inside]
    maps = [why.between(answer, against) for why in evidence]
    return Cell(
        true,
        answer,
        against,
        judged.part,
        inside,
        judged.index[inside],
        judged.frames[inside],
        judged.proba[inside],
        int((judged.y_true == true).sum()),
        names,
        np.mean(maps, axis=0) if maps else np.zeros(judged.frames.shape[1:]),
        float(np.mean([why.log_odds(answer, against) for why in evidence])) if evidence else 0.0,
    )


def _rival(judged: Judgement, inside: np.ndarray, read_as: int) -> str:
    """Return the class that comes second on average."""
    means = judged.proba[inside].mean(axis=0) if len(inside) else np.ones(len(judged.reader.classes))
    means[read_as] = -1.0
    return judged.reader.classes[int(means.argmax())]
