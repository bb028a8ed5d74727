"""Test images that nearly repeat a training image: what ``inklens data twins`` does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets import Split, load_dataset
from inklens.datasets.near import CLOSEST, NearDuplicates, near_duplicates
from inklens.progress import Progress
from inklens.tasks.model_rows import Size, split_rows

if TYPE_CHECKING:
    from inklens.displays import NearDuplicatesDisplay


@dataclass(frozen=True, eq=False)
class Twins:
    """Near-duplicates across a split, by their numbers in the halves and by their rows in the data set."""

    found: NearDuplicates
    halves: Split
    image_shape: tuple[int, int]

    @property
    def pairs(self) -> list[dict[str, object]]:
        """All pairs, the closest first."""
        return [
            {
                "test_sample": int(i),
                "train_sample": int(j),
                "test_row": int(self.halves.test_index[i]),
                "train_row": int(self.halves.train_index[j]),
                "test_label": str(self.halves.y_test[i]),
                "train_label": str(self.halves.y_train[j]),
                "distance": float(distance),
                "shift": [int(down), int(right)],
            }
            for i, j, distance, (down, right) in zip(
                self.found.test_rows, self.found.train_rows, self.found.distances, self.found.shifts, strict=True
            )
        ]

    @property
    def n_conflicting(self) -> int:
        """Pairs with different labels."""
        return sum(pair["test_label"] != pair["train_label"] for pair in self.pairs)

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens data twins --json`` without the data's name."""
        return {
            "n_test": self.found.n_test,
            "n_train": len(self.halves.X_train),
            "n_pairs": len(self.found),
            "n_equal": self.found.n_equal,
            "n_conflicting": self.n_conflicting,
            "pairs": self.pairs,
        }

    def display(self, *, most: int = 12) -> "NearDuplicatesDisplay":
        """Return the figure of the closest pairs."""
        from inklens.displays import NearDuplicatesDisplay

        return NearDuplicatesDisplay.from_near(
            self.found, self.halves.X_train, self.halves.X_test, self.image_shape, most=most
        )


def find_twins(
    data: str,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    closest: float = CLOSEST,
    shift: int = 1,
    progress: Progress | None = None,
) -> Twins:
    """Look for test images that nearly repeat a training image; the source's own halves where no split is asked for.

    Parameters
    ----------
    closest, shift
        As for `near_duplicates`.
    """
    dataset = load_dataset(data, progress=progress)
    if train is None and test is None and dataset.n_train is not None:
        n = dataset.n_train
        X, y, index = dataset.X, dataset.y, np.arange(len(dataset))
        halves = Split(X[:n], X[n:], y[:n], y[n:], index[:n], index[n:])
    else:
        halves = split_rows(dataset, train=train, test=test, seed=seed)
    return Twins(
        near_duplicates(halves.X_train, halves.X_test, dataset.image_shape, closest=closest, shift=shift),
        halves,
        dataset.image_shape,
    )
