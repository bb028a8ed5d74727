"""Find all digits of a page, in reading order."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from inklens.photos import checks, connected, frames, typical
from inklens.photos.connected import Box, Component
from inklens.photos.decode import Picture, Source
from inklens.photos.ink import Ink, closed_paper, find_ink, polarities, resize_longer
from inklens.photos.normalise import Normalised, Normaliser
from inklens.photos.search import Found, View

PAGE_SIDE = 1400  # a page of thirty digits a line leaves each some 30 pixels
DIGIT_HEIGHT = (0.45, 2.2)  # of the median height: components outside are marks, lines or blots
SPECK_EXTENT = 0.12  # of the median height: shorter in both directions is a speck
ROW_GAP = 0.55  # of the median height between the middles of two lines
MIN_SPLIT_ASPECT = 1.25  # width over height from which a component may be two digits that touch
MAX_DIGITS = 600  # more components of a digit's size are no page that a person wrote, and would take seconds
MAX_WEIGHED = 150  # signs of a page whose frames say how much the page is worth; a guess at its paper may be given up
CLEAR_WORTH = 0.85  # per digit, from which a page needs no second guess at its paper
MIN_SPLIT_GAIN = 0.15  # of novelty: by so much lower must that of the halves be


def locate(
    picture: Picture | Source, *, many: bool | None = None, normaliser: Normaliser | None = None
) -> list[list[Normalised]]:
    """Return the digits of a photo as lines from top to bottom, each from left to right.

    Parameters
    ----------
    picture : Picture, path, bytes, binary file, array or PIL image
        The photo.
    many : bool, optional
        True: a page of digits; False: one digit; None: decide by what is there.
    normaliser : Normaliser, optional
        Recipe and parameters; only the faithful recipe knows pages.

    Examples
    --------
    >>> import numpy as np
    >>> page = np.full((80, 200), 0.9)
    >>> for col in (30, 90, 150):
    ...     page[20:60, col:col + 6] = 0.1
    >>> [len(line) for line in locate(page)]
    [3]
    """
    normaliser = normaliser or Normaliser()
    picture = normaliser.decode(picture)
    if normaliser.recipe != "faithful":
        return [[normaliser.normalise(picture)]]
    single = None if many else normaliser.normalise(picture)
    if single is not None and (single.accepted or many is False):
        return [[single]]
    try:
        lines = _page(picture, normaliser)
    except _CrowdedError as crowded:
        seen = single or normaliser.normalise(picture)  # what is wrong with this one sign is beside the point
        return [[replace(seen, accepted=False, reasons=(checks.crowded(crowded.n_signs),))]]
    if single is None:
        return _judged_page(lines or [[normaliser.normalise(picture)]])
    least = 2 if single.measures.get("rivals", 0) > 0 else checks.MIN_SIGNS
    return _judged_page(lines) if sum(map(len, lines)) >= least else [[single]]


def _judged_page(lines: list[list[Normalised]]) -> list[list[Normalised]]:
    signs = [seen for line in lines for seen in line]
    reason = checks.judge_page(np.array([seen.frame for seen in signs]), np.array([seen.accepted for seen in signs]))
    return lines if reason is None else _refused(lines, reason)


def _refused(lines: list[list[Normalised]], reason: str) -> list[list[Normalised]]:
    """Refuse every sign for what is wrong with the whole picture."""
    return [[replace(seen, accepted=False, reasons=(reason, *seen.reasons)) for seen in line] for line in lines]


class _CrowdedError(Exception):
    """More signs on a picture than a hand writes."""

    def __init__(self, n_signs: int) -> None:
        self.n_signs = n_signs


def _page(picture: Picture, normaliser: Normaliser) -> list[list[Normalised]]:
    """Search a page under two guesses at its paper; the one with more digit-like ink wins."""
    work = resize_longer(picture.gray, PAGE_SIDE)
    scale = max(picture.gray.shape) / max(work.shape)
    polarity = polarities(work)[0] if normaliser.polarity == "auto" else normaliser.polarity
    view = View(work if polarity == "dark" else 1 - work, (0, 0), scale, polarity)
    best: list[list[Found]] = []
    highest = 0.0
    crowded: _CrowdedError | None = None
    for share in (0.2, 0.1):
        paper = closed_paper(view.bright, share)
        seen = find_ink(view.bright, f"closing {share:.0%}", paper, normaliser.threshold)
        try:
            lines = _digits(view, seen, normaliser.lines)
        except _CrowdedError as error:
            crowded = error
            continue
        found = [found for line in lines for found in line]
        worth = _worth(found)
        if worth > highest:
            best, highest = lines, worth
        if found and worth > CLEAR_WORTH * len(found):
            break
    if not best and crowded:
        raise crowded
    return [[normaliser.from_found(picture, found) for found in line] for line in best]


def _worth(digits: list[Found]) -> float:
    """Return how many digits there are: an ordinary one counts 1, one with a high novelty next to nothing.

    Of many signs, some that are spread evenly stand for all.
    """
    if not digits:
        return 0.0
    weighed = digits[:: -(-len(digits) // MAX_WEIGHED)]
    novelty = typical.shipped().novelty(np.array([found.frame() for found in weighed], np.float32))
    return float((1 - np.clip((novelty - 1) / 3, 0, 1.3)).mean()) * len(digits)


def _digits(view: View, seen: Ink, lines: bool) -> list[list[Found]]:
    mask = connected.without_lines(seen.mask) if lines else seen.mask
    labels, components = connected.label(mask)
    groups = _groups(components)
    if not groups:
        return []
    found = [digit for group in groups for digit in _split(_crop(view, seen, labels, group))]
    return _in_lines(found)


def _groups(components: list[Component]) -> list[list[Component]]:
    """Join components into digits: the bar of a 5 with its body, and drop marks that are no digit's size."""
    standing = [component for component in components if component.border < 0.3]
    if not standing:
        return []
    extents = np.array([component.extent for component in standing])
    tall = np.median(extents[extents >= 0.3 * np.percentile(extents, 90)])
    usable = [p for p in standing if SPECK_EXTENT * tall < p.extent < DIGIT_HEIGHT[1] * tall]
    bodies = [[component] for component in usable if component.extent >= DIGIT_HEIGHT[0] * tall]
    if len(bodies) > MAX_DIGITS:
        raise _CrowdedError(len(bodies))
    _add_marks(bodies, [component for component in usable if component.extent < DIGIT_HEIGHT[0] * tall])
    return _stacked(bodies, tall)


