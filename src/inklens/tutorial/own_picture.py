"""The reader's own picture, or one made from a held-out image: both recipes, and what would change the answer."""

import base64
import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from inklens.datasets import Dataset, Split
from inklens.displays import FlipDisplay
from inklens.displays.estimators import LinearClassifier, LinearWeights
from inklens.displays.numbers import percent
from inklens.errors import NoFlipError, PhotoError
from inklens.explanations import Flip
from inklens.photos import Picture, decode, normalise
from inklens.photos.checks import reasons_for
from inklens.photos.decode import read_bytes
from inklens.photos.normalise import Step
from inklens.reader import DigitReader
from inklens.tasks.explaining import flip_frame, stroke_frame
from inklens.tasks.model_rows import scale_pixels
from inklens.tasks.reading import refusal
from inklens.tutorial.paper import paper_photo

CHANNELS = {
    "1": "one bit, black or white",
    "L": "one number, its grey level",
    "LA": "two numbers, grey level and opacity",
    "P": "one number, its colour in a list",
    "RGB": "three numbers: red, green and blue",
    "RGBA": "four numbers: red, green, blue and opacity",
    "CMYK": "four numbers, one a printing ink",
}
THUMBNAIL = 280  # pixels
PICTURE = "picture"  # the name of its file beside the page, before the suffix
PEN = 2.0  # pixels; about as thick as MNIST's lines
MARGIN = 0.5  # log-odds by which the new answer must lead the next best class
RECIPES = {"tutorial": "the tutorial's recipe", "faithful": "the faithful recipe"}


@dataclass(frozen=True, eq=False)
class RecipeReading:
    """What one recipe made of a picture, and what the model says after each step that has the model's shape."""

    recipe: str
    title: str
    steps: tuple[Step, ...]
    answers: list[str | None]
    frame: np.ndarray
    proba: np.ndarray
    label: str
    reasons: tuple[str, ...]

    @property
    def probability(self) -> float:
        """Probability of the answer."""
        return float(self.proba.max())


@dataclass(frozen=True, eq=False)
class UserPicture:
    """The reader's picture, or one that was made from a held-out image.

    `shape` is (rows, cols) of the picture as given; `readings` are by recipe; `refusal` says why a reading is missing;
    `file` are name and bytes of the picture, `seen` its grey levels as decoded, (rows, cols) in [0, 1].
    """

    origin: str
    made: bool
    truth: str | None
    shape: tuple[int, int]
    file: tuple[str, bytes]
    seen: np.ndarray
    readings: dict[str, RecipeReading]
    refusal: str = ""

    @property
    def best(self) -> RecipeReading | None:
        """The reading after the recipe that treats the picture as the training images were treated, if there is one."""
        return self.readings.get("faithful") or next(iter(self.readings.values()), None)

    @property
    def channels(self) -> str:
        """How the file stores a pixel, in words; nothing where only the decoder knows."""
        try:
            with Image.open(io.BytesIO(self.file[1])) as image:
                return CHANNELS.get(image.mode, "")
        except OSError:
            return ""

    @property
    def thumbnail(self) -> str:
        """The picture as decoded, at most `THUMBNAIL` pixels a side, as the address of an image within the page."""
        step = math.ceil(max(self.seen.shape) / THUMBNAIL)
        gray = np.rint(255 * np.clip(self.seen[::step, ::step], 0, 1)).astype(np.uint8)
        return "data:image/png;base64," + base64.b64encode(_png(gray)).decode("ascii")

    @property
    def frame(self) -> np.ndarray | None:
        """What the model was given, (rows, cols)."""
        return self.best.frame if self.best else None

    def in_words(self) -> list[str]:
        """Say what each recipe led to."""
        said = [
            f"{self.origin} after {r.title}: {f'not sure, {r.reasons[0]}: ' if r.reasons else ''}{r.label} with "
            f"{percent(r.probability)}"
            for r in self.readings.values()
        ]
        return [*said, *([f"{self.origin}: {self.refusal}"] if self.refusal else [])]

    def to_json(self) -> dict[str, object]:
        """Return the answers."""
        return {
            "origin": self.origin,
            "truth": self.truth,
            "refusal": self.refusal,
            "readings": {
                name: {"label": reading.label, "probability": reading.probability, "reasons": list(reading.reasons)}
                for name, reading in self.readings.items()
            },
        }


class Photo(NamedTuple):
    """The reader's photo: its name, its bytes, and what was decoded of them."""

    name: str
    data: bytes
    picture: Picture


