"""Figures of the race: who is how good, how each decided a digit, and which pixels mattered to it."""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display, symmetric_scale
from inklens.displays.palettes import (
    ADDED,
    FOR,
    INK,
    LINE,
    MUTED,
    NEITHER,
    PREDICTED,
    TRUE,
    ink_pixels,
    signed_pixels,
)
from inklens.displays.scene import (
    BOLD,
    LEADING,
    TEXT,
    Reading,
    Scene,
    grid,
    shorten,
    signed_legend,
    text_width,
    wrap,
)
from inklens.displays.style import in_default_style
from inklens.siblings.results import Decision, Standing

LINE_HEIGHT = TEXT * LEADING
FAINT = 0.3  # how dark full ink shows through a map
BADGE = 12.0  # points; a number on a digit
ASKED = ADDED  # violet: pixels that a tree asked, numbered
NARROWEST_SIDE_BY_SIDE = 420.0  # points; below, bars stand under the pictures
MOST_CLASSES = 12
ROW = 17.0  # points between two models
GAP = 30.0  # points between two panels
Names = Literal["left", "above", "none"]


class DecisionDisplay(Display):
    """How one model decided one digit: the digit, what each pixel added, what each class had, and which rows voted.

    Parameters
    ----------
    image : array (rows, cols)
        The digit, ink in [0, 1].
    decision : Decision
    true : str
        Its label.
    voters : sequence of array (rows, cols)
        Pictures of the decision's voters.

    Examples
    --------
    >>> decision = Decision("4", "9", {"4": 2.0, "9": 1.5}, "score z", 0.5, (), pixels=[[0.3, 0.2]])
    >>> DecisionDisplay(np.array([[1.0, 1.0]]), decision, true="9").alt
    'It says 4, which is wrong (the label is 9). Score z: 4: 2, 9: 1.5.'
    """

    def __init__(self, image: np.ndarray, decision: Decision, *, true: str, voters: Sequence[np.ndarray] = ()) -> None:
        self.image = image
        self.decision = decision
        self.true = true
        self.voters = list(voters)

    @property
    def alt(self) -> str:
        d = self.decision
        judged = "which is right" if d.said == self.true else f"which is wrong (the label is {self.true})"
        scores = ", ".join(f"{name}: {_value(value, d.unit)}" for name, value in _largest(d.scores).items())
        asked = "".join(f" {k}. {mark.text}." for k, mark in enumerate(d.marks, 1))
        rows = "".join(f" A training image of {v.label}: {v.text}.".replace("\n", ", ") for v in d.voters)
        unit = d.unit[:1].upper() + d.unit[1:]
        return " ".join([f"It says {d.said}, {judged}.", *d.sentences, f"{unit}: {scores}."]) + asked + rows

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red") -> Self:
        """Draw pictures and bars beside each other, then the key, the questions and the rows that voted."""
        scene = Scene(ax, width)
        below = self._pictures(scene, palette)
        if self.decision.pixels is not None:
            below = self._key(scene, below + 8, palette)
        if self.decision.marks:
            below = self._questions(scene, below + 6)
        if self.voters:
            self._rows(scene, below + 8)
        return self._finish(scene)

    def _pictures(self, scene: Scene, palette: str) -> float:
        d, beside = self.decision, scene.width >= NARROWEST_SIDE_BY_SIDE
        pictures = [ink_pixels(self.image)]
        captions = ["what it was given" if not d.marks else "the pixels it asked"]
        if d.pixels is not None:
            pictures.append(self._map(np.array(d.pixels), palette))
            captions.append("what each pixel adds")
        n_tiles = 3 if beside else 2
        tiles = grid(n_tiles, self.image.shape, scene.width, smallest=60, largest=190, gap=14)
        for k, (pixels, caption) in enumerate(zip(pictures, captions, strict=True)):
            reading = Reading(f"lead of {d.said} over {d.against}", np.array(d.pixels)) if k else None
            scene.picture(tiles.left(k), 0, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            scene.box(tiles.left(k), 0, tiles.tile_width, tiles.tile_height, edge=LINE)
            words = wrap(caption, tiles.step - 6, bold=True)
            middle = tiles.left(k) + tiles.tile_width / 2
            scene.words(middle, tiles.tile_height + 2, words, ha="center", weight=BOLD)
        self._badges(scene, (tiles.left(0), tiles.tile_width, tiles.tile_height))
        below = tiles.tile_height + 2 + LINE_HEIGHT
        if beside:
            place = len(pictures)
            left = tiles.left(place)
            self._bars(scene, left, 0, scene.width - left if place == 2 else tiles.tile_width, tiles.tile_height)
            return below
        return self._bars(scene, 0, below + 8, scene.width, 84)

    def _map(self, values: np.ndarray, palette: str) -> np.ndarray:
        """Colour what pixels add; ink shows in pale grey, so that the eye finds its place."""
        scale = symmetric_scale(values)
        coloured = signed_pixels(values, scale, palette=palette, black_zeros=False)
        pale = np.clip(1.0 - np.abs(values) / scale, 0.0, 1.0) * FAINT * self.image
        return np.rint(coloured * (1.0 - pale[..., None])).astype(np.uint8)

    def _bars(self, scene: Scene, left: float, top: float, width: float, height: float) -> float:
        """Draw one upright bar for each class from a line at 0; the caption hangs where those of pictures do."""
        d = self.decision
        scores = _largest(d.scores)
        high, low = max(max(scores.values()), 0.0), min(min(scores.values()), 0.0)
        room = height - LINE_HEIGHT - 2
        unit = room / (high - low) if high > low else 0.0
        zero, step = top + high * unit, width / len(scores)
        for place, (name, value) in enumerate(scores.items()):
            colour = PREDICTED if name == d.said else TRUE if name == self.true else NEITHER
            bar = abs(value) * unit
            x = left + (place + 0.15) * step
            scene.box(x, zero - max(value, 0.0) * unit, 0.7 * step, bar, colour=colour, striped=colour == TRUE)
            scene.value(left + place * step, top, step, room, f"{name}: {_value(value, d.unit)}, {d.unit}")
            label = shorten(name, max(step - 2, TEXT))
            weight = BOLD if name in (d.said, self.true) else "normal"
            scene.words(left + (place + 0.5) * step, top + room + 1, label, ha="center", weight=weight)
        scene.rule(zero, left=left, right=left + width)
        caption = wrap(f"{d.unit}: {d.said} has {_value(d.scores[d.said], d.unit)}", width, bold=True)
        return scene.words(left + width / 2, top + height + 2, caption, ha="center", weight=BOLD)

    def _badges(self, scene: Scene, tile: tuple[float, float, float]) -> None:
        """Number the asked pixels, each number near its pixel where no other one stands."""
        taken: list[tuple[float, float]] = []
        pixel = tile[1] / self.image.shape[1]
        wide = BADGE + 5 * (len(self.decision.marks) > 9)
        for number, mark in enumerate(self.decision.marks, 1):
            x, y = tile[0] + mark.col * pixel, mark.row * pixel
            centre = x + pixel / 2, y + pixel / 2
            place = _free_place(centre, wide, tile, taken)
            taken.append(place)
            scene.line(centre, (place[0] + wide / 2, place[1] + BADGE / 2), colour=ASKED, width=1.0)
            scene.box(x - 0.5, y - 0.5, pixel + 1, pixel + 1, colour=ASKED, edge="#ffffff")
            scene.box(*place, wide, BADGE, colour=ASKED)
            scene.words(place[0] + wide / 2, place[1] - 0.5, str(number), ha="center", weight=BOLD, color="#ffffff")

    def _key(self, scene: Scene, top: float, palette: str) -> float:
        d = self.decision
        return signed_legend(
            scene,
            top,
            symmetric_scale(np.array(d.pixels)),
            palette=palette,
            adds=f"for {d.said}",
            subtracts=f"for {d.against}",
            zeros=None,
            pale="white, or grey where there is ink",
        )

    def _questions(self, scene: Scene, top: float) -> float:
        texts = [f"{number}. {mark.text}" for number, mark in enumerate(self.decision.marks, 1)]
        columns = 2 if scene.width >= NARROWEST_SIDE_BY_SIDE and len(texts) > 3 else 1
        room, deep = scene.width / columns, -(-len(texts) // columns)
        below = top
        for column in range(columns):
            y = top
            for text in texts[column * deep : (column + 1) * deep]:
                y = scene.words(column * room, y, wrap(text, room - 12))
            below = max(below, y)
        return below

    def _rows(self, scene: Scene, top: float) -> None:
        d, n = self.decision, len(self.voters)
        groups = {
            f"For {d.said}": [k for k in range(n) if d.voters[k].adds > 0],
            f"For {d.against}": [k for k in range(n) if d.voters[k].adds < 0],
            "For another class": [k for k in range(n) if d.voters[k].adds == 0],
        }
        for heading, numbers in groups.items():
            if numbers:
                top = scene.words(0, top, f"{heading}: training images", weight=BOLD) + 4
                top = self._cards(scene, top, numbers) + 4

    def _cards(self, scene: Scene, top: float, numbers: Sequence[int]) -> float:
        voters = [self.decision.voters[k] for k in numbers]
        lines = [line for voter in voters for line in voter.text.split("\n")]
        tiles = grid(len(numbers), self.image.shape, scene.width, captions=lines, smallest=48, largest=72, gap=8)
        block = tiles.tile_height + (1 + max(v.text.count("\n") + 1 for v in voters)) * LINE_HEIGHT + 6
        for place, (number, voter) in enumerate(zip(numbers, voters, strict=True)):
            left, y = tiles.left(place), top + tiles.row(place) * block
            scene.picture(left, y, tiles.tile_width, tiles.tile_height, ink_pixels(self.voters[number]))
            scene.box(left, y, tiles.tile_width, tiles.tile_height, edge=LINE)
            middle = left + tiles.tile_width / 2
            label = shorten(voter.label, tiles.step - 2, bold=True)
            y = scene.words(middle, y + tiles.tile_height + 1, label, ha="center", weight=BOLD)
            for line in voter.text.split("\n"):
                y = scene.words(middle, y, shorten(line, tiles.step - 2), ha="center")
        return top + tiles.rows * block


def _free_place(
    centre: tuple[float, float], width: float, tile: tuple[float, float, float], taken: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return where a number goes: the nearest place to its pixel's centre in the tile that covers nothing else.

    The tile is given by its left edge, its width and its height; what is taken by the corners of earlier numbers.
    """
    left, wide, high = tile
    xs = np.arange(left + 1, left + wide - width - 1, BADGE / 4)
    ys = np.arange(1, high - BADGE - 1, BADGE / 4)
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    across, down = np.abs(x + width / 2 - centre[0]), np.abs(y + BADGE / 2 - centre[1])
    free = (across > width / 2 + 4) | (down > BADGE / 2 + 4)
    for a, b in taken:
        free &= (np.abs(x - a) > width + 1) | (np.abs(y - b) > BADGE + 1)
    best = int(np.where(free, across + down, np.inf).argmin())
    return float(x[best]), float(y[best])


def _largest(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores, of very many classes only the largest, in class order."""
    kept = set(sorted(scores, key=lambda name: -scores[name])[:MOST_CLASSES])
    return {name: value for name, value in scores.items() if name in kept}


def _value(value: float, unit: str) -> str:
    if unit.split()[0] in ("share", "average", "weight", "probability"):
        return f"{value:.0%}"
    return f"{value:.3g}".replace("-", "−")


class StandingsDisplay(Display):
    """Accuracy of every model with its interval, and the processor time of its fit on a scale of powers of ten.

    Parameters
    ----------
    standings : sequence of Standing
        The most accurate first.
    ours : str
        Key of the model that the others are judged beside.
    """

    def __init__(self, standings: Sequence[Standing], *, ours: str) -> None:
        self.standings = list(standings)
        self.ours = ours

    @property
    def alt(self) -> str:
        parts = [
            f"{s.outcome.title}: {s.accuracy.value:.1%} right ({s.accuracy.low:.1%} to {s.accuracy.high:.1%}), "
            f"fitted in {_seconds(_fit(s))} of processor time"
            for s in self.standings
        ]
        return f"{len(parts)} models on the same test images. " + "; ".join(parts) + "."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw one line for each model: its name, its interval, and a bar of its time."""
        scene = Scene(ax, width)
        beside = scene.width >= NARROWEST_SIDE_BY_SIDE
        names = max((text_width(s.outcome.title, bold=True) for s in self.standings), default=0.0) + 10
        if beside:
            half = (scene.width - names - GAP) / 2
            self._panel(scene, 0, names, half - 10, intervals=True, names="left")
            self._panel(scene, 0, names + half + GAP, half - 10, intervals=False, names="none")
        else:
            below = self._panel(scene, 0, 20, scene.width - 40, intervals=True, names="above")
            self._panel(scene, below + 14, 20, scene.width - 40, intervals=False, names="above")
        return self._finish(scene)

    def _panel(self, scene: Scene, top: float, left: float, width: float, *, intervals: bool, names: Names) -> float:
        title = "right answers, with 95% interval" if intervals else "fit, seconds of processor time"
        start = 0 if names == "above" else left
        top = scene.words(start, top, wrap(title, width, bold=True), weight=BOLD) + 6
        ticks = self._accuracy_ticks() if intervals else self._time_ticks()
        low, high = (self._share_of(value, intervals) for value in (ticks[0][0], ticks[-1][0]))

        def x(value: float) -> float:
            return left + (self._share_of(value, intervals) - low) / (high - low) * width

        row = ROW + LINE_HEIGHT * (names == "above")
        bottom = top + len(self.standings) * row
        for value, text in ticks:
            for number in range(len(self.standings) if names == "above" else 1):  # not through the names
                start = top + number * row + (row - ROW) * (names == "above")
                length = ROW if names == "above" else bottom - top
                scene.box(x(value) - 0.4, start, 0.8, length, colour=LINE)
            scene.words(x(value), bottom + 2, text, ha="center", color=MUTED)
        for number, standing in enumerate(self.standings):
            middle = top + number * row + row - ROW / 2
            own = standing.outcome.key == self.ours
            if names != "none":
                y = middle - TEXT * 0.7 if names == "left" else middle - ROW / 2 - TEXT * 0.9
                scene.words(0, y, standing.outcome.title, weight=BOLD if own else "normal")
            colour = FOR if own else INK
            if intervals:
                a = standing.accuracy
                scene.line((x(a.low), middle), (x(a.high), middle), colour=colour, width=2.0)
                scene.box(x(a.value) - 3, middle - 3, 6, 6, colour=colour)
                scene.value(left, middle - ROW / 2, width, ROW, f"{standing.outcome.title}: {a}")
            else:
                seconds = max(_fit(standing), ticks[0][0])
                scene.box(left, middle - 4, max(x(seconds) - left, 1.0), 8, colour=colour if own else NEITHER)
                words = f"{standing.outcome.title}: {_seconds(_fit(standing))}"
                scene.value(left, middle - ROW / 2, width, ROW, words)
        return bottom + 2 + LINE_HEIGHT

    def _share_of(self, value: float, intervals: bool) -> float:
        return value if intervals else float(np.log10(value))

    def _accuracy_ticks(self) -> list[tuple[float, str]]:
        lowest = min((s.accuracy.low for s in self.standings), default=0.0)
        step = 0.25 if lowest < 0.5 else 0.1 if lowest < 0.75 else 0.05  # at most six ticks, which a phone has room for
        first = int(np.floor(lowest / step + 1e-9))
        return [(k * step, f"{k * step:.0%}") for k in range(first, round(1 / step) + 1)]

    def _time_ticks(self) -> list[tuple[float, str]]:
        times = [max(_fit(s), 1e-3) for s in self.standings] or [1.0]
        first, last = int(np.floor(np.log10(min(times)))), int(np.ceil(np.log10(max(times)) + 1e-9))
        return [(10.0**k, f"{10.0**k:g}") for k in range(first, max(last, first + 1) + 1)]


def _fit(standing: Standing) -> float:
    return 0.0 if standing.outcome.fit is None else standing.outcome.fit.cpu


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value >= 0.01 else "under 0.01 s"


class ImportancesDisplay(Display):
    """Which pixels mattered to each model of trees: the brighter, the more.

    Parameters
    ----------
    maps : dict of str to array (rows, cols)
        Importances by the model's name; each sums to 1.
    """

    def __init__(self, maps: Mapping[str, np.ndarray]) -> None:
        self.maps = dict(maps)

    @property
    def alt(self) -> str:
        parts = []
        for name, values in self.maps.items():
            row, col = np.unravel_index(int(values.argmax()), values.shape)
            n_asked = int((values > 0).sum())
            parts.append(f"{name}: asks {n_asked} of {values.size} pixels, above all row {row}, column {col}")
        return "Importance of each pixel. " + "; ".join(parts) + "."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw one map for each model, each on its own scale."""
        scene = Scene(ax, width)
        shape = next(iter(self.maps.values())).shape
        tiles = grid(len(self.maps), shape, scene.width, smallest=100, largest=150, gap=12)
        block = tiles.tile_height + 3 * LINE_HEIGHT + 8
        for number, (name, values) in enumerate(self.maps.items()):
            left, top = tiles.left(number), tiles.row(number) * block
            pixels = ink_pixels(values / max(float(values.max()), 1e-12))
            reading = Reading("importance", values)
            scene.picture(left, top, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            scene.box(left, top, tiles.tile_width, tiles.tile_height, edge=LINE)
            y = scene.words(left, top + tiles.tile_height + 2, wrap(name, tiles.tile_width, bold=True), weight=BOLD)
            scene.words(left, y, f"asks {int((values > 0).sum())} pixels")
        return self._finish(scene)


class WeightsDisplay(Display):
    """The weights by which several models tell one class from another, each on its own scale.

    Parameters
    ----------
    maps : dict of str to array (rows, cols)
        Weights by the model's name, positive for the first class.
    pair : tuple of str
        Both classes.
    """

    def __init__(self, maps: Mapping[str, np.ndarray], *, pair: tuple[str, str]) -> None:
        self.maps = dict(maps)
        self.pair = pair

    @property
    def alt(self) -> str:
        parts = [f"{name}: {int((values != 0).sum())} weights that are not zero" for name, values in self.maps.items()]
        return f"Weights for {self.pair[0]} against {self.pair[1]}. {'; '.join(parts)}."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red") -> Self:
        """Draw the maps beside each other, and the key beneath."""
        scene = Scene(ax, width)
        shape = next(iter(self.maps.values())).shape
        tiles = grid(len(self.maps), shape, scene.width, smallest=100, largest=190, gap=14)
        below = 0.0
        for number, (name, values) in enumerate(self.maps.items()):
            scale = symmetric_scale(values)
            top = tiles.row(number) * (tiles.tile_height + 3 * LINE_HEIGHT)
            pixels = signed_pixels(values, scale, palette=palette, black_zeros=True)
            reading = Reading(f"weight for {self.pair[0]}", values)
            scene.picture(tiles.left(number), top, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            scene.box(tiles.left(number), top, tiles.tile_width, tiles.tile_height, edge=LINE)
            words = wrap(f"{name}, full colour ±{scale:.2g}", tiles.tile_width, bold=True)
            below = scene.words(tiles.left(number), top + tiles.tile_height + 2, words, weight=BOLD)
        first, second = self.pair
        signed_legend(
            scene,
            below + 8,
            None,
            palette=palette,
            adds=f"ink speaks for {first}",
            subtracts=f"ink speaks for {second}",
            zeros="exactly zero",
        )
        return self._finish(scene)
