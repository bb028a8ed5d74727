"""Predict, then test: questions about what a model does with a digit, and its exact answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from inklens.errors import NoFlipError, ParameterError
from inklens.explanations import Evidence, explain, flip
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.reprs import percent

KINDS = ("answer", "place", "flip")
PLACE = 3  # pixels on a side of a marked place
INKED = 1.5  # full pixels of ink that a marked place holds at least
CLOSE_CALL = 0.95  # probability below which a digit is a close call; half of the questions are about such
TRIES = 50  # digits looked at for one question


@dataclass(frozen=True, eq=False)
class Question:
    """One thing to predict about one digit.

    Parameters
    ----------
    kind : {"answer", "place", "flip"}
        What the model says; which of two marked places speaks for its answer; what the smallest change makes of it.
    name : str
        Which digit it is.
    frame : array (rows, cols)
        What the model sees.
    text : str
        The question.
    choices : tuple of str
        What may be answered.
    right : str
        What the model says.
    explanation : tuple of str
        Why, in exact numbers.
    numbers : dict
        The same for a program.
    marks : dict of (row, col) to str
        A letter for each pixel of the marked places.
    after : array (rows, cols), optional
        The frame after the change, to be shown with the explanation.
    """

    kind: str
    name: str
    frame: np.ndarray
    text: str
    choices: tuple[str, ...]
    right: str
    explanation: tuple[str, ...]
    numbers: dict[str, object]
    marks: dict[tuple[int, int], str] = field(default_factory=dict)
    after: np.ndarray | None = None


@dataclass
class Score:
    """What was asked, what was said, and how often that was right."""

    rounds: list[dict[str, object]] = field(default_factory=list)
    ended: str = "finished"  # or "quit", "end of input", "Ctrl-C"

    def add(self, question: Question, given: str) -> bool:
        """Note an answer ("" for none) and return whether it is right."""
        right = given == question.right
        self.rounds.append(
            {
                "kind": question.kind,
                "image": question.name,
                "question": question.text,
                "choices": list(question.choices),
                "given": given or None,
                "right_answer": question.right,
                "right": right,
                **question.numbers,
            }
        )
        return right

    @property
    def right(self) -> int:
        """Right answers."""
        return sum(bool(entry["right"]) for entry in self.rounds)

    def __str__(self) -> str:
        if not self.rounds:
            return "no question answered"
        return f"{self.right} of {len(self.rounds)} predicted right"

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens quiz --json``."""
        return {
            "schema_version": 1,
            "asked": len(self.rounds),
            "right": self.right,
            "ended": self.ended,
            "rounds": self.rounds,
        }


def quiz_reader(model: str | None) -> DigitReader:
    """Load a model, or fit a small one on the pixels of the embedded digits."""
    if model is not None:
        return DigitReader.load(model)
    from inklens.tasks.models import fit

    return fit("embedded", C=0.1, tol=1e-3).reader


def quiz_frames(
    reader: DigitReader,
    *,
    photo: str | None = None,
    data: str | None = None,
    progress: Progress | None = None,
    **which: Any,
) -> tuple[np.ndarray, list[str]]:
    """Return the frames that are asked about, and their names: a photo's, or the test rows of the model's own split.

    `which` digit of the photo is said as to `picture_frame`.
    """
    if photo is not None:
        from inklens.tasks.explaining import picture_frame

        frame, name = picture_frame(reader, photo, **which)
        return frame[None], [name]
    from inklens.tasks.judging import evaluate
    from inklens.tasks.session import row_name

    judged = evaluate(reader, data=data, progress=progress)
    names = [f"{row_name(judged.part, i)}, a {label}" for i, label in enumerate(judged.y_true)]
    return judged.frames, names


def questions(
    reader: DigitReader,
    frames: np.ndarray,
    names: Sequence[str],
    *,
    rounds: int,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
) -> Iterator[Question]:
    """Yield questions, the kinds in turn, about digits drawn at random; every second one a close call if there is one.

    Raises
    ------
    ParameterError
        No kind that this model can be asked.
    """
    possible = [kind for kind in kinds if kind != "flip" or reader.features == "pixels"]
    if not possible:
        raise ParameterError("the smallest change is exact only on pixels; ask another kind, or take a model on pixels")
    rng = np.random.default_rng(seed)
    sure = reader.predict_proba(frames).max(axis=1)
    close = np.flatnonzero(sure < CLOSE_CALL)
    for number in range(rounds):
        kind = possible[number % len(possible)]
        pool = close if number % 2 and len(close) else np.arange(len(frames))
        for _ in range(TRIES):
            i = int(rng.choice(pool))
            question = _MAKERS[kind](reader, frames[i], names[i], rng)
            if question is not None:
                yield question
                break


