"""The tutorial's last look back: how sure are the answers, the difference between two fits, and the chosen pixels?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets import Dataset, Split
from inklens.displays.base import Display
from inklens.evaluation import Comparison, Stability, stability
from inklens.reader import DigitReader
from inklens.tasks.certainty import FEWEST_ROWS, Certainty, certainty_of
from inklens.tasks.model_rows import pixel_rows, scale_pixels

if TYPE_CHECKING:
    from inklens.linear.estimators import SoftmaxRegression
    from inklens.tutorial.fits import FittedModel

N_REFITS = 30  # two or three seconds on the digits that come with the package
STABLE = 0.9  # share of the refits


@dataclass(frozen=True, eq=False)
class HowSure:
    """What the held-out rows and refits say of the tutorial's models.

    `answers` and `versus` are None where there are too few test rows, `pixels` where a class has too few images.
    """

    answers: Certainty | None
    versus: Comparison
    names: tuple[str, str]
    pixels: Stability | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int]

    @property
    def n_stable(self) -> int:
        """Coefficients that nine in ten refits choose."""
        return 0 if self.pixels is None else int(self.pixels.stable(STABLE).sum())

    @property
    def by_chance(self) -> float:
        """How many of these are expected by chance, at most."""
        return 0.0 if self.pixels is None else self.pixels.expected_by_chance(STABLE)

    @property
    def displays(self) -> dict[str, Display]:
        """The figures that there are, by name."""
        from inklens.displays import StabilityDisplay

        found: dict[str, Display] = {} if self.answers is None else dict(self.answers.displays())
        if self.pixels is not None:
            found["stability"] = StabilityDisplay.from_stability(
                self.pixels, class_names=self.class_names, image_shape=self.image_shape
            )
        return found

    def to_json(self) -> dict[str, object]:
        """Return plain numbers."""
        return {
            "answers": None if self.answers is None else self.answers.to_json(),
            "versus": {"a": self.names[0], "b": self.names[1], **self.versus.to_json()},
            "stability": None if self.pixels is None else self.pixels.to_json(STABLE),
        }


def how_sure(
    l2: "FittedModel[SoftmaxRegression]", l1: "FittedModel[SoftmaxRegression]", dataset: Dataset, rows: Split
) -> HowSure:
    """Judge the fit that is read, compare it with the L1 fit, and repeat the L1 fit on halves of the rows.

    Parameters
    ----------
    l2, l1 : FittedModel
        With an L2 and an L1 penalty, on the same rows.
    """
    X_test = scale_pixels(rows.X_test)
    reader = DigitReader.from_estimator(l2.model, image_shape=dataset.image_shape)
    answers = None
    if len(rows.y_test) >= FEWEST_ROWS:
        answers = certainty_of(reader, X_test.reshape(-1, *dataset.image_shape), rows.y_test)
    pixels = None
    if np.unique(rows.y_train, return_counts=True)[1].min() > 1:
        pixels = stability(l1.model, pixel_rows(rows.X_train), rows.y_train, n_refits=N_REFITS)
    versus = Comparison.from_predictions(rows.y_test, l2.model.predict(X_test), l1.model.predict(X_test))
    return HowSure(answers, versus, (l2.title, l1.title), pixels, reader.classes, dataset.image_shape)
