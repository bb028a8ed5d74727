"""Find the one digit of a photo: several guesses at paper and lines, the most digit-like result wins."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy import ndimage

from inklens.photos import checks, connected, frames, printed, typical
from inklens.photos.clarity import MAX_HOLE_DARKNESS, clarity, hole_darkness
from inklens.photos.connected import Box, Component
from inklens.photos.ink import Ink, find_ink, papers, polarities, resize_longer

# gray  (rows, cols)  float32, the photo
# work  (rows, cols)  float32, the photo at a size where strokes have a few pixels

WORK_SIDE = 224
SMALLEST_SIDE = 112  # smaller photos are enlarged to this, so that strokes have an inside
ACCEPTED_NOVELTY = 1.0  # of an ordinary digit: no further guess is made
CONFIRMED_NOVELTY = 1.7  # the same where two guesses agree, or the digit will be looked at again from nearer
MAX_MASK_DIFFERENCE = 0.02  # share of a digit's pixels in which two guesses may differ and count as one
DOUBT_NOVELTY = 0.3  # added to the novelty under the less likely of two polarities
LEFT_OVER_NOVELTY = 0.7  # added if all ink were left over
BORDER_NOVELTY = 2.0  # added if the whole outline lay on the picture's border
PRINT_MARGIN_PIXELS = 2  # beyond a printed line's ink: its blur
MAX_PRINT_SHARE = 0.85  # of its ink: more on the lines of a cell is no digit
PRINT_NOVELTY = 0.3  # added where printed lines were found and left in
MARGIN_NOVELTY = 2.0  # added to what lies along the border as no digit does
UNCLEAR_NOVELTY = 1.0  # added to what does not stand out as strokes do: another guess at the paper may be better
HOLLOW_NOVELTY = 2.0  # added to what is as dark inside its holes as its ink
CELL_NOVELTY = 2.0  # added besides if all its ink were lines along two or more sides
FAINT_SHARE = 0.5  # of the threshold: so faint are lines that still count when the digit is judged
ALONE_SHARE = 0.05  # of the ink: with less left over, no printed line needs to be looked for
CLEAR_TONES = 0.75  # of the variance: from it, the paper round a digit needs no second look
EDGE_PIXELS = 1  # of the picture's edge at working size: resizing may fade its outermost row
MAX_BAR_WIDTH = 0.25  # of its length: wider is a digit in a tight cut
MARGIN_SHARE = 0.15  # of the picture's side: what the border cuts off there is a neighbour's or printed
BAR_MARGIN_SHARE, BAR_END_SHARE = 0.2, 0.1  # so near to one border, and with an end to another, a bar is printed
MAX_MARGIN_BAR_WIDTH = 0.3  # of its length
ZOOM_SHARE = 0.3  # a digit smaller than this share of the photo is looked at again from nearer


@dataclass(frozen=True, eq=False)
class View:
    """A window of a photo at working size."""

    bright: np.ndarray  # ink is dark
    corner: tuple[float, float]  # left, top in pixels of `gray`
    scale: float  # pixels of `gray` per pixel
    polarity: str  # in the photo the ink is "dark" or "light"


@dataclass(frozen=True, eq=False)
class Found:
    """What may be the digit: its ink, and where it lies."""

    view: View
    ink: Ink
    mask: np.ndarray  # the digit's pixels
    box: Box  # in pixels of the mask
    group: tuple[Component, ...]
    others: tuple[Component, ...]
    lines: bool  # printed lines were taken out
    doubt: float = 0.0  # added to its novelty
    rivals: int = 0  # other components in the photo that are as large as a digit

    def redraw(self, pen: str | float | None = "auto") -> tuple[np.ndarray, float]:
        """Return the ink inside the box, and the pen's width relative to it."""
        return self._redrawn if pen == "auto" else self._redraw(pen)

    @cached_property
    def _redrawn(self) -> tuple[np.ndarray, float]:
        return self._redraw("auto")

    def _redraw(self, pen: str | float | None) -> tuple[np.ndarray, float]:
        return frames.redraw(self.ink, self.mask, self.box, self.extent, pen)

    def frame(self) -> np.ndarray:
        """Return the frame (28, 28)."""
        return frames.centred(frames.fit_box(self.redraw()[0]))

    def measures(self) -> dict[str, float]:
        """Return what the checks before an answer need."""
        left, top, right, bottom = self.box
        return {
            "contrast": self.ink.full,
            "noise": self.ink.noise,
            "border": max(component.along for component in self.group),
            "holes": float(connected.holes(self.mask[top:bottom, left:right])),
            "rivals": float(self.rivals),
            "crosses": float(self.crosses),
            "in_margin": float(self.is_in_margin),
            "hole_darkness": self.hole_darkness,
            "length": self.length,
            "left_over": self.left_over,
            **self.clarity,
        }

    @property
    def length(self) -> float:
        """Length of its strokes, relative to its extent."""
        left, top, right, bottom = self.box
        extent = max(right - left, bottom - top)
        return float(self.mask.sum()) / (self._redrawn[1] * extent**2)

    @cached_property
    def clarity(self) -> dict[str, float]:
        """Return how clearly it stands out from its paper, whatever else is printed there."""
        left, top, right, bottom = self.box
        measured = partial(
            clarity,
            mask=self.mask,
            box=self.box,
            pen=self._redrawn[1] * max(right - left, bottom - top),
            full=self.ink.full,
        )
        found = measured(self.ink.bright, self.ink.contrast)
        if found["two_tones"] >= CLEAR_TONES:
            return found
        other = self._print()
        return measured(self.ink.painted_over(other), np.where(other, 0, self.ink.contrast))

    def _print(self) -> np.ndarray:
        """Return the pixels, lines too faint to be ink and a margin with them, that are neither digit nor paper."""
        ink, margin = self.ink, PRINT_MARGIN_PIXELS
        faint = ink.contrast > max(FAINT_SHARE * ink.threshold, 4 * ink.noise)
        other = faint & ~printed.without_lines(faint | self.mask)
        return connected.dilated(other & ~self.mask, margin, margin) & ~connected.dilated(self.mask, margin, margin)

    @property
    def left_over(self) -> float:
        """Share of the ink that is neither the digit nor on the border."""
        rest = sum(component.area for component in self.others if component.border < 0.3)
        return rest / (rest + sum(component.area for component in self.group))

    @property
    def crosses(self) -> bool:
        """Whether it is a bar across the whole picture; small scans may be cut to a 1 itself."""
        (left, top, right, bottom), (rows, cols) = self.box, self.mask.shape
        edge, across, along = EDGE_PIXELS, *sorted((right - left, bottom - top))
        if self._is_striped:
            return True
        if self.view.scale < 1 or across > MAX_BAR_WIDTH * along:
            return False
        return (top <= edge and bottom >= rows - edge) or (left <= edge and right >= cols - edge)

    @cached_property
    def hole_darkness(self) -> float:
        """Darkness inside its holes, from 0 (paper) to 1 (its ink)."""
        return hole_darkness(self.view.bright, self.ink.mask, self.mask, self.box)

    @property
    def _is_striped(self) -> bool:
        """Whether parts of it and of the other ink run on beyond two sides of the picture, as stripes and clouds do."""
        shape = self.mask.shape
        own, rest = (sum(_sides(part.box, shape) >= 2 for part in parts) for parts in (self.group, self.others))
        return own >= 1 and own + rest >= 2

    @property
    def is_in_margin(self) -> bool:
        """Whether it lies along the border as no digit does: cut off, or a bar such as a tick of a comb."""
        (left, top, right, bottom), (rows, cols) = self.box, self.mask.shape
        beside, above = min(right, cols - left) / cols, min(bottom, rows - top) / rows
        if _sides(self.box, (rows, cols)) and min(beside, above) <= MARGIN_SHARE:
            return True
        width, height = right - left, bottom - top
        ends = (min(top, rows - bottom) / rows, min(left, cols - right) / cols)
        away, end = (beside, ends[0]) if height > width else (above, ends[1])
        is_bar = min(width, height) <= MAX_MARGIN_BAR_WIDTH * max(width, height)
        return is_bar and away <= BAR_MARGIN_SHARE and end <= BAR_END_SHARE

    @property
    def is_alone(self) -> bool:
        """Whether there is hardly any ink besides it."""
        return not self.rivals and self.left_over < ALONE_SHARE

    @property
    def extent(self) -> float:
        """Longer side of the digit in pixels of `gray`."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top) * self.view.scale

    def is_small_in(self, gray: np.ndarray) -> bool:
        """Say whether the photo shows it better from nearer."""
        return self.extent <= ZOOM_SHARE * max(gray.shape) and max(gray.shape) > WORK_SIDE

    @property
    def gray_box(self) -> tuple[float, float, float, float]:
        """The box in pixels of `gray`."""
        (x, y), s = self.view.corner, self.view.scale
        left, top, right, bottom = self.box
        return x + left * s, y + top * s, x + right * s, y + bottom * s


def _sides(box: Box, shape: tuple[int, ...]) -> int:
    """Count the sides of the picture that a box reaches."""
    left, top, right, bottom = box
    rows, cols = shape
    edge = EDGE_PIXELS
    return (left <= edge) + (top <= edge) + (right >= cols - edge) + (bottom >= rows - edge)


def best(
    gray: np.ndarray, *, polarity: str = "auto", threshold: float | None = None, lines: bool = True
) -> Found | None:
    """Return the most digit-like ink of a photo, or None if there is none."""
    found = _best(gray, (0, 0), polarity, threshold, lines)
    if found is None or not found.is_small_in(gray):
        return found
    left, top, right, bottom = found.gray_box
    margin = 0.6 * found.extent
    x, y = max(0, int(left - margin)), max(0, int(top - margin))
    nearer = gray[y : int(bottom + margin) + 1, x : int(right + margin) + 1]
    again = _best(nearer, (x, y), found.view.polarity, threshold, lines)
    return replace(again, rivals=found.rivals) if again else found


def _best(
    gray: np.ndarray, window: tuple[float, float], polarity: str, threshold: float | None, lines: bool
) -> Found | None:
    work = resize_longer(gray, WORK_SIDE)
    if max(work.shape) < SMALLEST_SIDE:
        work = resize_longer(work, SMALLEST_SIDE, enlarge=True)
    scale = max(gray.shape) / max(work.shape)
    best: Found | None = None
    least = np.inf
    for doubt, ink in enumerate(polarities(work) if polarity == "auto" else [polarity]):
        view = View(work if ink == "dark" else 1 - work, window, scale, ink)
        for name, paper in papers(view.bright):
            seen = find_ink(view.bright, name, paper, threshold)
            candidates, novelties = _candidates(view, seen, paper, threshold, lines)
            if not candidates:
                continue
            novelties = novelties + doubt * DOUBT_NOVELTY
            new, novelty = candidates[int(novelties.argmin())], float(novelties.min())
            if novelty < least and checks.is_unclear(new.clarity):
                novelty += UNCLEAR_NOVELTY
            agreed = best is not None and _same(new, best)
            if best is None or novelty < least:
                best, least = new, novelty
            if least < (CONFIRMED_NOVELTY if agreed or best.is_small_in(gray) else ACCEPTED_NOVELTY):
                break
    return best


def _same(a: Found, b: Found) -> bool:
    """Say whether two guesses at the paper see the same digit."""
    return a.view is b.view and int((a.mask ^ b.mask).sum()) < MAX_MASK_DIFFERENCE * int(a.mask.sum())


def _candidates(
    view: View, seen: Ink, paper: np.ndarray, threshold: float | None, lines: bool
) -> tuple[list[Found], np.ndarray]:
    """Return what may be the digit, with printed lines left in and taken out, and the novelty of each."""
    plain = list(_digits(view, seen))
    strange = _strangeness(plain)
    novelties = strange + _penalties(plain)
    if not lines or any(n < ACCEPTED_NOVELTY and found.is_alone for n, found in zip(novelties, plain, strict=True)):
        return plain, novelties
    rules = printed.printed_lines(seen.mask)
    if not rules:
        return plain, novelties
    left = printed.taken_out(seen.mask, rules)
    ruled = [_beside_lines(found, seen.mask & ~left, rules) for found in plain]
    cleaned = list(_digits(view, _without_print(seen, left, paper, threshold), taken_out=True))
    kept = [k for k, found in enumerate(ruled) if found is not None]
    both = [found for found in ruled if found is not None] + cleaned
    return both, np.concatenate([strange[kept], _strangeness(cleaned)]) + _penalties(both)


def _beside_lines(found: Found, lines_only: np.ndarray, rules: list[printed.Line]) -> Found | None:
    """Return what was found without the lines beside it; None if it is nothing but lines along the border itself."""
    share = float(lines_only[found.mask].mean())
    if share > MAX_PRINT_SHARE and all(line.is_outer for line in rules):
        return None
    labels, _ = ndimage.label(found.ink.mask, connected.EIGHT_NEIGHBOURS)
    ruled = np.bincount(labels[lines_only], minlength=int(labels.max()) + 1)
    others = tuple(part for part in found.others if ruled[part.label] <= 0.5 * part.area)
    return replace(found, others=others, doubt=_doubt(rules, share), rivals=connected.rivals(list(found.group), others))


def _doubt(rules: list[printed.Line], share: float) -> float:
    """Return what is added to the novelty of ink in which printed lines were left, a share of it."""
    if len(rules) < 2:
        return 0.0
    crossed = {line.turned for line in rules if line.is_outer}
    return PRINT_NOVELTY + (CELL_NOVELTY * share if len(crossed) == 2 else 0.0)


def _without_print(seen: Ink, left: np.ndarray, paper: np.ndarray, threshold: float | None) -> Ink:
    """Find the ink again with paper painted over the lines: beside black ones a pale pen has a threshold of its own."""
    margin = PRINT_MARGIN_PIXELS
    blur = connected.dilated(seen.mask & ~left, margin, margin) & ~connected.dilated(left, 1, 1)
    again = find_ink(seen.painted_over(blur), seen.paper, paper, threshold)
    return replace(again, mask=printed.without_lines(again.mask))


def _digits(view: View, seen: Ink, *, taken_out: bool = False) -> Iterator[Found]:
    labels, components = connected.label(seen.mask)
    for group in connected.main_groups(components, seen.mask.shape):
        digit = connected.mask_of(group, labels)
        members = set(group)
        others = tuple(component for component in components if component not in members)
        rivals = connected.rivals(group, others)
        yield Found(view, seen, digit, connected.union(group), tuple(group), others, taken_out, rivals=rivals)


def _strangeness(candidates: list[Found]) -> np.ndarray:
    """Return how unlike a digit the frame of each is, (n_candidates,)."""
    if not candidates:
        return np.zeros(0)
    return typical.shipped().novelty(np.array([found.frame() for found in candidates], np.float32))


def _penalties(candidates: list[Found]) -> np.ndarray:
    """Return what is added to each novelty for ink left over, the border, lines left in, and solid ink seen hollow."""
    left_over = np.array([found.left_over for found in candidates])
    border = np.array([max(component.border for component in found.group) for found in candidates])
    doubt = np.array([found.doubt for found in candidates])
    margin = np.array([found.is_in_margin for found in candidates], float)
    hollow = np.array([found.hole_darkness > MAX_HOLE_DARKNESS for found in candidates], float)
    return (
        LEFT_OVER_NOVELTY * left_over
        + BORDER_NOVELTY * border
        + MARGIN_NOVELTY * margin
        + HOLLOW_NOVELTY * hollow
        + doubt
    )
