"""How sure the coefficients are: which are chosen again on other rows, and which stand out from their own scatter."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from inklens.displays.base import WIDE, Display, as_maps, symmetric_scale
from inklens.displays.estimators import ImageShape
from inklens.displays.maps import map_rows, picture_rows
from inklens.displays.palettes import INK, LINE, MUTED, SignedScale, colour_words, signed_colormap
from inklens.displays.path import NEVER, ORDER
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Scene, grid, number, scale_labels, wrap
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.evaluation import Stability
    from inklens.evaluation.curvature import Curvature

LINE_HEIGHT = TEXT * LEADING
SIDE = 168.0  # points: the map over pixels
STANDS_OUT = 2.0  # deviations from zero


class StabilityDisplay(Display):
    """How often each coefficient is chosen when the fit is repeated on other rows, by class and over all classes.

    Parameters
    ----------
    positive, negative : array (n_classes, rows, cols)
        Share of refits in which a coefficient is above and below zero.
    in_use : array (rows, cols)
        Share of refits in which a pixel is used for any class.
    class_names : sequence of str
        One name per class.
    n_refits : int
        Number of refits.
    words : sequence of str
        What it says.

    Examples
    --------
    >>> positive, negative = np.array([[[1.0, 0.0]], [[0.0, 0.0]]]), np.array([[[0.0, 0.0]], [[0.5, 0.0]]])
    >>> display = StabilityDisplay(positive, negative, np.array([[1.0, 0.0]]), class_names="ab", n_refits=10)
    >>> display.frequency.tolist(), display.n_never
    ([[[1.0, 0.0]], [[0.5, 0.0]]], 2)
    """

    def __init__(
        self,
        positive: np.ndarray,
        negative: np.ndarray,
        in_use: np.ndarray,
        *,
        class_names: Sequence[str],
        n_refits: int,
        words: Sequence[str] = (),
    ) -> None:
        self.positive = np.asarray(positive, dtype=float)
        self.negative = np.asarray(negative, dtype=float)
        self.in_use = np.asarray(in_use, dtype=float)
        self.class_names = list(class_names)
        self.n_refits = n_refits
        self.words = list(words)

    @classmethod
    def from_stability(cls, found: "Stability", *, class_names: Sequence[str], image_shape: ImageShape = None) -> Self:
        """Take the shares of a `Stability`."""
        return cls(
            as_maps(found.positive, image_shape),
            as_maps(found.negative, image_shape),
            as_maps(found.in_use, image_shape),
            class_names=class_names,
            n_refits=found.n_refits,
            words=found.in_words(),
        )

    @property
    def frequency(self) -> np.ndarray:
        """Share of refits in which a coefficient is not zero, (n_classes, rows, cols)."""
        return self.positive + self.negative

    @property
    def n_never(self) -> int:
        """Coefficients that no refit chooses."""
        return int(np.sum(self.frequency == 0.0))

    def at_least(self, share: float) -> int:
        """Return how many coefficients at least that share of the refits chooses."""
        return int(np.sum(self.frequency >= share - 1e-9))

    @property
    def alt(self) -> str:
        counts = [f"{self.at_least(share):,} in at least {share:.0%}" for share in (0.5, 0.75, 0.9)]
        return (
            f"Selection frequencies of {self.frequency.size:,} coefficients over {self.n_refits} refits, one map per "
            f"class ({', '.join(self.class_names)}) and one over pixels: {', '.join(counts)}, {self.n_never:,} in "
            f"none. {' '.join(self.words)}"
        ).strip()

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red") -> Self:
        """Draw a signed map per class, the map over pixels, and how many coefficients reach each share."""
        scene = Scene(ax, width)
        tiles = grid(len(self.class_names), self.in_use.shape, scene.width, captions=self.class_names)
        title = f"How often {self.n_refits} refits on other rows choose each coefficient, and with which sign"
        top = scene.paragraph(0, title, size=TITLE, weight=BOLD) + 3
        signed = np.where(self.frequency == 0.0, 0.0, self.positive - self.negative + np.finfo(float).tiny)
        colours = SignedScale(1.0, palette, black_zeros=True)
        top = map_rows(scene, top, tiles, signed, self.class_names, colours, what="share of refits, signed,")
        top = _sign_legend(scene, top, palette) + 10
        top = self._pixels(scene, top)
        for sentence in self.words:
            top = scene.paragraph(top + 3, sentence)
        return self._finish(scene)

    def _pixels(self, scene: Scene, top: float) -> float:
        """Draw the map over pixels and, beside or beneath it, the curve over shares."""
        beside = scene.width > 420
        rows, cols = self.in_use.shape
        side = min(SIDE, scene.width)
        wide, high = side * min(1, cols / rows), side * min(1, rows / cols)
        title = "How often each pixel is used"
        scene.words(0, top, wrap(title, max(side + 20, 170), TITLE, bold=True), size=TITLE, weight=BOLD)
        y = top + TITLE * LEADING + 3
        scene.picture(0, y, wide, high, share_pixels(self.in_use))
        scene.box(0, y, wide, high, edge=LINE)
        used = zip(*np.nonzero(self.in_use), strict=True)
        scene.hover(0, y, wide, high, {(i, j): self._value(i, j) for i, j in used}, self.in_use.shape)
        below = _share_legend(scene, y + high + 4, "rarely", "always", "never")
        left = side + 40 if beside else 0.0
        start = top if beside else below + 10
        return max(below, self._curve(scene, left, start, scene.width - left)) + 6

    def _value(self, row: int, col: int) -> str:
        """Say how often a pixel is used, and for which class most often."""
        shares = np.stack([self.positive[:, row, col], self.negative[:, row, col]])
        sign, k = np.unravel_index(shares.argmax(), shares.shape)
        most = f"{'against' if sign else 'for'} {self.class_names[k]} in {shares.max():.0%}"
        return f"{row}, {col}: used in {self.in_use[row, col]:.0%} of the refits, most often {most}"

    def _curve(self, scene: Scene, left: float, top: float, room: float) -> float:
        words = wrap("coefficients chosen in at least that share of the refits", room, bold=True)
        y = scene.words(left, top, words, weight=BOLD)
        height = 120.0
        axes = scene.axes(left + 44, y + 6, room - 62, height, below=36)
        shares = np.arange(1, self.n_refits + 1) / self.n_refits
        axes.step(shares, [self.at_least(s) for s in shares], where="post", color=INK, linewidth=1.6)
        axes.set(xlim=(0, 1.0), ylim=(0, None), xticks=np.linspace(0, 1, 5))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("share of the refits", fontsize=TEXT, color=INK)
        return y + 6 + height + 36


class UncertaintyDisplay(Display):
    """Which coefficients stand out from their own scatter, how large that is, and where the data say anything.

    Parameters
    ----------
    coef, deviation : array (n_classes, rows, cols)
        Coefficients, and their standard deviations.
    class_names : sequence of str
        One name per class.
    known : array (rows, cols), optional
        How much of the prior's uncertainty the data remove at each pixel, from 0 to 1.
    kind : str
        What the deviation is one of, in words.
    words : sequence of str
        What else is to be said.

    Examples
    --------
    >>> coef, deviation = np.array([[[3.0, 1.0]], [[-3.0, -1.0]]]), np.ones((2, 1, 2))
    >>> UncertaintyDisplay(coef, deviation, class_names="ab").n_clear
    2
    """

    def __init__(
        self,
        coef: np.ndarray,
        deviation: np.ndarray,
        *,
        class_names: Sequence[str],
        known: np.ndarray | None = None,
        kind: str = "over other rows of the same kind",
        words: Sequence[str] = (),
    ) -> None:
        self.coef = np.asarray(coef, dtype=float)
        self.deviation = np.asarray(deviation, dtype=float)
        self.class_names = list(class_names)
        self.known = known
        self.kind = kind
        self.words = list(words)

    @classmethod
    def from_curvature(cls, found: "Curvature", *, class_names: Sequence[str], image_shape: ImageShape = None) -> Self:
        """Take coefficients, sampling deviations and what the data say from a `Curvature`."""
        return cls(
            as_maps(found.coef, image_shape),
            as_maps(found.sampling, image_shape),
            class_names=class_names,
            known=as_maps(found.known.mean(axis=0), image_shape),
            words=found.in_words(),
        )

    @property
    def clear(self) -> np.ndarray:
        """Whether a coefficient is more than two deviations from zero, bool (n_classes, rows, cols)."""
        return (np.abs(self.coef) > STANDS_OUT * self.deviation) & (self.coef != 0.0)

    @property
    def n_clear(self) -> int:
        """How many are."""
        return int(self.clear.sum())

    @property
    def alt(self) -> str:
        share = self.n_clear / self.coef.size
        return (
            f"Coefficient maps of {len(self.class_names)} classes ({', '.join(self.class_names)}) in which only those "
            f"are coloured that lie more than two standard deviations from zero: {self.n_clear:,} of "
            f"{self.coef.size:,} ({share:.0%}); and maps of the deviations, up to {self.deviation.max():.3g}. "
            f"{' '.join(self.words)}"
        ).strip()

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red") -> Self:
        """Draw what stands out above the deviations, and the map of what the data say."""
        scene = Scene(ax, width)
        tiles = grid(len(self.class_names), self.coef.shape[1:], scene.width, captions=self.class_names)
        scale, spread = symmetric_scale(self.coef), symmetric_scale(self.deviation)
        title = f"Coefficients more than two deviations from zero ({self.n_clear:,} of {self.coef.size:,})"
        top = scene.paragraph(0, title, size=TITLE, weight=BOLD) + 3
        shown = np.where(self.clear, self.coef, 0.0)
        below = map_rows(scene, top, tiles, shown, self.class_names, SignedScale(scale, palette))
        for k, clear in enumerate(self.clear):
            left, y = tiles.left(k), top + TEXT * LEADING + tiles.row(k) * (below - top) / tiles.rows
            texts = {(row, col): self._value(k, row, col) for row, col in zip(*np.nonzero(clear), strict=True)}
            scene.hover(left, y, tiles.tile_width, tiles.tile_height, texts, clear.shape)
        top = below
        adds, subtracts = colour_words(palette)
        legend = f"{adds} adds, {subtracts} subtracts, full colour ±{scale:.2g}; white cannot be told from zero."
        top = scene.paragraph(top, legend) + 10
        top = scene.paragraph(top, f"Standard deviation {self.kind}", size=TITLE, weight=BOLD) + 3
        pictures = [share_pixels(values / spread) for values in self.deviation]
        top = picture_rows(scene, top, tiles, pictures, self.class_names)
        top = _share_legend(scene, top, "small", f"≥ {spread:.2g}", "exactly 0")
        if self.known is not None:
            top = self._known(scene, top + 8)
        for sentence in self.words:
            top = scene.paragraph(top + 3, sentence)
        return self._finish(scene)

    def _value(self, k: int, row: int, col: int) -> str:
        coef, deviation = self.coef[k, row, col], self.deviation[k, row, col]
        return f"{row}, {col}: {number(coef, '+.3f')} ± {deviation:.3f} for {self.class_names[k]}"

    def _known(self, scene: Scene, top: float) -> float:
        assert self.known is not None
        top = scene.paragraph(top, "Where the data say something", size=TITLE, weight=BOLD) + 3
        rows, cols = self.known.shape
        side = min(SIDE, scene.width)
        wide, high = side * min(1, cols / rows), side * min(1, rows / cols)
        largest = float(self.known.max())
        scene.picture(0, top, wide, high, share_pixels(self.known / (largest or 1.0)))
        scene.box(0, top, wide, high, edge=LINE)
        words = (
            "How much of what the penalty leaves open the data settle, pixel by pixel: dark blue hardly anything, "
            f"yellow {largest:.0%}, grey nothing at all, since no image has ink there."
        )
        if scene.width - side > 200:
            scene.words(side + 18, top, wrap(words, min(scene.width - side - 18, 330)), color=MUTED)
            return top + high + 4
        return scene.words(0, top + high + 4, wrap(words, scene.width), color=MUTED)


def share_pixels(shares: np.ndarray) -> np.ndarray:
    """Colour shares from dark (just above 0) to light (1 and more); exactly 0 is flat grey.

    >>> share_pixels(np.array([[0.0, 1e-9]])).tolist()
    [[[229, 232, 236], [68, 1, 84]]]
    """
    pixels = ORDER(np.clip(shares, 0.0, 1.0), bytes=True)[..., :3].copy()
    pixels[shares == 0.0] = NEVER
    return pixels


def _share_legend(scene: Scene, top: float, low: str, high: str, never: str) -> float:
    scene.picture(0, top, 120, 9, share_pixels(np.linspace(1 / 255, 1, 255)[None]))
    scene.box(0, top, 120, 9, edge=LINE)
    scene.words(0, top + 10, low)
    scene.words(120, top + 10, high, ha="right")
    scene.box(132, top, 9, 9, colour="#{:02x}{:02x}{:02x}".format(*NEVER), edge=LINE)
    return max(scene.words(145, top - 2, never), top + 10 + LINE_HEIGHT)


def _sign_legend(scene: Scene, top: float, palette: str) -> float:
    """Say what the colours of a signed share mean."""
    bar = min(150.0, scene.width * 0.6)
    scene.picture(0, top, bar, 9, signed_colormap(palette)(np.linspace(0, 1, 129), bytes=True)[None, :, :3])
    scene.box(0, top, bar, 9, edge=LINE)
    scale_labels(scene, top + 10, bar, ("always −", "0", "always +"))
    adds, subtracts = colour_words(palette)
    words = f"{adds}: adds to the class · {subtracts}: subtracts · pale: chosen now and then · black: in no refit"
    left, y = (bar + 14, top - 2) if scene.width - bar > 214 else (0.0, top + 10 + LINE_HEIGHT)
    return max(scene.words(left, y, wrap(words, scene.width - left)), top + 10 + LINE_HEIGHT)
