"""Reasons by place: the ink of a digit in nine named parts, and what each adds and takes, in words."""

from dataclasses import dataclass

import numpy as np

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "", "right")
SLIM = 0.4  # an ink box narrower than this part of its height is named by rows alone
LEAST = 0.05  # log-odds; places that matter less are left out of the words


@dataclass(frozen=True)
class Place:
    """One part of the digit's ink box, and what its ink does.

    Parameters
    ----------
    name : str
        Such as "top left".
    ink : float
        Ink in it, in full pixels.
    to_a, to_b : float
        What the ink adds to the scores of the two classes, weights centred over all classes.
    new_ink : float
        What filling the one pixel of the place that helps b most would add to the log-odds of b against a.
    """

    name: str
    ink: float
    to_a: float
    to_b: float
    new_ink: float

    @property
    def difference(self) -> float:
        """What the ink adds to the log-odds of a against b; in no gauge different."""
        return self.to_a - self.to_b


def ink_box(frame: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of the ink (bottom and right excluded); the whole frame where there is none.

    >>> ink_box(np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]))
    (1, 1, 2, 2)
    """
    rows, cols = np.flatnonzero(frame.any(axis=1)), np.flatnonzero(frame.any(axis=0))
    if not len(rows):
        return 0, 0, *frame.shape
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def named_parts(frame: np.ndarray) -> np.ndarray:
    """Return the name of each pixel's part of the ink box, (rows, cols) of str; ink lies only inside the box.

    >>> named_parts(np.ones((3, 3))).tolist()
    [['top left', 'top', 'top right'], ['left', 'centre', 'right'], ['bottom left', 'bottom', 'bottom right']]
    """
    top, left, bottom, right = ink_box(frame)
    slim = right - left < SLIM * (bottom - top)
    row = np.clip((np.arange(frame.shape[0]) - top) * 3 // max(bottom - top, 1), 0, 2)
    col = np.clip((np.arange(frame.shape[1]) - left) * 3 // max(right - left, 1), 0, 2)
    names = np.array([[_part(i, 1 if slim else j) for j in range(3)] for i in range(3)])
    return names[row[:, None], col]


def _part(row: int, col: int) -> str:
    if row == 1:
        return COLUMNS[col] or "centre"
    return f"{ROWS[row]} {COLUMNS[col]}".strip()


def places(frame: np.ndarray, to_a: np.ndarray, to_b: np.ndarray, *, missing: np.ndarray | None) -> list[Place]:
    """Return the parts of the digit, the one that matters most between a and b first; together they hold all ink.

    Parameters
    ----------
    frame, to_a, to_b : array (rows, cols)
        The ink, and what it adds at each pixel to the scores of a and b, weights centred over all classes.
    missing : array (rows, cols) or None
        What filling each pixel would add to the log-odds of a against b; None where that is not known.

    Examples
    --------
    >>> ink, to_a = np.ones((3, 1)), np.array([[0.5], [0.0], [2.0]])
    >>> [(place.name, place.difference) for place in places(ink, to_a, -to_a, missing=None)]
    [('bottom', 4.0), ('top', 1.0), ('centre', 0.0)]
    """
    names = named_parts(frame)
    found = []
    for name in dict.fromkeys(names.ravel().tolist()):
        part = names == name
        ink, for_a, for_b = (float(values[part].sum()) for values in (frame, to_a, to_b))
        new_ink = 0.0 if missing is None else float(-missing[part].min())
        found.append(Place(name, ink, for_a, for_b, new_ink))
    return sorted(found, key=lambda place: -abs(place.difference))


def sentences(found: list[Place], a: str, b: str, *, most: int = 4) -> list[str]:
    """Say what each place does, those that matter most first, and where new ink would help b most.

    >>> for line in sentences([Place("top", 3.0, 2.1, -1.3, 0.0), Place("left", 1.0, 0.4, 1.4, 0.8)], "4", "9"):
    ...     print(line)
    the ink at the top adds 2.1 to 4 and takes 1.3 from 9
    the ink at the left adds 0.4 to 4 and 1.4 to 9
    new ink at the left would help 9 most, by up to 0.8 a pixel
    """
    matter = [place for place in found if place.ink > 0.0 and abs(place.difference) >= LEAST]
    lines = [f"the ink {_where(place)} {_effects(place, a, b)}" for place in matter[:most]]
    best = max(found, key=lambda place: place.new_ink)
    if best.new_ink >= LEAST:
        lines.append(f"new ink {_where(best)} would help {b} most, by up to {best.new_ink:.1f} a pixel")
    return lines


def _where(place: Place) -> str:
    return f"{'in' if place.name == 'centre' else 'at'} the {place.name}"


def _effects(place: Place, a: str, b: str) -> str:
    """Say what is added and taken; what rounds to 0.0 is not worth a word."""
    parts: list[str] = []
    for value, name in ((place.to_a, a), (place.to_b, b)):
        if abs(value) >= LEAST:
            verb = "adds" if value > 0 else "takes"
            repeated = bool(parts) and parts[0].startswith(verb)
            parts.append(f"{'' if repeated else verb + ' '}{abs(value):.1f} {'to' if value > 0 else 'from'} {name}")
    return " and ".join(parts)
