"""Directions along which an unpenalised loss never rises: with one that lowers some row's loss, no optimum exists.

A direction B of recession leaves no row's own score behind, d_ik . B >= 0 with d_ik = (e_yi - e_k) (x) (x_i, 1) for
every row i and class k. Where one of these leads is positive the classes are separated, at least in part ("quasi"):
going on along B always fits better, and no optimum exists (Albert and Anderson 1984, Biometrika 71). A linear programme
finds B (Konis 2007, section 4.4), in rounded numbers; rational arithmetic then proves it. Rows that touch have leads
of 0, which no rounding leaves at 0: B is moved to where these vanish exactly, and every lead is judged.
"""

from enum import StrEnum
from fractions import Fraction

import numpy as np
from scipy import sparse

from inklens.linear import deadline
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.certificates import Separation, gamma

MAX_ENTRIES = 3_000_000  # of the linear programme's matrix
MAX_SECONDS = 5.0  # of the linear programme, whatever is left
POSITIVE = 1e-6  # a lead of a direction in the unit box, of columns that reach 1: smaller ones are taken to be 0
MAX_TOUCHING = 120  # leads of 0 that are solved for in rational arithmetic
MAX_DENOMINATOR = 1 << 20  # of the direction's numbers, which need not be what the programme's last digits are
LARGEST_SHIFT = 1e-3  # of the direction, by which touching leads may be brought to 0
MAX_CELLS = 4  # columns that are read for an empty cell
AT_THE_END = 1e-9  # of a column's largest value, within which a class's mean is at its end, up to rounding


class Overlap(StrEnum):
    """What the linear programme says of the classes."""

    OVERLAPS = "overlaps"  # no direction of recession, up to the programme's tolerance
    SUSPECTED = "suspected"  # there is one, but it is not proven
    UNKNOWN = "unknown"  # too large, or no time


