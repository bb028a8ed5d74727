"""Follow a model from the strongest penalty to a weak one: what ``inklens path`` does."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inklens.datasets import load_dataset
from inklens.errors import ParameterError
from inklens.linear.driver import Solution
from inklens.linear.path import SoftmaxPath, softmax_path
from inklens.linear.rows.rows import Rows
from inklens.progress import Progress
from inklens.tasks.model_rows import Size, pixel_rows, split_rows
from inklens.tasks.models import check_parameters


@dataclass(frozen=True, eq=False)
class PathRun:
    """A path with the accuracies of its points."""

    path: SoftmaxPath
    train_accuracy: np.ndarray  # (n_points,)
    test_accuracy: np.ndarray
    image_shape: tuple[int, int]

    def to_json(self) -> dict:
        """Return the document of ``inklens path --json``."""
        points = zip(
            self.path.Cs,
            self.path.objectives,
            self.path.lower_bounds,
            self.path.gaps,
            self.path.n_features_used,
            self.path.n_nonzeros,
            self.train_accuracy,
            self.test_accuracy,
            strict=True,
        )
        names = (
            "C",
            "objective",
            "lower_bound",
            "relative_gap",
            "pixels",
            "nonzeros",
            "train_accuracy",
            "test_accuracy",
        )
        cols = self.image_shape[1]
        return {
            "schema_version": 1,
            "l1_ratio": self.path.l1_ratio,
            "group": self.path.group,
            "seconds": self.path.seconds,
            "passes": self.path.n_passes,
            "points": [{name: np.asarray(x).item() for name, x in zip(names, point, strict=True)} for point in points],
            "entry_order": [[int(pixel) // cols, int(pixel) % cols] for pixel in self.path.entry_order],
        }

    def save_figure(self, path: str | os.PathLike[str]) -> Path:
        """Draw the path (SVG or PNG)."""
        from inklens.displays import PathDisplay

        accuracies = {"training": self.train_accuracy, "test": self.test_accuracy}
        return PathDisplay.from_path(self.path, image_shape=self.image_shape, accuracies=accuracies).save(path)


def follow(
    data: str = "embedded",
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    C: float = 1.0,
    points: int = 60,
    l1_ratio: float = 1.0,
    group: bool = False,
    standardize: bool = False,
    max_pixels: int | None = None,
    tol: float = 1e-3,
    progress: Progress | None = None,
) -> PathRun:
    """Fit along C, every point proven, and judge each point.

    Parameters
    ----------
    C : float
        Where the path ends.
    points : int
        How many fits, at least 2.
    max_pixels : int, optional
        End at the largest C whose model uses at most so many pixels.

    Raises
    ------
    ParameterError, DataError

    Examples
    --------
    >>> run = follow(train=200, test=100, C=0.05, points=5)
    >>> int(run.path.n_features_used[0]), bool((run.path.gaps <= 1e-3).all())
    (0, True)
    """
    check_parameters(C, l1_ratio, tol)
    if l1_ratio == 0.0:
        raise ParameterError("a path without L1 has no pixel to leave out; give an --l1-ratio above 0, such as 1")
    dataset = load_dataset(data, progress=progress)
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    X_train, X_test = pixel_rows(rows.X_train), pixel_rows(rows.X_test)

    def count(index: int, value: float, solution: Solution) -> None:
        if progress is not None:
            progress(index + 1, points, f"C = {value:.3g}")

    path = softmax_path(
        X_train,
        rows.y_train,
        Cs=points,
        C=C,
        l1_ratio=l1_ratio,
        group=group,
        standardize=standardize,
        max_pixels=max_pixels,
        tol=tol,
        callback=count,
    )
    train_accuracy = path_accuracies(path, X_train, rows.y_train)
    return PathRun(path, train_accuracy, path_accuracies(path, X_test, rows.y_test), dataset.image_shape)


def path_accuracies(path: SoftmaxPath, rows: Rows, y: np.ndarray) -> np.ndarray:
    """Return the share of rows that each point of a path reads rightly, (n_points,)."""
    scores = (rows.scores(coef, b) for coef, b in zip(path.coefs, path.intercepts, strict=True))
    return np.array([np.mean(path.classes[z.argmax(axis=1)] == y) for z in scores])
