"""Identifiability: which coefficients the rows determine, and which have a finite optimum only through a penalty.

Without a penalty the loss depends on W through the scores of the rows alone. So

- a pixel with one value in all rows is not identified: any weight fits (the intercept absorbs it);
- where no row of class k has more ink than the least in pixel j, but some other row has, lowering w_kj never raises
  the loss and lowers some row's: the optimum lies at minus infinity;
- where only rows of class k have more ink there, it lies at plus infinity;
- sets of pixels that are linearly dependent over the rows can exchange weight among them.

Shapes: X (n_samples, n_pixels), states (n_classes, n_pixels).
"""

from dataclasses import dataclass

import numpy as np

from inklens.reprs import Shown

# States of a coefficient: any value fits; the loss falls towards minus, or plus, infinity; it has a best value.
UNIDENTIFIED, DIVERGES_DOWN, DIVERGES_UP, IDENTIFIED = 0, 1, 2, 3
RANK_TOL = 1e-10  # of the largest eigenvalue of the pixels' covariance: below, a direction never occurs
BLOCK_ROWS = 4096  # rows converted to float64 at a time


@dataclass(frozen=True, eq=False, repr=False)
class Identifiability(Shown):
    """Which coefficients of a softmax regression labelled rows determine.

    Parameters
    ----------
    classes : tuple of str
        Class names.
    states : int array (n_classes, n_pixels)
        `UNIDENTIFIED`, `DIVERGES_DOWN`, `DIVERGES_UP` or `IDENTIFIED`.
    rank : int
        Rank of the centred rows.

    Examples
    --------
    >>> X = np.array([[0, 9, 0, 1], [0, 0, 5, 2], [0, 0, 0, 4]])
    >>> found = identifiability(X, np.array(["a", "b", "b"]))
    >>> found.states.tolist(), found.n_constant, found.rank
    ([[0, 2, 1, 1], [0, 1, 2, 2]], 1, 2)
    """

    classes: tuple[str, ...]
    states: np.ndarray
    rank: int

    @property
    def n_constant(self) -> int:
        """Pixels that never change."""
        return int((self.states[0] == UNIDENTIFIED).sum())

    def count(self, state: int) -> int:
        """Return the number of coefficients in a state."""
        return int((self.states == state).sum())

    def in_words(self) -> list[str]:
        """Return the findings as sentences."""
        n_pixels = self.states.shape[1]
        constant, one_sided = self.n_constant, self.count(DIVERGES_DOWN) + self.count(DIVERGES_UP)
        together = n_pixels - constant - self.rank
        lines = [
            f"{constant:,} of {n_pixels:,} pixels never change: the data say nothing about their coefficients."
            if constant
            else f"All {n_pixels:,} pixels change somewhere."
        ]
        if one_sided:
            lines.append(
                f"{one_sided:,} of {self.states.size:,} coefficients have no best value without a penalty: "
                f"{self.count(DIVERGES_DOWN):,} could fall without end, because no image of the class has ink there "
                f"and others have, {self.count(DIVERGES_UP):,} could rise without end, because only images of the "
                "class have."
            )
        else:
            lines.append("No single coefficient could rise or fall without end.")
        if together > 0:
            lines.append(
                f"The pixels that change do so in {self.rank:,} independent ways, {together:,} fewer than there are: "
                "so many combinations of coefficients are undetermined."
            )
        return lines

    def to_json(self) -> dict[str, object]:
        """Return the numbers, and the states by class as flat lists of pixels."""
        return {
            "pixels": self.states.shape[1],
            "constant": self.n_constant,
            "rank": self.rank,
            "sink_for_ever": self.count(DIVERGES_DOWN),
            "rise_for_ever": self.count(DIVERGES_UP),
            "states": {name: states.tolist() for name, states in zip(self.classes, self.states, strict=True)},
            "meaning": {"0": "any value", "1": "ever lower fits better", "2": "ever higher", "3": "held by the data"},
        }


def identifiability(X: np.ndarray, y: np.ndarray) -> Identifiability:
    """Return which coefficients of a softmax regression labelled rows determine, and which only a penalty does.

    References
    ----------
    Albert, Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models,
    Biometrika 71(1): a direction along which no row loses and some row gains has no finite optimum.
    """
    classes = np.unique(y)
    least = X.min(axis=0)
    above = np.stack([(X[y == name] > least).any(axis=0) for name in classes])  # (n_classes, n_pixels)
    others = above.sum(axis=0) - above > 0
    states = np.full(above.shape, IDENTIFIED)
    states[~above & others] = DIVERGES_DOWN
    states[above & ~others] = DIVERGES_UP
    states[:, ~above.any(axis=0)] = UNIDENTIFIED
    return Identifiability(tuple(str(name) for name in classes), states, _rank(X))


def _rank(X: np.ndarray) -> int:
    """Return the number of independent directions in which rows differ, each pixel measured by its own spread."""
    mean = X.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((X.shape[1], X.shape[1]))
    for start in range(0, len(X), BLOCK_ROWS):
        centred = X[start : start + BLOCK_ROWS] - mean
        covariance += centred.T @ centred
    spread = np.sqrt(np.diag(covariance))
    spread[spread == 0.0] = 1.0
    values = np.linalg.eigvalsh(covariance / spread / spread[:, None])
    return int((values > RANK_TOL * len(values) * max(float(values[-1]), 1e-300)).sum())
