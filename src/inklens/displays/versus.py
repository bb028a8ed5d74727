"""Two models on the same rows: their accuracies, their difference, and the pictures on which they part."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from inklens.displays.base import WIDE, Display
from inklens.displays.numbers import counted, share_ticks
from inklens.displays.palettes import FIRST, INK, LINE, MUTED, SECOND, ink_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Scene, grid, shorten, text_width
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.evaluation import Comparison

LINE_HEIGHT = TEXT * LEADING
N_PICTURES = 18  # of each kind
AFTER = 34.0  # points of tick labels below a chart


class Parting(NamedTuple):
    """Rows on which only one model is right: some pictures of these, and what both said."""

    n_rows: int
    images: np.ndarray  # (n_images, rows, cols)
    truths: Sequence[str]
    mistakes: Sequence[str]  # what the other model answered


class ModelComparisonDisplay(Display):
    """Two accuracies and their paired difference, each with its interval, above the pictures on which the two part.

    Parameters
    ----------
    names : (str, str)
        The two models.
    accuracies : two of (value, low, high)
        Their accuracies with intervals.
    difference : (value, low, high)
        First minus second.
    only : two of Parting
        Where only the first, and only the second, is right.
    words : sequence of str
        What it says.
    """

    def __init__(
        self,
        names: tuple[str, str],
        *,
        accuracies: Sequence[Sequence[float]],
        difference: Sequence[float],
        only: tuple[Parting, Parting],
        words: Sequence[str] = (),
    ) -> None:
        self.names = names
        self.accuracies = np.array([interval[:3] for interval in accuracies], dtype=float)
        self.difference = np.array(difference[:3], dtype=float)
        self.only = only
        self.words = list(words)

    @classmethod
    def from_comparison(
        cls,
        found: "Comparison",
        *,
        names: tuple[str, str],
        images: np.ndarray,
        y_true: np.ndarray,
        predictions: tuple[np.ndarray, np.ndarray],
        n_images: int = N_PICTURES,
    ) -> Self:
        """Take the numbers of a `Comparison`, and pictures spread over the rows on which the models part."""
        parts = []
        for rows, other in ((found.only_a, predictions[1]), (found.only_b, predictions[0])):
            places = np.linspace(0, len(rows) - 1, min(n_images, len(rows)))
            chosen = rows[np.rint(places).astype(int)]
            parts.append(Parting(len(rows), images[chosen], y_true[chosen].tolist(), other[chosen].tolist()))
        return cls(
            names,
            accuracies=found.accuracies,
            difference=found.difference,
            only=(parts[0], parts[1]),
            words=found.in_words(*names),
        )

    @property
    def alt(self) -> str:
        shares = [
            f"{name} is right in {value:.2%} ({low:.2%} to {high:.2%})"
            for name, (value, low, high) in zip(self.names, self.accuracies, strict=True)
        ]
        value, low, high = self.difference * 100
        return (
            f"{', '.join(shares)}; difference {value:+.2f} points ({low:+.2f} to {high:+.2f}). Only {self.names[0]} is "
            f"right on {counted(self.only[0].n_rows, 'row')}, only {self.names[1]} on {self.only[1].n_rows:,}, with "
            f"pictures of these. {' '.join(self.words)}"
        ).strip()

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the intervals, side by side or one above the other, the words, and both galleries."""
        scene = Scene(ax, width)
        beside = scene.width > 420
        room = scene.width / 2 - 12 if beside else scene.width
        below = self._accuracies(scene, 0.0, 0.0, room)
        left, top = (scene.width / 2 + 12, 0.0) if beside else (0.0, below + 8)
        below = max(below, self._difference(scene, left, top, room)) + 6
        for sentence in self.words:
            below = scene.paragraph(below, sentence) + 3
        for k in (0, 1):
            below = self._gallery(scene, below + 8, k)
        return self._finish(scene)

    def _accuracies(self, scene: Scene, left: float, top: float, room: float) -> float:
        y = scene.words(left, top, "accuracy, with 95% intervals", weight=BOLD)
        name_width = min(max(text_width(name) for name in self.names), room * 0.4) + 8
        axes = scene.axes(left + name_width, y + 4, room - name_width - 22, 44, below=AFTER)
        for k, (colour, (value, low, high)) in enumerate(zip((FIRST, SECOND), self.accuracies, strict=True)):
            _interval(axes, value, low, high, 1 - k, colour)
            scene.words(left, y + 4 + 44 * (0.25 + 0.5 * k) - TEXT * 0.7, shorten(self.names[k], name_width - 8))
        axes.set(ylim=(-0.5, 1.5), yticks=[])
        axes.spines["left"].set_visible(False)
        share_ticks(axes, "x", most=5 if room > 200 else 4)
        return y + 4 + 44 + AFTER

    def _difference(self, scene: Scene, left: float, top: float, room: float) -> float:
        title = "difference on the same rows, in points"
        y = scene.words(left, top, title, weight=BOLD)
        axes = scene.axes(left + 12, y + 4, room - 34, 44, below=AFTER)
        value, low, high = self.difference * 100
        _interval(axes, value, low, high, 0, INK)
        axes.axvline(0.0, color=MUTED, linewidth=1, linestyle=":")
        reach = 1.15 * max(abs(low), abs(high), 1e-9)
        axes.set(ylim=(-1, 1), yticks=[], xlim=(-reach, reach))
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5 if room > 200 else 3, symmetric=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.3g}".replace("-", "−") if value else "0")
        y += 4 + 44 + LINE_HEIGHT + 6
        half = (room - 22) / 2 - 4
        scene.words(left, y, shorten(f"← {self.names[1]} better", half), color=MUTED)
        return scene.words(left + room - 10, y, shorten(f"{self.names[0]} better →", half), ha="right")

    def _gallery(self, scene: Scene, top: float, k: int) -> float:
        part, other = self.only[k], self.names[1 - k]
        shown = f", {len(part.images)} of them" if part.n_rows > len(part.images) else ""
        title = f"Only {self.names[k]} is right: {counted(part.n_rows, 'row')}{shown}"
        top = scene.paragraph(top, title, size=TITLE, weight=BOLD) + 1
        if not part.n_rows:
            return top
        top = scene.paragraph(top, f"Bold: the truth. Beneath: what {other} said.", color=MUTED) + 3
        names = [*part.truths, *part.mistakes]
        tiles = grid(len(part.images), part.images.shape[1:], scene.width, captions=names, largest=58, gap=8)
        block = tiles.tile_height + 2 * LINE_HEIGHT + 8
        for i, image in enumerate(part.images):
            left, y = tiles.left(i), top + tiles.row(i) * block
            scene.picture(left, y, tiles.tile_width, tiles.tile_height, ink_pixels(image))
            scene.box(left, y, tiles.tile_width, tiles.tile_height, edge=LINE)
            centre = left + tiles.tile_width / 2
            truth, mistake = shorten(part.truths[i], tiles.caption, bold=True), shorten(part.mistakes[i], tiles.caption)
            y = scene.words(centre, y + tiles.tile_height + 1, truth, ha="center", weight=BOLD)
            scene.words(centre, y, mistake, ha="center", color=MUTED)
        return top + tiles.rows * block


def _interval(axes: Axes, value: float, low: float, high: float, y: float, colour: str) -> None:
    axes.errorbar(
        [value],
        [y],
        xerr=[[value - low], [high - value]],
        fmt="o" if colour == FIRST else "s",
        color=colour,
        markersize=6,
        capsize=4,
    )