def _add_marks(bodies: list[list[Component]], marks: list[Component]) -> None:
    """Add each mark to the first body that it lies near enough to."""
    boxes = np.array([connected.union(body) for body in bodies]).reshape(-1, 4)
    for mark in marks:
        for k in np.flatnonzero(connected.belongs(mark.box, boxes.T))[:1]:
            bodies[k].append(mark)
            boxes[k] = connected.union(bodies[k])


def _stacked(bodies: list[list[Component]], tall: float) -> list[list[Component]]:
    """Join bodies above one another that make one digit of ordinary height."""
    joined: list[list[Component]] = []
    reach: list[tuple[Box, list[Component]]] = []  # of those that a body further right may still overlap
    for body in sorted(bodies, key=lambda b: connected.union(b)[0]):
        box = connected.union(body)
        reach = [(other, members) for other, members in reach if other[2] > box[0]]
        mate = next((k for k, (other, _) in enumerate(reach) if _same_digit(box, other, tall)), None)
        if mate is None:
            joined.append(body)
            reach.append((box, body))
        else:
            members = reach[mate][1]
            members += body
            reach[mate] = connected.union(members), members
    return joined


def _same_digit(a: Box, b: Box, tall: float) -> bool:
    """Say whether two bodies above one another make one digit of ordinary height."""
    overlap = min(a[2], b[2]) - max(a[0], b[0])
    height = max(a[3], b[3]) - min(a[1], b[1])
    return overlap > 0.6 * min(a[2] - a[0], b[2] - b[0]) and height < 1.25 * tall


def _crop(view: View, seen: Ink, labels: np.ndarray, group: list[Component]) -> Found:
    """Cut one digit out of the page, with a little room round it."""
    left, top, right, bottom = connected.union(group)
    room = 3
    x, y = max(0, left - room), max(0, top - room)
    window = np.s_[y : bottom + room, x : right + room]
    near = replace(
        view,
        bright=view.bright[window],
        corner=(view.corner[0] + x * view.scale, view.corner[1] + y * view.scale),
    )
    mask = connected.mask_of(group, labels[window])
    ink = replace(seen, contrast=seen.contrast[window], mask=mask, bright=seen.bright[window])
    return Found(near, ink, mask, (left - x, top - y, right - x, bottom - y), tuple(group), (), False)


def _split(found: Found) -> list[Found]:
    """Split two digits that touch, if each half looks more like a digit than the whole."""
    left, top, right, bottom = found.box
    width, height = right - left, bottom - top
    if width < MIN_SPLIT_ASPECT * height or width < 16:
        return [found]
    profile = ndimage.uniform_filter1d(found.mask[:, left:right].sum(axis=0).astype(float), 3)
    middle = np.s_[width // 4 : width - width // 4]
    cut = left + width // 4 + int(np.argmin(profile[middle]))
    halves = [_part_of(found, left, cut), _part_of(found, cut, right)]
    whole, *parts = typical.shipped().novelty(np.array([f.frame() for f in (found, *halves)], np.float32))
    return halves if np.mean(parts) < whole - MIN_SPLIT_GAIN else [found]


def _part_of(found: Found, left: int, right: int) -> Found:
    mask = np.zeros_like(found.mask)
    mask[:, left:right] = found.mask[:, left:right]
    box = frames.bounding_box(mask) or found.box
    return replace(found, mask=mask, box=box)


def _in_lines(digits: list[Found]) -> list[list[Found]]:
    """Sort into lines by height, tilt evened out, and each line from left to right."""
    boxes = np.array([found.gray_box for found in digits])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    tall = float(np.median(boxes[:, 3] - boxes[:, 1]))
    level = y - _tilt(x, y, tall) * x
    order = np.argsort(level)
    lines: list[list[int]] = [[int(order[0])]]
    for index in order[1:]:
        if level[index] - np.mean(level[lines[-1]]) > ROW_GAP * tall:
            lines.append([])
        lines[-1].append(int(index))
    return [[digits[i] for i in sorted(line, key=lambda i: x[i])] for line in lines]


def _tilt(x: np.ndarray, y: np.ndarray, tall: float) -> float:
    """Return the median slope from each digit to its neighbour on the right."""
    slopes = []
    for i in range(len(x)):
        ahead = (x > x[i] + 0.3 * tall) & (np.abs(y - y[i]) < 0.8 * tall) & (x < x[i] + 6 * tall)
        if ahead.any():
            j = np.flatnonzero(ahead)[np.argmin(x[ahead])]
            slopes.append((y[j] - y[i]) / (x[j] - x[i]))
    return float(np.median(slopes)) if slopes else 0.0
