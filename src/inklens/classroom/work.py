"""What is handed in: a person's two digits with seven deliverables each, and the file format ``.inkwork``.

A ``.inkwork`` is a ZIP with these members, in this order, and no others::

    work.json                 everything in numbers and words (schema "inklens-work/1")
    model.inklens             the model that answered, without its proof
    photo-1.*  photo-2.*      the pictures as they were given
    frames/1.png  ...2.png    what the model saw, 28 x 28 grey levels, ink light
    steps/1-1.png ...         what each step of the recipe made, in order, at most 9 a digit
    page.html                 the same to read and to print; a check never opens it

The seven deliverables of a digit, and where they stand in ``work.json``:

    photo           file, sha256              the picture as it was given
    steps           steps                     how it became a frame
    frame           frame                     28 x 28 whole numbers, 0 paper to 255 full ink
    scores          ink, intercepts, z        by hand: z_k = <w_k, x> + b_k
    probabilities   probabilities, label      softmax of the scores, and the answer
    evidence        against, contributions    what each pixel adds to each score
    explanation     text                      why, in the student's words

All numbers are computed from the whole numbers of the frame, x = frame / 255, so that they can be computed again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Self

from inklens.classroom.fields import Fields, plain_settings
from inklens.errors import DataError
from inklens.names import unshowable
from inklens.strict_json import JsonError, parse

SCHEMA = "inklens-work/1"
SUFFIX = ".inkwork"
ASSIGNMENT = "Try your own image"  # the tutorial's heading

MAX_BYTES = 2_000_000  # of the file
MAX_PHOTO_BYTES = 700_000  # of each picture as given: two and all else fit the file
MAX_TITLE = 200  # characters: the longest title that a model gets here has some 90
MAX_JSON_BYTES = 1_000_000  # of work.json; ten classes take some 60 kB
MAX_MODEL_BYTES = 450_000  # 62 classes on pixels take 389 kB
MAX_STEPS = 9
MAX_TEXT = 8_000  # characters of an explanation
MAX_NAME = 80
MAX_CLASSES = 62  # letters and digits
MAX_LABEL = 64
MAX_NOTE = 300

FRAME_SIDE = 28
FRAME_PIXELS = FRAME_SIDE**2
PHOTO_KINDS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}  # what any browser shows, and its suffix
SOURCES = ("photo", "drawing")
DRAWING = "drawing"  # recipe of a drawing, where nothing but ink has to be found
RECIPES = ("faithful", "otsu", "tutorial", DRAWING)
CLAIMS = ("read right", "misread")
DELIVERABLES = ("photo", "steps", "frame", "scores", "probabilities", "evidence", "explanation")

# settings of a `Normaliser` that a recipe may have, with the types that JSON gives them
SETTINGS: Mapping[str, tuple[type, ...]] = {
    "pixel_filter": (int, float),
    "polarity": (str,),
    "threshold": (float,),
    "lines": (bool,),
    "pen": (str, float, type(None)),
    "centre": (bool, type(None)),
}


@dataclass(frozen=True)
class ModelCard:
    """Which model answered: the checksum of `model.inklens`, a title for people, its classes and features."""

    sha256: str
    title: str
    classes: tuple[str, ...]
    features: str

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {"sha256": self.sha256, "title": self.title, "classes": list(self.classes), "features": self.features}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the card that JSON holds; `DataError` says what is wrong with it."""
        given = Fields(value, "work.json, model")
        sha256, title = _checksum(given), given.text("title", most=MAX_TITLE)
        named = given.list("classes")
        classes = tuple(
            name for name in named if isinstance(name, str) and 0 < len(name) <= MAX_LABEL and not unshowable(name)
        )
        if not 2 <= len(classes) <= MAX_CLASSES or len(set(classes)) < len(named):
            raise given.wrong(f"expected the names of 2 to {MAX_CLASSES} classes, each once")
        card = cls(sha256, title, classes, given.choice("features", ("pixels", "upright", "strokes")))
        given.end()
        return card


