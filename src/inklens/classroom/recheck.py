"""A hand-in computed again: from its pictures to its evidence, and what differs from what was handed in.

Whoever calls this on the work of a stranger does so in a box (`boxed`): pictures are decoded here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from inklens.classroom.answers import (
    FULL,
    Framed,
    answer,
    deliver,
    frame_of,
    handed_model,
    model_card,
    step_levels,
    to_frame,
)
from inklens.classroom.archive import HandIn, open_hand_in
from inklens.classroom.copies import Look, look_at
from inklens.classroom.gaps import check
from inklens.classroom.work import (
    CLAIMS,
    FRAME_SIDE,
    MAX_NOTE,
    PHOTO_KINDS,
    DigitWork,
    Work,
    frame_member,
    sha256,
    step_member,
)
from inklens.errors import DataError, ModelFileError, ParameterError, PhotoError
from inklens.photos import Normaliser, Picture, Step, containers, decode
from inklens.reader import DigitReader

GREY_LEVELS = 1  # by which a frame may differ: another machine rounds the other way
STEP_LEVELS, STEP_SHARE = 2, 0.002  # the same for a step's picture, but for so many pixels, which a threshold flips
SCORES = 1e-6  # by which a score or its parts may differ: compiled kernels and NumPy's add up in another order
NOTE_NUMBERS = 0.02  # share by which a measured number in a note may differ
PREVIEW_SIDE = 420  # pixels of the picture that a teacher sees

# frame     (28, 28)  uint8
# preview   (rows, cols)  uint8
# evidence  (28, 28)  float32, what speaks for the answer and, below 0, for the runner-up


@dataclass(frozen=True, eq=False)
class DigitFound:
    """One digit of a hand-in: what was said of it, and what there is to see.

    Parameters
    ----------
    said : DigitWork
        As it was handed in.
    computed : DigitWork or None
        The same with every deliverable computed again from its picture; None where the picture cannot be read.
    preview : uint8 array
        The picture, decoded.
    look : Look or None
        What it is compared by.
    evidence : float32 array (28, 28)
        For the answer against the runner-up, of the frame that was handed in.
    """

    said: DigitWork
    computed: DigitWork | None
    preview: np.ndarray
    look: Look | None
    evidence: np.ndarray


@dataclass(frozen=True, eq=False)
class Recheck:
    """What a hand-in says, and what comes out when it is computed again.

    Parameters
    ----------
    work : Work
        As it was handed in.
    differs : tuple of str
        What was handed in and comes out otherwise.
    missing : tuple of str
        What the assignment asks for and is not there.
    foreign : bool
        Whether another model than the class's answered.
    digits : (DigitFound, DigitFound)
    """

    work: Work
    differs: tuple[str, ...]
    missing: tuple[str, ...]
    foreign: bool
    digits: tuple[DigitFound, ...]


def recheck(data: bytes, class_model: DigitReader) -> Recheck:
    """Compute a hand-in again.

    Parameters
    ----------
    data : bytes
        Of the file.
    class_model : DigitReader
        The model that the class was given.

    Raises
    ------
    DataError
        It cannot be read, or its model cannot; the text says why.
    """
    hand_in = open_hand_in(data)
    own = _handed_reader(hand_in)
    foreign = not same_model(own, class_model)
    reader = own if foreign else class_model
    differs = list(_of_model(hand_in, own))
    found = []
    for number, digit in hand_in.work.numbered:
        seen, wrong = _of_digit(number, digit, hand_in, reader)
        found.append(seen)
        differs += [f"digit {number}, {words}" for words in wrong]
    differs += list(_of_claims(hand_in.work, found))
    missing = tuple(gap.what for gap in check(_as_computed(hand_in.work, found)).missing)
    return Recheck(hand_in.work, tuple(differs), missing, foreign, tuple(found))


def same_model(one: DigitReader, other: DigitReader) -> bool:
    """Return whether two models answer alike, whatever is recorded of their fits.

    >>> reader = DigitReader.shipped()
    >>> same_model(reader, reader)
    True
    """
    return (one.classes, one.features, one.image_shape) == (other.classes, other.features, other.image_shape) and (
        np.array_equal(one.coef, other.coef) and np.array_equal(one.intercept, other.intercept)
    )


def _handed_reader(hand_in: HandIn) -> DigitReader:
    try:
        reader = DigitReader.from_bytes(hand_in.members["model.inklens"])
        handed_model(reader)  # refuses what is no model of 28 x 28 pixels
    except (ModelFileError, DataError) as error:
        raise DataError(f"model.inklens: {error}") from error
    return reader


# ------------------------------------------------------------------------------------------------- differences


def _of_model(hand_in: HandIn, reader: DigitReader) -> Iterator[str]:
    said, is_there = hand_in.work.model, model_card(reader)
    if sha256(hand_in.members["model.inklens"]) != said.sha256:
        yield "model: its checksum is another than work.json says"
    if (said.title, said.classes, said.features) != (is_there.title, is_there.classes, is_there.features):
        yield f"model: work.json calls it {said.title!r}, and it is {is_there.title!r}"


def _of_digit(number: int, digit: DigitWork, hand_in: HandIn, reader: DigitReader) -> tuple[DigitFound, list[str]]:
    """Return one digit computed again, and in what it differs."""
    wrong = list(_of_photo(digit, hand_in.members[digit.file]))
    blank = np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)
    if tuple(digit.z) != reader.classes:
        return DigitFound(digit, None, blank.astype(np.uint8), None, blank), [*wrong, "scores: of other classes"]
    wrong += _of_numbers(digit, reader)
    evidence = _evidence(digit, reader)
    try:
        picture = decode(hand_in.members[digit.file])
    except PhotoError as error:
        seen = DigitFound(digit, None, np.zeros((1, 1), np.uint8), None, evidence)
        return seen, [*wrong, f"photo: it cannot be read: {error}"]
    computed = None
    try:
        framed = to_frame(picture, recipe=digit.recipe, settings=digit.settings)
        computed = deliver(digit, reader, _as_rounded(framed, digit))
        wrong += _of_steps(number, digit, framed, hand_in)
    except (PhotoError, ParameterError) as error:
        wrong.append(f"frame: the recipe finds none: {error}")
    wrong += _of_frame_picture(number, digit, hand_in)
    return DigitFound(digit, computed, _preview(picture), look_of(picture, digit), evidence), wrong


def _as_rounded(framed: Framed, digit: DigitWork) -> Framed:
    """Return the frame that was handed in where the recipe's is the same but for rounding, so that no answer tips."""
    handed = frame_of(digit.frame)
    return replace(framed, frame=handed) if _grey_levels_apart(framed, digit).max() <= GREY_LEVELS else framed


