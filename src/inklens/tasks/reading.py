"""Read pictures: what ``inklens read`` does, and how every other command gets the digit of a picture."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from inklens.errors import ParameterError, PhotoError
from inklens.progress import Progress
from inklens.quiet import process_is_ours
from inklens.reader import DigitReader, Reading

STDIN = "-"
PICTURES_PER_JOB = 25  # to start a process takes as long as to read some twenty pictures


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
    def refusal(self) -> str | None:
        """Why the picture as a whole gets no answer, and what to do; None where a digit was accepted."""
        digits = self.digits
        return None if not digits or any(digit.accepted for digit in digits) else refusal(digits[0].reasons)

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
    return DigitReader.shipped() if path is None else DigitReader.load(path)


def read(
    pictures: Iterable[str],
    *,
    reader: DigitReader,
    many: bool | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[PictureReading]:
    """Read every picture; one that cannot be read becomes an entry with an error, and the rest is still read.

    Parameters
    ----------
    many : bool, optional
        True: pages of digits; False: one digit a picture; None: decide by what is there.
    jobs : int, default=1
        Processes that read at once; no more than pay off. With several, a reading comes without its steps.
    """
    pictures = list(pictures)
    jobs = min(jobs, len(pictures) // PICTURES_PER_JOB)
    one = partial(read_one, reader=reader, many=many)
    with (
        nullcontext(map(one, pictures)) if jobs < 2 or STDIN in pictures else _pool_map(one, pictures, jobs) as answers
    ):
        results: list[PictureReading] = []
        for path in pictures:
            if progress is not None:
                progress(len(results), len(pictures), Path(path).name)
            results.append(next(answers))
    return results


@contextmanager
def _pool_map(one: Callable, pictures: list[str], jobs: int) -> Iterator[Iterator[PictureReading]]:
    """Yield the answers in order; a process that a decoder brought down costs the answers it still owed."""
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    def answer(path: str, waiting: "Future[PictureReading]") -> PictureReading:
        try:
            return waiting.result()
        except BrokenProcessPool:
            message = "the process that read this and other pictures broke down; read it alone"
            return PictureReading(_shown(path), error={"code": "crashed", "message": message})

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=process_is_ours) as pool:
        try:
            waiting = [pool.submit(_read_plainly, one, path) for path in pictures]
            yield (answer(path, future) for path, future in zip(pictures, waiting, strict=True))
        finally:
            pool.shutdown(cancel_futures=True)


def _read_plainly(one: Callable, path: str) -> PictureReading:
    """Leave out the steps, whose pictures would travel between processes."""
    result = one(path)
    return replace(result, lines=tuple(tuple(replace(digit, steps=()) for digit in line) for line in result.lines))


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_one(path: str, reader: DigitReader, many: bool | None, content: bytes | None = None) -> PictureReading:
    """Read one picture, whose bytes may be there already; where it cannot be read, say why."""
    shown = _shown(path)
    try:
        source = _source(path) if content is None else content
        return PictureReading(shown, tuple(map(tuple, reader.read_lines(source, many=many))))
    except PhotoError as error:
        return PictureReading(shown, error={"code": error.code, "message": str(error)})


@dataclass(frozen=True)
class ChosenDigit:
    """One digit of a picture, and how it was chosen."""

    path: str
    reading: Reading
    number: int  # in reading order, from 1
    n_digits: int  # on the picture
    asked_for: bool  # by number

    @property
    def notes(self) -> list[str]:
        """What a person should know before the answer."""
        notes = []
        if self.n_digits > 1 and not self.asked_for:
            notes.append(
                f"{self.path}: {self.n_digits} digits found, number {self.number} in reading order is taken; take "
                "another with --digit N"
            )
        if not self.reading.accepted:
            notes.append(f"{self.path}: not sure: {'; '.join(self.reading.reasons)}")
        return notes


def choose_digit(picture: str, *, reader: DigitReader, number: int | None = None, anyway: bool = False) -> ChosenDigit:
    """Return one digit of a picture: by its number in reading order, else the first that is accepted.

    Raises
    ------
    PhotoError
        The picture cannot be read, or what was found is refused and not taken `anyway`.
    ParameterError
        There is no digit of that number.
    """
    path = _shown(picture)
    readings = [digit for line in reader.read_lines(_source(picture)) for digit in line]
    if number is not None and not 1 <= number <= len(readings):
        there = "1 digit was" if len(readings) == 1 else f"{len(readings)} digits were"
        raise ParameterError(f"expected a digit from 1 to {len(readings)}, got {number}; {there} found on {path}")
    first = next((n for n, reading in enumerate(readings, 1) if reading.accepted), 1)
    chosen = ChosenDigit(path, readings[(number or first) - 1], number or first, len(readings), number is not None)
    if not (chosen.reading.accepted or anyway):
        raise PhotoError(f"{path}: {refusal(chosen.reading.reasons)}", code="refused")
    return chosen


def refusal(reasons: Iterable[str]) -> str:
    """Say why there is no answer, and what to do.

    >>> refusal(["blank: no ink was found"])
    'no answer: blank: no ink was found; write with a dark pen on light paper (--anyway answers all the same)'
    """
    from inklens.photos.checks import advice

    return f"no answer: {advice(reasons)} (--anyway answers all the same)"


def _source(path: str) -> str | bytes:
    """Return the path, or the bytes on standard input for "-"; no more than a picture may have."""
    from inklens.photos.decode import read_bytes

    return read_bytes(sys.stdin.buffer) if path == STDIN else path
