"""The tutorial's last look back: how sure are the answers, the difference between two fits, and the chosen pixels?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from inklens.datasets import Dataset, Split
from inklens.evaluation import Comparison, Stability, stability
from inklens.reader import DigitReader
from inklens.tasks.certainty import FEWEST_ROWS, Certainty, certainty_of
from inklens.tasks.model_rows import pixel_rows, scale_pixels

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
    def displays(self) -> dict[str, Any]:
        """The figures that there are, by name."""
        from inklens.displays import StabilityDisplay

        found = {} if self.answers is None else self.answers.displays()
        if self.pixels is not None:
            found["stability"] = StabilityDisplay.from_stability(
                self.pixels, class_names=self.class_names, image_shape=self.image_shape
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "answers": None if self.answers is None else self.answers.to_json(),
            "versus": {"a": self.names[0], "b": self.names[1], **self.versus.to_json()},
            "stability": None if self.pixels is None else self.pixels.to_json(STABLE),
        }


def how_sure(gentle: Any, sparse: Any, dataset: Dataset, rows: Split) -> HowSure:
    """Judge the fit that is read, compare it with the sparse one, and repeat the sparse one on halves of the rows.

    Parameters
    ----------
    gentle, sparse : FittedModel
        With an L2 and an L1 penalty, on the same rows.
    """
    X_test = scale_pixels(rows.X_test)
    reader = DigitReader.from_estimator(gentle.model, image_shape=dataset.image_shape)
    answers = None
    if len(rows.y_test) >= FEWEST_ROWS:
        answers = certainty_of(reader, X_test.reshape(-1, *dataset.image_shape), rows.y_test)
    pixels = None
    if np.unique(rows.y_train, return_counts=True)[1].min() > 1:
        pixels = stability(sparse.model, pixel_rows(rows.X_train), rows.y_train, n_refits=N_REFITS)
    versus = Comparison.from_predictions(rows.y_test, gentle.model.predict(X_test), sparse.model.predict(X_test))
    return HowSure(answers, versus, (gentle.title, sparse.title), pixels, reader.classes, dataset.image_shape)
