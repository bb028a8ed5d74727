"""Chapters about reasons, for the tutorial's page and a model's: why, what would change it, who voted, doubts, limits.

A chapter that a model or its data cannot have (votes without an L2 penalty, exact radii off the pixels) is left out,
and the page says why at its end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets import Split
from inklens.datasets.near import NearDuplicates, near_duplicates
from inklens.displays import (
    FlipDisplay,
    NearDuplicatesDisplay,
    RadiiDisplay,
    ReasonsDisplay,
    SeparationDisplay,
    SilenceDisplay,
)
from inklens.displays.base import as_maps
from inklens.errors import InklensError
from inklens.explanations import explain, identifiability, robustness
from inklens.pages import Chapter, ReportFigure
from inklens.reader import DigitReader
from inklens.tasks.explaining import Poll, flip_frame, stroke_frame, vote
from inklens.tasks.judging import Judgement
from inklens.tasks.labels import judge_labels
from inklens.tasks.mistakes import open_cell
from inklens.tasks.model_rows import scale_pixels

if TYPE_CHECKING:
    from inklens.linear.estimators import SoftmaxRegression

PEN = 2.0  # pixels; a fine felt pen on a frame of 28 x 28
MOST_CELLS = 6  # confusions that a page opens
IN_CELL, MOST_DOUBTS, VOTERS = 20, 9, 10  # images shown
MOST_RADII = 2000  # test rows whose radii are drawn
MOST_PAIRS = 2e8  # pairs of rows up to which a page looks for near-duplicates
FOLDS = 5

AFTER = {  # chapter: the chapter that it follows, the first of these that a page has
    "cells": ("mistakes", "judge"),
    "why": ("evidence", "cells"),
    "flips": ("why",),
    "radii": ("mind", "flips"),
    "votes": ("radii", "why"),
    "limits": ("tolerance", "votes"),
    "labels": ("limits",),
}
TITLES = {
    "cells": "Open the confusions",
    "why": "Why not the runner-up?",
    "flips": "What would change its mind?",
    "radii": "How near are other answers?",
    "votes": "Which images taught it that?",
    "limits": "What the data cannot say",
    "labels": "Errors in the data",
}


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, the rows that it was fitted and judged on, and one picture that it explains.

    Parameters
    ----------
    reader : DigitReader
        The model.
    rows : Split
        Its rows, uint8.
    frame : array (rows, cols)
        The picture, in [0, 1].
    words : str
        Which picture it is, such as "test image 33".
    separating : SoftmaxRegression or None
        A fit without a penalty that separates these rows.
    """

    reader: DigitReader
    rows: Split
    frame: np.ndarray
    words: str
    separating: "SoftmaxRegression | None" = None

    @property
    def test_frames(self) -> np.ndarray:
        """Test rows as frames."""
        return scale_pixels(self.rows.X_test).reshape(-1, *self.reader.image_shape)


@dataclass(eq=False)
class Reasons:
    """What the chapters show and speak of, and why others are left out."""

    words: str
    figures: list[ReportFigure] = field(default_factory=list)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)  # by chapter
    left_out: dict[str, str] = field(default_factory=dict)  # title of the chapter: why

    def chapters(self) -> list[Chapter]:
        """Return the chapters that have something to tell, in reading order."""
        return [Chapter(id, TITLES[id], f"reasons/{id}.html") for id in TITLES if id in self.facts]

    def to_json(self) -> dict[str, object]:
        """Return the numbers of the chapters, by chapter."""
        return {name: {key: _plain(value) for key, value in facts.items()} for name, facts in self.facts.items()}

    def among(self, chapters: Sequence[Chapter]) -> list[Chapter]:
        """Return a page's chapters with these put in, each after the one it belongs to, else at the end."""
        placed = list(chapters)
        for chapter in self.chapters():
            ids = [other.id for other in placed]
            after = next((id for id in AFTER[chapter.id] if id in ids), None)
            placed.insert(len(ids) if after is None else ids.index(after) + 1, chapter)
        return placed


def _plain(value: object) -> object:
    """Return a fact as JSON can hold it; near-duplicates are counted."""
    if isinstance(value, NearDuplicates):
        return len(value)
    return value.to_json() if hasattr(value, "to_json") else value


def reasons_chapters(
    subject: Subject, names: Sequence[str] = tuple(TITLES), step: Callable[[int, str], None] | None = None
) -> Reasons:
    """Compute the named chapters, as far as the subject can have them; `step` is told number and title of the next."""
    reasons = Reasons(subject.words)
    for number, name in enumerate(names):
        if step is not None:
            step(number, TITLES[name])
        try:
            built = _BUILDERS[name](subject)
        except InklensError as error:
            reasons.left_out[TITLES[name]] = str(error)
            continue
        if built is not None:
            reasons.facts[name], figures = built
            reasons.figures += figures
    return reasons


Facts = dict[str, object]
Built = tuple[Facts, list[ReportFigure]] | None  # facts and figures of a chapter, if it has any


