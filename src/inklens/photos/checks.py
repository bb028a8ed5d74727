"""Before any answer: is there a digit as the training data has them, and is this a page of handwriting?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from inklens.photos import typical
from inklens.photos.clarity import MAX_HOLE_DARKNESS
from inklens.photos.threads import product

MIN_CONTRAST = 0.08  # of the ink against its paper
MIN_CONTRAST_TO_NOISE = 5.0  # contrast over the noise of the paper
MAX_BORDER_SHARE = 0.7  # of the digit's length along one side of the picture
MAX_HOLES = 2  # an 8 has two
MAX_LENGTH = 3.7  # of its strokes, in extents; a fifth more than the longest of a thousand made digits
MAX_LEFT_OVER_SHARE = 0.5  # share of the ink that is not the digit's
MAX_PEN_WIDTH = 0.35  # pen's width relative to the digit's longer side
MIN_EDGE_SHARE = 0.85  # share of the outline
MIN_BETWEEN_SHARE = 0.62  # share of the variance; a Gaussian cloud cut at its mean has 0.64
MIN_BOTH_SIDES_SHARE = 0.5  # share of the ink
MIN_LIKENESS = 0.5
MIN_SIGNS = 4  # on a page, from which it is judged as one
MIN_ACCEPTED_SHARE = 0.3  # of a page's signs; on made pages of handwriting 0.45 and more, of screenshots at most 0.15
MIN_PRINTED_SIGNS = 12  # from which copies are no chance
MIN_COPY_COSINE = 0.95  # between two frames of one printed sign, whatever the blur
MAX_COPIED_SHARE = 0.3  # of a page's signs; made pages of handwriting have at most 0.06, printed ones 0.41 and more
REMEDIES = {  # by the first words of a reason; those that say most come first
    "not a page of handwriting": "photograph digits written by hand, dark on plain paper, and nothing else",
    "too many signs": "give the page in parts, or photograph digits written by hand and nothing else",
    "blank": "write with a dark pen on light paper",
    "too faint": "take a darker pen, or more light",
    "several digits": "cut the picture to one digit, or read it as a page with --many",
    "not like a digit": "photograph a digit from 0 to 9 written by hand and upright, no screen, print or thing",
    "not like a digit after the tutorial's recipe": "let --recipe faithful find the digit and centre it",
    "cut off": "leave paper on all sides of the digit",
    "too thick": "take a thinner pen, or write larger",
    "unclear": "write with a dark pen on plain paper, and keep shadows and other marks out of the picture",
}
OF_DIGITS_ONLY = tuple(kind for kind in REMEDIES if kind.startswith("not "))  # these compare with digits
ALONE = ("not a page of handwriting", "too many signs", "blank")  # nothing else needs to be said
MAX_TOLD = 2  # reasons in a line for people
DIGITS = frozenset("0123456789")


@dataclass(frozen=True)
class Verdict:
    """What was found out before any classifier was asked.

    Parameters
    ----------
    like_training : float
        0 nothing like the training digits, 1 an ordinary one.
    accepted : bool
        Whether an answer can be trusted.
    reasons : tuple of str
        Why not, in words.
    """

    like_training: float
    accepted: bool
    reasons: tuple[str, ...]


def judge(frame: np.ndarray, measures: dict[str, float]) -> Verdict:
    """Judge a frame (28, 28) by its likeness, and by what was measured on its way from the photo.

    Examples
    --------
    >>> judge(np.zeros((28, 28)), {}).reasons
    ('blank: no ink was found',)
    """
    if not frame.any():
        return Verdict(0.0, False, ("blank: no ink was found",))
    like = float(typical.shipped().likeness(frame[None])[0])
    reasons = tuple(_reasons(measures))
    if like < MIN_LIKENESS:
        after = " after the tutorial's recipe" if measures.get("squeezed") else ""
        reasons += (f"not like a digit{after}: likeness {like:.2f} to the training data",)
    return Verdict(like, not reasons, reasons)


def judge_page(frames: np.ndarray, accepted: np.ndarray) -> str | None:
    """Return why signs found on one picture are no page of handwriting, or None where they may be.

    Of screenshots, print and photos of things hardly a sign looks like a digit, and print repeats its signs exactly, as
    no hand does.

    Parameters
    ----------
    frames : array (n_signs, 28, 28)
    accepted : bool array (n_signs,)
        Whether each sign, alone, looks like a digit.

    Examples
    --------
    >>> judge_page(np.eye(28)[None].repeat(20, 0), np.ones(20, bool))
    'not a page of handwriting: 20 of its 20 signs have a copy, as in print'
    """
    n_signs = len(frames)
    if n_signs >= MIN_PRINTED_SIGNS:
        copied = int((_nearest_cosine(frames) > MIN_COPY_COSINE).sum())
        if copied > MAX_COPIED_SHARE * n_signs:
            return f"not a page of handwriting: {copied} of its {n_signs} signs have a copy, as in print"
    n_accepted = int(accepted.sum())
    if n_signs >= MIN_SIGNS and n_accepted < MIN_ACCEPTED_SHARE * n_signs:
        return f"not a page of handwriting: {n_accepted} of its {n_signs} signs look like a digit"
    return None


def crowded(n_signs: int) -> str:
    """Return why a picture with so many signs is not read."""
    return f"too many signs: {n_signs:,}, more than are read at once"


def _nearest_cosine(frames: np.ndarray) -> np.ndarray:
    """Return for each frame the cosine between it and the nearest other one, (n_signs,)."""
    rows = frames.reshape(len(frames), -1)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    cosines = product(rows, rows.T)
    np.fill_diagonal(cosines, -1.0)
    return np.asarray(cosines.max(axis=1))


def advice(reasons: Iterable[str]) -> str:
    """Return the reasons that say most, and what to do about them, in one line.

    >>> advice(["cut off: 90% of its length lies along the border of the picture", "blank: no ink was found"])
    'blank: no ink was found; write with a dark pen on light paper'
    """
    heads = list(REMEDIES)
    told = sorted(reasons, key=lambda reason: heads.index(_kind(reason)))[:MAX_TOLD]
    if _kind(told[0]) in ALONE:
        told = told[:1]
    return "; ".join((*told, *remedies(told)))


def remedies(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return what to do about reasons, each remedy once.

    >>> remedies(["blank: no ink was found"])
    ('write with a dark pen on light paper',)
    """
    return tuple(dict.fromkeys(REMEDIES[_kind(reason)] for reason in reasons))


