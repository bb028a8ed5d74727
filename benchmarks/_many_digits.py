"""More digits than MNIST has: each is moved, turned and perhaps thickened, the same for the same seed."""

from pathlib import Path

import numpy as np

SIDE = 28
REACH = 2  # pixels by which an image moves at most, in rows and columns
ANGLES = (-12.0, 0.0, 12.0)  # degrees
THICKENED = 1 / 3  # of the images


def cut(X: np.ndarray, first: int, size: int) -> np.ndarray:
    """Return so many rows from one on, beginning again at the end."""
    return X[(first + np.arange(size)) % len(X)]


def varied(X: np.ndarray, seed: int) -> np.ndarray:
    """Return a copy of some rows (n_rows, 784) uint8, each moved by up to REACH pixels, turned, perhaps thickened."""
    rng, n_moves = np.random.default_rng(seed), 2 * REACH + 1
    move, angle = rng.integers(0, n_moves**2, len(X)), rng.integers(0, len(ANGLES), len(X))
    is_thick = rng.random(len(X)) < THICKENED
    padded, out = np.column_stack([X, np.zeros(len(X), X.dtype)]), np.empty_like(X)
    for place in range(n_moves**2):
        for which, degrees in enumerate(ANGLES):
            own = np.flatnonzero((move == place) & (angle == which))
            out[own] = padded[own][:, _places(place // n_moves - REACH, place % n_moves - REACH, degrees)]
    thick = out[is_thick]
    thick[:, 1:] = np.maximum(thick[:, 1:], thick[:, :-1])
    out[is_thick] = thick
    return out


def part(X: np.ndarray, number: int, size: int) -> np.ndarray:
    """Return part `number` of a large table, made of so many rows of X."""
    return varied(cut(X, number * size, size), number)


def labels(y: np.ndarray, n_parts: int, size: int) -> np.ndarray:
    """Return the labels of all parts."""
    return cut(y, 0, n_parts * size)


def write_files(folder: Path, X: np.ndarray, n_parts: int, size: int) -> list[Path]:
    """Write parts as ``.npy`` files; what is there already is kept."""
    paths = [folder / f"{size}-{number}.npy" for number in range(n_parts)]
    for number, path in enumerate(paths):
        if not path.exists():
            np.save(path.with_suffix(".part.npy"), part(X, number, size))
            path.with_suffix(".part.npy").rename(path)
    return paths


def _places(down: int, right: int, degrees: float) -> np.ndarray:
    """Return where each pixel of a moved and turned image comes from; 784 stands for paper."""
    row, col = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    row, col, turn = row - down, col - right, np.deg2rad(degrees)
    there = [np.cos(turn) * row - np.sin(turn) * col, np.sin(turn) * row + np.cos(turn) * col]
    at = np.rint(np.array(there) + (SIDE - 1) / 2).astype(int)
    inside = ((at >= 0) & (at < SIDE)).all(axis=0)
    return np.where(inside, at[0] * SIDE + at[1], SIDE * SIDE).ravel()
