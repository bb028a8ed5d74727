"""Pictures in rows: samples of every class, the steps of a recipe, the mistakes of a model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, TypedDict

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display, as_maps, class_numbers, class_weights, symmetric_scale
from inklens.displays.estimators import ImageShape, LinearClassifier, PhotoReader, Read
from inklens.displays.numbers import percent
from inklens.displays.palettes import LINE, MUTED, NEITHER, PREDICTED, TRUE, colour_words, ink_pixels, signed_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, TITLE, Reading, Scene, grid, shorten, text_width, wrap
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.datasets import Dataset

LINE_HEIGHT = TEXT * LEADING


class SampleGalleryDisplay(Display):
    """Some images of every class, ink in white as the classifier sees it.

    Parameters
    ----------
    images : array (n_classes, n_per_class, rows, cols)
        uint8 0..255 or float 0..1.
    class_names : sequence of str
        One name per class.

    Examples
    --------
    >>> display = SampleGalleryDisplay(np.zeros((2, 3, 8, 8)), class_names=["no", "yes"])
    >>> display.alt
    '3 images of each of 2 classes: no, yes.'
    """

    def __init__(self, images: np.ndarray, *, class_names: Sequence[str]) -> None:
        self.images = images
        self.class_names = list(class_names)

    @classmethod
    def from_dataset(cls, dataset: "Dataset", *, per_class: int = 5, random_state: int | None = 0) -> Self:
        """Draw `per_class` images of each class at random (fewer if the smallest class has fewer)."""
        rng = np.random.default_rng(random_state)
        rows = [np.flatnonzero(dataset.y == name) for name in dataset.classes]
        per_class = min(per_class, *(len(r) for r in rows))
        chosen = np.array([rng.choice(r, per_class, replace=False) for r in rows])
        return cls(dataset.images(chosen), class_names=dataset.classes)

    @property
    def alt(self) -> str:
        n_classes, per_class = self.images.shape[:2]
        return f"{per_class} images of each of {n_classes} classes: {', '.join(self.class_names)}."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw one column of images per class."""
        scene = Scene(ax, width)
        n_classes, per_class = self.images.shape[:2]
        tiles = grid(n_classes, self.images.shape[2:], scene.width, captions=self.class_names, gap=4)
        block = LINE_HEIGHT + per_class * (tiles.tile_height + 3) + 8
        for k, images in enumerate(self.images):
            left, top = tiles.left(k), tiles.row(k) * block
            name = shorten(self.class_names[k], tiles.caption)
            top = scene.words(left + tiles.tile_width / 2, top, name, ha="center")
            for image in images:
                scene.picture(left, top, tiles.tile_width, tiles.tile_height, ink_pixels(image))
                top += tiles.tile_height + 3
        return self._finish(scene)


