"""Labels as class numbers, and class numbers dealt into folds.

Shapes: labels and codes (n_samples,), classes (n_classes,).
"""

import unicodedata
from collections.abc import Sequence

import numpy as np

from inklens.errors import DataError

MOST_CHARACTERS = 200  # of a class's name; a longer one is a text column taken for labels
MOST_NAMED = 5  # labels that an error names
DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # reorder text
HIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's categories of controls, halves of characters, and ends of lines


def unshowable(name: str) -> bool:
    r"""Tell whether a name has characters that a terminal would obey, or nobody could print.

    >>> unshowable("Ünïcode 四"), unshowable("a\x1b[2J"), unshowable("\ud800")
    (False, True, True)
    """
    return not name.isprintable() and any(c in DIRECTIONS or unicodedata.category(c) in HIDDEN for c in name)


def showable(text: str) -> str:
    r"""Return a text with what a terminal would obey written as escapes.

    >>> showable("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if unshowable(c) else c for c in text)


def check_names(names: Sequence[str]) -> None:
    """Refuse names of classes that cannot be told apart, or not be shown.

    Raises
    ------
    DataError
        No name, one twice, an empty one, one over 200 characters, or one with control characters.
    """
    if not names:
        raise DataError("a model needs classes, and this one has none")
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DataError(f"two classes have the same name {twice!r}; give each its own")
    for name in names:
        if not name.strip() or len(name) > MOST_CHARACTERS or unshowable(name):
            raise DataError(
                f"the class name {name[:40]!a} is empty, longer than {MOST_CHARACTERS} characters, or has control "
                "characters; rename the class"
            )


def encode(labels: np.ndarray, classes: np.ndarray | Sequence[str]) -> np.ndarray:
    """Return the place of each label among the classes, int32; the classes may stand in any order.

    Raises
    ------
    DataError
        Labels that are no class.

    Examples
    --------
    >>> encode(np.array(["7", "3", "7"]), ("7", "3"))
    array([0, 1, 0], dtype=int32)
    """
    labels, classes = np.asarray(labels), np.asarray(classes)
    order = np.argsort(classes, kind="stable")
    place = np.minimum(np.searchsorted(classes, labels, sorter=order), len(classes) - 1)
    codes = order[place].astype(np.int32)
    unknown = classes[codes] != labels
    if unknown.any():
        names = np.unique(labels[unknown])
        shown = ", ".join(repr(str(name)) for name in names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        raise DataError(
            f"{int(unknown.sum())} labels are none of the model's classes: {shown} (row {int(unknown.argmax())} is the "
            f"first); the classes are {', '.join(map(str, classes))}; leave these rows out, or fit a model that knows "
            "their classes"
        )
    return codes


def stratified_folds(codes: np.ndarray, n_folds: int, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
    """Deal each class's rows into folds in turn, (n_samples,); -1 for a class with one row, which is never held out.

    >>> stratified_folds(np.array([0, 0, 0, 0, 1, 1, 2]), 2, np.random.RandomState(0)).tolist()
    [1, 0, 0, 1, 0, 1, -1]
    """
    fold_of = np.full(len(codes), -1)
    turn = 0
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        if len(members) > 1:
            fold_of[rng.permutation(members)] = (turn + np.arange(len(members))) % n_folds
            turn += len(members)
    return fold_of
