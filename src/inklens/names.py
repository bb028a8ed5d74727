"""Names and numbers from outside: of classes, files, labels. What can be shown, and what a terminal would obey."""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inklens.errors import DataError

if TYPE_CHECKING:
    import numpy as np

MOST_CHARACTERS = 200  # of a class's name; a longer one is a text column taken for labels
DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # reorder text
LAST_CHARACTER = 0x10FFFF  # of Unicode; NumPy's arrays of text hold any number
HIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's categories of controls, halves of characters, and ends of lines


def is_number(text: str) -> bool:
    """Tell whether Python reads a text as a number.

    >>> is_number(" 1e-3"), is_number("red")
    (True, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


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


def beyond_unicode(texts: "np.ndarray") -> "np.ndarray":
    """Tell of each text of an array whether it has a number that is no character, which Python cannot make text of.

    >>> import numpy as np
    >>> beyond_unicode(np.array([ord("a"), 0x110000], np.uint32).view("U1"))
    array([False,  True])
    """
    import numpy as np

    if texts.dtype.kind != "U" or not texts.dtype.itemsize:
        return np.zeros(texts.shape, bool)
    native = np.ascontiguousarray(texts, texts.dtype.newbyteorder("="))
    beyond = native.view(np.uint32).reshape(*texts.shape, native.dtype.itemsize // 4) > LAST_CHARACTER
    return np.asarray(beyond.any(axis=-1))


def whole_number(text: str, most: int) -> int | None:
    """Return a number written in ASCII digits and nothing else; None where it is none, or larger than `most`.

    `int` takes digits of every script, and refuses those of thousands of places by an error of its own.

    >>> whole_number("007", 10), whole_number("11", 10), whole_number("9" * 5000, 10), whole_number("\u0663", 10)
    (7, None, None, None)
    """
    if not (text.isascii() and text.isdecimal()) or len(text.lstrip("0")) > len(str(most)):
        return None
    number = int(text.lstrip("0") or "0")
    return number if number <= most else None


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
