"""Why one class and not another: what the ink says, and what missing ink would say."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display, symmetric_scale
from inklens.displays.palettes import INK, LINE, MUTED, ink_pixels, signed_colormap, signed_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Reading, Scene, grid, number, signed_legend, wrap
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.explanations import Evidence
    from inklens.model.linear_model import LinearModel

CAPTIONS = ("the picture", "what its ink adds", "what new ink would add")
STROKES_CAPTION = "the strokes that matter most"
THICKEST = 3.0  # points, of the strongest stroke
FAINT = 0.18  # how dark the ink is drawn under strokes and maps
MOST_VALUES = 250  # of new ink that the pointer can ask for
GAUGE = "what a place adds to a single class is counted with weights centred over all classes"


class ReasonsDisplay(Display):
    """A picture, what its ink adds to the log-odds of one class against another, and what new ink would add.

    Parameters
    ----------
    image : array (rows, cols)
        The frame, 0..1.
    contributions : array (rows, cols)
        x * (w_a - w_b); with `intercept` they sum to the log-odds of a against b.
    missing : array (rows, cols) or None
        (1 - x) * (w_a - w_b): what each pixel would add if it were filled; None where that is not known.
    intercept : float
        b_a - b_b.
    names : (str, str)
        The classes a and b.
    words : sequence of str
        The same in words.
    strokes : array (n, 5), optional
        Row, column, half a stroke's rows and columns, and what it adds; drawn where `missing` is not known.
    """

    def __init__(
        self,
        image: np.ndarray,
        *,
        contributions: np.ndarray,
        missing: np.ndarray | None,
        intercept: float,
        names: tuple[str, str],
        words: Sequence[str] = (),
        strokes: np.ndarray | None = None,
    ) -> None:
        self.image = image
        self.contributions = contributions
        self.missing = missing
        self.intercept = intercept
        self.names = names
        self.words = list(words)
        self.strokes = strokes

    @classmethod
    def from_evidence(cls, evidence: "Evidence", a: str | None = None, b: str | None = None) -> Self:
        """Take the numbers of an `Evidence`; by default the answer against its rival."""
        a = evidence.label if a is None else a
        b = (evidence.rival if a == evidence.label else evidence.label) if b is None else b
        contributions = evidence.between(a, b)
        return cls(
            evidence.frame,
            contributions=contributions,
            missing=evidence.missing(a, b),
            intercept=evidence.log_odds(a, b) - float(contributions.sum()),
            names=(a, b),
            words=evidence.in_words(a, b),
            strokes=strokes(a, b) if (strokes := getattr(evidence, "strokes", None)) else None,
        )

    @classmethod
    def from_photo(
        cls, reader: "LinearModel", photo_or_frame: object, a: str | None = None, b: str | None = None
    ) -> Self:
        """Explain a photo, or a frame as it is; by default the answer against its rival."""
        from inklens.explanations import explain

        return cls.from_evidence(explain(reader, photo_or_frame), a, b)

    @property
    def sum(self) -> str:
        """The log-odds as the sum that it is, in words."""
        a, b = self.names
        adds, takes = (
            float(self.contributions[part].sum()) for part in (self.contributions > 0, self.contributions < 0)
        )
        total = number(adds + takes + self.intercept, "+.2f")
        return (
            f"Log-odds of {a} against {b}: {total} = {number(adds, '+.2f')} from ink that speaks for {a}, "
            f"{number(takes, '+.2f')} from ink that speaks for {b}, "
            f"{number(self.intercept, '+.2f')} from the intercepts."
        )

    @property
    def alt(self) -> str:
        return " ".join([f"Why {self.names[0]} and not {self.names[1]}.", self.sum, *map(_sentence, self.words)])

    @in_default_style
    def plot(
        self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red", scale: float | None = None
    ) -> Self:
        """Draw the picture and the two maps beside each other, and the words beneath.

        Parameters
        ----------
        ax, width, palette
            As for `CoefficientMapsDisplay`.
        scale : float, optional
            Value of the full colours; by default one that covers 99% of the contributions that are not 0.
        """
        scene = Scene(ax, width)
        a, b = self.names
        maps = [self.contributions] if self.missing is None else [self.contributions, self.missing]
        scale = symmetric_scale(*maps, scale=scale)
        pictures = [ink_pixels(self.image), *(self._over_ink(values, scale, palette) for values in maps)]
        captions = list(CAPTIONS)
        if self.strokes is not None:
            pictures.append(255 - ink_pixels(FAINT * self.image))
            captions[2] = STROKES_CAPTION
        top = scene.paragraph(0, f"Why {a} and not {b}", size=TITLE, weight=BOLD) + 6
        tiles = grid(len(pictures), self.image.shape, scene.width, smallest=60, largest=206, gap=12)
        below = top
        for k, (caption, pixels) in enumerate(zip(captions, pictures, strict=False)):
            left, upper = tiles.left(k), top + tiles.row(k) * (tiles.tile_height + 3 * TEXT * LEADING)
            reading = Reading(f"log-odds of {a} against {b}", maps[k - 1]) if 0 < k <= len(maps) else None
            scene.picture(left, upper, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            scene.box(left, upper, tiles.tile_width, tiles.tile_height, edge=LINE)
            if k == 2 and self.strokes is not None:
                self._draw_strokes(scene, left, upper, tiles.tile_height / self.image.shape[0], palette)
            elif k:
                texts = self._values() if k == 1 else self._values_of_new_ink()
                scene.hover(left, upper, tiles.tile_width, tiles.tile_height, texts, self.image.shape)
            words = wrap(caption, tiles.step - 6, bold=True)
            end = scene.words(
                left + tiles.tile_width / 2, upper + tiles.tile_height + 2, words, ha="center", weight=BOLD
            )
            below = max(below, end)
        below = signed_legend(
            scene,
            below + 8,
            scale,
            palette=palette,
            adds=f"speaks for {a}",
            subtracts=f"speaks for {b}",
            zeros=None,
            pale="white, or grey where there is ink",
        )
        below = scene.paragraph(below + 3, self.sum)
        for sentence in map(_sentence, [*self.words, GAUGE] if self.words else []):
            below = scene.paragraph(below + 3, sentence, color=MUTED if sentence == _sentence(GAUGE) else INK)
        return self._finish(scene)

    def _over_ink(self, values: np.ndarray, scale: float, palette: str) -> np.ndarray:
        """Colour a map; ink shows in pale grey through what hardly matters, so that the eye finds its place."""
        coloured = signed_pixels(values, scale, palette=palette, black_zeros=False)
        pale = np.clip(1.0 - np.abs(values) / scale, 0.0, 1.0) * FAINT * self.image
        return np.rint(coloured * (1.0 - pale[..., None])).astype(np.uint8)

    def _draw_strokes(self, scene: Scene, left: float, top: float, pixel: float, palette: str) -> None:
        """Draw each stroke along its edge, the weaker ones first."""
        assert self.strokes is not None
        largest = float(np.abs(self.strokes[:, 4]).max(initial=0.0))
        for row, col, down, right, adds in self.strokes[::-1]:
            share = abs(adds) / largest
            colour = signed_colormap(palette)(0.5 + 0.5 * np.sign(adds) * (0.45 + 0.55 * share))
            x, y = left + (col + 0.5) * pixel, top + (row + 0.5) * pixel
            dx, dy = right * pixel, down * pixel
            scene.line((x - dx, y - dy), (x + dx, y + dy), colour=colour, width=0.8 + (THICKEST - 0.8) * share)

    def _values(self) -> dict[tuple[int, int], str]:
        """Say of every pixel that speaks what it has, what it adds and how it ranks."""
        texts = {}
        for rank, (row, col) in enumerate(_strongest(self.contributions), 1):
            ink, adds = self.image[row, col], self.contributions[row, col]
            if self.missing is None:
                what = f"the strokes here add {number(adds, '+.3f')}"
            else:
                what = f"ink {ink:.2f} × {number(adds / ink, '+.3f')} = {number(adds, '+.3f')}"
            texts[row, col] = f"row {row}, column {col}: {what} for {self.names[0]}, number {rank} in size"
        return texts

    def _values_of_new_ink(self) -> dict[tuple[int, int], str]:
        """Say what filling a pixel would add, for those where it would add most."""
        assert self.missing is not None
        strongest = _strongest(self.missing)[:MOST_VALUES]
        return {
            (row, col): f"row {row}, column {col}: full ink would add {number(self.missing[row, col], '+.3f')} "
            f"for {self.names[0]}"
            for row, col in strongest
        }


def _strongest(values: np.ndarray) -> list[tuple[int, int]]:
    """Return (row, col) of all values that are not 0, the largest in size first."""
    order = np.argsort(-np.abs(values), axis=None, kind="stable")[: np.count_nonzero(values)]
    rows, cols = np.unravel_index(order, values.shape)
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
