"""Flips for features that are not linear in the frame: searched, checked by running the model, never proven.

Scores are linearised by differences, the programs of `programs` give the next step, and only frames that the model
itself answers as asked are ever returned.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from inklens.explanations.programs import Program, Solved, least_energy, least_ink
from inklens.model.linear_model import LinearModel

DIFFERENCE_STEP = 0.1  # ink; far enough to see past the rounding of features in float32
WORTHWHILE = 0.999  # of the cost: a refinement that saves less is not taken
APPROACHES, REFINEMENTS, BISECTIONS = 15, 6, 12  # at most; 12 halvings place the boundary to 1/4096 of the way
STEP_FRACTIONS = np.array([1.0, 0.75, 0.5, 0.25, 0.1])  # of the way to the solution of the linearisation at a flip
EXTRA_MARGIN = 1e-3  # log-odds beyond the margin, which the curvature of the features may take back

# Ways to approach, the next where one fails: a solver, and how far (in ink) a linearisation is believed per pixel.
# A few large changes end at flips with half the ink of those that many small ones find.
STRATEGIES: dict[str, list[tuple[Callable[[Program], Solved], float]]] = {
    "ink": [(least_ink, 1.0), (least_energy, 0.4)],
    "pixels": [(least_ink, 1.0), (least_energy, 0.4)],
    "energy": [(least_energy, 0.4), (least_ink, 1.0)],
}

# x, upper (n_pixels,): a frame in [0, 1] and the most ink of each pixel; z (n_classes,); J (n_classes, n_pixels)

Scores = Callable[[np.ndarray], np.ndarray]  # frames (n, n_pixels) -> (n, n_classes)
Reaches = Callable[[np.ndarray], np.ndarray]  # frames (n, n_pixels) -> bool (n,)


def search(
    model: LinearModel, frame: np.ndarray, target: int, *, norm: str, margin: float, highest: np.ndarray
) -> np.ndarray | None:
    """Return a frame near `frame` that the model answers as `target` with the margin, or None if none was found.

    No pixel gets more ink than `highest` (rows, cols), which is nowhere below the frame.

    Approach until the answer changes, bisect back towards the frame, refine with linearisations taken at the flip,
    and drop the changes that are not needed.
    """

    def scores(frames: np.ndarray) -> np.ndarray:
        return np.asarray(model.raw_prediction(frames.reshape(-1, *frame.shape)))

    def reaches(frames: np.ndarray) -> np.ndarray:
        z = scores(frames)
        return np.asarray(z[:, target] - np.delete(z, target, axis=1).max(axis=1) >= margin)

    origin, upper = frame.ravel(), highest.ravel()
    for solve, trust in STRATEGIES[norm]:
        flipped = _approach(scores, reaches, origin, upper, target, margin, solve, trust)
        if flipped is not None:
            break
    else:
        return None
    flipped = _bisect(reaches, origin, flipped)
    for _ in range(REFINEMENTS):
        closer = _refine(scores, reaches, origin, upper, flipped, target, norm, margin)
        if closer is None:
            break
        flipped = closer
    if norm != "energy":
        flipped = _drop_unneeded(reaches, origin, flipped)
    return flipped.reshape(frame.shape)


def cost(norm: str, change: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the size of changes (..., n_pixels) in a norm."""
    if norm == "pixels":
        return np.asarray(np.count_nonzero(change, axis=-1), dtype=np.float64)
    return np.asarray((np.square(change) if norm == "energy" else np.abs(change)).sum(axis=-1))


def linearise(scores: Scores, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores z at x, and their slopes J by differences that stay in the box."""
    step = np.where(x <= 1.0 - DIFFERENCE_STEP, DIFFERENCE_STEP, -DIFFERENCE_STEP)
    z = scores(np.concatenate([x[None], x + np.diag(step)]))
    return z[0], ((z[1:] - z[0]) / step[:, None]).T


def _program(
    z: np.ndarray, J: np.ndarray, x: np.ndarray, origin: np.ndarray, upper: np.ndarray, target: int, margin: float
) -> Program:
    """Ask the linearisation at x for the target, for changes of `origin`."""
    A = J[target] - np.delete(J, target, axis=0)
    r = margin + EXTRA_MARGIN - (z[target] - np.delete(z, target)) + A @ (x - origin)
    return Program(A, r, origin, upper - origin, np.abs(A).sum(axis=1) + np.abs(r))


def _approach(
    scores: Scores,
    reaches: Reaches,
    origin: np.ndarray,
    upper: np.ndarray,
    target: int,
    margin: float,
    solve: Callable[[Program], Solved],
    trust: float,
) -> np.ndarray | None:
    x = origin
    for _ in range(APPROACHES):
        if reaches(x[None])[0]:
            return x
        asked = _program(*linearise(scores, x), x, x, upper, target, margin)
        erasable, addable = np.minimum(asked.erasable, trust), np.minimum(asked.addable, trust)
        for fraction in 0.5 ** np.arange(8):  # ask for less where the trusted steps do not reach so far
            r = np.where(asked.r > 0.0, fraction * asked.r, asked.r)
            solved = solve(Program(asked.A, r, erasable, addable, asked.magnitudes))
            if solved.change is not None:
                x = np.clip(x + solved.change, 0.0, upper)
                break
        else:
            return None
    return x if reaches(x[None])[0] else None


def _bisect(reaches: Reaches, origin: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Bisect the segment back to the origin for the last point that still flips."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if reaches((origin + middle * (flipped - origin))[None])[0]:
            high = middle
        else:
            low = middle
    return np.asarray(origin + high * (flipped - origin))


def _refine(
    scores: Scores,
    reaches: Reaches,
    origin: np.ndarray,
    upper: np.ndarray,
    flipped: np.ndarray,
    target: int,
    norm: str,
    margin: float,
) -> np.ndarray | None:
    """Solve the linearisation at the flip from the origin and go as far that way as it pays; None where it does not."""
    asked = _program(*linearise(scores, flipped), flipped, origin, upper, target, margin)
    solved = (least_energy if norm == "energy" else least_ink)(asked)
    if solved.change is None:
        return None
    trials = flipped + STEP_FRACTIONS[:, None] * (np.clip(origin + solved.change, 0.0, upper) - flipped)
    measure = "energy" if norm == "energy" else "ink"
    costs = np.where(reaches(trials), cost(measure, trials - origin), np.inf)
    best = int(costs.argmin())
    return np.asarray(trials[best]) if costs[best] < WORTHWHILE * cost(measure, flipped - origin) else None


def _drop_unneeded(reaches: Reaches, origin: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Undo changes in groups of halving size, the smallest changes first, wherever the frame still flips."""
    size = max(1, int(np.count_nonzero(flipped != origin)) // 2)
    while size:
        changed = np.flatnonzero(flipped != origin)
        changed = changed[np.argsort(np.abs(flipped - origin)[changed], kind="stable")]
        for group in np.array_split(changed, -(-len(changed) // size)) if len(changed) else []:
            without = flipped.copy()
            without[group] = origin[group]
            if reaches(without[None])[0]:
                flipped = without
        size //= 2
    return flipped
