"""How far the digits of a data set are from another answer."""

from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display
from inklens.displays.numbers import counted, round_ticks, share_ticks
from inklens.displays.palettes import INK, LINE, MUTED
from inklens.displays.scene import BOLD, LEADING, TEXT, Scene
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.explanations.radii import Robustness

TITLES = {
    "l1": ("Ink in all (L1)", "full pixels of ink"),
    "l2": ("Euclidean (L2)", "root of the sum of squares"),
    "linf": ("Every pixel a little (L-infinity)", "change of each pixel"),
}
REACH = 0.995  # quantile at which the curves end
PANEL_HEIGHT = 130.0  # points
GAP = 24.0
TICK = 14.0  # points; half of the widest label, which stands beyond the end of its axis


class RadiiDisplay(Display):
    """For each size of change, the share of images whose answer no change of that size can alter.

    Parameters
    ----------
    radii : dict of str to array (n_frames,)
        Exact radii in "l1", "l2" and "linf"; infinity where no change alters the answer.
    right : bool array (n_frames,), optional
        Which answers are right; the curves then count only those: accuracy that is proven to survive.

    Examples
    --------
    >>> display = RadiiDisplay({"l1": np.array([1.0, 3.0])}, right=np.array([True, False]))
    >>> display.share("l1", 0.5), display.share("l1", 2.0)
    (0.5, 0.0)
    """

    def __init__(self, radii: dict[str, np.ndarray], *, right: np.ndarray | None = None) -> None:
        self.radii = dict(radii)
        self.right = right

    @classmethod
    def from_robustness(cls, robustness: "Robustness", *, right: np.ndarray | None = None) -> Self:
        """Take the radii of a `Robustness`, among changes that keep the ink in 0..1."""
        return cls(robustness.boxed, right=right)

    def share(self, measure: str, size: float) -> float:
        """Return the share of images that are right (where that is known) and lie further than `size`."""
        far = self.radii[measure] > size
        return float(np.mean(far if self.right is None else far & self.right))

    @property
    def sentences(self) -> list[str]:
        """Medians in words."""
        kept = "kept" if self.right is None else "right and kept"
        lines = []
        for measure, values in self.radii.items():
            title, unit = TITLES[measure]
            middle = float(np.median(values))
            lines.append(
                f"{title}: half of the answers change within {middle:.3g} ({unit}); "
                f"{self.share(measure, middle / 2):.1%} are {kept} under every change of half that size."
            )
        return lines

    @property
    def alt(self) -> str:
        n = len(next(iter(self.radii.values())))
        return f"Share of {counted(n, 'image')} whose answer survives every change, by size. {' '.join(self.sentences)}"

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw one falling curve per measure."""
        scene = Scene(ax, width)
        left = 42.0
        columns = len(self.radii) if scene.width >= len(self.radii) * (150 + GAP) else 1
        panel = (scene.width - left - (columns - 1) * (GAP + left)) / columns - TICK
        block = TEXT * LEADING + PANEL_HEIGHT + (2.6 if columns > 1 else 3.4) * TEXT * LEADING
        for number, measure in enumerate(self.radii):
            x = left + number % columns * (panel + TICK + GAP + left)
            self._panel(scene, measure, x, number // columns * block, panel)
        below = -(-len(self.radii) // columns) * block + 6
        for sentence in self.sentences:
            below = scene.paragraph(below + 2, sentence)
        what = "the answer" if self.right is None else "a right answer"
        scene.paragraph(
            below + 3, f"Height: share of images that keep {what} under every change of that size.", color=MUTED
        )
        return self._finish(scene)

    def _panel(self, scene: Scene, measure: str, left: float, top: float, width: float) -> None:
        title, unit = TITLES[measure]
        top = scene.words(left, top, title, weight=BOLD)
        inner = scene.axes(left, top + 4, width, PANEL_HEIGHT, below=2.2 * TEXT * LEADING)
        values = self.radii[measure]
        finite = values[np.isfinite(values)]
        largest = float(np.quantile(finite, REACH)) if len(finite) else 1.0
        sizes = np.linspace(0.0, max(largest, 1e-9), 200)
        inner.plot(sizes, [self.share(measure, size) for size in sizes], color=INK, linewidth=1.8)
        middle = float(np.median(values))
        if np.isfinite(middle):
            inner.axvline(middle, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        inner.set(xlim=(0, sizes[-1]), ylim=(0, 1.02), yticks=[0, 0.5, 1])
        share_ticks(inner, "y", most=3)
        round_ticks(inner, "x")
        inner.grid(axis="y", color=LINE, linewidth=0.6)
        inner.set_xlabel(unit, size=TEXT, color=INK, labelpad=2)
