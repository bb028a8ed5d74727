"""Proximal Newton by classes: L1, elastic net and groups without a matrix over all coefficients.

The Hessian's blocks within a class are matrices over the columns alone (`class_blocks.py`), which a few rows drawn by
their weights tell well enough, or all where these hold few values each (`class_sums.py`). A round takes proximal steps
in the metric of these blocks, which find the signs, and between them Newton steps on the face by conjugate gradients
with the true Hessian, before which the blocks stand.

Shapes: vectors (n_classes, q + 1) over the columns that move, the intercept last.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from inklens.linear import arrays
from inklens.linear.methods import accuracy, costs, sampling
from inklens.linear.methods.class_blocks import Blocks, Shifts
from inklens.linear.methods.class_sums import PRODUCTS, ClassSums, sums_of
from inklens.linear.methods.points import Asked, Point, Step
from inklens.linear.methods.quadratic import Quadratic
from inklens.linear.methods.subproblem import Pairs, least_penalised_shift
from inklens.linear.methods.systems import conjugate_gradient
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray

MIN_CLASSES = 3  # two share their curvature: one matrix serves both
MAX_COLUMNS = 1500  # of a block
CHANGED_SHARE = 0.3  # of the curvature of all rows and classes, from which blocks are made anew
FIRST_RIDGE, LEAST_RIDGE, MOST_RIDGE = 1e-3, 1e-5, 1.0  # on the diagonal of a face, in units of its own
RIDGE_RATIO = 3.0  # by which it grows after a step that was cut short, and falls after one that stays on its face
STAYING = 3e-3  # of a face's coefficients, that may leave it where a step stays there
MAX_TURNS = 6  # of proximal and face steps
FAR_TURNS = 1  # and on the way down to the penalty that is asked for
MAX_PRODUCTS = 15  # with the Hessian, of a face step
FACE_ACCURACY = 0.25  # of its residual, in the norm of the blocks
FAR_PRODUCTS = 5.0  # of a round on the way down, about
WORTH = 1.5  # times its seconds, that a matrix has to cost: a step by classes leaves more, and its counts are guesses


class Held(NamedTuple):
    """Blocks, and what they were summed for."""

    blocks: Blocks
    curvature: np.ndarray  # (n_samples, n_classes) float32: c_i p_ik (1 - p_ik)
    damping: float

    def is_changed(self, curvature: np.ndarray) -> bool:
        """Tell whether the curvature is too different by now."""
        return float(np.abs(curvature - self.curvature).sum()) > CHANGED_SHARE * float(self.curvature.sum())


class Classes:
    """What steps by classes need of a problem, and what they cost."""

    is_rough = True

    def __init__(self, problem: Problem, sums: ClassSums) -> None:
        self.problem, self.sums, self.ridge = problem, sums, FIRST_RIDGE
        self.held: Held | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Classes | None":
        """Return None where steps by classes are not possible."""
        n_classes, n_columns = problem.n_classes, int(np.count_nonzero(problem.free))
        if n_classes < MIN_CLASSES or n_columns > MAX_COLUMNS or not problem.rows.holds(n_classes):
            return None
        sums = sums_of(problem)
        return None if sums is None else cls(problem, sums)

    @cached_property
    def features(self) -> np.ndarray:
        """The columns that may move."""
        return np.flatnonzero(self.problem.free)

    def seconds(self, pairs: Pairs, *, is_far: bool) -> float:
        """Return about how long a matrix may take for a step to be worth it."""
        return WORTH * self.step_seconds(is_far=is_far)

    def step_seconds(self, *, is_far: bool) -> float:
        """Return about how long a step takes."""
        n_products, n_turns = (FAR_PRODUCTS, FAR_TURNS) if is_far else (PRODUCTS, MAX_TURNS)
        return self.sums.seconds + costs.class_turns_seconds(self.problem, n_products, n_turns)

    def step(self, penalty: Penalty, point: Point, asked: Asked) -> Step:
        """Return a step from a point."""
        wanted, _ = accuracy.tolerances(self.problem, penalty, point, asked.violation, asked.tol)
        turns = Turns(self, Quadratic(self.problem, penalty, point), asked.damping)
        for turn in range(FAR_TURNS if asked.is_far else MAX_TURNS):
            turns.add_proximal_step(wanted)
            if turns.violation() <= wanted or turn == MAX_TURNS - 1:  # near the end signs are to be right
                break
            if not turns.add_face_step() or turns.violation() <= wanted:
                break
        return turns.quadratic.step()

    def blocks_at(self, proba: RowArray, damping: float) -> Blocks:
        """Return the blocks at probabilities, or those summed for others where little has changed."""
        spread = RowArray.combine(sampling.spread, proba, self.problem.weights)
        curvature, held = np.asarray(spread), self.held
        if held is None or held.damping != damping or held.is_changed(curvature):
            self.held = held = None  # the next want its memory
            self.held = held = Held(self.sums.blocks(curvature, damping), curvature, damping)
        held.blocks.raise_diagonal((1.0 + damping) * self._about_means(spread, curvature))
        return held.blocks

    def _about_means(self, spread: RowArray, curvature: np.ndarray) -> np.ndarray:
        """Return each column's sum of squares by curvature, about its mean where there are intercepts, (n_classes, q).

        It is the curvature over all rows where the intercepts follow: of columns far from 0 a small part of the whole,
        which differs by more between rows that are drawn.
        """
        rows = self.problem.rows
        squares = rows.transpose_product(spread, squared=True)[:, self.features]
        if not self.problem.fit_intercept:
            return squares
        sums = rows.transpose_product(spread)[:, self.features]
        total = np.maximum(curvature.sum(axis=0, dtype=np.float64), np.finfo(float).tiny)
        return np.asarray(squares - sums**2 / total[:, None])


class Turns:
    """A step in the making: proximal and face steps in turns, each added to the step where it lowers the expansion."""

    def __init__(self, classes: Classes, quadratic: Quadratic, damping: float) -> None:
        self.classes, self.quadratic, self.problem = classes, quadratic, classes.problem
        self.proba = RowArray.combine(_single, quadratic.point.at.proba)
        self.blocks = classes.blocks_at(self.proba, damping)
        self.shifts: Shifts | None = None  # of the first face
        self.penalty = quadratic.penalty.over(classes.features)

    @property
    def at(self) -> np.ndarray:
        """Where the step leads to, (n_classes, q)."""
        return np.asarray(self.quadratic.end[:, self.classes.features])

    def violation(self) -> float:
        """Return the largest KKT violation at the end of the step."""
        quadratic = self.quadratic
        return quadratic.penalty.kkt_violation(quadratic.end, -quadratic.gradient)

    def add_proximal_step(self, wanted: float) -> None:
        """Add each class's own minimiser.

        Then the classes of each column all move alike, to where they cost least: the loss does not feel it, and one
        class or two come to zero, as at the optimum.
        """
        blocks = self.blocks
        gradient = self.quadratic.gradient[:, self.classes.features]
        own, intercept_step = (blocks.grouped_step if self.penalty.is_grouped else blocks.proximal_step)(
            self.penalty, self.at, gradient, self.quadratic.intercept_gradient, 0.3 * wanted
        )
        self._add(own, intercept_step)
        if not self.penalty.is_grouped:
            at = self.at
            l1, l2 = (np.broadcast_to(size, at.shape[1]) for size in (self.penalty.l1, self.penalty.l2))
            self.quadratic.end_at(self._everywhere(at - least_penalised_shift(at, l1, l2)))

    def add_face_step(self) -> bool:
        """Add the Newton step on the face, cut off where an L1 norm's signs would change; tell whether it moved.

        Columns that depend on each other leave a face directions without curvature, along which a step would change
        every sign. A ridge keeps it short: the step minimises the expansion and ridge / 2 |d|^2 in units of the blocks'
        diagonals (a proximal point, Rockafellar 1976). It follows what becomes of the steps.
        """
        classes, problem, penalty, at = self.classes, self.problem, self.penalty, self.at
        face, l2 = penalty.support(at), np.array(np.broadcast_to(penalty.l2, at.shape[1]), dtype=np.float64)
        # Of a group the norm's own Hessian is l1 / |w| (I - u u') with u = w / |w|; an L1 norm has none.
        norm = np.where(face, penalty.sizes(at), 1.0)
        bend = np.where(face.any(axis=0), penalty.l1 / norm[0], 0.0) if penalty.is_grouped else 0.0 * l2
        ridge = classes.ridge * self.blocks.diagonal
        precondition = self._preconditioner(face, l2 + bend + ridge[:, :-1])
        slope = self.quadratic.gradient[:, classes.features] + penalty.gradient(at) + penalty.l1 * at / norm
        target = -np.column_stack([slope * face, self.quadratic.intercept_gradient])

        def curve(v: np.ndarray) -> np.ndarray:
            W = self._everywhere(v[:, :-1])
            product, sums = problem.rows.hessian_product(self.proba, problem.weights, W, v[:, -1])
            along = (at * v[:, :-1]).sum(axis=0) / norm[0] ** 2 if penalty.is_grouped else 0.0
            own = (product[:, classes.features] + l2 * v[:, :-1] + bend * (v[:, :-1] - at * along)) * face
            return np.asarray(np.column_stack([own, sums * problem.fit_intercept]) + ridge * v)

        found, _ = conjugate_gradient(
            curve, precondition, target, forcing_ratio=FACE_ACCURACY, most_products=MAX_PRODUCTS
        )
        moved = at + found[:, :-1]
        leaves = face & (moved * at <= 0.0) & (not penalty.is_grouped)
        cut = np.where(leaves, moved, 0.0)  # the intercepts take its mean: far from 0 it would move every score
        share = self._add(moved - cut - at, found[:, -1] + self.blocks.mean_of(cut))
        if share < 1.0:
            classes.ridge = min(MOST_RIDGE, RIDGE_RATIO * classes.ridge)
        elif np.count_nonzero(leaves) <= STAYING * np.count_nonzero(face):
            classes.ridge = max(LEAST_RIDGE, classes.ridge / RIDGE_RATIO)
        return share > 0.0

    def _preconditioner(self, face: np.ndarray, added: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return the product with what stands for the inverse on a face."""
        n_threads = self.problem.rows.n_threads
        on_face = self.blocks.on_face(face, added, n_threads)
        shifts = self.shifts = self.shifts or self.classes.sums.shifts(np.asarray(self.proba), face, added)

        def solve(v: np.ndarray) -> np.ndarray:
            found = on_face(v)
            if shifts is not None:
                found[:, :-1] += shifts.solve(v[:, :-1], face)
            return found

        return solve

    def _add(self, own: np.ndarray, intercept_step: np.ndarray) -> float:
        """Add a step over the columns that may move; return which share of it."""
        return self.quadratic.add(self._everywhere(own), intercept_step - intercept_step.mean())

    def _everywhere(self, own: np.ndarray) -> np.ndarray:
        """Return numbers of the columns that may move as such of all, the others 0."""
        every = np.zeros_like(self.quadratic.end)
        every[:, self.classes.features] = own
        return every


def _single(p: np.ndarray) -> np.ndarray:
    found: np.ndarray = arrays.cast(p, np.float32)
    return found
