"""A digit in the terminal: shades of one colour, two characters a pixel, ASCII where nothing else is sure to show."""

import os
import sys

import numpy as np

BLOCKS, ASCII = " ░▒▓█", " .+#@"
MARGIN = 1  # pixels of paper kept around the ink
WIDEST = 38  # pixels that fit 80 columns with two characters each
LEAST = 0.02  # ink that a change adds or erases before it is marked


def text_picture(frame: np.ndarray, marks: dict[tuple[int, int], str] | None = None, *, blocks: bool = False) -> str:
    """Return the ink of a frame as lines of text, with letters at the marked pixels.

    >>> print(text_picture(np.array([[0.0, 1.0, 0.4]]), {(0, 1): "A"}))
    |  AA++|
    """
    marks = marks or {}
    shades = BLOCKS if blocks else ASCII
    top, left, bottom, right = _box(frame, marks)
    width = 2 if right - left <= WIDEST else 1
    levels = np.clip(np.ceil(frame * (len(shades) - 1) - 1e-9), 0, len(shades) - 1).astype(int)
    lines = []
    for row in range(top, bottom):
        cells = [marks.get((row, col), shades[levels[row, col]]) * width for col in range(left, right)]
        lines.append(f"|{''.join(cells)}|")
    return "\n".join(lines)


def change_marks(before: np.ndarray, after: np.ndarray) -> dict[tuple[int, int], str]:
    """Return "+" where ink was added and "-" where it was erased.

    >>> change_marks(np.array([[0.0, 1.0]]), np.array([[0.5, 0.0]]))
    {(0, 0): '+', (0, 1): '-'}
    """
    change = after - before
    places = zip(*np.nonzero(np.abs(change) >= LEAST), strict=True)
    return {(int(row), int(col)): "+" if change[row, col] > 0 else "-" for row, col in places}


def shows_blocks() -> bool:
    """Whether standard output is sure to show block characters; under LANG=C it is not."""
    named = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if named[1] == "C.UTF-8" and not named[0]:  # what Python itself sets where the locale is C
        named[1] = ""
    locale = next((name for name in named if name), "C")
    try:
        BLOCKS.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return "utf" in locale.lower()


def _box(frame: np.ndarray, marks: dict[tuple[int, int], str]) -> tuple[int, int, int, int]:
    inked = frame > 0.0
    for place in marks:
        inked[place] = True
    rows, cols = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not len(rows):
        return 0, 0, *frame.shape
    return (
        max(int(rows[0]) - MARGIN, 0),
        max(int(cols[0]) - MARGIN, 0),
        min(int(rows[-1]) + 1 + MARGIN, frame.shape[0]),
        min(int(cols[-1]) + 1 + MARGIN, frame.shape[1]),
    )
