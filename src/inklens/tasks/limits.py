"""What the data cannot tell: separation, pixels without a say; and how near digits are to another answer."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets import load_dataset
from inklens.explanations import Robustness, robustness
from inklens.explanations.identifiability import Identifiability, identifiability
from inklens.progress import Progress
from inklens.quiet import quiet
from inklens.reader import DigitReader
from inklens.tasks.judging import evaluate
from inklens.tasks.model_rows import Size, pixel_rows, split_rows
from inklens.tasks.session import Part

if TYPE_CHECKING:
    from inklens.displays import RadiiDisplay, SeparationDisplay, SilenceDisplay
    from inklens.linear.estimators import SoftmaxRegression

SECONDS = 60.0  # for the fit without a penalty


@dataclass(frozen=True, eq=False)
class Limits:
    """What training rows leave open without a penalty."""

    silence: Identifiability
    model: "SoftmaxRegression"  # with C=inf
    n_samples: int
    image_shape: tuple[int, int]
    name: str

    @property
    def status(self) -> str:
        """Of the fit: "separated", "certified" (an optimum was reached) or "stopped" (neither was proven in time)."""
        return self.model.status_

    @property
    def verdict(self) -> str:
        """What was found out of the fit without a penalty."""
        if self.status == "separated":
            return self.separation_display().sentence
        if self.model.mle_exists_:
            return "Proven: the classes cannot be separated, so without a penalty an optimum exists."
        return (
            "Not decided: in the time given, the classes were not separated, and that they cannot be was not proven "
            f"(gap {self.model.dual_gap_:.1e})."
        )

    def to_json(self) -> dict:
        """Return the document of ``inklens limits --json``."""
        separated = self.status == "separated"
        return {
            "schema_version": 1,
            "data": self.name,
            "n_rows": self.n_samples,
            "status": self.status,
            "separated": separated,
            "optimum_exists": self.model.mle_exists_,
            "margin": self.model.margin_ if separated else None,
            "direction": self.separation_display().unit.tolist() if separated else None,
            "pixels": self.silence.to_json(),
            "words": [self.verdict, *self.silence.in_words()],
        }

    def separation_display(self) -> "SeparationDisplay":
        """Return the figure of the direction that separates."""
        from inklens.displays import SeparationDisplay

        return SeparationDisplay.from_estimator(self.model, image_shape=self.image_shape, n_samples=self.n_samples)

    def silence_display(self) -> "SilenceDisplay":
        """Return the figure of what the data decide."""
        from inklens.displays import SilenceDisplay

        return SilenceDisplay.from_silence(self.silence, image_shape=self.image_shape)

    def save_figures(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write pixels.svg and, where the classes are separated, separation.svg."""
        paths = [self.silence_display().save(Path(folder) / "pixels.svg")]
        if self.status == "separated":
            paths.append(self.separation_display().save(Path(folder) / "separation.svg"))
        return paths


def find_limits(
    data: str, *, train: Size = None, test: Size = None, seed: int = 9, progress: Progress | None = None
) -> Limits:
    """Fit the training rows without a penalty and see which coefficients they decide."""
    from sklearn.exceptions import ConvergenceWarning

    from inklens.linear.estimators import SoftmaxRegression

    dataset = load_dataset(data, progress=progress)
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    model = SoftmaxRegression(C=np.inf, binary="softmax", time_budget=SECONDS)
    with quiet(ConvergenceWarning):  # the status tells
        model.fit(pixel_rows(rows.X_train), rows.y_train)
    found = identifiability(rows.X_train, rows.y_train)
    return Limits(found, model, len(rows.y_train), dataset.image_shape, dataset.name)


@dataclass(frozen=True, eq=False)
class Radii:
    """Exact radii of the rows of a data set."""

    robustness: Robustness
    right: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    answers: np.ndarray
    notes: tuple[str, ...] = ()
    part: Part = "test"  # the half that they are of; a row's number is its place in it

    def to_json(self) -> dict:
        """Return the document of ``inklens radii --json`` without the file name."""
        return {
            "n_rows": len(self.rows),
            "accuracy": float(self.right.mean()),
            "quantiles": {
                name: {f"{level:g}": value for level, value in levels.items()}
                for name, levels in self.robustness.quantiles().items()
            },
            "part": self.part,
            "rows": self.rows.tolist(),
            "labels": self.labels.tolist(),
            "answers": self.answers.tolist(),
            **self.robustness.to_json(),
        }

    def nearest(self, most: int) -> np.ndarray:
        """Return the places of the rows that the least ink changes, the nearest first."""
        return np.argsort(self.robustness.boxed["l1"], kind="stable")[:most]

    def display(self) -> "RadiiDisplay":
        """Return the figure of the distribution."""
        from inklens.displays import RadiiDisplay

        return RadiiDisplay.from_robustness(self.robustness, right=self.right)


def measure_radii(
    reader: DigitReader, *, data: str | None = None, part: Part = "test", progress: Progress | None = None
) -> Radii:
    """Return the exact robustness radii of a part of a model's own split, or of `data`."""
    judged = evaluate(reader, data=data, part=part, progress=progress)
    found = robustness(reader, judged.frames)
    right = judged.y_pred == judged.y_true
    return Radii(found, right, judged.index, judged.y_true, judged.y_pred, judged.notes, part)
