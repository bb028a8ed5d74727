"""A regularisation path: how many pixels, how right, which pixels in what order, and the maps on the way."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from inklens.displays.base import WIDE, Display, as_maps, symmetric_scale
from inklens.displays.estimators import ImageShape
from inklens.displays.maps import ADDS, SUBTRACTS, ZEROS, map_rows
from inklens.displays.numbers import share_ticks
from inklens.displays.palettes import INK, LINE, MUTED, TEST, TRAINING, SignedScale
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Reading, Scene, grid, signed_legend, wrap
from inklens.displays.style import in_default_style
from inklens.errors import DataError

if TYPE_CHECKING:
    from inklens.linear.path import SoftmaxPath

LINE_HEIGHT = TEXT * LEADING
CHART_HEIGHT = 140.0  # points
LEGEND_HEIGHT = 36.0  # points: two lines
ORDER = colormaps["viridis"]  # dark to light, even to the eye with every common kind of colour vision
NEVER = (229, 232, 236)  # flat grey, on no colour of the order
STAGES = (0.1, 1 / 3, 1.0)  # shares of the last point's pixels at which maps are shown
MOST_CLASSES = 12  # maps in a row of a stage; of more classes only the first are shown
COLOURS = {"training": TRAINING, "test": TEST}


class PathDisplay(Display):
    """A regularisation path: pixels in use, accuracy, the order in which pixels enter, and maps on the way.

    Parameters
    ----------
    C : array (n_points,)
        Inverse penalty strengths, ascending and finite.
    coefs : array (n_points, n_classes, rows, cols)
        Coefficients of each point.
    class_names : sequence of str
        One name per class.
    entry_order : int array (n_entered,)
        Pixels, numbered row by row, first the first to enter; those that never do are left out.
    accuracies : dict of str to array (n_points,), optional
        Shares of right answers on, for example, "training" and "test" images.

    Examples
    --------
    >>> coefs = np.zeros((2, 2, 1, 3))
    >>> coefs[1, :, 0, 2] = 0.5, -0.5
    >>> display = PathDisplay([0.1, 1.0], coefs, class_names=["a", "b"], entry_order=[2])
    >>> display.n_pixels.tolist(), display.entry_ranks.tolist()
    ([0, 1], [[0, 0, 1]])
    """

    def __init__(
        self,
        C: Sequence[float] | np.ndarray,
        coefs: np.ndarray,
        *,
        class_names: Sequence[str],
        entry_order: Sequence[int] | np.ndarray,
        accuracies: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    ) -> None:
        self.C = np.asarray(C, dtype=float)
        self.coefs = np.asarray(coefs)
        self.class_names = list(class_names)
        self.entry_order = np.asarray(entry_order, dtype=int)
        self.accuracies = {name: np.asarray(values, dtype=float) for name, values in (accuracies or {}).items()}
        lengths = {"coefficients": len(self.coefs), **{name: len(a) for name, a in self.accuracies.items()}}
        for name, length in lengths.items():
            if length != len(self.C):
                raise DataError(f"expected one entry of {name} for each of {len(self.C)} values of C, got {length}")

    @classmethod
    def from_path(
        cls,
        path: "SoftmaxPath",
        *,
        image_shape: ImageShape = None,
        accuracies: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    ) -> Self:
        """Take the points of a fitted path; accuracies as for the constructor."""
        return cls(
            path.Cs,
            as_maps(path.coefs, image_shape),
            class_names=[str(name) for name in path.classes],
            entry_order=path.entry_order,
            accuracies=accuracies,
        )

    @property
    def n_pixels(self) -> np.ndarray:
        """Number of pixels in use at each point, (n_points,)."""
        return (self.coefs != 0).any(axis=1).sum(axis=(1, 2))

    @property
    def n_nonzeros(self) -> np.ndarray:
        """Number of coefficients that are not zero at each point, (n_points,)."""
        return np.count_nonzero(self.coefs, axis=(1, 2, 3))

    @property
    def entry_ranks(self) -> np.ndarray:
        """Place of each pixel in the order of entry, from 1; 0 where it never enters, (rows, cols)."""
        ranks = np.zeros(self.coefs[0, 0].size, dtype=int)
        ranks[self.entry_order] = np.arange(1, len(self.entry_order) + 1)
        return ranks.reshape(self.coefs.shape[2:])

    @property
    def stages(self) -> list[int]:
        """Points whose maps are shown: nearest to a tenth, a third and all of the last point's pixels."""
        wanted = [int(np.abs(self.n_pixels - share * self.n_pixels[-1]).argmin()) for share in STAGES[:-1]]
        return sorted({point for point in wanted if self.n_pixels[point]} | {len(self.C) - 1})

    @property
    def alt(self) -> str:
        named = {"First": 0, "middle": len(self.C) // 2, "last": len(self.C) - 1}
        points = [f"{name} point: {self._point_words(point)}" for name, point in named.items()]
        entered, size = len(self.entry_order), self.coefs[0, 0].size
        charts = "pixels in use and accuracy" if self.accuracies else "pixels in use"
        return (
            f"Path of {len(self.C)} fits: {charts} against C, the order in which {entered} of {size} pixels enter, "
            f"and maps at {len(self.stages)} points. {'; '.join(points)}."
        )

    def _point_words(self, point: int) -> str:
        right = [f"{values[point]:.1%} right on {name} images" for name, values in self.accuracies.items()]
        pixels = f"{self.n_pixels[point]:,} of {self.coefs[0, 0].size:,} pixels"
        return ", ".join([f"C = {self.C[point]:.3g}: {pixels}", *right])

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red") -> Self:
        """Draw the charts (one above the other on a narrow scene), the order of entry and the maps."""
        scene = Scene(ax, width)
        top = self._charts(scene)
        top = self._entries(scene, top)
        self._maps(scene, top + 14, palette)
        return self._finish(scene)

    def _charts(self, scene: Scene) -> float:
        beside = scene.width > 420
        step = scene.width / 2 + 10 if beside else 0.0
        panel = scene.width / 2 - 50 if beside else scene.width - 42
        used = self._chart(scene, 0, 0, panel, "in use")
        size = self.coefs[0].size
        pixels = size // len(self.coefs[0])
        self._curve(used, self.n_pixels / pixels, INK, "-", f"pixels (of {pixels:,})")
        self._curve(used, self.n_nonzeros / size, MUTED, "--", f"coefficients (of {size:,})")
        used.set_ylim(bottom=0)
        share_ticks(used, "y", most=7)
        used.set_ylim(top=used.get_ylim()[1] * CHART_HEIGHT / (CHART_HEIGHT - LEGEND_HEIGHT))  # room for the legend
        self._legend(used, "upper left")
        below = LINE_HEIGHT + CHART_HEIGHT + 48
        if not self.accuracies:
            return below
        top = 0.0 if beside else below
        right = self._chart(scene, step, top, panel, "accuracy")
        for name, values in self.accuracies.items():
            self._curve(right, values, COLOURS.get(name, INK), "--" if name == "training" else "-", f"{name} images")
        share_ticks(right, "y", most=7)
        self._legend(right, "lower right")
        return top + below

    def _chart(self, scene: Scene, left: float, top: float, panel: float, title: str) -> Axes:
        scene.words(left, top, title, weight=BOLD)
        axes = scene.axes(left + 36, top + LINE_HEIGHT + 6, panel, CHART_HEIGHT, below=36)
        low, high = self.C[0], self.C[-1]
        axes.set(xscale="log", xlim=(low, high) if low < high else (low / 2, high * 2))
        ticks = round_values(*axes.get_xlim(), most=max(2, int(panel // 52)))
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("C (stronger penalty to the left)", fontsize=TEXT, color=INK)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        for point in self.stages:
            axes.axvline(self.C[point], color=LINE, linewidth=0.8, linestyle=":")
        return axes

    def _curve(self, axes: Axes, values: np.ndarray, colour: str, style: str, label: str) -> None:
        axes.plot(self.C, values, style, color=colour, label=label, linewidth=1.6, clip_on=False)
        axes.plot(self.C[self.stages], values[self.stages], "o", color=colour, markersize=4.5, clip_on=False)

    def _legend(self, axes: Axes, place: Literal["upper left", "lower right"]) -> None:
        legend = axes.legend(frameon=False, fontsize=TEXT, labelcolor=INK, loc=place, handlelength=1.8)
        legend.set_in_layout(False)

    def _entries(self, scene: Scene, top: float) -> float:
        """Draw each pixel in the colour of its place in the order, and the colours' meaning beside or beneath."""
        top = scene.paragraph(top, "The order in which pixels enter", size=TITLE, weight=BOLD) + 3
        rows, cols = self.coefs.shape[2:]
        side = min(scene.width, 168.0)
        width, height = side * min(1, cols / rows), side * min(1, rows / cols)
        reading = Reading("place in the order (0: never enters)", self.entry_ranks)
        scene.picture(0, top, width, height, order_pixels(self.entry_ranks), reading=reading)
        scene.box(0, top, width, height, edge=LINE)
        if scene.width - width > 200:
            return max(top + height, self._order_legend(scene, width + 18, top))
        return self._order_legend(scene, 0, top + height + 8)

    def _order_legend(self, scene: Scene, left: float, top: float) -> float:
        room = scene.width - left
        count, size = len(self.entry_order), self.entry_ranks.size
        if count:
            bar = min(190.0, room)
            scene.picture(left, top, bar, 9, order_pixels(np.arange(1, 257)[None]))
            scene.box(left, top, bar, 9, edge=LINE)
            scene.words(left, top + 10, "first", color=INK)
            scene.words(left + bar, top + 10, f"last of {count:,}", ha="right")
            top += 10 + LINE_HEIGHT + 6
        if count < size:
            scene.box(left, top + 1, 9, 9, colour="#{:02x}{:02x}{:02x}".format(*NEVER), edge=LINE)
            never = f"never up to C = {self.C[-1]:.3g}: {size - count:,} of {size:,} pixels"
            top = scene.words(left + 14, top - 1, wrap(never, room - 14)) + 4
        words = (
            "The stronger the penalty, the fewer pixels earn their place. As C grows they come in one after the "
            "other: the dark ones are those that tell most on their own."
        )
        return scene.words(left, top, wrap(words, min(room, 330)), color=MUTED)

    def _maps(self, scene: Scene, top: float, palette: str) -> None:
        names = self.class_names[:MOST_CLASSES]
        tiles = grid(len(names), self.coefs.shape[2:], scene.width, captions=names, smallest=34, largest=58)
        top = scene.paragraph(top, "The maps at the points marked by dots", size=TITLE, weight=BOLD) + 4
        for point in self.stages:
            coef = self.coefs[point]
            scale = symmetric_scale(coef)
            title = f"{self._point_words(point)}; full colour ±{scale:.2g}"
            top = scene.paragraph(top, title, weight=BOLD) + 2
            colours = SignedScale(scale, palette, black_zeros=True)
            top = map_rows(scene, top, tiles, coef[: len(names)], names, colours) + 4
        if len(names) < len(self.class_names):
            top = scene.paragraph(top, f"The first {len(names)} of {len(self.class_names)} classes.", color=MUTED) + 4
        signed_legend(scene, top, None, palette=palette, adds=ADDS, subtracts=SUBTRACTS, zeros=ZEROS)


def order_pixels(ranks: np.ndarray) -> np.ndarray:
    """Colour places in an order, 1 darkest and the last lightest; 0 is the flat background.

    >>> order_pixels(np.array([[0, 1]])).tolist()
    [[[229, 232, 236], [68, 1, 84]]]
    """
    last = max(int(ranks.max()), 2)
    pixels = ORDER((ranks - 1) / (last - 1), bytes=True)[..., :3].copy()
    pixels[ranks == 0] = NEVER
    return pixels


def round_values(low: float, high: float, *, most: int) -> list[float]:
    """Return at most `most` round numbers between two positive ones, for a log axis.

    >>> round_values(0.0007, 1.0, most=5)
    [0.001, 0.01, 0.1, 1.0]
    >>> round_values(0.3, 1.0, most=5)
    [0.5, 1.0]
    """
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        values = [float(f"{digit}e{decade}") for decade in decades for digit in digits]
        within = [value for value in values if low * 0.999 <= value <= high * 1.001]
        if len(within) <= most:
            break
    within = within[:: -(-len(within) // most) or 1]
    return within if len(within) > 1 else [float(f"{low:.2g}"), float(f"{high:.2g}")]
