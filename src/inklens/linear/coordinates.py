"""The same problem in other coordinates, in which it is solved; solutions come back in those of the data."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from inklens.linear.problem.problem import Facts, Problem
from inklens.linear.proofs.certificates import Separation
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.starts import Weights


class Coordinates(ABC):
    """Coefficients are other numbers there, scores and bounds are the same."""

    @abstractmethod
    def apply(self, problem: Problem) -> Problem:
        """Return the problem in these coordinates."""

    @abstractmethod
    def start(self, coef: np.ndarray, intercept: np.ndarray) -> Weights:
        """Return coefficients in these coordinates."""

    @abstractmethod
    def restore(self, coef: np.ndarray, intercept: np.ndarray) -> Weights:
        """Return coefficients in the coordinates of the data."""

    def restore_columns(self, columns: np.ndarray | None) -> np.ndarray | None:
        """Return a mask of columns, (n_features,), as one of those of the data."""
        return columns

    def restore_dual(self, dual: DualPoint | None) -> DualPoint | None:
        """Return a dual point in the coordinates of the data."""
        if dual is None:
            return None
        point = self.restore(dual.coef, dual.intercept)
        if dual.direction is None or dual.intercept_direction is None:
            return DualPoint(*point)
        return DualPoint(*point, *self.restore(dual.direction, dual.intercept_direction))

    def restore_separation(self, separation: Separation | None) -> Separation | None:
        """Return a separating direction in the coordinates of the data; the margin is that of the same scores."""
        if separation is None:
            return None
        return Separation(*self.restore(separation.coef, separation.intercept), separation.margin)


@dataclass(frozen=True, eq=False)
class SomeColumns(Coordinates):
    """Some columns alone: at the optimum the coefficients of the others are 0."""

    columns: np.ndarray  # ascending
    known: Facts  # of these alone
    n_features: int  # of the data

    def apply(self, problem: Problem) -> Problem:
        """Return the problem over these columns."""
        return replace(problem, rows=self.known.rows, penalty=problem.penalty.over(self.columns), known=self.known)

    def start(self, coef: np.ndarray, intercept: np.ndarray) -> Weights:
        """Return the coefficients of these columns."""
        return coef[:, self.columns], intercept

    def restore(self, coef: np.ndarray, intercept: np.ndarray) -> Weights:
        """Return the coefficients of all columns."""
        whole = np.zeros((len(coef), self.n_features))
        whole[:, self.columns] = coef
        return whole, intercept

    def restore_columns(self, columns: np.ndarray | None) -> np.ndarray | None:
        """Return a mask of all columns."""
        if columns is None:
            return None
        whole = np.zeros(self.n_features, dtype=bool)
        whole[self.columns] = columns
        return whole


class Filled(SomeColumns):
    """The columns that hold anything, alone: most of a hashed text's million hold nothing.

    The coefficients of the others are 0 at the optimum, and no score feels them.
    """

    @classmethod
    def of(cls, problem: Problem) -> "Filled | None":
        """Return the columns; None where most hold something."""
        found = problem.facts.filled
        return None if found is None else cls(*found, problem.rows.n_features)
