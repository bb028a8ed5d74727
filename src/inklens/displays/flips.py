"""The smallest change that makes a model answer another class: before, what changes, after."""

from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from inklens.displays.base import WIDE, Display
from inklens.displays.numbers import percent
from inklens.displays.palettes import ADDED, ERASED, LINE, MUTED, ink_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, Grid, Reading, Scene, grid, wrap
from inklens.displays.style import in_default_style
from inklens.explanations.flips import InkChange

if TYPE_CHECKING:
    from inklens.explanations import Flip
    from inklens.model.linear_model import LinearModel

FAINT = 0.25  # how dark the unchanged ink is drawn under the change
CHANGE = 1  # place of the picture of the change among the three
SIGN = 0.6  # width of a sign, in pixels of the picture
SIGNED = 0.25  # of the largest change, from which a pixel gets its sign
SIGN_COLOUR = "#ffffff"
MIN_SHADE = 0.12  # of the full colour, so that the smallest change can just be seen

_WHAT = {
    "ink": ("Least ink", "{} full pixels of ink", "less ink", "Little ink"),
    "energy": ("Least energy", "a sum of squares of {}", "less energy", "Little energy"),
    "pixels": ("Fewest pixels", "{} pixels", "fewer pixels", "Few pixels"),
}


class FlipDisplay(Display):
    """A picture before and after a flip, between them the ink added and erased.

    Parameters
    ----------
    before, after : array (rows, cols)
        The two frames, 0..1.
    answers : (str, str)
        What the model answers before and after.
    proba : (float, float)
        The probability of each answer, before and after.
    norm : {"ink", "energy", "pixels"}
        What was to be small.
    cost, lower_bound : float
        The size of the change in that norm, and what no change can go below.
    margin : float
        Log-odds of the new answer against the next best class.
    radius : float, optional
        Least ink with which the answer changes to any class at all.
    title : str, optional
        What kind of change it is; by default what the norm makes small.
    plausible : bool
        Whether only ink that training images of the new class have was allowed.

    Examples
    --------
    >>> display = FlipDisplay(np.array([[0.0, 1.0]]), np.array([[0.5, 1.0]]), answers=("1", "7"), proba=(0.9, 0.6),
    ...                       norm="ink", cost=0.5, lower_bound=0.5, margin=0.4)
    >>> display.added, display.erased, display.proven
    (0.5, 0.0, True)
    """

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        *,
        answers: tuple[str, str],
        proba: tuple[float, float],
        norm: str,
        cost: float,
        lower_bound: float,
        margin: float,
        radius: float | None = None,
        title: str | None = None,
        plausible: bool = False,
    ) -> None:
        self.before = before
        self.after = after
        self.answers = answers
        self.proba = proba
        self.norm = norm
        self.cost = cost
        self.lower_bound = lower_bound
        self.margin = margin
        self.radius = radius
        self.plausible = plausible
        least, _, _, little = _WHAT[norm]
        kind = least if self.proven else little  # only a proof makes it the least
        self.title = title or kind + (" of a plausible change" if plausible else "")

    @classmethod
    def from_flip(cls, flip: "Flip", *, radius: float | None = None, title: str | None = None) -> Self:
        """Take the numbers of a `Flip`."""
        from inklens.linear.softmax import softmax

        proba = softmax(np.stack([flip.z_before, flip.z_after]))
        chosen = [flip.classes.index(label) for label in (flip.source, flip.target)]
        return cls(
            flip.frame,
            flip.flipped,
            answers=(flip.source, flip.target),
            proba=(float(proba[0, chosen[0]]), float(proba[1, chosen[1]])),
            norm=flip.norm,
            cost=flip.cost,
            lower_bound=flip.lower_bound,
            margin=flip.margin,
            radius=radius,
            title=title,
            plausible=flip.plausible,
        )

    @classmethod
    def from_photo(cls, reader: "LinearModel", photo_or_frame: object, to: str | None = None) -> Self:
        """Find the least change of ink on a photo, or on a frame as it is, that makes a reader answer `to`."""
        from inklens.explanations import flip

        return cls.from_flip(flip(reader, photo_or_frame, to))

    @property
    def change(self) -> np.ndarray:
        """Ink added (positive) and erased (negative)."""
        return self._ink.change

    @property
    def added(self) -> float:
        """Ink added, in full pixels."""
        return self._ink.added

    @property
    def erased(self) -> float:
        """Ink erased, in full pixels."""
        return self._ink.erased

    @property
    def _ink(self) -> InkChange:
        return InkChange(self.before, self.after)

    @property
    def proven(self) -> bool:
        """Whether the bound meets the cost to one in a million."""
        return self.cost - self.lower_bound <= 1e-6 * self.cost

    @property
    def sentences(self) -> list[str]:
        """What the change is and what is proven of it, in words."""
        unit = _WHAT[self.norm][1]
        pixels = self._ink.pixels_changed
        what = f"{self.title}: {unit.format(self._size(self.cost))} "
        if self.norm == "pixels":
            what += f"change, {self._ink.ink_changed:.2f} full pixels of ink in all"
        else:
            what += f"changed, in {pixels} pixel{'s' if pixels != 1 else ''}"
        said = [f"{what}."]
        if self.plausible:
            said.append(f"Plausible: no pixel is given more ink than images of {self.answers[1]} usually have there.")
        said.append(self._proof())
        lead = f"log-odds of {self.margin:.2f}" if self.margin >= 0.01 else "less than 0.01 in log-odds"
        said.append(f"Margin: {self.answers[1]} wins by {lead} against the next best class.")
        if self.radius is not None:
            said.append(f"Radius: with less than {self._size(self.radius)} of ink no change gives any other answer.")
        return said

    @property
    def alt(self) -> str:
        return (
            f"A picture read as {self.answers[0]} ({percent(self.proba[0])}), and after the change as "
            f"{self.answers[1]} ({percent(self.proba[1])}), with {self.added:.2f} of ink added and "
            f"{self.erased:.2f} erased. {' '.join(self.sentences)}"
        )

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw before, change and after beside each other, and the words beneath."""
        scene = Scene(ax, width)
        tiles = grid(3, self.before.shape, scene.width, smallest=60, largest=206, gap=12)
        captions = (
            (f"before: {self.answers[0]}", percent(self.proba[0])),
            ("what changes", ""),
            (f"after: {self.answers[1]}", percent(self.proba[1])),
        )
        below = 0.0
        pictures = (ink_pixels(self.before), change_pixels(self.before, self.after), ink_pixels(self.after))
        for k, (caption, pixels) in enumerate(zip(captions, pictures, strict=True)):
            below = max(below, self._tile(scene, tiles, k, caption, pixels))
        below = self._legend(scene, below + 8)
        for sentence in self.sentences:
            below = scene.paragraph(below + 3, sentence)
        return self._finish(scene)

    def _tile(self, scene: Scene, tiles: Grid, k: int, caption: tuple[str, str], pixels: np.ndarray) -> float:
        left, top = tiles.left(k), tiles.row(k) * (tiles.tile_height + 5 * TEXT * LEADING)
        reading = Reading("ink added (+) or erased (−)", self.change) if k == CHANGE else None
        scene.picture(left, top, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
        if k == CHANGE:
            self._signs(scene, left, top, tiles)
        scene.box(left, top, tiles.tile_width, tiles.tile_height, edge=LINE)
        centre, below = left + tiles.tile_width / 2, top + tiles.tile_height + 2
        below = scene.words(centre, below, wrap(caption[0], tiles.step - 6, bold=True), ha="center", weight=BOLD)
        return scene.words(centre, below, caption[1], ha="center") if caption[1] else below

    def _signs(self, scene: Scene, left: float, top: float, tiles: Grid) -> None:
        """Put a plus sign on added and a cross on erased ink, so that colour is not needed to tell them."""
        rows, cols = self.before.shape
        high, wide = tiles.tile_height / rows, tiles.tile_width / cols
        size = (SIGN * min(high, wide)) ** 2
        seen = np.abs(self.change) >= SIGNED * max(float(np.abs(self.change).max()), 1e-12)
        for marker, chosen in (("+", seen & (self.change > 0)), ("x", seen & (self.change < 0))):
            row, col = np.nonzero(chosen)
            x, y = left + (col + 0.5) * wide, top + (row + 0.5) * high
            scene.ax.scatter(x, y, s=size, marker=marker, color=SIGN_COLOUR, linewidths=0.8)

    def _legend(self, scene: Scene, top: float) -> float:
        """Name the two colours, below each other where they do not fit side by side."""
        left = 0.0
        for colour, words in ((ADDED, f"+ ink added, {self.added:.2f}"), (ERASED, f"× ink erased, {self.erased:.2f}")):
            scene.box(left, top + 1, 9, 9, colour=colour)
            scene.words(left + 14, top, words)
            left += 130
        words = "grey: ink that stays"
        if scene.width < left + 110:
            left, top = 0.0, top + TEXT * LEADING
        return scene.words(left, top, words, color=MUTED)

    def _proof(self) -> str:
        if self.proven:
            kind = "plausible change" if self.plausible else "change"
            return f"Proven: no {kind} with {_WHAT[self.norm][2]} does it."
        if self.lower_bound <= 0.0:
            return "Found by search; nothing is proven of how small a change could be."
        return f"Found by search; proven only that it takes at least {self._size(self.lower_bound)}."

    def _size(self, value: float) -> str:
        return f"{value:.0f}" if self.norm == "pixels" and value is not self.radius else f"{value:.3g}"


def change_pixels(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Paint the change on paper: ink that stays grey, added ink violet, erased ink gold, the most in full colour.

    >>> change_pixels(np.array([[0.0, 1.0, 1.0]]), np.array([[1.0, 0.0, 1.0]])).tolist()
    [[[122, 79, 181], [176, 141, 0], [191, 191, 191]]]
    """
    change = after - before
    stays = 1.0 - FAINT * np.minimum(before, after)[..., None] * np.ones(3)
    share = np.abs(change) / max(float(np.abs(change).max()), 1e-12)
    shade = np.where(change == 0.0, 0.0, MIN_SHADE + (1.0 - MIN_SHADE) * share)[..., None]
    colour = np.where(change[..., None] > 0.0, to_rgb(ADDED), to_rgb(ERASED))
    return np.rint(255 * (stays * (1.0 - shade) + colour * shade)).astype(np.uint8)
