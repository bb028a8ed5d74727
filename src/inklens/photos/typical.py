"""How typical of handwritten digits a frame is, before any classifier has its say.

The `strokes` features of MNIST's training digits are gathered round 160 prototypes, 16 a class. With z the features'
projection on the 64 leading principal directions and r what these leave over, a frame lies

    d = min_j (z - c_j)' S^-1 (z - c_j)      S pooled covariance about the prototypes c_j
    e = |r|^2 / sigma^2                      sigma^2 mean of the left-over variance

away from what was seen (probabilistic principal components: Tipping and Bishop 1999). Both are measured in units of
their medians over the training digits.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from inklens.photos.features import strokes

# features    (n, 520)   float32
# mean        (520,)     basis (520, 64), orthonormal columns
# whiten      (64, 64)   S^-1/2
# prototypes  (160, 64)  whitened
# quantiles   (201,)     strangeness of held-out training digits, sorted

HOME = Path(__file__).with_name("typical.safetensors")
DIMENSIONS = 64
PROTOTYPES = 16  # per class


@dataclass(frozen=True, eq=False)
class Typical:
    """What digits look like, in numbers."""

    mean: np.ndarray
    basis: np.ndarray
    whiten: np.ndarray
    prototypes: np.ndarray
    noise: np.ndarray  # (1,) sigma^2
    medians: np.ndarray  # (2,) of d and e
    quantiles: np.ndarray

    def strangeness(self, frames: np.ndarray) -> np.ndarray:
        """Return (d / median + e / median) / 2 for each frame: 1 is an ordinary digit, 3 hardly one."""
        return self.of_features(strokes(frames))

    def of_features(self, rows: np.ndarray) -> np.ndarray:
        """Return the strangeness of frames given by their `strokes` features."""
        centred = rows - self.mean
        inside = centred @ self.basis
        left_over = (centred * centred).sum(axis=1) - (inside * inside).sum(axis=1)
        z = inside @ self.whiten
        apart = (z * z).sum(axis=1)[:, None] - 2 * z @ self.prototypes.T + (self.prototypes**2).sum(axis=1)
        near = np.stack([apart.min(axis=1), left_over / self.noise[0]], 1)
        return np.maximum(near / self.medians, 0).mean(axis=1)

    def likeness(self, strangeness: np.ndarray) -> np.ndarray:
        """Return the share of held-out training digits that are at least as strange, from 0 to 1.

        Beyond the strangest of them it falls off exponentially, so that it stays above 0.
        """
        share = 1 - np.interp(strangeness, self.quantiles, np.linspace(0, 1, len(self.quantiles)))
        last = float(self.quantiles[-2])
        tail = np.exp(-np.maximum(np.asarray(strangeness) - last, 0)) / (len(self.quantiles) - 1)
        return np.where(strangeness > last, tail, share)


def fit(rows: np.ndarray, labels: np.ndarray, held_out: np.ndarray, *, seed: int = 0) -> Typical:
    """Learn what is typical from `strokes` features with labels; quantiles come from held-out rows."""
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
        found, nearest = kmeans2(own, PROTOTYPES, iter=15, minit="++", seed=seed)
        centres.append(found)
        rest.append(own - found[nearest])
    gathered = np.concatenate(rest)
    values, vectors = np.linalg.eigh(gathered.T @ gathered / len(gathered))
    whiten = vectors / np.sqrt(np.maximum(values, 1e-9))
    ones = np.ones(2, np.float32)
    raw = Typical(
        *(_small(a) for a in (mean, basis, whiten, np.concatenate(centres) @ whiten)),
        np.array([noise], np.float32), ones, np.zeros(201, np.float32),
    )  # fmt: skip
    z = (held_out - raw.mean) @ raw.basis
    e = (((held_out - raw.mean) ** 2).sum(axis=1) - (z * z).sum(axis=1)) / noise
    d = 2 * raw.of_features(held_out) - e
    medians = np.array([np.median(d), np.median(e)], np.float32)
    strange = (d / medians[0] + e / medians[1]) / 2
    quantiles = np.quantile(strange, np.linspace(0, 1, 201)).astype(np.float32)
    return Typical(raw.mean, raw.basis, raw.whiten, raw.prototypes, raw.noise, medians, quantiles)


@cache
def shipped() -> Typical:
    """Return the one that comes with the package, learned from MNIST's training digits."""
    from safetensors.numpy import load

    arrays = load(HOME.read_bytes())
    return Typical(**{name: array.astype(np.float32) for name, array in arrays.items()})


def to_bytes(typical: Typical) -> bytes:
    """Serialise, the large arrays in half precision."""
    from safetensors.numpy import save

    large = ("basis", "prototypes", "whiten")
    arrays = {
        name: np.ascontiguousarray(array, np.float16 if name in large else np.float32)
        for name, array in vars(typical).items()
    }
    return save(arrays)


def _small(array: np.ndarray) -> np.ndarray:
    """Round to half precision, as it will be stored."""
    return array.astype(np.float16).astype(np.float32)
