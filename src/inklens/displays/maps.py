"""Signed maps: what a model learned, what it did with one image, and one model beside another."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display, as_maps, class_weights, symmetric_scale
from inklens.displays.estimators import Certified, ImageShape, LinearWeights
from inklens.displays.palettes import INK, LINE, MISTAKE, NEITHER, SignedScale
from inklens.displays.scene import (
    BOLD,
    LEADING,
    TEXT,
    TITLE,
    Grid,
    Reading,
    Scene,
    grid,
    number,
    shorten,
    signed_legend,
)
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.model.linear_model import LinearModel

ADDS = "ink here adds to the class"
SUBTRACTS = "ink here subtracts"
ZEROS = "exactly zero, the pixel is not used"


class CoefficientMapsDisplay(Display):
    """One map of coefficients per class, all on one symmetric scale, exact zeros in flat black.

    Parameters
    ----------
    coef : array (n_classes, rows, cols)
        Coefficients.
    class_names : sequence of str
        One name per class.

    Examples
    --------
    >>> display = CoefficientMapsDisplay(np.array([[[0.0, 1.0]], [[0.0, -1.0]]]), class_names=["a", "b"])
    >>> display.n_zeros
    2
    """

    def __init__(self, coef: np.ndarray, *, class_names: Sequence[str]) -> None:
        self.coef = coef
        self.class_names = list(class_names)

    @classmethod
    def from_estimator(cls, estimator: LinearWeights, *, image_shape: ImageShape = None) -> Self:
        """Take the coefficients of a fitted linear classifier, or of a reader on pixels."""
        coef, _, names = class_weights(estimator)
        return cls(as_maps(coef, image_shape, like=estimator), class_names=names)

    @property
    def n_zeros(self) -> int:
        """Number of coefficients that are exactly zero."""
        return int(np.sum(self.coef == 0))

    @property
    def alt(self) -> str:
        return (
            f"Coefficient maps of {len(self.coef)} classes ({', '.join(self.class_names)}) on one scale from "
            f"-{np.abs(self.coef).max():.3g} to {np.abs(self.coef).max():.3g}; {self.n_zeros} of {self.coef.size} "
            f"coefficients ({self.n_zeros / self.coef.size:.0%}) are exactly zero and painted black."
        )

    @in_default_style
    def plot(
        self,
        *,
        ax: Axes | None = None,
        width: float = WIDE,
        palette: str = "blue-red",
        scale: float | None = None,
        black_zeros: bool = True,
    ) -> Self:
        """Draw the maps with a legend that says what the colours mean.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        width : float
            Width of that figure in inches.
        palette : {"blue-red", "blue-orange"}
            Colour that adds, colour that subtracts.
        scale : float, optional
            Value of the full colours; by default it covers 99% of the non-zero values (95% where most are zero).
        black_zeros : bool
            Paint exact zeros in black; otherwise they are white like all small values.
        """
        scene = Scene(ax, width)
        scale = symmetric_scale(self.coef, scale=scale)
        tiles = grid(len(self.coef), self.coef.shape[1:], scene.width, captions=self.class_names)
        colours = SignedScale(scale, palette, black_zeros)
        top = map_rows(scene, 0, tiles, self.coef, self.class_names, colours)
        zeros = ZEROS if black_zeros and self.n_zeros else None
        signed_legend(scene, top, scale, palette=palette, adds=ADDS, subtracts=SUBTRACTS, zeros=zeros)
        return self._finish(scene)


class MapComparisonDisplay(Display):
    """The maps of several models under each other, on one scale, exact zeros of each model in flat black.

    Parameters
    ----------
    coefs : dict of str to array (n_classes, rows, cols)
        Title and coefficients of each model.
    class_names : sequence of str
        One name per class.
    """

    def __init__(self, coefs: dict[str, np.ndarray], *, class_names: Sequence[str]) -> None:
        self.coefs = dict(coefs)
        self.class_names = list(class_names)

    @classmethod
    def from_estimators(cls, estimators: Mapping[str, LinearWeights], *, image_shape: ImageShape = None) -> Self:
        """Take the coefficients of fitted linear classifiers, given by title."""
        weights = {title: class_weights(estimator) for title, estimator in estimators.items()}
        names = next(iter(weights.values()))[2]
        maps = {title: as_maps(w[0], image_shape, like=estimators[title]) for title, w in weights.items()}
        return cls(maps, class_names=names)

    @property
    def alt(self) -> str:
        zeros = [f"{title}: {np.mean(coef == 0):.1%} exactly zero" for title, coef in self.coefs.items()]
        return f"Coefficient maps of {len(self.class_names)} classes, one model under the other. {'; '.join(zeros)}."

    @in_default_style
    def plot(
        self,
        *,
        ax: Axes | None = None,
        width: float = WIDE,
        palette: str = "blue-red",
        scale: float | None = None,
        shared_scale: bool = True,
    ) -> Self:
        """Draw the rows of maps under their titles.

        Parameters
        ----------
        ax, width, palette, scale
            As for `CoefficientMapsDisplay`.
        shared_scale : bool
            One scale for all models; otherwise each has its own, written into its title.
        """
        scene = Scene(ax, width)
        self._draw(scene, palette, scale, shared_scale)
        return self._finish(scene)

    def _draw(self, scene: Scene, palette: str, scale: float | None, shared_scale: bool) -> float:
        common = symmetric_scale(*self.coefs.values(), scale=scale) if shared_scale else None
        shape = next(iter(self.coefs.values())).shape[1:]
        tiles = grid(len(self.class_names), shape, scene.width, captions=self.class_names)
        top = 0.0
        for title, coef in self.coefs.items():
            own = common or symmetric_scale(coef, scale=scale)
            words = f"{title}: {_zero_words(coef)}" + ("" if common else f", full colour ±{own:.2g}")
            top = scene.paragraph(top, words, size=TITLE, weight=BOLD) + 2
            colours = SignedScale(own, palette, black_zeros=True)
            top = map_rows(scene, top, tiles, coef, self.class_names, colours) + 4
        return signed_legend(scene, top, common, palette=palette, adds=ADDS, subtracts=SUBTRACTS, zeros=ZEROS)


class ToleranceDisplay(MapComparisonDisplay):
    """A loose stop beside a tight one: maps, objective, proven bound and zeros of both.

    Parameters
    ----------
    coefs, class_names
        As for `MapComparisonDisplay`, one entry per fit.
    objectives, lower_bounds : dict of str to float
        Objective where each fit stopped, and what no coefficients can go below.
    """

    def __init__(
        self,
        coefs: dict[str, np.ndarray],
        *,
        class_names: Sequence[str],
        objectives: dict[str, float],
        lower_bounds: dict[str, float],
    ) -> None:
        super().__init__(coefs, class_names=class_names)
        self.objectives = objectives
        self.lower_bounds = lower_bounds

    @classmethod
    def from_estimators(  # type: ignore[override]  # it needs what a certified fit tells
        cls, estimators: Mapping[str, Certified], *, image_shape: ImageShape = None
    ) -> Self:
        """Take coefficients, objectives and bounds of several fitted `SoftmaxRegression`, given by title."""
        maps = MapComparisonDisplay.from_estimators(estimators, image_shape=image_shape)
        return cls(
            maps.coefs,
            class_names=maps.class_names,
            objectives={title: float(fit.objective_) for title, fit in estimators.items()},
            lower_bounds={title: float(fit.lower_bound_) for title, fit in estimators.items()},
        )

    @property
    def alt(self) -> str:
        bounds = [
            f"{title}: objective {self.objectives[title]:.2f}, proven bound {self.lower_bounds[title]:.2f}"
            for title in self.coefs
        ]
        return f"{super().alt} {'; '.join(bounds)}."

    @in_default_style
    def plot(
        self,
        *,
        ax: Axes | None = None,
        width: float = WIDE,
        palette: str = "blue-red",
        scale: float | None = None,
        shared_scale: bool = True,
    ) -> Self:
        """Draw the maps of both fits and, beneath, how far above the best proven bound each stopped."""
        scene = Scene(ax, width)
        top = self._draw(scene, palette, scale, shared_scale) + 14
        bound = max(self.lower_bounds.values())
        longest = max(self.objectives.values())
        top = scene.paragraph(top, "Objective where each stopped (lower is better)", size=TITLE, weight=BOLD) + 4
        for title, objective in self.objectives.items():
            top = scene.paragraph(top, f"{title}: {objective:,.2f}, {_above(objective, bound)}")
            scene.box(0, top, scene.width * min(bound, objective) / longest, 11, colour=NEITHER)
            left = scene.width * min(bound, objective) / longest
            scene.box(left, top, scene.width * objective / longest - left, 11, colour=MISTAKE)
            scene.box(scene.width * bound / longest - 1, top - 2, 2, 15, colour=INK)
            top += 20
        scene.paragraph(
            top,
            f"Upright line: no coefficients can go below {bound:,.2f} (proven). "
            "Magenta, to its right: what a stop left undone.",
        )
        return self._finish(scene)


class EvidenceDisplay(Display):
    """For one image, the learned map of every class above the same map seen through the image's ink.

    Parameters
    ----------
    image : array (rows, cols)
        The image x, 0..1.
    coef : array (n_classes, rows, cols)
        Coefficients w.
    intercept : array (n_classes,)
        Intercepts b; z_k = b_k + sum of x * w_k.
    class_names : sequence of str
        One name per class.
    """

    def __init__(
        self, image: np.ndarray, *, coef: np.ndarray, intercept: np.ndarray, class_names: Sequence[str]
    ) -> None:
        self.image = image
        self.coef = coef
        self.intercept = intercept
        self.class_names = list(class_names)

    @classmethod
    def from_estimator(cls, estimator: LinearWeights, x: np.ndarray, *, image_shape: ImageShape = None) -> Self:
        """Take coefficients from a fitted linear classifier, and one image x, flat or not, in [0, 1]."""
        coef, intercept, names = class_weights(estimator)
        coef = as_maps(coef, image_shape, like=estimator)
        return cls(np.reshape(x, coef.shape[1:]), coef=coef, intercept=intercept, class_names=names)

    @classmethod
    def from_photo(cls, reader: "LinearModel", photo_or_frame: object) -> Self:
        """Take what a reader on pixels learned, and what it sees of a photo; or a frame as it is."""
        return cls.from_estimator(reader, reader.frame(photo_or_frame))

    @property
    def contributions(self) -> np.ndarray:
        """What each pixel gives to each class, x * w_k (n_classes, rows, cols)."""
        return self.coef * self.image

    @property
    def scores(self) -> np.ndarray:
        """z_k (n_classes,)."""
        return self.intercept + self.contributions.sum(axis=(1, 2))

    @property
    def alt(self) -> str:
        order = np.argsort(-self.scores, kind="stable")
        words = [f"{self.class_names[k]} {self.scores[k]:+.2f}" for k in order]
        return (
            f"Evidence for each class, the learned map above what this image takes from it. Scores: {', '.join(words)}."
        )

    @in_default_style
    def plot(
        self,
        *,
        ax: Axes | None = None,
        width: float = WIDE,
        palette: str = "blue-red",
        scale: float | None = None,
        evidence_scale: float | None = None,
    ) -> Self:
        """Draw w_k above x * w_k for all classes.

        Parameters
        ----------
        ax, width, palette
            As for `CoefficientMapsDisplay`.
        scale, evidence_scale : float, optional
            Value of the full colours in the upper and the lower maps; by default one that covers
            99% of the non-zero coefficients, and half of it, since single contributions are smaller.
        """
        scene = Scene(ax, width)
        scale = symmetric_scale(self.coef, scale=scale)
        evidence_scale = symmetric_scale(scale=evidence_scale or scale / 2)
        margin = 16.0
        names = self.class_names
        tiles = grid(len(names), self.image.shape, scene.width - margin, captions=names, smallest=40)
        block = 2 * TEXT * LEADING + 2 * tiles.tile_height + 14
        upper, lower = SignedScale(scale, palette), SignedScale(evidence_scale, palette)
        for k in range(len(self.coef)):
            self._column(scene, k, (margin + tiles.left(k), tiles.row(k) * block), tiles, upper, lower)
        for row in range(tiles.rows):
            top = row * block + 2 * TEXT * LEADING
            scene.words(8, top - TEXT * LEADING, "z", ha="center")
            for label, centre in (("w", top + tiles.tile_height / 2), ("x · w", top + 1.5 * tiles.tile_height + 4)):
                scene.turned(8, centre, label)
        below = scene.paragraph(
            tiles.rows * block,
            f"Full colour is ±{scale:.2g} in the upper maps (w) and ±{evidence_scale:.2g} in the lower ones (x · w).",
        )
        signed_legend(scene, below + 4, scale, palette=palette, adds=ADDS, subtracts=SUBTRACTS, zeros=None)
        return self._finish(scene)

    def _column(
        self,
        scene: Scene,
        k: int,
        corner: tuple[float, float],
        tiles: Grid,
        upper: SignedScale,
        lower: SignedScale,
    ) -> None:
        """Draw a class: its name and score, w_k, and x * w_k beneath."""
        left, top = corner
        best = k == int(self.scores.argmax())
        centre = left + tiles.tile_width / 2
        weight = BOLD if best else "normal"
        name = shorten(self.class_names[k], tiles.caption, bold=best)
        top = scene.words(centre, top, name, ha="center", weight=weight)
        top = scene.words(centre, top, number(self.scores[k], ".1f"), ha="center", weight=weight)
        size = (tiles.tile_width, tiles.tile_height)
        reading = Reading(f"coefficient for {self.class_names[k]}", self.coef[k])
        scene.picture(left, top, *size, upper.pixels(self.coef[k]), reading=reading)
        scene.box(left, top, *size, edge=LINE)
        top += tiles.tile_height + 4
        reading = Reading(f"what the ink adds for {self.class_names[k]}", self.contributions[k])
        scene.picture(left, top, *size, lower.pixels(self.contributions[k]), reading=reading)
        scene.box(left, top, *size, edge=LINE)
        inked = zip(*np.nonzero(self.contributions[k]), strict=True)
        scene.hover(left, top, *size, {(row, col): self._value(k, row, col) for row, col in inked}, self.image.shape)

    def _value(self, k: int, row: int, col: int) -> str:
        ink, weight = self.image[row, col], self.coef[k, row, col]
        return f"{row}, {col}: {ink:.2f} × {number(weight, '+.3f')} = {number(ink * weight, '+.3f')}"


def map_rows(
    scene: Scene,
    top: float,
    tiles: Grid,
    coef: np.ndarray,
    names: Sequence[str],
    colours: SignedScale,
    *,
    what: str = "coefficient",
) -> float:
    """Place one titled map per class from `top` down; return where the next thing would stand."""
    pictures = [colours.pixels(values) for values in coef]
    readings = [Reading(f"{what} for {name}", values) for name, values in zip(names, coef, strict=True)]
    return picture_rows(scene, top, tiles, pictures, names, readings=readings)


def picture_rows(
    scene: Scene,
    top: float,
    tiles: Grid,
    pictures: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    readings: Sequence[Reading] | None = None,
) -> float:
    """Place titled RGB pictures from `top` down; return where the next thing would stand."""
    block = TEXT * LEADING + tiles.tile_height + 6
    for k, pixels in enumerate(pictures):
        left, y = tiles.left(k), top + tiles.row(k) * block
        name = shorten(names[k], tiles.caption)
        y = scene.words(left + tiles.tile_width / 2, y, name, ha="center")
        reading = readings[k] if readings else None
        scene.picture(left, y, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
        scene.box(left, y, tiles.tile_width, tiles.tile_height, edge=LINE)
    return top + tiles.rows * block


def _zero_words(coef: np.ndarray) -> str:
    zeros = int(np.sum(coef == 0))
    return f"{zeros:,} of {coef.size:,} coefficients exactly zero ({zeros / coef.size:.0%})"


def _above(objective: float, bound: float) -> str:
    return (
        f"at most {100 * (objective - bound) / bound:.2g}% above the optimum"
        if bound > 0
        else f"proven bound {bound:,.2f}"
    )
