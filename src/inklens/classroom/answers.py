"""From a picture to its deliverables: what a student's side computes once, and a teacher's side computes again.

A frame is 28 x 28 whole numbers, uint8, 0 paper to 255 full ink; every number after it is computed from these, so that
a difference in the last digit of a recipe on another machine moves no score.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from inklens.classroom.work import (
    DRAWING,
    FRAME_SIDE,
    MAX_MODEL_BYTES,
    MAX_NOTE,
    MAX_STEPS,
    MAX_TITLE,
    DigitWork,
    ModelCard,
    StepNote,
    sha256,
)
from inklens.errors import DataError, PhotoError
from inklens.explanations import explain
from inklens.names import showable
from inklens.photos import Normalised, Normaliser, Picture, Step, decode
from inklens.photos.decode import Source
from inklens.photos.drawing import normalise_drawing
from inklens.reader import DigitReader

FULL = 255.0  # grey levels of full ink
STEP_SIDE = 280  # pixels of the longer side of a step's picture
DECIMALS = 9  # of the evidence of one pixel

# frame          (28, 28)             uint8
# contributions  (n_classes, 28, 28)  float64


@dataclass(frozen=True, eq=False)
class Framed:
    """A frame, the steps that led to it, and why it may not be a digit, in words."""

    frame: np.ndarray
    steps: tuple[Step, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of a frame, as numbers by class; the fields are those of `DigitWork`."""

    label: str
    against: str
    ink: Mapping[str, float]
    intercepts: Mapping[str, float]
    z: Mapping[str, float]
    probabilities: Mapping[str, float]
    contributions: Mapping[str, tuple[float, ...]]


def to_frame(picture: Picture | Source, *, recipe: str, settings: Mapping[str, object]) -> Framed:
    """Return the frame of a photo or a drawing by a recipe.

    Parameters
    ----------
    picture : Picture, path, bytes, ...
        The photo; a drawing is dark ink on white, and decoded pixels are taken as they are.
    recipe : {"faithful", "otsu", "tutorial", "drawing"}
    settings : dict
        Parameters of the `Normaliser` that are not the usual ones; a drawing has none.

    Raises
    ------
    PhotoError
        The picture cannot be decoded, or holds no ink.
    ParameterError
        A setting outside its range.
    """
    found = _drawn(picture) if recipe == DRAWING else _seen(picture, recipe, settings)
    frame = np.rint(found.frame * FULL).astype(np.uint8)
    if not frame.any():
        raise PhotoError("no ink was found on this picture; write with a dark pen on light paper", code="blank")
    return Framed(frame, found.steps[:MAX_STEPS], found.reasons)


def answer(reader: DigitReader, frame: np.ndarray) -> Answer:
    """Return the answer of a model to a frame (28, 28) of whole numbers, with its scores and its evidence.

    Examples
    --------
    >>> reader = DigitReader(np.eye(2, 784), np.array([0.5, 0.0]), ("0", "1"), (28, 28))
    >>> frame = np.zeros((28, 28), np.uint8)
    >>> frame[0, 0] = 255
    >>> found = answer(reader, frame)
    >>> found.label, found.ink["0"], found.intercepts["0"], found.z["0"]
    ('0', 1.0, 0.5, 1.5)
    """
    why = explain(reader, frame / FULL)
    z = reader.raw_prediction(why.frame)[0]
    ink = z - reader.intercept
    order = np.argsort(-z, kind="stable")
    maps = np.round(why.contributions.reshape(len(z), -1), DECIMALS) + 0.0  # no -0.0
    return Answer(
        label=reader.classes[int(order[0])],
        against=reader.classes[int(order[1])],
        ink=_by_class(reader, ink),
        intercepts=_by_class(reader, reader.intercept),
        z=_by_class(reader, z),
        probabilities=_by_class(reader, reader.predict_proba(why.frame)[0]),
        contributions={name: tuple(row.tolist()) for name, row in zip(reader.classes, maps, strict=True)},
    )


