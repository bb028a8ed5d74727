"""How methods meet the driver, which knows nothing else of them.

A method knows mathematics only: it yields ever better points with its own belief about the gap. Tolerance, limits,
proofs, status and history are the driver's. A new method is one more entry in the driver's table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from inklens.linear.methods.iterate import Iterate
from inklens.linear.problem.penalties import of_one_row
from inklens.linear.problem.problem import Problem


class Demand(float):
    """The relative gap that the driver asks for, with the accuracy of steps that may prove it.

    `accuracy` is the relative gap that what a step leaves unsolved may cost; the driver lowers it while the method
    runs, when a proof fails or a smaller gap is wanted. It starts the same for every gap, so that a method takes the
    same steps whatever is asked for, and a looser gap is reached no later than a tighter one.

    >>> demand = Demand(1e-6, accuracy=1e-3)
    >>> demand.accuracy /= 10.0
    >>> f"{demand:g} {demand.accuracy:g}"
    '1e-06 0.0001'
    """

    accuracy: float

    def __new__(cls, gap: float, *, accuracy: float) -> "Demand":
        """Return the gap as a number that knows the accuracy."""
        made = super().__new__(cls, gap)
        made.accuracy = accuracy
        return made


def accuracy_of(gap: float) -> float:
    """Return the accuracy of a demand; a bare number is its own."""
    return gap.accuracy if isinstance(gap, Demand) else gap


# From (problem, coef, intercept, tol) to ever better points; `tol` is the driver's demand, or a bare relative gap.
Iterates: TypeAlias = Callable[[Problem, np.ndarray, np.ndarray, float], Iterator[Iterate]]


class Method(Protocol):
    """One way from a start to an optimum."""

    @property
    def name(self) -> str:
        """What `Solution.method` says."""

    def accepts(self, problem: Problem) -> bool:
        """Tell whether the method solves this problem, and is worth it there."""

    def iterates(self, problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
        """Yield ever better points; never ends by itself before a point is `stationary`."""


def by_one_row(
    iterates: Iterates, problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float
) -> Iterator[Iterate]:
    """Yield a method's points; of two classes one row moves, w of W = (-w/2, w/2), where the penalty allows it."""
    one = of_one_row(problem.penalty) if problem.n_classes == 2 else None
    if one is None:
        yield from iterates(problem, coef, intercept, tol)
        return
    for point in iterates(problem.under(one), coef - coef[0], intercept, tol):
        yield point._replace(coef=point.coef - 0.5 * point.coef[1])


@dataclass(frozen=True)
class GeneratorMethod:
    """A method made of a generator function and of a condition on the problem."""

    generator: Iterates
    condition: Callable[[Problem], bool]

    @property
    def name(self) -> str:
        """The generator's name."""
        return self.generator.__name__

    def accepts(self, problem: Problem) -> bool:
        """Tell whether the condition holds."""
        return self.condition(problem)

    def iterates(self, problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
        """Yield the generator's points."""
        return self.generator(problem, coef, intercept, tol)
