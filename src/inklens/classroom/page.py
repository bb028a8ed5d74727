"""The page of a homework: seven deliverables of two digits, to be read and printed; it needs nothing beside it."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inklens import __version__
from inklens.classroom.answers import FULL, Framed, frame_of, png, step_levels
from inklens.classroom.gaps import check
from inklens.classroom.pictures import preview
from inklens.classroom.texts import QUESTIONS
from inklens.classroom.work import CLAIMS, FRAME_SIDE, DigitWork, Work
from inklens.explanations import Evidence, explain
from inklens.pages import Chapter, render
from inklens.reader import DigitReader
from inklens.reprs import Tile, map_scale, map_tile

PHOTO_SIDE = 720  # pixels of the photo on the page
STRONGEST = 5  # pixels whose part in the score is written out
NEARLY_WHITE = 1e-12  # stands for the exact zeros of bare paper, which a map of coefficients would draw black
BAR = 160  # units of a bar's picture for a probability of 1


@dataclass(frozen=True)
class Shown:
    """A picture within the page: its address, its words for those who do not see it, its caption."""

    src: str
    alt: str
    caption: str = ""
    note: str = ""


@dataclass(frozen=True)
class Line:
    """One class in the table of scores; `bar` is the length of its probability."""

    name: str
    ink: float
    intercept: float
    z: float
    probability: float
    bar: float
    marks: str


@dataclass(frozen=True)
class Product:
    """One pixel's part in a score: x, w and their product."""

    row: int
    col: int
    x: float
    w: float

    @property
    def adds(self) -> float:
        """What it adds."""
        return self.x * self.w