def _cells(s: Subject) -> Built:
    judged = Judgement(s.reader, s.rows.test_index, s.test_frames, s.rows.y_test)
    confusions = judged.evaluation.frequent_confusions(MOST_CELLS)
    if not confusions:
        return None
    opened, figures = [], []
    for number, (true, answer, count) in enumerate(confusions):
        name = f"cell-{number}"
        figures.append(
            ReportFigure(
                name,
                open_cell(judged, true, answer).display(most=IN_CELL),
                f"Images of {true} that were read as {answer}, the surest first, with the probability of the answer.",
            )
        )
        opened.append({"true": true, "answer": answer, "count": count, "figure": name})
    return {
        "opened": opened,
        "n_mistakes": int(judged.evaluation.n_samples - judged.evaluation.true_positives.sum()),
    }, figures


def _why(s: Subject) -> Built:
    evidence = explain(s.reader, s.frame)
    display = ReasonsDisplay.from_evidence(evidence)
    facts = {"label": evidence.label, "rival": evidence.rival, "exact": display.missing is not None}
    caption = "The picture, and pixel by pixel what its ink says; rest the pointer on a pixel for its numbers."
    return facts, [ReportFigure("why", display, caption)]


def _flips(s: Subject) -> Built:
    found, radii = flip_frame(s.reader, s.frame)
    radius = radii.get("l1", {}).get("boxed")
    display = FlipDisplay.from_flip(found, radius=radius)
    figures = [ReportFigure("flip", display, "Before, the change, and after it.")]
    facts: Facts = {"flip": found, "radius": radius, "stroke": None}
    if s.reader.features != "pixels":
        return facts, figures
    try:
        stroke, _, drawable = stroke_frame(s.reader, s.frame, width=PEN, margin=1e-6)
        facts["stroke"] = drawable[0]
        title = f"One stroke of a pen {PEN:g} pixels wide"
        drawn = FlipDisplay.from_flip(stroke, title=title)
        figures.append(ReportFigure("flip-stroke", drawn, "The straight stroke with least ink, drawn or erased."))
    except InklensError:
        pass
    return facts, figures


def _radii(s: Subject) -> Built:
    frames, y = s.test_frames[:MOST_RADII], s.rows.y_test[:MOST_RADII]
    radii = robustness(s.reader, frames)
    distribution = RadiiDisplay.from_robustness(radii, right=s.reader.predict(frames) == y)
    caption = "How many test images keep a right answer under every change."
    medians = {name: quantiles[0.5] for name, quantiles in radii.quantiles().items()}
    finite = {name: median if np.isfinite(median) else None for name, median in medians.items()}
    return {"n": len(frames), "medians": finite}, [ReportFigure("radii", distribution, caption)]


def _votes(s: Subject) -> Built:
    shape = s.reader.image_shape
    poll: Poll = vote(s.reader, s.rows, s.frame, image_shape=shape)
    caption = "Each training image with its label and what it adds to the score."
    return {"poll": poll}, [ReportFigure("votes", poll.display(most=VOTERS), caption)]


def _limits(s: Subject) -> Built:
    found, shape = identifiability(s.rows.X_train, s.rows.y_train), s.reader.image_shape
    figures = [
        ReportFigure(
            "silence",
            SilenceDisplay(as_maps(found.states, shape), class_names=found.classes),
            "For every class, which coefficients the training images decide.",
        )
    ]
    if s.separating is not None:
        display = SeparationDisplay.from_estimator(s.separating, image_shape=shape, n_samples=len(s.rows.y_train))
        caption = "The direction that separates: along it every training image is on the right side."
        figures.append(ReportFigure("separation", display, caption))
    return {"sentences": found.in_words(), "separated": s.separating is not None}, figures


def _labels(s: Subject) -> Built:
    found, shape = judge_labels(s.reader, s.rows, folds=FOLDS, seed=0), s.reader.image_shape
    errors, display = found.errors, found.display(most=MOST_DOUBTS)
    figures = [ReportFigure("labels", display, "The most doubtful labels, and what the ink says for another class.")]
    facts: Facts = {"n_suspects": len(errors.suspects), "n_rows": len(found.index), "folds": FOLDS, "twins": None}
    if len(s.rows.y_train) * len(s.rows.y_test) <= MOST_PAIRS:
        twins = near_duplicates(s.rows.X_train, s.rows.X_test, shape)
        facts["twins"] = twins
        if len(twins):
            pairs = NearDuplicatesDisplay.from_near(twins, s.rows.X_train, s.rows.X_test, shape)
            figures.append(
                ReportFigure("twins", pairs, "Test images beside the training images that they nearly repeat.")
            )
    return facts, figures


_BUILDERS: dict[str, Callable[[Subject], Built]] = {
    "cells": _cells,
    "why": _why,
    "flips": _flips,
    "radii": _radii,
    "votes": _votes,
    "limits": _limits,
    "labels": _labels,
}
