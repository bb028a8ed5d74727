"""What the data leave open: pixels that they say nothing about, and directions in which only a penalty stops a fit.

Without a penalty the loss depends on W through the scores of the rows alone. So

- a pixel with one value in all rows could have any weight (the intercept takes it up);
- where no row of class k has more ink than the least in pixel j, but some other row has, lowering w_kj never raises
  the loss and lowers some row's: there is no best w_kj, only ever lower ones;
- where only rows of class k have more ink there, the same holds upward;
- sets of pixels that always change together can pass weight among them.

Shapes: X (n_samples, n_pixels), states (n_classes, n_pixels).
"""

from dataclasses import dataclass

import numpy as np

OPEN, DOWN, UP, HELD = 0, 1, 2, 3  # states: any weight fits; ever lower fits better; ever higher; both ways cost
RANK_TOL = 1e-10  # of the largest eigenvalue of the pixels' covariance: below, a direction never occurs
BLOCK_ROWS = 4096  # converted to float64 at a time


@dataclass(frozen=True, eq=False)
class Silence:
    """What labelled rows leave open.

    Parameters
    ----------
    classes : tuple of str
        Class names.
    states : int array (n_classes, n_pixels)
        `OPEN`, `DOWN`, `UP` or `HELD`.
    rank : int
        Independent directions in which the rows differ.

    Examples
    --------
    >>> X = np.array([[0, 9, 0, 1], [0, 0, 5, 2], [0, 0, 0, 4]])
    >>> found = silence(X, np.array(["a", "b", "b"]))
    >>> found.states.tolist(), found.n_constant, found.rank
    ([[0, 2, 1, 1], [0, 1, 2, 2]], 1, 2)
    """

    classes: tuple[str, ...]
    states: np.ndarray
    rank: int

    @property
    def n_constant(self) -> int:
        """Pixels that never change."""
        return int((self.states[0] == OPEN).sum())

    def count(self, state: int) -> int:
        """Return the number of coefficients in a state."""
        return int((self.states == state).sum())

    def in_words(self) -> list[str]:
        """Say it in sentences."""
        n_pixels = self.states.shape[1]
        constant, one_sided = self.n_constant, self.count(DOWN) + self.count(UP)
        together = n_pixels - constant - self.rank
        lines = [
            f"{constant:,} of {n_pixels:,} pixels never change: the data say nothing about their coefficients."
            if constant
            else f"All {n_pixels:,} pixels change somewhere."
        ]
        if one_sided:
            lines.append(
                f"{one_sided:,} of {self.states.size:,} coefficients have no best value without a penalty: "
                f"{self.count(DOWN):,} could sink for ever, because no image of the class has ink there and others "
                f"have, {self.count(UP):,} could rise for ever, because only images of the class have."
            )
        else:
            lines.append("No single coefficient could rise or sink for ever without a penalty.")
        if together > 0:
            lines.append(
                f"The pixels that change do so in {self.rank:,} independent ways, {together:,} fewer than there are: "
                "so many combinations of coefficients are undecided."
            )
        return lines

    def to_json(self) -> dict:
        """Return the numbers, and the states by class as flat lists of pixels."""
        return {
            "pixels": self.states.shape[1],
            "constant": self.n_constant,
            "rank": self.rank,
            "sink_for_ever": self.count(DOWN),
            "rise_for_ever": self.count(UP),
            "states": {name: states.tolist() for name, states in zip(self.classes, self.states, strict=True)},
            "meaning": {"0": "any value", "1": "ever lower fits better", "2": "ever higher", "3": "held by the data"},
        }


def silence(X: np.ndarray, y: np.ndarray) -> Silence:
    """Say which coefficients of a softmax regression labelled rows decide, and which only a penalty does.

    References
    ----------
    Albert, Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models,
    Biometrika 71(1): a direction along which no row loses and some row gains has no finite optimum.
    """
    classes = np.unique(y)
    least = X.min(axis=0)
    inked = np.stack([(X[y == name] > least).any(axis=0) for name in classes])  # (n_classes, n_pixels)
    others = inked.sum(axis=0) - inked > 0
    states = np.full(inked.shape, HELD)
    states[~inked & others] = DOWN
    states[inked & ~others] = UP
    states[:, ~inked.any(axis=0)] = OPEN
    return Silence(tuple(str(name) for name in classes), states, _rank(X))


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