@dataclass(frozen=True)
class StepNote:
    """One step of the recipe: its name and a note; its picture is the member `steps/DIGIT-NUMBER.png`."""

    name: str
    note: str

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {"name": self.name, "note": self.note}

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Return the step that JSON holds."""
        given = Fields(value, where)
        step = cls(given.text("name", most=MAX_NAME), given.text("note", most=MAX_NOTE))
        given.end()
        return step


@dataclass(frozen=True)
class DigitWork:
    """One digit with its deliverables.

    Parameters
    ----------
    source : {"photo", "drawing"}
    file : str
        Member that holds the picture as given, such as ``photo-1.jpg``.
    given_name : str
        What the student's file was called.
    sha256 : str
        Of the picture's bytes.
    recipe, settings
        How it became a frame, and which settings of the recipe were not the usual ones.
    meant : str or None
        The class that it was meant to be; None while that is not said.
    guess : str or None
        What the student expected the model to answer, before it did.
    claim : {"read right", "misread"} or None
        What the student says the model does with it; None while that is not said.
    steps : tuple of StepNote
    frame : tuple of int (784,)
        Rows from top to bottom, 0 paper to 255 full ink.
    label : str
        The model's answer.
    against : str
        The runner-up, with which the evidence is compared.
    ink, intercepts, z, probabilities : dict of class to float
        <w_k, x> or what stands for it on other features, b_k, their sum, and softmax of that.
    contributions : dict of class to tuple of float (784,)
        What each pixel adds to z_k; sums to ``ink``.
    text : str
        Why, in the student's words.
    """

    source: str
    file: str
    given_name: str
    sha256: str
    recipe: str
    settings: Mapping[str, object]
    meant: str | None = None
    guess: str | None = None
    claim: str | None = None
    steps: tuple[StepNote, ...] = ()
    frame: tuple[int, ...] = ()
    label: str = ""
    against: str = ""
    ink: Mapping[str, float] = field(default_factory=dict)
    intercepts: Mapping[str, float] = field(default_factory=dict)
    z: Mapping[str, float] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    contributions: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    text: str = ""

    @property
    def outcome(self) -> str | None:
        """What the model does with it, "read right" or "misread"; None while nobody said what it was meant to be."""
        return None if self.meant is None else CLAIMS[self.label != self.meant]

    def to_json(self) -> dict[str, object]:
        """Return plain values, in the order of the fields."""
        plain: dict[str, object] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        plain["settings"] = dict(self.settings)
        plain["steps"] = [step.to_json() for step in self.steps]
        plain["frame"] = list(self.frame)
        for name in ("ink", "intercepts", "z", "probabilities"):
            plain[name] = dict(getattr(self, name))
        plain["contributions"] = {name: list(row) for name, row in self.contributions.items()}
        return plain

    @classmethod
    def from_json(cls, value: object, *, number: int, classes: tuple[str, ...]) -> Self:
        """Return the digit that JSON holds; `DataError` says what is wrong with it."""
        given = Fields(value, f"work.json, digit {number}")
        steps = given.list("steps")
        if not 1 <= len(steps) <= MAX_STEPS:
            raise given.wrong(f"expected 1 to {MAX_STEPS} steps, got {len(steps)}")
        digit = cls(
            source=given.choice("source", SOURCES),
            file=given.choice("file", tuple(f"photo-{number}.{suffix}" for suffix in PHOTO_KINDS.values())),
            given_name=given.text("given_name", most=MAX_NOTE),
            sha256=_checksum(given),
            recipe=given.choice("recipe", RECIPES),
            settings=plain_settings(given, "settings", SETTINGS),
            meant=given.answer("meant", most=MAX_LABEL),
            guess=given.answer("guess", most=MAX_LABEL),
            claim=given.answer("claim", most=MAX_LABEL),
            steps=tuple(StepNote.from_json(step, f"{given.where}, step {i}") for i, step in enumerate(steps, 1)),
            frame=given.integers("frame", n=FRAME_PIXELS, most=255),
            label=given.choice("label", classes),
            against=given.choice("against", classes),
            ink=given.numbers("ink", names=classes),
            intercepts=given.numbers("intercepts", names=classes),
            z=given.numbers("z", names=classes),
            probabilities=given.numbers("probabilities", names=classes),
            contributions=given.maps("contributions", names=classes, n=FRAME_PIXELS),
            text=given.text("text", most=MAX_TEXT, lines=True),
        )
        if digit.claim not in (*CLAIMS, None):
            raise given.wrong(f"expected one of {', '.join(CLAIMS)} for 'claim'")
        if (digit.recipe == DRAWING) != (digit.source == "drawing"):
            raise given.wrong(f"a {digit.source} by the recipe {digit.recipe!r} does not go together")
        given.end()
        return digit


@dataclass(frozen=True)
class Work:
    """A homework: in progress, where a digit may still be missing (None), or as it was handed in.

    Parameters
    ----------
    assignment, name : str
        What was asked, and whose work it is.
    inklens : str
        The version that computed the numbers.
    model : ModelCard
    digits : (DigitWork or None, DigitWork or None)
    """

    assignment: str
    name: str
    inklens: str
    model: ModelCard
    digits: tuple[DigitWork | None, DigitWork | None] = (None, None)

    def with_digit(self, number: int, digit: DigitWork) -> "Work":
        """Return the same work with digit 1 or 2 put in."""
        first, second = self.digits
        return replace(self, digits=(digit, second) if number == 1 else (first, digit))

    @property
    def numbered(self) -> list[tuple[int, DigitWork]]:
        """The digits that are there, each with its number."""
        return [(number, digit) for number, digit in enumerate(self.digits, 1) if digit is not None]

    @property
    def members(self) -> list[str]:
        """Names of the archive's members, in their order."""
        return [
            "work.json",
            "model.inklens",
            *(digit.file for _, digit in self.numbered),
            *(frame_member(number) for number, _ in self.numbered),
            *(step_member(number, i) for number, digit in self.numbered for i in range(1, len(digit.steps) + 1)),
            "page.html",
        ]

    def to_json(self) -> dict[str, object]:
        """Return the document of ``work.json``."""
        return {
            "schema": SCHEMA,
            "inklens": self.inklens,
            "assignment": self.assignment,
            "name": self.name,
            "model": self.model.to_json(),
            "digits": [None if digit is None else digit.to_json() for digit in self.digits],
        }

    def to_bytes(self) -> bytes:
        """Return ``work.json``; the same work gives the same bytes."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the work that JSON holds.

        Raises
        ------
        DataError
            A field is missing, unknown, of the wrong type or out of range.
        """
        given = Fields(value, "work.json")
        schema = given.text("schema", most=MAX_NAME)
        if schema != SCHEMA:
            raise DataError(
                f"work.json has the schema {schema!r}, expected {SCHEMA!r}; update inklens, or make it again"
            )
        version = given.text("inklens", most=MAX_NAME)
        assignment, name = given.text("assignment", most=MAX_NOTE), given.text("name", most=MAX_NAME)
        model = ModelCard.from_json(given.take("model"))
        digits = given.list("digits")
        if len(digits) != 2:
            raise given.wrong(f"expected two digits, got {len(digits)}")
        first, second = (
            None if digit is None else DigitWork.from_json(digit, number=number, classes=model.classes)
            for number, digit in enumerate(digits, 1)
        )
        given.end()
        return cls(assignment, name, version, model, (first, second))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read ``work.json``; as `from_json`."""
        if len(data) > MAX_JSON_BYTES:
            raise DataError(f"work.json has {len(data):,} bytes, more than the {MAX_JSON_BYTES:,} that it may have")
        try:
            value = parse(data)
        except JsonError as error:
            raise DataError(f"work.json is damaged: {error}; make the hand-in again") from error
        return cls.from_json(value)


def frame_member(number: int) -> str:
    """Return where the frame of digit 1 or 2 is kept.

    >>> frame_member(1)
    'frames/1.png'
    """
    return f"frames/{number}.png"


def step_member(number: int, step: int | str) -> str:
    """Return where the picture of a step is kept, the first being 1; "*" stands for any.

    >>> step_member(2, 1)
    'steps/2-1.png'
    """
    return f"steps/{number}-{step}.png"


def sha256(data: bytes) -> str:
    """Return a checksum as it stands in ``work.json``."""
    return hashlib.sha256(data).hexdigest()


def _checksum(given: Fields) -> str:
    text = given.text("sha256", most=64)
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise given.wrong("expected 64 hexadecimal digits for 'sha256'")
    return text
