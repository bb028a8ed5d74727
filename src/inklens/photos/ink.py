"""Grey pixels -> ink: the paper's brightness, contrast against it, and which pixels are ink."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

from inklens.photos.threads import product

# gray      (rows, cols)  float32, 0 black to 1 white
# contrast  (rows, cols)  float32, 0 paper to 1 as far from paper as can be
# mask      (rows, cols)  bool, True = ink

PAPER_SIDE = 64  # pixels of the longer side at which paper is estimated: light changes slowly
MIN_SKEW = 0.5  # skewness of the picture from which its sign says what is ink
BINS = 256  # of a histogram of grey levels: as many as a byte has
HYSTERESIS_SHARE = 0.6  # share of the threshold that still counts where it touches clear ink (hysteresis)


@dataclass(frozen=True, eq=False)
class Ink:
    """What one guess at the paper makes of a photo."""

    paper: str
    contrast: np.ndarray
    threshold: float
    full: float  # contrast of the middle of a stroke
    noise: float  # standard deviation of the paper's contrast
    mask: np.ndarray
    bright: np.ndarray  # what it was found in

    def painted_over(self, unwanted: np.ndarray) -> np.ndarray:
        """Return `bright` with paper in place of some pixels."""
        paper = self.bright / np.maximum(1 - self.contrast, 1e-3)
        return np.where(unwanted, paper, self.bright).astype(np.float32)


def otsu(values: np.ndarray) -> float:
    """Return the threshold in [0, 1] that parts `values` with the largest variance between (Otsu 1979).

    >>> import numpy as np
    >>> 0.1 <= otsu(np.array([0.1, 0.1, 0.1, 0.9])) <= 0.9
    True
    """
    index = np.minimum(values * BINS, BINS - 1).astype(np.uint8)
    counts = np.array(Image.fromarray(index.reshape(len(index), -1)).histogram(), float)
    levels = (np.arange(BINS) + 0.5) / BINS
    below = np.cumsum(counts)
    total, moment = below[-1], np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / total - moment) ** 2 / (below * (total - below))
    between = np.nan_to_num(between, nan=0, posinf=0)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))  # flat between two clean groups
    return float((best.mean() + 1) / BINS)


def quantile(values: np.ndarray, share: float) -> float:
    """Return the smallest of some values that `share` of them do not exceed; 0 of none.

    >>> import numpy as np
    >>> quantile(np.array([3.0, 1.0, 2.0]), 0.5)
    2.0
    """
    if not values.size:
        return 0.0
    place = int(share * (values.size - 1))
    return float(np.partition(values, place, axis=None)[place])


def is_dark(gray: np.ndarray) -> bool:
    """Vote whether ink is darker than paper: the border is paper, and so is the larger part."""
    level = otsu(gray)
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    return float((border > level).mean() + (gray > level).mean()) >= 1


def polarities(gray: np.ndarray) -> list[str]:
    """Return what the ink may be, "dark" or "light"; both where two votes disagree, the likelier first.

    One vote is that of `is_dark`. The other evens out the light first: ink is the longer tail of what is left.
    """
    first = "dark" if is_dark(gray) else "light"
    small = resize_longer(gray, PAPER_SIDE)
    basis = _surfaces(*small.shape)
    rest = small.ravel() - product(basis, _fit_surfaces(basis, small.ravel()))
    skew = float((rest**3).mean()) / max(float((rest**2).mean()), 1e-9) ** 1.5
    second = "dark" if skew < 0 else "light"
    if first == second:
        return [first]
    return [second, first] if abs(skew) > MIN_SKEW else [first, second]


def stretch(values: np.ndarray) -> np.ndarray:
    """Map the range of `values` onto [0, 1]; a flat picture becomes 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high - low > 1 / 255 else np.zeros_like(values)


