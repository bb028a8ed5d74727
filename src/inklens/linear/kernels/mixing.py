"""Matrices that move a little probability between classes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MOST_MOVES = 2  # of a mixing, as `simplex.c` takes them


@dataclass(frozen=True, eq=False)
class Mixing:
    """A row-stochastic matrix M, near the identity: p M = kept p + (p taken') given.

    All are positive, and what is lost is known beside what is kept: each relatively, however little it is.
    """

    kept: np.ndarray  # (n_classes,): share of its own that stays with a class
    lost: np.ndarray  # (n_classes,): the rest of it
    taken: np.ndarray  # (n_moves, n_classes): share of each class that a move takes
    given: np.ndarray  # (n_moves, n_classes): share of a move that each class gets, 1 in all

    @classmethod
    def none(cls, n_classes: int) -> "Mixing":
        """Return the identity."""
        nothing = np.zeros((0, n_classes))
        return cls(np.ones(n_classes), np.zeros(n_classes), nothing, nothing)

    @classmethod
    def move(cls, share: np.ndarray, given: np.ndarray) -> "Mixing":
        """Return one move of these shares (n_classes,)."""
        return cls(1.0 - share, share, share[None, :], given[None, :])

    def then(self, other: "Mixing") -> "Mixing":
        """Return the product M N of two.

        >>> first = Mixing.move(np.array([0.5, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
        >>> second = Mixing.move(np.array([0.0, 0.5, 0.0]), np.array([0.0, 0.0, 1.0]))
        >>> first.then(second).of(np.array([[1.0, 0.0, 0.0]]))
        array([[0.5 , 0.25, 0.25]])
        """
        between = other.taken @ self.given.T  # what a later move takes of an earlier one
        return Mixing(
            self.kept * other.kept,
            self.lost + self.kept * other.lost,
            np.concatenate([self.taken, other.taken * self.kept + between @ self.taken]),
            np.concatenate([self.given * other.kept, other.given]),
        )

    @cached_property
    def moved(self) -> float:
        """A bound on what any row loses, and on what it gets."""
        lost, taken = self.lost.max(initial=0.0), self.taken.max(axis=1, initial=0.0).sum()
        return float(max(lost, taken))

    def of(self, p: np.ndarray) -> np.ndarray:
        """Return p M for rows p, (n, n_classes)."""
        return np.asarray(p * self.kept + (p @ self.taken.T) @ self.given)

    def of_sums(self, apart: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Return B - M' S of sums S over rows of p, (n_classes, n), where A = B - S is known better than either is."""
        return np.asarray(apart + self.lost[:, None] * sums - self.given.T @ (self.taken @ sums))
