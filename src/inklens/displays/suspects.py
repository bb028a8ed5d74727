"""Images that a person should look at: doubtful labels, one cell of a confusion matrix, near-duplicates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display, class_numbers, symmetric_scale
from inklens.displays.numbers import percent
from inklens.displays.palettes import INK, LINE, MUTED, ink_pixels, signed_pixels
from inklens.displays.scene import (
    BOLD,
    LEADING,
    TEXT,
    TITLE,
    Reading,
    Scene,
    grid,
    number,
    shorten,
    signed_legend,
    wrap,
)
from inklens.displays.style import in_default_style

if TYPE_CHECKING:
    from inklens.datasets.near import NearDuplicates
    from inklens.explanations import LabelErrors, OutOfFold
    from inklens.model.linear_model import LinearModel

LINE_HEIGHT = TEXT * LEADING
CARD = 200.0  # points that a card with two pictures likes to have
GAP = 16.0


class LabelErrorsDisplay(Display):
    """Images whose label a model that never saw them doubts, each with what speaks for another class.

    Parameters
    ----------
    images : array (n, rows, cols)
        The images, 0..1, the most suspect first.
    contributions : array (n, rows, cols)
        What the ink adds to the log-odds of the suggested class against the given one.
    rows : sequence of int
        Numbers of the training rows.
    given, suggested : sequence of str
        The label as it is, and the one that the model would give.
    proba_given, proba_suggested : array (n,)
        Their probabilities.
    n_suspects, n_samples : int
        How many rows are doubted of how many.
    """

    def __init__(
        self,
        images: np.ndarray,
        *,
        contributions: np.ndarray,
        rows: Sequence[int],
        given: Sequence[str],
        suggested: Sequence[str],
        proba_given: np.ndarray,
        proba_suggested: np.ndarray,
        n_suspects: int,
        n_samples: int,
    ) -> None:
        self.images = images
        self.contributions = contributions
        self.rows = list(rows)
        self.given = list(given)
        self.suggested = list(suggested)
        self.proba_given = proba_given
        self.proba_suggested = proba_suggested
        self.n_suspects = n_suspects
        self.n_samples = n_samples

    @classmethod
    def from_label_errors(
        cls,
        errors: "LabelErrors",
        folds: "OutOfFold",
        images: np.ndarray,
        *,
        rows: np.ndarray | None = None,
        most: int = 12,
    ) -> Self:
        """Take the strongest suspects of `LabelErrors`, and what models that did not see them say.

        `images` (n_samples, rows, cols) are those judged, in [0, 1] or uint8; `rows` their numbers in the data set.
        """
        shown = errors.suspects[:most]
        frames = images[shown] / (255.0 if images.dtype == np.uint8 else 1.0)
        names = [(errors.classes[errors.codes[i]], errors.classes[errors.suggested[i]]) for i in shown]
        evidence = [folds.explain(i, frame) for i, frame in zip(shown, frames, strict=True)]
        maps = [why.between(new, old) for why, (old, new) in zip(evidence, names, strict=True)]
        return cls(
            frames,
            contributions=np.array(maps).reshape(frames.shape),
            rows=(shown if rows is None else np.asarray(rows)[shown]).tolist(),
            given=[old for old, _ in names],
            suggested=[new for _, new in names],
            proba_given=errors.self_confidence[shown],
            proba_suggested=errors.proba[shown, errors.suggested[shown]],
            n_suspects=len(errors.suspects),
            n_samples=len(images),
        )

    @property
    def alt(self) -> str:
        named = zip(self.rows, self.given, self.suggested, strict=True)
        cases = [f"training row {row}, labelled {given}, looks like {suggested}" for row, given, suggested in named]
        doubted = f"{self.n_suspects:,} doubted labels among {self.n_samples:,}"
        return f"{len(cases)} of {doubted}: {'; '.join(cases) or 'none'}."

    @in_default_style
    def plot(
        self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red", scale: float | None = None
    ) -> Self:
        """Draw one card per image: the image, and what its ink adds to the suggested class against the given one."""
        scene = Scene(ax, width)
        heading = f"{self.n_suspects:,} of {self.n_samples:,} labels are doubted"
        top = scene.paragraph(0, heading, size=TITLE, weight=BOLD) + 6
        if not self.rows:
            scene.paragraph(top, "Every label is at least as likely as any other that a model would give.")
            return self._finish(scene)
        scale = symmetric_scale(self.contributions, scale=scale)
        columns = max(1, int((scene.width + GAP) // (min(CARD, scene.width) + GAP)))
        card = (scene.width + GAP) / columns - GAP
        for first in range(0, len(self.rows), columns):
            cards = range(first, min(first + columns, len(self.rows)))
            top = max(self._card(scene, n, (n - first) * (card + GAP), top, card, scale, palette) for n in cards) + 10
        signed_legend(
            scene, top, scale, palette=palette, adds="speaks for the suggested class", subtracts="for the given label",
            zeros=None,
        )  # fmt: skip
        return self._finish(scene)

    def _card(self, scene: Scene, n: int, left: float, top: float, width: float, scale: float, palette: str) -> float:
        title = f"training row {self.rows[n]:,}: {self.given[n]}, or {self.suggested[n]}?"
        top = scene.words(left, top, shorten(title, width, bold=True), weight=BOLD) + 1
        tiles = grid(2, self.images.shape[1:], width, largest=92)
        pictures = (
            ink_pixels(self.images[n]),
            signed_pixels(self.contributions[n], scale, palette=palette, black_zeros=False),
        )
        said = f"what the ink adds for {self.suggested[n]} against {self.given[n]}"
        for k, pixels in enumerate(pictures):
            reading = Reading(said, self.contributions[n]) if k else None
            scene.picture(left + tiles.left(k), top, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            scene.box(left + tiles.left(k), top, tiles.tile_width, tiles.tile_height, edge=LINE)
        odds = (
            f"{self.given[n]}: {percent(float(self.proba_given[n]))} · "
            f"{self.suggested[n]}: {percent(float(self.proba_suggested[n]))}"
        )
        return scene.words(left, top + tiles.tile_height + 2, shorten(odds, width), color=MUTED)


class ConfusionCellDisplay(Display):
    """One cell of a confusion matrix opened: its images, and what their ink says on average.

    Parameters
    ----------
    images : array (n, rows, cols)
        All images of the cell, or those that are shown, the surest mistake first; 0..1.
    mean_image, mean_contributions : array (rows, cols)
        Means over all images of the cell: of the ink, and of what it adds to the answer against the true class (for
        right answers: against the runner-up).
    captions : sequence of str
        What stands under each image, such as its row and the probability of the answer.
    n_images, n_true : int
        Images in the cell, and of the true class in all.
    names : (str, str)
        True class and answer.
    against : str
        What the answer is compared with.
    log_odds : float
        Mean log-odds of the answer against it.
    """

    def __init__(
        self,
        images: np.ndarray,
        *,
        mean_image: np.ndarray,
        mean_contributions: np.ndarray,
        captions: Sequence[str],
        n_images: int,
        n_true: int,
        names: tuple[str, str],
        against: str,
        log_odds: float,
    ) -> None:
        self.images = images
        self.mean_image = mean_image
        self.mean_contributions = mean_contributions
        self.captions = list(captions)
        self.n_images = n_images
        self.n_true = n_true
        self.names = names
        self.against = against
        self.log_odds = log_odds

    @classmethod
    def from_reader(
        cls, reader: "LinearModel", frames: np.ndarray, y: np.ndarray, *, true: str, answer: str, most: int = 20
    ) -> Self:
        """Take the images of class `true` that a reader answers as `answer`, out of frames (n, rows, cols) or rows of
        their pixels, in [0, 1] or uint8; the surest first.
        """
        from inklens.explanations import explain

        is_of, read_as = class_numbers([true, answer], reader.classes)
        stack = np.reshape(frames, (len(frames), *reader.image_shape))
        stack = stack / (255.0 if stack.dtype == np.uint8 else 1.0)
        proba, is_true = reader.predict_proba(stack), np.asarray(y).astype(str) == true
        inside = np.flatnonzero(is_true & (proba.argmax(axis=1) == read_as))
        inside = inside[np.argsort(-proba[inside, read_as], kind="stable")]
        against = true
        if is_of == read_as:  # right answers are compared with the class that comes second on average
            means = proba[inside].mean(axis=0) if len(inside) else np.ones(len(reader.classes))
            against = reader.classes[int(np.where(np.arange(len(means)) == read_as, -1.0, means).argmax())]
        evidence = [explain(reader, frame) for frame in stack[inside]]
        blank = np.zeros((1, *reader.image_shape))
        return cls(
            stack[inside[:most]],
            mean_image=np.mean(stack[inside] if len(inside) else blank, axis=0),
            mean_contributions=np.mean([why.between(answer, against) for why in evidence] or blank, axis=0),
            captions=[percent(float(p)) for p in proba[inside[:most], read_as]],
            n_images=len(inside),
            n_true=int(is_true.sum()),
            names=(true, answer),
            against=against,
            log_odds=float(np.mean([why.log_odds(answer, against) for why in evidence] or [0.0])),
        )

    @property
    def sentence(self) -> str:
        """The cell in words."""
        true, answer = self.names
        share = f"{self.n_images} of {self.n_true} images of {true} are read as {answer}"
        if not self.n_images:
            return f"{share}."
        return (
            f"{share}. On average the log-odds of {answer} against {self.against} are {number(self.log_odds, '+.2f')}."
        )

    @property
    def alt(self) -> str:
        return f"{self.sentence} {len(self.images)} of them are shown: {', '.join(self.captions) or 'none'}."

    @in_default_style
    def plot(
        self, *, ax: Axes | None = None, width: float = WIDE, palette: str = "blue-red", scale: float | None = None
    ) -> Self:
        """Draw the mean image and the mean evidence, and under them the images."""
        scene = Scene(ax, width)
        answer = self.names[1]
        top = scene.paragraph(0, self.sentence, weight=BOLD) + 6
        if not self.n_images:
            return self._finish(scene)
        scale = symmetric_scale(self.mean_contributions, scale=scale)
        pictures = (
            ("their mean", ink_pixels(self.mean_image)),
            (
                f"what their ink adds to {answer}",
                signed_pixels(self.mean_contributions, scale, palette=palette, black_zeros=False),
            ),
        )
        tiles = grid(2, self.mean_image.shape, scene.width, smallest=90, largest=130, gap=12)
        below = top
        for k, (caption, pixels) in enumerate(pictures):
            left = tiles.left(k)
            reading = Reading("evidence of the ink, mean", self.mean_contributions) if k else None
            scene.picture(left, top, tiles.tile_width, tiles.tile_height, pixels, reading=reading)
            scene.box(left, top, tiles.tile_width, tiles.tile_height, edge=LINE)
            words = wrap(caption, tiles.tile_width)
            below = max(below, scene.words(left, top + tiles.tile_height + 2, words, color=MUTED))
        below = signed_legend(
            scene, below + 5, scale, palette=palette, adds=f"speaks for {answer}", subtracts=f"for {self.against}",
            zeros=None,
        )  # fmt: skip
        self._gallery(scene, below + 6)
        return self._finish(scene)

    def _gallery(self, scene: Scene, top: float) -> None:
        tiles = grid(len(self.images), self.images.shape[1:], scene.width, captions=self.captions, largest=64)
        block = tiles.tile_height + LINE_HEIGHT + 6
        for k, pixels in enumerate(self.images):
            left, y = tiles.left(k), top + tiles.row(k) * block
            scene.picture(left, y, tiles.tile_width, tiles.tile_height, ink_pixels(pixels))
            caption = shorten(self.captions[k], tiles.caption)
            scene.words(left + tiles.tile_width / 2, y + tiles.tile_height + 1, caption, ha="center")


class NearDuplicatesDisplay(Display):
    """Test images beside the training images that they nearly repeat.

    Parameters
    ----------
    pairs : array (n, 2, rows, cols)
        Test image and training image, the closest pair first; uint8 or 0..1.
    captions : sequence of str
        What stands under each pair.
    n_pairs, n_test : int
        How many test images have such a twin, of how many.
    """

    def __init__(self, pairs: np.ndarray, *, captions: Sequence[str], n_pairs: int, n_test: int) -> None:
        self.pairs = pairs
        self.captions = list(captions)
        self.n_pairs = n_pairs
        self.n_test = n_test

    @classmethod
    def from_near(
        cls,
        found: "NearDuplicates",
        X_train: np.ndarray,
        X_test: np.ndarray,
        image_shape: tuple[int, int],
        *,
        most: int = 12,
    ) -> Self:
        """Take the closest pairs of a `NearDuplicates`."""
        rows = slice(0, most)
        test, train = X_test[found.test_rows[rows]], X_train[found.train_rows[rows]]
        captions = [f"{distance:.0%} apart" for distance in found.distances[rows]]
        pairs = np.stack([test, train], axis=1).reshape(-1, 2, *image_shape)
        return cls(pairs, captions=captions, n_pairs=len(found), n_test=found.n_test)

    @property
    def sentence(self) -> str:
        """How many there are."""
        return f"{self.n_pairs:,} of {self.n_test:,} test images nearly repeat a training image"

    @property
    def alt(self) -> str:
        return f"{self.sentence}. Test image beside training image: {', '.join(self.captions) or 'none'}."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the pairs, test image left, training image right."""
        scene = Scene(ax, width)
        top = scene.paragraph(0, f"{self.sentence}.", size=TITLE, weight=BOLD) + 4
        if not len(self.pairs):
            return self._finish(scene)
        top = scene.paragraph(top, "Left: the test image. Right: the training image.", color=MUTED) + 4
        rows, cols = self.pairs.shape[2:]
        tiles = grid(
            len(self.pairs), (rows, 2 * cols), scene.width, captions=self.captions, smallest=90, largest=130, gap=14
        )
        block = tiles.tile_height + LINE_HEIGHT + 8
        for k, (test, train) in enumerate(self.pairs):
            left, y = tiles.left(k), top + tiles.row(k) * block
            both = np.concatenate([ink_pixels(test), ink_pixels(train)], axis=1)
            scene.picture(left, y, tiles.tile_width, tiles.tile_height, both)
            middle = left + tiles.tile_width / 2
            scene.box(middle - 0.5, y, 1.0, tiles.tile_height, colour=LINE)
            caption = shorten(self.captions[k], tiles.caption)
            scene.words(middle, y + tiles.tile_height + 1, caption, ha="center", color=INK)
        return self._finish(scene)
