"""Digits that a class drew: what is kept of each, and the files in which they come.

Three kinds of files hold digits: the class's own (``inklens-digits/1``, JSON, what `inklens studio --class` writes and
`save my digits` of the studio), the same as ``.npz``, and hand-ins (``.inkwork``). All are read as work of strangers:
sizes are limited, nothing is unpickled, and a file that is refused is named with its reason while the rest is read.
"""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from inklens.classroom import archive
from inklens.errors import DataError
from inklens.names import beyond_unicode, showable
from inklens.strict_json import JsonError, parse

SCHEMA = "inklens-digits/1"
SUFFIXES = (".json", ".npz", ".inkwork")
SIDE = 28
N_PIXELS = SIDE**2
MAX_FILE_BYTES = 20_000_000  # 200 students with 50 digits each take 12 MB as JSON
MAX_FILES = 1_000
MAX_DIGITS = 20_000  # of a class
MAX_VALUES = 15 * MAX_DIGITS  # of a JSON file, each of which takes ten times its text once it is read
MAX_LABEL = 8  # characters
MAX_NAME = 40
MAX_STUDENT = 100  # characters of an identifier
MAX_ARRAY_BYTES = MAX_DIGITS * (N_PIXELS + 4 * (2 * MAX_LABEL + MAX_STUDENT)) + 1_000  # of an .npz


@dataclass(frozen=True)
class Drawn:
    """One digit.

    Parameters
    ----------
    label : str
        What it was meant to be.
    pixels : bytes (784)
        Its frame, row by row: 0 paper to 255 full ink.
    student : str
        Who drew it: an identifier that means something inside its file only; "" where nobody said.
    guess : str or None
        What the student expected the model to answer, before it did.
    name : str
        Of the student, "" where none was given.
    """

    label: str
    pixels: bytes = field(repr=False)
    student: str = ""
    guess: str | None = None
    name: str = ""

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "label": self.label,
            "pixels": base64.b64encode(self.pixels).decode(),
            "student": self.student,
            "name": self.name,
            "guess": self.guess,
        }

    @classmethod
    def from_json(cls, value: object, where: str) -> "Drawn":
        """Return the digit that JSON holds; a digit as the studio lists it has more fields, which are left out."""
        if not isinstance(value, dict):
            raise DataError(f"{where}: expected an object with label and pixels")
        text = {name: value.get(name) or "" for name in ("label", "pixels", "student", "guess", "name")}
        if not all(isinstance(each, str) for each in text.values()):
            raise DataError(f"{where}: label, pixels, student, guess and name have to be text")
        try:
            pixels = base64.b64decode(text["pixels"], validate=True)
        except ValueError as error:
            raise DataError(f"{where}: pixels has to be base64") from error
        return cls(text["label"], pixels, text["student"], text["guess"] or None, text["name"]).checked(where)

    def checked(self, where: str) -> "Drawn":
        """Return it if it is a digit of a class."""
        if len(self.pixels) != N_PIXELS:
            raise DataError(f"{where}: expected {N_PIXELS} pixels of a byte each, got {len(self.pixels)}")
        for text in (self.label, self.guess or "0"):
            if not 0 < len(text) <= MAX_LABEL or not text.isprintable():
                raise DataError(f"{where}: expected labels of 1 to {MAX_LABEL} characters")
        if len(self.name) > MAX_NAME or not self.name.isprintable() or len(self.student) > MAX_STUDENT:
            raise DataError(f"{where}: a name may have {MAX_NAME} characters")
        return self


def document(digits: Iterable[Drawn]) -> str:
    """Return digits as the text of a file.

    >>> parsed = read_json(document([Drawn("4", bytes(784), "a", "9")]).encode())
    >>> parsed[0].label, parsed[0].guess, parsed[0].student
    ('4', '9', 'a')
    """
    return json.dumps({"schema": SCHEMA, "digits": [digit.to_json() for digit in digits]}, indent=1) + "\n"


def arrays(digits: Sequence[Drawn]) -> bytes:
    """Return digits as an ``.npz``; it holds no names, and `--data npz:FILE` reads it."""
    packed = io.BytesIO()
    pixels = np.frombuffer(b"".join(digit.pixels for digit in digits), np.uint8).reshape(-1, SIDE, SIDE)
    labels, guesses, students = (
        np.array([getattr(digit, name) or "" for digit in digits], str) for name in ("label", "guess", "student")
    )
    np.savez_compressed(packed, images=pixels, labels=labels, guesses=guesses, students=students)
    return packed.getvalue()


# ------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class ClassDigits:
    """The digits of a class: students are numbered from 1 in an order that tells nothing of names or files."""

    digits: tuple[Drawn, ...]
    notes: tuple[str, ...] = ()

    @property
    def students(self) -> tuple[str, ...]:
        """Their identifiers, in the order of their numbers."""
        found: dict[str, bytes] = {}
        for digit in self.digits:
            found[digit.student] = max(found.get(digit.student, b""), _order(digit.pixels))
        return tuple(sorted(found, key=lambda student: (found[student], student)))

    def shown(self, *, names: bool) -> dict[str, str]:
        """Return what to call each student: a number, or the name where names are wanted and one was given."""
        given = {digit.student: digit.name for digit in self.digits if digit.name}
        numbers = {student: f"student {number}" for number, student in enumerate(self.students, 1)}
        return {student: (given.get(student) if names else None) or numbers[student] for student in numbers}