def _ask_answer(reader: DigitReader, frame: np.ndarray, name: str, rng: np.random.Generator) -> Question:
    why = explain(reader, frame)
    order = np.argsort(-why.z, kind="stable")
    likeliest = ", ".join(f"{why.classes[k]} {percent(why.probabilities[k])} (z {why.z[k]:+.3f})" for k in order[:3])
    return Question(
        "answer",
        name,
        frame,
        "What does the model say?",
        why.classes,
        why.label,
        (f"It says {why.label}: {likeliest}.", *_capitalised(why.in_words(why.label, why.rival, most=2))),
        {"z": dict(zip(why.classes, why.z.tolist(), strict=True))},
    )


def _ask_place(reader: DigitReader, frame: np.ndarray, name: str, rng: np.random.Generator) -> Question | None:
    why = explain(reader, frame)
    a, b = why.label, why.rival
    pair = _two_places(why, a, b, rng)
    if pair is None:
        return None
    values, corners = zip(*pair, strict=True)
    marks = {
        (row + i, col + j): letter
        for letter, (row, col) in zip("AB", corners, strict=True)
        for i in range(PLACE)
        for j in range(PLACE)
    }
    says = [f"{letter}: {value:+.3f}" for letter, value in zip("AB", values, strict=True)]
    return Question(
        "place",
        name,
        why.frame,
        f"The model says {a}; {b} comes second. Of the two marked places one speaks for {a}, the other for {b}. "
        f"Which speaks for {a}: A or B?",
        ("A", "B"),
        "AB"[int(np.argmax(values))],
        (
            f"What the ink there adds to the log-odds of {a} against {b}: {', '.join(says)}.",
            f"All ink and the intercepts together: {why.log_odds(a, b):+.3f}.",
        ),
        {"for": a, "against": b, "A": values[0], "B": values[1], "log_odds": why.log_odds(a, b)},
        marks=marks,
    )


def _two_places(why: Evidence, a: str, b: str, rng: np.random.Generator) -> list[tuple[float, tuple[int, int]]] | None:
    """Return value and upper left corner of two places apart, one clearly for a and one clearly for b, in any order."""
    window = (PLACE, PLACE)
    if min(why.frame.shape) < 2 * PLACE:
        return None
    sums = sliding_window_view(why.between(a, b), window).sum(axis=(2, 3))
    inked = sliding_window_view(why.frame, window).sum(axis=(2, 3)) >= INKED
    found: list[tuple[float, tuple[int, int]]] = []
    for sign in (1.0, -1.0):
        value = np.where(inked, sign * sums, -np.inf)
        for _, (row, col) in found:
            value[max(row - PLACE, 0) : row + PLACE + 1, max(col - PLACE, 0) : col + PLACE + 1] = -np.inf
        best = np.argsort(-value, axis=None)[:5]
        row, col = (int(place) for place in np.unravel_index(int(rng.choice(best)), value.shape))
        if not value[row, col] > 0.0:
            return None
        found.append((float(sums[row, col]), (row, col)))
    return found if rng.random() < 0.5 else found[::-1]


def _ask_flip(reader: DigitReader, frame: np.ndarray, name: str, rng: np.random.Generator) -> Question | None:
    try:
        found = flip(reader, frame)
    except NoFlipError:
        return None
    proof = "proven smallest" if found.optimal else f"proven to take at least {found.lower_bound:.3f}"
    return Question(
        "flip",
        name,
        frame,
        f"The model says {found.source}. The smallest change of ink that alters its answer turns it into what?",
        tuple(c for c in found.classes if c != found.source),
        found.target,
        (
            f"Into {found.target}: {found.added:.3f} full pixels of ink added and {found.erased:.3f} erased, "
            f"{found.ink_changed:.3f} in all, {proof}.",
        ),
        {"from": found.source, "to": found.target, "ink_changed": found.ink_changed, "lower_bound": found.lower_bound},
        after=found.flipped,
    )


def _capitalised(sentences: list[str]) -> list[str]:
    return [f"{words[0].upper()}{words[1:]}." for words in sentences]


Maker = Callable[[DigitReader, np.ndarray, str, np.random.Generator], Question | None]
_MAKERS: dict[str, Maker] = {
    "answer": _ask_answer,
    "place": _ask_place,
    "flip": _ask_flip,
}