def reasons_for(classes: Iterable[str], reasons: Iterable[str]) -> tuple[str, ...]:
    """Return the reasons that hold for a model of these classes: letters need not look like digits.

    >>> reasons_for("ab", ["not like a digit: 5 holes", "cut off: ..."])
    ('cut off: ...',)
    """
    if DIGITS.issuperset(classes):
        return tuple(reasons)
    return tuple(reason for reason in reasons if _kind(reason) not in OF_DIGITS_ONLY)


def is_unclear(measures: dict[str, float]) -> bool:
    """Say whether something does not stand out from its paper as strokes do; what was not measured does."""
    least = {"edges": MIN_EDGE_SHARE, "two_tones": MIN_BETWEEN_SHARE, "both_sides": MIN_BOTH_SIDES_SHARE}
    return any(measures.get(name, 1.0) < share for name, share in least.items())


def _kind(reason: str) -> str:
    return reason.partition(":")[0]


def _reasons(measures: dict[str, float]) -> Iterator[str]:
    contrast, noise = measures.get("contrast", 1.0), measures.get("noise", 0.0)
    if contrast < MIN_CONTRAST or contrast < MIN_CONTRAST_TO_NOISE * noise:
        yield f"too faint: contrast {contrast:.2f} where the paper's own noise is {noise:.2f}"
    if is_unclear(measures) or measures.get("hole_darkness", 0.0) > MAX_HOLE_DARKNESS:
        yield "unclear: no strokes that stand out from the paper, but shades, as of a shadow or a scribble"
    if measures.get("border", 0.0) > MAX_BORDER_SHARE:
        yield f"cut off: {measures['border']:.0%} of its length lies along the border of the picture"
    elif measures.get("crosses", 0.0):
        yield "cut off: it runs from one side of the picture to the opposite one"
    elif measures.get("in_margin", 0.0):
        yield "cut off: it lies along the border of the picture, as print or ink of a neighbour does"
    if measures.get("pen", 0.0) > MAX_PEN_WIDTH:
        yield f"too thick: the pen is {measures['pen']:.0%} of the digit's length wide"
    if measures.get("holes", 0) > MAX_HOLES:
        yield f"not like a digit: {measures['holes']:.0f} holes"
    if measures.get("length", 0.0) > MAX_LENGTH:
        yield f"not like a digit: its strokes are {measures['length']:.1f} times as long as it is"
    rivals = int(measures.get("rivals", 0))
    if rivals:
        yield f"several digits: {rivals} more of its size in the picture"
    elif measures.get("left_over", 0.0) > MAX_LEFT_OVER_SHARE:
        yield f"unclear: {measures['left_over']:.0%} of the ink is not part of the digit"
