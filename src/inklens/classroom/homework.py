"""The student's half: a homework that grows in a folder, says what is missing, and becomes one file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inklens import __version__
from inklens.classroom.answers import (
    Framed,
    deliver,
    frame_of,
    handed_model,
    model_card,
    png,
    step_png,
    to_frame,
)
from inklens.classroom.archive import MEMBERS
from inklens.classroom.bundle import pack
from inklens.classroom.gaps import Check, check
from inklens.classroom.page import page
from inklens.classroom.pictures import Kept, keep, keep_drawing
from inklens.classroom.plain import read_plain
from inklens.classroom.texts import ANSWERS, blank_answers, read_answers
from inklens.classroom.work import (
    ASSIGNMENT,
    CLAIMS,
    DRAWING,
    MAX_BYTES,
    MAX_JSON_BYTES,
    MAX_LABEL,
    MAX_NAME,
    MAX_NOTE,
    SETTINGS,
    DigitWork,
    Work,
    frame_member,
    sha256,
    step_member,
)
from inklens.errors import DataError, ParameterError
from inklens.names import showable
from inklens.photos.decode import read_bytes
from inklens.reader import DigitReader
from inklens.reprs import Card, Shown, ink_tile
from inklens.storage import holds, remove, write_bytes, write_inside

WORK, MODEL, PAGE = "work.json", "model.inklens", "page.html"
OWN = {name.split("/")[0] for name in MEMBERS} | {ANSWERS}  # what lies in a homework's folder
Photo = str | os.PathLike[str] | bytes


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture that has become a frame, before anybody saw the answer."""

    kept: Kept
    given_name: str
    source: str
    recipe: str
    settings: Mapping[str, object]
    framed: Framed

    @property
    def sha256(self) -> str:
        """Checksum of the picture as it is kept."""
        return sha256(self.kept.data)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it."""
        return (*self.kept.notes, *(f"not sure that this is a digit: {reason}" for reason in self.framed.reasons))


class Homework(Shown):
    """Two digits of one's own and why a model answers what it answers, in a folder that can be left and opened again.

    Parameters
    ----------
    folder : path
        A new or empty one, or one with a homework in progress; nothing is written before a digit is put in.
    name : str, optional
        Whose homework it is.
    model : DigitReader or path, optional
        The class's model; by default the folder's, else the reader that ships.
    assignment : str, optional
        What was asked, as the page's heading says it.

    Attributes
    ----------
    work : Work
        All that is known so far.
    reader : DigitReader
        The model that answers.

    Raises
    ------
    DataError, ModelFileError
        The folder holds other files, or a damaged homework or model.

    Examples
    --------
    >>> import tempfile
    >>> from inklens.datasets import load_dataset
    >>> digits = load_dataset("embedded")
    >>> four = digits.X[digits.y == "4"][0].reshape(28, 28) / 255
    >>> homework = Homework(tempfile.mkdtemp(), name="Ada")
    >>> homework.put(1, drawing=four, meant="4", guess="4").label
    '4'
    >>> homework.check().missing[0].words
    'digit 1: the explanation is missing; write a few sentences under its heading in answers.md'
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        model: DigitReader | str | os.PathLike[str] | None = None,
        assignment: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        there = self._opened()
        self.reader = self._reader(model, there)
        self._framed: dict[int, Framed] = {}
        work = there or Work(ASSIGNMENT, "", __version__, model_card(self.reader))
        self.work = replace(
            work,
            name=work.name if name is None else _line(name, "name", MAX_NAME),
            assignment=work.assignment if assignment is None else _line(assignment, "assignment", MAX_NOTE),
        )
        self._recompute()

    def sign(self, name: str) -> None:
        """Say whose homework it is."""
        self.work = replace(self.work, name=_line(name, "name", MAX_NAME))

    # ------------------------------------------------------------------ digits

    def prepare(
        self,
        photo: Photo | None = None,
        *,
        drawing: np.ndarray | None = None,
        recipe: str | None = None,
        **settings: object,
    ) -> Prepared:
        """Return what a picture becomes before the model is asked: its frame, and the steps to it.

        Parameters
        ----------
        photo : path or bytes, optional
            A photo or scan.
        drawing : array (rows, cols), optional
            Ink from 0 to 1 instead of a photo.
        recipe : {"faithful", "otsu", "tutorial"}, optional
            How a photo becomes a frame; by default the model's own way.
        **settings
            Parameters of the `Normaliser` that are not the usual ones.

        Raises
        ------
        PhotoError, ParameterError, DataError
            The picture cannot be read or holds no ink, or a setting is out of range.
        """
        if (photo is None) == (drawing is None):
            raise ParameterError("give a photo or a drawing, one of them")
        if drawing is not None:
            if recipe is not None or settings:
                raise ParameterError(
                    "a drawing needs no recipe, as nothing but ink is on it; leave recipe and settings out"
                )
            kept = keep_drawing(drawing)
            framed = to_frame(kept.data, recipe=DRAWING, settings={})
            return Prepared(kept, "drawing", "drawing", DRAWING, {}, framed)
        assert photo is not None
        kept = keep(read_bytes(photo))
        given = (
            "photo" if isinstance(photo, bytes) else showable(os.fsencode(Path(photo).name).decode("utf-8", "replace"))
        )
        recipe, chosen = recipe or self.reader.recipe, _settings(settings)
        framed = to_frame(kept.data, recipe=recipe, settings=chosen)
        return Prepared(kept, given[:MAX_NOTE], "photo", recipe, chosen, framed)

    def put(
        self,
        number: int,
        photo: Photo | Prepared | None = None,
        *,
        drawing: np.ndarray | None = None,
        meant: str | None = None,
        guess: str | None = None,
        recipe: str | None = None,
        **settings: object,
    ) -> DigitWork:
        """Put in digit 1 or 2, ask the model, and keep everything in the folder.

        Parameters
        ----------
        number : {1, 2}
        photo, drawing, recipe, **settings
            As for `prepare`, or what that returned.
        meant : str, optional
            The class that it is meant to be; by default, what was said of the same picture before.
        guess : str, optional
            What the model will answer, said before it does; likewise.

        Raises
        ------
        PhotoError, ParameterError, DataError, OutputError
            Nothing is changed then.
        """
        if number not in (1, 2):
            raise ParameterError(f"a homework has digits 1 and 2, got {number!r}")
        made = photo if isinstance(photo, Prepared) else self.prepare(photo, drawing=drawing, recipe=recipe, **settings)
        before = self.known(number, made)
        for what, said in (("meant", meant), ("guess", guess)):
            self._check_class(what, said)
        file = f"photo-{number}.{made.kept.suffix}"
        digit = DigitWork(
            source=made.source,
            file=file,
            given_name=made.given_name,
            sha256=made.sha256,
            recipe=made.recipe,
            settings=made.settings,
            meant=meant or (before.meant if before else None),
            guess=guess or (before.guess if before else None),
        )
        old = self.work.digits[number - 1]
        self._keep(file, made.kept.data)
        self.work = self.work.with_digit(number, deliver(digit, self.reader, made.framed))
        self._framed[number] = made.framed
        self._write_pictures(number)
        self._write_rest()
        if old is not None and old.file != file:
            remove(self.folder / old.file)
        found = self.work.digits[number - 1]
        assert found is not None
        return found

    def known(self, number: int, made: Prepared) -> DigitWork | None:
        """Return what is known of digit 1 or 2 if that is the same picture, by the same recipe."""
        digit = self.work.digits[number - 1]
        same = digit is not None and (digit.sha256, digit.recipe) == (made.sha256, made.recipe)
        return digit if same and digit is not None and dict(digit.settings) == dict(made.settings) else None

    # ------------------------------------------------------------------ words

    def explain(self, number: int, text: str) -> None:
        """Write the explanation of digit 1 or 2 into ``answers.md``, in the place of what stands there."""
        if number not in (1, 2):
            raise ParameterError(f"a homework has digits 1 and 2, got {number!r}")
        texts = [*self._texts()]
        texts[number - 1] = text
        write_inside(self.folder / ANSWERS, blank_answers(*texts))
        self.refresh()

    # ------------------------------------------------------------------ state

    def refresh(self) -> None:
        """Compute everything again from the pictures in the folder, with the words of ``answers.md``; write it.

        Raises
        ------
        DataError, PhotoError
            A picture is gone, or is not the one that was put in.
        """
        self._recompute()
        for number, _ in self.work.numbered:
            self._write_pictures(number)
        self._write_rest()

    def check(self) -> Check:
        """Say which deliverables are there and which are missing, in plain words."""
        self._write_rest()
        return check(self.work)

    def page(self) -> str:
        """Return the page to read and to print."""
        photos = {number: self._photo(number, digit) for number, digit in self.work.numbered}
        return page(self.work, reader=self.reader, photos=photos, framed=self._framed)

    def hand_in(self, path: str | os.PathLike[str]) -> Check:
        """Write the hand-in as one file, whatever is missing, and say what is.

        Raises
        ------
        DataError
            A digit is missing altogether, or the file would be too large.
        OutputError
            It cannot be written.
        """
        self.refresh()
        found = check(self.work)
        if len(self.work.numbered) < 2:
            gap = next(gap for gap in found.missing if gap.part == "photo")
            raise DataError(f"{gap.words}; a hand-in needs both")
        write_bytes(path, self.to_bytes())
        return found

    def to_bytes(self) -> bytes:
        """Return the bytes of the hand-in; the same homework gives the same bytes."""
        members = {name: self._member(name) for name in self.work.members}
        return pack(members)

    def _member(self, name: str) -> bytes:
        return self.work.to_bytes() if name == WORK else (self.folder / name).read_bytes()

    def _card(self) -> Card:
        found = check(self.work)
        facts: dict[str, object] = {"name": self.work.name or "(not said yet)", "folder": str(self.folder)}
        facts |= {
            f"digit {number}": f"meant {digit.meant or '?'}, guessed {digit.guess or '?'}, read as {digit.label}"
            for number, digit in self.work.numbered
        }
        facts |= {f"missing {i}": gap.words for i, gap in enumerate(found.missing, 1)}
        tiles = [
            ink_tile(
                frame_of(digit.frame), f"digit {number}: {digit.label}", alt=f"digit {number}, read as {digit.label}"
            )
            for number, digit in self.work.numbered
        ]
        done = "complete" if found.complete else f"{len(found.missing)} missing"
        return Card(f"Homework: {self.work.assignment}, {done}", facts, tiles)

    # ------------------------------------------------------------------ the folder

    def _opened(self) -> Work | None:
        """Return the work in the folder; None where that is new or empty."""
        try:
            names = {path.name for path in self.folder.iterdir() if not path.name.startswith(".")}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"cannot look into {str(self.folder)!r}: {error.strerror}; name a folder") from error
        if not names:
            return None
        if "frames" in names and names <= OWN - {WORK}:  # begun, but for a full disk or a kill
            return None
        if WORK not in names:
            raise DataError(
                f"{str(self.folder)!r} holds other files ({min(names)!r}) and no homework; name a new folder"
            )
        try:
            return Work.from_bytes(read_plain(self.folder / WORK, MAX_JSON_BYTES, "make it again"))
        except DataError as error:
            raise DataError(f"{str(self.folder)!r}: {error}, in a new folder") from error

    def _reader(self, model: DigitReader | str | os.PathLike[str] | None, there: Work | None) -> DigitReader:
        if isinstance(model, DigitReader):
            return DigitReader.from_bytes(handed_model(model))
        if model is None and there is None:
            return DigitReader.from_bytes(handed_model(DigitReader.shipped()))
        return DigitReader.from_bytes(handed_model(DigitReader.load(self.folder / MODEL if model is None else model)))

    def _photo(self, number: int, digit: DigitWork) -> bytes:
        data = read_plain(self.folder / digit.file, MAX_BYTES, f"put digit {number} in again")
        if sha256(data) != digit.sha256:
            raise DataError(f"{digit.file} is not the picture that was put in; put digit {number} in again")
        return data

    def _recompute(self) -> None:
        """Compute every deliverable again from the pictures, without writing anything."""
        for number, digit in self.work.numbered:
            photo = self._photo(number, digit)
            self._framed[number] = to_frame(photo, recipe=digit.recipe, settings=digit.settings)
            self.work = self.work.with_digit(number, deliver(digit, self.reader, self._framed[number]))
        self.work = self._with_claims(self.work)

    def _texts(self) -> tuple[str, str]:
        path = self.folder / ANSWERS
        return read_answers(path) if path.exists() else ("", "")

    def _with_claims(self, work: Work) -> Work:
        """Put in what digit 1 does, the opposite for digit 2, and the texts."""
        first, second = work.digits
        texts = self._texts()
        if first is not None:
            first = replace(first, claim=first.outcome, text=texts[0])
        if second is not None:
            asked = None if first is None or first.claim is None else CLAIMS[1 - CLAIMS.index(first.claim)]
            second = replace(second, claim=asked, text=texts[1])
        return replace(work, inklens=__version__, model=model_card(self.reader), digits=(first, second))

    def _write_pictures(self, number: int) -> None:
        """Write the frame of a digit, and what led to it."""
        framed = self._framed[number]
        self._keep(frame_member(number), png(framed.frame))
        names = [step_member(number, i) for i in range(1, len(framed.steps) + 1)]
        for name, step in zip(names, framed.steps, strict=True):
            self._keep(name, step_png(step))
        for old in self.folder.glob(step_member(number, "*")):
            if old.relative_to(self.folder).as_posix() not in names:
                remove(old)

    def _write_rest(self) -> None:
        """Write what does not belong to one digit; `work.json`, which tells of all else, last."""
        self._keep(MODEL, handed_model(self.reader))
        if not (self.folder / ANSWERS).exists():
            write_inside(self.folder / ANSWERS, blank_answers())
        self.work = self._with_claims(self.work)
        self._keep(PAGE, self.page().encode())
        self._keep(WORK, self.work.to_bytes())

    def _keep(self, name: str, data: bytes) -> None:
        """Write a file that is not there already."""
        path = self.folder / name
        if not holds(path, data):
            write_inside(path, data)

    def _check_class(self, what: str, said: str | None) -> None:
        if said is not None and said not in self.reader.classes:
            raise ParameterError(f"{what}: expected one of {', '.join(self.reader.classes)}, got {said[:MAX_LABEL]!r}")


def _settings(given: Mapping[str, object]) -> dict[str, object]:
    """Return settings that can be written down."""
    for name, value in given.items():
        if name not in SETTINGS:
            raise ParameterError(f"a recipe has no setting {name!r}; it has {', '.join(SETTINGS)}")
        if type(value) not in SETTINGS[name]:
            raise ParameterError(
                f"the setting {name} takes {' or '.join(t.__name__ for t in SETTINGS[name])}, got {value!r}"
            )
    return dict(given)


def _line(text: str, what: str, most: int) -> str:
    """Return a name in one line."""
    plain = " ".join(text.split())
    if not 0 < len(plain) <= most or not plain.isprintable():
        raise ParameterError(f"expected a {what} of 1 to {most} printable characters, got {text[:MAX_LABEL]!r}")
    return plain
