"""Read pictures and explain answers: what ``inklens read`` and ``inklens explain`` do."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from inklens.errors import ModelFileError, PhotoError
from inklens.explanations import Evidence
from inklens.explanations import explain as explain_picture
from inklens.reader import DigitReader, Reading

SHIPPED_READER = "reader.inklens"
STDIN = "-"


@dataclass(frozen=True)
class PictureReading:
    """All that was read on one picture, or why nothing was."""

    path: str
    lines: tuple[tuple[Reading, ...], ...] = ()
    error: dict[str, str] | None = None

    @property
    def digits(self) -> list[Reading]:
        """Readings in reading order."""
        return [reading for line in self.lines for reading in line]

    @property
    def text_lines(self) -> list[str]:
        """Labels of each line."""
        return ["".join(reading.label for reading in line) for line in self.lines]

    def to_json(self) -> dict:
        """Return the entry of ``inklens read --json``."""
        return {
            "path": self.path,
            "text": " ".join(self.text_lines),
            "lines": self.text_lines,
            "digits": [reading.to_json() for reading in self.digits],
            "error": self.error,
        }


def load_reader(path: str | os.PathLike[str] | None = None) -> DigitReader:
    """Load a model file, or the reader that ships with the package."""
    if path is not None:
        return DigitReader.load(path)
    shipped = files("inklens") / SHIPPED_READER
    try:
        return DigitReader.from_bytes(shipped.read_bytes())
    except FileNotFoundError as error:
        raise ModelFileError(
            "this installation has no reader of its own; make a model with inklens fit -o FILE and name it with --model"
        ) from error


def read(
    pictures: Iterable[str], *, reader: DigitReader, many: bool | None = None, progress: Callable | None = None
) -> list[PictureReading]:
    """Read every picture; one that cannot be read becomes an entry with an error, and the rest is still read.

    `many` is True for pages of digits, False for one digit a picture, None to decide by what is there.
    """
    pictures = list(pictures)
    results = []
    for done, path in enumerate(pictures):
        if progress is not None:
            progress(done, len(pictures), Path(path).name)
        results.append(_read_one(path, reader, many))
    return results


def _read_one(path: str, reader: DigitReader, many: bool | None) -> PictureReading:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        return PictureReading(shown, tuple(map(tuple, reader.read_lines(_source(path), many=many))))
    except PhotoError as error:
        return PictureReading(shown, error={"code": error.code, "message": str(error)})


def explain(picture: str, *, reader: DigitReader) -> Evidence:
    """Return the evidence for one picture file."""
    return explain_picture(reader, _source(picture))


def _source(path: str) -> str | bytes:
    """Return the path, or the bytes on standard input for "-"."""
    return sys.stdin.buffer.read() if path == STDIN else path