def deliver(digit: DigitWork, reader: DigitReader, framed: Framed) -> DigitWork:
    """Return a digit with all its deliverables that are computed: steps, frame, scores, probabilities, evidence."""
    said = answer(reader, framed.frame)
    return replace(
        digit,
        steps=tuple(StepNote(step.name, step.note[:MAX_NOTE]) for step in framed.steps),
        frame=tuple(framed.frame.ravel().tolist()),
        label=said.label,
        against=said.against,
        ink=said.ink,
        intercepts=said.intercepts,
        z=said.z,
        probabilities=said.probabilities,
        contributions=said.contributions,
    )


def handed_model(reader: DigitReader) -> bytes:
    """Return `model.inklens` as it travels: without its proof, which grows with the rows of the fit.

    The same model gives the same bytes wherever it is written, so that its checksum says which one it is.

    Raises
    ------
    DataError
        The model is not for digits of 28 x 28 pixels, or too large to be handed in.
    """
    if reader.image_shape != (FRAME_SIDE, FRAME_SIDE):
        rows, cols = reader.image_shape
        raise DataError(f"homework needs a model of 28 x 28 pixels, and this one takes {rows} x {cols}")
    data = replace(reader, dual=None, settings={}).to_bytes()
    if len(data) > MAX_MODEL_BYTES:
        raise DataError(f"this model has {len(data):,} bytes, more than the {MAX_MODEL_BYTES:,} that can be handed in")
    return data


def model_card(reader: DigitReader) -> ModelCard:
    """Return what `work.json` says of a model."""
    data, fit = reader.data_record, reader.fit_record
    words = [f"{len(reader.classes)} classes on {reader.features}"]
    words += [] if data.name is None else [f"of {data.name}"]
    words += [] if fit is None or not fit.is_penalised else [f"C={fit.C:g}, l1_ratio={fit.l1_ratio:g}"]
    title = ", ".join([" ".join(words[:2]), *words[2:]]) if data.name else ", ".join(words)
    return ModelCard(sha256(handed_model(reader)), showable(title)[:MAX_TITLE], reader.classes, reader.features)


def step_png(step: Step) -> bytes:
    """Return a step's picture as a grey PNG of at most `STEP_SIDE` pixels a side."""
    return png(step_levels(step))


def step_levels(step: Step) -> np.ndarray:
    """Return the grey levels of a step's picture, uint8, areas averaged where it is large."""
    gray = Image.fromarray(np.rint(np.clip(step.picture, 0.0, 1.0) * FULL).astype(np.uint8))
    gray.thumbnail((STEP_SIDE, STEP_SIDE), Image.Resampling.BOX)
    return np.asarray(gray)


def png(levels: np.ndarray) -> bytes:
    """Return grey levels as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def frame_of(levels: Sequence[int]) -> np.ndarray:
    """Return the 784 whole numbers of `work.json` as a frame."""
    return np.array(levels, np.uint8).reshape(FRAME_SIDE, FRAME_SIDE)


def ink_changed(first: Sequence[int], second: Sequence[int]) -> float:
    """Return by how much ink two frames differ, in full pixels, after the second is moved by up to one pixel.

    A photo that is only stored anew may come to lie one pixel beside its place, where its centre of mass is a tie.

    >>> bare, marked = [0] * 784, [0] * 400 + [255, 51] + [0] * 382
    >>> ink_changed(bare, marked)
    1.2
    """
    still, moved = frame_of(first).astype(int), np.pad(frame_of(second).astype(int), 1)
    offsets = [(row, col) for row in range(3) for col in range(3)]
    changes = [np.abs(still - moved[row : row + FRAME_SIDE, col : col + FRAME_SIDE]).sum() for row, col in offsets]
    return float(min(changes) / FULL)


def _seen(picture: Picture | Source, recipe: str, settings: Mapping[str, object]) -> Normalised:
    return Normaliser(recipe=recipe).set_params(**settings).normalise(picture)


def _drawn(picture: Picture | Source) -> Normalised:
    seen = picture if isinstance(picture, Picture) else decode(picture)
    return normalise_drawing(np.clip(1.0 - seen.gray, 0.0, 1.0))


def _by_class(reader: DigitReader, values: np.ndarray) -> dict[str, float]:
    return dict(zip(reader.classes, values.tolist(), strict=True))