def resize(gray: np.ndarray, size: tuple[int, int], method: Image.Resampling) -> np.ndarray:
    """Resample to (rows, cols)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(gray, np.float32)).resize(size[::-1], method))


def resize_longer(gray: np.ndarray, side: int, *, enlarge: bool = False) -> np.ndarray:
    """Resample so that the longer side has `side` pixels: areas averaged when shrinking, cubic when enlarging."""
    longer = max(gray.shape)
    if longer == side or (longer < side and not enlarge):
        return gray
    size = tuple(max(1, round(n * side / longer)) for n in gray.shape)
    method = Image.Resampling.BOX if longer > side else Image.Resampling.BICUBIC
    return np.clip(resize(gray, (size[0], size[1]), method), 0, 1)


def papers(bright: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield guesses at the paper's brightness under a photo whose ink is dark, by name.

    A flat level suits scans and drawings, a quadratic slow light, a grey closing of 35% and 15% of the side
    shadows and vignettes (a stroke wider than the closing would be taken for paper).
    """
    small = resize_longer(bright, PAPER_SIDE)
    yield "flat", np.full_like(bright, _paper_level(small))
    if float(small.max() - small.min()) < 1 / 255:
        return
    yield "quadratic", _spread(_quadratic(small), bright.shape)
    for share in (0.35, 0.15):
        yield f"closing {share:.0%}", closed_paper(bright, share, PAPER_SIDE)


def closed_paper(bright: np.ndarray, share: float, side: int = 4 * PAPER_SIDE) -> np.ndarray:
    """Guess at the paper by a grey closing as wide as a share of the photo's longer side."""
    small = resize_longer(bright, side)
    width = max(3, round(share * max(small.shape)))
    closed = ndimage.grey_closing(ndimage.gaussian_filter(small, 0.7), size=(width, width), mode="nearest")
    return _spread(ndimage.uniform_filter(closed, width // 2), bright.shape)


def find_ink(bright: np.ndarray, name: str, paper: np.ndarray, threshold: float | None = None) -> Ink:
    """Part ink from paper by contrast: Otsu's threshold, then fainter ink that touches it."""
    contrast = np.clip(1 - bright / np.maximum(paper, 1e-3), 0, 1).astype(np.float32)
    smooth = ndimage.gaussian_filter(contrast, 0.6) if min(contrast.shape) > 60 else contrast
    level = otsu(smooth / max(float(smooth.max()), 1e-6)) * float(smooth.max()) if threshold is None else threshold
    clear = smooth > level
    blank = smooth[::2, ::2][~clear[::2, ::2]]
    usual = quantile(blank, 0.5)
    noise = 1.48 * quantile(np.abs(blank - usual), 0.5)
    full = quantile(contrast[clear], 0.75)
    low = max(HYSTERESIS_SHARE * level, min(level, usual + 4 * noise))
    return Ink(name, contrast, level, full, noise, _touching(smooth > low, clear), bright)


def _touching(faint: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Keep the parts of `faint` that hold a pixel of `clear`."""
    labels, count = ndimage.label(faint, np.ones((3, 3)))
    keep = np.zeros(count + 1, bool)
    keep[labels[clear]] = True
    keep[0] = False
    if keep.sum() == count:
        return faint
    return keep[labels]


def _paper_level(small: np.ndarray) -> float:
    """Return the median of the brighter of two groups."""
    return quantile(small[small >= min(otsu(small), float(small.max()))], 0.5)


def _quadratic(small: np.ndarray) -> np.ndarray:
    """Fit a quadratic surface to the paper, leaving out what is darker than it."""
    basis = _surfaces(*small.shape)
    values = small.ravel()
    keep = values >= quantile(values, 0.5)
    for _ in range(4):
        fitted = product(basis, _fit_surfaces(basis[keep], values[keep]))
        rest = values - fitted
        spread = 1.48 * quantile(np.abs(rest[keep]), 0.5) + 2e-3
        keep = (rest > -2.5 * spread) & (rest < 4 * spread)
        if keep.sum() < 12:
            break
    return np.maximum(fitted.reshape(small.shape), 0.02)


def _fit_surfaces(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the six coefficients of least squares; a picture too small to tell them apart gets the shortest ones."""
    return np.linalg.pinv(product(basis.T, basis), hermitian=True) @ product(basis.T, values)


@lru_cache(maxsize=16)
def _surfaces(rows: int, cols: int) -> np.ndarray:
    """Return the six quadratic surfaces over a picture as columns."""
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j])
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)


def _spread(small: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Enlarge an estimate of the paper to the photo."""
    return small if small.shape == shape else resize(small, (shape[0], shape[1]), Image.Resampling.BILINEAR)