def quasi_separation(problem: Problem, seconds: float | None = None) -> Separation | Overlap:
    """Return a proven direction that separates the classes in part (margin 0), or what there is to say instead.

    >>> from inklens.linear.rows.rows import Rows
    >>> from inklens.linear.problem.penalties import ElasticNet
    >>> X, codes = np.array([[0.0], [1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    >>> found = quasi_separation(Problem(Rows.of(X), codes, np.ones(4), 2, ElasticNet(0.0, 0.0)))
    >>> lead = X @ (found.coef[1] - found.coef[0]) + found.intercept[1] - found.intercept[0]
    >>> found.margin, np.sign(lead).tolist()
    (0.0, [-1.0, 0.0, 0.0, 1.0])
    """
    cell = empty_cell(problem)
    if cell is not None:
        return cell
    columns, K = np.flatnonzero(problem.free), problem.n_classes
    used = problem.weights > 0.0
    if np.count_nonzero(used) * (K - 1) * 2 * (len(columns) + 1) > MAX_ENTRIES * 8:  # before rows are told apart
        return Overlap.UNKNOWN
    X = problem.rows.dense(columns, dtype=np.float64)[used]
    X, codes = _distinct(X, problem.codes[used])
    if len(X) * (K - 1) * 2 * (len(columns) + 1) > MAX_ENTRIES:
        return Overlap.UNKNOWN
    units = np.exp2(np.round(np.log2(np.maximum(np.abs(X).max(axis=0, initial=0.0), np.finfo(float).tiny))))
    ones = np.full((len(X), 1), float(problem.fit_intercept))
    leads = _leads(np.hstack([X / units, ones]), codes, K)
    direction = _programme(leads, seconds)
    if direction is None:
        return Overlap.UNKNOWN
    if (leads @ direction).max(initial=0.0) <= POSITIVE:
        return Overlap.OVERLAPS
    exact = _proven(leads, direction)
    if exact is None:
        return Overlap.SUSPECTED
    B = np.append(exact, np.zeros(leads.shape[1] // (K - 1))).reshape(K, -1)
    coef = np.zeros((K, problem.rows.n_features))
    coef[:, columns] = B[:, :-1] / units
    return Separation(coef, B[:, -1] * problem.fit_intercept, 0.0)


def empty_cell(problem: Problem) -> Separation | None:
    """Return a class and a column along whose coefficient the loss only falls (margin 0), None where no such is found.

    All rows of that class hold the column's least value, or its greatest, and some other row does not: of pixels,
    mostly one that no image of the class has ink in. The direction is exact; what rows that are not held would have to
    be read for again is not looked for.

    >>> from inklens.linear.rows.rows import Rows
    >>> from inklens.linear.problem.penalties import ElasticNet
    >>> X, codes = np.array([[3.0, 0.0], [1.0, 0.0], [2.0, 7.0], [2.0, 0.0]]), np.array([0, 0, 1, 1])
    >>> empty_cell(Problem(Rows.of(X), codes, np.ones(4), 2, ElasticNet(0.0, 0.0))).coef
    array([[ 0., -1.],
           [ 0.,  0.]])
    """
    rows, K, used = problem.rows, problem.n_classes, problem.weights > 0.0
    if not rows.holds(K):
        return None
    members = (problem.codes[:, None] == np.arange(K)) & used[:, None]
    sizes = members.sum(axis=0)[:, None]
    sums = rows.transpose_product(members.astype(np.float64))
    slack = AT_THE_END * sizes * problem.facts.largest
    span = np.maximum(rows.high - rows.low, np.finfo(float).tiny)
    ends = [
        (np.abs(sums - sizes * end) <= slack) & problem.free & (sizes > 0) & (problem.fit_intercept | (end == 0.0))
        for end in (rows.low, rows.high)
    ]
    leads = [np.abs(sums.sum(axis=0) - used.sum() * end) / span for end in (rows.low, rows.high)]
    lead = np.maximum(*(np.where(at.any(axis=0), total, 0.0) for at, total in zip(ends, leads, strict=True)))
    for column in np.argsort(-lead, kind="stable")[:MAX_CELLS]:
        if lead[column] == 0.0:
            return None
        x = rows.dense(np.array([column]), dtype=np.float64)[:, 0]
        for sign, end, at in ((-1.0, x[used].min(), ends[0]), (1.0, x[used].max(), ends[1])):
            for k in np.flatnonzero(at[:, column]):
                is_empty = (x[members[:, k]] == end).all() and (x[used] != end).any()
                if is_empty and (problem.fit_intercept or end == 0.0):
                    coef, intercept = np.zeros((K, rows.n_features)), np.zeros(K)
                    coef[k, column], intercept[k] = sign, -sign * end
                    return Separation(coef, intercept, 0.0)
    return None


def _distinct(X: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different rows of each class."""
    both = np.unique(np.column_stack([codes.astype(np.float64), X]), axis=0)
    return both[:, 1:], both[:, 0].astype(np.int32)


def _leads(X: np.ndarray, codes: np.ndarray, n_classes: int) -> sparse.csr_array:
    """Return d_ik for every row and other class, the last class at 0, (n_leads, (n_classes - 1) * width)."""
    width, pieces = X.shape[1], []
    for k in range(n_classes):
        others = codes != k
        own, rows = codes[others], X[others]
        first = np.repeat(np.arange(len(rows)), width)
        each = np.arange(width)
        entries = [(own[:, None] * width + each, rows), (np.full((len(rows), 1), k) * width + each, -rows)]
        values = np.concatenate([np.ravel(value) for _, value in entries])
        places = np.concatenate([np.ravel(place) for place, _ in entries])
        kept = (places < (n_classes - 1) * width) & (values != 0.0)
        row = np.concatenate([first, first])
        shape = len(rows), (n_classes - 1) * width
        pieces.append(sparse.csr_array((values[kept], (row[kept], places[kept])), shape=shape))
    return sparse.csr_array(sparse.vstack(pieces))


def _programme(leads: sparse.csr_array, seconds: float | None) -> np.ndarray | None:
    """Return the direction in the unit box whose leads are at least 0, and largest in sum."""
    from scipy.optimize import linprog

    left = min(MAX_SECONDS, deadline.remaining(), np.inf if seconds is None else seconds)
    if left <= 0.0:
        return None
    found = linprog(
        -np.asarray(leads.sum(axis=0)).ravel(),
        A_ub=-leads,
        b_ub=np.zeros(leads.shape[0]),
        bounds=(-1.0, 1.0),
        method="highs",
        options={"time_limit": left},
    )
    return np.asarray(found.x) if found.status == 0 else None


# ---- in rational numbers ---------------------------------------------------------------------------------------------


def _proven(leads: sparse.csr_array, direction: np.ndarray) -> np.ndarray | None:
    """Return a direction near this one with no lead below 0 and one above, proven, in float64; None if that fails.

    The proof is about the rational direction; what is returned is that, rounded.
    """
    near = np.round(direction * MAX_DENOMINATOR) / MAX_DENOMINATOR
    touching = np.unique(leads[np.flatnonzero(leads @ direction <= POSITIVE)].toarray(), axis=0)
    if len(touching) > MAX_TOUCHING:
        touching = _independent(touching)
    exact = _vanishing(touching, near) if len(touching) <= MAX_TOUCHING else None
    if exact is None:
        return None
    rounded = np.array([float(value) for value in exact])
    if np.abs(rounded - near).max() > LARGEST_SHIFT:
        return None
    slack = 4.0 * gamma(leads.shape[1] + 4) * (abs(leads) @ np.abs(rounded))
    is_sure = leads @ rounded > slack
    holds = is_sure.any() and all(_lead(leads, int(i), exact) >= 0 for i in np.flatnonzero(~is_sure))
    return rounded if holds else None


def _lead(leads: sparse.csr_array, i: int, direction: list[Fraction]) -> Fraction:
    """Return a lead as the rational number that it is."""
    part = slice(leads.indptr[i], leads.indptr[i + 1])
    pairs = zip(leads.data[part].tolist(), leads.indices[part].tolist(), strict=True)
    return sum((Fraction(value) * direction[j] for value, j in pairs), Fraction(0))


def _independent(rows: np.ndarray) -> np.ndarray:
    """Return some of the rows that span all, up to rounding."""
    from scipy.linalg import qr

    _, triangle, order = qr(rows.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    return np.asarray(rows[order[: int((diagonal > 1e-10 * diagonal.max(initial=0.0)).sum())]])


def _vanishing(rows: np.ndarray, near: np.ndarray) -> list[Fraction] | None:
    """Return a rational direction near this one on which the rows vanish: elimination solves for some entries.

    The entries solved for are those in which a row is largest, so that little changes.
    """
    solution = [Fraction(float(value)) for value in near]
    system: list[tuple[int, list[Fraction]]] = []
    for row in rows:
        deadline.check()
        entries = [Fraction(float(value)) for value in row]
        for pivot, other in system:
            entries = _without(entries, pivot, other)
        pivot = max(range(len(entries)), key=lambda j: abs(entries[j]))
        if not entries[pivot]:
            continue
        lead = entries[pivot]
        entries = [value / lead if value else value for value in entries]
        system = [(own, _without(line, pivot, entries)) for own, line in system]
        system.append((pivot, entries))
    solved = {pivot for pivot, _ in system}
    for pivot, line in system:
        solution[pivot] = -sum(
            (line[j] * solution[j] for j in range(len(line)) if line[j] and j not in solved), Fraction(0)
        )
    return solution if any(solution) else None


def _without(line: list[Fraction], pivot: int, other: list[Fraction]) -> list[Fraction]:
    """Return a line with its entry at the pivot taken out by another, which has 1 there."""
    factor = line[pivot]
    return [value - factor * own if own else value for value, own in zip(line, other, strict=True)] if factor else line
