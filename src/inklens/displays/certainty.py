"""How sure the answers are: stated against real probability, and sets that hold the truth as promised."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from inklens.displays.base import WIDE, Display
from inklens.displays.numbers import counted
from inklens.displays.palettes import FIRST, INK, LINE, MISTAKE, MUTED, NEITHER, SECOND, TRUE, ink_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Scene, grid, shorten, text_width, wrap
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.evaluation import Calibration

LINE_HEIGHT = TEXT * LEADING
LARGEST_PANEL = 250.0  # points
HISTOGRAM = 60.0  # points
N_EXAMPLES = 16
ROOM_BESIDE = 190.0  # points that words need beside a chart


class CalibrationDisplay(Display):
    """Share of right answers against the probability that was stated, with intervals, and how often each is stated.

    Parameters
    ----------
    stated, right : array (n_bins,)
        Mean probability of the answers in each bin, and the share of these that is right.
    low, high : array (n_bins,)
        Interval of that share.
    counts : int array (n_bins,)
        Answers in each bin.
    edges : array (n_bins, 2)
        Where each bin begins and ends.
    after : (array, array), optional
        Stated and right once scores are divided by the temperature.
    words : sequence of str
        What it says.

    Examples
    --------
    >>> from inklens.evaluation import Calibration
    >>> proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    >>> CalibrationDisplay.from_calibration(Calibration(proba, np.array([0, 1, 1, 1]))).right.tolist()
    [1.0, 1.0, 0.5]
    """

    def __init__(
        self,
        stated: np.ndarray,
        right: np.ndarray,
        *,
        low: np.ndarray,
        high: np.ndarray,
        counts: np.ndarray,
        edges: np.ndarray,
        after: tuple[np.ndarray, np.ndarray] | None = None,
        words: Sequence[str] = (),
    ) -> None:
        self.stated = np.asarray(stated, dtype=float)
        self.right = np.asarray(right, dtype=float)
        self.low = np.asarray(low, dtype=float)
        self.high = np.asarray(high, dtype=float)
        self.counts = np.asarray(counts)
        self.edges = np.asarray(edges, dtype=float)
        self.after = after
        self.words = list(words)

    @classmethod
    def from_calibration(
        cls, seen: "Calibration", *, after: "Calibration | None" = None, words: Sequence[str] | None = None
    ) -> Self:
        """Take the bins of a `Calibration`, and of another one after temperature scaling."""
        bins = seen.bins
        return cls(
            np.array([b.mean_confidence for b in bins]),
            np.array([b.right.value for b in bins]),
            low=np.array([b.right.low for b in bins]),
            high=np.array([b.right.high for b in bins]),
            counts=np.array([b.n_samples for b in bins]),
            edges=np.array([[b.low, b.high] for b in bins]),
            after=None
            if after is None
            else (
                np.array([b.mean_confidence for b in after.bins]),
                np.array([b.right.value for b in after.bins]),
            ),
            words=seen.in_words() if words is None else words,
        )

    @property
    def alt(self) -> str:
        points = [
            f"{counted(n, 'answer')} stated with {p:.0%} on average are right in {r:.0%} ({a:.0%} to {b:.0%})"
            for n, p, r, a, b in zip(self.counts, self.stated, self.right, self.low, self.high, strict=True)
        ]
        return f"Calibration curve: {'; '.join(points)}. {' '.join(self.words)}".strip()

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the curve over a histogram, and the words beside it or, on a narrow scene, beneath."""
        scene = Scene(ax, width)
        side = min(scene.width - 52, LARGEST_PANEL)
        scene.words(0, 0, "share of the answers that are right", weight=BOLD)
        curve = scene.axes(38, LINE_HEIGHT + 4, side, side, below=0)
        self._curve(curve)
        top = LINE_HEIGHT + side + 16
        scene.words(0, top, "how many answers", weight=BOLD)
        self._histogram(scene.axes(38, top + LINE_HEIGHT + 4, side, HISTOGRAM, below=36))
        left = side + 38 + 28
        if scene.width - left >= ROOM_BESIDE:
            self._words(scene, left, LINE_HEIGHT + 4)
        else:
            self._words(scene, 0, top + LINE_HEIGHT + HISTOGRAM + 50)
        return self._finish(scene)

    def _curve(self, axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
        if self.after is not None:
            axes.plot(*self.after, "s--", color=SECOND, markersize=4.5, linewidth=1.2, mfc="none")
        errors = np.abs(np.stack([self.right - self.low, self.high - self.right]))
        axes.errorbar(
            self.stated, self.right, yerr=errors, fmt="o-", color=FIRST, markersize=4.5, linewidth=1.6, capsize=2.5
        )
        axes.set(xlim=(0, 1.015), ylim=(0, 1.015), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
        axes.set_xticklabels([])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.grid(color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)

    def _histogram(self, axes: Axes) -> None:
        widths = self.edges[:, 1] - self.edges[:, 0]
        axes.bar(self.edges[:, 0], self.counts, widths, align="edge", color=NEITHER, edgecolor="white", linewidth=0.8)
        axes.set(xlim=(0, 1.015), xticks=np.linspace(0, 1, 6))
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value < 1e5 else f"{value / 1e3:,.0f}k")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("stated probability of the answer", fontsize=TEXT, color=INK)

    def _words(self, scene: Scene, left: float, top: float) -> float:
        entries = [("o", FIRST, "as it states them, with 95% intervals")]
        if self.after is not None:
            entries.append(("s", SECOND, "after temperature scaling"))
        room = scene.width - left
        for marker, colour, words in entries:
            face = colour if marker == "o" else "none"
            scene.ax.plot([left + 5], [top + 7], marker, color=colour, markersize=5, mfc=face)
            top = scene.words(left + 14, top, wrap(words, room - 14)) + 2
        dotted = "on the dotted line stated and real agree; below it the model is too sure"
        scene.ax.plot([left, left + 10], [top + 7, top + 7], ":", color=MUTED, linewidth=1)
        top = scene.words(left + 14, top, wrap(dotted, room - 14), color=MUTED) + 8
        for sentence in self.words:
            top = scene.words(left, top, wrap(sentence, room)) + 5
        return top


class PredictionSetsDisplay(Display):
    """How large the sets are, how often they hold the truth, and pictures with more than one answer.

    Parameters
    ----------
    sizes : int array (n_samples,)
        Classes in each row's set.
    hits : bool array (n_samples,)
        Whether the set holds the truth.
    coverage : float
        What was promised.
    images : array (n_images, rows, cols)
        Examples, 0..1 or uint8.
    answers : sequence of str
        The set of each example in words, such as "4 or 9".
    truths : sequence of str
        The true class of each example.
    kept : sequence of bool
        Whether that example's set holds the truth.
    words : sequence of str
        What else is to be said.
    """

    def __init__(
        self,
        sizes: np.ndarray,
        hits: np.ndarray,
        *,
        coverage: float,
        images: np.ndarray,
        answers: Sequence[str],
        truths: Sequence[str],
        kept: Sequence[bool],
        words: Sequence[str] = (),
    ) -> None:
        self.sizes = np.asarray(sizes)
        self.hits = np.asarray(hits, dtype=bool)
        self.coverage = coverage
        self.images = images
        self.answers = list(answers)
        self.truths = list(truths)
        self.kept = list(kept)
        self.words = list(words)

    @classmethod
    def from_sets(
        cls,
        sets: np.ndarray,
        codes: np.ndarray,
        images: np.ndarray,
        *,
        class_names: Sequence[str],
        coverage: float,
        words: Sequence[str] = (),
        n_images: int = N_EXAMPLES,
    ) -> Self:
        """Count sets (n_samples, n_classes), and pick examples with several classes, spread over the rows."""
        from inklens.evaluation import set_in_words

        sizes, hits = sets.sum(axis=1), sets[np.arange(len(codes)), codes]
        several = np.flatnonzero(sizes > 1)
        places = np.linspace(0, len(several) - 1, min(n_images, len(several)))
        chosen = several[np.rint(places).astype(int)]
        return cls(
            sizes,
            hits,
            coverage=coverage,
            images=images[chosen],
            answers=[set_in_words(sets[i], class_names) for i in chosen],
            truths=[str(class_names[codes[i]]) for i in chosen],
            kept=hits[chosen].tolist(),
            words=words,
        )

    @property
    def table(self) -> list[tuple[int, int, int]]:
        """(size, rows with a set of that size, those that hold the truth), smallest first."""
        return [
            (int(size), int(np.sum(self.sizes == size)), int(np.sum(self.hits[self.sizes == size])))
            for size in np.unique(self.sizes)
        ]

    @property
    def alt(self) -> str:
        sizes = [f"{n:,} sets of {size}, {hits:,} of them with the truth" for size, n, hits in self.table]
        examples = [f"{a} (it is {t})" for a, t in zip(self.answers, self.truths, strict=True)]
        return (
            f"Sets that promise to hold the truth in {self.coverage:.0%}; here {self.hits.mean():.1%} do. "
            f"{'; '.join(sizes)}. Examples: {'; '.join(examples) or 'none with several classes'}."
        )

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw a bar for each size, and the examples with their sets."""
        scene = Scene(ax, width)
        top = scene.paragraph(0, self._headline(), size=TITLE, weight=BOLD) + 4
        for sentence in self.words:
            top = scene.paragraph(top, sentence) + 2
        top = self._bars(scene, top + 4)
        if len(self.images):
            top = scene.paragraph(top + 6, "Pictures that got more than one answer", weight=BOLD) + 4
            self._examples(scene, top)
        return self._finish(scene)

    def _headline(self) -> str:
        return (
            f"{self.hits.mean():.1%} of {len(self.hits):,} sets hold the truth; {self.coverage:.0%} was promised. "
            f"A set has {self.sizes.mean():.2f} classes on average."
        )

    def _bars(self, scene: Scene, top: float) -> float:
        left = max(text_width(_of_size(size)) for size, _, _ in self.table) + 8
        notes = [f"{counted(n, 'row')}, {hits / n:.1%} with the truth" for _, n, hits in self.table]
        room = scene.width - left
        beside = room > 260
        longest = room - (max(map(text_width, notes)) + 8 if beside else 0)
        most = max(n for _, n, _ in self.table)
        for (size, n, hits), note in zip(self.table, notes, strict=True):
            scene.words(0, top, _of_size(size))
            whole = max(longest * n / most, 1.0)
            scene.box(left, top + 1, whole, 10, colour=MISTAKE)
            scene.box(left, top + 1, whole * hits / n, 10, colour=TRUE, striped=True)
            scene.value(left, top, whole, 12, f"{_of_size(size)}: {note}")
            if beside:
                scene.words(left + whole + 6, top, note, color=MUTED)
                top += LINE_HEIGHT + 4
            else:
                top = scene.words(left, top + 12, wrap(note, room), color=MUTED) + 4
        for colour, words in ((TRUE, "the set holds the truth"), (MISTAKE, "it does not")):
            scene.box(0, top + 2, 9, 9, colour=colour, striped=colour == TRUE)
            top = scene.words(14, top, words)
        return top

    def _examples(self, scene: Scene, top: float) -> None:
        tiles = grid(len(self.images), self.images.shape[1:], scene.width, captions=["4, 7 or 9"], largest=64, gap=10)
        for first in range(0, len(self.images), tiles.columns):
            below = top
            for k in range(first, min(first + tiles.columns, len(self.images))):
                left, room = tiles.left(k), tiles.caption - 2
                scene.picture(left, top, tiles.tile_width, tiles.tile_height, ink_pixels(self.images[k]))
                scene.box(left, top, tiles.tile_width, tiles.tile_height, edge=LINE)
                centre, y = left + tiles.tile_width / 2, top + tiles.tile_height + 2
                y = scene.words(centre, y, wrap(self.answers[k], room, bold=True), ha="center", weight=BOLD)
                note = shorten(f"it is {self.truths[k]}{'' if self.kept[k] else ' ✗'}", room)
                below = max(below, scene.words(centre, y, note, ha="center"))
            top = below + 8


def _of_size(size: int) -> str:
    return counted(size, "class", "classes")
