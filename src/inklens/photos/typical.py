"""How typical of handwritten digits a frame is, before any classifier has its say.

The `strokes` features of MNIST's training digits are gathered round 160 prototypes, 16 a class. With z the features'
projection on the 64 leading principal directions and r what these leave over, a frame lies

    d = min_j (z - c_j)' S^-1 (z - c_j)      S pooled covariance about the prototypes c_j
    e = |r|^2 / sigma^2                      sigma^2 mean of the left-over variance

away from what was seen (probabilistic principal components: Tipping and Bishop 1999); both are measured in units of
their medians over the training digits. A softmax regression of ten digits against clusters of drawn signs that are no
digits (letters, scribbles, faces, textures) tells outliers that lie near enough.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from inklens.photos.features import strokes
from inklens.photos.threads import product

# features    (n, 520)   float32
# mean        (520,)     basis (520, 64), orthonormal columns
# whiten      (64, 64)   S^-1/2
# prototypes  (160, 64)  whitened
# outliers    (521, k)   coefficients and intercepts of ten digits, then of what is none

HOME = Path(__file__).with_name("typical.safetensors")
DIMENSIONS = 64
PROTOTYPES = 16  # per class
DIGITS = 10  # the first columns of `outliers`
OUTLIER_NOVELTY = 1.5  # added to the novelty of a sign that is no digit
HALF_LIKELY_NOVELTY, STEEPNESS = 3.8, 3.0  # novelty at which likeness has halved, and how fast it falls


@dataclass(frozen=True, eq=False)
class Typical:
    """What digits look like, in numbers."""

    mean: np.ndarray
    basis: np.ndarray
    whiten: np.ndarray
    prototypes: np.ndarray
    noise: np.ndarray  # (1,) sigma^2
    medians: np.ndarray  # (2,) of d and e
    outliers: np.ndarray

    def novelty(self, frames: np.ndarray) -> np.ndarray:
        """Return for each frame (d / median + e / median) / 2, and `OUTLIER_NOVELTY` more for what is no digit.

        1 is an ordinary digit, 3 hardly one.
        """
        rows = strokes(frames)
        return self.distance(rows) + OUTLIER_NOVELTY * self.outlier_proba(rows)

    def distance(self, rows: np.ndarray) -> np.ndarray:
        """Return (d / median + e / median) / 2 of frames given by their `strokes` features."""
        centred = rows - self.mean
        inside = product(centred, self.basis)
        left_over = (centred * centred).sum(axis=1) - (inside * inside).sum(axis=1)
        z = product(inside, self.whiten)
        apart = (z * z).sum(axis=1)[:, None] - 2 * product(z, self.prototypes.T) + (self.prototypes**2).sum(axis=1)
        near = np.stack([apart.min(axis=1), left_over / self.noise[0]], 1)
        return np.maximum(near / self.medians, 0).mean(axis=1)

    def outlier_proba(self, rows: np.ndarray) -> np.ndarray:
        """Return from 0 to 1 how likely features are those of a sign that is no digit."""
        z = rows @ self.outliers[:-1] + self.outliers[-1]
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        return odds[:, DIGITS:].sum(axis=1) / odds.sum(axis=1)

    def likeness(self, frames: np.ndarray) -> np.ndarray:
        """Return from 0 to 1 how likely each frame is a digit as the training data has them."""
        rows = strokes(frames)
        far = np.clip(STEEPNESS * (self.distance(rows) - HALF_LIKELY_NOVELTY), -50, 50)
        return (1 - self.outlier_proba(rows)) / (1 + np.exp(far))


def fit(rows: np.ndarray, labels: np.ndarray, outliers: np.ndarray, *, seed: int = 0) -> Typical:
    """Learn what is typical from `strokes` features with labels; `outliers` comes from another fit."""
    from scipy.cluster.vq import kmeans2

    mean = rows.mean(axis=0)
    centred = rows - mean
    basis = np.linalg.eigh(centred.T @ centred / len(rows))[1][:, ::-1][:, :DIMENSIONS]
    inside = centred @ basis
    left_over = (centred * centred).sum(axis=1) - (inside * inside).sum(axis=1)
    noise = left_over.mean() / (rows.shape[1] - DIMENSIONS)
    centres, rest = [], []
    for label in np.unique(labels):
        own = inside[labels == label]
        found, nearest = kmeans2(own, PROTOTYPES, iter=15, minit="++", rng=np.random.default_rng(seed))
        centres.append(found)
        rest.append(own - found[nearest])
    gathered = np.concatenate(rest)
    values, vectors = np.linalg.eigh(gathered.T @ gathered / len(gathered))
    whiten = vectors / np.sqrt(np.maximum(values, 1e-9))
    apart = np.median((gathered @ whiten * (gathered @ whiten)).sum(axis=1))
    medians = np.array([apart, np.median(left_over / noise)])
    arrays = (mean, basis, whiten, np.concatenate(centres) @ whiten, np.array([noise]), medians, outliers)
    return Typical(*(array.astype(np.float32) for array in arrays))


@cache
def shipped() -> Typical:
    """Return the one that comes with the package, learned from MNIST's training digits."""
    from safetensors.numpy import load

    arrays = load(HOME.read_bytes())
    return Typical(**{name: array.astype(np.float32) for name, array in arrays.items()})


def to_bytes(typical: Typical) -> bytes:
    """Serialise; the large arrays in half precision."""
    from safetensors.numpy import save

    large = ("basis", "prototypes", "whiten", "outliers")
    return save(
        {
            name: np.ascontiguousarray(array, np.float16 if name in large else np.float32)
            for name, array in vars(typical).items()
        }
    )