def _grey_levels_apart(framed: Framed, digit: DigitWork) -> np.ndarray:
    levels: np.ndarray = np.abs(framed.frame.astype(int) - frame_of(digit.frame))
    return levels


def _of_photo(digit: DigitWork, data: bytes) -> Iterator[str]:
    if sha256(data) != digit.sha256:
        yield "photo: another picture than the one that was put in; its checksum differs"
    try:
        kind = containers.identify(data)
    except PhotoError:
        return  # said when it is decoded
    if PHOTO_KINDS.get(kind) != digit.file.rpartition(".")[2]:
        yield f"photo: {digit.file} holds a {kind}"


def _of_steps(number: int, digit: DigitWork, framed: Framed, hand_in: HandIn) -> Iterator[str]:
    """Compare frame and steps with what the recipe makes."""
    apart = _grey_levels_apart(framed, digit)
    if apart.max() > GREY_LEVELS:
        n = int((apart > GREY_LEVELS).sum())
        yield f"frame: {n} of 784 pixels are not what the recipe makes of the picture, by up to {apart.max()} levels"
    names, made = [step.name for step in digit.steps], [step.name for step in framed.steps]
    if names != made:
        yield f"steps: they are called {', '.join(names)}; the recipe has {', '.join(made)}"
        return
    wrong = {
        i: words
        for i, (said, step) in enumerate(zip(digit.steps, framed.steps, strict=True), 1)
        if (words := _of_step(i, said.note, step, hand_in.members[step_member(number, i)]))
    }
    if len(wrong) > 1:
        yield f"steps: {len(wrong)} of {len(made)} are not what the recipe makes of the picture"
    else:
        yield from (f"steps: {words}" for words in wrong.values())


def _of_step(i: int, note: str, step: Step, picture: bytes) -> str:
    """Return in what one step differs."""
    if not same_note(note, step.note[:MAX_NOTE]):
        return f"step {i} notes {note!r}; the recipe notes {step.note[:MAX_NOTE]!r}"
    wrong = _of_picture(picture, step_levels(step), STEP_LEVELS, STEP_SHARE)
    return f"the picture of step {i} {wrong}" if wrong else ""


def _of_frame_picture(number: int, digit: DigitWork, hand_in: HandIn) -> Iterator[str]:
    wrong = _of_picture(hand_in.members[frame_member(number)], frame_of(digit.frame), 0, 0.0)
    if wrong:
        yield f"frame: {frame_member(number)} {wrong}"


def _of_picture(data: bytes, expected: np.ndarray, levels: int, share: float) -> str:
    """Return in what a grey PNG differs from what it has to show."""
    try:
        if containers.identify(data) != "PNG":
            return "is no PNG"
        picture = decode(data)
    except PhotoError as error:
        return f"cannot be read: {error}"
    if picture.gray.shape != expected.shape:
        return f"has {picture.size[0]} x {picture.size[1]} pixels, expected {expected.shape[1]} x {expected.shape[0]}"
    apart = np.abs(np.rint(picture.gray * FULL) - expected) > levels
    return "shows something else" if apart.mean() > share else ""


