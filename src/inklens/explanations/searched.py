"""Flips for features that are not linear in the frame: searched, checked by running the model, never proven.

Scores are linearised by differences, the programs of `programs` give the next step, and only frames that the model
itself answers as asked are ever returned.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from inklens.explanations.programs import Program, least_energy, least_ink

STEP = 0.1  # ink; far enough to see past the rounding of features in float32
APPROACHES, REFINEMENTS, BISECTIONS = 15, 6, 12
SHARES = np.array([1.0, 0.75, 0.5, 0.25, 0.1])  # of the way to a refined frame
SPARE = 1e-3  # log-odds asked for beyond the margin, so that curvature does not undo every step

# Ways to approach, the next where one fails: a solver, and how far (in ink) a linearisation is believed per pixel.
# A few large changes end at flips with half the ink of those that many small ones find.
WAYS: dict[str, list[tuple[Callable, float]]] = {
    "ink": [(least_ink, 1.0), (least_energy, 0.4)],
    "pixels": [(least_ink, 1.0), (least_energy, 0.4)],
    "energy": [(least_energy, 0.4), (least_ink, 1.0)],
}

# x, most (n_pixels,) a frame in [0, 1] and the most ink a pixel may get; z (n_classes,); J (n_classes, n_pixels)

Reaches = Callable[[np.ndarray], np.ndarray]  # frames (n, n_pixels) -> bool (n,)


def search(
    reader: Any, frame: np.ndarray, target: int, *, norm: str, margin: float, highest: np.ndarray
) -> np.ndarray | None:
    """Return a frame near `frame` that the model answers as `target` with the margin, or None if none was found.

    No pixel gets more ink than `highest` (rows, cols), which is nowhere below the frame.

    Approach until the answer changes, go back as far as the answer lasts, leave out changes that are
    not needed, and refine with linearisations taken at the flip.
    """

    def scores(frames: np.ndarray) -> np.ndarray:
        return reader.raw_prediction(frames.reshape(-1, *frame.shape))

    def reaches(frames: np.ndarray) -> np.ndarray:
        z = scores(frames)
        return z[:, target] - np.delete(z, target, axis=1).max(axis=1) >= margin

    origin, most = frame.ravel(), highest.ravel()
    for solve, trust in WAYS[norm]:
        flipped = _approach(scores, reaches, origin, most, target, margin, solve, trust)
        if flipped is not None:
            break
    else:
        return None
    flipped = _go_back(reaches, origin, flipped)
    for _ in range(REFINEMENTS):
        closer = _refine(scores, reaches, origin, most, flipped, target, norm, margin)
        if closer is None:
            break
        flipped = closer
    if norm != "energy":
        flipped = _leave_out(reaches, origin, flipped)
    return flipped.reshape(frame.shape)


def cost(norm: str, change: np.ndarray) -> np.ndarray:
    """Return the size of changes (..., n_pixels) in a norm."""
    if norm == "pixels":
        return np.count_nonzero(change, axis=-1).astype(float)
    return (np.square(change) if norm == "energy" else np.abs(change)).sum(axis=-1)


def linearise(scores: Callable, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores z at x, and their slopes J by differences that stay in the box."""
    step = np.where(x <= 1.0 - STEP, STEP, -STEP)
    z = scores(np.concatenate([x[None], x + np.diag(step)]))
    return z[0], ((z[1:] - z[0]) / step[:, None]).T


def _program(
    z: np.ndarray, J: np.ndarray, x: np.ndarray, origin: np.ndarray, most: np.ndarray, target: int, margin: float
) -> Program:
    """Ask the linearisation at x for the target, for changes of `origin`."""
    A = J[target] - np.delete(J, target, axis=0)
    r = margin + SPARE - (z[target] - np.delete(z, target)) + A @ (x - origin)
    return Program(A, r, origin, most - origin, np.abs(A).sum(axis=1) + np.abs(r))


def _approach(
    scores: Callable,
    reaches: Reaches,
    origin: np.ndarray,
    most: np.ndarray,
    target: int,
    margin: float,
    solve: Callable,
    trust: float,
) -> np.ndarray | None:
    x = origin
    for _ in range(APPROACHES):
        if reaches(x[None])[0]:
            return x
        asked = _program(*linearise(scores, x), x, x, most, target, margin)
        erasable, addable = np.minimum(asked.erasable, trust), np.minimum(asked.addable, trust)
        for share in 0.5 ** np.arange(8):  # ask for less where the trusted steps do not reach so far
            r = np.where(asked.r > 0.0, share * asked.r, asked.r)
            solved = solve(Program(asked.A, r, erasable, addable, asked.sizes))
            if solved.change is not None:
                x = np.clip(x + solved.change, 0.0, most)
                break
        else:
            return None
    return x if reaches(x[None])[0] else None


def _go_back(reaches: Reaches, origin: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Bisect the way back to the origin."""
    stays, flips = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (stays + flips) / 2.0
        if reaches((origin + middle * (flipped - origin))[None])[0]:
            flips = middle
        else:
            stays = middle
    return origin + flips * (flipped - origin)


def _refine(
    scores: Callable,
    reaches: Reaches,
    origin: np.ndarray,
    most: np.ndarray,
    flipped: np.ndarray,
    target: int,
    norm: str,
    margin: float,
) -> np.ndarray | None:
    """Solve the linearisation at the flip from the origin and go as far that way as it pays; None where it does not."""
    asked = _program(*linearise(scores, flipped), flipped, origin, most, target, margin)
    solved = (least_energy if norm == "energy" else least_ink)(asked)
    if solved.change is None:
        return None
    trials = flipped + SHARES[:, None] * (np.clip(origin + solved.change, 0.0, most) - flipped)
    measure = "energy" if norm == "energy" else "ink"
    costs = np.where(reaches(trials), cost(measure, trials - origin), np.inf)
    best = int(costs.argmin())
    return trials[best] if costs[best] < 0.999 * cost(measure, flipped - origin) else None


def _leave_out(reaches: Reaches, origin: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Undo changes in ever smaller groups, the least first, wherever the answer lasts."""
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
