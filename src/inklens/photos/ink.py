"""Arrays of ink: threshold, box, resampling, centre of mass."""

import numpy as np
from PIL import Image


def otsu(values: np.ndarray, bins: int = 256) -> float:
    """Return the threshold in [0, 1] that parts `values` into two groups of the largest variance between (Otsu 1979).

    >>> import numpy as np
    >>> 0.1 <= otsu(np.array([0.1, 0.1, 0.1, 0.9])) <= 0.9
    True
    """
    counts = np.bincount(
        np.minimum((values * bins).astype(np.intp), bins - 1).ravel(), minlength=bins
    ).astype(float)
    levels = (np.arange(bins) + 0.5) / bins
    below = np.cumsum(counts)
    total, moment = below[-1], np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / total - moment) ** 2 / (below * (total - below))
    between = np.nan_to_num(between, nan=0, posinf=0)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))  # a flat top lies between two clean groups
    return float((best.mean() + 1) / bins)


def is_dark(gray: np.ndarray) -> bool:
    """Vote whether ink is darker than paper: the border belongs to the paper, and paper is the larger part."""
    level = otsu(gray)
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    return float((border > level).mean() + (gray > level).mean()) >= 1


def stretch(values: np.ndarray) -> np.ndarray:
    """Map the range of `values` onto [0, 1]; a flat picture becomes 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high - low > 1 / 255 else np.zeros_like(values)


def bounding_box(inked: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return (left, top, right, bottom) of the pixels above 0, or None."""
    rows, cols = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not rows.size:
        return None
    return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1


def fit_box(inked: np.ndarray, side: int) -> np.ndarray:
    """Resample ink (area-weighted) so that its longer side fills a `side` x `side` square; maximum 1."""
    rows, cols = inked.shape
    extent = max(rows, cols)
    square = np.zeros((extent, extent), np.float32)
    top, left = (extent - rows) // 2, (extent - cols) // 2
    square[top : top + rows, left : left + cols] = inked
    method = Image.Resampling.BOX if extent >= side else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(square).resize((side, side), method), np.float64)
    return np.clip(small / max(small.max(), 1e-9), 0, 1)


def centred(square: np.ndarray, side: int, centre: float) -> np.ndarray:
    """Paste a square onto a `side` x `side` frame so that its centre of mass comes nearest to pixel `centre`."""
    mass = square.sum()
    shift = [
        int(np.floor(centre + 0.5 - (square.sum(axis=1 - axis) @ np.arange(len(square))) / mass))
        if mass
        else 0
        for axis in (0, 1)
    ]
    top, left = (int(np.clip(s, 0, side - len(square))) for s in shift)
    frame = np.zeros((side, side))
    frame[top : top + len(square), left : left + len(square)] = square
    return frame