def _of_numbers(digit: DigitWork, reader: DigitReader) -> Iterator[str]:
    """Compare scores, probabilities, answer and evidence with those of the frame that was handed in."""
    again = answer(reader, frame_of(digit.frame))
    for part, words, said, computed in (
        ("scores", "<w, x>", digit.ink, again.ink),
        ("scores", "the intercept", digit.intercepts, again.intercepts),
        ("scores", "z", digit.z, again.z),
        ("probabilities", "the probability", digit.probabilities, again.probabilities),
    ):
        yield from _of_classes(part, words, said, computed)
    if digit.label != again.label and score_gap(again.z, digit.label, again.label) > SCORES:
        yield f"probabilities: the answer is given as {digit.label}, and the model says {again.label}"
    if digit.against != again.against and score_gap(again.z, digit.against, again.against) > SCORES:
        yield f"evidence: {digit.against} is given as the runner-up, and {again.against} is it"
    for name in reader.classes:
        off = np.abs(np.subtract(digit.contributions[name], again.contributions[name]))
        if off.max() > SCORES:
            row, col = divmod(int(off.argmax()), FRAME_SIDE)
            yield f"evidence: for {name}, {int((off > SCORES).sum())} pixels differ, most in row {row}, column {col}"
            return


def _of_classes(part: str, words: str, said: Mapping[str, float], computed: Mapping[str, float]) -> Iterator[str]:
    off = {name: abs(said[name] - computed[name]) / max(1.0, abs(computed[name])) for name in computed}
    worst = max(off, key=off.__getitem__)
    if not off[worst] <= SCORES:
        yield f"{part}: {words} of {worst} is given as {said[worst]:.6g} and computed as {computed[worst]:.6g}"


def score_gap(z: Mapping[str, float], one: str, other: str) -> float:
    """Return by how much two classes' scores differ.

    >>> score_gap({"4": 2.0, "9": 1.5}, "4", "9")
    0.5
    """
    return abs(z[one] - z[other])


def _of_claims(work: Work, found: list[DigitFound]) -> Iterator[str]:
    """Compare what is claimed: digit 1 does what it does, and digit 2 was to do the opposite."""
    first, second = (seen.computed or seen.said for seen in found)
    said = [seen.said.claim for seen in found]
    if said[0] != first.outcome:
        yield f"digit 1, claim: it is claimed to be {_claim(said[0])}, and it is {_claim(first.outcome)}"
    asked = None if first.outcome is None else CLAIMS[1 - CLAIMS.index(first.outcome)]
    if said[1] not in (asked, second.outcome):
        yield f"digit 2, claim: it is claimed to be {_claim(said[1])}, and it is {_claim(second.outcome)}"


def _claim(claim: str | None) -> str:
    return claim or "neither right nor wrong"


def _as_computed(work: Work, found: list[DigitFound]) -> Work:
    """Return the work with what was computed, for what it lacks to be told from that."""
    first, second = (replace(seen.computed or seen.said, claim=seen.said.claim) for seen in found)
    return replace(work, digits=(first, second))


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def same_note(said: str, made: str) -> bool:
    """Return whether two notes are the same but for the last digits of measured numbers.

    >>> same_note("pen 0.137 of the box", "pen 0.138 of the box"), same_note("pen 0.1", "pen 0.2")
    (True, False)
    """
    if _NUMBER.sub("#", said) != _NUMBER.sub("#", made):
        return False
    pairs = zip(map(float, _NUMBER.findall(said)), map(float, _NUMBER.findall(made)), strict=True)
    return all(abs(a - b) <= NOTE_NUMBERS * max(abs(a), abs(b)) + 1e-12 for a, b in pairs)


# ------------------------------------------------------------------------------------------------- what is seen


def _evidence(digit: DigitWork, reader: DigitReader) -> np.ndarray:
    again = answer(reader, frame_of(digit.frame))
    rows = [np.array(again.contributions[name], np.float32) for name in (again.label, again.against)]
    return (rows[0] - rows[1]).reshape(FRAME_SIDE, FRAME_SIDE)


def _preview(picture: Picture) -> np.ndarray:
    gray = Image.fromarray(np.rint(picture.gray * FULL).astype(np.uint8))
    gray.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BOX)
    return np.asarray(gray)


def look_of(picture: Picture, digit: DigitWork) -> Look:
    """Return what the picture is compared by: found by the faithful recipe, whatever the hand-in's is."""
    seen = Normaliser().normalise(picture)
    left, top, right, bottom = (edge / picture.scale for edge in seen.box)
    return look_at(picture.gray, (left, top, right, bottom), sha256=digit.sha256, frame=seen.frame)