class DigitPage:
    """What the page says of one digit."""

    def __init__(self, number: int, digit: DigitWork, reader: DigitReader, photo: bytes, framed: Framed) -> None:
        self.number, self.digit, self.reader, self.photo, self.framed = number, digit, reader, photo, framed

    @cached_property
    def given(self) -> Shown:
        """The picture as it was given."""
        small, (width, height) = preview(self.photo, PHOTO_SIDE)
        kilobytes = len(self.photo) / 1000
        size = f"{width:,} × {height:,} pixels, {kilobytes:,.{0 if kilobytes >= 10 else 1}f} kB"
        what = "The drawing" if self.digit.source == "drawing" else f"The photo “{self.digit.given_name}”"
        return Shown(_address(small, "jpeg"), f"digit {self.number} as it was given", f"{what}, {size}.")

    @cached_property
    def steps(self) -> list[Shown]:
        """What each step of the recipe made."""
        return [
            Shown(_address(png(step_levels(step))), f"after step {i}: {note.name}", note.name, note.note)
            for i, (step, note) in enumerate(zip(self.framed.steps, self.digit.steps, strict=True), 1)
        ]

    @cached_property
    def frame(self) -> Shown:
        """What the model sees."""
        levels = frame_of(self.digit.frame)
        inked = int((levels > 0).sum())
        return Shown(
            _address(png(levels)),
            f"the frame of digit {self.number}, 28 by 28 pixels, light ink on black",
            f"28 × 28 pixels, {inked} of them with ink; together {levels.sum() / FULL:.1f} full pixels of ink.",
        )

    @cached_property
    def lines(self) -> list[Line]:
        """The table of scores and probabilities."""
        d = self.digit
        return [
            Line(c, d.ink[c], d.intercepts[c], d.z[c], d.probabilities[c], BAR * d.probabilities[c], self._marks(c))
            for c in self.reader.classes
        ]

    @cached_property
    def products(self) -> list[Product]:
        """The pixels that matter most to the answer's score; none where the model is not fed with pixels."""
        if self.reader.features != "pixels":
            return []
        x = np.array(self.digit.frame) / FULL
        w = self.reader.coef[self.reader.classes.index(self.digit.label)]
        order = np.argsort(-np.abs(w * x), kind="stable")[:STRONGEST]
        return [Product(int(k) // FRAME_SIDE + 1, int(k) % FRAME_SIDE + 1, float(x[k]), float(w[k])) for k in order]

    @property
    def rest(self) -> float:
        """What all other pixels add to the answer's score."""
        return self.digit.ink[self.digit.label] - sum(product.adds for product in self.products)

    @property
    def n_inked(self) -> int:
        """Pixels with ink."""
        return sum(level > 0 for level in self.digit.frame)

    @cached_property
    def why(self) -> Evidence:
        """The evidence."""
        return explain(self.reader, frame_of(self.digit.frame) / FULL)

    @cached_property
    def reasons(self) -> list[str]:
        """The evidence in words: why the answer and not the runner-up."""
        found = self.why.in_words(self.digit.label, self.digit.against, most=3)
        return [f"{words[0].upper()}{words[1:]}." for words in found]

    @cached_property
    def contributions(self) -> list[Shown]:
        """What each pixel adds to each class, on one scale."""
        maps = np.array([self.digit.contributions[c] for c in self.reader.classes]).reshape(-1, FRAME_SIDE, FRAME_SIDE)
        scale = map_scale(maps)
        return [
            _map(values, scale, f"evidence for class {c}, which sums to {self.digit.ink[c]:.2f}", c, self._score(c))
            for c, values in zip(self.reader.classes, maps, strict=True)
        ]

    @cached_property
    def coefficients(self) -> list[Shown]:
        """The model's weights as maps; none where it is not fed with pixels."""
        if self.reader.features != "pixels":
            return []
        maps = self.reader.coef.reshape(-1, FRAME_SIDE, FRAME_SIDE)
        scale = map_scale(maps)
        return [
            _shown(map_tile(values, c, scale=scale, alt=f"coefficients of class {c}"))
            for c, values in zip(self.reader.classes, maps, strict=True)
        ]

    @cached_property
    def between(self) -> Shown:
        """What speaks for the answer, and what for the runner-up."""
        a, b = self.digit.label, self.digit.against
        values = self.why.between(a, b)
        return _map(values, map_scale(values), f"evidence for {a} against {b}", f"{a}, not {b}")

    @property
    def paragraphs(self) -> list[str]:
        """The student's words."""
        return [part.strip() for part in re.split(r"\n\s*\n", self.digit.text) if part.strip()]

    @property
    def question(self) -> str:
        """What was asked."""
        return QUESTIONS[self.number - 1]

    def _score(self, name: str) -> str:
        return f"{self.digit.z[name]:.2f}".replace("-", "−")

    def _marks(self, name: str) -> str:
        said = {"answer": self.digit.label, "meant": self.digit.meant, "guess": self.digit.guess}
        return ", ".join(what for what, of in said.items() if of == name)


def page(work: Work, *, reader: DigitReader, photos: Mapping[int, bytes], framed: Mapping[int, Framed]) -> str:
    """Return the page of a homework as one HTML file.

    Parameters
    ----------
    work : Work
        In progress or complete.
    reader : DigitReader
        The model that answered.
    photos, framed : dict by number of the digit
        The pictures as they are handed in, and the steps to their frames.
    """
    digits = [DigitPage(number, digit, reader, photos[number], framed[number]) for number, digit in work.numbered]
    chapters = [Chapter(f"digit-{shown.number}", _title(shown), "classroom/digit.html") for shown in digits]
    context = {
        "title": f"{work.assignment}: {work.name or 'homework'}",
        "heading": work.assignment,
        "description": f"Homework of {work.name}" if work.name else "Homework",
        "version": __version__,
        "work": work,
        "pages": {f"digit-{shown.number}": shown for shown in digits},
        "missing": check(work).missing,
        "unit": BAR,
    }
    return render("classroom/homework.html", chapters=chapters, context=context, package="inklens.classroom")


def _title(shown: DigitPage) -> str:
    right = shown.digit.outcome == CLAIMS[0]
    return f"Digit {shown.number}, {'read right' if right else f'read as {shown.digit.label}'}"


def _map(values: np.ndarray, scale: float, alt: str, caption: str, note: str = "") -> Shown:
    seen = np.where(values == 0.0, NEARLY_WHITE, values)
    return _shown(map_tile(seen, caption, scale=scale, alt=alt), note)


def _shown(tile: Tile, note: str = "") -> Shown:
    return Shown(_address(tile.png), tile.alt, tile.caption, note)


def _address(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