def open_photo(photo: str | os.PathLike[str] | None, *, classes: Iterable[str], anyway: bool = False) -> Photo | None:
    """Return the reader's photo; before any long work, so that a bad file is said at once.

    Raises
    ------
    PhotoError
        The file is no picture that can be read, or holds no digit and is not taken `anyway`; the text names it.
    """
    if photo is None:
        return None
    try:
        data = read_bytes(photo)
        picture = decode(data)
        reasons = () if anyway else reasons_for(classes, normalise(picture).reasons)
        if reasons:
            raise PhotoError(refusal(reasons), code="refused")
    except PhotoError as error:
        raise PhotoError(f"{os.fspath(photo)!r}: {error}", code=error.code) from error
    return Photo(Path(photo).name, data, picture)


def read_own(
    model: LinearClassifier,
    dataset: Dataset,
    rows: Split,
    *,
    picture: Photo | None,
    pixel_filter: float,
    truth: str | None = None,
) -> UserPicture:
    """Read the given picture by both recipes, or one made from a test image that the model reads rightly.

    `truth` is the class that the given picture was meant to be, if that was said.
    """
    if picture is None:
        number = _readable_image(model, rows)
        truth = str(rows.y_test[number])
        frame = scale_pixels(rows.X_test[number]).reshape(dataset.image_shape)
        made = _png(paper_photo(frame))
        name, pixels, file = f"test row {number}, class {truth}", decode(made), (f"{PICTURE}.png", made)
    else:
        name, data, pixels = picture
        file = f"{PICTURE}{Path(name).suffix.lower()}", data
    width, height = pixels.size
    own = partial(UserPicture, name, picture is None, truth, (height, width), file, pixels.gray)
    if dataset.image_shape != (28, 28):
        return own({}, "the recipes make frames of 28 x 28 pixels, and these images have another size")
    readings, refusal = {}, ""
    for recipe in RECIPES:
        try:
            readings[recipe] = _read_with(recipe, model, pixels, pixel_filter)
        except PhotoError as error:
            refusal = f"after {RECIPES[recipe]}: {error}"
    return own(readings, refusal)


def _png(gray: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG", optimize=True)
    return file.getvalue()


def _readable_image(model: LinearClassifier, rows: Split) -> int:
    """Choose the first test image that is read rightly and surely, else the surest."""
    proba = model.predict_proba(scale_pixels(rows.X_test))
    right = model.classes_[proba.argmax(axis=1)] == rows.y_test
    sure = np.flatnonzero(right & (proba.max(axis=1) > 0.9))
    return int(sure[0]) if len(sure) else int(np.where(right, proba.max(axis=1), 0).argmax())


def _read_with(recipe: str, model: LinearClassifier, picture: Picture, pixel_filter: float) -> RecipeReading:
    made = normalise(picture, recipe=recipe, pixel_filter=pixel_filter)
    proba = model.predict_proba(made.frame.reshape(1, -1))[0]
    return RecipeReading(
        recipe=recipe,
        title=RECIPES[recipe],
        steps=tuple(made.steps),
        answers=[_answer(model, step.picture, made.frame.shape) for step in made.steps],
        frame=made.frame,
        proba=proba,
        label=str(model.classes_[proba.argmax()]),
        reasons=tuple(made.reasons),
    )


def _answer(model: LinearClassifier, picture: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """What the model says of a step's picture, if it has the size of a frame."""
    if picture.shape != shape:
        return None
    proba = model.predict_proba(np.clip(picture, 0, 1).reshape(1, -1))[0]
    return f"{model.classes_[proba.argmax()]}: {percent(float(proba.max()))}"


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """What would change an answer: the least ink of all, and one stroke of a pen; None where nothing does it."""

    least: Flip | None
    stroke: Flip | None

    @property
    def odds(self) -> float:
        """How many times as probable as any other class the new answer is, at least."""
        return math.exp(MARGIN)

    @property
    def displays(self) -> dict[str, FlipDisplay]:
        """One figure for each change that was found."""
        titles = {"least": None, "stroke": f"One straight stroke of a pen {PEN:g} pixels wide"}
        found = {name: getattr(self, name) for name in titles}
        return {name: FlipDisplay.from_flip(flip, title=titles[name]) for name, flip in found.items() if flip}

    def to_json(self) -> dict[str, object]:
        """Return the sizes of both."""
        names = ("source", "target", "added", "erased", "ink_changed", "lower_bound", "optimal", "pixels_changed")
        return {
            kind: None if flip is None else {name: _plain(getattr(flip, name)) for name in names}
            for kind, flip in (("least", self.least), ("stroke", self.stroke))
        }


def counterfactuals(model: LinearWeights, frame: np.ndarray) -> Counterfactuals:
    """Find the smallest change of a frame, and the smallest single stroke, that make the model answer otherwise."""
    reader = DigitReader.from_estimator(model, image_shape=frame.shape)
    try:
        least = flip_frame(reader, frame, margin=MARGIN)[0]
    except NoFlipError:
        return Counterfactuals(None, None)
    try:
        return Counterfactuals(least, stroke_frame(reader, frame, width=PEN, margin=MARGIN)[0])
    except NoFlipError:
        return Counterfactuals(least, None)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
