"""Explain answers and change them: what ``inklens explain``, ``flip`` and ``votes`` do."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inklens.datasets import Split
from inklens.errors import NoFlipError, ParameterError
from inklens.explanations import Evidence, Flip, Stroke, Voters, Votes, explain, flip, robustness, strokes, usual_ink
from inklens.reader import DigitReader
from inklens.tasks.reading import choose_digit
from inklens.tasks.session import Part, Session, row_name

if TYPE_CHECKING:
    from inklens.displays import VotesDisplay

Radii = dict[str, dict[str, float]]  # by measure, then "boxed" or "free"


def picture_frame(
    reader: DigitReader,
    picture: str | None,
    *,
    sample: int | None = None,
    part: Part = "test",
    data: str | None = None,
    digit: int | None = None,
    anyway: bool = False,
    tell: Callable[[str], object] | None = None,
) -> tuple[np.ndarray, str]:
    """Return the frame of a digit of a picture ("-": standard input) or of a row of data, and its name for people.

    `digit`, `anyway` are those of `choose_digit`; `tell` is given what a person should know before the answer.

    Raises
    ------
    PhotoError, ParameterError
        The picture cannot be read or is refused, or there is no such row.
    """
    if sample is not None:
        from inklens.tasks.judging import sample_frame

        frame, label = sample_frame(reader, sample, part=part, data=data)
        return frame, f"{row_name(part, sample)}, a {label}"
    assert picture is not None
    chosen = choose_digit(picture, reader=reader, number=digit, anyway=anyway)
    for note in chosen.notes:
        if tell is not None:
            tell(note)
    return chosen.reading.frame, chosen.path


def explain_frame(reader: DigitReader, frame: np.ndarray, against: str | None = None) -> tuple[Evidence, str]:
    """Return the evidence for a frame, and the class that the answer is compared with: by default the runner-up."""
    evidence = explain(reader, frame)
    if against == evidence.label:
        raise ParameterError(f"the answer is {against!r} itself; compare it with another class")
    if against is not None:
        evidence.log_odds(evidence.label, against)
    return evidence, against or evidence.rival


def save_explanation(
    evidence: Evidence, path: str | os.PathLike[str], *, against: str, view: str = "between", scale: float = 0.5
) -> Path:
    """Draw the answer against one class ("between"), or the evidence rows of every class ("classes")."""
    if view == "classes":
        from inklens.tasks.figures import save_evidence

        return save_evidence(evidence, path, scale=scale)
    from inklens.displays import ReasonsDisplay

    return ReasonsDisplay.from_evidence(evidence, evidence.label, against).save(path)


def training_ink(reader: DigitReader, data: str | None = None) -> dict[str, np.ndarray]:
    """Return the most ink that is plausible, by class, from a model's training images.

    They are those of `data`, else of the model's own data, else (a model that does not name its data) of the digits
    that come with the package.
    """
    session = Session.of(reader, data=data or (None if reader.data_record.spec else "embedded"))
    X, y, _ = session.half("train")
    return usual_ink(X.reshape(-1, *session.dataset.image_shape), y)


def flip_frame(reader: DigitReader, frame: np.ndarray, to: str | None = None, **options: Any) -> tuple[Flip, Radii]:
    """Return the flip of a frame, and its robustness radii by measure (on pixels only)."""
    return flip(reader, frame, to, **options), _radii(reader, frame)


def stroke_frame(
    reader: DigitReader, frame: np.ndarray, to: str | None = None, *, width: float, margin: float
) -> tuple[Flip, Radii, list[Stroke]]:
    """Return the flip by one stroke of a pen with least ink, the radii, and the best strokes for every class.

    Raises
    ------
    NoFlipError
        No single straight stroke of this pen does it.
    """
    found = strokes(reader, frame, to, width=width, margin=margin)
    if not found:
        whom = "another class" if to is None else repr(to)
        raise NoFlipError(
            f"no single straight stroke of a pen {width:g} pixels wide, drawn or erased, gives {whom}; "
            "try a wider pen, a smaller margin, or no --pen"
        )
    best, z = found[0], reader.raw_prediction(np.stack([frame, found[0].flipped]))
    bound = flip(reader, frame, to, margin=margin).lower_bound if reader.features == "pixels" else 0.0
    result = Flip(frame, best.flipped, reader.classes, z[0], z[1], best.target, "ink", bound)
    return result, _radii(reader, frame), found


def _radii(reader: DigitReader, frame: np.ndarray) -> Radii:
    if reader.features != "pixels":
        return {}
    radii = robustness(reader, frame[None])
    return {name: {"boxed": float(radii.boxed[name][0]), "free": float(radii.free[name][0])} for name in radii.boxed}


def save_flip(found: Flip, path: str | os.PathLike[str], *, radius: float | None, pen: float | None = None) -> Path:
    """Draw a flip: before, what changes, after, and what is proven."""
    from inklens.displays import FlipDisplay

    title = None if pen is None else f"One stroke of a pen {pen:g} pixels wide"
    return FlipDisplay.from_flip(found, radius=radius, title=title).save(path)


@dataclass(frozen=True, eq=False)
class Poll:
    """How the training rows of a model vote on one frame."""

    frame: np.ndarray
    votes: Votes
    a: str
    b: str | None
    images: np.ndarray  # (n_samples, rows, cols) uint8
    labels: np.ndarray  # (n_samples,)
    index: np.ndarray  # (n_samples,) rows of the data set

    @property
    def name(self) -> str:
        """What is voted on."""
        return self.a if self.b is None else f"{self.a} against {self.b}"

    def to_json(self, *, most: int = 20) -> dict:
        """Return the document of ``inklens votes --json`` without the file name."""
        every = self.votes.of(self.a, self.b)
        sides = zip(("for", "against"), self.votes.strongest(self.a, self.b, most=most), strict=True)
        return {
            "class": self.a,
            "against": self.b,
            "n_rows": len(every),
            "shares": self.votes.shares(self.a, self.b),
            "strongest": {
                side: [
                    {
                        "part": "train",
                        "sample": int(i),
                        "row": int(self.index[i]),
                        "label": str(self.labels[i]),
                        "vote": float(every[i]),
                    }
                    for i in rows
                ]
                for side, rows in sides
            },
        }

    def save(self, path: str | os.PathLike[str], *, most: int = 20) -> Path:
        """Draw the strongest voters each way."""
        return self.display(most=most).save(path)

    def display(self, *, most: int = 20) -> "VotesDisplay":
        """Return the figure of the strongest voters each way."""
        from inklens.displays import VotesDisplay

        every, (pro, con) = self.votes.of(self.a, self.b), self.votes.strongest(self.a, self.b, most=most)
        return VotesDisplay(
            self.frame,
            name=self.name,
            images_for=self.images[pro],
            images_against=self.images[con],
            labels_for=self.labels[pro].tolist(),
            labels_against=self.labels[con].tolist(),
            votes_for=every[pro],
            votes_against=every[con],
            shares=self.votes.shares(self.a, self.b),
            n_samples=len(every),
        )


def poll(
    reader: DigitReader, frame: np.ndarray, a: str | None = None, b: str | None = None, *, data: str | None = None
) -> Poll:
    """Let the model's own training rows vote on a frame: for class a (by default the answer), or for a against b.

    Raises
    ------
    ParameterError, DataError
        The model has no L2 penalty, or `data` is not what it was fitted on.
    """
    _check_penalty(reader)
    session = Session.of(reader, data=data)
    session.require_rows_of_fit("only the rows of the fit vote, name them with --data")
    return vote(reader, session.split, frame, a, b, image_shape=session.dataset.image_shape)


def _check_penalty(reader: DigitReader) -> float:
    """Return the model's C where its training rows can vote."""
    record = reader.fit_record
    if record is None or not record.has_l2_only:
        settings = "unknown settings" if record is None else f"C={record.C:g}, l1_ratio={record.l1_ratio:g}"
        settings += ", standardised" if record is not None and record.standardize else ""
        raise ParameterError(
            "votes exist under an L2 penalty, where a score is a sum over the training rows; this model was fitted "
            f"with {settings}; fit one with --C 1"
        )
    if record.is_stretched:
        raise ParameterError(
            "votes are counted in plain ink, and this model was fitted on stretched pixels (--scale min-max); "
            "fit one with --scale 255"
        )
    return record.C


def vote(
    reader: DigitReader,
    rows: Split,
    frame: np.ndarray,
    a: str | None = None,
    b: str | None = None,
    *,
    image_shape: tuple[int, int],
) -> Poll:
    """Let the training rows of a split, those of the fit, vote on a frame; as `poll`."""
    votes = Voters(reader, rows.X_train, rows.y_train, C=_check_penalty(reader)).votes(frame)
    answer = reader.classes[int(votes.z.argmax())]
    votes.shares(a or answer, b)
    images = rows.X_train.reshape(-1, *image_shape)
    return Poll(frame, votes, a or answer, b, images, rows.y_train, rows.train_index)
