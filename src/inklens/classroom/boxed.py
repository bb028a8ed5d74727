"""`recheck` in a process of its own, which can open nothing, take only so much, and tell its parent plain data only."""

import io
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from multiprocessing.connection import Connection

import numpy as np
from PIL import Image

from inklens import forking
from inklens.classroom.answers import answer, handed_model, to_frame
from inklens.classroom.copies import PAPER_SIDE, PATCH_SIDE, Look
from inklens.classroom.fields import Fields
from inklens.classroom.recheck import PREVIEW_SIDE, DigitFound, Recheck, look_of, recheck
from inklens.classroom.work import FRAME_SIDE, DigitWork, Work
from inklens.errors import DataError, InklensError
from inklens.photos import decode
from inklens.reader import DigitReader
from inklens.studio.box import Box, NoBoxError, enclose
from inklens.studio.messages import Message, receive, send
from inklens.studio.problems import Problem
from inklens.studio.processes import ask_boxed

SECONDS, CPU_SECONDS = 30.0, 10  # of one hand-in, of the clock and of its processor; it takes some tenths
BLOBS = 4  # of each digit: preview, evidence, square, paper
MOST_LINES, MOST_CHARACTERS = 40, 500  # of what differs
BROKE_DOWN = {
    "too-slow": f"computing it again takes more than {SECONDS:g} s; look at its pictures by hand",
    "crashed": "the process that computed it again broke down on it; look at its pictures by hand",
}
NO_BOX = "no-box"


class NotConfinedError(DataError):
    """A system that cannot confine what reads hand-ins."""


def prepare() -> None:
    """Start the process that all others are forked from, with all that they need."""
    forking.prepare(["inklens.classroom.preload"])


def recheck_boxed(data: bytes, model: bytes, *, confined: bool = True) -> Recheck:
    """Compute a hand-in again in a process of its own.

    Parameters
    ----------
    data, model : bytes
        Of the hand-in, and of the class's model.
    confined : bool
        Whether to refuse where the system has no limits for processes.

    Raises
    ------
    DataError
        It cannot be read, takes too long, or broke the process down.
    NotConfinedError
        The system has no such limits.
    """
    box = Box(SECONDS, CPU_SECONDS, required=confined)
    try:
        answered = ask_boxed(Message({}, (data, model)), box=box, what="hand-in", main=answer_in_a_box)
    except Problem as problem:
        if problem.code == NO_BOX:
            raise NotConfinedError(problem.detail) from problem
        raise DataError(BROKE_DOWN.get(problem.code, problem.detail)) from problem
    try:
        return _unpacked(answered)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(BROKE_DOWN["crashed"]) from error


def answer_in_a_box(connection: Connection, box: Box) -> None:
    """Be the child: answer one question, boxed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    question = receive(connection)
    warm_up()
    try:
        enclose(box)
    except NoBoxError:
        words = "this system cannot confine what reads hand-ins; check with --unboxed if you trust all who wrote them"
        send(connection, _error(NO_BOX, words))
        return
    send(connection, _answered(question))


def _answered(question: Message) -> Message:
    data, model = question.blobs
    try:
        return _packed(recheck(data, DigitReader.from_bytes(model)))
    except InklensError as error:
        return _error("refused", str(error))
    except MemoryError:
        return _error("refused", "computing it again takes too much memory; look at its pictures by hand")
    except Exception:
        return _error("crashed", "")


def _error(code: str, detail: str) -> Message:
    return Message({"error": {"status": 422, "code": code, "detail": detail}})


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Compute one digit of every kind of picture, so that nothing has to be opened for that later."""
    Image.init()
    paper = np.full((60, 50), 230, np.uint8)
    paper[10:50, 22:28] = 26
    reader = DigitReader.from_bytes(handed_model(DigitReader.shipped()))
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        file = io.BytesIO()
        Image.fromarray(paper).save(file, kind)
        picture = decode(file.getvalue())
        for recipe in ("faithful", "otsu", "tutorial", "drawing"):
            frame = to_frame(picture, recipe=recipe, settings={}).frame
    answer(reader, frame)
    look_of(picture, DigitWork("photo", "photo-1.png", "", "", "faithful", {}))


# ------------------------------------------------------------------------------------------------- plain data


def _packed(found: Recheck) -> Message:
    """Return a result as JSON and bytes: of each digit five arrays, empty where there is none."""
    digits, blobs = [], []
    for seen in found.digits:
        look = seen.look
        digits.append(
            {
                "computed": None if seen.computed is None else seen.computed.to_json(),
                "preview": list(seen.preview.shape),
                "look": None if look is None else [*look.edges, look.extent, look.spread],
            }
        )
        blobs += [seen.preview.tobytes(), seen.evidence.tobytes()]
        blobs += [b"", b""] if look is None else [look.levels.tobytes(), look.paper.tobytes()]
    head = {
        "work": found.work.to_json(),
        "differs": list(found.differs),
        "missing": list(found.missing),
        "foreign": found.foreign,
        "digits": digits,
    }
    return Message(head, tuple(blobs))


def _unpacked(answered: Message) -> Recheck:
    """Return a result of what the child sent, as if that were not ours."""
    given = Fields(dict(answered.data), "the result")
    work = Work.from_json(given.take("work"))
    differs, missing = (tuple(_lines(given.list(name))) for name in ("differs", "missing"))
    foreign = given.take("foreign") is True
    digits = tuple(
        _digit(n, seen, digit, answered.blobs[BLOBS * n : BLOBS * (n + 1)])
        for n, (seen, (_, digit)) in enumerate(zip(given.list("digits"), work.numbered, strict=True))
    )
    bare = tuple(found.said for found in digits)
    first, second = bare
    return Recheck(replace(work, digits=(first, second)), differs, missing, foreign, digits)


def _digit(n: int, seen: object, said: DigitWork, blobs: tuple[bytes, ...]) -> DigitFound:
    given = Fields(seen, "the result")
    again, shape, numbers = given.take("computed"), given.list("preview"), given.take("look")
    computed = None if again is None else DigitWork.from_json(again, number=n + 1, classes=tuple(said.z))
    rows, cols = (int(str(side)) for side in shape)
    preview, evidence, levels, paper = blobs
    if not 0 < rows <= PREVIEW_SIDE or not 0 < cols <= PREVIEW_SIDE:
        raise ValueError("preview")
    return DigitFound(
        _without_maps(said),
        None if computed is None else _without_maps(computed),
        np.frombuffer(preview, np.uint8).reshape(rows, cols),
        _a_look(numbers, said, levels, paper),
        np.nan_to_num(np.frombuffer(evidence, np.float32).reshape(FRAME_SIDE, FRAME_SIDE)),
    )


def _a_look(numbers: object, said: DigitWork, levels: bytes, paper: bytes) -> Look | None:
    if not isinstance(numbers, list):
        return None
    left, top, right, bottom, extent, spread = (float(str(number)) for number in numbers)
    square = np.frombuffer(levels, np.uint8).reshape(PATCH_SIDE, PATCH_SIDE)
    wider = np.frombuffer(paper, np.uint16).reshape(PAPER_SIDE, PAPER_SIDE)
    return Look(said.sha256, square, wider, (left, top, right, bottom), extent, spread)


def _without_maps(digit: DigitWork) -> DigitWork:
    """Return a digit without its evidence, which has been compared, and of a class takes more than all else."""
    return replace(digit, contributions={})


def _lines(words: list[object]) -> Iterator[str]:
    for line in words[:MOST_LINES]:
        yield str(line)[:MOST_CHARACTERS]