class RecipeStepsDisplay(Display):
    """Pictures in the order in which they were made, each with what was done and, if given, what the model says.

    Parameters
    ----------
    pictures : sequence of array (rows, cols) or (rows, cols, 3)
        Any size each; uint8 0..255 or float 0..1, drawn as given.
    captions : sequence of str
        What was done.
    answers : sequence of str or None, optional
        What the model says after the step, such as ``"4: 93%"``.
    """

    def __init__(
        self,
        pictures: Sequence[np.ndarray],
        *,
        captions: Sequence[str],
        answers: Sequence[str | None] | None = None,
    ) -> None:
        self.pictures = list(pictures)
        self.captions = list(captions)
        self.answers = list(answers) if answers is not None else [None] * len(self.pictures)

    @classmethod
    def from_reading(cls, reading: Read, *, reader: PhotoReader | None = None) -> Self:
        """Take the steps of a `Reading`; with the reader, also what it would say if the recipe ended at each."""
        captions = [f"{step.name}: {step.note}" if step.note else step.name for step in reading.steps]
        if reader is None:
            return cls([step.picture for step in reading.steps], captions=captions)
        proba = reader.predict_proba(np.array([step.as_frame() for step in reading.steps]))
        answers = [f"{reader.classes[row.argmax()]}: {percent(float(row.max()))}" for row in proba]
        return cls([step.picture for step in reading.steps], captions=captions, answers=answers)

    @classmethod
    def from_photo(cls, reader: PhotoReader, photo: object) -> Self:
        """Let a reader read a photo of one digit, and take its steps with what it would say after each."""
        return cls.from_reading(reader.read(photo)[0], reader=reader)

    @property
    def alt(self) -> str:
        steps = [
            f"{number}. {caption}" + (f" ({answer})" if answer else "")
            for number, (caption, answer) in enumerate(zip(self.captions, self.answers, strict=True), 1)
        ]
        return f"{len(self.pictures)} pictures: " + "; ".join(steps) + "."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the pictures in rows, captions beneath."""
        scene = Scene(ax, width)
        tiles = grid(len(self.pictures), (1, 1), scene.width, smallest=72, largest=120, gap=10)
        top = 0.0
        for first in range(0, len(self.pictures), tiles.columns):
            numbers = range(first, min(first + tiles.columns, len(self.pictures)))
            top = max(self._step(scene, n, tiles.left(n), top, tiles.tile_width) for n in numbers) + 10
        return self._finish(scene)

    def _step(self, scene: Scene, number: int, left: float, top: float, side: float) -> float:
        picture = self.pictures[number]
        pixels = picture if picture.ndim == 3 else ink_pixels(picture)
        rows, cols = pixels.shape[:2]
        width, height = side * min(1, cols / rows), side * min(1, rows / cols)
        at_left, at_top = left + (side - width) / 2, top + (side - height) / 2
        scene.picture(at_left, at_top, width, height, pixels)
        scene.box(at_left, at_top, width, height, edge=LINE)
        below = scene.words(left, top + side + 3, wrap(f"{number + 1}. {self.captions[number]}", side))
        answer = self.answers[number]
        return scene.words(left, below, wrap(answer, side, bold=True), weight=BOLD) if answer else below


class Mistake(TypedDict):
    """A misread image in numbers."""

    number: int | None
    true: str
    predicted: str
    p_true: float
    p_predicted: float


class MisclassifiedDisplay(Display):
    """Images that the model misread, with the maps of the predicted and the true class and all probabilities.

    Parameters
    ----------
    images : array (n_images, rows, cols)
        The misread images, float 0..1.
    proba : array (n_images, n_classes)
        Their probabilities.
    true : int array (n_images,)
        Number of the true class.
    coef : array (n_classes, rows, cols)
        Coefficient maps.
    class_names : sequence of str
        One name per class.
    n_mistakes, n_samples : int
        How many mistakes among how many images these were chosen from.
    index : int array (n_images,), optional
        Number of each image among all, written on its card.
    """

    def __init__(
        self,
        images: np.ndarray,
        *,
        proba: np.ndarray,
        true: np.ndarray,
        coef: np.ndarray,
        class_names: Sequence[str],
        n_mistakes: int,
        n_samples: int,
        index: np.ndarray | None = None,
    ) -> None:
        self.images = images
        self.proba = proba
        self.true = true
        self.coef = coef
        self.class_names = list(class_names)
        self.n_mistakes = n_mistakes
        self.n_samples = n_samples
        self.index = index

    @classmethod
    def from_estimator(
        cls,
        estimator: LinearClassifier,
        X: np.ndarray,
        y: np.ndarray,
        *,
        image_shape: ImageShape = None,
        n_images: int = 6,
    ) -> Self:
        """Take maps and probabilities from a fitted linear classifier; see `from_predictions`."""
        coef, _, names = class_weights(estimator)
        return cls.from_predictions(
            as_maps(X, image_shape, like=estimator),
            y,
            proba=estimator.predict_proba(X),
            coef=as_maps(coef, image_shape, like=estimator),
            class_names=names,
            n_images=n_images,
        )

    @classmethod
    def from_predictions(
        cls,
        images: np.ndarray,
        y: np.ndarray,
        *,
        proba: np.ndarray,
        coef: np.ndarray,
        class_names: Sequence[str],
        n_images: int = 6,
    ) -> Self:
        """Pick mistakes evenly from the one the model was surest of to the closest call."""
        true = class_numbers(y, class_names)
        wrong = np.flatnonzero(proba.argmax(axis=1) != true)
        surest_first = wrong[np.argsort(-proba[wrong].max(axis=1), kind="stable")]
        places = np.linspace(0, len(wrong) - 1, min(n_images, len(wrong)))
        chosen = surest_first[np.rint(places).astype(int)]
        return cls(
            images[chosen],
            proba=proba[chosen],
            true=true[chosen],
            coef=coef,
            class_names=class_names,
            n_mistakes=len(wrong),
            n_samples=len(images),
            index=chosen,
        )

    @property
    def cases(self) -> list[Mistake]:
        """The mistakes in numbers: `number` (or None), `true`, `predicted`, `p_true`, `p_predicted`."""
        numbers = [None] * len(self.true) if self.index is None else self.index.tolist()
        return [
            {
                "number": number,
                "true": self.class_names[t],
                "predicted": self.class_names[p],
                "p_true": float(proba[t]),
                "p_predicted": float(proba[p]),
            }
            for number, t, p, proba in zip(numbers, self.true, self.predicted, self.proba, strict=True)
        ]

    @property
    def predicted(self) -> np.ndarray:
        """Number of the predicted class of each image."""
        return self.proba.argmax(axis=1)

    @property
    def alt(self) -> str:
        cases = [f"a {c['true']} read as {c['predicted']} with {c['p_predicted']:.0%}" for c in self.cases]
        return (
            f"{len(cases)} of {self.n_mistakes} mistakes among {self.n_samples} images, each with the predicted "
            f"class's map, the true class's map and its probabilities: {'; '.join(cases) or 'none'}."
        )

    @in_default_style
    def plot(
        self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red", scale: float | None = None
    ) -> Self:
        """Draw one card per image; bars are coloured predicted, true, neither."""
        scene = Scene(ax, width)
        scale = symmetric_scale(self.coef, scale=scale)
        top = self._key(scene, palette)
        columns = max(1, int((scene.width + 24) // 260))
        card_width = (scene.width + 24) / columns - 24
        for first in range(0, len(self.images), columns):
            numbers = range(first, min(first + columns, len(self.images)))
            top = max(
                self._card(scene, n, (n - first) * (card_width + 24), top, card_width, scale, palette) for n in numbers
            )
        return self._finish(scene)

    def _key(self, scene: Scene, palette: str) -> float:
        adds, subtracts = colour_words(palette)
        left, top = 0.0, 0.0
        for colour, word in ((PREDICTED, "predicted"), (TRUE, "true"), (NEITHER, "neither")):
            scene.box(left, 2, 9, 9, colour=colour, striped=colour == TRUE)
            top = scene.words(left + 13, 0, word)
            left += 75
        words = f"In the two maps, {adds} ink adds to the class and {subtracts} ink subtracts."
        return scene.paragraph(top + 2, words) + 8

    def _card(
        self, scene: Scene, number: int, left: float, top: float, width: float, scale: float, palette: str
    ) -> float:
        true, predicted, proba = self.true[number], self.predicted[number], self.proba[number]
        names = self.class_names
        which = "" if self.index is None else f"row {self.index[number]}"
        room = width - text_width(which, TEXT) - 6
        title = shorten(f"{names[true]} read as {names[predicted]}", room, TITLE, bold=True)
        scene.words(left + width, top + TITLE - TEXT, which, ha="right", color=MUTED)
        top = scene.words(left, top, title, size=TITLE, weight=BOLD)
        maps = (signed_pixels(self.coef[k], scale, palette=palette, black_zeros=True) for k in (predicted, true))
        captions = ("image", "predicted", "true")
        tiles = grid(3, self.images.shape[1:], width, captions=captions, largest=110)
        for i, (pixels, caption) in enumerate(zip((ink_pixels(self.images[number]), *maps), captions, strict=True)):
            k = (predicted, true)[i - 1]
            reading = Reading(f"coefficient for {names[k]}", self.coef[k]) if i else None
            scene.picture(left + tiles.left(i), top, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            middle = left + tiles.left(i) + tiles.tile_width / 2
            scene.words(middle, top + tiles.tile_height + 2, caption, ha="center")
        below = top + tiles.tile_height + LINE_HEIGHT + 4
        colours = [PREDICTED if k == predicted else TRUE if k == true else NEITHER for k in range(len(proba))]
        below = upright_bars(scene, left, below, width, proba, names, colours)
        odds = " · ".join(f"{names[k]}: {percent(float(proba[k]))}" for k in (predicted, true))
        return scene.words(left, below + 1, shorten(odds, width)) + 16


def upright_bars(
    scene: Scene,
    left: float,
    top: float,
    width: float,
    proba: np.ndarray,
    names: Sequence[str],
    colours: Sequence[str],
    *,
    height: float = 44,
    most: int = 12,
) -> float:
    """Draw upright bars on a 0..1 scale; of many classes only the `most` probable, in class order."""
    shown = np.sort(np.argsort(-proba, kind="stable")[:most])
    step = width / len(shown)
    scene.rule(top, left=left, right=left + width)
    scene.rule(top + height, left=left, right=left + width)
    for place, k in enumerate(shown):
        bar = float(proba[k]) * height
        scene.box(
            left + (place + 0.15) * step,
            top + height - bar,
            0.7 * step,
            bar,
            colour=colours[k],
            striped=colours[k] == TRUE,
        )
        scene.value(left + place * step, top, step, height, f"{names[k]}: {percent(float(proba[k]))}")
        name = shorten(names[k], max(step - 2, TEXT))
        scene.words(left + (place + 0.5) * step, top + height + 1, name, ha="center")
    below = top + height + 1 + LINE_HEIGHT
    if len(shown) == len(proba):
        return below
    return scene.words(left, below, f"the {len(shown)} likeliest of {len(proba)} classes", color=MUTED)