def _order(pixels: bytes) -> bytes:
    return hashlib.sha256(pixels).digest()


def read_class(folder: str | Path) -> ClassDigits:
    """Return the digits of all files in a folder, in the order of their names.

    Raises
    ------
    DataError
        There is no such folder, no digit in it, or too many.
    """
    place = Path(folder)
    if not place.is_dir():
        raise DataError(f"expected a folder with files of digits, and {str(folder)!r} is none")
    paths = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(paths) > MAX_FILES:
        raise DataError(f"expected at most {MAX_FILES:,} files of digits, got {len(paths):,}")
    digits: list[Drawn] = []
    notes: list[str] = []
    for path in paths:
        try:
            digits += _own_to(path.name, read_file(path))
        except DataError as error:
            notes.append(f"{showable(path.name)}: {error}")
        if len(digits) > MAX_DIGITS:
            raise DataError(f"expected at most {MAX_DIGITS:,} digits of a class, got {len(digits):,} and more")
    if not digits:
        why = f"; {notes[0]}" if notes else f"; put files ending in {', '.join(SUFFIXES)} there"
        raise DataError(f"there are no digits in {str(folder)!r}{why}")
    once = {(digit.student, digit.label, digit.pixels, digit.guess): digit for digit in reversed(digits)}
    return ClassDigits(tuple(reversed(once.values())), tuple(notes))


def _own_to(name: str, digits: Sequence[Drawn]) -> list[Drawn]:
    """Let students of two files be two, and the digits of a file without students be of one."""
    if name.startswith("class") and all(digit.student for digit in digits):
        return list(digits)  # the class's own file, and the same as .npz, which has no names
    return [replace(digit, student=f"{name} {digit.student}") for digit in digits]


def read_file(path: Path) -> list[Drawn]:
    """Return the digits of one file; a `DataError` says why it is refused."""
    if path.is_symlink() or not path.is_file():
        raise DataError("it is no plain file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise DataError(f"the file has more than {MAX_FILE_BYTES // 1_000_000} MB")
    if path.suffix.lower() == ".inkwork":
        return _of_hand_in(path)
    data = path.read_bytes()
    return read_npz(data) if path.suffix.lower() == ".npz" else read_json(data)


def read_json(data: bytes) -> list[Drawn]:
    """Return the digits of a JSON file, or of what the studio answers to `/api/digits`."""
    if data.count(b",") > MAX_VALUES:
        raise DataError(f"it has more than the {MAX_VALUES:,} values of {MAX_DIGITS:,} digits; save the digits again")
    try:
        value = parse(data)
    except JsonError as error:
        raise DataError(f"{error}; save the digits again") from error
    listed = value.get("digits") if isinstance(value, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_DIGITS:
        raise DataError(f"expected {SCHEMA}: an object with a list of digits")
    schema = value.get("schema", SCHEMA) if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise DataError(f"expected the schema {SCHEMA}, got {str(schema)[:40]!r}; a newer inklens may read it")
    return [Drawn.from_json(each, f"digit {number}") for number, each in enumerate(listed, 1)]


def read_npz(data: bytes) -> list[Drawn]:
    """Return the digits of arrays `images` (n, 28, 28) uint8 and `labels`, with `guesses` and `students` or without."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(member.file_size for member in packed.infolist()) > MAX_ARRAY_BYTES:
                raise DataError("its arrays are too large for digits of a class")
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            images, labels = found["images"], found["labels"]
            more = [found[name] if name in found else np.full(len(labels), "") for name in ("guesses", "students")]
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise what they like
        raise DataError("expected an .npz with arrays images (n, 28, 28) and labels (n,)") from error
    n = images.shape[0] if images.ndim else 0
    fits = images.dtype == np.uint8 and images.shape == (n, SIDE, SIDE) and n <= MAX_DIGITS
    if not fits or any(each.shape != (n,) or beyond_unicode(each).any() for each in (labels, *more)):
        raise DataError(f"expected images of 28 x 28 bytes with a label each, got {images.dtype} {images.shape}")
    rows = zip(images, labels, *more, strict=True)
    return [
        Drawn(str(label), image.tobytes(), str(student), str(guess) or None).checked(f"digit {number}")
        for number, (image, label, guess, student) in enumerate(rows, 1)
    ]


def _of_hand_in(path: Path) -> list[Drawn]:
    work = archive.read_work(path)
    return [
        Drawn(digit.meant, bytes(digit.frame), "", digit.guess or None, work.name[:MAX_NAME]).checked("its digits")
        for _, digit in work.numbered
        if digit.meant
    ]
