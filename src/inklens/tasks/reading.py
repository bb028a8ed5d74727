"""Read pictures and explain answers: what ``inklens read`` and ``inklens explain`` do."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from inklens.errors import PhotoError
from inklens.explanations import Evidence
from inklens.explanations import explain as explain_picture
from inklens.progress import Progress
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
    one = partial(_read_one, reader=reader, many=many)
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
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    def answer(path: str, waiting) -> PictureReading:
        try:
            return waiting.result()
        except BrokenProcessPool:
            message = "the process that read this and other pictures broke down; read it alone"
            return PictureReading(_shown(path), error={"code": "crashed", "message": message})

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
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


def _read_one(path: str, reader: DigitReader, many: bool | None) -> PictureReading:
    shown = _shown(path)
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
