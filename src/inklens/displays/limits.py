"""What no model can know from the data: pixels that they say nothing about, and the direction that separates them."""

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from inklens.displays.base import WIDE, Display, as_maps, class_weights, symmetric_scale
from inklens.displays.estimators import ImageShape, LinearWeights
from inklens.displays.maps import ADDS, SUBTRACTS, map_rows
from inklens.displays.palettes import AGAINST, FOR, LINE, SignedScale
from inklens.displays.scene import LEADING, TEXT, Reading, Scene, grid, shorten, signed_legend
from inklens.displays.style import in_default_style

# States of a coefficient, as `explanations.identifiability` numbers them, with the colour and the words of each.
STATES = (
    ("#000000", "any value: this pixel never changes"),
    (AGAINST, "could sink for ever: no image of the class has ink here, others have"),
    (FOR, "could rise for ever: only images of the class have ink here"),
    ("#ffffff", "held from both sides"),
)


class Decided(Protocol):
    """Which coefficients the data decide."""

    @property
    def states(self) -> np.ndarray:
        """State of each coefficient, (n_classes, n_features)."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""

    def in_words(self) -> list[str]:
        """Say it."""


class Separating(LinearWeights, Protocol):
    """A `SoftmaxRegression` whose status is "separated"."""

    @property
    def margin_(self) -> float:
        """Smallest lead of a row's own class."""


class SilenceDisplay(Display):
    """For every class, which coefficients the data decide and which only a penalty does.

    Parameters
    ----------
    states : int array (n_classes, rows, cols)
        0: any value fits, 1: ever lower fits better, 2: ever higher, 3: held from both sides.
    class_names : sequence of str
        One name per class.
    sentences : sequence of str
        The same in words.

    Examples
    --------
    >>> display = SilenceDisplay(np.array([[[0, 1, 3]], [[0, 2, 3]]]), class_names=["a", "b"])
    >>> display.n_open
    2
    """

    def __init__(self, states: np.ndarray, *, class_names: Sequence[str], sentences: Sequence[str] = ()) -> None:
        self.states = states
        self.class_names = list(class_names)
        self.sentences = list(sentences)

    @classmethod
    def from_silence(cls, silence: Decided, *, image_shape: ImageShape = None) -> Self:
        """Take the states of an `Identifiability`."""
        return cls(as_maps(silence.states, image_shape), class_names=silence.classes, sentences=silence.in_words())

    @property
    def n_open(self) -> int:
        """Coefficients that could have any value."""
        return int((self.states == 0).sum())

    @property
    def alt(self) -> str:
        counts = [f"{int((self.states == k).sum())} {words}" for k, (_, words) in enumerate(STATES)]
        return f"One map per class of what the data decide. Coefficients: {'; '.join(counts)}."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw one map per class in flat colours, with what they mean."""
        scene = Scene(ax, width)
        tiles = grid(len(self.states), self.states.shape[1:], scene.width, captions=self.class_names)
        colours = np.array([[round(255 * channel) for channel in to_rgb(colour)] for colour, _ in STATES], np.uint8)
        block = TEXT * LEADING + tiles.tile_height + 6
        for k, states in enumerate(self.states):
            left, top = tiles.left(k), tiles.row(k) * block
            name = shorten(self.class_names[k], tiles.caption)
            top = scene.words(left + tiles.tile_width / 2, top, name, ha="center")
            reading = Reading(f"coefficient for {name}", states, [words for _, words in STATES])
            scene.picture(left, top, tiles.tile_width, tiles.tile_height, colours[states], reading=reading)
            scene.box(left, top, tiles.tile_width, tiles.tile_height, edge=LINE)
        below = tiles.rows * block + 2
        for colour, words in STATES:
            scene.box(0, below + 2, 9, 9, colour=colour, edge=LINE)
            below = scene.paragraph(below, words, left=14) + 1
        for sentence in self.sentences:
            below = scene.paragraph(below + 3, sentence)
        return self._finish(scene)


class SeparationDisplay(Display):
    """The direction that separates the classes: along it every training row's own class leads, the further the more.

    Parameters
    ----------
    direction : array (n_classes, rows, cols)
        Coefficients with which every row is on the right side.
    margin : float
        Proven smallest lead of any row's own class under them.
    n_samples : int
        Number of rows.
    class_names : sequence of str
        One name per class.

    Examples
    --------
    >>> display = SeparationDisplay(np.ones((2, 1, 3)), margin=0.5, n_samples=9, class_names=["a", "b"])
    >>> display.unit.max()  # scaled to a smallest lead of 1, weights centred over the classes
    np.float64(0.0)
    """

    def __init__(self, direction: np.ndarray, *, margin: float, n_samples: int, class_names: Sequence[str]) -> None:
        self.direction = direction
        self.margin = margin
        self.n_samples = n_samples
        self.class_names = list(class_names)

    @classmethod
    def from_estimator(cls, estimator: Separating, *, n_samples: int, image_shape: ImageShape = None) -> Self:
        """Take the direction of a `SoftmaxRegression` whose status is "separated"."""
        return cls(
            as_maps(class_weights(estimator)[0], image_shape),
            margin=estimator.margin_,
            n_samples=n_samples,
            class_names=[str(name) for name in estimator.classes_],
        )

    @property
    def unit(self) -> np.ndarray:
        """The direction, centred over classes (no lead changes) and scaled to a smallest lead of 1."""
        return (self.direction - self.direction.mean(axis=0)) / self.margin

    @property
    def sentence(self) -> str:
        """What is proven."""
        return (
            f"Proven: with these coefficients each of the {self.n_samples:,} training images gives its own class a "
            "lead of at least 1 over every other, and with t times them a lead of at least t. So without a penalty "
            "the loss sinks towards 0 and no best coefficients exist."
        )

    @property
    def alt(self) -> str:
        return (
            f"One map for each of {len(self.class_names)} classes ({', '.join(self.class_names)}) of the direction "
            f"that separates them. {self.sentence}"
        )

    @in_default_style
    def plot(
        self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red", scale: float | None = None
    ) -> Self:
        """Draw one map per class on one scale, and what they prove."""
        scene = Scene(ax, width)
        unit = self.unit
        unit[:, (self.direction == self.direction[0]).all(axis=0)] = 0.0  # the same for all classes: not used
        scale = symmetric_scale(unit, scale=scale)
        tiles = grid(len(unit), unit.shape[1:], scene.width, captions=self.class_names)
        top = map_rows(scene, 0, tiles, unit, self.class_names, SignedScale(scale, palette, black_zeros=True))
        zeros = "the pixel takes no part" if np.any(unit == 0) else None
        top = signed_legend(scene, top, scale, palette=palette, adds=ADDS, subtracts=SUBTRACTS, zeros=zeros)
        scene.paragraph(top + 4, self.sentence)
        return self._finish(scene)
