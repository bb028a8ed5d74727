"""The training images that push an answer most, each way."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display
from inklens.displays.palettes import INK, LINE, ink_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Scene, grid, number, shorten
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.explanations import Votes


class VotesDisplay(Display):
    """The image that was judged, and the training images that vote most for and most against its answer.

    Parameters
    ----------
    image : array (rows, cols)
        The frame, 0..1.
    name : str
        What is voted on, such as "4" or "4 against 9".
    images_for, images_against : array (n, rows, cols)
        Training images, the strongest first; 0..1 or uint8.
    labels_for, labels_against : sequence of str
        Their labels.
    votes_for, votes_against : array (n,)
        What each adds to the score, and takes from it.
    shares : dict of str to float
        "intercept", "for", "against", "remainder" and their sum "total".
    n_samples : int
        Number of rows that vote.
    """

    def __init__(
        self,
        image: np.ndarray,
        *,
        name: str,
        images_for: np.ndarray,
        images_against: np.ndarray,
        labels_for: Sequence[str],
        labels_against: Sequence[str],
        votes_for: np.ndarray,
        votes_against: np.ndarray,
        shares: dict[str, float],
        n_samples: int,
    ) -> None:
        self.image = image
        self.name = name
        self.images_for = images_for
        self.images_against = images_against
        self.labels_for = list(labels_for)
        self.labels_against = list(labels_against)
        self.votes_for = votes_for
        self.votes_against = votes_against
        self.shares = shares
        self.n_samples = n_samples

    @classmethod
    def from_votes(
        cls,
        votes: "Votes",
        frame: np.ndarray,
        X: np.ndarray,
        y: np.ndarray,
        a: str | None = None,
        b: str | None = None,
        *,
        most: int = 20,
    ) -> Self:
        """Take the strongest rows each way of `Votes` on a frame (rows, cols) for class a (by default the answer), or
        for a against b; X and y are the rows that voted.
        """
        a = votes.classes[int(votes.z.argmax())] if a is None else a
        every, (pro, con) = votes.of(a, b), votes.strongest(a, b, most=most)
        images, labels = np.reshape(X, (len(X), *np.shape(frame))), np.asarray(y).astype(str)
        return cls(
            frame,
            name=a if b is None else f"{a} against {b}",
            images_for=images[pro],
            images_against=images[con],
            labels_for=labels[pro].tolist(),
            labels_against=labels[con].tolist(),
            votes_for=every[pro],
            votes_against=every[con],
            shares=votes.shares(a, b),
            n_samples=len(every),
        )

    @property
    def sum(self) -> str:
        """The score as the sum that it is, in words."""
        s = {part: number(value, "+.3g") for part, value in self.shares.items()}
        kind = "Log-odds" if " against " in self.name else "Score"
        return (
            f"{kind} of {self.name}: {s['total']} = {s['for']} from rows that vote for it, {s['against']} from rows "
            f"that vote against it, {s['intercept']} intercept, {s['remainder']} remainder (what the fit left short "
            "of its optimum)."
        )

    @property
    def alt(self) -> str:
        def listed(labels: list[str]) -> str:
            return ", ".join(f"{labels.count(c)} times {c}" for c in dict.fromkeys(labels)) or "none"

        return (
            f"How {self.n_samples:,} training images vote on {self.name}. {self.sum} Strongest for: "
            f"{listed(self.labels_for)}. Strongest against: {listed(self.labels_against)}."
        )

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the image, and under it both groups, each picture with its label and its vote."""
        scene = Scene(ax, width)
        side = 84.0
        rows, cols = self.image.shape
        scene.picture(0, 0, side * min(1, cols / rows), side * min(1, rows / cols), ink_pixels(self.image))
        title = f"{self.n_samples:,} training images vote on {self.name}"
        left = side * min(1, cols / rows) + 12
        below = scene.paragraph(0, title, left=left, size=TITLE, weight=BOLD)
        below = max(scene.paragraph(below + 3, self.sum, left=left), side * min(1, rows / cols)) + 10
        groups = (
            ("push for it most", self.images_for, self.labels_for, self.votes_for),
            ("push against it most", self.images_against, self.labels_against, self.votes_against),
        )
        for heading, images, labels, votes in groups:
            below = scene.paragraph(below, f"These {len(images)} {heading}", weight=BOLD) + 4
            below = self._group(scene, below, images, labels, votes) + 6
        return self._finish(scene)

    def _group(self, scene: Scene, top: float, images: np.ndarray, labels: list[str], votes: np.ndarray) -> float:
        if not len(images):
            return top
        tiles = grid(len(images), self.image.shape, scene.width, captions=["+0.000", *labels], largest=56)
        block = tiles.tile_height + 2 * TEXT * LEADING + 8
        form = "+.1f" if np.abs(votes).max() >= 1 else "+.2g"  # as many digits under each: +5.0 beside +4.7
        for k, pixels in enumerate(images):
            left, y = tiles.left(k), top + tiles.row(k) * block
            scene.picture(left, y, tiles.tile_width, tiles.tile_height, ink_pixels(pixels))
            scene.box(left, y, tiles.tile_width, tiles.tile_height, edge=LINE)
            centre = left + tiles.tile_width / 2
            label = shorten(labels[k], tiles.caption, bold=True)
            y = scene.words(centre, y + tiles.tile_height + 1, label, ha="center", weight=BOLD, color=INK)
            scene.words(centre, y, shorten(number(votes[k], form), tiles.caption), ha="center", color=INK)
        return top + tiles.rows * block
